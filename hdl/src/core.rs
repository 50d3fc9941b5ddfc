//! The whole accelerator: top module `quern`.
//!
//! ```text
//!  input ──► StreamUnpack ─┬─► InstructionRegister ◄──► Sequencer ─► start, idle, error
//!                          │       │ operands              ▲ busy
//!                          │       ▼                       │
//!                          ├─► Loader ──────► weights ──► MatrixUnit ◄── MatrixSequencer
//!                          │                  parameters ─┐  │  ▲
//!                          │                  table ──────┤  ▼  └──────────────┐
//!                          │                              │ Accumulators       │
//!                          │                              ▼  │                 │
//!                          │                  ActivationUnit ◄┤                │
//!                          │                     │            │                │
//!                          └─► write port ◄──────┘            │                │
//!                                 ActivationBuffer ───────────┼────────────────┘
//!                                                 │           ▼
//!  output ◄── StreamPack ◄───────────────────── Store ◄── Counters
//! ```
//! Instructions run one after another; how long each takes is
//! `quern_isa::cycles`, to the cycle, while both streams are ready.
//!
//! **Streams.** A beat of S bytes passes in a cycle in which `valid` and `ready` are
//! both up; byte 0 is in the low bits. `input_ready` does not depend on `input_valid`,
//! and `output_valid` not on `output_ready`; once up, `output_valid` stays with its
//! data until the beat is taken.
//!
//! `idle`: no program runs; the next beat begins one. `error`: 0, or why the core
//! stopped (`quern_isa::ERROR_ILLEGAL`, `ERROR_MISMATCH`) until `reset`. Counters:
//! 32 bits, of the run since its first beat, to be read while `idle`. `reset`:
//! synchronous, needed once after power-up; memories keep their contents.

use crate::matrix_unit::latency;
use crate::{
    AccumulatorSelect, Accumulators, ActivationBuffer, ActivationUnit, BeatRing, Counters,
    InstructionRegister, Loader, MatrixSequencer, MatrixUnit, Memory, Sequencer, Store, StreamPack,
    StreamUnpack,
};
use quern_isa::cycles::matrix_latency;
use quern_isa::{Config, Memories, Space, ASIC16, CU, TINY};
use rust_hdl::prelude::*;

/// The sizes come from a [`Config`]; use the aliases [`Tiny`], [`Cu`], [`Asic16`].
///
/// `R` lanes, `C` columns, `W` accumulator bits, `H` bits of a dot product; `A`, `B`,
/// `D`, `P` address bits of activations, weights, accumulators, parameters; `D1` one
/// more than `D`; `T` bits of the tile count; `L` bytes of a parameter word; `S`
/// stream bytes, `S_BITS` their bits; `Q` requantiser rows, `M` multiplier bits.
#[derive(LogicBlock)]
pub struct Core<
    const R: usize,
    const C: usize,
    const W: usize,
    const H: usize,
    const A: usize,
    const B: usize,
    const D: usize,
    const D1: usize,
    const P: usize,
    const T: usize,
    const L: usize,
    const S: usize,
    const S_BITS: usize,
    const Q: usize,
    const M: usize,
> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub input_data: Signal<In, Bits<S_BITS>>,
    pub input_valid: Signal<In, Bit>,
    pub input_ready: Signal<Out, Bit>,
    pub output_data: Signal<Out, Bits<S_BITS>>,
    pub output_valid: Signal<Out, Bit>,
    pub output_ready: Signal<In, Bit>,
    pub idle: Signal<Out, Bit>,
    pub error: Signal<Out, Bits<4>>,
    pub cycles: Signal<Out, Bits<32>>,
    pub input_stalls: Signal<Out, Bits<32>>,
    pub output_stalls: Signal<Out, Bits<32>>,
    pub matrix_cycles: Signal<Out, Bits<32>>,
    unpack: StreamUnpack<S, S_BITS>,
    ring: BeatRing,
    sequencer: Sequencer,
    instruction: InstructionRegister<A, B, T>,
    loader: Loader<R, C, L>,
    matrix_sequencer: MatrixSequencer<R, A, D, D1>,
    weights: Memory<C, 8, B>,
    parameters: Memory<L, 8, P>,
    lookup: Memory<1, 8, 8>,
    activations: ActivationBuffer<R, A>,
    matrix: MatrixUnit<R, C, H>,
    accumulators: Accumulators<C, W, H, D>,
    accumulator: AccumulatorSelect<C, W>,
    activation_unit: ActivationUnit<R, C, W, A, P, L, Q, M>,
    store: Store<R, C, W, S>,
    counters: Counters<S>,
    pack: StreamPack<S, S_BITS>,
    input_beat: Signal<Local, Bit>,
    place: Signal<Local, Bits<16>>,
    /// With more than one byte in a beat, every word and instruction is one beat.
    whole: Constant<Bits<16>>,
}

