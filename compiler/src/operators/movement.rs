//! Operators that only move elements, or repeat, drop and pad them. Applied to codes,
//! to real numbers and to results not yet quantised alike.

use super::shapes::{self, strides, Dim};
use super::{concatenate, Context, Hosted, Real, RealPart, Scaled, Value};
use crate::builder::{Builder, CodePart, Codes};
use crate::graph::{normalise_axis, Batch, Data, Node, Tensor};
use crate::network::CodeType;
use crate::passes::import::check_sample;
use crate::view::{Order, Place, View, MAX_PARTS};
use std::rc::Rc;

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

/// Operators whose result is their first input with its elements moved.
pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    let value = context.required(node, 0)?.clone();
    match (&value, node.operator.as_str()) {
        (Value::Scaled(_), "Identity") => return Ok(value),
        (Value::Scaled(scaled), "Transpose") => {
            let transposed = Rc::new(scaled.transposed(node)?);
            context
                .builder
                .count_places(transposed.tensor.shape.iter().product())?;
            return Ok(Value::Scaled(transposed));
        }
        (Value::Scaled(_) | Value::Constant(_), _) => {
            return Err(
                "it moves a constant that is not known before; store the constant moved".into(),
            )
        }
        (Value::Dims(dims), _) => return shapes::movement(context, node, dims),
        // The runtime takes these two away before it looks for quantisers.
        (_, "Identity" | "Cast") => return Ok(value),
        (_, "Dropout") => {
            shapes::dropout(context, node)?;
            return Ok(value);
        }
        _ => {}
    }
    let dims = value.dims().ok_or("its input has no shape")?.to_vec();
    let movement = match node.operator.as_str() {
        "Flatten" => Movement::regroup(shapes::flatten(node, &dims)?),
        "Reshape" => Movement::regroup(shapes::reshape(context, node, &dims)?),
        "Squeeze" => Movement::regroup(shapes::squeeze(context, node, &dims)?),
        "Unsqueeze" => Movement::regroup(shapes::unsqueeze(context, node, &dims)?),
        "Transpose" => transpose(node, &dims)?,
        "Slice" => slice(context, node, &dims)?,
        "Gather" => gather(context, node, &dims)?,
        "Expand" => expand(context, node, &dims)?,
        "Resize" => resize(context, node, &dims)?,
        "DepthToSpace" => depth_to_space(node, &dims)?,
        "SpaceToDepth" => space_to_depth(node, &dims)?,
        other => return Err(format!("`{other}` moves nothing")),
    };
    moved(&mut context.builder, &value, &movement)
}

/// Split: several values.
pub fn split(context: &mut Context, node: &Node) -> Result<Value, String> {
    let value = context.required(node, 0)?.clone();
    let dims = value
        .dims()
        .ok_or("its input is a constant that is not known before")?
        .to_vec();
    let axis = sample_axis(node.int("axis", 0)?, &dims)?;
    let count = node.outputs.len();
    let sizes: Vec<usize> = match context.dims(node, 1)? {
        Some(sizes) => sizes
            .values
            .iter()
            .map(|size| usize::try_from(size.or(-1)).map_err(|_| "it has a part of no fixed size"))
            .collect::<Result<_, _>>()?,
        None => {
            let each = dims[axis].div_ceil(count.max(1));
            let size = |part: usize| dims[axis].saturating_sub(part * each).min(each);
            (0..count).map(size).collect()
        }
    };
    let total = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    if sizes.len() != count || total != Some(dims[axis]) || sizes.contains(&0) {
        return Err(format!(
            "its {count} parts of sizes {sizes:?} are not the {} elements of axis {}",
            dims[axis],
            axis + 1
        ));
    }
    let mut start = 0;
    let mut parts = Vec::new();
    for size in sizes {
        let picked: Vec<usize> = (start..start + size).collect();
        let movement = picked_along(&dims, axis, &picked)?;
        parts.push(moved(&mut context.builder, &value, &movement)?);
        start += size;
    }
    Ok(Value::Several(parts))
}

/// An axis that is not the batch's, counted from the first after it.
pub fn sample_axis(axis: i64, dims: &[usize]) -> Result<usize, String> {
    match normalise_axis(axis, dims.len() + 1)? {
        0 => Err("it works on the batch axis: samples must stay together".to_string()),
        axis => Ok(axis - 1),
    }
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
        Value::Real(real) => Value::Real(Real {
            view: view(&real.view, movement),
            code: None,
        }),
        Value::Sums(places, sums) => Value::Sums(view(places, movement), sums.clone()),
        Value::Host(hosted) if movement.indices.is_none() => Value::Host(Hosted {
            dims: movement.dims.clone(),
            ..hosted.clone()
        }),
        _ => return Err("it moves what the host computes at the end of the model".to_string()),
    })
}

