//! Add, Sub, Mul, Div, Pow, Min, Max: of one tensor with constants, or of itself, they
//! are tables; sums and products of two tensors are operations.

use super::dense::add_bias;
use super::runtime::constant_code;
use super::sums::{check_scales, Sums, SumsKind};
use super::{prepared, shapes, Context, Fused, FusedWith, Real, RealMap, RealPart, Scaled, Value};
use crate::builder::{Builder, CodePart};
use crate::functions::Function;
use crate::graph::{Data, Node, Tensor};
use crate::network::{CodeType, Finish, Kind, MapId, Quantiser, RealFunction, Shape};
use crate::pairs::{PairOperator, PairRule, Target};
use crate::passes::import::check_sample;
use crate::view::{Order, Place, View};
use quern_isa::HostWork;
use std::collections::HashMap;
use std::rc::Rc;

/// Different functions of one tensor, for as many channels.
const MAX_FUNCTIONS: usize = 1 << 12;

pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    if node.inputs.len() != 2 {
        return Err(format!(
            "it has {} inputs; two are supported",
            node.inputs.len()
        ));
    }
    let operator = operator(&node.operator)?;
    let operands = [
        context.required(node, 0)?.clone(),
        context.required(node, 1)?.clone(),
    ];
    combine(context, node, operator, operands)
}

/// An operator of two values, wherever they come from.
pub fn combine(
    context: &mut Context,
    node: &Node,
    operator: PairOperator,
    operands: [Value; 2],
) -> Result<Value, String> {
    match &operands {
        [a, b] if !is_activation(a) && !is_activation(b) => shapes::arithmetic(node, a, b),
        [Value::Sums(view, sums), constant] | [constant, Value::Sums(view, sums)]
            if !is_activation(constant) =>
        {
            if operator == PairOperator::Add {
                return add_bias(context.batch, view, sums, constant);
            }
            let bound = scalar(constant)?;
            let clamp = match operator {
                PairOperator::Max => Function::Clip {
                    low: bound,
                    high: f32::INFINITY,
                },
                PairOperator::Min => Function::Clip {
                    low: f32::NEG_INFINITY,
                    high: bound,
                },
                _ => return Err(sums.follows()),
            };
            let sums = sums.then(clamp).ok_or_else(|| sums.follows())?;
            Ok(Value::Sums(view.clone(), Rc::new(sums)))
        }
        [Value::Sums(_, sums), _] | [_, Value::Sums(_, sums)] => Err(sums.follows()),
        [Value::Codes(_), _] | [_, Value::Codes(_)] => {
            Err("its input is integers; put DequantizeLinear before it".to_string())
        }
        [Value::Real(a), Value::Real(b)] => of_two(context, node, operator, a, b),
        [Value::Real(a), b] => with_constant(context, node, operator, a, b, false),
        [a, Value::Real(b)] => with_constant(context, node, operator, b, a, true),
        _ => Err("its inputs are left to the host".to_string()),
    }
}

/// BatchNormalization for inference: a product and a sum with constants of channels.
pub fn normalise(context: &mut Context, node: &Node) -> Result<Value, String> {
    if node.int("training_mode", 0)? != 0 {
        return Err("it is in training mode; export the model for inference".to_string());
    }
    let value = context.required(node, 0)?.clone();
    let rank = value.dims().ok_or("its input is a constant")?.len();
    let epsilon = node.float("epsilon", 1e-5)?;
    let parameter = |index: usize| match context.constant(node, index)?.as_deref() {
        Some(Tensor {
            data: Data::F32(values),
            ..
        }) => Ok(values.clone()),
        _ => Err(format!("input {index} must be a float32 constant")),
    };
    let [scale, bias, mean, variance] =
        [parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?];
    if [&bias, &mean, &variance]
        .iter()
        .any(|list| list.len() != scale.len())
    {
        return Err("its parameters are of different lengths".to_string());
    }
    let factor: Vec<f32> = scale
        .iter()
        .zip(&variance)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let offset: Vec<f32> = bias
        .iter()
        .zip(mean.iter().zip(&factor))
        .map(|(bias, (mean, factor))| bias - mean * factor)
        .collect();
    let constant = |values: Vec<f32>| {
        let mut shape = vec![1; rank.max(1)];
        shape[0] = values.len();
        let data = Data::F32(values);
        Value::Constant(Rc::new(Tensor { shape, data }))
    };
    let product = combine(
        context,
        node,
        PairOperator::Multiply,
        [value, constant(factor)],
    )?;
    combine(
        context,
        node,
        PairOperator::Add,
        [product, constant(offset)],
    )
}

