//! A program as it lies in flash memory, for a board that runs it without a host.
//!
//! The flash holds what a host would send: the literal bytes of the program, and between
//! them the places where input is wanted. A reader needs no address, no length longer
//! than seven bits and no memory, so the hardware that walks it is small:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | magic `QRNS` |
//! | 1 | version of this form |
//! | 1 | [`ISA_VERSION`] |
//! | 2 | [`Config::fingerprint`], little-endian |
//! | 1 | classes: how many of the first output bytes compete for the largest; 0: none |
//! | … | records: a byte `n` of 1 to 127 and `n` literal bytes; or a byte of 129 to 255, less 128 the number of input bytes wanted here |
//! | 1 | zero: the end |
//! | 4 | CRC-32 (MPEG-2) of everything before it, big-endian |
//!
//! That CRC takes bits in the order in which a flash chip sends them, and a register that
//! has also taken the CRC itself is zero.

use crate::{Config, Program, Segment, ISA_VERSION};
use thiserror::Error;

/// Where the program begins in the flash of the board: behind the image, on a boundary
/// of the largest block that is erased at once.
pub const PROGRAM_OFFSET: u32 = 0x4_0000;

/// Bytes of the board's flash.
pub const FLASH_BYTES: u32 = 4 << 20;

const MAGIC: [u8; 4] = *b"QRNS";
const FORM_VERSION: u8 = 1;

/// Bytes at the beginning that a board compares with its own.
pub const HEADER_BYTES: usize = 8;
/// Of them, those that tell whether there is a program at all.
pub const MAGIC_BYTES: usize = MAGIC.len();
/// Record bytes with this bit want input.
pub const INPUT_BIT: u8 = 0x80;
const RECORD_BYTES: usize = 127;
const END: u8 = 0;

/// Classes that a board can tell apart.
pub const MOST_CLASSES: usize = NO_CLASS as usize;
/// What a board shows instead of a class while there is none.
pub const NO_CLASS: u8 = 15;

/// A board's error code with this bit is that of a [`Fault`], not the core's.
pub const FAULT_ERROR: u8 = 8;

pub const CRC_BYTES: usize = 4;
pub const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_MPEG_2);

/// What a board of this configuration expects at the beginning.
pub fn header(config: &Config) -> [u8; HEADER_BYTES] {
    let [low, high] = config.fingerprint().to_le_bytes();
    let [a, b, c, d] = MAGIC;
    [a, b, c, d, FORM_VERSION, ISA_VERSION, low, high]
}

/// Why a program can't run from flash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StandaloneError {
    #[error(
        "segment {segment} brings back what did not fit on chip (host memory from byte \
         {offset}), which a board without a host has no place for; a smaller network, or one \
         that fits `{config}` as a whole, is needed"
    )]
    Spill {
        segment: usize,
        offset: u32,
        config: &'static str,
    },
    #[error(
        "segment {0} is work of the host (a softmax, a mean in floating point, ...), which a \
         board without a host can't do; end the model before it"
    )]
    HostWork(usize),
    #[error("segment {0} stores what is not the output, or not in the output's order")]
    Output(usize),
    #[error(
        "the program takes {0} samples at once, and a board without a host one; compile it \
         with a batch of 1"
    )]
    Batch(u32),
    #[error("the program takes {bytes} bytes and the flash has room for {room} behind the image")]
    Size { bytes: usize, room: usize },
}

/// Bytes that are no program for a board, and the code it says so with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("there is no program in the flash")]
    Missing,
    #[error("the program in the flash is for another configuration or version")]
    Mismatch,
    #[error("the program in the flash is damaged")]
    Damaged,
}

impl Fault {
    pub const ALL: [Fault; 3] = [Fault::Missing, Fault::Mismatch, Fault::Damaged];

    pub fn code(self) -> u8 {
        match self {
            Fault::Missing => 1,
            Fault::Mismatch => 2,
            Fault::Damaged => 3,
        }
    }

    /// The fault that a board's error code names, if it does not name an error of the core.
    pub fn of_error(error: u8) -> Option<Fault> {
        let mut all = Fault::ALL.into_iter();
        all.find(|fault| error == FAULT_ERROR | fault.code())
    }
}

