//! The cycle model: how many clock cycles the RTL takes, exactly, when both stream
//! ports are always ready.

use crate::numerics::{idle_steps, step_count};
use crate::{ChannelParameters, Config, Instruction, Matrix, Pattern, Source, Target};

/// Cycles from the first beat of the instruction to the cycle before the first
/// beat of the next one, data of a `Load` included.
///
/// `parameters` gives the parameter word at an index, as it is when the
/// instruction executes: the requantiser's time depends on it.
pub fn instruction_cycles(
    config: &Config,
    instruction: &Instruction,
    (pattern, target): (Option<Pattern>, Option<Target>),
    parameters: impl Fn(usize) -> ChannelParameters,
) -> u64 {
    let execution = match instruction {
        Instruction::Begin { .. }
        | Instruction::Halt
        | Instruction::Pattern(_)
        | Instruction::Target(_) => 0,
        Instruction::Load { space, count, .. } => *count as u64 * config.word_beats(*space) as u64,
        Instruction::Matrix(matrix) => {
            let positions = pattern.map_or(0, |pattern| pattern.positions());
            matrix_cycles(config, matrix, positions as u64)
        }
        // The unit starts in the decoding cycle.
        Instruction::Activate(activate) => {
            let positions = target.map_or(0, |target| target.positions());
            let first = activate.parameter as usize;
            let outputs = first..first + activate.columns as usize;
            activate_cycles(config, positions as u64, outputs, parameters) - 1
        }
        Instruction::Vector(vector) => {
            let positions = target.map_or(0, |target| target.positions());
            let first = vector.parameter as usize;
            let outputs = (0..vector.columns as usize).map(|i| first + i % config.vector_lanes);
            let taps = vector.inner as u64 * vector.outer as u64;
            let reads = positions as u64 * vector.columns as u64 * taps;
            reads + activate_cycles(config, positions as u64, outputs, parameters) - 1
        }
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
fn matrix_cycles(config: &Config, matrix: &Matrix, positions: u64) -> u64 {
    let tiles = matrix.inner as u64 * matrix.outer as u64;
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
    positions: u64,
    outputs: impl Iterator<Item = usize>,
    parameters: impl Fn(usize) -> ChannelParameters,
) -> u64 {
    const FETCH: u32 = 4;
    let rows = config.requantise_rows;
    let position: u64 = outputs
        .map(|output| parameters(output).steps)
        .map(|steps| FETCH.max(step_count(steps, rows) - idle_steps(rows) + 1) as u64)
        .sum();
    5 + positions * position + 7
}
