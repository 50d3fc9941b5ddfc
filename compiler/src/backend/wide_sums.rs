//! Layers whose sums can leave the accumulators.
//!
//! Mostly they do so far beyond where their codes are at their bounds:
//!
//! ```text
//!  map ─┬─► the layer itself ──────► codes, right wherever the sum has not wrapped ─┐
//!       └─► the layer, coarsely ──► far below │ within │ far above                  ├─► add ─► codes
//!            (weights / 2^k)            -255  │    0   │ +255 ──────────────────────┘
//! ```
//! The accumulators wrap, so that a sum beyond them gives some code. A second layer of
//! the same inputs, with weights of fewer bits, says how large the sum is: not exactly,
//! but well enough to tell a sum that wrapped from one within the bounds. Codes of
//! the first layer that are wrong are then pushed beyond the bounds, on the side where they
//! belong. All of it is proven for the actual weights, or the host computes the layer.
//!
//! Accumulators of 32 bits wrap as those of ONNX Runtime do.

use crate::backend::large_bias::{self, partition_point};
use crate::backend::on_host;
use crate::backend::prove::{self, Range, Sums};
use crate::network::{Convolution, Finish, Kind, Network, Operation};
use quern_isa::Config;
use std::ops::RangeInclusive;
use std::rc::Rc;

/// Codes of the coarse layer count steps of `2^STEP_BITS` of the sum from 128: enough to
/// reach twice as far as accumulators of 24 bits.
const STEP_BITS: u32 = 17;
const MIDDLE: u8 = 128;

pub fn split(network: &Network, config: &Config) -> Network {
    let mut wide = Network {
        operations: Vec::new(),
        ..network.clone()
    };
    let ranges = prove::ranges(network);
    for operation in &network.operations {
        let Kind::Convolution(layer) = &operation.kind else {
            wide.operations.push(operation.clone());
            continue;
        };
        let range = prove::padded_range(network, operation, layer, &ranges);
        let sums = prove::convolution_sums(layer, &operation.finish, range, config).1;
        if sums.fit(config.accumulator_bits) {
            wide.operations.push(operation.clone());
            continue;
        }
        let replacement = |kind: Kind| Operation {
            kind,
            ..operation.clone()
        };
        match two_layers(layer, &operation.finish, range, config) {
            _ if config.accumulator_bits == prove::SUM_BITS => {
                let layer = Convolution {
                    wraps: true,
                    ..layer.clone()
                };
                wide.operations.push(replacement(Kind::Convolution(layer)));
            }
            Some(layers) => layers.append(operation, &mut wide),
            None => {
                let reason = format!(
                    "its sums can reach {}..{}, beyond the {} bits of `{}`'s accumulators, where its codes still change",
                    sums.low, sums.high, config.accumulator_bits, config.name
                );
                let kind = on_host::convolution(layer, reason);
                on_host::push(replacement(kind), &mut wide);
            }
        }
    }
    wide
}

/// What replaces a layer.
struct Layers {
    fine: Convolution,
    coarse: Convolution,
    /// Coarse codes of sums that have not wrapped.
    within: RangeInclusive<i32>,
}

impl Layers {
    fn append(self, operation: &Operation, network: &mut Network) {
        let Layers {
            fine,
            coarse,
            within,
        } = self;
        let bounds = Finish {
            table: None,
            ..operation.finish.clone()
        };
        let layers = [(fine, bounds), (coarse, Finish::default())];
        let inputs = layers.map(|(layer, finish)| {
            let output = on_host::add_map(network, operation.output);
            network.operations.push(Operation {
                name: operation.name.clone(),
                kind: Kind::Convolution(layer),
                output,
                finish,
            });
            output
        });
        let code = |code: usize| code as i32;
        let push = |code: usize| match code as i32 {
            code if code < *within.start() => -255,
            code if code > *within.end() => 255,
            _ => 0,
        };
        network.operations.push(Operation {
            kind: Kind::Add {
                inputs,
                tables: Rc::new([std::array::from_fn(code), std::array::from_fn(push)]),
                fraction_bits: 0,
                output_zero_point: 0,
            },
            ..operation.clone()
        });
    }
}

fn two_layers(
    layer: &Convolution,
    finish: &Finish,
    range: Range,
    config: &Config,
) -> Option<Layers> {
    let outputs = layer.bias.len();
    let size = layer.weights.len() / outputs;
    let mut coarse = Convolution {
        weights: Rc::new([]),
        scales: vec![1.0; outputs],
        bias: vec![0; outputs],
        output_zero_points: vec![MIDDLE; outputs],
        ..layer.clone()
    };
    let mut weights = vec![0; layer.weights.len()];
    // Channels that need no coarse sum have the code in the middle.
    let mut choices = Choices {
        first: 0..=MIDDLE as i32,
        last: MIDDLE as i32..=255,
    };
    let mut is_wide = false;
    for channel in 0..outputs {
        let exact = prove::channel(layer, channel, finish, range, config);
        if exact.sums.fit(config.accumulator_bits) {
            continue;
        }
        if !exact.sums.fit(prove::SUM_BITS) {
            return None;
        }
        is_wide = true;
        let rough = Coarse::new(layer, channel, range, config)?;
        let code = |sum: i64| {
            let (scale, zero_point) = (layer.scales[channel], layer.output_zero_points[channel]);
            large_bias::code(sum, scale, zero_point, finish, config)
        };
        choices = choices.both(rough.choices(exact.sums, finish, config, code));
        weights[channel * size..][..size].copy_from_slice(&rough.weights);
        coarse.bias[channel] = rough.bias;
        coarse.scales[channel] = rough.scale();
    }
    coarse.weights = weights.into();
    let exists = is_wide && !choices.first.is_empty() && !choices.last.is_empty();
    exists.then(|| Layers {
        fine: Convolution {
            wraps: true,
            ..layer.clone()
        },
        coarse,
        within: *choices.first.end()..=*choices.last.start(),
    })
}

