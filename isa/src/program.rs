//! The program: what the compiler writes and every machine runs.
//!
//! A program is a script for the two stream ports of the core. Instructions and
//! constants travel as literal bytes; between them stand references to the host
//! memory, which holds inputs, outputs and whatever does not fit on chip. What
//! reaches the core is one byte stream of instructions with their data behind
//! them.
//!
//! File form, little-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | magic `QRN1` |
//! | 1 | [`ISA_VERSION`] |
//! | 1 | zero |
//! | 2 | [`Config::fingerprint`] |
//! | 4 | bytes of host memory |
//! | 16 | input region: offset, words per sample, samples, zero |
//! | 16 | output region, likewise |
//! | 4 | number of segments |
//! | 12 × n | segments: kind (0 send, 1 send from host, 2 receive, 3 host), host offset, bytes |
//! | … | the bytes of all `send` and `host` segments, one after another |
//! | 4 | CRC-32 (ISO-HDLC) of everything before it |

use crate::{Config, HostStep, CONFIGS, ISA_VERSION};
use thiserror::Error;

const MAGIC: [u8; 4] = *b"QRN1";
const HEADER_BYTES: usize = 48;
const SEGMENT_BYTES: usize = 12;
const CRC_BYTES: usize = 4;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// One step of the stream script. Lengths are whole beats.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    /// Bytes for the core: instructions, weights, parameters, tables.
    Send(Vec<u8>),
    /// Bytes for the core from host memory. All earlier `Receive`s have ended.
    SendHost { offset: u32, bytes: u32 },
    /// Bytes from the core into host memory.
    Receive { offset: u32, bytes: u32 },
    /// Work of the host on its memory. All earlier `Receive`s have ended.
    Host(HostStep),
}

impl Segment {
    /// Bytes the core takes.
    pub fn send_bytes(&self) -> usize {
        match self {
            Segment::Send(data) => data.len(),
            Segment::SendHost { bytes, .. } => *bytes as usize,
            Segment::Receive { .. } | Segment::Host(_) => 0,
        }
    }

    /// Bytes the core sends.
    pub fn receive_bytes(&self) -> usize {
        match self {
            Segment::Receive { bytes, .. } => *bytes as usize,
            _ => 0,
        }
    }
}

/// A tensor in host memory: for each sample `words_per_sample` activation words
/// of `lanes` bytes, channels in order, in offset binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    pub offset: u32,
    pub words_per_sample: u32,
    pub samples: u32,
}

impl Region {
    pub fn bytes(&self, config: &Config) -> usize {
        self.words_per_sample as usize * self.samples as usize * config.lanes
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    pub config: Config,
    /// Size of the host memory the program works on.
    pub host_bytes: u32,
    pub input: Region,
    pub output: Region,
    pub segments: Vec<Segment>,
}

/// Bytes that are no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProgramError {
    #[error("not a Quern program: it does not begin with `QRN1`")]
    Magic,
    #[error("the program is cut short: it has {actual} bytes and needs {expected}")]
    Truncated { actual: usize, expected: usize },
    #[error("{0} bytes follow the program's end")]
    Trailing(usize),
    #[error(
        "the program is damaged: its CRC-32 is {actual:#010x}, it was written with {expected:#010x}"
    )]
    Crc { actual: u32, expected: u32 },
    #[error("instruction set version {0}, this build knows version {ISA_VERSION}; compile the model again")]
    Version(u8),
    #[error(
        "compiled for an unknown configuration (fingerprint {0:#06x}); compile the model again"
    )]
    Config(u16),
    #[error("segment {0} has an unknown kind")]
    SegmentKind(usize),
    #[error("segment {0} is work of the host that this build does not know")]
    HostStep(usize),
    #[error("segment {0} reaches beyond the host memory")]
    SegmentRange(usize),
    #[error("segment {0} is not a whole number of stream beats")]
    SegmentBeats(usize),
    #[error("the {0} region reaches beyond the host memory")]
    RegionRange(&'static str),
}