/// The bytes for the flash, from [`PROGRAM_OFFSET`] on. `classes` are the outputs that
/// compete; the board shows none if they are more than it can show.
pub fn to_flash(program: &Program, classes: usize) -> Result<Vec<u8>, StandaloneError> {
    let classes = match classes {
        0..=MOST_CLASSES => classes as u8,
        _ => 0,
    };
    check(program)?;
    let mut bytes = header(&program.config).to_vec();
    bytes.push(classes);
    for segment in &program.segments {
        match segment {
            Segment::Send(data) => {
                for part in data.chunks(RECORD_BYTES) {
                    bytes.push(part.len() as u8);
                    bytes.extend(part);
                }
            }
            Segment::SendHost { bytes: count, .. } => {
                let mut left = *count as usize;
                while left > 0 {
                    let now = left.min(RECORD_BYTES);
                    bytes.push(INPUT_BIT | now as u8);
                    left -= now;
                }
            }
            Segment::Receive { .. } | Segment::Host(_) => {}
        }
    }
    bytes.push(END);
    let crc = CRC.checksum(&bytes);
    bytes.extend(crc.to_be_bytes());
    let room = (FLASH_BYTES - PROGRAM_OFFSET) as usize;
    match bytes.len() {
        size if size > room => Err(StandaloneError::Size { bytes: size, room }),
        _ => Ok(bytes),
    }
}

/// The program wants nothing from outside but its input, and gives nothing but its
/// output.
fn check(program: &Program) -> Result<(), StandaloneError> {
    let Program { input, output, .. } = program;
    if input.samples > 1 {
        return Err(StandaloneError::Batch(input.samples));
    }
    let input_end = input.offset as usize + input.bytes(&program.config);
    // What comes back says more about a program than that it was stored.
    for (segment, step) in program.segments.iter().enumerate() {
        match *step {
            Segment::SendHost { offset, bytes } => {
                let end = offset as usize + bytes as usize;
                if offset < input.offset || end > input_end {
                    return Err(StandaloneError::Spill {
                        segment,
                        offset,
                        config: program.config.name,
                    });
                }
            }
            Segment::Host(_) => return Err(StandaloneError::HostWork(segment)),
            Segment::Send(_) | Segment::Receive { .. } => {}
        }
    }
    let mut output_at = output.offset;
    for (segment, step) in program.segments.iter().enumerate() {
        if let Segment::Receive { offset, bytes } = *step {
            if offset != output_at {
                return Err(StandaloneError::Output(segment));
            }
            output_at += bytes;
        }
    }
    Ok(())
}

/// What a board wants from the link for one run: the input bytes in the order in which
/// the program takes them, out of the host memory that holds the input.
pub fn input(program: &Program, host: &[u8]) -> Vec<u8> {
    let wanted = program.segments.iter().filter_map(|segment| match segment {
        Segment::SendHost { offset, bytes } => Some(&host[*offset as usize..][..*bytes as usize]),
        _ => None,
    });
    wanted.flatten().copied().collect()
}

/// One step of a run from flash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Literal(Vec<u8>),
    Input(usize),
}

/// Reads what [`to_flash`] wrote, and says of other bytes what a board of this
/// configuration would say. What follows the program is no part of it.
pub fn from_flash(bytes: &[u8], config: &Config) -> Result<(u8, Vec<Record>), Fault> {
    let expected = header(config);
    for (place, byte) in expected.iter().enumerate() {
        if bytes.get(place) != Some(byte) {
            return Err(match place < MAGIC_BYTES {
                true => Fault::Missing,
                false => Fault::Mismatch,
            });
        }
    }
    let mut rest = bytes[HEADER_BYTES..].iter().copied();
    let mut take = || rest.next().ok_or(Fault::Damaged);
    let classes = take()?;
    let mut records = Vec::new();
    let mut length = HEADER_BYTES + 1;
    loop {
        let record = take()?;
        let count = (record & !INPUT_BIT) as usize;
        length += 1;
        if record == END {
            break;
        }
        if record & INPUT_BIT != 0 {
            records.push(Record::Input(count));
        } else {
            let literal = (0..count).map(|_| take()).collect::<Result<_, _>>()?;
            records.push(Record::Literal(literal));
            length += count;
        }
    }
    match bytes.get(..length + CRC_BYTES) {
        Some(whole) if CRC.checksum(whole) == 0 => Ok((classes, records)),
        _ => Err(Fault::Damaged),
    }
}