/// The axis that each axis of the result was.
fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>, String> {
    let order: Vec<usize> = match node.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) => perm
            .iter()
            .map(|&axis| normalise_axis(axis, rank))
            .collect::<Result<_, String>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    match sorted.into_iter().eq(0..rank) {
        true => Ok(order),
        false => Err(format!("its perm {order:?} is no order of {rank} axes")),
    }
}

/// A constant with its axes in another order.
pub fn transposed(node: &Node, tensor: &Tensor) -> Result<Tensor, String> {
    let order = permutation(node, tensor.shape.len())?;
    let from = strides(&tensor.shape);
    let shape: Vec<usize> = order.iter().map(|&axis| tensor.shape[axis]).collect();
    let steps: Vec<usize> = order.iter().map(|&axis| from[axis]).collect();
    let indices = walk(&shape, &steps, 0);
    fn picked<T: Copy, C: FromIterator<T>>(values: &[T], indices: &[u32]) -> C {
        indices
            .iter()
            .map(|&index| values[index as usize])
            .collect()
    }
    let data = match &tensor.data {
        Data::F32(values) => Data::F32(picked(values, &indices)),
        Data::I8(values) => Data::I8(picked(values, &indices)),
        Data::U8(values) => Data::U8(picked(values, &indices)),
        Data::I32(values) => Data::I32(picked(values, &indices)),
        Data::I64(values) => Data::I64(picked(values, &indices)),
        Data::Other(name) => return Err(format!("its constant is {name}")),
    };
    Ok(Tensor { shape, data })
}

impl Scaled {
    fn transposed(&self, node: &Node) -> Result<Scaled, String> {
        let order = permutation(node, self.tensor.shape.len())?;
        Ok(Scaled {
            tensor: Rc::new(transposed(node, &self.tensor)?),
            axis: self
                .axis
                .and_then(|axis| order.iter().position(|&from| from == axis)),
            ..self.clone()
        })
    }
}

