//! QuantizeLinear and DequantizeLinear.

use super::{float_scalar, Activation, Context, Scaled, State, Value};
use crate::graph::{normalise_axis, Data, Node, Tensor};
use crate::network::{CodeType, InputKind, Layer, Quantiser};
use crate::onnx::data_type;
use crate::table::Table;
use std::rc::Rc;

pub fn quantise(context: &mut Context, node: &Node) -> Result<Value, String> {
    let scale = context
        .constant(node, 1)?
        .ok_or("input 1, the scale, is missing")?;
    let zero_point = context.constant(node, 2)?;
    let to = per_tensor(node, &scale, zero_point.as_deref())?;
    let Activation { sample, state } = context.activation(node, 0)?.clone();
    match state {
        State::Input => context.input = Some(InputKind::Real(to)),
        State::Codes(_) => return Err("its input is quantised already".to_string()),
        State::Real {
            quantiser,
            functions,
        } => {
            let table = Table::new(&quantiser, &functions, &to);
            let elements = sample.iter().product();
            // The same codes again: quantisers put such pairs around reshapes.
            let same = table.as_bounds(0, 255) == Some((0, 255));
            if functions.is_empty() && !same {
                return Err(format!(
                    "it requantises from scale {} to {} with nothing between; ONNX Runtime merges such pairs into one with other scales: keep only one of them",
                    quantiser.scale, to.scale
                ));
            }
            match context.layers.last_mut() {
                Some(layer) => layer.then(&table),
                None if same => {}
                None => {
                    let mut layer = Layer::elementwise(&node.name, elements);
                    layer.then(&table);
                    context.layers.push(layer);
                }
            }
        }
        State::Sums(sums) => {
            let layer = sums.quantise(&to)?;
            context.notes.extend(sums.notes(&layer));
            context.layers.push(layer);
        }
    }
    Ok(Value::Activation(Activation {
        sample,
        state: State::Codes(to.code),
    }))
}

pub fn dequantise(context: &mut Context, node: &Node) -> Result<Value, String> {
    let scale = context
        .constant(node, 1)?
        .ok_or("input 1, the scale, is missing")?;
    let zero_point = context.constant(node, 2)?;
    match context.required(node, 0)? {
        Value::Constant(tensor) => {
            let scaled = scaled(node, tensor.clone(), &scale, zero_point.as_deref())?;
            Ok(Value::Scaled(Rc::new(scaled)))
        }
        Value::Activation(Activation {
            sample,
            state: State::Codes(code),
        }) => {
            let mut quantiser = per_tensor(node, &scale, zero_point.as_deref())?;
            if zero_point.is_none() {
                quantiser.code = *code;
                quantiser.zero_point = code.offset() as u8;
            }
            if quantiser.code != *code {
                return Err(format!(
                    "its input is {} and its zero point {}",
                    code.name(),
                    quantiser.code.name()
                ));
            }
            Ok(Value::Activation(Activation {
                sample: sample.clone(),
                state: State::Real {
                    quantiser,
                    functions: vec![],
                },
            }))
        }
        _ => Err("its input is not quantised".to_string()),
    }
}

/// Quantises a constant, as the runtime does before the first run (weights of
/// quantisation-aware training). `None` where it can't.
pub fn constant(node: &Node, inputs: &[Option<Rc<Tensor>>]) -> Option<Tensor> {
    let input = |index: usize| inputs.get(index).and_then(|tensor| tensor.clone());
    let (tensor, scale, zero_point) = (input(0)?, input(1)?, input(2)?);
    let Data::F32(values) = &tensor.data else {
        return None;
    };
    let code = match &zero_point.data {
        Data::I8(_) => CodeType::I8,
        Data::U8(_) => CodeType::U8,
        _ => return None,
    };
    let (scales, axis) = channel_scales(node, &tensor.shape, &scale).ok()?;
    let zero_points = channel_zero_points(&zero_point.data, &zero_point, scales.len()).ok()?;
    let stride = match axis {
        None => 1,
        Some(axis) => tensor.shape[axis + 1..].iter().product(),
    };
    let stored = values.iter().enumerate().map(|(index, &x)| {
        let channel = index / stride.max(1) % scales.len();
        let quantiser = Quantiser {
            scale: scales[channel],
            zero_point: (zero_points[channel] + code.offset()) as u8,
            code,
        };
        quantiser.quantise(x)
    });
    let data = match code {
        CodeType::I8 => Data::I8(stored.map(|u| (u as i32 - 128) as i8).collect()),
        CodeType::U8 => Data::U8(stored.collect()),
    };
    Some(Tensor {
        shape: tensor.shape.clone(),
        data,
    })
}