impl Program {
    /// All bytes that reach the core's input, with what comes from the host
    /// memory left out.
    pub fn literal_bytes(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Send(bytes) => bytes.len(),
                _ => 0,
            })
            .sum()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([ISA_VERSION, 0]);
        out.extend(self.config.fingerprint().to_le_bytes());
        out.extend(self.host_bytes.to_le_bytes());
        for region in [&self.input, &self.output] {
            for field in [region.offset, region.words_per_sample, region.samples, 0] {
                out.extend(field.to_le_bytes());
            }
        }
        out.extend((self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            let (kind, offset, bytes) = match segment {
                Segment::Send(bytes) => (0, 0, bytes.len() as u32),
                Segment::SendHost { offset, bytes } => (1, *offset, *bytes),
                Segment::Receive { offset, bytes } => (2, *offset, *bytes),
                Segment::Host(step) => (3, 0, step.to_bytes().len() as u32),
            };
            for field in [kind, offset, bytes] {
                out.extend(field.to_le_bytes());
            }
        }
        for segment in &self.segments {
            match segment {
                Segment::Send(bytes) => out.extend(bytes),
                Segment::Host(step) => out.extend(step.to_bytes()),
                Segment::SendHost { .. } | Segment::Receive { .. } => {}
            }
        }
        out.extend(CRC.checksum(&out).to_le_bytes());
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Arbitrary bytes end in an
    /// error, never in a panic or a large allocation.
    pub fn from_bytes(bytes: &[u8]) -> Result<Program, ProgramError> {
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
        let need = |expected: usize| match bytes.len() < expected {
            true => Err(ProgramError::Truncated {
                actual: bytes.len(),
                expected,
            }),
            false => Ok(()),
        };
        if bytes.get(..4) != Some(&MAGIC) {
            return Err(ProgramError::Magic);
        }
        need(HEADER_BYTES + CRC_BYTES)?;
        let count = word(HEADER_BYTES - 4) as usize;
        let table_end = count
            .saturating_mul(SEGMENT_BYTES)
            .saturating_add(HEADER_BYTES);
        need(table_end.saturating_add(CRC_BYTES))?;
        let rows = || {
            (0..count).map(|i| {
                let at = HEADER_BYTES + i * SEGMENT_BYTES;
                (i, word(at), word(at + 4), word(at + 8))
            })
        };
        let literal: usize = rows()
            .filter(|(_, kind, ..)| matches!(kind, 0 | 3))
            .fold(0, |sum, (.., bytes)| sum.saturating_add(bytes as usize));
        let end = table_end.saturating_add(literal);
        need(end.saturating_add(CRC_BYTES))?;
        if bytes.len() > end + CRC_BYTES {
            return Err(ProgramError::Trailing(bytes.len() - end - CRC_BYTES));
        }
        let (actual, expected) = (CRC.checksum(&bytes[..end]), word(end));
        if actual != expected {
            return Err(ProgramError::Crc { actual, expected });
        }
        if bytes[4] != ISA_VERSION {
            return Err(ProgramError::Version(bytes[4]));
        }
        let fingerprint = u16::from_le_bytes([bytes[6], bytes[7]]);
        let config = CONFIGS
            .into_iter()
            .find(|config| config.fingerprint() == fingerprint)
            .ok_or(ProgramError::Config(fingerprint))?;
        let host_bytes = word(8);
        let region = |at| Region {
            offset: word(at),
            words_per_sample: word(at + 4),
            samples: word(at + 8),
        };
        let mut literals = &bytes[table_end..end];
        let segments = rows()
            .map(|(i, kind, offset, length)| {
                if kind != 3 && length as usize % config.stream_bytes != 0 {
                    return Err(ProgramError::SegmentBeats(i));
                }
                if matches!(kind, 1 | 2)
                    && offset.checked_add(length).is_none_or(|e| e > host_bytes)
                {
                    return Err(ProgramError::SegmentRange(i));
                }
                Ok(match kind {
                    0 => {
                        let (head, tail) = literals.split_at(length as usize);
                        literals = tail;
                        Segment::Send(head.to_vec())
                    }
                    1 => Segment::SendHost {
                        offset,
                        bytes: length,
                    },
                    2 => Segment::Receive {
                        offset,
                        bytes: length,
                    },
                    3 => {
                        let (head, tail) = literals.split_at(length as usize);
                        literals = tail;
                        let step = HostStep::from_bytes(head).ok_or(ProgramError::HostStep(i))?;
                        match step.fits(host_bytes as usize) {
                            true => Segment::Host(step),
                            false => return Err(ProgramError::SegmentRange(i)),
                        }
                    }
                    _ => return Err(ProgramError::SegmentKind(i)),
                })
            })
            .collect::<Result<_, _>>()?;
        let program = Program {
            config,
            host_bytes,
            input: region(12),
            output: region(28),
            segments,
        };
        for (name, region) in [("input", &program.input), ("output", &program.output)] {
            let end = (region.words_per_sample as u64)
                .saturating_mul(region.samples as u64)
                .saturating_mul(config.lanes as u64)
                .saturating_add(region.offset as u64);
            if end > host_bytes as u64 {
                return Err(ProgramError::RegionRange(name));
            }
        }
        Ok(program)
    }
}
