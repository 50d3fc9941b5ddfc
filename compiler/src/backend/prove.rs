//! Folds zero points into biases, and proves that no sum leaves the accumulators.
//!
//! Accumulators wrap modulo 2^W and sums modulo 2^W are exact, so only the final
//! value has to fit: `bias' + Σ u·w` for all stored codes `u` that can occur, with
//! `bias' = bias - zero_point · Σ w`. Sums that the vector instruction makes of codes,
//! products and table entries are bounded likewise.

use crate::backend::{large_bias, short_scale, windows};
use crate::network::{products, AveragePool, Convolution, Finish, Kind, Network, Operation};
use quern_isa::{numerics, ChannelParameters, Config};

/// Parameters of an operation: of each output channel of a convolution, for each number
/// of elements of an average pool's window, one in all for anything else.
pub type Parameters = Vec<ChannelParameters>;

/// Lowest and highest code that a map can hold.
pub type Range = (u8, u8);

/// # Panics
/// When sums leave the accumulators: earlier passes let no such operation through.
pub fn prove(network: &Network, config: &Config) -> Vec<Parameters> {
    let ranges = ranges(network);
    let prove = |operation: &Operation| {
        let (parameters, sums) = operation_sums(network, operation, &ranges, config);
        let wraps = matches!(&operation.kind, Kind::Convolution(layer) if layer.wraps);
        assert!(
            wraps || sums.fit(config.accumulator_bits),
            "the sums of `{}` reach {}..{} on `{}`",
            operation.name,
            sums.low,
            sums.high,
            config.name
        );
        parameters
    };
    network.operations.iter().map(prove).collect()
}

/// The codes that each map can hold.
pub fn ranges(network: &Network) -> Vec<Range> {
    let mut ranges = vec![(0, 255); network.maps.len()];
    for operation in &network.operations {
        ranges[operation.output.0] = output_range(operation, &ranges);
    }
    ranges
}

/// Of the sums of ONNX Runtime's kernels, which wrap.
pub const SUM_BITS: u32 = 32;

/// Reachable final sums: lowest and highest.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    pub low: i64,
    pub high: i64,
}

impl Sums {
    const NONE: Sums = Sums { low: 0, high: 0 };

    fn union(self, other: Sums) -> Sums {
        Sums {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    /// Of weights times numbers of a range.
    pub fn of(weights: impl Iterator<Item = i64>, range: (i64, i64)) -> Sums {
        let (low, high) = products(weights, range);
        Sums { low, high }
    }

    pub fn plus(self, bias: i64) -> Sums {
        Sums {
            low: self.low + bias,
            high: self.high + bias,
        }
    }

    /// Whether accumulators of so many bits hold them.
    pub fn fit(self, bits: u32) -> bool {
        let limit = 1i64 << (bits - 1);
        self.low >= -limit && self.high < limit
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

/// Parameters of all output channels, and the sums of all.
pub fn convolution_sums(
    convolution: &Convolution,
    finish: &Finish,
    range: Range,
    config: &Config,
) -> (Parameters, Sums) {
    let channels = 0..convolution.bias.len();
    let channels = channels.map(|output| channel(convolution, output, finish, range, config));
    channels.fold((vec![], Sums::NONE), |(mut parameters, sums), channel| {
        parameters.push(channel.parameters);
        (parameters, sums.union(channel.sums))
    })
}

/// What becomes of an output channel's sums, and the sums.
pub struct Channel {
    parameters: ChannelParameters,
    pub sums: Sums,
}

pub fn channel(
    convolution: &Convolution,
    output: usize,
    finish: &Finish,
    (lowest, highest): Range,
    config: &Config,
) -> Channel {
    let weights = || convolution.of_channel(output).iter().map(|&w| w as i64);
    let products = Sums::of(weights(), (lowest as i64, highest as i64));
    let zero_points = convolution.input_zero_point as i64 * weights().sum::<i64>();
    let bias = convolution.bias[output] as i64 - zero_points;
    let (scale, zero_point) = (
        convolution.scales[output],
        convolution.output_zero_points[output],
    );
    let range = products.low..=products.high;
    // Sums that wrap in the runtime are to wrap here.
    let wraps = !products.plus(bias).fit(SUM_BITS);
    let (bias, scale, zero_point) =
        large_bias::replace(bias, scale, zero_point, range, finish, config)
            .filter(|_| !wraps)
            .unwrap_or((bias, scale, zero_point));
    let sums = products.plus(bias);
    let (multiplier, steps) = match sums.fit(config.accumulator_bits) {
        true => {
            let sums = sums.low as i32..=sums.high as i32;
            short_scale::encode_for(scale, zero_point, sums, finish, config)
        }
        false => short_scale::encode(scale, config),
    };
    let bias = numerics::wrap(bias, config.accumulator_bits);
    Channel {
        parameters: ChannelParameters {
            bias,
            multiplier,
            steps,
            zero_point,
        },
        sums,
    }
}

/// Codes a convolution meets: those of the map, and zero points around it.
pub fn padded_range(
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

/// Whether the sums of all windows fit the accumulators, whatever the codes.
pub fn sums_fit(pool: &AveragePool, config: &Config) -> bool {
    pool_sums(pool, (0, 255), config)
        .1
        .fit(config.accumulator_bits)
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

fn parameter(bias: i64, scale: f32, zero_point: u8, config: &Config) -> ChannelParameters {
    let (multiplier, steps) = short_scale::encode(scale, config);
    ChannelParameters {
        bias: numerics::wrap(bias, config.accumulator_bits),
        multiplier,
        steps,
        zero_point,
    }
}
