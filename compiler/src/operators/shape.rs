//! Operators that only regroup: Reshape, Flatten, Squeeze, Unsqueeze, Identity,
//! Dropout. Elements keep their order, and the batch axis stays in front.

use super::{Activation, Context, Value};
use crate::graph::{normalise_axis, Batch, Data, Node, Tensor};
use std::rc::Rc;

pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    let activation = match context.required(node, 0)? {
        Value::Activation(activation) => activation.clone(),
        Value::Scaled(_) if node.operator == "Identity" => {
            return Ok(context.required(node, 0)?.clone())
        }
        _ => return Err("it regroups a dequantised constant; store the constant regrouped".into()),
    };
    let sample = match node.operator.as_str() {
        "Identity" => activation.sample.clone(),
        "Dropout" => dropout(context, node, &activation.sample)?,
        "Flatten" => flatten(node, &activation.sample)?,
        "Reshape" => reshape(context, node, &activation.sample)?,
        "Squeeze" => squeeze(context, node, &activation.sample)?,
        _ => unsqueeze(context, node, &activation.sample)?,
    };
    Ok(Value::Activation(Activation {
        sample,
        state: activation.state,
    }))
}

fn dropout(context: &Context, node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
    if let Some(training) = context.constant(node, 2)? {
        // Booleans are no type the compiler decodes, so any constant here is suspect
        // unless it is absent; exporters leave it out for inference.
        return Err(format!(
            "its training mode is given ({}); export the model for inference",
            training.data.type_name()
        ));
    }
    Ok(sample.to_vec())
}

fn flatten(node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
    let rank = sample.len() + 1;
    let axis = match node.int("axis", 1)? {
        axis if axis == rank as i64 => rank,
        axis => normalise_axis(axis, rank)?,
    };
    let joined: usize = match axis {
        0 => 0,
        _ => sample[..axis - 1].iter().product(),
    };
    match joined {
        1 => Ok(vec![sample[axis - 1..].iter().product()]),
        _ => Err(format!(
            "axis {axis} joins the batch with other dimensions; flatten from axis 1"
        )),
    }
}

fn reshape(context: &Context, node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
    let target = context
        .constant(node, 1)?
        .ok_or("input 1, the shape, is missing")?;
    let target = integers(&target)?;
    let copies_zero = node.int("allowzero", 0)? == 0;
    let Some((&batch, rest)) = target.split_first() else {
        return Err("it reshapes to a scalar".to_string());
    };
    let keeps_batch = match (batch, context.batch) {
        (0, _) => copies_zero,
        (-1, _) => true,
        (n, Batch::Fixed(batch)) => usize::try_from(n) == Ok(batch),
        (_, Batch::Any) => false,
    };
    if !keeps_batch {
        return Err(format!(
            "it does not keep the batch axis: the shape {target:?} must begin with 0 or -1"
        ));
    }
    let count: usize = sample.iter().product();
    let mut dims = Vec::new();
    let mut inferred = None;
    for (index, &n) in rest.iter().enumerate() {
        let dim = match n {
            -1 if batch == -1 || inferred.is_some() => {
                return Err(format!("the shape {target:?} has more than one -1"))
            }
            -1 => {
                inferred = Some(index);
                1
            }
            0 if copies_zero => *sample.get(index).ok_or_else(|| {
                format!("the shape {target:?} copies a dimension that is not there")
            })?,
            n => usize::try_from(n)
                .ok()
                .filter(|&n| n > 0)
                .ok_or_else(|| format!("the shape {target:?} has a dimension of {n}"))?,
        };
        dims.push(dim);
    }
    let product = crate::passes::import::elements(&dims)?;
    let mismatch = || {
        format!("it regroups {count} elements of a sample as {target:?}: samples must stay apart")
    };
    if let Some(index) = inferred {
        if count % product != 0 {
            return Err(mismatch());
        }
        dims[index] = count / product;
    } else if product != count {
        return Err(mismatch());
    }
    Ok(dims)
}

fn squeeze(context: &Context, node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
    let axes = context
        .constant(node, 1)?
        .ok_or("it names no axes, and could remove the batch axis; name them")?;
    let rank = sample.len() + 1;
    let mut dims: Vec<Option<usize>> = sample.iter().copied().map(Some).collect();
    for axis in integers(&axes)? {
        match normalise_axis(axis, rank)? {
            0 => return Err("it removes the batch axis".to_string()),
            axis if sample[axis - 1] != 1 => {
                return Err(format!("axis {axis} has size {}, not 1", sample[axis - 1]))
            }
            axis => dims[axis - 1] = None,
        }
    }
    Ok(dims.into_iter().flatten().collect())
}

fn unsqueeze(context: &Context, node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
    let axes = context
        .constant(node, 1)?
        .ok_or("input 1, the axes, is missing")?;
    let axes = integers(&axes)?;
    let rank = sample.len() + 1 + axes.len();
    let mut added = axes
        .iter()
        .map(|&axis| normalise_axis(axis, rank))
        .collect::<Result<Vec<usize>, String>>()?;
    added.sort_unstable();
    let mut dims = sample.to_vec();
    for pair in added.windows(2) {
        if pair[0] == pair[1] {
            return Err(format!("axis {} is named twice", pair[0]));
        }
    }
    for axis in added {
        match axis {
            0 => return Err("it adds an axis in front of the batch".to_string()),
            axis => dims.insert(axis - 1, 1),
        }
    }
    Ok(dims)
}

fn integers(tensor: &Tensor) -> Result<Vec<i64>, String> {
    match &tensor.data {
        // More axes than any real tensor has: refused before work is spent on them.
        Data::I64(values) if values.len() <= 64 => Ok(values.clone()),
        Data::I64(values) => Err(format!("a shape of {} dimensions", values.len())),
        data => Err(format!(
            "a shape must be int64, and is {}",
            data.type_name()
        )),
    }
}

/// The new shape of a constant; `None` where the rules above don't give one.
pub fn of_constant(
    node: &Node,
    shape: &[usize],
    inputs: &[Option<Rc<Tensor>>],
) -> Option<Vec<usize>> {
    let target = inputs.get(1).and_then(|tensor| tensor.clone());
    let count: usize = shape.iter().product();
    let result: Vec<usize> = match node.operator.as_str() {
        "Flatten" => {
            let axis = match node.int("axis", 1).ok()? {
                axis if axis == shape.len() as i64 => shape.len(),
                axis => normalise_axis(axis, shape.len()).ok()?,
            };
            vec![
                shape[..axis].iter().product(),
                shape[axis..].iter().product(),
            ]
        }
        "Reshape" => {
            let target = integers(&*target?).ok()?;
            let known: usize = target
                .iter()
                .filter(|&&n| n > 0)
                .try_fold(1usize, |p, &n| p.checked_mul(usize::try_from(n).ok()?))?;
            target
                .iter()
                .map(|&n| match n {
                    -1 => count.checked_div(known),
                    n => usize::try_from(n).ok().filter(|&n| n > 0),
                })
                .collect::<Option<_>>()?
        }
        _ => return None,
    };
    let product = crate::passes::import::elements(&result).ok()?;
    (product == count).then_some(result)
}
