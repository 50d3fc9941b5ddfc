//! Folds zero points into biases, and proves that no sum leaves the accumulators.
//!
//! Accumulators wrap modulo 2^W and sums modulo 2^W are exact, so only the final
//! value has to fit: `bias' + Σ u·w` for all stored codes `u` that can occur, with
//! `bias' = bias - zero_point · Σ w`.

use crate::diagnostic::Problem;
use crate::network::{Dense, Layer, LayerKind, Network};
use quern_isa::{numerics, ChannelParameters, Config, CONFIGS};

/// Parameters of a layer's outputs, one per channel (one in all for an elementwise
/// layer).
pub type Parameters = Vec<ChannelParameters>;

pub fn prove(network: &Network, config: &Config) -> Result<Vec<Parameters>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut range = (0, 255);
    let mut all = Vec::new();
    for layer in &network.layers {
        match &layer.kind {
            LayerKind::Elementwise => all.push(vec![identity(config)]),
            LayerKind::Dense(dense) => {
                let sums = sums(layer, dense, range);
                match check(layer, &sums, config) {
                    Err(reason) => problems.push(Problem::tensor(&layer.name, reason)),
                    Ok(()) => all.push(parameters(dense, &sums, config)),
                }
            }
        }
        range = layer.output_range();
    }
    match problems.is_empty() {
        true => Ok(all),
        false => Err(problems),
    }
}

/// Reachable final sums of one output, and its folded bias.
#[derive(Debug, Clone, Copy)]
struct Sum {
    bias: i64,
    low: i64,
    high: i64,
}

fn sums(layer: &Layer, dense: &Dense, (lowest, highest): (u8, u8)) -> Vec<Sum> {
    let mut positive = vec![0i64; layer.outputs];
    let mut negative = vec![0i64; layer.outputs];
    let weights = &dense.weights;
    let mut count = |output: usize, weight: i64| match weight > 0 {
        true => positive[output] += weight,
        false => negative[output] += weight,
    };
    // In the order of the weights in memory.
    if weights.output_stride == 1 {
        for input in 0..layer.inputs {
            (0..layer.outputs).for_each(|output| count(output, weights.get(input, output) as i64));
        }
    } else {
        for output in 0..layer.outputs {
            (0..layer.inputs).for_each(|input| count(output, weights.get(input, output) as i64));
        }
    }
    let (lowest, highest) = (lowest as i64, highest as i64);
    let outputs = positive.into_iter().zip(negative).zip(&dense.bias);
    outputs
        .map(|((positive, negative), &bias)| {
            let bias = bias as i64 - dense.input_zero_point as i64 * (positive + negative);
            Sum {
                bias,
                low: bias + positive * lowest + negative * highest,
                high: bias + positive * highest + negative * lowest,
            }
        })
        .collect()
}

fn check(layer: &Layer, sums: &[Sum], config: &Config) -> Result<(), String> {
    let low = sums.iter().map(|sum| sum.low).min().unwrap_or(0);
    let high = sums.iter().map(|sum| sum.high).max().unwrap_or(0);
    if fits(low, high, config.accumulator_bits) {
        return Ok(());
    }
    let wide_enough: Vec<&str> = CONFIGS
        .iter()
        .filter(|other| fits(low, high, other.accumulator_bits))
        .map(|other| other.name)
        .collect();
    let way_out = match wide_enough.is_empty() {
        true => "split the layer".to_string(),
        false => format!(
            "compile with --config {}",
            wide_enough.join(" or --config ")
        ),
    };
    Err(format!(
        "with these weights the sums of this layer of {} inputs reach {low}..{high}, beyond the {} bits of `{}`'s accumulators; {way_out}",
        layer.inputs, config.accumulator_bits, config.name
    ))
}

fn fits(low: i64, high: i64, bits: u32) -> bool {
    let limit = 1i64 << (bits - 1);
    low >= -limit && high < limit
}

fn parameters(dense: &Dense, sums: &[Sum], config: &Config) -> Parameters {
    let channels = sums.iter().zip(&dense.scales);
    channels
        .map(|(sum, &scale)| {
            let (multiplier, steps) = numerics::encode_scale(scale, config.requantise_rows);
            ChannelParameters {
                bias: numerics::wrap(sum.bias, config.accumulator_bits),
                multiplier,
                steps,
                zero_point: dense.output_zero_point,
            }
        })
        .collect()
}

/// Code in, code out.
fn identity(config: &Config) -> ChannelParameters {
    let (multiplier, steps) = numerics::encode_scale(1.0, config.requantise_rows);
    ChannelParameters {
        bias: 0,
        multiplier,
        steps,
        zero_point: 0,
    }
}
