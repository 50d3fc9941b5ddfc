//! The cycle model: when everything in the core happens, exactly, when both stream ports
//! are always ready (bytes from host memory excepted, which wait for what the program
//! itself stores).
//!
//! Instructions pass through one place, the sequencer, in order. So time is followed
//! there, and of each unit only when it is free again. Two of them get in each other's
//! way: the activation unit's accumulator reads take slots of the matrix sequencer's
//! positions, and its writes hold up a load of activations. Their cycles depend on
//! nothing else and are listed when an instruction of the activation unit starts.

use crate::activation_cycles::{accumulator_read_latency, ActivationTimes, REQUEST_LATENCY};
use crate::{Config, Counters, Instruction, Source, Space, Unit, Waits};
use serde::Serialize;
use std::ops::{Add, Sub};

/// Cycles from the first beat of an instruction to the one that starts it, without
/// waiting, included.
pub fn fetch_cycles(config: &Config) -> u64 {
    config.instruction_beats() as u64 + 1
}

/// Cycles from lane 0 of an activation word at the array's input to its dot product
/// at the output.
pub const fn matrix_latency(lanes: usize) -> u32 {
    lanes as u32 + 3
}

/// Cycles in which no matrix instruction was under way, by what the next one stood behind:
/// instructions start in order, so it is what the sequencer waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Idle {
    /// Before the first matrix instruction of a run.
    pub start_up: u64,
    /// Instructions and data on the input stream.
    pub stream: u64,
    /// The activation unit.
    pub activation: u64,
    /// A store.
    pub store: u64,
}

impl Idle {
    /// Waiting for one of the two streams. Start-up does, for the first instructions,
    /// weights and inputs; and a store lasts as long as its bytes need on the output.
    pub fn of_streams(&self) -> u64 {
        self.start_up + self.stream + self.store
    }

    fn zip(self, other: Idle, with: impl Fn(u64, u64) -> u64) -> Idle {
        Idle {
            start_up: with(self.start_up, other.start_up),
            stream: with(self.stream, other.stream),
            activation: with(self.activation, other.activation),
            store: with(self.store, other.store),
        }
    }
}

impl Add for Idle {
    type Output = Idle;

