//! MatMul and Gemm of activations with constant weights, and the Add of a bias.

use super::{Activation, Context, Scaled, State, Value};
use crate::functions::Function;
use crate::graph::{Data, Node, Tensor};
use crate::network::{Dense, Layer, LayerKind, Quantiser, Weights};
use std::rc::Rc;

/// A bias counts in units of the product of the input's scale and the weights';
/// the quantiser rounds that product to f32 in one of several orders.
const BIAS_SCALE_TOLERANCE: f32 = 1e-5;

/// Weights of all layers together. Layers may share a constant, so the file's size
/// does not bound them.
const MAX_WEIGHTS: usize = 1 << 30;

/// A dense layer before its output is quantised.
#[derive(Debug, Clone)]
pub struct Sums {
    pub name: String,
    positions: usize,
    inputs: usize,
    outputs: usize,
    weights: Weights,
    /// `f32(input scale * weight scale)` per output.
    scales: Vec<f32>,
    input_zero_point: u8,
    bias: Option<Vec<i32>>,
    /// A bias that the runtime adds in floating point.
    separate_bias: bool,
    low: f32,
    high: f32,
}

pub fn matmul(context: &mut Context, node: &Node) -> Result<Value, String> {
    let (activation, quantiser) = input(context, node)?;
    let weights = weights(context, node)?;
    let Some((&inputs, positions)) = activation.sample.split_last() else {
        return Err("its input has no axis but the batch; reshape it to a matrix".to_string());
    };
    let sums = Sums::new(node, positions, inputs, &quantiser, &weights, false)?;
    let mut sample = positions.to_vec();
    sample.push(sums.outputs);
    Ok(activation_of(sample, sums))
}

pub fn gemm(context: &mut Context, node: &Node) -> Result<Value, String> {
    let (activation, quantiser) = input(context, node)?;
    let weights = weights(context, node)?;
    let &[inputs] = activation.sample.as_slice() else {
        return Err("its first input must be a matrix: batch by channels".to_string());
    };
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
    let mut sums = Sums::new(node, &[], inputs, &quantiser, &weights, transposed)?;
    if node.input(2).is_some() {
        sums.bias = Some(sums.read_bias(context.required(node, 2)?)?);
    }
    Ok(activation_of(vec![sums.outputs], sums))
}

/// Add of a constant to a dense layer's output.
pub fn add(context: &mut Context, node: &Node) -> Result<Value, String> {
    let operands = [context.required(node, 0)?, context.required(node, 1)?];
    let (activation, sums, bias) = match operands {
        [Value::Activation(_), Value::Activation(_)] => {
            return Err("adding two activations is not supported, only a constant bias".into());
        }
        [Value::Activation(activation), bias] | [bias, Value::Activation(activation)] => {
            match &activation.state {
                State::Sums(sums) => (activation, sums, bias),
                _ => return Err("it can only add a bias straight after MatMul".to_string()),
            }
        }
        _ => return Err("neither input is computed from the model's input".to_string()),
    };
    if sums.bias.is_some() {
        return Err(format!("`{}` has a bias already", sums.name));
    }
    if (sums.low, sums.high) != (f32::NEG_INFINITY, f32::INFINITY) {
        return Err("it adds a bias after clamping; add it before".to_string());
    }
    if activation.sample.last() != Some(&sums.outputs) {
        return Err("the bias must follow MatMul before any reshaping".to_string());
    }
    let mut sums = Sums::clone(sums);
    sums.bias = Some(sums.read_bias(bias)?);
    sums.separate_bias = activation.sample.len() > 1;
    let sample = activation.sample.clone();
    Ok(activation_of(sample, sums))
}

fn activation_of(sample: Vec<usize>, sums: Sums) -> Value {
    Value::Activation(Activation {
        sample,
        state: State::Sums(Rc::new(sums)),
    })
}

fn input(context: &Context, node: &Node) -> Result<(Activation, Quantiser), String> {
    let activation = context.activation(node, 0)?;
    match &activation.state {
        State::Real {
            quantiser,
            functions,
        } if functions.is_empty() => Ok((activation.clone(), *quantiser)),
        _ => Err(
            "its input is not quantised; put QuantizeLinear and DequantizeLinear before it"
                .to_string(),
        ),
    }
}

fn weights(context: &mut Context, node: &Node) -> Result<Rc<Scaled>, String> {
    match context.required(node, 1)? {
        Value::Scaled(scaled) => {
            let scaled = scaled.clone();
            context.weights += scaled.tensor.shape.iter().product::<usize>();
            match context.weights <= MAX_WEIGHTS {
                true => Ok(scaled),
                false => Err(format!(
                    "the layers up to here have {} weights; at most {MAX_WEIGHTS} fit a program",
                    context.weights
                )),
            }
        }
        Value::Constant(_) => {
            Err("its weights are not quantised; they need DequantizeLinear".to_string())
        }
        _ => Err(
            "its weights must be constant; products of two activations are not supported".into(),
        ),
    }
}

