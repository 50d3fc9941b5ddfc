//! Shapes: what Reshape and its like make of dimensions, and the integers that
//! exporters compute from them, perhaps with a symbolic batch.

use super::{Context, Value};
use crate::graph::{normalise_axis, Batch, Data, Node, Tensor};
use crate::passes::import::elements;
use std::rc::Rc;

/// A vector (or scalar) of integers computed from shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dims {
    pub values: Vec<Dim>,
    pub scalar: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// The number of samples.
    Batch,
    Known(i64),
}

impl Dim {
    pub fn or(self, batch: i64) -> i64 {
        match self {
            Dim::Batch => batch,
            Dim::Known(n) => n,
        }
    }
}

impl Dims {
    fn vector(values: Vec<Dim>) -> Value {
        Value::Dims(Dims {
            values,
            scalar: false,
        })
    }

    /// As a constant, when the batch is not among them.
    pub fn tensor(&self) -> Option<Tensor> {
        let known = |dim: &Dim| match dim {
            Dim::Known(n) => Some(*n),
            Dim::Batch => None,
        };
        let values: Vec<i64> = self.values.iter().map(known).collect::<Option<_>>()?;
        Some(Tensor {
            shape: match self.scalar {
                true => vec![],
                false => vec![values.len()],
            },
            data: Data::I64(values),
        })
    }
}

impl Context {
    /// A shape, constant or computed; `None` when it is left out.
    pub fn dims(&self, node: &Node, index: usize) -> Result<Option<Dims>, String> {
        match node.input(index) {
            None => Ok(None),
            Some(_) => of_value(self.required(node, index)?)
                .map(Some)
                .map_err(|reason| format!("input {index} {reason}")),
        }
    }
}

fn of_value(value: &Value) -> Result<Dims, String> {
    match value {
        Value::Dims(dims) => Ok(dims.clone()),
        Value::Constant(tensor) => Ok(Dims {
            values: integers(tensor)?.into_iter().map(Dim::Known).collect(),
            scalar: tensor.shape.is_empty(),
        }),
        _ => Err("must be a constant".to_string()),
    }
}

/// Shape of a tensor.
pub fn shape(context: &mut Context, node: &Node) -> Result<Value, String> {
    let batch = match context.batch {
        Batch::Any => Dim::Batch,
        Batch::Fixed(n) => Dim::Known(n as i64),
    };
    let known =
        |dims: &[usize]| -> Vec<Dim> { dims.iter().map(|&n| Dim::Known(n as i64)).collect() };
    let dims = match context.required(node, 0)? {
        Value::Constant(tensor) => known(&tensor.shape),
        Value::Scaled(scaled) => known(&scaled.tensor.shape),
        Value::Dims(dims) => vec![Dim::Known(dims.values.len() as i64)],
        value => {
            let dims = value.dims().ok_or("its input has no shape")?;
            let mut all = vec![batch];
            all.extend(known(dims));
            all
        }
    };
    let rank = dims.len() as i64;
    let end = |axis: i64| {
        (if axis < 0 {
            axis.saturating_add(rank)
        } else {
            axis
        })
        .clamp(0, rank) as usize
    };
    let (from, to) = (end(node.int("start", 0)?), end(node.int("end", rank)?));
    Ok(Dims::vector(dims[from..to.max(from)].to_vec()))
}

/// Operators that take integers apart and regroup them.
pub fn movement(context: &Context, node: &Node, dims: &Dims) -> Result<Value, String> {
    let values = &dims.values;
    let scalar = |scalar| {
        Value::Dims(Dims {
            values: values.clone(),
            scalar,
        })
    };
    Ok(match node.operator.as_str() {
        "Identity" | "Cast" => scalar(dims.scalar),
        "Unsqueeze" | "Reshape" => scalar(false),
        "Squeeze" => scalar(values.len() == 1),
        "Gather" => {
            let indices = context
                .dims(node, 1)?
                .ok_or("input 1, the indices, is missing")?;
            let at = |index: &Dim| {
                let axis = normalise_axis(index.or(i64::MAX), values.len())?;
                Ok(values[axis])
            };
            Value::Dims(Dims {
                values: indices
                    .values
                    .iter()
                    .map(at)
                    .collect::<Result<_, String>>()?,
                scalar: indices.scalar,
            })
        }
        "Slice" => {
            let mut range = [0, i64::MAX, 0, 1];
            for (place, input) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
                if let Some(given) = context.dims(node, input)? {
                    match given.values[..] {
                        [Dim::Known(n)] => range[place] = n,
                        _ => return Err("it slices a shape on several axes".to_string()),
                    }
                }
            }
            let picked = slice(values.len(), range[0], range[1], range[3])?;
            Dims::vector(picked.into_iter().map(|index| values[index]).collect())
        }
        _ => return Err("it is applied to a shape, which is not supported".to_string()),
    })
}

