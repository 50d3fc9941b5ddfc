//! The meaning of operators: what each makes of the values it reads. One file per
//! family.

pub mod arithmetic;
pub mod convolution;
pub mod dense;
pub mod host;
pub mod movement;
pub mod pool;
pub mod qlinear;
pub mod quantise;
pub mod real_sums;
pub mod runtime;
pub mod shapes;
pub mod sums;
pub mod supported;
pub mod unary;

use crate::builder::{Builder, CodePart, Codes};
use crate::functions::Function;
use crate::graph::{Batch, Data, Node, Tensor};
use crate::network::{
    CodeType, HostFunction, InputKind, MapId, Preparation, Quantiser, RealFunction,
};
use crate::pairs::{PairRule, Target};
use crate::passes::import::check_sample;
use crate::table::Table;
use crate::view::{Order, View, MAX_PARTS};
use runtime::Runtime;
use shapes::Dims;
use std::collections::HashMap;
use std::rc::Rc;
use sums::Sums;
use supported::supported;

/// What is known of a tensor.
#[derive(Debug, Clone)]
pub enum Value {
    /// It depends on a node that has been refused.
    Failed,
    Constant(Rc<Tensor>),
    Scaled(Rc<Scaled>),
    /// Integers made of dimensions, perhaps of the batch's.
    Dims(Dims),
    Codes(Codes),
    Real(Real),
    /// Results of an operation that are not yet quantised, and where they will be in
    /// its map.
    Sums(View<()>, Rc<Sums>),
    /// Left to the host.
    Host(Hosted),
    /// Of a node with several outputs.
    Several(Vec<Value>),
}

/// A constant of integers behind DequantizeLinear: weights, a bias, an operand.
#[derive(Debug, Clone)]
pub struct Scaled {
    pub tensor: Rc<Tensor>,
    /// One, or one per index of `axis`; positive and finite.
    pub scales: Vec<f32>,
    /// As many as scales.
    pub zero_points: Vec<i32>,
    pub axis: Option<usize>,
    /// The runtime may turn its int8 codes into uint8.
    pub converted: bool,
}

/// A tensor of real numbers, each a function of one code.
#[derive(Debug, Clone)]
pub struct Real {
    pub view: View<RealPart>,
    /// The type of its codes in the runtime, if nothing has happened to it since
    /// DequantizeLinear.
    pub code: Option<CodeType>,
}

#[derive(Debug, Clone)]
pub enum RealPart {
    /// The model's real input, not yet quantised, and functions of it.
    Input(Rc<[RealFunction]>),
    Map(RealMap),
    Constant(f32),
}

/// A map whose codes stand for real numbers.
#[derive(Debug, Clone)]
pub struct RealMap {
    pub map: MapId,
    /// How its codes were dequantised.
    pub quantiser: Quantiser,
    /// What has become of each stored code since.
    pub values: Rc<[f32; 256]>,
    /// The integer kernel in which the runtime does this and quantises, if nothing
    /// comes between.
    pub fused: Option<Fused>,
}

