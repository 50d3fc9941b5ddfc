//! The instructions and their binary form: 16 bytes each, fields at fixed,
//! byte-aligned places, little-endian, so that hardware stores only the bits its
//! configuration needs.

use crate::Waits;
use std::ops::Range;
use thiserror::Error;

/// Bytes of one instruction.
pub const INSTRUCTION_BYTES: usize = 16;

/// Version of the instruction set, carried by `Begin`.
pub const ISA_VERSION: u8 = 2;

/// A memory that `Load` fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Words of `lanes` unsigned bytes (offset binary).
    Activations = 0,
    /// Rows of `columns` signed bytes; `lanes` consecutive rows are a tile.
    Weights = 1,
    /// One [`ChannelParameters`](crate::ChannelParameters) per word.
    Parameters = 2,
    /// 256 unsigned bytes.
    Table = 3,
    /// Two tables of 256 two's-complement numbers of accumulator width, one after
    /// the other.
    Lookup = 4,
}

impl Space {
    pub const ALL: [Space; 5] = [
        Space::Activations,
        Space::Weights,
        Space::Parameters,
        Space::Table,
        Space::Lookup,
    ];
}

/// What `Store` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Activation words, lane 0 first.
    Activations = 0,
    /// Accumulators unrequantised: column 0 first, each as a little-endian
    /// two's-complement integer of 4 bytes, padded to a whole beat.
    Accumulators = 1,
    /// The counters of the core since `Begin`, 4 bytes each, padded to a beat:
    /// see [`Counters`](crate::Counters). `address` and `count` are ignored.
    Counters = 2,
}

/// Operation codes: byte 0 of an instruction.
pub mod opcode {
    pub const BEGIN: u8 = 1;
    pub const LOAD: u8 = 2;
    pub const MATRIX: u8 = 3;
    pub const ACTIVATE: u8 = 4;
    pub const STORE: u8 = 5;
    pub const HALT: u8 = 6;
    pub const PATTERN: u8 = 7;
    pub const TARGET: u8 = 8;
    pub const VECTOR: u8 = 9;
}

/// How `matrix` and `vector` walk the activation memory, until the next `pattern`.
///
/// Position `n = y * x_count + x` and tap `k = j * inner + i` meet at word
/// `activation + y * y_stride + x * x_stride + j * outer_stride + i * inner_stride`.
/// Words are counted modulo 2^16 while the walk goes on, so that a stride may be
/// negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    pub x_count: u16,
    pub x_stride: u16,
    pub y_count: u16,
    pub y_stride: u16,
    pub inner_stride: u16,
    pub outer_stride: u16,
}

/// Where `activate` and `vector` write, and between which bounds, until the next
/// `target`: position `n = y * x_count + x` goes to word
/// `activation + y * y_stride + x * x_stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub x_count: u16,
    pub x_stride: u16,
    pub y_count: u16,
    pub y_stride: u16,
    /// Bounds of the code, in offset binary.
    pub low: u8,
    pub high: u8,
}

/// A sequence of weight tiles against the positions of the pattern.
///
/// For tile `k = j * inner + i` with `i < inner`, `j < outer`, position `n`, column `c`:
/// `accumulators[accumulator + n][c] (+)= sum over r of
///   activations[word(n, k)][r] * weights[weight + k*lanes + r][c]`,
/// where `=` replaces `+=` at `k = 0` unless `accumulate` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix {
    pub accumulate: bool,
    pub accumulator: u16,
    pub activation: u16,
    pub weight: u16,
    pub inner: u16,
    pub outer: u16,
}

/// Requantises accumulators to bytes and writes them channels-last.
///
/// For position `n` of the target, column `c` in `0..columns`, with
/// `p = parameters[parameter + c]` and `i = lane + c`:
/// `y = clamp(round((accumulators[accumulator + n][c] + p.bias) * p.scale) + p.zero_point, low, high)`,
/// looked up in the table if `table` is set, goes to
/// `activations[word(n) + i / lanes][i % lanes]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activate {
    pub table: bool,
    pub accumulator: u16,
    pub activation: u16,
    pub parameter: u16,
    pub columns: u8,
    pub lane: u8,
}