fn operator(name: &str) -> Result<PairOperator, String> {
    Ok(match name {
        "Add" => PairOperator::Add,
        "Sub" => PairOperator::Subtract,
        "Mul" => PairOperator::Multiply,
        "Div" => PairOperator::Divide,
        "Pow" => PairOperator::Power,
        "Min" => PairOperator::Min,
        "Max" => PairOperator::Max,
        "PRelu" => PairOperator::LeakyRelu,
        other => return Err(format!("`{other}` is no operator of two tensors")),
    })
}

fn is_activation(value: &Value) -> bool {
    !matches!(
        value,
        Value::Constant(_) | Value::Scaled(_) | Value::Dims(_)
    )
}

fn scalar(value: &Value) -> Result<f32, String> {
    match value {
        Value::Constant(tensor) => super::float_scalar(tensor),
        _ => Err("its constant must be one float32".to_string()),
    }
}

/// Of two tensors, or of two functions of one.
pub fn of_two(
    context: &mut Context,
    node: &Node,
    operator: PairOperator,
    a: &Real,
    b: &Real,
) -> Result<Value, String> {
    let dims = broadcast(&a.view.dims, &b.view.dims)?;
    let builder = &mut context.builder;
    let views = [
        expanded(builder, &a.view, &dims)?,
        expanded(builder, &b.view, &dims)?,
    ];
    // The runtime swaps the operands where the first is the same for a whole row.
    let swapped = dims.last() != Some(&1) && a.view.dims.last().copied().unwrap_or(1) == 1;
    let codes = a.code.zip(b.code).map(|(a, b)| [a, b]);
    let kernel = codes.map(|codes| Kernel {
        codes,
        swapped,
        constant: None,
    });
    if let Some(real) = of_one_tensor(builder, operator, &views, kernel.as_ref())? {
        return Ok(Value::Real(real));
    }
    let operands = views
        .iter()
        .map(|view| Operand::new(&mut context.builder, &node.name, view))
        .collect::<Result<Vec<Operand>, String>>()?;
    let [a, b] = <[Operand; 2]>::try_from(operands).map_err(|_| "two operands")?;
    let rule = PairRule {
        operator,
        quantisers: [a.quantiser, b.quantiser],
        values: [a.values, b.values],
        codes,
        swapped,
    };
    pair(context, node, [a.view, b.view], rule)
}

/// A tensor whose elements are one function of their codes.
struct Operand {
    view: View<CodePart>,
    quantiser: Quantiser,
    values: Rc<[f32; 256]>,
}

impl Operand {
    fn new(builder: &mut Builder, name: &str, view: &View<RealPart>) -> Result<Operand, String> {
        let mut maps = view.parts.iter().filter_map(|part| match part {
            RealPart::Map(map) => Some(map),
            _ => None,
        });
        let first = maps.next().ok_or(super::NOT_QUANTISED)?.clone();
        let uniform = maps.all(|map| same_values(&map.values, &first.values))
            && view
                .parts
                .iter()
                .all(|part| matches!(part, RealPart::Map(_)));
        if uniform {
            let code = |part: &RealPart| match part {
                RealPart::Map(map) => CodePart::Map(map.map),
                _ => unreachable!("all parts are maps"),
            };
            let parts = view.parts.iter().map(code).collect();
            return Ok(Operand {
                view: view.with_parts(parts),
                quantiser: first.quantiser,
                values: first.values,
            });
        }
        let real = Real {
            view: view.clone(),
            code: None,
        };
        let quantised = real.quantised(builder, name)?;
        Ok(Operand {
            view: quantised.view,
            quantiser: quantised.quantiser,
            values: RealMap::new(MapId(0), quantised.quantiser).values,
        })
    }
}

fn same_values(a: &Rc<[f32; 256]>, b: &Rc<[f32; 256]>) -> bool {
    Rc::ptr_eq(a, b)
        || a.iter()
            .zip(b.iter())
            .all(|(x, y)| x.to_bits() == y.to_bits())
}

