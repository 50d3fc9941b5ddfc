//! Rewrites operations that no instruction does as they are.

use crate::network::{
    AveragePool, Convolution, Finish, Kind, Map, MapId, Network, Operation, Window,
};
use quern_isa::Config;

pub fn legalise(network: &Network, config: &Config) -> Network {
    let mut legal = network.clone();
    legal.operations.clear();
    for operation in &network.operations {
        match &operation.kind {
            Kind::Host { .. } => host(operation.clone(), network, &mut legal),
            Kind::AveragePool(pool) if is_large(&pool.window, config) => {
                let mut operation = operation.clone();
                if let Some(scale) = scale_everywhere(pool, operation.output, network) {
                    operation.kind = Kind::Convolution(sum_of_window(pool, scale, network));
                }
                legal.operations.push(operation);
            }
            Kind::MaxPool { input, window } if is_large(window, config) => {
                rows_first(operation, *input, *window, &mut legal)
            }
            _ => legal.operations.push(operation.clone()),
        }
    }
    legal
}

/// The one scale of a pool's windows, if a convolution, which takes a window piece by
/// piece, gives the same codes: elements outside the map count as zeros, and ties go to the
/// even mean.
fn scale_everywhere(pool: &AveragePool, output: MapId, network: &Network) -> Option<f32> {
    let shape = |map: MapId| network.maps[map.0].shape;
    let counts = pool.window.counts(shape(pool.input), shape(output));
    let mut scales = counts.iter().map(|&count| pool.scales[count]);
    let scale = scales.next()?;
    let rounds = !pool.even_code || pool.output_zero_point % 2 == 0;
    (rounds && scales.all(|other| other == scale)).then_some(scale)
}

/// Whether a window, one word of each pixel, takes much of the memory: for the vector
/// instruction it has to be on chip at once.
fn is_large(window: &Window, config: &Config) -> bool {
    2 * window.kernel[0] * window.kernel[1] > config.activation_words
}

/// The largest of every row of a window, then the largest of those.
fn rows_first(operation: &Operation, input: MapId, window: Window, legal: &mut Network) {
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
    let rows = add_map(legal, input);
    legal.maps[rows.0].shape.width = legal.maps[operation.output.0].shape.width;
    let kind = |input: MapId, axis: usize| Kind::MaxPool {
        input,
        window: along(axis),
    };
    push(
        legal,
        &operation.name,
        kind(input, 1),
        rows,
        Finish::default(),
    );
    let finish = operation.finish.clone();
    push(
        legal,
        &operation.name,
        kind(rows, 0),
        operation.output,
        finish,
    );
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

/// The host computes it from maps in its memory; constants are in the program.
fn host(mut operation: Operation, network: &Network, legal: &mut Network) {
    let name = operation.name.clone();
    for input in operation.kind.inputs_mut() {
        let is_constant = |other: &Operation| {
            other.output == *input && matches!(other.kind, Kind::Constant { .. })
        };
        if network.operations.iter().any(is_constant) {
            let copy = add_map(legal, *input);
            let kind = Kind::Elementwise { input: *input };
            push(legal, &name, kind, copy, Finish::default());
            *input = copy;
        }
    }
    legal.operations.push(operation);
}

/// Another map of the same shape.
fn add_map(network: &mut Network, like: MapId) -> MapId {
    let Map { name, shape } = &network.maps[like.0];
    let map = Map {
        name: format!("{name}'"),
        shape: *shape,
    };
    network.maps.push(map);
    MapId(network.maps.len() - 1)
}

fn push(network: &mut Network, name: &str, kind: Kind, output: MapId, finish: Finish) {
    network.operations.push(Operation {
        name: name.to_string(),
        kind,
        output,
        finish,
    });
}
