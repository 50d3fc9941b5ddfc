//! What the host computes between two segments of a program: what the accelerator has
//! no unit or no room for, and what ONNX Runtime computes in floating point in an order that
//! no integer sum follows.
//!
//! ```text
//!  host memory ─rows─► codes of each input ─work─► codes ─table─► rows ─► host memory
//! ```

mod average;
mod convolution;
mod window;

pub use average::{FloatAverage, FloatRounding, IntegerAverage};
pub use convolution::{IntegerChannel, IntegerConvolution};
pub use window::HostWindow;

/// Codes in host memory, offset binary: rows of `channels` bytes, which are the pixels of
/// a map, `height` times `width` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostMap {
    /// First byte of the first row.
    pub offset: u32,
    pub height: u32,
    pub width: u32,
    pub channels: u32,
    /// From one row to the next.
    pub row_bytes: u32,
}

/// One piece of work on maps in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostStep {
    pub inputs: Vec<HostMap>,
    /// It may be one of the inputs.
    pub output: HostMap,
    pub work: HostWork,
    /// What becomes of each code that the work gives.
    pub table: Box<[u8; 256]>,
}

/// What the codes of an output are.
#[derive(Debug, Clone, PartialEq)]
pub enum HostWork {
    /// Softmax over the channels of each pixel, as ONNX Runtime's kernel QLinearSoftmax
    /// computes it (measured, `docs/numerics.md`): for codes `u` of a pixel,
    /// `v = table[u + 255 - max(u)]`,
    /// `y = min(255, round_half_even(v * multiplier / sum of v) + zero_point)`, in f32,
    /// the sum in the order of the channels.
    Softmax {
        /// Scaled exponentials of the distance from the largest code, 255 the largest.
        table: Box<[f32; 256]>,
        multiplier: f32,
        /// Offset binary.
        zero_point: u8,
    },
    /// Softmax likewise, of real numbers: with `v = exp(values[u] - max)` in f32,
    /// `y = clamp(round_half_even(v * (1 / sum of v) / scale) + zero_point)`.
    FloatSoftmax {
        /// What each code stands for.
        values: Box<[f32; 256]>,
        scale: f32,
        /// Offset binary.
        zero_point: u8,
    },
    /// A mean of each window, in floats.
    Average(FloatAverage),
    /// A mean of each window, of integer sums.
    IntegerAverage(IntegerAverage),
    /// The largest code of each window; elements outside the map don't count.
    Maximum(HostWindow),
    Convolution(IntegerConvolution),
    /// A function of two codes, element by element: `table[256 * a + b]`.
    Pairs(Box<[u8; 1 << 16]>),
}

impl HostMap {
    fn elements(&self) -> u64 {
        (self.height as u64)
            .saturating_mul(self.width as u64)
            .saturating_mul(self.channels as u64)
    }

    fn rows(&self) -> u64 {
        self.height as u64 * self.width as u64
    }

    /// Whether all rows are inside a host memory of this size, one behind the other.
    fn fits(&self, host_bytes: usize) -> bool {
        let rows = self.rows().saturating_sub(1);
        let last = rows.saturating_mul(self.row_bytes as u64);
        let end = last.saturating_add(self.offset as u64 + self.channels as u64);
        self.elements() > 0 && self.channels <= self.row_bytes && end <= host_bytes as u64
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let (first, step) = (self.offset as usize, self.row_bytes as usize);
        (0..self.rows() as usize).map(move |row| first + row * step)
    }

    /// Its codes without what lies between the rows.
    fn read(&self, host: &[u8]) -> Vec<u8> {
        let channels = self.channels as usize;
        self.places()
            .flat_map(|place| &host[place..place + channels])
            .copied()
            .collect()
    }

    fn is_like(&self, other: &HostMap) -> bool {
        let shape = |map: &HostMap| (map.height, map.width, map.channels);
        shape(self) == shape(other)
    }
}

impl HostStep {
    /// Whether all maps are inside a host memory of this size, and of the shapes that the
    /// work is for.
    pub fn fits(&self, host_bytes: usize) -> bool {
        let maps = self.inputs.iter().chain([&self.output]);
        maps.clone().all(|map| map.fits(host_bytes)) && self.work.suits(&self.inputs, &self.output)
    }

    pub fn apply(&self, host: &mut [u8]) {
        let inputs: Vec<Vec<u8>> = self.inputs.iter().map(|map| map.read(host)).collect();
        let codes = self.work.apply(&self.inputs, &inputs, &self.output);
        let channels = self.output.channels as usize;
        for (place, codes) in self.output.places().zip(codes.chunks_exact(channels)) {
            for (to, &code) in host[place..place + channels].iter_mut().zip(codes) {
                *to = self.table[code as usize];
            }
        }
    }