fn pair(
    context: &mut Context,
    node: &Node,
    views: [View<CodePart>; 2],
    rule: PairRule,
) -> Result<Value, String> {
    if rule.operator == PairOperator::Power {
        return Err(format!(
            "{} of two tensors is not supported, only of one and constants",
            node.operator
        ));
    }
    let builder = &mut context.builder;
    // As the larger of the maps lies already, if one does.
    let (order, shape) = views
        .iter()
        .find_map(|view| whole(builder, view))
        .map_or_else(|| natural(&views[0].dims), Ok)?;
    let [a, b] = &views;
    let inputs = [
        builder.arranged(&node.name, a, &order, shape)?,
        builder.arranged(&node.name, b, &order, shape)?,
    ];
    let view = View {
        dims: a.dims.clone(),
        parts: Rc::new([()]),
        order,
    };
    let sums = Sums::new(&node.name, shape, SumsKind::Pair(Pair { inputs, rule }));
    Ok(Value::Sums(view, Rc::new(sums)))
}

/// Order and shape of a view that is all of one map.
fn whole(builder: &Builder, view: &View<CodePart>) -> Option<(Order, Shape)> {
    let [CodePart::Map(map)] = view.parts[..] else {
        return None;
    };
    let shape = builder.shape(map);
    let regular = !matches!(view.order, Order::Explicit(_));
    (regular && shape.elements() == view.len()).then(|| (view.order.clone(), shape))
}

/// Channels first where there are pixels to speak of.
pub fn natural(dims: &[usize]) -> Result<(Order, Shape), String> {
    if let [channels, ..] = *dims {
        if let (2..=3, Ok(shape)) = (dims.len(), super::convolution::feature_map(dims)) {
            let order = Order::channels_first(channels, shape.height * shape.width);
            return Ok((order, shape));
        }
    }
    let channels = dims.last().copied().unwrap_or(1);
    let shape = Shape {
        height: 1,
        width: dims.iter().product::<usize>() / channels,
        channels,
    };
    Ok((Order::Rows, shape))
}

/// A sum, difference or product of two maps.
#[derive(Debug, Clone)]
pub struct Pair {
    inputs: [MapId; 2],
    rule: PairRule,
}

impl Pair {
    pub fn quantise(
        &self,
        builder: &mut Builder,
        name: &str,
        to: &Target,
        finish: &Finish,
    ) -> Result<Kind, String> {
        builder.count_evaluations(1 << 17)?;
        let reason = match self.rule.on_chip(self.inputs, to, finish) {
            Ok(kind) => {
                if let Kind::Multiply { scale, .. } = &kind {
                    check_scales(name, &[*scale])?;
                }
                return Ok(kind);
            }
            Err(reason) => reason,
        };
        let table = self.rule.targets(to, finish).into_boxed_slice();
        let table = table.try_into().map_err(|_| "a code for each pair")?;
        Ok(Kind::Host {
            inputs: self.inputs.to_vec(),
            work: Rc::new(HostWork::Pairs(table)),
            reason,
        })
    }
}

/// Dimensions of the result of two tensors, both without their batch axis.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let dim = |dims: &[usize], axis: usize| match (axis + dims.len()).checked_sub(rank) {
        None => 1,
        Some(axis) => dims[axis],
    };
    let dims = (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (n, m) if n == m => Ok(n),
            (1, n) | (n, 1) => Ok(n),
            _ => Err(format!(
                "shapes {a:?} and {b:?} (after the batch) do not go together"
            )),
        })
        .collect::<Result<Vec<usize>, String>>()?;
    check_sample(&dims)?;
    // A missing axis would be the batch's, were the ranks to differ.
    match a.len() == b.len() {
        true => Ok(dims),
        false => Err(format!(
            "tensors of {} and {} axes do not go together: the batch axis would meet another",
            a.len() + 1,
            b.len() + 1
        )),
    }
}

/// A view repeated along axes of size 1.
pub fn expanded<P: Clone>(
    builder: &mut Builder,
    view: &View<P>,
    dims: &[usize],
) -> Result<View<P>, String> {
    if view.dims == dims {
        return Ok(view.clone());
    }
    let count: usize = dims.iter().product();
    builder.count_places(count)?;
    let strides = shapes::strides(&view.dims);
    let index = |index: usize| {
        let mut rest = index;
        let mut from = 0;
        for axis in (0..dims.len()).rev() {
            let at = rest % dims[axis];
            rest /= dims[axis];
            from += at % view.dims[axis] * strides[axis];
        }
        from
    };
    Ok(view.gathered(dims.to_vec(), (0..count).map(index)))
}

