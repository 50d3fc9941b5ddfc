//! MatMul and Gemm of activations with constant weights, and the Add of a bias.

use super::sums::{Bias, Products, Sums, SumsKind};
use super::{concatenate, Context, Quantised, Scaled, Value};
use crate::builder::{Builder, CodePart};
use crate::graph::{Batch, Data, Node, Tensor};
use crate::network::{Shape, Window};
use crate::view::{Order, View};
use std::rc::Rc;

/// A bias counts in units of the product of the input's scale and the weights';
/// the quantiser rounds that product to f32 in one of several orders.
const BIAS_SCALE_TOLERANCE: f32 = 1e-5;

pub fn matmul(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    let weights = weights(context, node)?;
    multiply(context, node, &input, &weights)
}

pub fn gemm(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    let weights = weights(context, node)?;
    let bias = context.optional(node, 2)?.cloned();
    affine(context, node, &input, &weights, bias.as_ref())
}

/// The product of an activation and a matrix.
pub fn multiply(
    context: &mut Context,
    node: &Node,
    input: &Quantised,
    weights: &Scaled,
) -> Result<Value, String> {
    if input.view.dims.is_empty() {
        return Err("its input has no axis but the batch; reshape it to a matrix".to_string());
    }
    let matrix = Matrix::new(&mut context.builder, weights, false)?;
    product(&mut context.builder, node, input, &matrix, None, true)
}

/// The product of a vector and a matrix that may be transposed, and a bias.
pub fn affine(
    context: &mut Context,
    node: &Node,
    input: &Quantised,
    weights: &Scaled,
    bias: Option<&Value>,
) -> Result<Value, String> {
    if input.view.dims.len() != 1 {
        return Err("its first input must be a matrix: batch by channels".to_string());
    }
    for name in ["alpha", "beta"] {
        let value = node.float(name, 1.0)?;
        if value != 1.0 {
            return Err(format!(
                "{name} is {value}; only 1 is supported: fold it into the scales"
            ));
        }
    }
    if node.int("transA", 0)? != 0 {
        return Err("transA is set: the batch must be the first axis of its input".to_string());
    }
    let transposed = node.int("transB", 0)? != 0;
    let matrix = Matrix::new(&mut context.builder, weights, transposed)?;
    product(&mut context.builder, node, input, &matrix, bias, false)
}

/// Add of a constant to a dense layer's or a convolution's output.
pub fn add_bias(batch: Batch, view: &View<()>, sums: &Sums, bias: &Value) -> Result<Value, String> {
    let SumsKind::Products(products) = &sums.kind else {
        return Err(sums.follows());
    };
    if products.bias.is_some() {
        return Err(format!("`{}` has a bias already", sums.name));
    }
    if !sums.pools.is_empty() {
        return Err("it adds a bias after a MaxPool; add it before".to_string());
    }
    if sums.is_clamped() {
        return Err("it adds a bias after clamping; add it before".to_string());
    }
    let outputs = sums.shape.channels;
    let rows = matches!(view.order, Order::Rows) && view.dims.last() == Some(&outputs);
    if !rows {
        return Err("the bias must follow MatMul before any reshaping".to_string());
    }
    let products = Products {
        bias: Some(read_bias(bias, &products.scales, outputs)?),
        // Of rank 2, or of a batch size that is known, it becomes a Gemm.
        becomes_real: products.becomes_real && view.dims.len() > 1 && batch == Batch::Any,
        ..products.clone()
    };
    let sums = Sums {
        kind: SumsKind::Products(products),
        ..sums.clone()
    };
    Ok(Value::Sums(view.clone(), Rc::new(sums)))
}

/// Constant weights, behind DequantizeLinear.
pub fn weights(context: &Context, node: &Node) -> Result<Rc<Scaled>, String> {
    match context.required(node, 1)? {
        Value::Scaled(scaled) => Ok(scaled.clone()),
        Value::Constant(_) => {
            Err("its weights are not quantised; they need DequantizeLinear".to_string())
        }
        _ => Err(
            "its weights must be constant; products of two activations are not supported".into(),
        ),
    }
}

/// Weights of a dense layer.
struct Matrix<'a> {
    scaled: &'a Scaled,
    inputs: usize,
    outputs: usize,
    /// Addends of the weights.
    copies: Vec<Rc<[i8]>>,
    input_stride: usize,
    output_stride: usize,
}

