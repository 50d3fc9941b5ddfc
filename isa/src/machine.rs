//! What every machine that runs programs has in common, so that any two can be
//! compared: outputs, memories, counters.

use crate::{Config, DecodeError, Program, Unit};
use std::fmt;
use thiserror::Error;

/// Something that runs programs: the reference, the RTL in a simulator, a board.
pub trait Machine {
    /// The configuration it was built for; it refuses programs of others.
    fn config(&self) -> &Config;

    /// Runs one program against the host memory it reads inputs from and writes
    /// outputs to ([`Program::host_bytes`] bytes). Memories keep their contents
    /// between runs.
    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError>;
}

/// A machine that can be looked into. A board can't.
pub trait Inspect: Machine {
    /// A copy of every memory as it stands.
    fn memories(&self) -> Memories;
}

impl<M: Machine + ?Sized> Machine for Box<M> {
    fn config(&self) -> &Config {
        (**self).config()
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        (**self).run(program, host)
    }
}

impl<M: Inspect + ?Sized> Inspect for Box<M> {
    fn memories(&self) -> Memories {
        (**self).memories()
    }
}

/// What one run reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    pub counters: Counters,
}

/// The core's counters from `Begin` to `Halt`, 32 bits each, in the order in
/// which `Store` of [`Source::Counters`](crate::Source) sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Clock cycles from the one that accepts `Begin`'s first beat to the one
    /// that executes `Halt`, both included.
    pub cycles: u32,
    /// Cycles in which the core waited for the input stream.
    pub input_stalls: u32,
    /// Cycles in which the core waited for the output stream.
    pub output_stalls: u32,
    /// Cycles in which a position entered the array: times `lanes * columns`
    /// these are the multiply-accumulates done, padding included.
    pub matrix_cycles: u32,
}

impl Counters {
    /// Bytes in which they are stored.
    pub const BYTES: usize = 16;

    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Counters {
        let word = |index: usize| {
            let at = 4 * index;
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Counters {
            cycles: word(0),
            input_stalls: word(1),
            output_stalls: word(2),
            matrix_cycles: word(3),
        }
    }

    /// Names of the [words](Self::words).
    pub const NAMES: [&'static str; 4] =
        ["cycles", "input stalls", "output stalls", "matrix cycles"];

    pub fn words(&self) -> [u32; 4] {
        [
            self.cycles,
            self.input_stalls,
            self.output_stalls,
            self.matrix_cycles,
        ]
    }
}

/// The contents of every memory. Accumulators are sign-extended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memories {
    pub activations: Vec<u8>,
    pub weights: Vec<u8>,
    pub parameters: Vec<u8>,
    pub table: Vec<u8>,
    pub lookup: Vec<u8>,
    pub accumulators: Vec<i32>,
}

impl Memories {
    /// All zero, as after power-up in every simulator.
    pub fn new(config: &Config) -> Memories {
        use crate::Space::*;
        let bytes = |space| vec![0; config.words(space) * config.word_bytes(space)];
        Memories {
            activations: bytes(Activations),
            weights: bytes(Weights),
            parameters: bytes(Parameters),
            table: bytes(Table),
            lookup: bytes(Lookup),
            accumulators: vec![0; config.accumulator_words * config.columns],
        }
    }

    /// The first place in which two machines differ.
    pub fn difference(&self, other: &Memories) -> Option<Difference> {
        let first = Difference::first::<u8>;
        first("activations", &self.activations, &other.activations)
            .or_else(|| first("weights", &self.weights, &other.weights))
            .or_else(|| first("parameters", &self.parameters, &other.parameters))
            .or_else(|| first("table", &self.table, &other.table))
            .or_else(|| first("lookup", &self.lookup, &other.lookup))
            .or_else(|| Difference::first("accumulators", &self.accumulators, &other.accumulators))
    }
}

/// One disagreement between two machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub memory: &'static str,
    /// Byte (or accumulator) number in that memory.
    pub index: usize,
    pub ours: i64,
    pub theirs: i64,
}

impl Difference {
    /// The first place in which two memories of one size differ.
    pub fn first<T: Copy + PartialEq + Into<i64>>(
        memory: &'static str,
        ours: &[T],
        theirs: &[T],
    ) -> Option<Difference> {
        assert_eq!(ours.len(), theirs.len(), "{memory}: sizes differ");
        let index = ours.iter().zip(theirs).position(|(a, b)| a != b)?;
        Some(Difference {
            memory,
            index,
            ours: ours[index].into(),
            theirs: theirs[index].into(),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Difference {
            memory,
            index,
            ours,
            theirs,
        } = self;
        write!(f, "{memory}[{index}]: {ours} against {theirs}")
    }
}

/// Error code of the core: bytes that are no instruction.
pub const ERROR_ILLEGAL: u8 = 1;
/// Error code of the core: `Begin` names another instruction set or configuration.
pub const ERROR_MISMATCH: u8 = 2;

impl MachineError {
    /// What an error code on the core's port means.
    pub fn core(code: u8) -> MachineError {
        let meaning = match code {
            ERROR_ILLEGAL => "the stream holds an illegal instruction",
            ERROR_MISMATCH => "the program was compiled for another configuration",
            _ => "unknown",
        };
        MachineError::Core { code, meaning }
    }
}

/// Why a machine did not finish a program.
#[derive(Debug, Error)]
pub enum MachineError {
    #[error("the program was compiled for `{program}`, this machine is `{machine}`; compile it with `--config {machine}`")]
    Config {
        program: &'static str,
        machine: &'static str,
    },
    #[error("host memory has {actual} bytes, the program needs {expected}")]
    HostMemory { actual: usize, expected: usize },
    #[error("instruction {index} (byte {offset} of the stream): {source}")]
    Decode {
        index: usize,
        offset: usize,
        source: DecodeError,
    },
    #[error("instruction {index} reaches word {word} of {memory}, which has {words}")]
    OutOfRange {
        index: usize,
        memory: &'static str,
        word: usize,
        words: usize,
    },
    #[error("instruction {index} needs the pattern or target of an earlier instruction, and there is none that fits: {reason}")]
    Geometry { index: usize, reason: &'static str },
    #[error("instruction {index} does not wait for the {unit}, which may still be at work on what it needs")]
    Hazard { index: usize, unit: Unit },
    #[error("instruction {index} or its data come from host memory that an earlier receive has not filled")]
    Starved { index: usize },
    #[error("the stream ends inside instruction {index} or its data")]
    Truncated { index: usize },
    #[error("segment {segment}: the program {problem}")]
    Stream {
        segment: usize,
        problem: &'static str,
    },
    #[error("the core reports error {code}: {meaning}")]
    Core { code: u8, meaning: &'static str },
    #[error("no progress for {cycles} cycles; {waiting_for}")]
    Hang {
        cycles: u64,
        waiting_for: &'static str,
    },
    #[error("in program run {run} {ours} and {theirs} differ: {what}")]
    Disagreement {
        /// Counted from 1.
        run: usize,
        ours: &'static str,
        theirs: &'static str,
        what: String,
    },
    #[error("{0}")]
    Other(String),
}
