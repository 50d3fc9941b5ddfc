//! Rewrites operations that no instruction does as they are.

use crate::backend::on_host::{self, add_map};
use crate::backend::{prove, vector_tile};
use crate::network::{AveragePool, Convolution, Finish, Kind, MapId, Network, Operation, Window};
use quern_isa::Config;

pub fn legalise(network: &Network, config: &Config) -> Network {
    let mut legal = network.clone();
    legal.operations.clear();
    for operation in &network.operations {
        let mut operation = operation.clone();
        match &operation.kind {
            Kind::Host { .. } => on_host::push(operation, &mut legal),
            Kind::AveragePool(pool) if is_large(&pool.window, config) => {
                operation.kind = large_average(pool, operation.output, network, config);
                append(operation, &mut legal);
            }
            Kind::MaxPool { input, window } if is_large(window, config) => {
                let (input, window) = (*input, *window);
                rows_first(operation, input, window, &mut legal, config)
            }
            _ => legal.operations.push(operation),
        }
    }
    legal
}

fn append(operation: Operation, network: &mut Network) {
    match operation.kind {
        Kind::Host { .. } => on_host::push(operation, network),
        _ => network.operations.push(operation),
    }
}

/// A sum as a convolution, which takes a window piece by piece; else as it is, if there is room
/// for a window; else on the host.
fn large_average(pool: &AveragePool, output: MapId, network: &Network, config: &Config) -> Kind {
    let scale = scale_everywhere(pool, output, network);
    if let Some(scale) = scale.filter(|_| prove::sums_fit(pool, config)) {
        return Kind::Convolution(sum_of_window(pool, scale, network));
    }
    match fits(&pool.window, pool.input, output, network, config) {
        true => Kind::AveragePool(pool.clone()),
        false => on_host::average(pool, too_large(&pool.window, config)),
    }
}

/// The one scale of a pool's windows, if a convolution gives the same codes: elements outside
/// the map count as zeros, and ties go to the even mean.
fn scale_everywhere(pool: &AveragePool, output: MapId, network: &Network) -> Option<f32> {
    let shape = |map: MapId| network.maps[map.0].shape;
    let counts = pool.window.counts(shape(pool.input), shape(output));
    let mut scales = counts.iter().map(|&count| pool.scales[count]);
    let scale = scales.next()?;
    let rounds = !pool.even_code || pool.output_zero_point % 2 == 0;
    (rounds && scales.all(|other| other == scale)).then_some(scale)
}

/// Whether a window, one word of each pixel it spans, takes much of the memory, where the vector
/// instruction wants all of it at once, or has more taps than it counts.
fn is_large(window: &Window, config: &Config) -> bool {
    let span = |axis: usize| (window.kernel[axis] - 1) * window.dilation[axis] + 1;
    2 * span(0) * span(1) > config.activation_words || !vector_tile::counts(window.kernel)
}

fn fits(window: &Window, input: MapId, output: MapId, network: &Network, config: &Config) -> bool {
    let shape = |map: MapId| network.maps[map.0].shape;
    vector_tile::fits(window, shape(input), shape(output), config)
}

fn too_large(window: &Window, config: &Config) -> String {
    let [height, width] = window.kernel;
    format!(
        "its windows of {height} x {width} do not fit the {} words of `{}`'s activation memory, and no sum of parts has the same codes",
        config.activation_words, config.name
    )
}

/// The largest of every row of a window, then the largest of those.
fn rows_first(
    operation: Operation,
    input: MapId,
    window: Window,
    legal: &mut Network,
    config: &Config,
) {
    let along = |axis: usize| {
        let keep = |of: [usize; 2], otherwise: usize| {
            std::array::from_fn(|i| if i == axis { of[i] } else { otherwise })
        };
        Window {
            kernel: keep(window.kernel, 1),
            stride: keep(window.stride, 1),
            dilation: keep(window.dilation, 1),
            padding: keep(window.padding, 0),
        }
    };
    let [height, width] = window.kernel;
    if height == 1 || width == 1 {
        return maximum(operation, input, window, legal, config);
    }
    let rows = add_map(legal, input);
    legal.maps[rows.0].shape.width = legal.maps[operation.output.0].shape.width;
    let of_rows = Operation {
        output: rows,
        finish: Finish::default(),
        ..operation.clone()
    };
    maximum(of_rows, input, along(1), legal, config);
    maximum(operation, rows, along(0), legal, config);
}

/// Appends a pool, on chip if there is room for a window.
fn maximum(
    operation: Operation,
    input: MapId,
    window: Window,
    legal: &mut Network,
    config: &Config,
) {
    let kind = match fits(&window, input, operation.output, legal, config) {
        true => Kind::MaxPool { input, window },
        false => on_host::maximum(input, &window, too_large(&window, config)),
    };
    append(Operation { kind, ..operation }, legal);
}

/// The window's sum as a convolution of ones, each channel by itself.
fn sum_of_window(pool: &AveragePool, scale: f32, network: &Network) -> Convolution {
    let channels = network.maps[pool.input.0].shape.channels;
    let [height, width] = pool.window.kernel;
    Convolution {
        input: pool.input,
        window: pool.window,
        groups: channels,
        weights: vec![1; channels * height * width].into(),
        bias: vec![0; channels],
        scales: vec![scale; channels],
        input_zero_point: pool.input_zero_point,
        output_zero_points: vec![pool.output_zero_point; channels],
        wraps: false,
    }
}