/// A sum or product of a tensor with a constant or with itself, and what clamps it.
#[derive(Debug, Clone)]
pub struct Fused {
    pub rule: Rc<PairRule>,
    pub with: FusedWith,
    pub low: f32,
    pub high: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FusedWith {
    Itself,
    /// A stored code as first operand.
    First(u8),
    /// A stored code as second operand.
    Second(u8),
}

/// The tail of the model, from the last tensor the accelerator makes.
#[derive(Debug, Clone)]
pub struct Hosted {
    pub source: Box<Value>,
    pub functions: Vec<HostFunction>,
    /// Dimensions after the batch axis.
    pub dims: Vec<usize>,
}

/// What operators read and add to.
pub struct Context {
    pub batch: Batch,
    pub opset: i64,
    pub runtime: Runtime,
    pub values: HashMap<String, Value>,
    pub input: Option<InputKind>,
    pub preparation: Preparation,
    pub input_map: MapId,
    pub builder: Builder,
}

/// The rule of a node, and its value: of its first output, or [`Value::Several`].
/// Inputs that failed give `Failed` without another complaint.
pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    let operator = supported(&node.operator).ok_or("the operator is not supported")?;
    let failed = |name: &String| matches!(context.values.get(name), Some(Value::Failed));
    if node.inputs.iter().any(failed) {
        return Ok(Value::Failed);
    }
    let value = (operator.rule)(context, node)?;
    let values = match &value {
        Value::Several(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    values
        .iter()
        .filter_map(Value::dims)
        .try_for_each(check_sample)?;
    Ok(value)
}

impl Value {
    /// Dimensions after the batch axis, of what is computed from the model's input.
    pub fn dims(&self) -> Option<&[usize]> {
        match self {
            Value::Codes(codes) => Some(&codes.view.dims),
            Value::Real(real) => Some(&real.view.dims),
            Value::Sums(view, _) => Some(&view.dims),
            Value::Host(hosted) => Some(&hosted.dims),
            _ => None,
        }
    }
}

impl Context {
    pub fn required(&self, node: &Node, index: usize) -> Result<&Value, String> {
        let name = node
            .input(index)
            .ok_or_else(|| format!("input {index} is missing"))?;
        self.values
            .get(name)
            .ok_or_else(|| format!("it reads `{name}`, which has no value"))
    }

    /// An input; `None` when it is left out.
    pub fn optional(&self, node: &Node, index: usize) -> Result<Option<&Value>, String> {
        node.input(index)
            .map(|_| self.required(node, index))
            .transpose()
    }

    /// A constant input; `None` when it is left out.
    pub fn constant(&self, node: &Node, index: usize) -> Result<Option<Rc<Tensor>>, String> {
        match node.input(index) {
            None => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(Value::Constant(tensor)) => Ok(Some(tensor.clone())),
                Some(Value::Dims(dims)) => dims
                    .tensor()
                    .map(|tensor| Some(Rc::new(tensor)))
                    .ok_or_else(|| {
                        format!("input {index} (`{name}`) depends on the number of samples")
                    }),
                _ => Err(format!("input {index} (`{name}`) must be a constant")),
            },
        }
    }

    /// A real input that is quantised with one scale, as codes.
    pub fn quantised(&mut self, node: &Node, index: usize) -> Result<Quantised, String> {
        match self.required(node, index)?.clone() {
            Value::Real(real) => real.quantised(&mut self.builder, &node.name),
            Value::Constant(_) | Value::Scaled(_) | Value::Dims(_) => Err(format!(
                "input {index} must be computed from the model's input, and is a constant"
            )),
            Value::Codes(_) => {
                Err("its input is integers; put DequantizeLinear before it".to_string())
            }
            _ => Err(NOT_QUANTISED.to_string()),
        }
    }
}

const NOT_QUANTISED: &str =
    "its input is not quantised; put QuantizeLinear and DequantizeLinear before it";

/// A tensor of codes with one scale and zero point.
pub struct Quantised {
    pub view: View<CodePart>,
    pub quantiser: Quantiser,
    /// Its type in the runtime, where nothing stands between its DequantizeLinear and
    /// the operator.
    pub code: Option<CodeType>,
}

impl Real {
    /// Its numbers as codes of the scale they were dequantised with, where they are
    /// multiples of it: clamping leaves them so, and so does padding with zeros.
    pub fn quantised(&self, builder: &mut Builder, name: &str) -> Result<Quantised, String> {
        let mut maps = self.view.parts.iter().filter_map(|part| match part {
            RealPart::Map(map) => Some(map),
            _ => None,
        });
        let quantiser = maps.next().ok_or(NOT_QUANTISED)?.quantiser;
        if !maps.all(|map| map.quantiser == quantiser) {
            return Err("its input is joined of tensors of different scales; put QuantizeLinear and DequantizeLinear before it".to_string());
        }
        let exact = |x: f32| {
            let code = quantiser.quantise(x);
            match quantiser.dequantise(code) == x {
                true => Ok(code),
                false => Err(NOT_QUANTISED.to_string()),
            }
        };
        let codes = |part: &RealPart| {
            Ok(match part {
                RealPart::Input(_) => return Err(NOT_QUANTISED.to_string()),
                RealPart::Constant(x) => Tabulated::Code(exact(*x)?),
                RealPart::Map(RealMap { map, values, .. }) => {
                    let mut table = Box::new([0; 256]);
                    for (entry, &x) in table.iter_mut().zip(values.iter()) {
                        *entry = exact(x)?;
                    }
                    Tabulated::Map(*map, Table(table))
                }
            })
        };
        let parts: Result<Vec<Tabulated>, String> = self.view.parts.iter().map(codes).collect();
        let view = quantise::tabulated(builder, name, &self.view.with_parts(parts?.into()))?;
        Ok(Quantised {
            view,
            quantiser,
            code: self.code,
        })
    }

