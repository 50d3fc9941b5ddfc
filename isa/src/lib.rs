//! The contract between Quern's compiler, its hardware and everything that runs
//! a program: sizes, instructions, the program stream, number semantics, the
//! reference machine and the cycle model. No hardware description and no I/O.
//!
//! ```text
//!  compiler ──► Program ──► Machine (reference, RTL, exported Verilog, board)
//!                              │
//!                 outputs, memories and cycles: the same on every machine
//! ```

#![forbid(unsafe_code)]

pub mod activation_cycles;
mod assembler;
mod compared;
mod config;
pub mod cycles;
mod hazards;
mod host;
mod instruction;
pub mod link;
mod machine;
pub mod numerics;
mod parameters;
mod program;
mod reference;
mod script;
pub mod standalone;
pub mod trace;

pub use assembler::Assembler;
pub use compared::Compared;
pub use config::{Config, ASIC16, CONFIGS, CU, TINY};
pub use hazards::{Hazards, Unit, Waits};
pub use host::{
    FloatAverage, FloatRounding, HostMap, HostStep, HostWindow, HostWork, IntegerAverage,
    IntegerChannel, IntegerConvolution,
};
pub use instruction::{
    opcode, Activate, Combine, DecodeError, Instruction, Matrix, Pattern, Source, Space, Target,
    Vector, INSTRUCTION_BYTES, ISA_VERSION,
};
pub use machine::{
    Counters, Difference, Inspect, Machine, MachineError, Memories, Run, ERROR_ILLEGAL,
    ERROR_MISMATCH,
};
pub use parameters::{ChannelParameters, MANTISSA_BITS};
pub use program::{Program, ProgramError, Region, Segment};
pub use reference::Reference;
pub use script::Script;

/// Entries of the activation unit's table: one for each byte.
pub const TABLE_ENTRIES: usize = 256;

/// Entries of the vector unit's two lookup tables together.
pub const LOOKUP_ENTRIES: usize = 512;