/// How `vector` makes one value of the bytes `b[k]` of its taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Combine {
    /// The sum of all.
    Sum = 0,
    /// The largest.
    Maximum = 1,
    /// The sum of `lookup[256 * (k % 2) + b[k]]`.
    Lookup = 2,
    /// `(b[0] - zero_points[0]) * (b[1] - zero_points[1])`; there are two taps.
    Product = 3,
}

impl Combine {
    pub const ALL: [Combine; 4] = [
        Combine::Sum,
        Combine::Maximum,
        Combine::Lookup,
        Combine::Product,
    ];
}

/// What is no dot product: combines the bytes of several words lane by lane,
/// requantises and writes them.
///
/// For position `n`, lane `l` in `0..columns`, with `i = source_lane + l`, the bytes
/// `b[k] = activations[word(n, k) + i / lanes][i % lanes]` of the taps `k` become a
/// value ([`Combine`]), which goes the way of an accumulator in [`Activate`], with
/// `parameters[parameter + l % vector_lanes]`, to lane `lane + l`.
///
/// Pattern and target have the same number of positions. The words from the lowest to
/// the highest that are read and those that are written have none in common, because
/// reading runs ahead of writing. With more than one vector
/// lane `source_lane` and `lane` are multiples of them, or `columns` is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vector {
    pub combine: Combine,
    pub table: bool,
    /// Ties go to the even code, not to the even product: the zero point is added before
    /// rounding.
    pub even_code: bool,
    /// First word that is written.
    pub activation: u16,
    /// First word that is read.
    pub source: u16,
    pub parameter: u16,
    pub inner: u16,
    pub outer: u8,
    pub columns: u8,
    pub source_lane: u8,
    pub lane: u8,
    pub zero_points: [u8; 2],
}

/// One instruction. Each sees the effect of all before it; what may still be under way
/// when it starts is said by its [`Waits`]. Counts are at least 1; the decoder refuses 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// First instruction of a program: clears counters and the error, and checks
    /// that the program was compiled for this core.
    Begin {
        version: u8,
        fingerprint: u16,
    },
    /// Fills `count` words of a memory from the stream; the data follow at once.
    Load {
        space: Space,
        address: u16,
        count: u16,
    },
    Pattern(Pattern),
    Matrix(Matrix),
    Target(Target),
    Activate(Activate),
    Vector(Vector),
    /// Sends `count` words to the output stream.
    Store {
        source: Source,
        address: u16,
        count: u16,
    },
    /// Last instruction of a program: waits for all units and stops the counters; the
    /// core waits for the next `Begin`.
    Halt,
}

/// Bytes that are no instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("unknown operation code {0:#04x}")]
    Opcode(u8),
    #[error("unknown memory {0} in a load")]
    Space(u8),
    #[error("unknown source {0} in a store")]
    Source(u8),
    #[error("{0} is zero")]
    ZeroCount(&'static str),
    #[error("a product has two taps, not {0}")]
    Taps(u32),
    #[error("unused bits of the instruction are not zero")]
    Reserved,
}

