//! What a way of running an operation costs: cycles of the units, and how far they
//! overlap.

use quern_isa::activation_cycles::accumulator_read_latency;
use quern_isa::{numerics, Config, Space};

/// Cycles, as if all stream ports were always ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Of the input stream: instructions, weights and parameters, activations.
    pub fetch: u64,
    pub literal: u64,
    pub input: u64,
    /// Of the units.
    pub matrix: u64,
    pub activation: u64,
    pub store: u64,
    /// Matrices that are each followed by their activate.
    pub stages: u64,
    /// There is one buffer for input blocks: loads wait for the matrix.
    pub input_waits: bool,
    /// There is one buffer for outputs: activates wait for the store.
    pub output_waits: bool,
    /// All accumulators are in use: the matrix waits for activates.
    pub sums_wait: bool,
}

impl Cost {
    /// Cycles with what overlaps overlapped.
    pub fn cycles(&self) -> u64 {
        let stream = self.fetch + self.literal + self.input;
        let mut matrix = self.matrix + self.store;
        let mut activation = self.activation;
        if self.input_waits {
            matrix += self.input;
        }
        if self.output_waits {
            activation += self.store;
        }
        if self.sums_wait {
            matrix += activation;
        }
        // The first matrix has no activate beside it, and the last activate no matrix.
        let alone = self.matrix.min(self.activation) / self.stages.max(1);
        stream.max(matrix).max(activation) + alone
    }

    /// What is minimised: the cycles, and where they are the same, the traffic.
    pub fn weight(&self) -> u64 {
        let traffic = self.fetch + self.literal + self.input + self.store;
        self.cycles() * 8 + traffic
    }
}

/// Cycles in which instructions are fetched.
pub fn fetch(config: &Config, instructions: usize) -> u64 {
    (instructions * (config.instruction_beats() + 1)) as u64
}

/// Cycles in which words are loaded.
pub fn beats(config: &Config, space: Space, words: usize) -> u64 {
    (words * config.word_beats(space)) as u64
}

/// Cycles in which activation words are stored.
pub fn store(config: &Config, words: usize) -> u64 {
    (words * (2 + config.word_beats(Space::Activations))) as u64
}

/// Cycles from one output (with vector lanes: one word) of the activation unit to the next,
/// for the scales that occur most: 2^-10 or so.
pub fn output_cycles(config: &Config) -> u64 {
    const SHIFT: u32 = 33;
    let rows = config.requantise_rows;
    numerics::interval(SHIFT.div_ceil(rows), rows) as u64
}

/// Cycles of a matrix instruction: a pass of all positions per tile, which lasts at least
/// as long as the tile takes to load.
pub fn matrix(config: &Config, tiles: u64, positions: u64) -> u64 {
    let pass = positions.max(config.lanes as u64);
    (tiles - 1) * pass + positions + matrix_ends(config)
}

/// Cycles in which a matrix instruction gets its sums out, and the next has not begun.
pub fn matrix_ends(config: &Config) -> u64 {
    accumulator_read_latency(config.lanes) + 3
}

/// Cycles from an activate's first request to its first output, and from its last output to
/// the next one's request.
pub fn activate_ends(config: &Config) -> u64 {
    const QUEUE_AND_WRITE: u64 = 18;
    accumulator_read_latency(config.lanes) + QUEUE_AND_WRITE
}

/// Cycles of an activate (no taps) or vector instruction. Reading the taps of the next
/// output overlaps with requantising this one.
pub fn activation(config: &Config, outputs: usize, columns: usize, taps: usize) -> u64 {
    let lanes = config.vector_lanes.min(columns);
    let turns = (outputs / columns * columns.div_ceil(lanes)) as u64;
    turns * output_cycles(config).max(taps as u64)
}
