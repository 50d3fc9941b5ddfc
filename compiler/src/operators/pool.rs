//! Pooling over spatial axes: the largest of a window, and means.

use super::convolution::{feature_map, window, Rounding};
use super::sums::{check_scales, Sums, SumsKind};
use super::{shapes, Context, Quantised, Real, Value};
use crate::builder::{Builder, CodePart, Codes};
use crate::graph::{normalise_axis, Node};
use crate::network::{AveragePool, CodeType, Finish, Kind, MapId, Quantiser, Shape, Window};
use crate::pairs::Target;
use crate::view::{Order, View};
use std::rc::Rc;

/// MaxPool and GlobalMaxPool, of real numbers or of codes: the order is the same.
pub fn max(context: &mut Context, node: &Node) -> Result<Value, String> {
    if node.int("storage_order", 0)? != 0 {
        return Err("storage_order is set; only 0 is supported".to_string());
    }
    let value = context.required(node, 0)?.clone();
    let (view, quantiser) = match &value {
        Value::Codes(codes) => (codes.view.clone(), None),
        _ => {
            let Quantised {
                view, quantiser, ..
            } = context.quantised(node, 0)?;
            (view, Some(quantiser))
        }
    };
    let dims = view.dims.clone();
    let shape = feature_map(&dims)?;
    let (window, output) = match node.operator.as_str() {
        "GlobalMaxPool" => whole(shape, dims.len()),
        _ => window_of(node, &dims)?,
    };
    let mut dims = vec![shape.channels];
    dims.extend(output);
    let view = largest(&mut context.builder, node, &view, window, dims)?;
    Ok(match (quantiser, value) {
        (Some(quantiser), _) => Value::Real(Real::of_codes(&view, quantiser, None)),
        (None, Value::Codes(Codes { code, .. })) => Value::Codes(Codes { view, code }),
        _ => return Err("its input has no quantiser".to_string()),
    })
}

/// The operation that takes the largest code of each window.
fn largest(
    builder: &mut Builder,
    node: &Node,
    view: &View<CodePart>,
    window: Window,
    dims: Vec<usize>,
) -> Result<View<CodePart>, String> {
    let shape = feature_map(&view.dims)?;
    let order = Order::channels_first(shape.channels, shape.height * shape.width);
    let input = builder.arranged(&node.name, view, &order, shape)?;
    builder.count_places(window.kernel[0].saturating_mul(window.kernel[1]))?;
    let kind = Kind::MaxPool { input, window };
    let map = builder.operation(&node.name, kind, feature_map(&dims)?, Finish::default());
    Ok(View::channels_first(dims, CodePart::Map(map)))
}

pub fn average(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    window_mean(context, node, &input)
}

pub fn global_average(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    global_mean(context, node, &input)
}

/// Means of windows.
pub fn window_mean(context: &mut Context, node: &Node, input: &Quantised) -> Result<Value, String> {
    let dims = &input.view.dims;
    feature_map(dims)?;
    let (window, output) = window_of(node, dims)?;
    let counts = match node.int("count_include_pad", 0)? {
        0 => Counts::Inside,
        _ => Counts::Whole,
    };
    mean(&mut context.builder, node, input, window, output, counts)
}

/// The mean of all pixels.
pub fn global_mean(context: &mut Context, node: &Node, input: &Quantised) -> Result<Value, String> {
    let dims = &input.view.dims;
    let (window, output) = whole(feature_map(dims)?, dims.len());
    mean(
        &mut context.builder,
        node,
        input,
        window,
        output,
        Counts::Global,
    )
}

/// ReduceMean over all axes but the batch and one of channels.
pub fn reduce_mean(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    let (view, dims) = reduced(context, node, &input.view)?;
    let (window, output) = whole(feature_map(&view.dims)?, view.dims.len());
    let input = Quantised { view, ..input };
    let counts = Counts::Mean;
    match mean(&mut context.builder, node, &input, window, output, counts)? {
        Value::Sums(view, sums) => Ok(Value::Sums(view.reshaped(dims), sums)),
        value => Ok(value),
    }
}

/// ReduceMax likewise.
pub fn reduce_max(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    let (view, dims) = reduced(context, node, &input.view)?;
    let shape = feature_map(&view.dims)?;
    let (window, _) = whole(shape, view.dims.len());
    let pooled = largest(
        &mut context.builder,
        node,
        &view,
        window,
        vec![shape.channels, 1, 1],
    )?;
    let real = Real::of_codes(&pooled.reshaped(dims), input.quantiser, None);
    Ok(Value::Real(real))
}

/// A view with channels in front of what is reduced, and the dimensions of the result.
fn reduced<P: Clone>(
    context: &mut Context,
    node: &Node,
    view: &View<P>,
) -> Result<(View<P>, Vec<usize>), String> {
    let dims = &view.dims;
    let rank = dims.len() + 1;
    let given = match node.ints("axes")? {
        Some(axes) => Some(axes.to_vec()),
        None => match context.constant(node, 1)? {
            Some(axes) => Some(shapes::integers(&axes)?),
            None => None,
        },
    };
    let axes = given
        .ok_or("it names no axes, and would join the samples; name them")?
        .iter()
        .map(|&axis| normalise_axis(axis, rank))
        .collect::<Result<Vec<usize>, String>>()?;
    let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    let [0, channel_axis] = kept[..] else {
        return Err(format!(
            "it reduces axes {axes:?} of a tensor of rank {rank}; all but the batch and one are supported"
        ));
    };
    let keep = node.int("keepdims", 1)? != 0;
    let channels = dims[channel_axis - 1];
    let reduced_dims = (1..rank)
        .filter(|axis| keep || *axis == channel_axis)
        .map(|axis| if axis == channel_axis { channels } else { 1 })
        .collect();
    if let (1, 2 | 3) = (channel_axis, dims.len()) {
        return Ok((view.clone(), reduced_dims));
    }
    let pixels = view.len() / channels;
    let stride: usize = dims[channel_axis..].iter().product();
    let index = |index: usize| {
        let (channel, pixel) = (index / pixels, index % pixels);
        (pixel / stride * channels + channel) * stride + pixel % stride
    };
    context.builder.count_places(view.len())?;
    let indices = (0..view.len()).map(index);
    Ok((view.gathered(vec![channels, pixels], indices), reduced_dims))
}