/// A channel with weights and a bias of `bits` bits less, whose sum is the channel's but
/// for a remainder: `2^bits · sum + remainder`.
struct Coarse {
    bits: u32,
    weights: Vec<i8>,
    bias: i32,
    remainder: Sums,
}

impl Coarse {
    /// With as few bits less as the accumulators need.
    fn new(layer: &Convolution, channel: usize, range: Range, config: &Config) -> Option<Coarse> {
        let fine = layer.of_channel(channel);
        let bias = layer.bias[channel] as i64;
        let zero_point = layer.input_zero_point as i64;
        let shifted = (range.0 as i64 - zero_point, range.1 as i64 - zero_point);
        (1..i8::BITS).find_map(|bits| {
            let rounded = |value: i64| (value + (1 << (bits - 1))) >> bits;
            let weights = fine.iter().map(|&w| rounded(w as i64) as i8);
            let weights: Vec<i8> = weights.collect();
            let coarse = Coarse {
                bits,
                bias: rounded(bias) as i32,
                remainder: {
                    let pairs = fine.iter().zip(&weights);
                    let rests = pairs.map(|(&w, &coarse)| w as i64 - ((coarse as i64) << bits));
                    Sums::of(rests, shifted).plus(bias - (rounded(bias) << bits))
                },
                weights,
            };
            let weights = coarse.weights.iter().map(|&w| w as i64);
            let sums = Sums::of(weights, shifted).plus(coarse.bias as i64);
            sums.fit(config.accumulator_bits).then_some(coarse)
        })
    }

    fn scale(&self) -> f32 {
        (self.bits as f32 - STEP_BITS as f32).exp2()
    }

    /// Those of the layer's sums for which the coarse code may be this one.
    fn sums(&self, code: u8, all: Sums) -> Option<Sums> {
        // Half a step more on each side than rounding needs.
        let sum = |steps: i64| (code as i64 - MIDDLE as i64 + steps) << STEP_BITS;
        let low = match code {
            0 => all.low,
            _ => all.low.max(sum(-1) + self.remainder.low),
        };
        let high = match code {
            255 => all.high,
            _ => all.high.min(sum(1) + self.remainder.high),
        };
        (low <= high).then_some(Sums { low, high })
    }

    /// Choices for which codes before the first and behind the last are at the finish's
    /// bounds, and those between have not wrapped.
    fn choices(
        &self,
        all: Sums,
        finish: &Finish,
        config: &Config,
        code: impl Fn(i64) -> Option<u8>,
    ) -> Choices {
        let (lowest, highest) = (i32::MIN as i64, i32::MAX as i64);
        let above_low = partition_point(lowest, highest, |sum| code(sum) == Some(finish.low));
        let at_high = partition_point(lowest, highest, |sum| code(sum) < Some(finish.high));
        let limit = 1i64 << (config.accumulator_bits - 1);
        let codes = || (0..=255u8).filter_map(|code| Some((code as i32, self.sums(code, all)?)));
        let first = |found: Option<(i32, Sums)>| found.map(|(code, _)| code);
        let wrapped_below = first(codes().rfind(|(_, sums)| sums.low < -limit));
        let not_low = first(codes().find(|(_, sums)| sums.high >= above_low));
        let not_high = first(codes().rfind(|(_, sums)| sums.low < at_high));
        let wrapped_above = first(codes().find(|(_, sums)| sums.high >= limit));
        Choices {
            first: wrapped_below.map_or(0, |code| code + 1)..=not_low.unwrap_or(MIDDLE as i32),
            last: not_high.unwrap_or(MIDDLE as i32)..=wrapped_above.map_or(255, |code| code - 1),
        }
    }
}

/// Which coarse codes may be the first and the last of sums that have not wrapped.
struct Choices {
    first: RangeInclusive<i32>,
    last: RangeInclusive<i32>,
}

impl Choices {
    fn both(self, other: Choices) -> Choices {
        let both = |a: RangeInclusive<i32>, b: RangeInclusive<i32>| {
            *a.start().max(b.start())..=*a.end().min(b.end())
        };
        Choices {
            first: both(self.first, other.first),
            last: both(self.last, other.last),
        }
    }
}