/// Scale and zero point of an activation.
fn per_tensor(
    node: &Node,
    scale: &Tensor,
    zero_point: Option<&Tensor>,
) -> Result<Quantiser, String> {
    check_attributes(node)?;
    let scale = float_scalar(scale).map_err(|reason| {
        format!("the scale {reason}; activations have one scale for the whole tensor")
    })?;
    check_scale(scale)?;
    let (code, zero_point) = match zero_point.map(|tensor| &tensor.data) {
        None => (default_code(node)?, 0),
        Some(Data::I8(values)) if values.len() == 1 => (CodeType::I8, values[0] as i32),
        Some(Data::U8(values)) if values.len() == 1 => (CodeType::U8, values[0] as i32),
        Some(data) => {
            return Err(format!(
                "the zero point must be one int8 or uint8, and is {}; activations are 8 bits wide",
                data.type_name()
            ))
        }
    };
    Ok(Quantiser {
        scale,
        zero_point: (zero_point + code.offset()) as u8,
        code,
    })
}

/// The output type of QuantizeLinear without a zero point.
fn default_code(node: &Node) -> Result<CodeType, String> {
    match node.operator.as_str() {
        "QuantizeLinear" => match node.int("output_dtype", 0)? as i32 {
            0 | data_type::UINT8 => Ok(CodeType::U8),
            data_type::INT8 => Ok(CodeType::I8),
            other => Err(format!(
                "it quantises to {}; int8 and uint8 are supported",
                data_type::name(other)
            )),
        },
        _ => Ok(CodeType::U8),
    }
}

fn scaled(
    node: &Node,
    tensor: Rc<Tensor>,
    scale: &Tensor,
    zero_point: Option<&Tensor>,
) -> Result<Scaled, String> {
    let (scales, axis) = channel_scales(node, &tensor.shape, scale)?;
    let zero_points = match zero_point {
        None => vec![0; scales.len()],
        Some(zero_point) => channel_zero_points(&tensor.data, zero_point, scales.len())?,
    };
    Ok(Scaled {
        tensor,
        scales,
        zero_points,
        axis,
    })
}

/// The scales of a constant, and the axis they belong to when there are several.
fn channel_scales(
    node: &Node,
    shape: &[usize],
    scale: &Tensor,
) -> Result<(Vec<f32>, Option<usize>), String> {
    check_attributes(node)?;
    let Data::F32(scales) = &scale.data else {
        return Err(format!(
            "the scale is {}, not float32",
            scale.data.type_name()
        ));
    };
    scales.iter().try_for_each(|&scale| check_scale(scale))?;
    let axis = match (scale.shape.as_slice(), scales.len()) {
        ([], 1) | ([1], 1) => None,
        ([_], n) if n > 0 => {
            let axis = normalise_axis(node.int("axis", 1)?, shape.len())?;
            if shape[axis] != n {
                return Err(format!(
                    "it has {n} scales for {} channels on axis {axis}",
                    shape[axis]
                ));
            }
            Some(axis)
        }
        (shape, _) => return Err(format!("its scale has shape {shape:?}")),
    };
    Ok((scales.clone(), axis))
}

/// The zero points of a constant, of its own type and as many as scales.
fn channel_zero_points(
    data: &Data,
    zero_point: &Tensor,
    scales: usize,
) -> Result<Vec<i32>, String> {
    let values: Vec<i32> = match (&zero_point.data, data) {
        (Data::I8(values), Data::I8(_)) => values.iter().map(|&z| z as i32).collect(),
        (Data::U8(values), Data::U8(_)) => values.iter().map(|&z| z as i32).collect(),
        (Data::I32(values), Data::I32(_)) => values.clone(),
        (zero, data) => {
            return Err(format!(
                "its constant is {} and its zero point {}",
                data.type_name(),
                zero.type_name()
            ))
        }
    };
    match values.len() == scales {
        true => Ok(values),
        false => Err(format!(
            "it has {scales} scales and {} zero points",
            values.len()
        )),
    }
}

fn check_attributes(node: &Node) -> Result<(), String> {
    match node.int("block_size", 0)? {
        0 => Ok(()),
        _ => {
            Err("blocked quantisation is not supported; quantise per tensor or per channel".into())
        }
    }
}

fn check_scale(scale: f32) -> Result<(), String> {
    match scale.is_finite() && scale > 0.0 {
        true => Ok(()),
        false => Err(format!(
            "the scale is {scale}; it must be positive and finite"
        )),
    }
}
