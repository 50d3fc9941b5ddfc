//! Conv of one or two spatial axes.

use super::dense::{read_bias, signed_weights, weights};
use super::shapes::strides;
use super::sums::{Products, Sums, SumsKind};
use super::{Context, Quantised, Scaled, Value};
use crate::builder::{Builder, CodePart};
use crate::graph::Node;
use crate::network::{Shape, Window};
use crate::passes::import::check_sample;
use crate::view::{Order, View};
use std::rc::Rc;

pub fn conv(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    let weights = weights(context, node)?;
    let bias = context.optional(node, 2)?.cloned();
    convolve(context, node, &input, &weights, bias.as_ref())
}

/// A convolution of codes with constant weights.
pub fn convolve(
    context: &mut Context,
    node: &Node,
    input: &Quantised,
    weights: &Scaled,
    bias: Option<&Value>,
) -> Result<Value, String> {
    let dims = &input.view.dims;
    let shape = feature_map(dims)?;
    let (&[outputs, group_inputs], kernel) = weights
        .tensor
        .shape
        .split_first_chunk()
        .filter(|(_, kernel)| kernel.len() + 1 == dims.len())
        .ok_or_else(|| {
            format!(
                "its weights have shape {:?} for an input of {} spatial axes",
                weights.tensor.shape,
                dims.len() - 1
            )
        })?;
    let groups = usize::try_from(node.int("group", 1)?)
        .ok()
        .filter(|&groups| groups > 0 && outputs % groups == 0)
        .ok_or("`group` does not divide its output channels")?;
    if group_inputs.checked_mul(groups) != Some(shape.channels) {
        return Err(format!(
            "its input has {} channels, its weights expect {groups} groups of {group_inputs}",
            shape.channels
        ));
    }
    if let Some(given) = node.ints("kernel_shape")? {
        if !given
            .iter()
            .eq(kernel.iter().map(|&k| k as i64).collect::<Vec<_>>().iter())
        {
            return Err(format!(
                "its kernel_shape is {given:?}, its weights have {kernel:?}"
            ));
        }
    }
    let Placed {
        window,
        output: spatial,
        skipped,
    } = window(node, kernel, &dims[1..], Rounding::Convolution)?;
    if weights.axis.is_some_and(|axis| axis != 0) {
        return Err(
            "its weights are quantised per input channel; quantise them per output channel".into(),
        );
    }
    let taps: usize = kernel.iter().product();
    let copies = signed_weights(&mut context.builder, weights, group_inputs * taps)?;
    let scales: Vec<f32> = (0..outputs)
        .map(|output| input.quantiser.scale * weights.scales[output % weights.scales.len()])
        .collect();
    let bias = bias
        .map(|bias| read_bias(bias, &scales, outputs))
        .transpose()?;
    let builder = &mut context.builder;
    let view = without_first(builder, &input.view, &skipped)?;
    let view = repeated(builder, &view, groups, copies.len())?;
    let shape = feature_map(&view.dims)?;
    let order = Order::channels_first(shape.channels, shape.height * shape.width);
    let map = builder.arranged(&node.name, &view, &order, shape)?;
    let mut dims = vec![outputs];
    dims.extend(&spatial);
    let products = Products {
        input: map,
        code: input.code,
        window,
        groups,
        weights: taps_outside(&copies, outputs, group_inputs, taps),
        scales,
        input_zero_point: input.quantiser.zero_point,
        bias,
        becomes_real: false,
    };
    let shape = feature_map(&dims)?;
    let sums = Sums::new(&node.name, shape, SumsKind::Products(products));
    Ok(Value::Sums(View::channels_first(dims, ()), Rc::new(sums)))
}

/// `[output][input][tap]` to `[output][tap][input]`, with the inputs of all copies.
fn taps_outside(copies: &[Rc<[i8]>], outputs: usize, inputs: usize, taps: usize) -> Rc<[i8]> {
    if let ([weights], true) = (copies, taps == 1 || inputs == 1) {
        return weights.clone();
    }
    let width = copies.len() * inputs;
    let weight = |index: usize| {
        let (output, tap, input) = (index / (taps * width), index / width % taps, index % width);
        copies[input / inputs][(output * inputs + input % inputs) * taps + tap]
    };
    (0..outputs * taps * width).map(weight).collect()
}

/// Each group's channels as often as there are copies of the weights.
fn repeated(
    builder: &mut Builder,
    view: &View<CodePart>,
    groups: usize,
    copies: usize,
) -> Result<View<CodePart>, String> {
    if copies == 1 {
        return Ok(view.clone());
    }
    let mut dims = view.dims.clone();
    let (inputs, pixels) = (dims[0] / groups, view.len() / dims[0]);
    dims[0] *= copies;
    check_sample(&dims)?;
    let count = dims.iter().product();
    builder.count_places(count)?;
    let index = |index: usize| {
        let (channel, pixel) = (index / pixels, index % pixels);
        let (group, input) = (channel / (inputs * copies), channel % inputs);
        (group * inputs + input) * pixels + pixel
    };
    Ok(view.gathered(dims, (0..count).map(index)))
}

