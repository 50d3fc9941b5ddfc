//! The instructions and their binary form: 16 bytes each, fields at fixed,
//! byte-aligned places, little-endian, so that hardware stores only the bits its
//! configuration needs.

use thiserror::Error;

/// Bytes of one instruction.
pub const INSTRUCTION_BYTES: usize = 16;

/// Version of the instruction set, carried by `Begin`.
pub const ISA_VERSION: u8 = 1;

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
}

impl Space {
    pub const ALL: [Space; 4] = [
        Space::Activations,
        Space::Weights,
        Space::Parameters,
        Space::Table,
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
}

/// One weight tile sequence against a block of positions.
///
/// For tile `k` in `0..tiles`, position `n` in `0..positions`, column `c`:
/// `accumulators[accumulator + n][c] (+)= sum over r of
///   activations[activation + k*tile_stride + n*position_stride][r]
///   * weights[weight + k*lanes + r][c]`,
/// where `=` replaces `+=` at `k = 0` unless `accumulate` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix {
    pub accumulate: bool,
    pub weight: u16,
    pub activation: u16,
    pub accumulator: u16,
    pub positions: u16,
    pub tiles: u16,
    pub position_stride: u16,
    pub tile_stride: u16,
}

/// Requantises accumulators to bytes and writes them channels-last.
///
/// For position `n` in `0..positions`, column `c` in `0..columns`, with
/// `p = parameters[parameter + c]` and `i = lane + c`:
/// `y = clamp(round((accumulators[accumulator + n][c] + p.bias) * p.scale) + p.zero_point, low, high)`,
/// looked up in the table if `table` is set, goes to
/// `activations[activation + n*position_stride + i / lanes][i % lanes]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activate {
    pub table: bool,
    pub accumulator: u16,
    pub activation: u16,
    pub positions: u16,
    pub position_stride: u16,
    pub parameter: u16,
    pub columns: u8,
    pub lane: u8,
    pub low: u8,
    pub high: u8,
}

/// One instruction. Execution is in order: each sees the effect of all before it.
/// Counts are at least 1; the decoder refuses 0.
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
    Matrix(Matrix),
    Activate(Activate),
    /// Sends `count` words to the output stream.
    Store {
        source: Source,
        address: u16,
        count: u16,
    },
    /// Last instruction of a program: stops the counters; the core waits for the
    /// next `Begin`.
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
    #[error("unused bits of the instruction are not zero")]
    Reserved,
}

impl Instruction {
    /// Layout (byte offsets; all 16-bit fields little-endian; the rest zero):
    ///
    /// | | 0 | 1 | 2 | 4 | 6 | 8 | 10 | 12 | 14 |
    /// |---|---|---|---|---|---|---|---|---|---|
    /// | begin | 1 | version | fingerprint | | | | | | |
    /// | load | 2 | space | address | count | | | | | |
    /// | matrix | 3 | accumulate | accumulator | positions | position_stride | activation | weight | tiles | tile_stride |
    /// | activate | 4 | table | accumulator | positions | position_stride | activation | parameter | columns, lane | low, high |
    /// | store | 5 | source | address | count | | | | | |
    /// | halt | 6 | | | | | | | | |
    pub fn encode(&self) -> [u8; INSTRUCTION_BYTES] {
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
                    m.positions,
                    m.position_stride,
                    m.activation,
                    m.weight,
                    m.tiles,
                    m.tile_stride,
                ],
            ),
            Instruction::Activate(a) => (
                opcode::ACTIVATE,
                a.table as u8,
                [
                    a.accumulator,
                    a.positions,
                    a.position_stride,
                    a.activation,
                    a.parameter,
                    u16::from_le_bytes([a.columns, a.lane]),
                    u16::from_le_bytes([a.low, a.high]),
                ],
            ),
            Instruction::Store {
                source,
                address,
                count,
            } => (opcode::STORE, source as u8, [address, count, 0, 0, 0, 0, 0]),
            Instruction::Halt => (opcode::HALT, 0, [0; 7]),
        };
        let mut bytes = [0; INSTRUCTION_BYTES];
        bytes[0] = opcode;
        bytes[1] = modifier;
        for (field, place) in fields.iter().zip(bytes[2..].chunks_exact_mut(2)) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, and refuses everything else.
    pub fn decode(bytes: &[u8; INSTRUCTION_BYTES]) -> Result<Instruction, DecodeError> {
        let field = |i: usize| u16::from_le_bytes([bytes[2 + 2 * i], bytes[3 + 2 * i]]);
        let flag = |value: u8| match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Reserved),
        };
        let instruction = match bytes[0] {
            opcode::BEGIN => Instruction::Begin {
                version: bytes[1],
                fingerprint: field(0),
            },
            opcode::LOAD => Instruction::Load {
                space: *Space::ALL
                    .get(bytes[1] as usize)
                    .ok_or(DecodeError::Space(bytes[1]))?,
                address: field(0),
                count: field(1),
            },
            opcode::MATRIX => Instruction::Matrix(Matrix {
                accumulate: flag(bytes[1])?,
                accumulator: field(0),
                positions: field(1),
                position_stride: field(2),
                activation: field(3),
                weight: field(4),
                tiles: field(5),
                tile_stride: field(6),
            }),
            opcode::ACTIVATE => Instruction::Activate(Activate {
                table: flag(bytes[1])?,
                accumulator: field(0),
                positions: field(1),
                position_stride: field(2),
                activation: field(3),
                parameter: field(4),
                columns: bytes[12],
                lane: bytes[13],
                low: bytes[14],
                high: bytes[15],
            }),
            opcode::STORE => Instruction::Store {
                source: match bytes[1] {
                    0 => Source::Activations,
                    1 => Source::Accumulators,
                    2 => Source::Counters,
                    other => return Err(DecodeError::Source(other)),
                },
                address: field(0),
                count: field(1),
            },
            opcode::HALT => Instruction::Halt,
            other => return Err(DecodeError::Opcode(other)),
        };
        instruction.check_counts()?;
        if instruction.encode() != *bytes {
            return Err(DecodeError::Reserved);
        }
        Ok(instruction)
    }

    fn check_counts(&self) -> Result<(), DecodeError> {
        let counts: &[(&'static str, u16)] = match self {
            Instruction::Load { count, .. } => &[("count", *count)],
            Instruction::Store { source, count, .. } if *source != Source::Counters => {
                &[("count", *count)]
            }
            Instruction::Matrix(m) => &[("positions", m.positions), ("tiles", m.tiles)],
            Instruction::Activate(a) => {
                &[("positions", a.positions), ("columns", a.columns as u16)]
            }
            _ => &[],
        };
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(DecodeError::ZeroCount(name)),
            None => Ok(()),
        }
    }
}
