//! What the activation unit needs of one output channel.

use crate::Config;

/// Bits of the requantiser's multiplier before padding: the mantissa of an f32.
pub const MANTISSA_BITS: u32 = 24;

/// One word of the parameter memory.
///
/// The scale is `multiplier * 2^-(steps * Q)`, exactly the f32 scale of the
/// channel: its 24-bit mantissa shifted left until the exponent is a multiple of
/// `Q` ([`Config::requantise_rows`]), so that the requantiser shifts by whole steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelParameters {
    /// Added to the accumulator, modulo the accumulator width: the layer's bias
    /// less `zero_point_in * sum of weights`.
    pub bias: i32,
    /// At most `24 + Q - 1` bits; zero, or its highest set bit at 23 or above.
    pub multiplier: u32,
    /// Steps of `Q` bits, at least 1.
    pub steps: u8,
    /// Output zero point in offset binary.
    pub zero_point: u8,
}

impl ChannelParameters {
    /// Bytes of a parameter word: the bias at accumulator width, multiplier (4),
    /// steps (1), zero point (1), little-endian, in this order.
    pub fn bytes(config: &Config) -> usize {
        config.accumulator_bytes() + 6
    }

    pub fn encode(&self, config: &Config) -> Vec<u8> {
        let mut bytes = self.bias.to_le_bytes()[..config.accumulator_bytes()].to_vec();
        bytes.extend(self.multiplier.to_le_bytes());
        bytes.push(self.steps);
        bytes.push(self.zero_point);
        bytes
    }

    /// Reads a word of the parameter memory; `bytes` has at least
    /// [`bytes`](Self::bytes) bytes.
    pub fn decode(bytes: &[u8], config: &Config) -> ChannelParameters {
        let (bias, rest) = bytes.split_at(config.accumulator_bytes());
        let unsigned = bias
            .iter()
            .rev()
            .fold(0u32, |value, &byte| value << 8 | byte as u32);
        let unused = 32 - config.accumulator_bits;
        ChannelParameters {
            bias: (unsigned << unused) as i32 >> unused,
            multiplier: u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]),
            steps: rest[4],
            zero_point: rest[5],
        }
    }
}