    /// All its numbers through a function.
    pub fn then(&self, builder: &mut Builder, function: Function) -> Result<Real, String> {
        builder.count_evaluations(256 * self.view.parts.len())?;
        let part = |part: &RealPart| {
            Ok(match part {
                RealPart::Input(before) => prepared(before, RealFunction::Unary(function))?,
                RealPart::Constant(x) => RealPart::Constant(function.apply(*x)),
                RealPart::Map(map) if function.is_clamp() => RealPart::Map(map.clamped(function)),
                RealPart::Map(map) => RealPart::Map(map.mapped(|x| function.apply(x))),
            })
        };
        let parts: Result<Vec<RealPart>, String> = self.view.parts.iter().map(part).collect();
        Ok(Real {
            view: self.view.with_parts(parts?.into()),
            code: None,
        })
    }
}

/// Functions that the host computes of each number before it quantises it.
const MAX_PREPARATION: usize = 64;

/// A function behind others of the model's input.
fn prepared(before: &[RealFunction], function: RealFunction) -> Result<RealPart, String> {
    match before.len() < MAX_PREPARATION {
        true => Ok(RealPart::Input(before.iter().copied().chain([function]).collect())),
        false => Err(format!(
            "it is one of more than {MAX_PREPARATION} functions of the model's input before it is quantised"
        )),
    }
}

impl RealMap {
    pub fn new(map: MapId, quantiser: Quantiser) -> RealMap {
        RealMap {
            map,
            quantiser,
            values: Rc::new(std::array::from_fn(|code| quantiser.dequantise(code as u8))),
            fused: None,
        }
    }

    /// Its numbers quantised.
    pub fn table(&self, to: &Target) -> Table {
        match &self.fused {
            Some(fused) if to.drops(fused.low, fused.high) => {
                let codes = fused.rule.codes(to, false);
                Table::from_fn(|code| match fused.with {
                    FusedWith::Itself => codes(code, code),
                    FusedWith::First(constant) => codes(constant, code),
                    FusedWith::Second(constant) => codes(code, constant),
                })
            }
            _ => Table::from_fn(|code| to.quantiser.quantise(self.values[code as usize])),
        }
    }

    /// Behind a clamp the runtime may still use its integer kernel.
    fn clamped(&self, function: Function) -> RealMap {
        RealMap {
            fused: self.fused.as_ref().map(|fused| Fused {
                low: function.apply(fused.low),
                high: function.apply(fused.high),
                ..fused.clone()
            }),
            ..self.mapped(|x| function.apply(x))
        }
    }

    pub fn mapped(&self, f: impl Fn(f32) -> f32) -> RealMap {
        RealMap {
            values: Rc::new(std::array::from_fn(|code| f(self.values[code]))),
            fused: None,
            ..self.clone()
        }
    }
}

/// A part of a tensor of codes with the function of codes that is still to be applied.
#[derive(Debug, Clone)]
pub enum Tabulated {
    Map(MapId, Table),
    Code(u8),
}

/// Views joined along an axis (0 is the first after the batch), with all their parts.
pub fn concatenate<P: Clone>(
    builder: &mut Builder,
    views: &[View<P>],
    axis: usize,
) -> Result<View<P>, String> {
    if let [view] = views {
        return Ok(view.clone());
    }
    let first = &views[0].dims;
    let mut dims = first.clone();
    dims[axis] = 0;
    for view in views {
        let fits = view.dims.len() == first.len()
            && (0..first.len()).all(|a| a == axis || view.dims[a] == first[a]);
        if !fits {
            return Err(format!(
                "it joins tensors of shapes {first:?} and {:?} on axis {}",
                view.dims,
                axis + 1
            ));
        }
        dims[axis] += view.dims[axis];
    }
    check_sample(&dims)?;
    let parts: Vec<P> = views.iter().flat_map(|v| v.parts.iter().cloned()).collect();
    if parts.len() > MAX_PARTS {
        return Err(format!("it joins more than {MAX_PARTS} tensors"));
    }
    builder.count_places(dims.iter().product::<usize>() + parts.len())?;
    let outer: usize = first[..axis].iter().product();
    let inner: usize = first[axis + 1..].iter().product();
    let mut places = Vec::with_capacity(dims.iter().product());
    for o in 0..outer {
        let mut base = 0;
        for view in views {
            let run = view.dims[axis] * inner;
            places.extend((o * run..(o + 1) * run).map(|index| {
                let mut place = view.place(index);
                place.part += base;
                place
            }));
            base += view.parts.len() as u16;
        }
    }
    Ok(View {
        order: Order::of(places, parts.len()),
        parts: parts.into(),
        dims,
    })
}

/// The one element of a float constant.
pub fn float_scalar(tensor: &Tensor) -> Result<f32, String> {
    match &tensor.data {
        Data::F32(values) if values.len() == 1 => Ok(values[0]),
        data => Err(format!(
            "must be one float32, and is {} of shape {:?}",
            data.type_name(),
            tensor.shape
        )),
    }
}