impl Matrix<'_> {
    fn new<'a>(
        builder: &mut Builder,
        scaled: &'a Scaled,
        transposed: bool,
    ) -> Result<Matrix<'a>, String> {
        let &[first, second] = scaled.tensor.shape.as_slice() else {
            return Err(format!(
                "its weights have shape {:?}; they must be a matrix",
                scaled.tensor.shape
            ));
        };
        let (inputs, outputs, output_axis) = match transposed {
            false => (first, second, 1),
            true => (second, first, 0),
        };
        if scaled.axis.is_some_and(|axis| axis != output_axis) {
            return Err(
                "its weights are quantised per input channel; quantise them per output channel"
                    .to_string(),
            );
        }
        let (input_stride, output_stride) = match transposed {
            false => (outputs, 1),
            true => (1, inputs),
        };
        Ok(Matrix {
            copies: signed_weights(builder, scaled, output_stride)?,
            scaled,
            inputs,
            outputs,
            input_stride,
            output_stride,
        })
    }

    /// `[output][input]`, with the inputs in another order; the inputs of all copies in
    /// a row.
    fn ordered(&self, input_at: impl Fn(usize) -> usize) -> Rc<[i8]> {
        let width = self.inputs * self.copies.len();
        let weight = |index: usize| {
            let (output, input) = (index / width, input_at(index % width));
            let (copy, input) = (input / self.inputs, input % self.inputs);
            self.copies[copy][input * self.input_stride + output * self.output_stride]
        };
        (0..self.outputs * width).map(weight).collect()
    }
}

/// The last axis of the input times the matrix; `becomes_real` as in [`Products`].
fn product(
    builder: &mut Builder,
    node: &Node,
    input: &Quantised,
    matrix: &Matrix,
    bias: Option<&Value>,
    becomes_real: bool,
) -> Result<Value, String> {
    let (&inputs, positions) = input
        .view
        .dims
        .split_last()
        .ok_or("its input has no channels")?;
    if inputs != matrix.inputs {
        return Err(format!(
            "its input has {inputs} channels, its weights expect {}",
            matrix.inputs
        ));
    }
    let scales: Vec<f32> = (0..matrix.outputs)
        .map(|output| {
            input.quantiser.scale * matrix.scaled.scales[output % matrix.scaled.scales.len()]
        })
        .collect();
    let repeated = vec![input.view.clone(); matrix.copies.len()];
    let view = concatenate(builder, &repeated, positions.len())?;
    let placed = place(builder, &node.name, &view)?;
    let bias = bias
        .map(|bias| read_bias(bias, &scales, matrix.outputs))
        .transpose()?;
    let products = Products {
        input: placed.map,
        code: input.code,
        window: placed.window,
        groups: 1,
        weights: match &placed.order {
            None => matrix.ordered(|place| place),
            Some(order) => matrix.ordered(|place| order[place] as usize),
        },
        scales,
        input_zero_point: input.quantiser.zero_point,
        bias,
        becomes_real,
    };
    let shape = Shape {
        channels: matrix.outputs,
        ..placed.output
    };
    let mut dims = positions.to_vec();
    dims.push(matrix.outputs);
    let sums = Sums::new(&node.name, shape, SumsKind::Products(products));
    Ok(Value::Sums(View::rows(dims, ()), Rc::new(sums)))
}

/// How a dense layer reads a map.
struct Placed {
    map: crate::network::MapId,
    window: Window,
    /// For each element of the map, the layer's input that it is; `None` when in order.
    order: Option<Vec<u32>>,
    /// Height and width of the layer's output.
    output: Shape,
}

fn place(builder: &mut Builder, name: &str, view: &View<CodePart>) -> Result<Placed, String> {
    let channels = view.dims.last().copied().unwrap_or(1);
    let rows = view.len() / channels;
    if let [CodePart::Map(map)] = view.parts[..] {
        let shape = builder.shape(map);
        let whole = shape.elements() == view.len();
        if whole && shape.channels == channels && matches!(view.order, Order::Rows) {
            return Ok(Placed {
                map,
                window: Window::POINT,
                order: None,
                output: shape,
            });
        }
        if whole && rows == 1 {
            if let Some(order) = permutation(view) {
                return Ok(Placed {
                    map,
                    window: Window {
                        kernel: [shape.height, shape.width],
                        ..Window::POINT
                    },
                    order: Some(order),
                    output: Shape {
                        height: 1,
                        width: 1,
                        channels: 1,
                    },
                });
            }
        }
    }
    let shape = Shape {
        height: 1,
        width: rows,
        channels,
    };
    Ok(Placed {
        map: builder.arranged(name, view, &Order::Rows, shape)?,
        window: Window::POINT,
        order: None,
        output: shape,
    })
}

/// The index of each of the part's elements, if the view shows each of them once.
fn permutation(view: &View<CodePart>) -> Option<Vec<u32>> {
    let mut indices = vec![u32::MAX; view.len()];
    for (index, place) in view.places().enumerate() {
        let entry = indices.get_mut(place.element as usize)?;
        if *entry != u32::MAX {
            return None;
        }
        *entry = index as u32;
    }
    Some(indices)
}

