//! Folds zero points into biases, and proves that no sum leaves the accumulators.
//!
//! Accumulators wrap modulo 2^W and sums modulo 2^W are exact, so only the final
//! value has to fit: `bias' + Σ u·w` for all stored codes `u` that can occur, with
//! `bias' = bias - zero_point · Σ w`. Sums that the vector instruction makes of codes,
//! products and table entries are bounded likewise.

use crate::backend::{large_bias, windows};
use crate::diagnostic::Problem;
use crate::network::{AveragePool, Convolution, Finish, Kind, Network, Operation};
use quern_isa::{numerics, ChannelParameters, Config, CONFIGS};

/// Parameters of an operation: of each output channel of a convolution, for each number
/// of elements of an average pool's window, one in all for anything else.
pub type Parameters = Vec<ChannelParameters>;

/// Lowest and highest code that a map can hold.
type Range = (u8, u8);

pub fn prove(network: &Network, config: &Config) -> Result<Vec<Parameters>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut ranges = vec![(0, 255); network.maps.len()];
    let mut all = Vec::new();
    for operation in &network.operations {
        let (parameters, sums) = operation_sums(network, operation, &ranges, config);
        match check(&sums, config) {
            Err(reason) => problems.push(Problem::tensor(&operation.name, reason)),
            Ok(()) => all.push(parameters),
        }
        ranges[operation.output.0] = output_range(operation, &ranges);
    }
    match problems.is_empty() {
        true => Ok(all),
        false => Err(problems),
    }
}

/// Reachable final sums: lowest and highest.
#[derive(Debug, Clone, Copy)]
struct Sums {
    low: i64,
    high: i64,
}

impl Sums {
    const NONE: Sums = Sums { low: 0, high: 0 };

    fn union(self, other: Sums) -> Sums {
        Sums {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }
}

fn operation_sums(
    network: &Network,
    operation: &Operation,
    ranges: &[Range],
    config: &Config,
) -> (Parameters, Sums) {
    let one = |scale: f32, zero_point: u8| vec![parameter(0, scale, zero_point, config)];
    match &operation.kind {
        Kind::Convolution(convolution) => {
            let range = padded_range(network, operation, convolution, ranges);
            convolution_sums(convolution, &operation.finish, range, config)
        }
        Kind::AveragePool(pool) => pool_sums(pool, ranges[pool.input.0], config),
        Kind::Add {
            tables,
            fraction_bits,
            output_zero_point,
            ..
        } => {
            let scale = (-(*fraction_bits as f32)).exp2();
            (one(scale, *output_zero_point), lookup_sums(tables))
        }
        Kind::Multiply {
            scale,
            output_zero_point,
            ..
        } => (
            one(*scale, *output_zero_point),
            Sums {
                low: -65025,
                high: 65025,
            },
        ),
        _ => (one(1.0, 0), Sums { low: 0, high: 255 }),
    }
}

fn convolution_sums(
    convolution: &Convolution,
    finish: &Finish,
    (lowest, highest): Range,
    config: &Config,
) -> (Parameters, Sums) {
    let outputs = convolution.bias.len();
    let size = convolution.weights.len() / outputs;
    let mut sums = Sums::NONE;
    let channels = convolution.weights.chunks_exact(size).enumerate();
    let parameters = channels
        .map(|(output, weights)| {
            let mut positive = 0i64;
            let mut negative = 0i64;
            for &weight in weights {
                positive += weight.max(0) as i64;
                negative += weight.min(0) as i64;
            }
            let zero_point = convolution.input_zero_point as i64;
            let products = Sums {
                low: positive * lowest as i64 + negative * highest as i64,
                high: positive * highest as i64 + negative * lowest as i64,
            };
            let scale = convolution.scales[output];
            let bias = convolution.bias[output] as i64 - zero_point * (positive + negative);
            let zero_point = convolution.output_zero_point;
            let range = products.low..=products.high;
            let (bias, scale, zero_point) =
                large_bias::replace(bias, scale, zero_point, range, finish, config)
                    .unwrap_or((bias, scale, zero_point));
            sums = sums.union(Sums {
                low: bias + products.low,
                high: bias + products.high,
            });
            parameter(bias, scale, zero_point, config)
        })
        .collect();
    (parameters, sums)
}

/// Codes a convolution meets: those of the map, and zero points around it.
fn padded_range(
    network: &Network,
    operation: &Operation,
    convolution: &Convolution,
    ranges: &[Range],
) -> Range {
    let (low, high) = ranges[convolution.input.0];
    let input = network.maps[convolution.input.0].shape;
    let output = network.maps[operation.output.0].shape;
    let zero_point = convolution.input_zero_point;
    match windows::border(&convolution.window, input, output, zero_point).none() {
        true => (low, high),
        false => (low.min(zero_point), high.max(zero_point)),
    }
}

fn pool_sums(pool: &AveragePool, (low, high): Range, config: &Config) -> (Parameters, Sums) {
    let mut sums = Sums::NONE;
    let counts = pool.scales.iter().enumerate();
    let parameters = counts
        .map(|(count, &scale)| {
            let count = count as i64;
            let bias = -count * pool.input_zero_point as i64;
            sums = sums.union(Sums {
                low: bias + count * low as i64,
                high: bias + count * high as i64,
            });
            parameter(bias, scale, pool.output_zero_point, config)
        })
        .collect();
    (parameters, sums)
}

fn lookup_sums(tables: &[[i32; 256]; 2]) -> Sums {
    let bound = |table: &[i32; 256]| {
        let values = table.iter().map(|&value| value as i64);
        Sums {
            low: values.clone().min().unwrap_or(0),
            high: values.max().unwrap_or(0),
        }
    };
    let [a, b] = [bound(&tables[0]), bound(&tables[1])];
    let sum = Sums {
        low: a.low + b.low,
        high: a.high + b.high,
    };
    // The entries themselves have to fit too.
    sum.union(a).union(b)
}

fn output_range(operation: &Operation, ranges: &[Range]) -> Range {
    let finish = &operation.finish;
    let inputs = operation.kind.inputs();
    let union = inputs.iter().fold((255, 0), |(low, high), map| {
        let (l, h) = ranges[map.0];
        (l.min(low), h.max(high))
    });
    match &operation.kind {
        Kind::MaxPool { .. } | Kind::Elementwise { .. } => after(finish, union),
        _ => finish.range(),
    }
}

/// What a finish makes of codes of a range.
fn after(finish: &Finish, (low, high): Range) -> Range {
    let clamp = |code: u8| code.min(finish.high).max(finish.low);
    let (low, high) = (clamp(low), clamp(high));
    match &finish.table {
        None => (low, high),
        Some(table) => table.range(low, high),
    }
}

fn check(sums: &Sums, config: &Config) -> Result<(), String> {
    let Sums { low, high } = *sums;
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
        "the sums of this layer can reach {low}..{high}, beyond the {} bits of `{}`'s accumulators; {way_out}",
        config.accumulator_bits, config.name
    ))
}

fn fits(low: i64, high: i64, bits: u32) -> bool {
    let limit = 1i64 << (bits - 1);
    low >= -limit && high < limit
}

fn parameter(bias: i64, scale: f32, zero_point: u8, config: &Config) -> ChannelParameters {
    let (multiplier, steps) = numerics::encode_scale(scale, config.requantise_rows);
    ChannelParameters {
        bias: numerics::wrap(bias, config.accumulator_bits),
        multiplier,
        steps,
        zero_point,
    }
}