    fn add(self, other: Idle) -> Idle {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Idle {
    type Output = Idle;

    fn sub(self, other: Idle) -> Idle {
        self.zip(other, |a, b| a - b)
    }
}

/// Follows a run. Cycle 0 takes the first beat of `begin`.
#[derive(Debug, Clone)]
pub struct Timing {
    config: Config,
    /// First cycle in which the sequencer, or the loader, can take a beat.
    now: u64,
    input_stalls: u64,
    matrix_cycles: u64,
    idle: Idle,
    matrix: Option<MatrixRun>,
    activation_free: u64,
    store_free: u64,
    /// Slots of the activation unit's accumulator reads since the matrix instruction
    /// under way started, and of its writes.
    requests: Vec<u64>,
    writes: Vec<u64>,
    stores: Vec<StoreRun>,
    /// A load of activations is under way.
    loading_activations: bool,
}

/// A matrix instruction that has started.
#[derive(Debug, Clone, Copy)]
struct MatrixRun {
    start: u64,
    passes: u64,
    positions: u64,
}

/// A store that has started. Its beats follow those of the store before it.
#[derive(Debug, Clone, Copy)]
struct StoreRun {
    start: u64,
    first_beat: u64,
    beats: u64,
    word_beats: u64,
}

impl StoreRun {
    /// Two cycles per word to read it, its beats, and one for a beat to be taken.
    fn cycle_of_beat(&self, beat: u64) -> u64 {
        let beat = beat - self.first_beat;
        let words = beat / self.word_beats;
        self.start + beat + 2 * (words + 1) + 2
    }

    fn free(&self) -> u64 {
        self.cycle_of_beat(self.first_beat + self.beats - 1) + 1
    }
}

impl Timing {
    pub fn new(config: &Config) -> Timing {
        Timing {
            config: *config,
            now: 0,
            input_stalls: 0,
            matrix_cycles: 0,
            idle: Idle::default(),
            matrix: None,
            activation_free: 0,
            store_free: 0,
            requests: Vec::new(),
            writes: Vec::new(),
            stores: Vec::new(),
            loading_activations: false,
        }
    }

    /// The next beats of the input are taken; they wait until `awaited` bytes have been
    /// received.
    pub fn beats(&mut self, beats: u64, awaited: usize) {
        let (available, before) = (self.received(awaited), self.now);
        match self.loading_activations && self.writes.last() >= Some(&self.now) {
            false => {
                self.input_stalls += available.saturating_sub(self.now);
                self.now = self.now.max(available) + beats;
            }
            true => {
                // Cycles between writes are those of beats, or of stalls before them.
                let (mut rest, start) = (beats, self.now);
                let first = self.writes.partition_point(|&write| write < start);
                for &write in &self.writes[first..] {
                    let stalls = available.min(write).saturating_sub(self.now);
                    let taken = rest.min(write - self.now - stalls);
                    self.input_stalls += stalls;
                    self.now += stalls + taken;
                    rest -= taken;
                    if rest == 0 {
                        break;
                    }
                    self.now = write + 1;
                }
                if rest > 0 {
                    let stalls = available.saturating_sub(self.now);
                    self.input_stalls += stalls;
                    self.now += stalls + rest;
                }
            }
        }
        self.array_idles(before, None);
    }

    /// The instruction that has been fetched starts: the cycle in which it does.
    pub fn start(&mut self, instruction: &Instruction, waits: Waits) -> u64 {
        let own = Unit::of(instruction);
        let waits_for_all = match instruction {
            Instruction::Halt => true,
            Instruction::Store { source, .. } => *source == Source::Counters,
            _ => false,
        };
        let before = self.now;
        let mut awaited = None;
        for unit in Unit::ALL {
            let free = self.free(unit);
            if (waits_for_all || waits.contains(unit) || own == Some(unit)) && free > self.now {
                (self.now, awaited) = (free, Some(unit));
            }
        }
        let start = self.now;
        self.array_idles(before, awaited);
        self.now += 1;
        self.array_idles(start, None);
        self.loading_activations = matches!(
            instruction,
            Instruction::Load {
                space: Space::Activations,
                ..
            }
        );
        start
    }

    /// Up to the start of the last instruction.
    pub fn idle(&self) -> Idle {
        self.idle
    }

    /// The data of a load are in.
    pub fn loaded(&mut self) {
        self.loading_activations = false;
    }

    /// A matrix instruction has started.
    pub fn matrix(&mut self, start: u64, passes: usize, positions: usize) {
        self.requests.retain(|&request| request > start);
        self.matrix_cycles += (passes * positions) as u64;
        self.matrix = Some(MatrixRun {
            start,
            passes: passes as u64,
            positions: positions as u64,
        });
    }

    /// An instruction of the activation unit has started.
    pub fn activation(&mut self, start: u64, times: &ActivationTimes) {
        // All listed before are over; a matrix instruction under way may still have
        // to be told of them.
        if self.free(Unit::Matrix) <= start {
            self.requests.clear();
        }
        self.requests.extend(
            times
                .requests
                .iter()
                .map(|cycle| start + REQUEST_LATENCY + cycle),
        );
        self.writes.clear();
        self.writes
            .extend(times.writes.iter().map(|cycle| start + cycle));
        self.activation_free = start + times.end;
    }

    /// A store has started.
    pub fn store(&mut self, start: u64, source: Source, count: usize) {
        const SUM_BYTES: usize = 4;
        let beats = |bytes: usize| bytes.div_ceil(self.config.stream_bytes) as u64;
        let (words, word_beats) = match source {
            Source::Activations => (count as u64, beats(self.config.lanes)),
            Source::Accumulators => {
                let columns = self.config.columns as u64;
                (count as u64, columns * beats(SUM_BYTES))
            }
            Source::Counters => (1, 4 * beats(SUM_BYTES)),
        };
        let store = StoreRun {
            start,
            first_beat: self.stores.last().map_or(0, |s| s.first_beat + s.beats),
            beats: words * word_beats,
            word_beats,
        };
        self.stores.push(store);
        self.store_free = store.free();
        if source == Source::Counters {
            // Nothing is fetched meanwhile.
            self.now = self.store_free;
        }
    }

    /// The counters as `halt` leaves them or as a store sends them that starts in this
    /// cycle.
    pub fn counters(&self, start: u64) -> Counters {
        Counters {
            cycles: (start + 1) as u32,
            input_stalls: self.input_stalls as u32,
            output_stalls: 0,
            matrix_cycles: self.matrix_cycles as u32,
        }
    }

    /// The first cycle in which the next beat can be taken.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The time since `before` was spent waiting for a unit, or for the stream.
    fn array_idles(&mut self, before: u64, awaited: Option<Unit>) {
        let idle = self.now - before.max(self.free(Unit::Matrix)).min(self.now);
        let of = match (self.matrix, awaited) {
            (None, _) => &mut self.idle.start_up,
            (_, None) => &mut self.idle.stream,
            (_, Some(Unit::Store)) => &mut self.idle.store,
            (_, Some(_)) => &mut self.idle.activation,
        };
        *of += idle;
    }

    /// The first cycle in which a unit is not busy, if nothing starts before.
    fn free(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Matrix => self.matrix.map_or(0, |run| self.matrix_free(run)),
            Unit::Activation => self.activation_free,
            Unit::Store => self.store_free,
        }
    }

    /// One pass of all positions per tile, without gaps but for the slots taken by the
    /// activation unit; then the last pass's sums leave the array. A pass lasts at least
    /// as long as its tile takes to load.
    fn matrix_free(&self, run: MatrixRun) -> u64 {
        let rows = self.config.lanes as u64;
        let mut slot = run.start + 2;
        let mut requests = self.requests.iter().peekable();
        for pass in 0..run.passes {
            while requests.next_if(|&&request| request < slot).is_some() {}
            if requests.peek().is_none() {
                slot += (run.passes - pass - 1) * run.positions.max(rows) + run.positions;
                break;
            }
            let mut end = slot + run.positions;
            while requests.next_if(|&&request| request < end).is_some() {
                end += 1;
            }
            slot = match pass + 1 == run.passes {
                true => end,
                false => end.max(slot + rows),
            };
        }
        slot + accumulator_read_latency(self.config.lanes) + 1
    }

    /// The first cycle in which so many bytes of the output have been received.
    fn received(&self, bytes: usize) -> u64 {
        let beats = bytes.div_ceil(self.config.stream_bytes) as u64;
        if beats == 0 {
            return 0;
        }
        let store = self.stores.partition_point(|s| s.first_beat < beats);
        self.stores[store - 1].cycle_of_beat(beats - 1) + 1
    }
}
