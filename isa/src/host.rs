//! What the host computes between two segments of a program: what the accelerator has
//! no unit for.

/// Softmax over the channels of rows of codes, as ONNX Runtime's kernel QLinearSoftmax
/// computes it (measured, `docs/numerics.md`):
/// for codes `u` of a row, `v = table[u + 255 - max(u)]`,
/// `y = min(255, round_half_even(v * multiplier / sum of v) + zero_point)`, in f32, the
/// sum in the order of the channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// First byte of the first row that is read.
    pub input: u32,
    /// First byte of the first row that is written; rows may be overwritten in place.
    pub output: u32,
    pub rows: u32,
    /// From one row to the next, in both.
    pub row_bytes: u32,
    /// Codes of a row, offset binary.
    pub channels: u32,
    /// Scaled exponentials of the distance from the largest code, 255 the largest.
    pub table: Box<[f32; 256]>,
    pub multiplier: f32,
    /// Offset binary.
    pub zero_point: u8,
}

impl Softmax {
    /// Bytes of [`to_bytes`](Self::to_bytes).
    pub const BYTES: usize = 28 + 4 * 256;

    /// Whether all rows are inside a host memory of this size.
    pub fn fits(&self, host_bytes: usize) -> bool {
        let end = |first: u32| {
            let rows = (self.rows as u64).saturating_sub(1) * self.row_bytes as u64;
            first as u64 + rows + self.channels as u64
        };
        self.channels > 0
            && end(self.input) <= host_bytes as u64
            && end(self.output) <= host_bytes as u64
    }

    pub fn apply(&self, host: &mut [u8]) {
        let channels = self.channels as usize;
        let mut values = vec![0.0; channels];
        for row in 0..self.rows as usize {
            let from = self.input as usize + row * self.row_bytes as usize;
            let codes = &host[from..from + channels];
            let distance = 255 - codes.iter().max().map_or(0, |&max| max as usize);
            for (value, &code) in values.iter_mut().zip(codes) {
                *value = self.table[code as usize + distance];
            }
            let sum: f32 = values.iter().fold(0.0, |sum, value| sum + value);
            let to = self.output as usize + row * self.row_bytes as usize;
            for (code, value) in host[to..to + channels].iter_mut().zip(&values) {
                let rounded = (value * self.multiplier / sum).round_ties_even();
                // A float-to-integer cast saturates.
                *code = (rounded as i32)
                    .saturating_add(self.zero_point as i32)
                    .clamp(0, 255) as u8;
            }
        }
    }

    /// Little-endian: five integers of 4 bytes, the multiplier, the zero point in 4, the
    /// table.
    pub fn to_bytes(&self) -> Vec<u8> {
        let integers = [
            self.input,
            self.output,
            self.rows,
            self.row_bytes,
            self.channels,
            self.multiplier.to_bits(),
            self.zero_point as u32,
        ];
        let table = self.table.iter().map(|value| value.to_bits());
        integers
            .into_iter()
            .chain(table)
            .flat_map(u32::to_le_bytes)
            .collect()
    }

    /// Reads [`BYTES`](Self::BYTES) bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Softmax> {
        if bytes.len() != Softmax::BYTES {
            return None;
        }
        let word = |i: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[4 * i + byte]));
        Some(Softmax {
            input: word(0),
            output: word(1),
            rows: word(2),
            row_bytes: word(3),
            channels: word(4),
            multiplier: f32::from_bits(word(5)),
            zero_point: u8::try_from(word(6)).ok()?,
            table: Box::new(std::array::from_fn(|i| f32::from_bits(word(7 + i)))),
        })
    }
}