/// Both operands are functions of the same elements, or constants.
fn of_one_tensor(
    builder: &mut Builder,
    operator: PairOperator,
    views: &[View<RealPart>; 2],
    kernel: Option<&Kernel>,
) -> Result<Option<Real>, String> {
    let [a, b] = views;
    let constant = |view: &View<RealPart>| {
        let mut parts = view.parts.iter();
        parts.all(|part| matches!(part, RealPart::Constant(_)))
    };
    if !constant(a) && !constant(b) && !a.same_places(b) && a.parts.len() * b.parts.len() == 1 {
        return Ok(None);
    }
    let mut numbers: HashMap<(u16, u16), u16> = HashMap::new();
    let mut parts = Vec::new();
    let mut places = Vec::with_capacity(a.len());
    builder.count_places(2 * a.len())?;
    for (p, q) in a.places().zip(b.places()) {
        let key = (p.part, q.part);
        let part = match numbers.get(&key) {
            Some(&part) => part,
            None => {
                let pair = (&a.parts[p.part as usize], &b.parts[q.part as usize]);
                let part = match pair {
                    (RealPart::Map(x), RealPart::Map(y)) if x.map == y.map => {
                        let both = |code: usize| operator.apply(x.values[code], y.values[code]);
                        RealPart::Map(RealMap {
                            values: Rc::new(std::array::from_fn(both)),
                            fused: kernel.map(|kernel| kernel.of_itself(operator, [x, y])),
                            ..x.clone()
                        })
                    }
                    (RealPart::Map(x), RealPart::Constant(c)) => RealPart::Map(RealMap {
                        fused: kernel.and_then(|kernel| kernel.with(operator, x, *c)),
                        ..x.mapped(|x| operator.apply(x, *c))
                    }),
                    (RealPart::Constant(c), RealPart::Map(y)) => RealPart::Map(RealMap {
                        fused: kernel.and_then(|kernel| kernel.with(operator, y, *c)),
                        ..y.mapped(|y| operator.apply(*c, y))
                    }),
                    (RealPart::Constant(x), RealPart::Constant(y)) => {
                        RealPart::Constant(operator.apply(*x, *y))
                    }
                    (RealPart::Input(before), RealPart::Constant(constant)) => prepared(
                        before,
                        RealFunction::Pair {
                            operator,
                            constant: *constant,
                            constant_first: false,
                        },
                    )?,
                    (RealPart::Constant(constant), RealPart::Input(before)) => prepared(
                        before,
                        RealFunction::Pair {
                            operator,
                            constant: *constant,
                            constant_first: true,
                        },
                    )?,
                    _ => return Ok(None),
                };
                builder.count_evaluations(256)?;
                if parts.len() == MAX_FUNCTIONS {
                    return Ok(None);
                }
                parts.push(part);
                numbers.insert(key, (parts.len() - 1) as u16);
                (parts.len() - 1) as u16
            }
        };
        let both_in_maps = !matches!(a.parts[p.part as usize], RealPart::Constant(_))
            && !matches!(b.parts[q.part as usize], RealPart::Constant(_));
        if both_in_maps && p.element != q.element {
            return Ok(None);
        }
        let element = match a.parts[p.part as usize] {
            RealPart::Constant(_) => q.element,
            _ => p.element,
        };
        places.push(Place { part, element });
    }
    Ok(Some(Real {
        view: View {
            dims: a.dims.clone(),
            order: Order::of(places, parts.len()),
            parts: parts.into(),
        },
        code: None,
    }))
}

