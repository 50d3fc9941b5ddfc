//! When the activation unit does what: exactly, from the cycle of its start pulse on.
//!
//! ```text
//!  begin an output ─► accumulator, or taps ─► queue ─► requantise ─► write
//!        ▲ while fewer than 16 wait                       │ digits
//!        └────────────────────────────────────────────────┘
//! ```
//! It depends on the instruction and the parameter words, never on data, and on no
//! other unit: its reads are always granted, and its writes come first.

use crate::numerics::{self, step_count, LEAST_INTERVAL};
use crate::{Activate, ChannelParameters, Combine, Config, Vector};

/// Cycles, counted from that of the start pulse, 0; ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivationTimes {
    /// A word of accumulators is asked for.
    pub requests: Vec<u64>,
    /// Activations are written.
    pub writes: Vec<u64>,
    /// The first cycle in which the unit is idle again.
    pub end: u64,
}

/// Cycles from the slot of a word of accumulators to the one in which their memory is
/// addressed: those that a position takes from the matrix sequencer to there.
pub const fn accumulator_read_latency(lanes: usize) -> u64 {
    lanes as u64 + 4
}

/// Cycles from the activation unit's request of a word to the one in which it takes a
/// position's slot.
pub const REQUEST_LATENCY: u64 = 1;

/// `parameters` gives the parameter word at an index, as it is while the instruction
/// executes.
pub fn activate(
    config: &Config,
    activate: &Activate,
    positions: usize,
    parameters: impl Fn(usize) -> ChannelParameters,
) -> ActivationTimes {
    let columns = activate.columns as usize;
    let first = activate.parameter as usize;
    let intervals: Vec<u64> = (0..columns)
        .step_by(config.vector_lanes)
        .map(|column| interval(config, first + column, columns - column, &parameters))
        .collect();
    let latency = REQUEST_LATENCY + accumulator_read_latency(config.lanes);
    let mut unit = Unit::default();
    let mut free = 2;
    for _ in 0..positions {
        let request = free.max(unit.room());
        // A column a cycle; words are asked for every other cycle at most.
        free = request + intervals.len().max(2) as u64;
        unit.times.requests.push(request);
        for (column, &interval) in intervals.iter().enumerate() {
            unit.output(request + latency + 2 + column as u64, interval);
        }
    }
    unit.finish()
}

/// Cycles from an output's last tap to its value in the queue.
const COMBINE_LATENCY: u64 = 6;

/// As [`activate`].
pub fn vector(
    config: &Config,
    vector: &Vector,
    positions: usize,
    parameters: impl Fn(usize) -> ChannelParameters,
) -> ActivationTimes {
    let columns = vector.columns as usize;
    let interval = interval(config, vector.parameter as usize, columns, &parameters);
    let taps = vector.inner as u64 * vector.outer as u64;
    // A product's digits.
    let multiplication = match vector.combine {
        Combine::Product => 8,
        _ => 0,
    };
    let mut unit = Unit::default();
    let mut free = 2;
    for _ in 0..positions * columns.div_ceil(config.vector_lanes) {
        let last_tap = free.max(unit.room()) + taps - 1;
        free = last_tap + 1 + multiplication;
        unit.output(last_tap + COMBINE_LATENCY + multiplication, interval);
    }
    unit.finish()
}

/// Cycles from an output to the next: those of the slowest of the lanes beside each
/// other that take part.
fn interval(
    config: &Config,
    first: usize,
    columns: usize,
    parameters: impl Fn(usize) -> ChannelParameters,
) -> u64 {
    let rows = config.requantise_rows;
    (first..first + columns.min(config.vector_lanes))
        .map(|index| numerics::interval(step_count(parameters(index).steps, rows), rows))
        .fold(LEAST_INTERVAL, u32::max) as u64
}

/// From the queue on.
#[derive(Default)]
struct Unit {
    times: ActivationTimes,
    outputs: usize,
    /// When the last [`ROOM`] outputs were taken from the queue.
    taken: [u64; ROOM],
    /// The requantiser is through with the last one.
    ready: u64,
}

/// Outputs that may have begun and not been taken when another begins.
const ROOM: usize = 16;

impl Unit {
    /// The first cycle in which the next output may begin.
    fn room(&self) -> u64 {
        match self.outputs {
            0..ROOM => 0,
            outputs => self.taken[outputs % ROOM] + 1,
        }
    }

    /// The next output, whose value comes into the queue in cycle `pushed`.
    fn output(&mut self, pushed: u64, interval: u64) {
        let taken = self.ready.max(pushed + 3);
        self.ready = taken + interval;
        self.taken[self.outputs % ROOM] = taken;
        self.outputs += 1;
        self.times.writes.push(self.ready + 8);
    }

    fn finish(mut self) -> ActivationTimes {
        self.times.end = self.times.writes.last().map_or(0, |write| write + 1);
        self.times
    }
}