fn transpose(node: &Node, dims: &[usize]) -> Result<Movement, String> {
    let order = permutation(node, dims.len() + 1)?;
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

/// Indices along one axis.
fn picked_along(dims: &[usize], axis: usize, picked: &[usize]) -> Result<Movement, String> {
    let outer: usize = dims[..axis].iter().product();
    let inner: usize = dims[axis + 1..].iter().product();
    let mut to = dims.to_vec();
    to[axis] = picked.len();
    check_sample(&to)?;
    let mut indices = Vec::with_capacity(outer * picked.len() * inner);
    for o in 0..outer {
        for &at in picked {
            let start = (o * dims[axis] + at) * inner;
            indices.extend((start..start + inner).map(|index| index as u32));
        }
    }
    Ok(Movement {
        dims: to,
        indices: Some(indices),
    })
}

/// One movement, then another.
fn composed(first: Movement, second: Movement) -> Movement {
    let indices = match (first.indices, second.indices) {
        (Some(first), Some(second)) => {
            Some(second.into_iter().map(|at| first[at as usize]).collect())
        }
        (first, second) => first.or(second),
    };
    Movement {
        dims: second.dims,
        indices,
    }
}

fn slice(context: &Context, node: &Node, dims: &[usize]) -> Result<Movement, String> {
    let list = |index: usize| -> Result<Option<Vec<i64>>, String> {
        let dims = context.dims(node, index)?;
        Ok(dims.map(|dims| dims.values.iter().map(|dim| dim.or(i64::MAX)).collect()))
    };
    let starts = list(1)?.ok_or("input 1, the starts, is missing")?;
    let ends = list(2)?.ok_or("input 2, the ends, is missing")?;
    let axes = list(3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("its starts, ends, axes and steps are not of one length".to_string());
    }
    let mut movement = Movement::regroup(dims.to_vec());
    for (index, &axis) in axes.iter().enumerate() {
        let (start, end, step) = (starts[index], ends[index], steps[index]);
        if normalise_axis(axis, dims.len() + 1)? == 0 {
            if (start, step) == (0, 1) && end >= i64::from(i32::MAX) {
                continue;
            }
            return Err("it slices the batch axis: samples must stay together".to_string());
        }
        let axis = sample_axis(axis, dims)?;
        let picked = shapes::slice(movement.dims[axis], start, end, step)?;
        let next = picked_along(&movement.dims, axis, &picked)?;
        movement = composed(movement, next);
    }
    Ok(movement)
}

fn gather(context: &Context, node: &Node, dims: &[usize]) -> Result<Movement, String> {
    let axis = sample_axis(node.int("axis", 0)?, dims)?;
    let indices = context
        .dims(node, 1)?
        .ok_or("input 1, the indices, is missing")?;
    let picked = indices
        .values
        .iter()
        .map(|index| normalise_axis(index.or(i64::MAX), dims[axis]))
        .collect::<Result<Vec<usize>, String>>()?;
    let mut movement = picked_along(dims, axis, &picked)?;
    if indices.scalar {
        movement.dims.remove(axis);
    }
    Ok(movement)
}

fn expand(context: &Context, node: &Node, dims: &[usize]) -> Result<Movement, String> {
    let shape = context
        .dims(node, 1)?
        .ok_or("input 1, the shape, is missing")?;
    let rank = dims.len() + 1;
    let missing = rank.checked_sub(shape.values.len());
    let missing = missing.ok_or("it adds axes in front of the batch")?;
    let mut to = dims.to_vec();
    for (index, dim) in shape.values.iter().enumerate() {
        match (index + missing, dim) {
            (0, Dim::Batch | Dim::Known(1)) => {}
            (0, Dim::Known(n)) if context.batch == Batch::Fixed(*n as usize) => {}
            (axis @ 1.., Dim::Known(n)) if *n > 0 => match (to[axis - 1], *n as usize) {
                (n, m) if n == m || m == 1 => {}
                (1, m) => to[axis - 1] = m,
                (n, m) => return Err(format!("it expands axis {axis} from {n} to {m}")),
            },
            _ => return Err("it expands the batch axis: samples must stay apart".to_string()),
        }
    }
    check_sample(&to)?;
    let steps: Vec<usize> = strides(dims)
        .into_iter()
        .zip(dims)
        .map(|(step, &n)| if n == 1 { 0 } else { step })
        .collect();
    Ok(Movement {
        indices: Some(walk(&to, &steps, 0)),
        dims: to,
    })
}

/// Resize by repeating or dropping pixels.
fn resize(context: &Context, node: &Node, dims: &[usize]) -> Result<Movement, String> {
    match node.string("mode", "nearest")? {
        "nearest" => {}
        mode => return Err(format!("its mode is {mode}; only nearest is supported")),
    }
    let rank = dims.len() + 1;
    if node.string("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err("it keeps the aspect ratio; give the sizes themselves".to_string());
    }
    let axes: Vec<usize> = match node.ints("axes")? {
        None => (0..rank).collect(),
        Some(axes) => axes
            .iter()
            .map(|&axis| normalise_axis(axis, rank))
            .collect::<Result<_, String>>()?,
    };
    let scales = match context.constant(node, 2)? {
        Some(scales) if scales.shape != [0] => match &scales.data {
            Data::F32(values) if values.len() == axes.len() => Some(values.clone()),
            _ => return Err(format!("its scales must be {} float32", axes.len())),
        },
        _ => None,
    };
    let sizes = match scales {
        Some(_) => None,
        None => context.dims(node, 3)?,
    };
    let mode = node.string("coordinate_transformation_mode", "half_pixel")?;
    let rounding = node.string("nearest_mode", "round_prefer_floor")?;
    let mut movement = Movement::regroup(dims.to_vec());
    for (given, &axis) in axes.iter().enumerate() {
        let size = if axis == 0 { 1 } else { dims[axis - 1] };
        let (scale, to) = match (&scales, &sizes) {
            (Some(scales), _) => (
                scales[given],
                (size as f32 * scales[given]).floor() as usize,
            ),
            (None, Some(sizes)) if sizes.values.len() == axes.len() => match sizes.values[given] {
                Dim::Batch => (1.0, 1),
                Dim::Known(_) if axis == 0 => (1.0, 1),
                Dim::Known(n) => {
                    let n = usize::try_from(n).map_err(|_| format!("it has a size of {n}"))?;
                    (n as f32 / size as f32, n)
                }
            },
            _ => return Err(format!("it needs {} scales or sizes", axes.len())),
        };
        if axis == 0 {
            match scale == 1.0 {
                true => continue,
                false => return Err("it resizes the batch axis".to_string()),
            }
        }
        if !(scale > 0.0 && scale.is_finite()) || to == 0 || to > 1 << 24 {
            return Err(format!("it resizes axis {axis} by {scale}"));
        }
        if to == size {
            continue;
        }
        let at = |x: usize| -> Result<usize, String> {
            let x = x as f32;
            let original = match mode {
                "half_pixel" => (x + 0.5) / scale - 0.5,
                "pytorch_half_pixel" if to > 1 => (x + 0.5) / scale - 0.5,
                "pytorch_half_pixel" => 0.0,
                "asymmetric" => x / scale,
                "align_corners" if to == 1 => 0.0,
                "align_corners" => x * (size - 1) as f32 / (to - 1) as f32,
                other => return Err(format!("coordinate_transformation_mode is {other}")),
            };
            let nearest = match rounding {
                "round_prefer_floor" if original == original.floor() + 0.5 => original.floor(),
                "round_prefer_floor" | "round_prefer_ceil" => original.round(),
                "floor" => original.floor(),
                "ceil" => original.ceil(),
                other => return Err(format!("nearest_mode is {other}")),
            };
            Ok((nearest.max(0.0) as usize).min(size - 1))
        };
        let picked = (0..to).map(at).collect::<Result<Vec<usize>, String>>()?;
        let next = picked_along(&movement.dims, axis - 1, &picked)?;
        movement = composed(movement, next);
    }
    Ok(movement)
}

/// Channels, height and width, and a block that divides what it must.
fn blocks(node: &Node, dims: &[usize]) -> Result<([usize; 3], usize), String> {
    let block = node.int("blocksize", 0)?;
    match (dims, usize::try_from(block)) {
        (&[channels, height, width], Ok(block)) if block > 0 && block < 1 << 12 => {
            Ok(([channels, height, width], block))
        }
        _ => Err(format!(
            "its blocksize is {block} and its input has {} axes; it needs a positive blocksize and four axes",
            dims.len() + 1
        )),
    }
}

fn depth_to_space(node: &Node, dims: &[usize]) -> Result<Movement, String> {
    let ([channels, height, width], block) = blocks(node, dims)?;
    if channels % (block * block) != 0 {
        return Err(format!(
            "blocks of {block} do not divide {channels} channels"
        ));
    }
    let depth = channels / (block * block);
    let pixels = height * width;
    // Steps of the block's row, column, and of the remaining channels.
    let [row, column, channel] = match node.string("mode", "DCR")? {
        "DCR" => [block * depth * pixels, depth * pixels, pixels],
        "CRD" => [block * pixels, pixels, block * block * pixels],
        other => return Err(format!("unknown mode `{other}`")),
    };
    let to = [depth, height, block, width, block];
    let steps = [channel, width, row, 1, column];
    Ok(Movement {
        dims: vec![depth, height * block, width * block],
        indices: Some(walk(&to, &steps, 0)),
    })
}

fn space_to_depth(node: &Node, dims: &[usize]) -> Result<Movement, String> {
    let ([channels, height, width], block) = blocks(node, dims)?;
    if height % block != 0 || width % block != 0 {
        return Err(format!(
            "blocks of {block} do not divide {height} by {width}"
        ));
    }
    let to = [block, block, channels, height / block, width / block];
    let steps = [width, 1, height * width, block * width, block];
    Ok(Movement {
        dims: vec![channels * block * block, height / block, width / block],
        indices: Some(walk(&to, &steps, 0)),
    })
}

/// Pad: constants around, or elements repeated.
pub fn pad(context: &mut Context, node: &Node) -> Result<Value, String> {
    let value = context.required(node, 0)?.clone();
    let dims = value
        .dims()
        .ok_or("its input is a constant that is not known before")?
        .to_vec();
    let rank = dims.len() + 1;
    let pads = context
        .dims(node, 1)?
        .ok_or("input 1, the pads, is missing")?;
    let pads: Vec<i64> = pads.values.iter().map(|dim| dim.or(i64::MAX)).collect();
    let axes: Vec<usize> = match context.dims(node, 3)? {
        None => (0..rank).collect(),
        Some(axes) => axes
            .values
            .iter()
            .map(|axis| normalise_axis(axis.or(i64::MAX), rank))
            .collect::<Result<_, String>>()?,
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!(
            "it has {} pads for {} axes",
            pads.len(),
            axes.len()
        ));
    }
    let mode = node.string("mode", "constant")?.to_string();
    // For each axis the element at each place; `None` is padding.
    let mut picked: Vec<Vec<Option<usize>>> =
        dims.iter().map(|&n| (0..n).map(Some).collect()).collect();
    let mut to = dims.clone();
    for (index, &axis) in axes.iter().enumerate() {
        let (before, after) = (pads[index], pads[index + axes.len()]);
        if axis == 0 && (before, after) != (0, 0) {
            return Err("it pads the batch axis".to_string());
        }
        if axis == 0 {
            continue;
        }
        let n = dims[axis - 1] as i64;
        let end = n.checked_add(after).filter(|&end| end < 1 << 24);
        let (true, Some(end)) = (before.abs() < 1 << 24, end) else {
            return Err(format!("it pads axis {axis} by {before} and {after}"));
        };
        let at = |i: i64| match mode.as_str() {
            _ if (0..n).contains(&i) => Ok(Some(i as usize)),
            "constant" => Ok(None),
            "edge" => Ok(Some(i.clamp(0, n - 1) as usize)),
            "reflect" if n > 1 => {
                let i = i.rem_euclid(2 * (n - 1));
                Ok(Some(i.min(2 * (n - 1) - i) as usize))
            }
            "wrap" => Ok(Some(i.rem_euclid(n) as usize)),
            _ => Err(format!("its mode `{mode}` is not supported")),
        };
        picked[axis - 1] = (-before..end).map(at).collect::<Result<_, String>>()?;
        to[axis - 1] = picked[axis - 1].len();
    }
    check_sample(&to)?;
    match value {
        Value::Codes(codes) => {
            let stored = match context.constant(node, 2)?.as_deref() {
                None => codes.code.offset() as u8,
                Some(tensor) => match &tensor.data {
                    Data::I8(values) if values.len() == 1 && codes.code == CodeType::I8 => {
                        values[0] as u8 ^ 0x80
                    }
                    Data::U8(values) if values.len() == 1 && codes.code == CodeType::U8 => {
                        values[0]
                    }
                    _ => return Err("its constant is no code of its input's type".to_string()),
                },
            };
            let view = padded(
                &mut context.builder,
                &codes.view,
                to,
                &picked,
                CodePart::Code(stored),
            )?;
            Ok(Value::Codes(Codes { view, ..codes }))
        }
        Value::Real(real) => {
            let x = match node.input(2) {
                None => 0.0,
                Some(_) => match context.required(node, 2)? {
                    Value::Constant(tensor) => super::float_scalar(tensor)?,
                    Value::Scaled(scaled) => super::float_scalar(&scaled.real()?)?,
                    _ => return Err("its constant must be known".to_string()),
                },
            };
            let view = padded(
                &mut context.builder,
                &real.view,
                to,
                &picked,
                RealPart::Constant(x),
            )?;
            Ok(Value::Real(Real { view, code: None }))
        }
        Value::Sums(_, sums) => Err(sums.follows()),
        _ => Err("it pads what the host computes".to_string()),
    }
}

