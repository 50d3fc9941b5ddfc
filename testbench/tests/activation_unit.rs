//! The activation unit against the meaning of `activate` and `vector`, write by write
//! and cycle by cycle, in RustHDL and as exported Verilog.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
use quern_hdl::ActivationUnit;
use quern_isa::activation_cycles::{
    self, accumulator_read_latency, ActivationTimes, REQUEST_LATENCY,
};
use quern_isa::numerics::{encode_scale, requantise_with, wrap};
use quern_isa::{
    Activate, ChannelParameters, Combine, Config, Pattern, Target, Vector, ASIC16, CU, TINY,
};
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;
use std::collections::VecDeque;

type Tiny = ActivationUnit<4, 1, 32, 8, 6, 6, 4, 27>;
type Cu = ActivationUnit<8, 1, 24, 9, 8, 8, 6, 29>;
type Asic16 = ActivationUnit<16, 16, 32, 13, 10, 10, 8, 31>;

#[test]
fn outputs_are_what_the_instruction_says_on_tiny() {
    Bench::new(Tiny::default(), &TINY).random_instructions(100);
}

#[test]
fn outputs_are_what_the_instruction_says_on_cu() {
    Bench::new(Cu::default(), &CU).random_instructions(100);
}

#[test]
fn outputs_are_what_the_instruction_says_on_asic16() {
    Bench::new(Asic16::default(), &ASIC16).random_instructions(60);
}

#[test]
fn reset_stops_an_instruction_at_once() {
    let mut bench = Bench::new(Cu::default(), &CU);
    let mut runner = runner();
    let memories = sample(&memories(&CU), &mut runner);
    let jobs: Vec<Job> = (0..4).map(|_| sample(&jobs(&CU), &mut runner)).collect();
    // Whatever is under way: requests, taps, digits, a code, a write.
    for cycles in 1..80 {
        let job = &jobs[cycles % jobs.len()];
        bench.begin(job, &memories);
        for _ in 1..cycles {
            bench.cycle(&memories);
        }
        bench.reset();
        for _ in 0..30 {
            assert!(!bench.unit.busy.val());
            assert!(
                bench.cycle(&memories).writes.is_empty(),
                "a write after reset"
            );
        }
    }
    for job in &jobs {
        bench.execute(job, &memories);
    }
    bench.unit.replay().unwrap();
}

/// What the unit reads.
#[derive(Debug)]
struct Memories {
    accumulators: Vec<i32>,
    activations: Vec<u8>,
    parameters: Vec<ChannelParameters>,
    lookup: Vec<i32>,
    table: Vec<u8>,
}

/// A byte written: word, lane, byte.
type Write = (usize, usize, u8);

/// An instruction and what it depends on.
#[derive(Debug, Clone)]
struct Job {
    target: Target,
    pattern: Pattern,
    work: Work,
}

#[derive(Debug, Clone)]
enum Work {
    Activate(Activate),
    Vector(Vector),
}

impl Job {
    /// The bytes that are written, in order.
    fn writes(&self, config: &Config, memories: &Memories) -> Vec<Write> {
        let Config { lanes, columns, .. } = *config;
        let words: Vec<u16> = self.target.offsets().collect();
        let mut writes = Vec::new();
        let mut finish = |position: usize, first: u16, lane: usize, value: i64, how: Finish| {
            let parameters = &memories.parameters[how.parameter];
            let sum = wrap(value + parameters.bias as i64, config.accumulator_bits);
            let Target { low, high, .. } = self.target;
            let rows = config.requantise_rows;
            let code = requantise_with(sum, parameters, rows, low, high, how.even_code);
            let byte = match how.table {
                true => memories.table[code as usize],
                false => code,
            };
            let word = first.wrapping_add(words[position]) as usize + lane / lanes;
            writes.push((word % config.activation_words, lane % lanes, byte));
        };
        match &self.work {
            Work::Activate(a) => {
                for position in 0..words.len() {
                    for column in 0..a.columns as usize {
                        let word = a.accumulator as usize + position;
                        let value = memories.accumulators[word * columns + column] as i64;
                        let how = Finish {
                            parameter: a.parameter as usize + column,
                            table: a.table,
                            even_code: false,
                        };
                        finish(position, a.activation, a.lane as usize + column, value, how);
                    }
                }
            }
            Work::Vector(v) => {
                for (position, offset) in self.pattern.offsets().enumerate() {
                    for column in 0..v.columns as usize {
                        let place = v.source_lane as usize + column;
                        let taps: Vec<u8> = self
                            .pattern
                            .taps(v.inner, v.outer as u16)
                            .map(|tap| v.source.wrapping_add(offset).wrapping_add(tap) as usize)
                            .map(|word| (word + place / lanes) % config.activation_words)
                            .map(|word| memories.activations[word * lanes + place % lanes])
                            .collect();
                        let how = Finish {
                            parameter: v.parameter as usize + column % config.vector_lanes,
                            table: v.table,
                            even_code: v.even_code,
                        };
                        let lane = v.lane as usize + column;
                        finish(
                            position,
                            v.activation,
                            lane,
                            combine(v, &taps, memories),
                            how,
                        );
                    }
                }
            }
        }
        writes
    }