/// Of a tensor and a constant.
fn with_constant(
    context: &mut Context,
    node: &Node,
    operator: PairOperator,
    real: &Real,
    constant: &Value,
    constant_first: bool,
) -> Result<Value, String> {
    let constant = ConstantOperand::new(&mut context.builder, constant)?;
    let constant = constant.beside(&real.view.dims)?;
    let dims = broadcast(&real.view.dims, &constant.view.dims)?;
    let swapped = {
        let first = match constant_first {
            true => &constant.view.dims,
            false => &real.view.dims,
        };
        dims.last() != Some(&1) && first.last().copied().unwrap_or(1) == 1
    };
    let builder = &mut context.builder;
    let tensor = expanded(builder, &real.view, &dims)?;
    let view = expanded(builder, &constant.view, &dims)?;
    let views = match constant_first {
        true => [view.clone(), tensor],
        false => [tensor, view.clone()],
    };
    let kernel = real.code.zip(constant.quantiser);
    let kernel = kernel.map(|(code, (quantiser, constant_code))| Kernel {
        codes: match constant_first {
            true => [constant_code, code],
            false => [code, constant_code],
        },
        swapped,
        constant: Some((quantiser, constant_first)),
    });
    if per_channel(&constant.view.dims) {
        if let Some(real) = of_one_tensor(builder, operator, &views, kernel.as_ref())? {
            return Ok(Value::Real(real));
        }
    }
    // Different constants for the pixels of a channel: a map of their own.
    let constant = constant_map(context, node, &view, constant.quantiser)?;
    let real = Real {
        view: views[constant_first as usize].clone(),
        code: real.code,
    };
    match constant_first {
        true => of_two(context, node, operator, &constant, &real),
        false => of_two(context, node, operator, &real, &constant),
    }
}

/// Whether a constant differs at most along the first or the last axis, one of which
/// the channels of a map are.
fn per_channel(dims: &[usize]) -> bool {
    let varying: Vec<usize> = (0..dims.len()).filter(|&axis| dims[axis] > 1).collect();
    match varying[..] {
        [] => true,
        [axis] => axis == 0 || axis + 1 == dims.len(),
        _ => false,
    }
}

/// The runtime's integer kernel for a tensor and a constant, or a tensor and itself.
struct Kernel {
    codes: [CodeType; 2],
    swapped: bool,
    /// The constant's quantiser, and whether it is the first operand.
    constant: Option<(Quantiser, bool)>,
}

impl Kernel {
    /// Of the same codes, which may stand for different numbers.
    fn of_itself(&self, operator: PairOperator, operands: [&RealMap; 2]) -> Fused {
        self.fused(operator, operands, FusedWith::Itself)
    }

    fn with(&self, operator: PairOperator, map: &RealMap, constant: f32) -> Option<Fused> {
        let (quantiser, first) = self.constant?;
        let own = RealMap::new(MapId(0), quantiser);
        let code = quantiser.quantise(constant);
        Some(match first {
            true => self.fused(operator, [&own, map], FusedWith::First(code)),
            false => self.fused(operator, [map, &own], FusedWith::Second(code)),
        })
    }

    fn fused(&self, operator: PairOperator, operands: [&RealMap; 2], with: FusedWith) -> Fused {
        Fused {
            rule: Rc::new(PairRule {
                operator,
                quantisers: operands.map(|map| map.quantiser),
                values: operands.map(|map| map.values.clone()),
                codes: Some(self.codes),
                swapped: self.swapped,
            }),
            with,
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
        }
    }
}

/// A constant as real numbers, and the quantiser behind them if there is one for all.
struct ConstantOperand {
    view: View<RealPart>,
    /// With the type of its codes in the runtime.
    quantiser: Option<(Quantiser, CodeType)>,
}

impl ConstantOperand {
    fn new(builder: &mut Builder, value: &Value) -> Result<ConstantOperand, String> {
        let (tensor, quantiser) = match value {
            Value::Constant(tensor) => (tensor.clone(), None),
            Value::Scaled(scaled) => {
                let code = match scaled.converted {
                    true => constant_code(&scaled.tensor.data),
                    false => scaled.quantiser().map(|quantiser| quantiser.code),
                };
                (Rc::new(scaled.real()?), scaled.quantiser().zip(code))
            }
            _ => return Err("its constant must be float32".to_string()),
        };
        let Data::F32(values) = &tensor.data else {
            return Err(format!(
                "its constant is {}; it must be float32",
                tensor.data.type_name()
            ));
        };
        builder.count_places(values.len())?;
        let mut numbers: HashMap<u32, u16> = HashMap::new();
        let mut parts = Vec::new();
        let mut places = Vec::with_capacity(values.len());
        for &value in values {
            let part = match numbers.get(&value.to_bits()) {
                Some(&part) => part,
                None if parts.len() == 1 << 16 => {
                    return Err("its constant has more than 65,536 different values".to_string())
                }
                None => {
                    parts.push(RealPart::Constant(value));
                    numbers.insert(value.to_bits(), (parts.len() - 1) as u16);
                    (parts.len() - 1) as u16
                }
            };
            places.push(Place { part, element: 0 });
        }
        Ok(ConstantOperand {
            view: View {
                dims: tensor.shape.clone(),
                parts: parts.into(),
                order: Order::Explicit(places.into()),
            },
            quantiser,
        })
    }

