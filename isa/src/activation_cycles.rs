//! When the activation unit does what others can notice: reads accumulators, writes
//! activations, ends.

use crate::cycles::accumulator_read_latency;
use crate::numerics::{idle_steps, step_count};
use crate::{ChannelParameters, Config};

/// Cycles counted from the one that the instruction starts in, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivationTimes {
    /// A slot is taken from the matrix sequencer.
    pub requests: Vec<u64>,
    /// The activation memory is written.
    pub writes: Vec<u64>,
    /// First cycle in which the unit is not busy.
    pub end: u64,
}

/// `outputs`: the parameters of each column.
pub fn activate(
    config: &Config,
    positions: usize,
    outputs: &[ChannelParameters],
) -> ActivationTimes {
    const FETCH: u32 = 4;
    let rows = config.requantise_rows;
    let mut times = ActivationTimes::default();
    let mut request = 1;
    for _ in 0..positions {
        times.requests.push(request);
        let mut take = request + accumulator_read_latency(config.lanes) as u64 + 4;
        for output in outputs {
            let digits = step_count(output.steps, rows) - idle_steps(rows);
            request = take + 1;
            take += FETCH.max(digits + 1) as u64;
            times.writes.push(take + 7);
            times.end = take + 8;
        }
    }
    times
}