impl Instruction {
    /// Byte 0 is the operation code. Byte 1 holds a modifier in its low half and the
    /// waits in its high half (in `begin`: the version). All 16-bit fields are
    /// little-endian; the rest is zero.
    ///
    /// | | 0 | 1 | 2 | 4 | 6 | 8 | 10 | 12 | 14 |
    /// |---|---|---|---|---|---|---|---|---|---|
    /// | begin | 1 | version | fingerprint | | | | | | |
    /// | load | 2 | space | address | count | | | | | |
    /// | matrix | 3 | accumulate | accumulator | activation | weight | inner | outer | | |
    /// | activate | 4 | table | accumulator | activation | parameter | | | columns, lane | |
    /// | store | 5 | source | address | count | | | | | |
    /// | halt | 6 | | | | | | | | |
    /// | pattern | 7 | | x_count | x_stride | y_count | y_stride | inner_stride | outer_stride | |
    /// | target | 8 | | x_count | x_stride | y_count | y_stride | low, high | | |
    /// | vector | 9 | combine + 4·table + 8·even_code | source | activation | parameter | inner | outer, source_lane | columns, lane | zero_points |
    pub fn encode(&self, waits: Waits) -> [u8; INSTRUCTION_BYTES] {
        let pair = |low, high| u16::from_le_bytes([low, high]);
        let (opcode, modifier, fields): (u8, u8, [u16; 7]) = match *self {
            Instruction::Begin {
                version,
                fingerprint,
            } => (opcode::BEGIN, version, [fingerprint, 0, 0, 0, 0, 0, 0]),
            Instruction::Load {
                space,
                address,
                count,
            } => (opcode::LOAD, space as u8, [address, count, 0, 0, 0, 0, 0]),
            Instruction::Matrix(m) => (
                opcode::MATRIX,
                m.accumulate as u8,
                [
                    m.accumulator,
                    m.activation,
                    m.weight,
                    m.inner,
                    m.outer,
                    0,
                    0,
                ],
            ),
            Instruction::Activate(a) => (
                opcode::ACTIVATE,
                a.table as u8,
                [
                    a.accumulator,
                    a.activation,
                    a.parameter,
                    0,
                    0,
                    pair(a.columns, a.lane),
                    0,
                ],
            ),
            Instruction::Store {
                source,
                address,
                count,
            } => (opcode::STORE, source as u8, [address, count, 0, 0, 0, 0, 0]),
            Instruction::Halt => (opcode::HALT, 0, [0; 7]),
            Instruction::Pattern(p) => (
                opcode::PATTERN,
                0,
                [
                    p.x_count,
                    p.x_stride,
                    p.y_count,
                    p.y_stride,
                    p.inner_stride,
                    p.outer_stride,
                    0,
                ],
            ),
            Instruction::Target(t) => (
                opcode::TARGET,
                0,
                [
                    t.x_count,
                    t.x_stride,
                    t.y_count,
                    t.y_stride,
                    pair(t.low, t.high),
                    0,
                    0,
                ],
            ),
            Instruction::Vector(v) => (
                opcode::VECTOR,
                v.combine as u8 | (v.table as u8) << 2 | (v.even_code as u8) << 3,
                [
                    v.source,
                    v.activation,
                    v.parameter,
                    v.inner,
                    pair(v.outer, v.source_lane),
                    pair(v.columns, v.lane),
                    pair(v.zero_points[0], v.zero_points[1]),
                ],
            ),
        };
        let mut bytes = [0; INSTRUCTION_BYTES];
        bytes[0] = opcode;
        bytes[1] = match self {
            Instruction::Begin { .. } => modifier,
            _ => modifier | waits.bits() << 4,
        };
        for (field, place) in fields.iter().zip(bytes[2..].chunks_exact_mut(2)) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, and refuses everything else.
    pub fn decode(bytes: &[u8; INSTRUCTION_BYTES]) -> Result<(Instruction, Waits), DecodeError> {
        let field = |i: usize| u16::from_le_bytes([bytes[2 + 2 * i], bytes[3 + 2 * i]]);
        let (modifier, waits) = match bytes[0] {
            opcode::BEGIN => (bytes[1], Waits::NONE),
            _ => (bytes[1] & 15, Waits::from_bits(bytes[1] >> 4)),
        };
        let instruction = match bytes[0] {
            opcode::BEGIN => Instruction::Begin {
                version: modifier,
                fingerprint: field(0),
            },
            opcode::LOAD => Instruction::Load {
                space: *Space::ALL
                    .get(modifier as usize)
                    .ok_or(DecodeError::Space(modifier))?,
                address: field(0),
                count: field(1),
            },
            opcode::MATRIX => Instruction::Matrix(Matrix {
                accumulate: modifier & 1 == 1,
                accumulator: field(0),
                activation: field(1),
                weight: field(2),
                inner: field(3),
                outer: field(4),
            }),
            opcode::ACTIVATE => Instruction::Activate(Activate {
                table: modifier & 1 == 1,
                accumulator: field(0),
                activation: field(1),
                parameter: field(2),
                columns: bytes[12],
                lane: bytes[13],
            }),
            opcode::STORE => Instruction::Store {
                source: match modifier {
                    0 => Source::Activations,
                    1 => Source::Accumulators,
                    2 => Source::Counters,
                    other => return Err(DecodeError::Source(other)),
                },
                address: field(0),
                count: field(1),
            },
            opcode::HALT => Instruction::Halt,
            opcode::PATTERN => Instruction::Pattern(Pattern {
                x_count: field(0),
                x_stride: field(1),
                y_count: field(2),
                y_stride: field(3),
                inner_stride: field(4),
                outer_stride: field(5),
            }),
            opcode::TARGET => Instruction::Target(Target {
                x_count: field(0),
                x_stride: field(1),
                y_count: field(2),
                y_stride: field(3),
                low: bytes[10],
                high: bytes[11],
            }),
            opcode::VECTOR => Instruction::Vector(Vector {
                combine: Combine::ALL[modifier as usize & 3],
                table: modifier >> 2 & 1 == 1,
                even_code: modifier >> 3 & 1 == 1,
                source: field(0),
                activation: field(1),
                parameter: field(2),
                inner: field(3),
                outer: bytes[10],
                source_lane: bytes[11],
                columns: bytes[12],
                lane: bytes[13],
                zero_points: [bytes[14], bytes[15]],
            }),
            other => return Err(DecodeError::Opcode(other)),
        };
        instruction.check_counts()?;
        if instruction.encode(waits) != *bytes {
            return Err(DecodeError::Reserved);
        }
        Ok((instruction, waits))
    }

    fn check_counts(&self) -> Result<(), DecodeError> {
        let counts: &[(&'static str, u16)] = match self {
            Instruction::Load { count, .. } => &[("count", *count)],
            Instruction::Store { source, count, .. } if *source != Source::Counters => {
                &[("count", *count)]
            }
            Instruction::Matrix(m) => &[("inner", m.inner), ("outer", m.outer)],
            Instruction::Activate(a) => &[("columns", a.columns as u16)],
            Instruction::Pattern(p) => &[("x_count", p.x_count), ("y_count", p.y_count)],
            Instruction::Target(t) => &[("x_count", t.x_count), ("y_count", t.y_count)],
            Instruction::Vector(v) => {
                let taps = v.inner as u32 * v.outer as u32;
                if v.combine == Combine::Product && taps != 2 {
                    return Err(DecodeError::Taps(taps));
                }
                &[
                    ("inner", v.inner),
                    ("outer", v.outer as u16),
                    ("columns", v.columns as u16),
                ]
            }
            _ => &[],
        };
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(DecodeError::ZeroCount(name)),
            None => Ok(()),
        }
    }
}

impl Pattern {
    pub fn positions(&self) -> usize {
        self.x_count as usize * self.y_count as usize
    }