    /// Without the batch axis it may have, with the rank of the tensor beside it.
    fn beside(mut self, dims: &[usize]) -> Result<ConstantOperand, String> {
        let shape = &self.view.dims;
        let mut own = vec![1; dims.len().saturating_sub(shape.len())];
        own.extend(shape);
        while own.len() > dims.len() {
            if own[0] != 1 {
                return Err(format!(
                    "its constant of shape {shape:?} is not the same for each sample"
                ));
            }
            own.remove(0);
        }
        self.view = self.view.reshaped(own);
        Ok(self)
    }
}

impl Scaled {
    /// The real numbers that the integers stand for.
    pub fn real(&self) -> Result<Tensor, String> {
        let integers: Vec<i32> = match &self.tensor.data {
            Data::I8(values) => values.iter().map(|&q| q as i32).collect(),
            Data::U8(values) => values.iter().map(|&q| q as i32).collect(),
            Data::I32(values) => values.clone(),
            data => return Err(format!("its constant is {}", data.type_name())),
        };
        let stride = match self.axis {
            None => 1,
            Some(axis) => self.tensor.shape[axis + 1..].iter().product::<usize>(),
        };
        let channel = |index: usize| index / stride.max(1) % self.scales.len();
        let real = |(index, &q): (usize, &i32)| {
            let channel = channel(index);
            q.wrapping_sub(self.zero_points[channel]) as f32 * self.scales[channel]
        };
        Ok(Tensor {
            shape: self.tensor.shape.clone(),
            data: Data::F32(integers.iter().enumerate().map(real).collect()),
        })
    }

    fn quantiser(&self) -> Option<Quantiser> {
        let code = match self.tensor.data {
            Data::I8(_) => CodeType::I8,
            Data::U8(_) => CodeType::U8,
            _ => return None,
        };
        match (&self.scales[..], &self.zero_points[..]) {
            (&[scale], &[zero_point]) => Some(Quantiser {
                scale,
                zero_point: u8::try_from(zero_point + code.offset()).ok()?,
                code,
            }),
            _ => None,
        }
    }
}

/// A map of constants: codes of their own quantiser, or numbers of their values.
fn constant_map(
    context: &mut Context,
    node: &Node,
    view: &View<RealPart>,
    quantiser: Option<(Quantiser, CodeType)>,
) -> Result<Real, String> {
    let constant = |part: &RealPart| match part {
        RealPart::Constant(x) => *x,
        _ => unreachable!("a view of constants"),
    };
    let reals: Vec<f32> = view.parts.iter().map(constant).collect();
    let code = quantiser.map(|(_, code)| code);
    let (codes, values, quantiser): (Vec<u8>, Rc<[f32; 256]>, Quantiser) = match quantiser {
        Some((quantiser, _)) => (
            reals.iter().map(|&x| quantiser.quantise(x)).collect(),
            RealMap::new(MapId(0), quantiser).values,
            quantiser,
        ),
        None if reals.len() <= 256 => (
            (0..reals.len()).map(|code| code as u8).collect(),
            Rc::new(std::array::from_fn(|code| {
                reals.get(code).copied().unwrap_or(0.0)
            })),
            Quantiser {
                scale: 1.0,
                zero_point: 0,
                code: CodeType::U8,
            },
        ),
        None => {
            return Err("its constant has more than 256 different values; quantise it".to_string())
        }
    };
    let parts = codes.into_iter().map(CodePart::Code).collect();
    let (order, shape) = natural(&view.dims)?;
    let codes = view.with_parts(parts);
    let map = context
        .builder
        .arranged(&node.name, &codes, &order, shape)?;
    let part = RealPart::Map(RealMap {
        map,
        quantiser,
        values,
        fused: None,
    });
    Ok(Real {
        view: View {
            dims: view.dims.clone(),
            parts: Rc::new([part]),
            order,
        },
        code,
    })
}
