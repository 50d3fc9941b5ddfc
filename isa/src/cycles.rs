//! The cycle model: how many clock cycles the RTL takes, exactly, when both stream
//! ports are always ready.

use crate::numerics::{idle_steps, step_count};
use crate::{Activate, ChannelParameters, Config, Instruction, Matrix, Source};

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
    let execution = match instruction {
        Instruction::Begin { .. } | Instruction::Halt => 0,
        Instruction::Load { space, count, .. } => *count as u64 * config.word_beats(*space) as u64,
        Instruction::Matrix(matrix) => matrix_cycles(config, matrix),
        // The unit starts in the decoding cycle.
        Instruction::Activate(activate) => activate_cycles(config, activate, parameters) - 1,
        Instruction::Store { source, count, .. } => store_cycles(config, *source, *count),
    };
    fetch_cycles(config) + execution
}

/// Cycles from the first beat of an instruction to the cycle before it executes:
/// its beats and one for decoding.
pub fn fetch_cycles(config: &Config) -> u64 {
    config.instruction_beats() as u64 + 1
}

/// Cycles from lane 0 of an activation word at the array's input to its dot product
/// at the output.
pub const fn matrix_latency(lanes: usize) -> u32 {
    lanes as u32 + 4
}

/// One pass of all positions per tile, without gaps, then the last pass's sums leave
/// the array. A pass lasts at least as long as its tile takes to load.
fn matrix_cycles(config: &Config, matrix: &Matrix) -> u64 {
    let (positions, tiles) = (matrix.positions as u64, matrix.tiles as u64);
    let pass = positions.max(config.lanes as u64);
    (tiles - 1) * pass + positions + matrix_latency(config.lanes) as u64 + 1
}

/// Two cycles per word to read it, its beats, and one for the last to be taken.
fn store_cycles(config: &Config, source: Source, count: u16) -> u64 {
    const SUM_BYTES: usize = 4;
    let beats = |values: usize, bytes: usize| (values * bytes.div_ceil(config.stream_bytes)) as u64;
    let (words, word_beats) = match source {
        Source::Activations => (count as u64, beats(1, config.lanes)),
        Source::Accumulators => (count as u64, beats(config.columns, SUM_BYTES)),
        Source::Counters => (1, beats(4, SUM_BYTES)),
    };
    words * (2 + word_beats) + 1
}

/// Cycles from the one `ActivationUnit` gets its start pulse in to the one it writes
/// the last byte in, both included.
///
/// Five cycles to fetch the first output, seven from the last one's product to its
/// write. Between them a cycle for each digit of a sum and one more, but not fewer
/// than it takes to fetch the next output.
pub fn activate_cycles(
    config: &Config,
    activate: &Activate,
    parameters: impl Fn(usize) -> ChannelParameters,
) -> u64 {
    const FETCH: u32 = 4;
    let rows = config.requantise_rows;
    let position: u64 = (0..activate.columns as usize)
        .map(|column| parameters(activate.parameter as usize + column).steps)
        .map(|steps| FETCH.max(step_count(steps, rows) - idle_steps(rows) + 1) as u64)
        .sum();
    5 + activate.positions as u64 * position + 7
}