    fn times(&self, config: &Config, memories: &Memories) -> ActivationTimes {
        let positions = self.target.positions();
        let parameters = |index: usize| memories.parameters[index];
        match &self.work {
            Work::Activate(a) => activation_cycles::activate(config, a, positions, parameters),
            Work::Vector(v) => activation_cycles::vector(config, v, positions, parameters),
        }
    }
}

/// What an instruction says of the way from a value to a byte.
struct Finish {
    parameter: usize,
    table: bool,
    even_code: bool,
}

fn combine(vector: &Vector, taps: &[u8], memories: &Memories) -> i64 {
    let bytes = taps.iter().map(|&byte| byte as i64);
    match vector.combine {
        Combine::Sum => bytes.sum(),
        Combine::Maximum => bytes.max().unwrap(),
        Combine::Lookup => taps
            .iter()
            .enumerate()
            .map(|(tap, &byte)| memories.lookup[tap % 2 * 256 + byte as usize] as i64)
            .sum(),
        Combine::Product => {
            let [a, b] = [0, 1].map(|tap| taps[tap] as i64 - vector.zero_points[tap] as i64);
            a * b
        }
    }
}

/// What came out of the unit in a cycle.
#[derive(Default)]
struct Outputs {
    request: bool,
    writes: Vec<Write>,
}

/// The unit between its memories.
struct Bench<
    const R: usize,
    const V: usize,
    const W: usize,
    const A: usize,
    const D: usize,
    const P: usize,
    const Q: usize,
    const M: usize,
> {
    unit: Recorder<ActivationUnit<R, V, W, A, D, P, Q, M>>,
    config: Config,
    /// The cycles until each request under way is due.
    requests: VecDeque<u64>,
    /// The word of accumulators that was addressed a cycle ago, and the one that stands.
    addressed: Option<usize>,
    word: Vec<i32>,
    walk: Walk,
    /// The words read in the last cycle, and the one before.
    read: [Option<usize>; 2],
}

/// The address generator's part: first words of the positions, and of the taps.
#[derive(Default)]
struct Walk {
    positions: Vec<u16>,
    taps: Vec<u16>,
    position: usize,
    tap: usize,
}

