//! Convolutions with sums of 32 bits, which some accelerators' accumulators do not hold.

use super::{HostMap, HostWindow, Reader, Writer};
use crate::numerics::requantise_f32;

/// `requantise(bias[m] + sum of (u - input_zero_point) * weight)` with sums that wrap at 32
/// bits, as those of ONNX Runtime's kernels do; elements outside the map count as zero
/// points.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerConvolution {
    pub window: HostWindow,
    /// Input and output channels are divided into as many groups.
    pub groups: u32,
    /// `[output channel][tap row][tap column][input channel of the group]`.
    pub weights: Vec<i8>,
    /// Of each output channel.
    pub channels: Vec<IntegerChannel>,
    /// Offset binary.
    pub input_zero_point: u8,
}

/// What becomes of the sums of an output channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntegerChannel {
    pub bias: i32,
    pub scale: f32,
    /// Offset binary.
    pub zero_point: u8,
}

impl IntegerConvolution {
    pub(super) fn suits(&self, input: &HostMap, output: &HostMap) -> bool {
        let (groups, outputs) = (self.groups, output.channels);
        if groups == 0 || input.channels % groups != 0 || outputs % groups != 0 {
            return false;
        }
        let group_inputs = (input.channels / groups) as u64;
        let weights = self.window.taps().saturating_mul(group_inputs);
        self.window.suits(output, group_inputs)
            && self.channels.len() == outputs as usize
            && weights.saturating_mul(outputs as u64) == self.weights.len() as u64
    }

    pub(super) fn apply(&self, map: &HostMap, codes: &[u8], output: &HostMap) -> Vec<u8> {
        let zero_point = self.input_zero_point as i32;
        let values: Vec<i32> = codes.iter().map(|&code| code as i32 - zero_point).collect();
        let inputs = map.channels as usize;
        let group_inputs = inputs / self.groups as usize;
        let group_outputs = self.channels.len() / self.groups as usize;
        let taps = self.window.taps() as usize;
        let mut results = Vec::with_capacity(output.elements() as usize);
        for inside in self.window.all(map, output) {
            for (index, channel) in self.channels.iter().enumerate() {
                let first = index / group_outputs * group_inputs;
                let sum = inside.taps().fold(channel.bias, |sum, (tap, pixel)| {
                    let values = &values[pixel * inputs + first..][..group_inputs];
                    let weights = &self.weights[(index * taps + tap) * group_inputs..];
                    sum.wrapping_add(products(values, &weights[..group_inputs]))
                });
                results.push(requantise_f32(
                    sum,
                    channel.scale,
                    channel.zero_point,
                    false,
                ));
            }
        }
        results
    }

    pub(super) fn write(&self, bytes: &mut Writer) {
        self.window.write(bytes);
        bytes.integers([
            self.groups,
            self.input_zero_point as u32,
            self.channels.len() as u32,
            self.weights.len() as u32,
        ]);
        for channel in &self.channels {
            let IntegerChannel {
                bias,
                scale,
                zero_point,
            } = *channel;
            bytes.integers([bias as u32, scale.to_bits(), zero_point as u32]);
        }
        bytes.0.extend(self.weights.iter().map(|&w| w as u8));
    }

    pub(super) fn read(bytes: &mut Reader) -> Option<IntegerConvolution> {
        let window = HostWindow::read(bytes)?;
        let groups = bytes.integer()?;
        let input_zero_point = bytes.integer()?.try_into().ok()?;
        let (channels, weights) = (bytes.integer()?, bytes.integer()?);
        let channels = (0..channels).map(|_| {
            Some(IntegerChannel {
                bias: bytes.integer()? as i32,
                scale: bytes.real()?,
                zero_point: bytes.integer()?.try_into().ok()?,
            })
        });
        Some(IntegerConvolution {
            window,
            groups,
            channels: channels.collect::<Option<_>>()?,
            input_zero_point,
            weights: bytes.take(weights)?.iter().map(|&w| w as i8).collect(),
        })
    }
}

fn products(values: &[i32], weights: &[i8]) -> i32 {
    let pairs = values.iter().zip(weights);
    pairs.fold(0, |sum: i32, (&value, &weight)| {
        sum.wrapping_add(value * weight as i32)
    })
}
