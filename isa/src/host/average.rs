//! Means of windows: in the float arithmetic of ONNX Runtime's kernels QLinearAveragePool and
//! AveragePool, and as the accelerator has them, of integer sums.

use super::{HostMap, HostWindow, Reader, Writer};
use crate::numerics::requantise_f32;

/// `clamp(round_half_even(total / count / scale + zero_point))`, every operation rounded
/// to f32, with the total of `(u - input_zero_point) * input_scale` added up tap after
/// tap; elements outside the map are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatAverage {
    pub window: HostWindow,
    pub input_scale: f32,
    /// Offset binary.
    pub input_zero_point: u8,
    pub scale: f32,
    /// Offset binary.
    pub zero_point: u8,
    pub rounding: FloatRounding,
    /// The count is that of the kernel's taps, not of those inside the map.
    pub counts_padding: bool,
    /// Each column is added up, then what they come to; else row after row in one sum.
    pub columns_first: bool,
}

/// How a real number in units of the scale becomes a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatRounding {
    /// The zero point is added before rounding.
    Stored,
    /// As int8 codes have it, 128 lower.
    Signed,
    /// After rounding.
    Behind,
}

impl FloatAverage {
    pub(super) fn apply(&self, map: &HostMap, codes: &[u8], output: &HostMap) -> Vec<u8> {
        let channels = map.channels as usize;
        let mut means = Vec::with_capacity(output.elements() as usize);
        for inside in self.window.all(map, output) {
            for channel in 0..channels {
                let code = |pixel: usize| codes[pixel * channels + channel];
                let total = match self.columns_first {
                    true => inside
                        .columns()
                        .fold(0.0, |total, column| total + self.total(column.map(code))),
                    false => self.total(inside.taps().map(|(_, pixel)| code(pixel))),
                };
                means.push(self.code(total, inside.count() as u32));
            }
        }
        means
    }

    fn total(&self, codes: impl Iterator<Item = u8>) -> f32 {
        let zero_point = self.input_zero_point as i32;
        codes
            .map(|code| (code as i32 - zero_point) as f32 * self.input_scale)
            .fold(0.0, |total, real| total + real)
    }

    /// The code of a total of so many elements.
    pub fn code(&self, total: f32, count: u32) -> u8 {
        let count = match self.counts_padding {
            true => self.window.taps() as u32,
            false => count,
        };
        let zero_point = self.zero_point as f32;
        let (before, behind) = match self.rounding {
            FloatRounding::Stored => (zero_point, 0.0),
            FloatRounding::Signed => (zero_point - 128.0, 128.0),
            FloatRounding::Behind => (0.0, zero_point),
        };
        let scaled = total / count as f32 / self.scale + before;
        // A float-to-integer cast saturates, and makes 0 of the mean of nothing.
        (scaled.round_ties_even() + behind) as u8
    }

    pub(super) fn write(&self, bytes: &mut Writer) {
        self.window.write(bytes);
        bytes.integer(self.input_scale.to_bits());
        bytes.integer(self.input_zero_point as u32);
        bytes.integer(self.scale.to_bits());
        bytes.integer(self.zero_point as u32);
        bytes.integer(match self.rounding {
            FloatRounding::Stored => 0,
            FloatRounding::Signed => 1,
            FloatRounding::Behind => 2,
        });
        bytes.integer(self.counts_padding as u32);
        bytes.integer(self.columns_first as u32);
    }

    pub(super) fn read(bytes: &mut Reader) -> Option<FloatAverage> {
        Some(FloatAverage {
            window: HostWindow::read(bytes)?,
            input_scale: bytes.real()?,
            input_zero_point: bytes.integer()?.try_into().ok()?,
            scale: bytes.real()?,
            zero_point: bytes.integer()?.try_into().ok()?,
            rounding: match bytes.integer()? {
                0 => FloatRounding::Stored,
                1 => FloatRounding::Signed,
                2 => FloatRounding::Behind,
                _ => return None,
            },
            counts_padding: bytes.integer()? != 0,
            columns_first: bytes.integer()? != 0,
        })
    }
}

/// `requantise(sum of (u - input_zero_point))`, with the scale that windows of as many elements
/// inside the map have; elements outside it are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerAverage {
    pub window: HostWindow,
    /// One for each number of elements, 0 to the kernel's size.
    pub scales: Vec<f32>,
    /// Offset binary.
    pub input_zero_point: u8,
    /// Offset binary.
    pub zero_point: u8,
    /// Ties go to the even code instead of the even mean.
    pub even_code: bool,
}

impl IntegerAverage {
    pub(super) fn suits(&self, output: &HostMap) -> bool {
        self.window.suits(output, 1) && self.scales.len() as u64 == self.window.taps() + 1
    }

    pub(super) fn apply(&self, map: &HostMap, codes: &[u8], output: &HostMap) -> Vec<u8> {
        let channels = map.channels as usize;
        let mut means = Vec::with_capacity(output.elements() as usize);
        for inside in self.window.all(map, output) {
            let mut sums = vec![0i32; channels];
            for (_, pixel) in inside.taps() {
                for (sum, &code) in sums.iter_mut().zip(&codes[pixel * channels..]) {
                    *sum = sum.wrapping_add(code as i32 - self.input_zero_point as i32);
                }
            }
            let scale = self.scales[inside.count()];
            let code = |sum| requantise_f32(sum, scale, self.zero_point, self.even_code);
            means.extend(sums.into_iter().map(code));
        }
        means
    }

    pub(super) fn write(&self, bytes: &mut Writer) {
        self.window.write(bytes);
        bytes.integers([
            self.input_zero_point as u32,
            self.zero_point as u32,
            self.even_code as u32,
            self.scales.len() as u32,
        ]);
        self.scales
            .iter()
            .for_each(|scale| bytes.integer(scale.to_bits()));
    }

    pub(super) fn read(bytes: &mut Reader) -> Option<IntegerAverage> {
        let window = HostWindow::read(bytes)?;
        let input_zero_point = bytes.integer()?.try_into().ok()?;
        let zero_point = bytes.integer()?.try_into().ok()?;
        let even_code = bytes.integer()? != 0;
        let scales = bytes.integer()?;
        Some(IntegerAverage {
            window,
            scales: (0..scales).map(|_| bytes.real()).collect::<Option<_>>()?,
            input_zero_point,
            zero_point,
            even_code,
        })
    }
}