/// Indices that a slice of an axis picks.
pub fn slice(size: usize, start: i64, end: i64, step: i64) -> Result<Vec<usize>, String> {
    if step == 0 {
        return Err("its step is 0".to_string());
    }
    let n = size as i64;
    let wrap = |at: i64| if at < 0 { at.saturating_add(n) } else { at };
    let (mut at, end) = match step > 0 {
        true => (wrap(start).clamp(0, n), wrap(end).clamp(0, n)),
        false => (
            wrap(start).clamp(0, n - 1),
            match end {
                // Beyond the front: all of it.
                end if end < -n => -1,
                end => wrap(end).clamp(-1, n - 1),
            },
        ),
    };
    let mut picked = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        picked.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(picked)
}

/// Vectors of integers joined.
pub fn concat(values: &[Value], axis: i64) -> Result<Value, String> {
    if axis != 0 && axis != -1 {
        return Err(format!("it joins vectors on axis {axis}"));
    }
    let mut joined = Vec::new();
    for value in values {
        joined.extend(of_value(value)?.values);
        if joined.len() > MAX_AXES {
            return Err(format!("a shape of more than {MAX_AXES} dimensions"));
        }
    }
    Ok(Dims::vector(joined))
}

/// Integers computed from integers.
pub fn arithmetic(node: &Node, a: &Value, b: &Value) -> Result<Value, String> {
    let (a, b) = (of_value(a)?, of_value(b)?);
    let count = a.values.len().max(b.values.len());
    if [a.values.len(), b.values.len()]
        .iter()
        .any(|&n| n != count && n != 1)
    {
        return Err("its inputs have different lengths".to_string());
    }
    let at = |dims: &Dims, index: usize| dims.values[index % dims.values.len()];
    let compute = |index: usize| {
        let (Dim::Known(x), Dim::Known(y)) = (at(&a, index), at(&b, index)) else {
            return Err("it computes with the number of samples, which is not fixed".to_string());
        };
        let result = match node.operator.as_str() {
            "Add" => x.checked_add(y),
            "Sub" => x.checked_sub(y),
            "Mul" => x.checked_mul(y),
            "Div" => x.checked_div(y),
            "Min" => Some(x.min(y)),
            "Max" => Some(x.max(y)),
            _ => None,
        };
        result
            .map(Dim::Known)
            .ok_or_else(|| "it has no result".to_string())
    };
    Ok(Value::Dims(Dims {
        values: (0..count).map(compute).collect::<Result<_, String>>()?,
        scalar: a.scalar && b.scalar,
    }))
}

/// More axes than any real tensor has: refused before work is spent on them.
const MAX_AXES: usize = 64;

/// Number of elements between neighbours on each axis.
pub fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}
pub fn dropout(context: &Context, node: &Node) -> Result<(), String> {
    match context.constant(node, 2)? {
        None => Ok(()),
        // Booleans are no type the compiler decodes, so any constant here is suspect;
        // exporters leave it out for inference.
        Some(training) => Err(format!(
            "its training mode is given ({}); export the model for inference",
            training.data.type_name()
        )),
    }
}

pub fn flatten(node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
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

pub fn reshape(context: &Context, node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
    let dims = context
        .dims(node, 1)?
        .ok_or("input 1, the shape, is missing")?;
    let copies_zero = node.int("allowzero", 0)? == 0;
    let Some((&batch, rest)) = dims.values.split_first() else {
        return Err("it reshapes to a scalar".to_string());
    };
    let target: Vec<i64> = dims.values.iter().map(|dim| dim.or(-1)).collect();
    let keeps_batch = match (batch, context.batch) {
        (Dim::Batch, _) | (Dim::Known(-1), _) => true,
        (Dim::Known(0), _) => copies_zero,
        (Dim::Known(n), Batch::Fixed(batch)) => usize::try_from(n) == Ok(batch),
        (_, Batch::Any) => false,
    };
    if !keeps_batch {
        return Err(format!(
            "it does not keep the batch axis: the shape {target:?} must begin with 0 or -1"
        ));
    }
    let rest = rest
        .iter()
        .map(|dim| match dim {
            Dim::Known(n) => Ok(*n),
            Dim::Batch => Err("it moves the batch axis, which must stay in front"),
        })
        .collect::<Result<Vec<i64>, &str>>()?;
    let count: usize = sample.iter().product();
    let mut dims = Vec::new();
    let mut inferred = None;
    for (index, &n) in rest.iter().enumerate() {
        let dim = match n {
            -1 if batch == Dim::Known(-1) || inferred.is_some() => {
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
    let product = elements(&dims)?;
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

pub fn squeeze(context: &Context, node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
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

pub fn unsqueeze(context: &Context, node: &Node, sample: &[usize]) -> Result<Vec<usize>, String> {
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

pub fn integers(tensor: &Tensor) -> Result<Vec<i64>, String> {
    match &tensor.data {
        Data::I64(values) if values.len() <= MAX_AXES => Ok(values.clone()),
        Data::I32(values) if values.len() <= MAX_AXES => {
            Ok(values.iter().map(|&n| n as i64).collect())
        }
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
    let product = elements(&result).ok()?;
    (product == count).then_some(result)
}