impl<
        const R: usize,
        const V: usize,
        const W: usize,
        const A: usize,
        const D: usize,
        const P: usize,
        const Q: usize,
        const M: usize,
    > Bench<R, V, W, A, D, P, Q, M>
{
    fn new(unit: ActivationUnit<R, V, W, A, D, P, Q, M>, config: &Config) -> Self {
        let mut bench = Bench {
            unit: Recorder::clocked(unit, |unit| &mut unit.clock),
            config: *config,
            requests: VecDeque::new(),
            addressed: None,
            word: vec![0; config.columns],
            walk: Walk::default(),
            read: [None; 2],
        };
        bench.reset();
        bench
    }

    fn reset(&mut self) {
        self.unit.reset.next = true;
        self.unit.accumulator_read.next = false;
        self.unit.cycle();
        self.unit.reset.next = false;
        self.requests.clear();
        self.addressed = None;
    }

    /// Random instructions on random memories, one after another.
    fn random_instructions(mut self, count: usize) {
        let config = self.config;
        let mut runner = runner();
        for _ in 0..4 {
            let memories = sample(&memories(&config), &mut runner);
            for _ in 0..count / 4 {
                let job = sample(&jobs(&config), &mut runner);
                self.execute(&job, &memories);
                // The next one may start at once, or later.
                for _ in 0..sample(&(0usize..3), &mut runner) {
                    assert!(
                        self.cycle(&memories).writes.is_empty(),
                        "a write while idle"
                    );
                }
            }
        }
        self.unit.replay().unwrap();
    }

    /// Runs one instruction and compares its writes, in order, and its times.
    fn execute(&mut self, job: &Job, memories: &Memories) {
        let expected = job.times(&self.config, memories);
        let mut times = ActivationTimes::default();
        let mut writes = Vec::new();
        let mut outputs = self.begin(job, memories);
        for cycle in 0.. {
            if outputs.request {
                times.requests.push(cycle);
            }
            if !outputs.writes.is_empty() {
                times.writes.push(cycle);
                writes.append(&mut outputs.writes);
            }
            if !self.unit.busy.val() {
                times.end = cycle + 1;
                break;
            }
            assert!(cycle < expected.end, "busy after {cycle} cycles of {job:?}");
            outputs = self.cycle(memories);
        }
        assert_eq!(writes, job.writes(&self.config, memories), "{job:?}");
        assert_eq!(times, expected, "{job:?}");
    }

    /// Writes the target and starts; what the unit does in the cycle of the start.
    fn begin(&mut self, job: &Job, memories: &Memories) -> Outputs {
        let target = &job.target;
        let unit = &mut self.unit;
        let word = |value: u16| bits::<A>(value as u64 % (1 << A));
        let lanes = |value: u8| bits::<5>(value as u64);
        unit.write_target.next = true;
        unit.x_count.next = word(target.x_count);
        unit.x_stride.next = word(target.x_stride);
        unit.y_count.next = word(target.y_count);
        unit.y_stride.next = word(target.y_stride);
        unit.low.next = bits(target.low as u64);
        unit.high.next = bits(target.high as u64);
        self.cycle(memories);

        let unit = &mut self.unit;
        unit.write_target.next = false;
        unit.x_stride.next = word(!target.x_stride);
        unit.y_count.next = word(!target.y_count);
        unit.low.next = bits(!target.low as u64);
        match &job.work {
            Work::Activate(a) => {
                unit.start_activate.next = true;
                unit.accumulator.next = bits(a.accumulator as u64);
                unit.activation.next = word(a.activation);
                unit.parameter.next = bits(a.parameter as u64);
                unit.columns.next = lanes(a.columns);
                unit.lane.next = lanes(a.lane);
                unit.table.next = a.table;
                unit.even_code.next = false;
                // Bits of other instructions' fields.
                unit.combine.next = bits(a.activation as u64 & 3);
                unit.zero_point_0.next = bits(a.activation as u64 & 255);
            }
            Work::Vector(v) => {
                unit.start_vector.next = true;
                unit.activation.next = word(v.activation);
                unit.parameter.next = bits(v.parameter as u64);
                unit.columns.next = lanes(v.columns);
                unit.lane.next = lanes(v.lane);
                unit.source_lane.next = lanes(v.source_lane);
                unit.table.next = v.table;
                unit.even_code.next = v.even_code;
                unit.combine.next = bits(v.combine as u64);
                unit.zero_point_0.next = bits(v.zero_points[0] as u64);
                unit.zero_point_1.next = bits(v.zero_points[1] as u64);
                self.walk = Walk {
                    positions: (job.pattern.offsets())
                        .map(|offset| v.source.wrapping_add(offset))
                        .collect(),
                    taps: job.pattern.taps(v.inner, v.outer as u16).collect(),
                    position: 0,
                    tap: 0,
                };
            }
        }
        let outputs = self.cycle(memories);
        let unit = &mut self.unit;
        unit.start_activate.next = false;
        unit.start_vector.next = false;
        unit.accumulator.next = !unit.accumulator.val();
        unit.activation.next = !unit.activation.val();
        unit.parameter.next = !unit.parameter.val();
        unit.columns.next = !unit.columns.val();
        unit.combine.next = !unit.combine.val();
        unit.zero_point_1.next = !unit.zero_point_1.val();
        outputs
    }

    /// One cycle: what the unit does in it, and the memories' answers after it.
    fn cycle(&mut self, memories: &Memories) -> Outputs {
        let columns = self.config.columns;
        let unit = &mut self.unit;
        // Accumulators are read some time after the request.
        self.requests.iter_mut().for_each(|due| *due -= 1);
        let read = self.requests.front() == Some(&0);
        if read {
            self.requests.pop_front();
        }
        unit.accumulator_read.next = read;
        let walk = &mut self.walk;
        unit.last_tap.next = walk.tap + 1 == walk.taps.len();
        unit.settle();

        let mut outputs = Outputs {
            request: unit.accumulator_request.val(),
            writes: Vec::new(),
        };
        if outputs.request {
            self.requests
                .push_back(REQUEST_LATENCY + accumulator_read_latency(R));
        }
        let enable = unit.write_enable.val().to_u64();
        let word = unit.write_address.val().index();
        for (lane, byte) in unit.write_data.iter().enumerate() {
            if enable >> lane & 1 == 1 {
                outputs.writes.push((word, lane, byte.val().to_u64() as u8));
            }
        }

        // A word past the last position may be addressed, but means nothing.
        let addressed = unit.accumulator_address.val().index();
        let next = unit.accumulator_next.val();
        let parameter = unit.parameter_address.val().index() & !(V - 1);
        let lookups = unit
            .lookup_index
            .each_ref()
            .map(|index| index.val().index());
        let tables = unit.table_index.each_ref().map(|index| index.val().index());
        let mut activation = None;
        if unit.walk_advance.val() {
            assert!(unit.vector_reading.val(), "a step without the read port");
            let first = walk.positions[walk.position].wrapping_add(walk.taps[walk.tap]);
            let word = first as usize + unit.next_word.val() as usize;
            activation = Some(word % self.config.activation_words);
            walk.tap += 1;
            if walk.tap == walk.taps.len() {
                walk.tap = 0;
                walk.position += !unit.repeat.val() as usize;
            }
        }
        unit.cycle();

        match self.addressed {
            Some(word) => self.word = memories.accumulators[word * columns..][..columns].to_vec(),
            None if next => self.word.rotate_left(1),
            None => {}
        }
        self.addressed = read.then_some(addressed);
        let mask = (1u64 << W) - 1;
        for (port, &value) in unit.accumulator_value.iter_mut().zip(&self.word) {
            port.next = bits(value as u64 & mask);
        }
        for i in 0..V {
            let parameters = &memories.parameters[(parameter + i) % memories.parameters.len()];
            unit.parameter_bias[i].next = bits(parameters.bias as u64 & mask);
            unit.parameter_multiplier[i].next = bits(parameters.multiplier as u64);
            unit.parameter_steps[i].next = bits(parameters.steps as u64);
            unit.parameter_zero_point[i].next = bits(parameters.zero_point as u64);
            unit.lookup_entry[i].next = bits(memories.lookup[lookups[i]] as u64 & mask);
            unit.table_entry[i].next = bits(memories.table[tables[i]] as u64);
        }
        let word = self.read[1].unwrap_or(0);
        self.read = [activation, self.read[0]];
        if let Some(word) = self.read[1] {
            let bytes = &memories.activations[word * R..][..R];
            for (port, &byte) in unit.activation_word.iter_mut().zip(bytes) {
                port.next = bits(byte as u64);
            }
        } else {
            // Nothing that means anything.
            for port in unit.activation_word.iter_mut() {
                port.next = bits(word as u64 & 255);
            }
        }
        unit.settle();
        outputs
    }
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(
        Runs::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    )
}

