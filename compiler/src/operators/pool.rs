//! Pooling over spatial axes: the largest of a window, and means.

use super::convolution::{feature_map, window, without_first, Placed, Rounding};
use super::sums::{check_scales, Largest, Sums, SumsKind};
use super::{shapes, Context, Quantised, Real, Value};
use crate::builder::{Builder, CodePart, Codes};
use crate::graph::{normalise_axis, Node};
use crate::network::{AveragePool, CodeType, Finish, Kind, MapId, Quantiser, Shape, Window};
use crate::pairs::Target;
use crate::view::{Order, View};
use quern_isa::numerics::requantise_f32;
use quern_isa::{FloatAverage, FloatRounding, HostWork};
use std::rc::Rc;

/// MaxPool and GlobalMaxPool, of real numbers or of codes: the order is the same.
pub fn max(context: &mut Context, node: &Node) -> Result<Value, String> {
    if node.int("storage_order", 0)? != 0 {
        return Err("storage_order is set; only 0 is supported".to_string());
    }
    let value = context.required(node, 0)?.clone();
    if let Value::Sums(view, sums) = &value {
        return max_of_sums(&mut context.builder, node, view, sums);
    }
    let (view, quantiser) = match &value {
        Value::Codes(codes) => (codes.view.clone(), None),
        _ => {
            let Quantised {
                view, quantiser, ..
            } = context.quantised(node, 0)?;
            (view, Some(quantiser))
        }
    };
    let (view, window, dims) = max_window(&mut context.builder, node, &view)?;
    let map = largest(&mut context.builder, &node.name, &view, window, &dims)?;
    let view = View::channels_first(dims, CodePart::Map(map));
    Ok(match (quantiser, value) {
        (Some(quantiser), _) => Value::Real(Real::of_codes(&view, quantiser, None)),
        (None, Value::Codes(Codes { code, .. })) => Value::Codes(Codes { view, code }),
        _ => return Err("its input has no quantiser".to_string()),
    })
}

/// What is pooled, the window, and the dimensions of the result.
fn max_window<P: Clone>(
    builder: &mut Builder,
    node: &Node,
    view: &View<P>,
) -> Result<(View<P>, Window, Vec<usize>), String> {
    let shape = feature_map(&view.dims)?;
    let (view, (window, output)) = match node.operator.as_str() {
        "GlobalMaxPool" => (view.clone(), whole(shape, view.dims.len())),
        _ => window_of(builder, node, view)?,
    };
    let mut dims = vec![shape.channels];
    dims.extend(output);
    Ok((view, window, dims))
}

/// Of results that are still to be quantised.
fn max_of_sums(
    builder: &mut Builder,
    node: &Node,
    view: &View<()>,
    sums: &Sums,
) -> Result<Value, String> {
    let (view, window, dims) = max_window(builder, node, view)?;
    let mut sums = sums.clone();
    sums.pools.push(Largest {
        name: node.name.clone(),
        view,
        window,
        dims: dims.clone(),
    });
    Ok(Value::Sums(View::channels_first(dims, ()), Rc::new(sums)))
}

/// The map of the largest code of each window.
pub fn largest(
    builder: &mut Builder,
    name: &str,
    view: &View<CodePart>,
    window: Window,
    dims: &[usize],
) -> Result<MapId, String> {
    let shape = feature_map(&view.dims)?;
    let order = Order::channels_first(shape.channels, shape.height * shape.width);
    let input = builder.arranged(name, view, &order, shape)?;
    builder.count_places(window.kernel[0].saturating_mul(window.kernel[1]))?;
    let kind = Kind::MaxPool { input, window };
    Ok(builder.operation(name, kind, feature_map(dims)?, Finish::default()))
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
    feature_map(&input.view.dims)?;
    let (view, window) = window_of(&mut context.builder, node, &input.view)?;
    let input = Quantised {
        view,
        quantiser: input.quantiser,
        code: input.code,
    };
    let dims = &input.view.dims;
    let padded = node
        .ints("pads")?
        .is_some_and(|pads| pads.iter().any(|&pad| pad != 0));
    let all = whole(feature_map(dims)?, dims.len()).0.kernel;
    let counts = match node.int("count_include_pad", 0)? {
        _ if window.0.kernel == all && !padded => Counts::All,
        0 => Counts::Inside,
        _ => Counts::Whole,
    };
    mean(context, node, &input, window, counts)
}