    /// Little-endian: how many inputs, 5 integers of each map, the table, the work: its
    /// kind, and what it is made of.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Writer::default();
        bytes.integer(self.inputs.len() as u32);
        for map in self.inputs.iter().chain([&self.output]) {
            let HostMap {
                offset,
                height,
                width,
                channels,
                row_bytes,
            } = *map;
            bytes.integers([offset, height, width, channels, row_bytes]);
        }
        bytes.0.extend(&*self.table);
        match &self.work {
            HostWork::Softmax {
                table,
                multiplier,
                zero_point,
            } => {
                bytes.integer(0);
                bytes.integer(multiplier.to_bits());
                bytes.integer(*zero_point as u32);
                bytes.integers(table.map(f32::to_bits));
            }
            HostWork::Average(average) => {
                bytes.integer(1);
                average.write(&mut bytes);
            }
            HostWork::FloatSoftmax {
                values,
                scale,
                zero_point,
            } => {
                bytes.integer(3);
                bytes.integer(scale.to_bits());
                bytes.integer(*zero_point as u32);
                bytes.integers(values.map(f32::to_bits));
            }
            HostWork::Pairs(table) => {
                bytes.integer(2);
                bytes.0.extend(&**table);
            }
            HostWork::IntegerAverage(average) => {
                bytes.integer(4);
                average.write(&mut bytes);
            }
            HostWork::Maximum(window) => {
                bytes.integer(5);
                window.write(&mut bytes);
            }
            HostWork::Convolution(convolution) => {
                bytes.integer(6);
                convolution.write(&mut bytes);
            }
        }
        bytes.0
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<HostStep> {
        let mut bytes = Reader(bytes);
        let inputs = bytes.integer()?;
        if inputs > 2 {
            return None;
        }
        let mut map = |_| {
            Some(HostMap {
                offset: bytes.integer()?,
                height: bytes.integer()?,
                width: bytes.integer()?,
                channels: bytes.integer()?,
                row_bytes: bytes.integer()?,
            })
        };
        let inputs = (0..inputs)
            .map(&mut map)
            .collect::<Option<Vec<HostMap>>>()?;
        let output = map(0)?;
        let table = bytes.codes::<256>()?;
        let work = match bytes.integer()? {
            0 => HostWork::Softmax {
                multiplier: bytes.real()?,
                zero_point: bytes.integer()?.try_into().ok()?,
                table: bytes.reals()?,
            },
            1 => HostWork::Average(FloatAverage::read(&mut bytes)?),
            2 => HostWork::Pairs(bytes.codes()?),
            3 => HostWork::FloatSoftmax {
                scale: bytes.real()?,
                zero_point: bytes.integer()?.try_into().ok()?,
                values: bytes.reals()?,
            },
            4 => HostWork::IntegerAverage(IntegerAverage::read(&mut bytes)?),
            5 => HostWork::Maximum(HostWindow::read(&mut bytes)?),
            6 => HostWork::Convolution(IntegerConvolution::read(&mut bytes)?),
            _ => return None,
        };
        bytes.0.is_empty().then_some(HostStep {
            inputs,
            output,
            work,
            table,
        })
    }
}