fn sample<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

/// Memories filled to the last word, with scales that bring the values into the range
/// of a byte, and some that don't.
fn memories(config: &Config) -> impl Strategy<Value = Memories> {
    let (width, rows) = (config.accumulator_bits, config.requantise_rows);
    let value = move |least: u32| {
        (any::<i32>(), least..32)
            .prop_map(move |(value, shift)| wrap((value >> shift) as i64, width))
    };
    let accumulators = config.accumulator_words * config.columns;
    let accumulators = prop::collection::vec(value(0), accumulators);
    let activations = config.activation_words * config.lanes;
    let activations = prop::collection::vec(any::<u8>(), activations);
    let scale = prop_oneof![
        6 => (-12f32..-4.0).prop_map(f32::exp2),
        // Products and sums of few bytes, and ties.
        2 => (-9i32..2).prop_map(|exponent| (exponent as f32).exp2()),
        1 => (-40f32..24.0).prop_map(f32::exp2)
    ];
    let parameters = (value(8), scale, any::<u8>()).prop_map(move |(bias, scale, zero_point)| {
        let (multiplier, steps) = encode_scale(scale, rows);
        ChannelParameters {
            bias,
            multiplier,
            steps,
            zero_point,
        }
    });
    let parameters = prop::collection::vec(parameters, config.parameter_words);
    let lookup = prop::collection::vec(value(0), 512);
    let table = prop::collection::vec(any::<u8>(), 256);
    (accumulators, activations, parameters, lookup, table).prop_map(
        |(accumulators, activations, parameters, lookup, table)| Memories {
            accumulators,
            activations,
            parameters,
            lookup,
            table,
        },
    )
}

