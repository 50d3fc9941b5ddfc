//! Several samples at once, as further rows of every map: weights are streamed once for
//! all of them.

use crate::backend::memory::Placement;
use crate::network::{Kind, Map, MapId, Network, Shape, Source};
use quern_isa::{Config, HostWindow};

/// The network for `samples` samples below each other; none if windows would reach from
/// one sample into the next.
pub fn stack(network: &Network, samples: usize) -> Option<Network> {
    if samples == 1 {
        return Some(network.clone());
    }
    let stacks = network.operations.iter().all(|operation| {
        let shape = |map: usize| network.maps[map].shape;
        let height = shape(operation.output.0).height;
        let window = match &operation.kind {
            Kind::Host { work, .. } => work.window().copied(),
            Kind::Convolution(_) | Kind::MaxPool { .. } | Kind::AveragePool(_) => {
                Some(operation.kind.window().on_host())
            }
            _ => None,
        };
        window.is_none_or(|window| {
            let input = operation.kind.inputs()[0];
            within_rows(&window) && shape(input.0).height == height
        })
    });
    stacks.then(|| {
        let mut stacked = network.clone();
        for Map { shape, .. } in &mut stacked.maps {
            shape.height *= samples;
        }
        for operation in &mut stacked.operations {
            match &mut operation.kind {
                Kind::Rearrange { inputs, sources } => {
                    let shapes: Vec<Shape> =
                        inputs.iter().map(|map| network.maps[map.0].shape).collect();
                    let source = |sample: usize, source: Source| match source {
                        Source::Element { input, element } => Source::Element {
                            input,
                            element: element + (sample * shapes[input as usize].elements()) as u32,
                        },
                        code => code,
                    };
                    let all = (0..samples).flat_map(|sample| {
                        sources.iter().map(move |&element| source(sample, element))
                    });
                    *sources = all.collect();
                }
                Kind::Constant { codes } => *codes = codes.repeat(samples).into(),
                _ => {}
            }
        }
        stacked
    })
}

/// Inputs and output of every operation are on chip together.
pub fn fits(network: &Network, config: &Config) -> bool {
    let words = |map: MapId| Placement::new(network.maps[map.0].shape, config.lanes).size();
    network.operations.iter().all(|operation| {
        let inputs: usize = operation.kind.inputs().into_iter().map(words).sum();
        inputs + words(operation.output) <= config.activation_words
    })
}

fn within_rows(window: &HostWindow) -> bool {
    window.kernel[0] == 1 && window.stride[0] == 1 && window.padding[0] == 0
}
