//! The activation unit against the meaning of `Activate`, write by write and cycle by
//! cycle, in RustHDL and as exported Verilog.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
use quern_hdl::ActivationUnit;
use quern_isa::cycles::activate_cycles;
use quern_isa::numerics::{encode_scale, requantise, wrap};
use quern_isa::{Activate, ChannelParameters, Config, ASIC16, CU, TINY};
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

type Tiny = ActivationUnit<4, 4, 32, 8, 6, 10, 4, 27>;
type Cu = ActivationUnit<8, 6, 24, 9, 8, 9, 4, 27>;
type Asic16 = ActivationUnit<16, 16, 32, 13, 10, 10, 8, 31>;

/// What the unit reads.
#[derive(Debug)]
struct Memories {
    accumulators: Vec<i32>,
    parameters: Vec<ChannelParameters>,
    table: Vec<u8>,
}

/// A byte written: word, lane, byte.
type Write = (usize, usize, u8);

#[test]
fn activate_writes_what_the_instruction_says_on_tiny() {
    Bench::new(Tiny::default(), &TINY).random_instructions(60);
}

#[test]
fn activate_writes_what_the_instruction_says_on_cu() {
    Bench::new(Cu::default(), &CU).random_instructions(60);
}

#[test]
fn activate_writes_what_the_instruction_says_on_asic16() {
    Bench::new(Asic16::default(), &ASIC16).random_instructions(30);
}

#[test]
fn reset_stops_an_activation_at_once() {
    let mut bench = Bench::new(Cu::default(), &CU);
    let memories = sample(&memories(&CU), &mut runner());
    let operands = Activate {
        table: false,
        accumulator: 0,
        activation: 3,
        positions: 4,
        position_stride: 1,
        parameter: 0,
        columns: 6,
        lane: 0,
        low: 0,
        high: 255,
    };
    // Whatever is under way: fetches, digits, a code, a write.
    for cycles in 1..60 {
        bench.set_operands(&operands);
        bench.unit.start.next = true;
        bench.cycle(&memories);
        bench.unit.start.next = false;
        for _ in 1..cycles {
            bench.cycle(&memories);
        }
        bench.reset();
        for _ in 0..20 {
            assert!(!bench.unit.busy.val());
            assert_eq!(bench.cycle(&memories), None, "a write after reset");
        }
    }
    bench.execute(&operands, &memories);
    bench.unit.replay().unwrap();
}

/// The unit between its memories.
struct Bench<
    const R: usize,
    const C: usize,
    const W: usize,
    const A: usize,
    const P: usize,
    const L: usize,
    const Q: usize,
    const M: usize,
> {
    unit: Recorder<ActivationUnit<R, C, W, A, P, L, Q, M>>,
    config: Config,
    /// The word of accumulators that is addressed, and the positions left.
    accumulator: usize,
    positions: usize,
}