/// Instructions with all that they read, up to the last words. Where they read and
/// write activations doesn't matter: what is written is not read here.
fn jobs(config: &Config) -> impl Strategy<Value = Job> {
    let config = *config;
    let bounds = prop_oneof![Just((0u8, 255u8)), any::<(u8, u8)>()];
    let count = || prop_oneof![2 => Just(1u16), 3 => 1u16..7];
    let grid = (count(), any::<u16>(), count(), any::<u16>());
    (grid, bounds, any::<bool>()).prop_flat_map(move |(grid, bounds, vector)| {
        let (x_count, x_stride, y_count, y_stride) = grid;
        let target = Target {
            x_count,
            x_stride,
            y_count,
            y_stride,
            low: bounds.0.min(bounds.1),
            high: bounds.0.max(bounds.1),
        };
        let work = match vector {
            true => vectors(&config).boxed(),
            false => activates(&config, target.positions()).boxed(),
        };
        (any::<(u16, u16, u16, u16)>(), work).prop_map(move |(strides, work)| Job {
            target,
            pattern: Pattern {
                // The same number of positions, in another shape.
                x_count: y_count,
                x_stride: strides.0,
                y_count: x_count,
                y_stride: strides.1,
                inner_stride: strides.2,
                outer_stride: strides.3,
            },
            work,
        })
    })
}

fn activates(config: &Config, positions: usize) -> impl Strategy<Value = Work> {
    let Config {
        lanes,
        columns,
        accumulator_words,
        parameter_words,
        vector_lanes,
        ..
    } = *config;
    let columns = prop_oneof![Just(1), Just(columns), 1..=columns];
    (
        columns,
        0..lanes / vector_lanes,
        any::<(Index, Index, u16, bool)>(),
    )
        .prop_map(
            move |(columns, lane, (accumulator, parameter, activation, table))| {
                let parameter = parameter.index(parameter_words - columns + 1);
                Work::Activate(Activate {
                    table,
                    accumulator: accumulator.index(accumulator_words - positions + 1) as u16,
                    activation,
                    parameter: (parameter / vector_lanes * vector_lanes) as u16,
                    columns: columns as u8,
                    lane: (lane * vector_lanes) as u8,
                })
            },
        )
}

fn vectors(config: &Config) -> impl Strategy<Value = Work> {
    let Config {
        lanes,
        parameter_words,
        vector_lanes,
        ..
    } = *config;
    let columns = prop_oneof![2 => Just(1), 1 => Just(lanes), 3 => 1..=lanes];
    let taps = prop_oneof![Just((1u16, 1u8)), (1u16..5, 1u8..5)];
    let modes = (
        prop::sample::select(Combine::ALL.to_vec()),
        any::<(bool, bool)>(),
    );
    let places = any::<(Index, u16, u16)>();
    (
        columns,
        0..lanes,
        0..lanes,
        taps,
        modes,
        places,
        any::<[u8; 2]>(),
    )
        .prop_map(
            move |(columns, source_lane, lane, taps, modes, places, zero_points)| {
                let (combine, (table, even_code)) = modes;
                let (parameter, activation, source) = places;
                let (inner, outer) = match combine {
                    Combine::Product if taps.1 % 2 == 0 => (1, 2),
                    Combine::Product => (2, 1),
                    _ => taps,
                };
                // Whole words, or single bytes.
                let aligned = |lane: usize| match columns {
                    1 => lane as u8,
                    _ => (lane / vector_lanes * vector_lanes) as u8,
                };
                let parameter = parameter.index(parameter_words - columns.min(vector_lanes) + 1);
                Work::Vector(Vector {
                    combine,
                    table,
                    even_code,
                    activation,
                    source,
                    parameter: (parameter / vector_lanes * vector_lanes) as u16,
                    inner,
                    outer,
                    columns: columns as u8,
                    source_lane: aligned(source_lane),
                    lane: aligned(lane),
                    zero_points,
                })
            },
        )
}