impl Sums {
    fn new(
        node: &Node,
        positions: &[usize],
        inputs: usize,
        input: &Quantiser,
        weights: &Scaled,
        transposed: bool,
    ) -> Result<Sums, String> {
        let &[first, second] = weights.tensor.shape.as_slice() else {
            return Err(format!(
                "its weights have shape {:?}; they must be a matrix",
                weights.tensor.shape
            ));
        };
        let (rows, outputs, output_axis) = match transposed {
            false => (first, second, 1),
            true => (second, first, 0),
        };
        if rows != inputs {
            return Err(format!(
                "its input has {inputs} channels, its weights expect {rows}"
            ));
        }
        if rows == 0 || outputs == 0 {
            return Err("its weights are empty".to_string());
        }
        if weights.axis.is_some_and(|axis| axis != output_axis) {
            return Err(
                "its weights are quantised per input channel; quantise them per output channel"
                    .to_string(),
            );
        }
        let (input_stride, output_stride) = match transposed {
            false => (outputs, 1),
            true => (1, rows),
        };
        let scales: Vec<f32> = (0..outputs)
            .map(|output| input.scale * weights.scales[output % weights.scales.len()])
            .collect();
        Ok(Sums {
            name: node.name.clone(),
            positions: positions.iter().product(),
            inputs,
            outputs,
            weights: Weights {
                data: signed_weights(weights, output_stride)?,
                input_stride,
                output_stride,
            },
            scales,
            input_zero_point: input.zero_point,
            bias: None,
            separate_bias: false,
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
        })
    }

    fn read_bias(&self, value: &Value) -> Result<Vec<i32>, String> {
        let of_channels = |tensor: &Tensor| {
            let shape = &tensor.shape;
            match shape.last() == Some(&self.outputs)
                && shape.iter().product::<usize>() == self.outputs
            {
                true => Ok(()),
                false => Err(format!(
                    "its bias has shape {shape:?}; it needs one element for each of {} outputs",
                    self.outputs
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
                for (channel, &expected) in self.scales.iter().enumerate() {
                    let actual = scaled.scales[channel % scaled.scales.len()];
                    if (actual - expected).abs() > expected * BIAS_SCALE_TOLERANCE {
                        return Err(format!(
                            "the bias of channel {channel} has scale {actual:e}; it must be input scale times weight scale, {expected:e}"
                        ));
                    }
                }
                Ok(values.clone())
            }
            // The runtime quantises a real bias in the same way when it loads the model.
            Value::Constant(tensor) => {
                of_channels(tensor)?;
                let Data::F32(values) = &tensor.data else {
                    return Err(format!("its bias is {}", tensor.data.type_name()));
                };
                if values.iter().any(|value| !value.is_finite()) {
                    return Err("its bias has elements that are not finite".to_string());
                }
                let codes = values.iter().zip(&self.scales);
                Ok(codes
                    .map(|(value, scale)| (value / scale).round_ties_even() as i32)
                    .collect())
            }
            _ => Err("its bias must be a constant".to_string()),
        }
    }

    pub fn clamped(&self, function: Function) -> Sums {
        Sums {
            low: function.apply(self.low),
            high: function.apply(self.high),
            ..self.clone()
        }
    }

    pub fn quantise(&self, to: &Quantiser) -> Result<Layer, String> {
        let scales: Vec<f32> = self.scales.iter().map(|scale| scale / to.scale).collect();
        if let Some(channel) = scales.iter().position(|s| !s.is_finite() || *s <= 0.0) {
            return Err(format!(
                "the scales of `{}` leave the range of float32 in channel {channel}",
                self.name
            ));
        }
        Ok(Layer {
            name: self.name.clone(),
            positions: self.positions,
            inputs: self.inputs,
            outputs: self.outputs,
            low: to.quantise(self.low),
            high: to.quantise(self.high),
            table: None,
            kind: LayerKind::Dense(Dense {
                weights: self.weights.clone(),
                bias: self.bias.clone().unwrap_or_else(|| vec![0; self.outputs]),
                scales,
                input_zero_point: self.input_zero_point,
                output_zero_point: to.zero_point,
            }),
        })
    }

    /// Where the runtime leaves its integer kernels.
    pub fn notes(&self, layer: &Layer) -> Vec<String> {
        let name = &self.name;
        let mut notes = Vec::new();
        if (layer.low, layer.high) != (0, 255) {
            notes.push(format!(
                "`{name}`: its clamp is narrower than the range of its output's codes, so ONNX Runtime computes the layer in floating point; codes next to a rounding tie may differ"
            ));
        }
        if self.separate_bias {
            notes.push(format!(
                "`{name}`: ONNX Runtime adds the bias of a MatMul of rank 3 and more in floating point; codes next to a rounding tie may differ"
            ));
        }
        notes
    }
}

/// Weights less their zero points, where that fits int8 again.
fn signed_weights(scaled: &Scaled, output_stride: usize) -> Result<Rc<[i8]>, String> {
    let unshifted = scaled.zero_points.iter().all(|&zero| zero == 0);
    if let (Data::I8(values), true) = (&scaled.tensor.data, unshifted) {
        return Ok(values.clone());
    }
    let values: Vec<i32> = match &scaled.tensor.data {
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
    let channel = |index: usize| index / output_stride % channels;
    values
        .iter()
        .enumerate()
        .map(|(index, weight)| i8::try_from(weight - scaled.zero_points[channel(index)]))
        .collect::<Result<Vec<i8>, _>>()
        .map(Into::into)
        .map_err(|_| {
            "its weights less their zero point do not fit int8; quantise weights symmetrically (zero point 0)"
                .to_string()
        })
}
