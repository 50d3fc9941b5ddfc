//! Operators that only move elements, or repeat, drop and pad them. Applied to codes,
//! to real numbers and to results not yet quantised alike.

use super::shapes::{self, strides};
use super::{concatenate, Context, Hosted, Real, Value};
use crate::builder::{Builder, Codes};
use crate::graph::{normalise_axis, Node};
use crate::view::View;

/// The dimensions after a movement, and the element that each element is.
pub struct Movement {
    pub dims: Vec<usize>,
    /// `None`: all in the same order.
    pub indices: Option<Vec<u32>>,
}

impl Movement {
    fn regroup(dims: Vec<usize>) -> Movement {
        Movement {
            dims,
            indices: None,
        }
    }
}

pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    if node.operator == "Concat" {
        return concat(context, node);
    }
    let value = context.required(node, 0)?.clone();
    if let Value::Scaled(_) = value {
        return match node.operator.as_str() {
            "Identity" => Ok(value),
            _ => Err("it moves a dequantised constant; store the constant moved".into()),
        };
    }
    if let Value::Dims(dims) = &value {
        return shapes::movement(context, node, dims);
    }
    let dims = value
        .dims()
        .ok_or("its input is a constant it cannot be computed of")?
        .to_vec();
    let movement = match node.operator.as_str() {
        "Identity" => Movement::regroup(dims),
        "Dropout" => Movement::regroup(shapes::dropout(context, node, &dims)?),
        "Flatten" => Movement::regroup(shapes::flatten(node, &dims)?),
        "Reshape" => Movement::regroup(shapes::reshape(context, node, &dims)?),
        "Squeeze" => Movement::regroup(shapes::squeeze(context, node, &dims)?),
        "Unsqueeze" => Movement::regroup(shapes::unsqueeze(context, node, &dims)?),
        "Transpose" => transpose(node, &dims)?,
        other => return Err(format!("`{other}` moves nothing")),
    };
    moved(&mut context.builder, &value, &movement)
}

/// A value in its new places.
pub fn moved(builder: &mut Builder, value: &Value, movement: &Movement) -> Result<Value, String> {
    fn view<P: Clone>(view: &View<P>, movement: &Movement) -> View<P> {
        match &movement.indices {
            None => view.reshaped(movement.dims.clone()),
            Some(indices) => view.gathered(
                movement.dims.clone(),
                indices.iter().map(|&index| index as usize),
            ),
        }
    }
    builder.count_places(movement.indices.as_ref().map_or(0, Vec::len))?;
    Ok(match value {
        Value::Codes(codes) => Value::Codes(Codes {
            view: view(&codes.view, movement),
            code: codes.code,
        }),
        // A Reshape between two quantisers does not part them, a real movement neither.
        Value::Real(real) => Value::Real(Real {
            view: view(&real.view, movement),
            bare: false,
        }),
        Value::Sums(places, sums) => Value::Sums(view(places, movement), sums.clone()),
        Value::Host(hosted) if movement.indices.is_none() => Value::Host(Hosted {
            dims: movement.dims.clone(),
            ..hosted.clone()
        }),
        _ => return Err("it moves what the host computes at the end of the model".to_string()),
    })
}

fn transpose(node: &Node, dims: &[usize]) -> Result<Movement, String> {
    let rank = dims.len() + 1;
    let order: Vec<usize> = match node.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) => perm
            .iter()
            .map(|&axis| normalise_axis(axis, rank))
            .collect::<Result<_, String>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(format!("its perm {order:?} is no order of {rank} axes"));
    }
    if order[0] != 0 {
        return Err("it moves the batch axis, which must stay in front".to_string());
    }
    let from = strides(dims);
    let axes: Vec<usize> = order[1..].iter().map(|axis| axis - 1).collect();
    let to: Vec<usize> = axes.iter().map(|&axis| dims[axis]).collect();
    let steps: Vec<usize> = axes.iter().map(|&axis| from[axis]).collect();
    Ok(Movement {
        indices: Some(walk(&to, &steps, 0)),
        dims: to,
    })
}

/// Indices of all elements of a block in row-major order, of axes with these steps.
pub fn walk(dims: &[usize], steps: &[usize], start: usize) -> Vec<u32> {
    let mut indices = vec![start as u32];
    for (&n, &step) in dims.iter().zip(steps) {
        let outer = std::mem::take(&mut indices);
        indices.reserve(outer.len() * n);
        for base in outer {
            indices.extend((0..n).map(|i| base + (i * step) as u32));
        }
    }
    indices
}

fn concat(context: &mut Context, node: &Node) -> Result<Value, String> {
    let count = node.inputs.len();
    if count == 0 {
        return Err("it has no inputs".to_string());
    }
    let values = (0..count)
        .map(|index| context.required(node, index).cloned())
        .collect::<Result<Vec<Value>, String>>()?;
    let axis = node.int("axis", i64::MAX)?;
    if values
        .iter()
        .all(|value| matches!(value, Value::Dims(_) | Value::Constant(_)))
    {
        return shapes::concat(&values, axis);
    }
    let rank = values
        .iter()
        .find_map(Value::dims)
        .ok_or("none of its inputs is computed from the model's input")?
        .len()
        + 1;
    let axis = match normalise_axis(axis, rank)? {
        0 => return Err("it joins samples: axis 0 is the batch".to_string()),
        axis => axis - 1,
    };
    let code = values.iter().find_map(|value| match value {
        Value::Codes(codes) => Some(codes.code),
        _ => None,
    });
    match code {
        Some(code) => {
            let views = values
                .iter()
                .map(|value| match value {
                    Value::Codes(codes) if codes.code == code => Ok(codes.view.clone()),
                    _ => Err("it joins tensors of different types".to_string()),
                })
                .collect::<Result<Vec<_>, String>>()?;
            let view = concatenate(&mut context.builder, &views, axis)?;
            Ok(Value::Codes(Codes { view, code }))
        }
        None => {
            let views = values
                .iter()
                .map(|value| match value {
                    Value::Real(real) => Ok(real.view.clone()),
                    Value::Sums(_, sums) => Err(sums.follows()),
                    _ => Err("it joins a constant; only tensors computed from the model's input can be joined".to_string()),
                })
                .collect::<Result<Vec<_>, String>>()?;
            let view = concatenate(&mut context.builder, &views, axis)?;
            Ok(Value::Real(Real { view, bare: false }))
        }
    }
}