/// The map of a tensor of channels in front of one or two spatial axes.
pub fn feature_map(dims: &[usize]) -> Result<Shape, String> {
    check_sample(dims)?;
    match *dims {
        [channels, height, width] => Ok(Shape {
            height,
            width,
            channels,
        }),
        [channels, width] => Ok(Shape {
            height: 1,
            width,
            channels,
        }),
        _ => Err(format!(
            "its input has {} axes after the batch; channels and one or two spatial axes are supported",
            dims.len()
        )),
    }
}

/// How the number of outputs is rounded, and padding that comes out negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rounding {
    Convolution,
    PoolDown,
    PoolUp,
}

/// The window of a node, and the spatial dimensions of its output.
pub fn window(
    node: &Node,
    kernel: &[usize],
    spatial: &[usize],
    rounding: Rounding,
) -> Result<Placed, String> {
    let rank = spatial.len();
    let per_axis = |name: &str, count: usize, default: usize, least: i64| match node.ints(name)? {
        None => Ok(vec![default; count]),
        Some(values) if values.len() != count => Err(format!(
            "`{name}` has {} elements for {rank} spatial axes",
            values.len()
        )),
        Some(values) => values
            .iter()
            .map(|&value| match value {
                // Beyond any tensor, and small enough to compute with.
                value if (least..1 << 24).contains(&value) => Ok(value as usize),
                value => Err(format!("`{name}` has an element of {value}")),
            })
            .collect(),
    };
    let stride = per_axis("strides", rank, 1, 1)?;
    let dilation = per_axis("dilations", rank, 1, 1)?;
    let pads = per_axis("pads", 2 * rank, 0, 0)?;
    let auto_pad = node.string("auto_pad", "NOTSET")?;
    let mut padding = vec![0; rank];
    let mut output = vec![0; rank];
    let mut skipped = vec![0; rank];
    for axis in 0..rank {
        let (size, stride) = (spatial[axis], stride[axis]);
        if kernel[axis] == 0 || kernel[axis] >= 1 << 24 {
            return Err(format!("its kernel has a size of {}", kernel[axis]));
        }
        let extent = (kernel[axis] - 1) * dilation[axis] + 1;
        (padding[axis], output[axis]) = match auto_pad {
            "NOTSET" | "" => {
                let (before, after) = (pads[axis], pads[axis + rank]);
                let padded = size + before + after;
                let steps = |room: usize| match rounding {
                    Rounding::Convolution | Rounding::PoolDown => room / stride,
                    // A window has to begin before what is padded behind.
                    Rounding::PoolUp => (room.div_ceil(stride)).min((size + before - 1) / stride),
                };
                let room = padded.checked_sub(extent);
                (before, room.map_or(0, |room| steps(room) + 1))
            }
            "VALID" => {
                let room = size.checked_sub(extent);
                (0, room.map_or(0, |room| room / stride + 1))
            }
            "SAME_UPPER" | "SAME_LOWER" => {
                let count = size.div_ceil(stride);
                let total = ((count - 1) * stride + extent) as i64 - size as i64;
                let total = match rounding {
                    Rounding::Convolution if total < 0 => total + 1,
                    _ => total,
                };
                let before = match auto_pad {
                    "SAME_UPPER" => total / 2,
                    _ => (total + 1) / 2,
                };
                skipped[axis] = (-before).max(0) as usize;
                (before.max(0) as usize, count)
            }
            other => return Err(format!("unknown auto_pad `{other}`")),
        };
        if output[axis] == 0 {
            return Err(format!(
                "its kernel of {} does not fit an axis of {size}",
                kernel[axis]
            ));
        }
    }
    let two = |values: &[usize], missing| match *values {
        [height, width] => [height, width],
        [width] => [missing, width],
        _ => unreachable!("one or two spatial axes"),
    };
    let window = Window {
        kernel: two(kernel, 1),
        stride: two(&stride, 1),
        dilation: two(&dilation, 1),
        padding: two(&padding, 0),
    };
    Ok(Placed {
        window,
        output,
        skipped,
    })
}

/// A window on an input of some size.
pub struct Placed {
    pub window: Window,
    /// Spatial dimensions of the output.
    pub output: Vec<usize>,
    /// Of each spatial axis of the input, elements in front that no window sees. With
    /// auto_pad and strides beyond the kernel the runtime's padding is negative.
    pub skipped: Vec<usize>,
}

/// A view of channels and spatial axes without the first elements of these.
pub fn without_first<P: Clone>(
    builder: &mut Builder,
    view: &View<P>,
    skipped: &[usize],
) -> Result<View<P>, String> {
    if skipped.iter().all(|&count| count == 0) {
        return Ok(view.clone());
    }
    let from_strides = strides(&view.dims);
    let mut dims = view.dims.clone();
    let mut first = 0;
    for (axis, &count) in skipped.iter().enumerate() {
        dims[axis + 1] -= count;
        first += count * from_strides[axis + 1];
    }
    let count: usize = dims.iter().product();
    builder.count_places(count)?;
    let own = strides(&dims);
    let from = |index: usize| {
        let axes = (0..dims.len()).map(|axis| index / own[axis] % dims[axis] * from_strides[axis]);
        first + axes.sum::<usize>()
    };
    Ok(view.gathered(dims.clone(), (0..count).map(from)))
}