impl HostWork {
    /// What listings call it.
    pub fn name(&self) -> &'static str {
        match self {
            HostWork::Softmax { .. } | HostWork::FloatSoftmax { .. } => "softmax on the host",
            HostWork::Average(_) | HostWork::IntegerAverage(_) => "average pool on the host",
            HostWork::Maximum(_) => "max pool on the host",
            HostWork::Convolution(_) => "convolution on the host",
            HostWork::Pairs(_) => "pairs on the host",
        }
    }

    /// Where it reads more than the pixel it writes.
    pub fn window(&self) -> Option<&HostWindow> {
        match self {
            HostWork::Average(FloatAverage { window, .. })
            | HostWork::IntegerAverage(IntegerAverage { window, .. })
            | HostWork::Convolution(IntegerConvolution { window, .. })
            | HostWork::Maximum(window) => Some(window),
            HostWork::Softmax { .. } | HostWork::FloatSoftmax { .. } | HostWork::Pairs(_) => None,
        }
    }

    fn suits(&self, inputs: &[HostMap], output: &HostMap) -> bool {
        match (self, inputs) {
            (HostWork::Softmax { .. } | HostWork::FloatSoftmax { .. }, [input]) => {
                input.is_like(output)
            }
            (HostWork::Pairs(_), [a, b]) => a.is_like(output) && b.is_like(output),
            (HostWork::Average(average), [input]) => {
                input.channels == output.channels && average.window.suits(output, 1)
            }
            (HostWork::IntegerAverage(average), [input]) => {
                input.channels == output.channels && average.suits(output)
            }
            (HostWork::Maximum(window), [input]) => {
                input.channels == output.channels && window.suits(output, 1)
            }
            (HostWork::Convolution(convolution), [input]) => convolution.suits(input, output),
            _ => false,
        }
    }

    /// The output's codes, of the codes of maps that it [suits](Self::suits), without what
    /// lies between rows.
    pub fn apply(&self, maps: &[HostMap], inputs: &[Vec<u8>], output: &HostMap) -> Vec<u8> {
        match self {
            HostWork::Softmax {
                table,
                multiplier,
                zero_point,
            } => inputs[0]
                .chunks_exact(output.channels as usize)
                .flat_map(|codes| softmax(codes, table, *multiplier, *zero_point))
                .collect(),
            HostWork::FloatSoftmax {
                values,
                scale,
                zero_point,
            } => inputs[0]
                .chunks_exact(output.channels as usize)
                .flat_map(|codes| float_softmax(codes, values, *scale, *zero_point))
                .collect(),
            HostWork::Average(average) => average.apply(&maps[0], &inputs[0], output),
            HostWork::IntegerAverage(average) => average.apply(&maps[0], &inputs[0], output),
            HostWork::Maximum(window) => maxima(window, &maps[0], &inputs[0], output),
            HostWork::Convolution(convolution) => convolution.apply(&maps[0], &inputs[0], output),
            HostWork::Pairs(table) => inputs[0]
                .iter()
                .zip(&inputs[1])
                .map(|(&a, &b)| table[256 * a as usize + b as usize])
                .collect(),
        }
    }
}

fn maxima(window: &HostWindow, map: &HostMap, codes: &[u8], output: &HostMap) -> Vec<u8> {
    let channels = map.channels as usize;
    let mut maxima = Vec::with_capacity(output.elements() as usize);
    for inside in window.all(map, output) {
        let mut largest = vec![0; channels];
        for (_, pixel) in inside.taps() {
            for (largest, &code) in largest.iter_mut().zip(&codes[pixel * channels..]) {
                *largest = code.max(*largest);
            }
        }
        maxima.extend(largest);
    }
    maxima
}

fn softmax(codes: &[u8], table: &[f32; 256], multiplier: f32, zero_point: u8) -> Vec<u8> {
    let distance = 255 - codes.iter().max().map_or(0, |&max| max as usize);
    let values = || codes.iter().map(|&code| table[code as usize + distance]);
    let sum: f32 = values().fold(0.0, |sum, value| sum + value);
    let code = |value: f32| {
        let rounded = (value * multiplier / sum).round_ties_even();
        // A float-to-integer cast saturates.
        (rounded as i32)
            .saturating_add(zero_point as i32)
            .clamp(0, 255) as u8
    };
    values().map(code).collect()
}

fn float_softmax(codes: &[u8], values: &[f32; 256], scale: f32, zero_point: u8) -> Vec<u8> {
    let reals = || codes.iter().map(|&code| values[code as usize]);
    let largest = reals().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = reals()
        .map(|real| ((real - largest) as f64).exp() as f32)
        .collect();
    let factor = 1.0 / powers.iter().fold(0.0, |sum: f32, power| sum + power);
    let code = |power: &f32| {
        // A float-to-integer cast saturates.
        ((power * factor / scale).round_ties_even() + zero_point as f32) as u8
    };
    powers.iter().map(code).collect()
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn integer(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn integers<const N: usize>(&mut self, values: [u32; N]) {
        values.iter().for_each(|&value| self.integer(value));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: u32) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count as usize)?;
        self.0 = rest;
        Some(bytes)
    }

    fn codes<const N: usize>(&mut self) -> Option<Box<[u8; N]>> {
        let (codes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        codes.to_vec().into_boxed_slice().try_into().ok()
    }

    fn integer(&mut self) -> Option<u32> {
        self.codes().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn real(&mut self) -> Option<f32> {
        self.integer().map(f32::from_bits)
    }

    fn reals<const N: usize>(&mut self) -> Option<Box<[f32; N]>> {
        let values: Option<Vec<f32>> = (0..N).map(|_| self.real()).collect();
        values?.into_boxed_slice().try_into().ok()
    }
}