/// The mean of all pixels.
pub fn global_mean(context: &mut Context, node: &Node, input: &Quantised) -> Result<Value, String> {
    let dims = &input.view.dims;
    let window = whole(feature_map(dims)?, dims.len());
    mean(context, node, input, window, Counts::Global)
}

/// ReduceMean over all axes but the batch and one of channels.
pub fn reduce_mean(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = context.quantised(node, 0)?;
    let (view, dims) = reduced(context, node, &input.view)?;
    if let (Value::Real(real), true) = (
        context.required(node, 0)?,
        view.len() == dims.iter().product(),
    ) {
        // Of one pixel it is the number itself.
        let view = real.view.reshaped(dims);
        return Ok(Value::Real(Real { view, code: None }));
    }
    let window = whole(feature_map(&view.dims)?, view.dims.len());
    let input = Quantised { view, ..input };
    match mean(context, node, &input, window, Counts::Mean)? {
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
    let pixel = vec![shape.channels, 1, 1];
    let map = largest(&mut context.builder, &node.name, &view, window, &pixel)?;
    let pooled = View::channels_first(pixel, CodePart::Map(map)).reshaped(dims);
    let real = Real::of_codes(&pooled, input.quantiser, None);
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
    context: &mut Context,
    node: &Node,
    input: &Quantised,
    (window, output): Windowed,
    counts: Counts,
) -> Result<Value, String> {
    let builder = &mut context.builder;
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
        opset: context.opset,
    };
    let sums = Sums::new(&node.name, feature_map(&dims)?, SumsKind::Average(average));
    Ok(Value::Sums(View::channels_first(dims, ()), Rc::new(sums)))
}

/// The window over all pixels, and the spatial dimensions of its output.
fn whole(shape: Shape, rank: usize) -> Windowed {
    let window = Window {
        kernel: [shape.height, shape.width],
        ..Window::POINT
    };
    (window, vec![1; rank - 1])
}

/// A window, and the spatial dimensions of its output.
type Windowed = (Window, Vec<usize>);

/// A pool's window, and the part of its input that it is on.
fn window_of<P: Clone>(
    builder: &mut Builder,
    node: &Node,
    view: &View<P>,
) -> Result<(View<P>, Windowed), String> {
    let dims = &view.dims;
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
        0 => Rounding::PoolDown,
        _ => Rounding::PoolUp,
    };
    let Placed {
        window,
        output,
        skipped,
    } = window(node, &kernel, &dims[1..], rounding)?;
    let view = without_first(builder, view, &skipped)?;
    Ok((view, (window, output)))
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
    /// Of the model.
    opset: i64,
}