/// Unit tests, waveforms, tape-out rehearsal.
pub type Tiny = Core<4, 4, 32, 18, 8, 7, 6, 7, 6, 5, 10, 1, 8, 4, 27>;
/// Alchitry Cu.
pub type Cu = Core<8, 6, 24, 19, 9, 8, 8, 9, 8, 5, 9, 1, 8, 4, 27>;
/// Simulation and standard cells.
pub type Asic16 = Core<16, 16, 32, 20, 13, 12, 10, 11, 10, 8, 10, 16, 128, 8, 31>;

impl<
        const R: usize,
        const C: usize,
        const W: usize,
        const H: usize,
        const A: usize,
        const B: usize,
        const D: usize,
        const D1: usize,
        const P: usize,
        const T: usize,
        const L: usize,
        const S: usize,
        const S_BITS: usize,
        const Q: usize,
        const M: usize,
    > Core<R, C, W, H, A, B, D, D1, P, T, L, S, S_BITS, Q, M>
{
    /// `config` is the one the sizes are of.
    fn new(config: &Config) -> Self {
        assert_eq!(
            [R, C, W, H, S, Q],
            [
                config.lanes,
                config.columns,
                config.accumulator_bits as usize,
                16 + config.lanes.ilog2() as usize,
                config.stream_bytes,
                config.requantise_rows as usize,
            ],
            "a core of another configuration"
        );
        assert_eq!(
            [1 << A, 1 << B, 1 << D, 1 << P, L],
            [
                config.activation_words,
                config.weight_rows,
                config.accumulator_words,
                config.parameter_words,
                config.word_bytes(Space::Parameters),
            ],
            "a core of another configuration"
        );
        // Fields of an instruction are as wide as the widest memory needs.
        assert!(A >= 8 && A >= B && A >= D1 && B >= P && (1 << T) >= config.weight_rows / R);
        assert_eq!(latency(R), matrix_latency(R));
        Self {
            clock: Default::default(),
            reset: Default::default(),
            input_data: Default::default(),
            input_valid: Default::default(),
            input_ready: Default::default(),
            output_data: Default::default(),
            output_valid: Default::default(),
            output_ready: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            cycles: Default::default(),
            input_stalls: Default::default(),
            output_stalls: Default::default(),
            matrix_cycles: Default::default(),
            sequencer: Sequencer::new(config),
            unpack: Default::default(),
            ring: Default::default(),
            instruction: Default::default(),
            loader: Default::default(),
            matrix_sequencer: Default::default(),
            weights: Default::default(),
            parameters: Default::default(),
            lookup: Default::default(),
            activations: Default::default(),
            matrix: Default::default(),
            accumulators: Default::default(),
            accumulator: Default::default(),
            activation_unit: Default::default(),
            store: Default::default(),
            counters: Default::default(),
            pack: Default::default(),
            input_beat: Default::default(),
            place: Default::default(),
            whole: Constant::new(if S > 1 { 0xffff } else { 0 }.into()),
        }
    }

    /// What the simulated memories hold.
    pub fn memories(&self) -> Memories {
        let bytes = |memory: &[u32]| memory.iter().map(|&byte| byte as u8).collect();
        Memories {
            activations: self.activations.contents().collect(),
            weights: bytes(self.weights.contents()),
            parameters: bytes(self.parameters.contents()),
            table: bytes(self.lookup.contents()),
            accumulators: self.accumulators.contents().collect(),
        }
    }
}

impl Tiny {
    pub fn tiny() -> Self {
        Self::new(&TINY)
    }
}

impl Cu {
    pub fn cu() -> Self {
        Self::new(&CU)
    }
}

impl Asic16 {
    pub fn asic16() -> Self {
        Self::new(&ASIC16)
    }
}