    /// The word of each position, relative to the first.
    pub fn offsets(&self) -> impl Iterator<Item = u16> + Clone {
        grid(self.x_count, self.x_stride, self.y_count, self.y_stride)
    }

    /// From the lowest to the highest word of a walk that begins at `first` and at each
    /// step reads up to `further` words more. Strides may be negative.
    pub fn reach(&self, first: u16, inner: u16, outer: u16, further: i64) -> Range<i64> {
        let steps = [
            (self.x_count, self.x_stride),
            (self.y_count, self.y_stride),
            (inner, self.inner_stride),
            (outer, self.outer_stride),
        ];
        reach(first, further, &steps)
    }

    /// The word of each tap, relative to the first.
    pub fn taps(&self, inner: u16, outer: u16) -> impl Iterator<Item = u16> + Clone {
        grid(inner, self.inner_stride, outer, self.outer_stride)
    }
}

impl Target {
    pub fn positions(&self) -> usize {
        self.x_count as usize * self.y_count as usize
    }

    /// The word of each position, relative to the first.
    pub fn offsets(&self) -> impl Iterator<Item = u16> + Clone {
        grid(self.x_count, self.x_stride, self.y_count, self.y_stride)
    }

    /// From the lowest to the highest word that is written, up to `further` words after
    /// a position's first.
    pub fn reach(&self, first: u16, further: i64) -> Range<i64> {
        let steps = [(self.x_count, self.x_stride), (self.y_count, self.y_stride)];
        reach(first, further, &steps)
    }
}

fn reach(first: u16, further: i64, steps: &[(u16, u16)]) -> Range<i64> {
    let (mut low, mut high) = (first as i64, first as i64 + further);
    for &(count, stride) in steps {
        let span = (count as i64 - 1) * stride as i16 as i64;
        low += span.min(0);
        high += span.max(0);
    }
    low..high + 1
}

fn grid(
    x_count: u16,
    x_stride: u16,
    y_count: u16,
    y_stride: u16,
) -> impl Iterator<Item = u16> + Clone {
    (0..y_count).flat_map(move |y| {
        let row = y.wrapping_mul(y_stride);
        (0..x_count).map(move |x| row.wrapping_add(x.wrapping_mul(x_stride)))
    })
}
