//! Moves operations to the host that the accelerator can't do exactly, or has no room for.

use crate::network::{
    AveragePool, Convolution, Finish, Kind, Map, MapId, Network, Operation, Window,
};
use quern_isa::{HostWork, IntegerAverage, IntegerChannel, IntegerConvolution};
use std::rc::Rc;

/// Appends work of the host. It computes it from maps in its memory, and constants are in the
/// program, so those are copied.
pub fn push(mut operation: Operation, network: &mut Network) {
    let name = operation.name.clone();
    for input in operation.kind.inputs_mut() {
        let is_constant = |other: &Operation| {
            other.output == *input && matches!(other.kind, Kind::Constant { .. })
        };
        if network.operations.iter().any(is_constant) {
            let copy = add_map(network, *input);
            network.operations.push(Operation {
                name: name.clone(),
                kind: Kind::Elementwise { input: *input },
                output: copy,
                finish: Finish::default(),
            });
            *input = copy;
        }
    }
    network.operations.push(operation);
}

/// Another map of the same shape.
pub fn add_map(network: &mut Network, like: MapId) -> MapId {
    let Map { name, shape } = &network.maps[like.0];
    let map = Map {
        name: format!("{name}'"),
        shape: *shape,
    };
    network.maps.push(map);
    MapId(network.maps.len() - 1)
}

pub fn convolution(layer: &Convolution, reason: String) -> Kind {
    let channel = |channel: usize| IntegerChannel {
        bias: layer.bias[channel],
        scale: layer.scales[channel],
        zero_point: layer.output_zero_points[channel],
    };
    let work = HostWork::Convolution(IntegerConvolution {
        window: layer.window.on_host(),
        groups: layer.groups as u32,
        weights: layer.weights.to_vec(),
        channels: (0..layer.bias.len()).map(channel).collect(),
        input_zero_point: layer.input_zero_point,
    });
    host(layer.input, work, reason)
}

pub fn average(pool: &AveragePool, reason: String) -> Kind {
    let work = HostWork::IntegerAverage(IntegerAverage {
        window: pool.window.on_host(),
        scales: pool.scales.clone(),
        input_zero_point: pool.input_zero_point,
        zero_point: pool.output_zero_point,
        even_code: pool.even_code,
    });
    host(pool.input, work, reason)
}

pub fn maximum(input: MapId, window: &Window, reason: String) -> Kind {
    host(input, HostWork::Maximum(window.on_host()), reason)
}

fn host(input: MapId, work: HostWork, reason: String) -> Kind {
    Kind::Host {
        inputs: vec![input],
        work: Rc::new(work),
        reason,
    }
}