impl<
        const R: usize,
        const C: usize,
        const W: usize,
        const H: usize,
        const A: usize,
        const B: usize,
        const D: usize,
        const D1: usize,
        const P: usize,
        const T: usize,
        const L: usize,
        const S: usize,
        const S_BITS: usize,
        const Q: usize,
        const M: usize,
    > Logic for Core<R, C, W, H, A, B, D, D1, P, T, L, S, S_BITS, Q, M>
{
    crate::unit!("The whole accelerator.");

    #[hdl_gen]
    fn update(&mut self) {
        // Input stream: to the instruction register, or to the memory being loaded.
        self.unpack.beat.next = self.input_data.val();
        self.input_ready.next = self.sequencer.fetch.val() | self.loader.ready.val();
        self.input_beat.next =
            self.input_valid.val() & (self.sequencer.fetch.val() | self.loader.ready.val());
        self.place.next = self.ring.place.val() | self.whole.val();

        self.ring.clock.next = self.clock.val();
        self.ring.reset.next = self.reset.val();
        self.ring.advance.next = self.input_beat.val() | self.store.advance.val();
        self.ring.last.next = self.store.last.val();
        if self.sequencer.fetch.val() {
            self.ring.last.next = self.place.val().get_bit(15);
        }
        if self.loader.ready.val() {
            self.ring.last.next = self.loader.step_word.val();
        }

        // Instructions.
        self.instruction.clock.next = self.clock.val();
        self.sequencer.clock.next = self.clock.val();
        self.sequencer.reset.next = self.reset.val();
        self.instruction.write.next = 0.into();
        self.sequencer.write.next = 0.into();
        if self.input_valid.val() & self.sequencer.fetch.val() {
            self.instruction.write.next = self.place.val();
            self.sequencer.write.next = self.place.val();
        }
        for i in 0..16 {
            self.instruction.place[i].next = self.unpack.place[i].val();
        }
        for i in 0..4 {
            self.sequencer.place[i].next = self.unpack.place[i].val();
        }
        self.instruction.step_word.next = self.loader.step_word.val()
            | self.store.step_word.val()
            | self.activation_unit.next_position.val();
        self.instruction.step_row.next = self.matrix_sequencer.step_row.val();
        self.instruction.step_tile.next = self.matrix_sequencer.step_tile.val();
        self.sequencer.opcode.next = self.instruction.opcode.val();
        self.sequencer.modifier.next = self.instruction.modifier.val();
        self.sequencer.busy.next = self.loader.ready.val()
            | self.matrix_sequencer.busy.val()
            | self.activation_unit.busy.val()
            | self.store.busy.val();
        self.idle.next = self.sequencer.idle.val();
        self.error.next = self.sequencer.error.val();

        // Load.
        self.loader.clock.next = self.clock.val();
        self.loader.reset.next = self.reset.val();
        self.loader.start.next = self.sequencer.start_load.val();
        self.loader.space.next = self.instruction.modifier.val();
        self.loader.valid.next = self.input_valid.val();
        self.loader.place.next = self.place.val();
        self.loader.last_word.next = self.instruction.last_word.val();

        self.weights.clock.next = self.clock.val();
        self.weights.write_address.next = bit_cast::<B, A>(self.instruction.address.val());
        self.weights.write_enable.next = self.loader.weight_enable.val();
        for i in 0..C {
            self.weights.write_data[i].next = self.unpack.place[i].val();
        }
        self.parameters.clock.next = self.clock.val();
        self.parameters.write_address.next = bit_cast::<P, A>(self.instruction.address.val());
        self.parameters.write_enable.next = self.loader.parameter_enable.val();
        for i in 0..L {
            self.parameters.write_data[i].next = self.unpack.place[i].val();
        }
        self.lookup.clock.next = self.clock.val();
        self.lookup.write_address.next = bit_cast::<8, A>(self.instruction.address.val());
        self.lookup.write_enable.next = self.loader.table_enable.val();
        self.lookup.write_data[0].next = self.unpack.place[0].val();

        // Matrix.
        self.matrix_sequencer.clock.next = self.clock.val();
        self.matrix_sequencer.reset.next = self.reset.val();
        self.matrix_sequencer.start.next = self.sequencer.start_matrix.val();
        self.matrix_sequencer.accumulate.next = self.instruction.modifier.val().get_bit(0);
        self.matrix_sequencer.accumulator.next = bit_cast::<D, A>(self.instruction.address.val());
        self.matrix_sequencer.positions.next = bit_cast::<D1, A>(self.instruction.count.val());
        self.matrix_sequencer.position_stride.next = self.instruction.position_stride.val();
        self.matrix_sequencer.activation.next = self.instruction.activation.val();
        self.matrix_sequencer.more_tiles.next = self.instruction.tiles.val().any();

        self.weights.read_address.next = self.instruction.weight.val();
        self.matrix.clock.next = self.clock.val();
        self.matrix.load.next = self.matrix_sequencer.load.val();
        for i in 0..C {
            self.matrix.weight_row[i].next = self.weights.read_data[i].val();
        }
        for i in 0..R {
            self.matrix.activation[i].next = self.activations.read_data[i].val();
        }
        self.accumulators.clock.next = self.clock.val();
        self.accumulators.valid.next = self.matrix_sequencer.accumulator_valid.val();
        self.accumulators.first.next = self.matrix_sequencer.accumulator_first.val();
        for i in 0..C {
            self.accumulators.sum[i].next = self.matrix.sum[i].val();
        }

        // Activate.
        self.activation_unit.clock.next = self.clock.val();
        self.activation_unit.reset.next = self.reset.val();
        self.activation_unit.start.next = self.sequencer.start_activate.val();
        self.activation_unit.activation.next = self.instruction.activation.val();
        self.activation_unit.last_position.next = self.instruction.last_word.val();
        self.activation_unit.position_stride.next = self.instruction.position_stride.val();
        self.activation_unit.first_parameter.next = bit_cast::<P, B>(self.instruction.weight.val());
        self.activation_unit.columns.next = bit_cast::<5, T>(self.instruction.tiles.val());
        self.activation_unit.lane.next = self.instruction.lane.val();
        self.activation_unit.low.next = self.instruction.low.val();
        self.activation_unit.high.next = self.instruction.high.val();
        self.activation_unit.table.next = self.instruction.modifier.val().get_bit(0);
        self.parameters.read_address.next = self.activation_unit.parameter_address.val();
        for i in 0..L {
            self.activation_unit.parameter_word[i].next = self.parameters.read_data[i].val();
        }
        self.lookup.read_address.next = self.activation_unit.table_address.val();
        self.activation_unit.table_data.next = self.lookup.read_data[0].val();
        self.activation_unit.accumulator_value.next = self.accumulator.selected.val();

        // The activation and accumulator memories serve one instruction at a time.
        self.activations.clock.next = self.clock.val();
        self.activations.address.next = self.matrix_sequencer.activation_address.val();
        self.activations.broadcast.next = self.store.active.val();
        if self.store.active.val() {
            self.activations.address.next = self.instruction.address.val();
        }
        self.activations.write_address.next = self.activation_unit.write_address.val();
        self.activations.write_enable.next = self.activation_unit.write_enable.val();
        for i in 0..R {
            self.activations.write_data[i].next = self.activation_unit.write_data.val();
        }
        if self.loader.ready.val() {
            self.activations.write_address.next = self.instruction.address.val();
            self.activations.write_enable.next = self.loader.activation_enable.val();
            for i in 0..R {
                self.activations.write_data[i].next = self.unpack.place[i].val();
            }
        }
        self.accumulators.address.next = self.matrix_sequencer.accumulator_address.val();
        if self.activation_unit.busy.val() | self.store.active.val() {
            self.accumulators.address.next = bit_cast::<D, A>(self.instruction.address.val());
        }

        for i in 0..C {
            self.accumulator.value[i].next = self.accumulators.value[i].val();
        }
        self.accumulator.column.next = self.activation_unit.accumulator_column.val();
        if self.store.active.val() {
            self.accumulator.column.next = self.store.column.val();
        }

        // Store.
        self.store.clock.next = self.clock.val();
        self.store.reset.next = self.reset.val();
        self.store.start.next = self.sequencer.start_store.val();
        self.store.source.next = self.instruction.modifier.val();
        self.store.last_word.next = self.instruction.last_word.val();
        self.store.place.next = self.ring.place.val();
        for i in 0..R {
            self.store.lane[i].next = self.activations.read_data[i].val();
        }
        self.store.sum.next = self.accumulator.selected.val();
        self.store.counter.next = self.counters.head.val();
        self.store.output_ready.next = self.output_ready.val();
        for i in 0..S {
            self.pack.place[i].next = self.store.output[i].val();
        }
        self.output_data.next = self.pack.beat.val();
        self.output_valid.next = self.store.output_valid.val();

        // Counters.
        self.counters.clock.next = self.clock.val();
        self.counters.clear.next = self.sequencer.begin_run.val();
        self.counters.running.next = self.sequencer.running.val();
        self.counters.input_stall.next = self.sequencer.running.val()
            & !self.input_valid.val()
            & (self.sequencer.fetch.val() | self.loader.ready.val());
        self.counters.output_stall.next = self.store.stalled.val();
        self.counters.position.next = self.matrix_sequencer.position.val();
        self.counters.capture.next = self.store.capture.val();
        self.counters.rotate.next = self.store.rotate.val();
        self.cycles.next = self.counters.cycles.val();
        self.input_stalls.next = self.counters.input_stalls.val();
        self.output_stalls.next = self.counters.output_stalls.val();
        self.matrix_cycles.next = self.counters.matrix_cycles.val();
    }
}
