//! Means of windows in the float arithmetic of ONNX Runtime's kernels QLinearAveragePool and
//! AveragePool.

use super::{HostMap, Reader, Writer};

/// `clamp(round_half_even(total / count / scale + zero_point))`, every operation rounded
/// to f32, with the total of `(u - input_zero_point) * input_scale` added up tap after
/// tap; elements outside the map are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatAverage {
    /// Rows and columns, as those of the compiler's windows: output pixel `y` and tap `i`
    /// meet at input pixel `y * stride + i * dilation - padding`.
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub dilation: [u32; 2],
    pub padding: [u32; 2],
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
    /// Taps of all outputs, and how far a window steps: what keeps a damaged program from
    /// never ending.
    const MOST_TAPS: u64 = 1 << 31;
    const MOST_PIXELS: u32 = 1 << 24;

    pub(super) fn suits(&self, output: &HostMap) -> bool {
        let taps = self.kernel[0] as u64 * self.kernel[1] as u64;
        let steps = [self.stride, self.dilation, self.padding];
        taps > 0
            && taps.saturating_mul(output.elements()) <= Self::MOST_TAPS
            && steps
                .as_flattened()
                .iter()
                .all(|&step| step <= Self::MOST_PIXELS)
    }

    pub(super) fn apply(&self, map: &HostMap, codes: &[u8], output: &HostMap) -> Vec<u8> {
        let channels = map.channels as usize;
        let mut means = Vec::with_capacity(output.elements() as usize);
        for y in 0..output.height {
            for x in 0..output.width {
                let rows = self.inside(0, y, map.height);
                let columns = self.inside(1, x, map.width);
                for channel in 0..channels {
                    let code = |y: &usize, x: &usize| {
                        codes[(y * map.width as usize + x) * channels + channel]
                    };
                    let total = match self.columns_first {
                        true => columns.iter().fold(0.0, |total, x| {
                            total + self.total(rows.iter().map(|y| code(y, x)))
                        }),
                        false => self.total(
                            rows.iter()
                                .flat_map(|y| columns.iter().map(move |x| code(y, x))),
                        ),
                    };
                    means.push(self.code(total, (rows.len() * columns.len()) as u32));
                }
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
            true => self.kernel[0] * self.kernel[1],
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

    /// Rows or columns of the input that an output sees.
    fn inside(&self, axis: usize, output: u32, size: u32) -> Vec<usize> {
        let start = output as i64 * self.stride[axis] as i64 - self.padding[axis] as i64;
        (0..self.kernel[axis] as i64)
            .map(|tap| start + tap * self.dilation[axis] as i64)
            .filter(|place| (0..size as i64).contains(place))
            .map(|place| place as usize)
            .collect()
    }

    pub(super) fn write(&self, bytes: &mut Writer) {
        for pair in [self.kernel, self.stride, self.dilation, self.padding] {
            bytes.integers(pair);
        }
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
        let mut pair = || Some([bytes.integer()?, bytes.integer()?]);
        let [kernel, stride, dilation, padding] = [pair()?, pair()?, pair()?, pair()?];
        Some(FloatAverage {
            kernel,
            stride,
            dilation,
            padding,
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