impl<
        const R: usize,
        const C: usize,
        const W: usize,
        const A: usize,
        const P: usize,
        const L: usize,
        const Q: usize,
        const M: usize,
    > Bench<R, C, W, A, P, L, Q, M>
{
    fn new(unit: ActivationUnit<R, C, W, A, P, L, Q, M>, config: &Config) -> Self {
        let mut bench = Bench {
            unit: Recorder::clocked(unit, |unit| &mut unit.clock),
            config: *config,
            accumulator: 0,
            positions: 0,
        };
        bench.reset();
        bench
    }

    fn reset(&mut self) {
        self.unit.reset.next = true;
        self.unit.cycle();
        self.unit.reset.next = false;
    }

    /// Random instructions on random memories, one after another.
    fn random_instructions(mut self, count: usize) {
        let config = self.config;
        let mut runner = runner();
        for _ in 0..4 {
            let memories = sample(&memories(&config), &mut runner);
            for _ in 0..count / 4 {
                let operands = sample(&operands(&config), &mut runner);
                self.execute(&operands, &memories);
                // The next one may start at once, or later.
                for _ in 0..sample(&(0usize..3), &mut runner) {
                    assert_eq!(self.cycle(&memories), None, "a write while idle");
                }
            }
        }
        self.unit.replay().unwrap();
    }

    /// Runs one instruction and compares its writes, in order, and its cycles.
    fn execute(&mut self, operands: &Activate, memories: &Memories) {
        let expected = self.writes(operands, memories);
        let cycles = activate_cycles(&self.config, operands, |index| memories.parameters[index]);
        self.set_operands(operands);
        self.unit.start.next = true;
        let mut writes: Vec<Write> = self.cycle(memories).into_iter().collect();
        self.unit.start.next = false;
        for cycle in 1..cycles {
            assert!(
                self.unit.busy.val(),
                "idle in cycle {cycle} of {operands:?}"
            );
            writes.extend(self.cycle(memories));
        }
        assert!(
            !self.unit.busy.val(),
            "busy after {cycles} cycles of {operands:?}"
        );
        assert_eq!(writes, expected, "{operands:?}");
    }

    /// The meaning of the instruction.
    fn writes(&self, operands: &Activate, memories: &Memories) -> Vec<Write> {
        let columns = operands.columns as usize;
        let outputs = (0..operands.positions as usize)
            .flat_map(|position| (0..columns).map(move |column| (position, column)));
        outputs
            .map(|(position, column)| {
                let word = operands.accumulator as usize + position;
                let accumulator = memories.accumulators[word * C + column];
                let parameters = &memories.parameters[operands.parameter as usize + column];
                let sum = wrap(accumulator as i64 + parameters.bias as i64, W as u32);
                let code = requantise(sum, parameters, Q as u32, operands.low, operands.high);
                let byte = match operands.table {
                    true => memories.table[code as usize],
                    false => code,
                };
                let word =
                    operands.activation as usize + position * operands.position_stride as usize;
                let lane = operands.lane as usize + column;
                (word + lane / R, lane % R, byte)
            })
            .collect()
    }

    fn set_operands(&mut self, operands: &Activate) {
        self.accumulator = operands.accumulator as usize;
        self.unit.activation.next = bits(operands.activation as u64);
        self.positions = operands.positions as usize;
        self.unit.position_stride.next = bits(operands.position_stride as u64);
        self.unit.first_parameter.next = bits(operands.parameter as u64);
        self.unit.columns.next = bits(operands.columns as u64);
        self.unit.lane.next = bits(operands.lane as u64);
        self.unit.low.next = bits(operands.low as u64);
        self.unit.high.next = bits(operands.high as u64);
        self.unit.table.next = operands.table;
    }

    /// One cycle: what is written in it, and the memories' answers after it.
    fn cycle(&mut self, memories: &Memories) -> Option<Write> {
        self.unit.last_position.next = self.positions == 1;
        self.unit.settle();
        let enable = self.unit.write_enable.val().to_u64();
        let write = (enable != 0).then(|| {
            assert!(enable.is_power_of_two(), "two lanes are written at once");
            (
                self.unit.write_address.val().index(),
                enable.trailing_zeros() as usize,
                self.unit.write_data.val().to_u64() as u8,
            )
        });
        // A word past the last position may be addressed, but means nothing.
        let word = self.accumulator.min(self.config.accumulator_words - 1);
        if self.unit.next_position.val() {
            self.accumulator += 1;
            self.positions -= 1;
        }
        let parameters = self.unit.parameter_address.val().index();
        let table = self.unit.table_address.val().index();
        self.unit.cycle();
        let mask = (1u64 << W) - 1;
        let column = self.unit.accumulator_column.val().index();
        let value = memories.accumulators[word * C + column] as u64 & mask;
        self.unit.accumulator_value.next = bits(value);
        let word = memories.parameters[parameters].encode(&self.config);
        for (port, byte) in self.unit.parameter_word.iter_mut().zip(word) {
            port.next = bits(byte as u64);
        }
        self.unit.table_data.next = bits(memories.table[table] as u64);
        self.unit.settle();
        write
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

/// Memories filled to the last word, with scales that bring the accumulators into
/// the range of a byte, and some that don't.
fn memories(config: &Config) -> impl Strategy<Value = Memories> {
    let (width, rows) = (config.accumulator_bits, config.requantise_rows);
    let accumulators = prop::collection::vec(
        (any::<i32>(), 0u32..32)
            .prop_map(move |(value, shift)| wrap((value >> shift) as i64, width)),
        config.accumulator_words * config.columns,
    );
    let scale = prop_oneof![
        6 => (-12f32..-4.0).prop_map(f32::exp2),
        1 => (-40f32..24.0).prop_map(f32::exp2)
    ];
    let parameters = (any::<i32>(), 8u32..32, scale, any::<u8>()).prop_map(
        move |(bias, shift, scale, zero_point)| {
            let (multiplier, steps) = encode_scale(scale, rows);
            ChannelParameters {
                bias: wrap((bias >> shift) as i64, width),
                multiplier,
                steps,
                zero_point,
            }
        },
    );
    let parameters = prop::collection::vec(parameters, config.parameter_words);
    let table = prop::collection::vec(any::<u8>(), 256);
    (accumulators, parameters, table).prop_map(|(accumulators, parameters, table)| Memories {
        accumulators,
        parameters,
        table,
    })
}

/// Instructions that stay inside the memories, up to their last words.
fn operands(config: &Config) -> impl Strategy<Value = Activate> {
    let Config {
        lanes,
        columns,
        activation_words,
        accumulator_words,
        parameter_words,
        ..
    } = *config;
    let sizes = (
        prop_oneof![Just(1usize), 2usize..12],
        prop_oneof![Just(1), Just(columns), 1..=columns],
        0..lanes,
        prop_oneof![Just(0usize), Just(1), 2usize..5],
    );
    let places = any::<(
        prop::sample::Index,
        prop::sample::Index,
        prop::sample::Index,
    )>();
    let bounds = prop_oneof![Just((0u8, 255u8)), any::<(u8, u8)>()];
    (sizes, places, bounds, any::<bool>()).prop_map(move |(sizes, places, bounds, table)| {
        let (positions, columns, lane, position_stride) = sizes;
        let (accumulator, activation, parameter) = places;
        let last_word = (positions - 1) * position_stride + (lane + columns - 1) / lanes;
        Activate {
            table,
            accumulator: accumulator.index(accumulator_words - positions + 1) as u16,
            activation: activation.index(activation_words - last_word) as u16,
            positions: positions as u16,
            position_stride: position_stride as u16,
            parameter: parameter.index(parameter_words - columns + 1) as u16,
            columns: columns as u8,
            lane: lane as u8,
            low: bounds.0.min(bounds.1),
            high: bounds.0.max(bounds.1),
        }
    })
}
