//! The cycle model: how many clock cycles the RTL takes, exactly, when both stream
//! ports are always ready.

use crate::{ChannelParameters, Config, Instruction};

/// Cycles from the first beat of the instruction to the cycle before the first
/// beat of the next one, data of a `Load` included.
///
/// `parameters` gives the parameter word at an index, as it is when the
/// instruction executes: the requantiser's time depends on it.
pub fn instruction_cycles(
    config: &Config,
    instruction: &Instruction,
    parameters: impl Fn(usize) -> ChannelParameters,
) -> u64 {
    let _ = (config, instruction, &parameters);
    0
}

/// Cycles from the first beat of an instruction to the cycle before it executes:
/// its beats and one for decoding.
pub fn fetch_cycles(config: &Config) -> u64 {
    config.instruction_beats() as u64 + 1
}
