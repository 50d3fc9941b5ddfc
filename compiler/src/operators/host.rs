//! What the host computes: Softmax and ArgMax at the end of the model, and Softmax
//! between quantisers.

use super::{Context, Hosted, Quantised, Value};
use crate::builder::{Builder, CodePart};
use crate::graph::{normalise_axis, Node};
use crate::network::{Finish, HostFunction, Kind, Shape};
use crate::pairs::Target;
use crate::view::{Order, View};
use quern_isa::HostWork;
use std::rc::Rc;

pub fn softmax(context: &mut Context, node: &Node) -> Result<Value, String> {
    softmax_of(node, context.required(node, 0)?.clone())
}

pub fn softmax_of(node: &Node, value: Value) -> Result<Value, String> {
    let mut hosted = hosted(value)?;
    let axis = axis(node, &hosted, -1)?;
    hosted.functions.push(HostFunction::Softmax { axis });
    Ok(Value::Host(hosted))
}

pub fn argmax(context: &mut Context, node: &Node) -> Result<Value, String> {
    let mut hosted = hosted(context.required(node, 0)?.clone())?;
    let axis = axis(node, &hosted, 0)?;
    let keep = node.int("keepdims", 1)? != 0;
    match keep {
        true => hosted.dims[axis - 1] = 1,
        false => {
            hosted.dims.remove(axis - 1);
        }
    }
    hosted.functions.push(HostFunction::ArgMax {
        axis,
        keep,
        last: node.int("select_last_index", 0)? != 0,
    });
    Ok(Value::Host(hosted))
}

/// Left to the host from here on.
fn hosted(value: Value) -> Result<Hosted, String> {
    match value {
        Value::Host(hosted) if hosted.functions.len() < 8 => Ok(hosted),
        Value::Host(_) => {
            Err("it is one of more than 8 functions at the end of the model".to_string())
        }
        Value::Sums(_, sums) => Err(sums.follows()),
        Value::Real(_) | Value::Codes(_) => Ok(Hosted {
            dims: value.dims().unwrap_or_default().to_vec(),
            source: Box::new(value),
            functions: vec![],
        }),
        _ => Err("its input is a constant".to_string()),
    }
}

fn axis(node: &Node, hosted: &Hosted, default: i64) -> Result<usize, String> {
    match normalise_axis(node.int("axis", default)?, hosted.dims.len() + 1)? {
        0 => Err("it works across samples: axis 0 is the batch".to_string()),
        axis => Ok(axis),
    }
}

/// A Softmax that is quantised: ONNX Runtime's QLinearSoftmax.
pub fn quantise(
    builder: &mut Builder,
    name: &str,
    hosted: &Hosted,
    target: &Target,
) -> Result<View<CodePart>, String> {
    let ([HostFunction::Softmax { axis }], Value::Real(real)) =
        (&hosted.functions[..], &*hosted.source)
    else {
        return Err("it quantises what the host computes at the end of the model".to_string());
    };
    let input = real.quantised(builder, name)?;
    if input.code != Some(target.code) {
        builder.notes.push(format!(
            "`{name}`: its Softmax has an input and an output that are no uint8 tensors with one reader each, so ONNX Runtime computes it in floating point; codes next to a rounding tie may differ"
        ));
    }
    operation(builder, name, &input, *axis, target)
}

fn operation(
    builder: &mut Builder,
    name: &str,
    input: &Quantised,
    axis: usize,
    target: &Target,
) -> Result<View<CodePart>, String> {
    let dims = &input.view.dims;
    let channels = dims[axis - 1];
    let pixels = input.view.len() / channels;
    let order = match axis {
        axis if axis == dims.len() => Order::Rows,
        1 => Order::channels_first(channels, pixels),
        _ => {
            return Err(format!(
                "its axis {axis} is neither the first after the batch nor the last"
            ))
        }
    };
    let shape = Shape {
        height: 1,
        width: pixels,
        channels,
    };
    let to = target.quantiser;
    let work = match input.code == Some(target.code) {
        true => HostWork::Softmax {
            table: Box::new(exponentials(input.quantiser.scale, channels)),
            multiplier: (1.0 / to.scale).floor(),
            zero_point: to.zero_point,
        },
        false => HostWork::FloatSoftmax {
            values: Box::new(std::array::from_fn(|code| {
                input.quantiser.dequantise(code as u8)
            })),
            scale: to.scale,
            zero_point: to.zero_point,
        },
    };
    let kind = Kind::Host {
        inputs: vec![builder.arranged(name, &input.view, &order, shape)?],
        work: Rc::new(work),
        reason: "exponentials and their sum are real numbers".to_string(),
    };
    let map = builder.operation(name, kind, shape, Finish::default());
    Ok(View {
        dims: dims.clone(),
        parts: Rc::new([CodePart::Map(map)]),
        order,
    })
}

/// `exp` of the distance of each code from the largest, scaled up as far as a sum of
/// `channels` of them allows (`qlinear_softmax.cc`).
fn exponentials(scale: f32, channels: usize) -> [f32; 256] {
    const RESERVE: f64 = 5.0;
    let scale = scale as f64;
    let room = match channels {
        // A single one would be scaled beyond float32.
        1 => 0.0,
        _ => ((f32::MAX / channels as f32) as f64).ln() - RESERVE,
    };
    let shift = room.max(0.0) / scale;
    std::array::from_fn(|code| ((code as f64 - 255.0 + shift) * scale).exp() as f32)
}