fn padded<P: Clone>(
    builder: &mut Builder,
    view: &View<P>,
    dims: Vec<usize>,
    picked: &[Vec<Option<usize>>],
    padding: P,
) -> Result<View<P>, String> {
    let count: usize = dims.iter().product();
    builder.count_places(count)?;
    if view.parts.len() == MAX_PARTS {
        return Err(format!("it has more than {MAX_PARTS} parts"));
    }
    let mut parts = view.parts.to_vec();
    parts.push(padding);
    let pad = Place {
        part: (parts.len() - 1) as u16,
        element: 0,
    };
    let steps = strides(&view.dims);
    let place = |index: usize| {
        let mut rest = index;
        let mut from = 0;
        for axis in (0..dims.len()).rev() {
            match picked[axis][rest % dims[axis]] {
                None => return pad,
                Some(at) => from += at * steps[axis],
            }
            rest /= dims[axis];
        }
        view.place(from)
    };
    let places = (0..count).map(place).collect();
    Ok(View {
        order: Order::of(places, parts.len()),
        parts: parts.into(),
        dims,
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

/// Concat of tensors, or of vectors of integers.
pub fn concat(context: &mut Context, node: &Node) -> Result<Value, String> {
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
            Ok(Value::Real(Real { view, code: None }))
        }
    }
}