fn mean(
    builder: &mut Builder,
    node: &Node,
    input: &Quantised,
    window: Window,
    output: Vec<usize>,
    counts: Counts,
) -> Result<Value, String> {
    let shape = feature_map(&input.view.dims)?;
    let order = Order::channels_first(shape.channels, shape.height * shape.width);
    let map = builder.arranged(&node.name, &input.view, &order, shape)?;
    let mut dims = vec![shape.channels];
    dims.extend(output);
    let average = Average {
        input: map,
        window,
        quantiser: input.quantiser,
        code: input.code,
        counts,
    };
    let sums = Sums::new(&node.name, feature_map(&dims)?, SumsKind::Average(average));
    Ok(Value::Sums(View::channels_first(dims, ()), Rc::new(sums)))
}

/// The window over all pixels, and the spatial dimensions of its output.
fn whole(shape: Shape, rank: usize) -> (Window, Vec<usize>) {
    let window = Window {
        kernel: [shape.height, shape.width],
        ..Window::POINT
    };
    (window, vec![1; rank - 1])
}

fn window_of(node: &Node, dims: &[usize]) -> Result<(Window, Vec<usize>), String> {
    let kernel = node
        .ints("kernel_shape")?
        .ok_or("it has no kernel_shape")?
        .iter()
        .map(|&n| usize::try_from(n).map_err(|_| format!("its kernel has a size of {n}")))
        .collect::<Result<Vec<usize>, String>>()?;
    if kernel.len() + 1 != dims.len() {
        return Err(format!(
            "its kernel_shape {kernel:?} does not go with {} spatial axes",
            dims.len() - 1
        ));
    }
    let rounding = match node.int("ceil_mode", 0)? {
        0 => Rounding::Down,
        _ => Rounding::Up,
    };
    window(node, &kernel, &dims[1..], rounding)
}

/// A mean that is not yet quantised.
#[derive(Debug, Clone)]
pub struct Average {
    input: MapId,
    window: Window,
    quantiser: Quantiser,
    /// In the runtime.
    code: Option<CodeType>,
    counts: Counts,
}

/// By what a sum is divided, and how the runtime computes it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Counts {
    /// QLinearAveragePool: elements inside the map.
    Inside,
    /// QLinearAveragePool: the kernel's size.
    Whole,
    /// QLinearGlobalAveragePool.
    Global,
    /// ReduceMean, in floating point.
    Mean,
}

impl Average {
    /// Elements of its window.
    pub fn taps(&self) -> usize {
        let [height, width] = self.window.kernel;
        height.saturating_mul(width)
    }

    /// Why codes may differ from the runtime's, which adds up a mean in f32.
    pub fn note(&self, target: &Target, clamped: bool) -> Option<&'static str> {
        match self.is_fused(target, clamped) {
            false => Some("ONNX Runtime computes this mean in floating point; codes next to a rounding tie may differ"),
            true if self.counts != Counts::Global && self.has_ties(target) => Some(
                "ONNX Runtime adds the elements of a mean in floating point: where a mean lies midway between two codes its code may differ by one",
            ),
            true => None,
        }
    }

    /// Whether a sum of the window can lie midway between two codes, or as near as the
    /// runtime's rounding errors.
    fn has_ties(&self, target: &Target) -> bool {
        /// Larger windows are taken to have them.
        const LARGEST: usize = 1 << 10;
        let taps = self.taps();
        let step = self.quantiser.scale as f64 / target.quantiser.scale as f64 / taps as f64;
        taps > LARGEST
            || (1..=255 * taps).any(|sum| {
                let mean = sum as f64 * step;
                mean < 256.0 && ((mean.fract() - 0.5) / mean).abs() < 1e-6
            })
    }

    /// Whether the runtime has an integer kernel for it.
    fn is_fused(&self, to: &Target, clamped: bool) -> bool {
        self.counts != Counts::Mean && self.code == Some(to.code) && !clamped
    }

    pub fn quantise(&self, name: &str, to: &Target, clamped: bool) -> Result<Kind, String> {
        let fused = self.is_fused(to, clamped);
        let to = &to.quantiser;
        let size = self.taps();
        let from = self.quantiser.scale;
        let scale = |count: usize| match (count, self.counts) {
            (0, _) => 1.0,
            (n, Counts::Inside) => (from / to.scale) / n as f32,
            (_, Counts::Whole) => (from / to.scale) / size as f32,
            (n, Counts::Global) => from / (to.scale * n as f32),
            (n, Counts::Mean) => (from / to.scale) / n as f32,
        };
        let scales: Vec<f32> = (0..=size).map(scale).collect();
        check_scales(name, &scales)?;
        Ok(Kind::AveragePool(AveragePool {
            input: self.input,
            window: self.window,
            scales,
            input_zero_point: self.quantiser.zero_point,
            output_zero_point: to.zero_point,
            even_code: fused && matches!(self.counts, Counts::Inside | Counts::Whole),
        }))
    }
}
