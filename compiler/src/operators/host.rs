//! The tail of the model that the host computes: Softmax and ArgMax.

use super::{Context, Hosted, Value};
use crate::graph::{normalise_axis, Node};
use crate::network::HostFunction;

pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    let value = context.required(node, 0)?.clone();
    let mut hosted = match value {
        Value::Host(hosted) => hosted,
        Value::Real(ref real) => Hosted {
            dims: real.view.dims.clone(),
            source: Box::new(value),
            functions: vec![],
        },
        Value::Sums(_, sums) => return Err(sums.follows()),
        _ => return Err("its input must be dequantised".to_string()),
    };
    let rank = hosted.dims.len() + 1;
    let default = if node.operator == "ArgMax" { 0 } else { -1 };
    let axis = normalise_axis(node.int("axis", default)?, rank)?;
    if axis == 0 {
        return Err("it works across samples: axis 0 is the batch".to_string());
    }
    let function = match node.operator.as_str() {
        "Softmax" => HostFunction::Softmax { axis },
        _ => {
            let keep = node.int("keepdims", 1)? != 0;
            match keep {
                true => hosted.dims[axis - 1] = 1,
                false => {
                    hosted.dims.remove(axis - 1);
                }
            }
            HostFunction::ArgMax {
                axis,
                keep,
                last: node.int("select_last_index", 0)? != 0,
            }
        }
    };
    if hosted.functions.len() == 8 {
        return Err("it is one of more than 8 functions at the end of the model".to_string());
    }
    hosted.functions.push(function);
    Ok(Value::Host(hosted))
}