/// By what a sum is divided, and how the runtime computes it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Counts {
    /// QLinearAveragePool: elements inside the map.
    Inside,
    /// QLinearAveragePool: the kernel's size.
    Whole,
    /// QLinearAveragePool of all elements without padding, which becomes
    /// QLinearGlobalAveragePool; AveragePool where it is not fused.
    All,
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
        (!self.is_window() && !self.is_fused(target, clamped)).then_some(
            "ONNX Runtime computes this mean in floating point; codes next to a rounding tie may differ",
        )
    }

    /// Whether the runtime has a kernel of codes for it.
    fn is_fused(&self, to: &Target, clamped: bool) -> bool {
        self.counts != Counts::Mean && self.code == Some(to.code) && !clamped
    }

    pub fn quantise(
        &self,
        builder: &mut Builder,
        name: &str,
        output: Shape,
        target: &Target,
        clamped: bool,
    ) -> Result<Kind, String> {
        let fused = self.is_fused(target, clamped);
        let to = &target.quantiser;
        let size = self.taps();
        let from = self.quantiser.scale;
        let scale = |count: usize| match (count, self.counts) {
            (0, _) => 1.0,
            (n, Counts::All) if fused => from / (to.scale * n as f32),
            (n, Counts::Inside | Counts::All) => (from / to.scale) / n as f32,
            (_, Counts::Whole) => (from / to.scale) / size as f32,
            (n, Counts::Global) => from / (to.scale * n as f32),
            (n, Counts::Mean) => (from / to.scale) / n as f32,
        };
        let scales: Vec<f32> = (0..=size).map(scale).collect();
        check_scales(name, &scales)?;
        let pool = AveragePool {
            input: self.input,
            window: self.window,
            scales,
            input_zero_point: self.quantiser.zero_point,
            output_zero_point: to.zero_point,
            even_code: fused && matches!(self.counts, Counts::Inside | Counts::Whole),
        };
        if self.is_window() && !(fused && self.counts == Counts::All) {
            let average = self.in_floats(target, fused);
            let counts = self.window.counts(builder.shape(self.input), output);
            let sums = 256 * size * counts.len();
            let doubt = match builder.count_evaluations(sums) {
                Ok(()) => first_doubt(&pool, &average, &counts).map(|sum| {
                    format!(
                        "ONNX Runtime adds the elements of a window in floating point, so that the code of sum {sum} depends on their order"
                    )
                }),
                Err(_) => Some(format!(
                    "ONNX Runtime adds the elements of a window in floating point, and {sums} sums are too many to compare with integer ones"
                )),
            };
            if let Some(reason) = doubt {
                return Ok(Kind::Host {
                    inputs: vec![self.input],
                    work: Rc::new(HostWork::Average(average)),
                    reason,
                });
            }
        }
        Ok(Kind::AveragePool(pool))
    }

    /// A window's elements are added up one by one, in an order that is known.
    fn is_window(&self) -> bool {
        matches!(self.counts, Counts::Inside | Counts::Whole | Counts::All)
    }

    /// The runtime's kernel QLinearAveragePool, or AveragePool. That of operator sets before
    /// 19 adds up columns first where windows are close (MLAS `MlasPool2DVectorKernel`).
    fn in_floats(&self, to: &Target, fused: bool) -> FloatAverage {
        const CLOSE: usize = 2;
        FloatAverage {
            window: self.window.on_host(),
            input_scale: self.quantiser.scale,
            input_zero_point: self.quantiser.zero_point,
            scale: to.quantiser.scale,
            zero_point: to.quantiser.zero_point,
            rounding: match (fused, to.code) {
                (false, _) => FloatRounding::Behind,
                (true, CodeType::U8) => FloatRounding::Stored,
                (true, CodeType::I8) => FloatRounding::Signed,
            },
            counts_padding: self.counts == Counts::Whole,
            columns_first: !fused && self.opset < 19 && self.window.stride[1] <= CLOSE,
        }
    }
}

/// The first sum of a window for which the integer rule is not proven to give the code of
/// every order of f32 additions.
///
/// Each of `n` products and additions is off by half an ulp of a number no larger than the
/// sum of all magnitudes; what follows is monotone, so that its ends bound the code. A scale
/// of few bits leaves all sums exact.
fn first_doubt(pool: &AveragePool, average: &FloatAverage, counts: &[usize]) -> Option<i64> {
    const HALF_ULP: f64 = 1.0 / (1 << 24) as f64;
    let scale = average.input_scale as f64;
    let (low, high) = (
        pool.input_zero_point as i64,
        255 - pool.input_zero_point as i64,
    );
    let short = significant_bits(average.input_scale);
    let doubtful = |count: i64, sum: i64| {
        let magnitudes = (count * low.max(high)).min(sum.abs() + 2 * count * low.min(high));
        let is_exact = (magnitudes as u64).checked_ilog2().unwrap_or(0) + 1 + short <= 24;
        let total = sum as f64 * scale;
        let ends = match is_exact {
            true => [total; 2],
            false => {
                // A little more, for the roundings of the bound and of its ends.
                let error = magnitudes as f64 * scale * HALF_ULP * (count as f64 + 1.01);
                [total - error, total + error]
            }
        };
        let code = requantise_f32(
            sum as i32,
            pool.scales[count as usize],
            pool.output_zero_point,
            pool.even_code,
        );
        ends.into_iter()
            .any(|total| average.code(total as f32, count as u32) != code)
    };
    counts
        .iter()
        .map(|&count| count as i64)
        .filter(|&count| count > 0)
        .find_map(|count| (-count * low..=count * high).find(|&sum| doubtful(count, sum)))
}

/// Of the mantissa, without the zeros it ends with.
fn significant_bits(x: f32) -> u32 {
    let mantissa = (x.to_bits() & 0x7f_ffff) | 0x80_0000;
    24 - mantissa.trailing_zeros()
}