/// A bias in units of `scales`, one element per output.
pub fn read_bias(value: &Value, scales: &[f32], outputs: usize) -> Result<Bias, String> {
    let of_channels = |tensor: &Tensor| {
        let shape = &tensor.shape;
        match shape.last() == Some(&outputs) && shape.iter().product::<usize>() == outputs {
            true => Ok(()),
            false => Err(format!(
                "its bias has shape {shape:?}; it needs one element for each of {outputs} outputs"
            )),
        }
    };
    match value {
        Value::Scaled(scaled) => {
            of_channels(&scaled.tensor)?;
            let Data::I32(values) = &scaled.tensor.data else {
                return Err(format!(
                    "its bias is {}; it must be int32",
                    scaled.tensor.data.type_name()
                ));
            };
            if scaled.zero_points.iter().any(|&zero| zero != 0) {
                return Err("its bias has a zero point that is not 0".to_string());
            }
            let own = |channel: usize| scaled.scales[channel % scaled.scales.len()];
            let differs = |(channel, &expected): (usize, &f32)| {
                (own(channel) - expected).abs() > expected * BIAS_SCALE_TOLERANCE
            };
            let rescaled = |(channel, &scale): (usize, &f32)| {
                let real = values[channel] as f32 * own(channel);
                to_i32((real / scale).round_ties_even())
            };
            let channels = || scales.iter().enumerate();
            Ok(Bias {
                codes: values.clone(),
                rescaled: channels()
                    .any(differs)
                    .then(|| channels().map(rescaled).collect()),
                reals: (0..outputs)
                    .map(|channel| values[channel] as f32 * own(channel))
                    .collect(),
                is_real: false,
            })
        }
        // The runtime quantises a real bias in the same way when it loads the model.
        Value::Constant(tensor) => {
            of_channels(tensor)?;
            let scaled = |values: &[i32]| -> Vec<f32> {
                let real = |(&value, scale): (&i32, &f32)| value as f32 * scale;
                values.iter().zip(scales).map(real).collect()
            };
            let (codes, reals) = match &tensor.data {
                // In QOperator form it has no scale of its own.
                Data::I32(values) => (values.clone(), scaled(values)),
                Data::F32(values) if values.iter().all(|value| value.is_finite()) => {
                    let code =
                        |(value, scale): (&f32, &f32)| to_i32((value / scale).round_ties_even());
                    let codes = values.iter().zip(scales).map(code);
                    (codes.collect(), values.clone())
                }
                Data::F32(_) => return Err("its bias has elements that are not finite".into()),
                data => return Err(format!("its bias is {}", data.type_name())),
            };
            Ok(Bias {
                codes,
                rescaled: None,
                reals,
                is_real: matches!(tensor.data, Data::F32(_)),
            })
        }
        _ => Err("its bias must be a constant".to_string()),
    }
}

/// As x86 converts: what does not fit becomes the lowest integer.
fn to_i32(x: f32) -> i32 {
    match (i32::MIN as f32..-(i32::MIN as f32)).contains(&x) {
        true => x as i32,
        false => i32::MIN,
    }
}

/// Weights less their zero points. Where that does not fit int8 it is a sum of several:
/// as many copies of the input are read.
pub fn signed_weights(
    builder: &mut Builder,
    scaled: &Scaled,
    output_stride: usize,
) -> Result<Vec<Rc<[i8]>>, String> {
    let count = scaled.tensor.shape.iter().product::<usize>();
    if count == 0 {
        return Err("its weights are empty".to_string());
    }
    builder.count_weights(count)?;
    let unshifted = scaled.zero_points.iter().all(|&zero| zero == 0);
    let codes: Vec<i32> = match &scaled.tensor.data {
        Data::I8(values) if unshifted => return Ok(vec![values.clone()]),
        Data::I8(values) => values.iter().map(|&w| w as i32).collect(),
        Data::U8(values) => values.iter().map(|&w| w as i32).collect(),
        data => {
            return Err(format!(
                "its weights are {}; they must be int8 or uint8",
                data.type_name()
            ))
        }
    };
    // With outputs innermost the stride is 1, and the channel is the remainder; with
    // inputs innermost each channel is a run.
    let channels = scaled.zero_points.len();
    let mut rest: Vec<i32> = codes
        .iter()
        .enumerate()
        .map(|(index, code)| code - scaled.zero_points[index / output_stride % channels])
        .collect();
    let mut copies = Vec::new();
    while copies.is_empty() || rest.iter().any(|&rest| rest != 0) {
        let part = |rest: &mut i32| {
            let part = (*rest).clamp(i8::MIN as i32, i8::MAX as i32);
            *rest -= part;
            part as i8
        };
        copies.push(rest.iter_mut().map(part).collect());
    }
    builder.count_weights(count * (copies.len() - 1))?;
    Ok(copies)
}
