//! The whole accelerator: top module `quern`.
//!
//! ```text
//!  input ──► StreamUnpack ─┬─► InstructionRegister, Sequencer ─► start, idle, error
//!                          │       │ operands            ▲ busy
//!                          │       ▼                     │
//!                          ├─► Loader ──────► weights ──► MatrixUnit ◄── MatrixSequencer
//!                          │                  parameters ─┐  │  ▲             │
//!                          │                  tables ─────┤  ▼  │       AddressGenerator
//!                          │                              │ Accumulators      │
//!                          │                              ▼  │                │
//!                          │               ActivationUnit ◄─ AccumulatorWord  │
//!                          │                     │               │            │
//!                          └─► write port ◄──────┘               │            │
//!                                 ActivationBuffer ◄─────────────┼────────────┘
//!                                                 │              ▼
//!  output ◄── StreamPack ◄─────────────────────── Store ◄── Counters
//! ```
//! Instructions start in order; matrix, activation and store unit work on while further
//! ones are fetched, loaded and started. How long a program takes is
//! `quern_isa::cycles`, to the cycle, while both streams are ready.
//!
//! Two ports are shared in hardware, for the rest a program's waits see to it that they
//! have one user: the accumulators are read by the activation unit in slots taken from the
//! matrix sequencer's positions, and a load of activations pauses in the cycles in which
//! the activation unit writes.
//!
//! **Streams.** A beat of S bytes passes in a cycle in which `valid` and `ready` are
//! both up; byte 0 is in the low bits. `input_ready` does not depend on `input_valid`,
//! and `output_valid` not on `output_ready`; once up, `output_valid` stays with its
//! data until the beat is taken.
//!
//! `idle`: no program runs; the next beat begins one. `error`: 0, or why the core
//! stopped (`quern_isa::ERROR_ILLEGAL`, `ERROR_MISMATCH`) until `reset`. Counters:
//! 32 bits, of the run since its first beat, to be read while `idle`; zero after a
//! reset. `reset`: synchronous, needed once after power-up; memories keep their contents.

use crate::matrix_unit::latency;
use crate::{
    AccumulatorWord, Accumulators, ActivationBuffer, ActivationUnit, AddressGenerator, BeatRing,
    Counters, InstructionRegister, Loader, LookupMemory, MatrixSequencer, MatrixUnit, Memory,
    ParameterMemory, Sequencer, Store, StreamPack, StreamUnpack,
};
use quern_isa::cycles::matrix_latency;
use quern_isa::{Config, Memories, Space, ASIC16, CU, TINY};
use rust_hdl::prelude::*;

/// The sizes come from a [`Config`]; use the aliases [`Tiny`], [`Cu`], [`Asic16`].
///
/// `R` lanes, `C` columns, `V` vector lanes, `W` accumulator bits, `WB` their bytes, `H` bits of a dot
/// product; `A`, `B`, `D`, `P` address bits of activations, weights, accumulators,
/// parameters; `F` bits that are kept of an address or count; `L` bytes of a parameter
/// word; `S` stream bytes, `S_BITS` their bits; `Q` requantiser rows, `M` multiplier bits.
#[derive(LogicBlock)]
pub struct Core<
    const R: usize,
    const C: usize,
    const V: usize,
    const W: usize,
    const WB: usize,
    const H: usize,
    const A: usize,
    const B: usize,
    const D: usize,
    const P: usize,
    const F: usize,
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
    ring: BeatRing<16>,
    sequencer: Sequencer,
    instruction: InstructionRegister<F>,
    loader: Loader<R, C, L, WB>,
    generator: AddressGenerator<A>,
    matrix_sequencer: MatrixSequencer<R, B, D>,
    weights: Memory<C, 8, B>,
    parameters: ParameterMemory<V, L, W, M, P>,
    code_table: LookupMemory<V, 8, 1, 8>,
    lookup: LookupMemory<V, W, WB, 9>,
    activations: ActivationBuffer<R, A>,
    matrix: MatrixUnit<R, C, H>,
    accumulators: Accumulators<C, W, H, D>,
    accumulator: AccumulatorWord<C, W>,
    accumulator_request: DFF<Bit>,
    accumulator_read: DFF<Bit>,
    activation_unit: ActivationUnit<R, V, W, A, D, P, Q, M>,
    store: Store<R, C, W, S, F>,
    counters: Counters<S>,
    pack: StreamPack<S, S_BITS>,
    input_beat: Signal<Local, Bit>,
    /// The activation unit writes to the activation memory.
    place: Signal<Local, Bits<16>>,
    /// With more than one byte in a beat, every word and instruction is one beat.
    whole: Constant<Bits<16>>,
}

/// Unit tests, waveforms, tape-out rehearsal.
pub type Tiny = Core<4, 4, 1, 32, 4, 18, 8, 7, 6, 6, 9, 10, 1, 8, 4, 27>;
/// Alchitry Cu.
pub type Cu = Core<8, 4, 1, 24, 3, 19, 9, 9, 8, 8, 9, 9, 1, 8, 6, 29>;
/// Simulation and standard cells.
pub type Asic16 = Core<16, 16, 16, 32, 4, 20, 13, 12, 10, 10, 13, 10, 16, 128, 8, 31>;

impl<
        const R: usize,
        const C: usize,
        const V: usize,
        const W: usize,
        const WB: usize,
        const H: usize,
        const A: usize,
        const B: usize,
        const D: usize,
        const P: usize,
        const F: usize,
        const L: usize,
        const S: usize,
        const S_BITS: usize,
        const Q: usize,
        const M: usize,
    > Core<R, C, V, W, WB, H, A, B, D, P, F, L, S, S_BITS, Q, M>
{
    /// `config` is the one the sizes are of.
    fn new(config: &Config) -> Self {
        assert_eq!(
            [R, C, V, W, H, S, Q],
            [
                config.lanes,
                config.columns,
                config.vector_lanes,
                config.accumulator_bits as usize,
                16 + config.lanes.ilog2() as usize,
                config.stream_bytes,
                config.requantise_rows as usize,
            ],
            "a core of another configuration"
        );
        assert_eq!(
            [1 << A, 1 << B, 1 << D, 1 << P, L, WB],
            [
                config.activation_words,
                config.weight_rows,
                config.accumulator_words,
                config.parameter_words,
                config.word_bytes(Space::Parameters),
                config.word_bytes(Space::Lookup),
            ],
            "a core of another configuration"
        );
        // Fields of an instruction are as wide as the deepest memory needs.
        assert!(Space::ALL
            .into_iter()
            .all(|space| config.words(space) <= 1 << F));
        assert!(config.accumulator_words <= 1 << A && config.weight_rows / R <= 256);
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
            generator: Default::default(),
            matrix_sequencer: Default::default(),
            weights: Default::default(),
            parameters: Default::default(),
            code_table: Default::default(),
            lookup: Default::default(),
            activations: Default::default(),
            matrix: Default::default(),
            accumulators: Default::default(),
            accumulator: Default::default(),
            accumulator_request: Default::default(),
            accumulator_read: Default::default(),
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
            parameters: self.parameters.contents().to_vec(),
            table: self.code_table.contents().to_vec(),
            lookup: self.lookup.contents().to_vec(),
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
        const V: usize,
        const W: usize,
        const WB: usize,
        const H: usize,
        const A: usize,
        const B: usize,
        const D: usize,
        const P: usize,
        const F: usize,
        const L: usize,
        const S: usize,
        const S_BITS: usize,
        const Q: usize,
        const M: usize,
    > Logic for Core<R, C, V, W, WB, H, A, B, D, P, F, L, S, S_BITS, Q, M>
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
        self.ring.advance.next = self.input_beat.val();
        self.ring.last.next = self.loader.step_word.val();
        if self.sequencer.fetch.val() {
            self.ring.last.next = self.place.val().get_bit(15);
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
        self.instruction.step_word.next = self.loader.step_word.val();
        self.sequencer.loading.next = self.loader.loading.val();
        self.sequencer.matrix_busy.next = self.matrix_sequencer.busy.val();
        self.sequencer.activation_busy.next = self.activation_unit.busy.val();
        self.sequencer.store_busy.next = self.store.busy.val();
        self.sequencer.storing_counters.next = self.store.storing_counters.val();
        self.idle.next = self.sequencer.idle.val();
        self.error.next = self.sequencer.error.val();

        // Load.
        self.loader.clock.next = self.clock.val();
        self.loader.reset.next = self.reset.val();
        self.loader.start.next = self.sequencer.start_load.val();
        self.loader.space.next = self.sequencer.modifier.val().get_bits::<3>(0);
        self.loader.valid.next = self.input_valid.val();
        self.loader.place.next = self.place.val();
        self.loader.taken_next.next = self.activation_unit.writes_next.val();
        self.loader.last_word.next = self.instruction.last_word.val();

        self.weights.clock.next = self.clock.val();
        self.weights.write_address.next = bit_cast::<B, F>(self.instruction.field_2.val());
        self.weights.write_enable.next = self.loader.weight_enable.val();
        for i in 0..C {
            self.weights.write_data[i].next = self.unpack.place[i].val();
        }
        self.parameters.clock.next = self.clock.val();
        self.parameters.write_address.next = bit_cast::<P, F>(self.instruction.field_2.val());
        self.parameters.write_enable.next = self.loader.parameter_enable.val();
        for i in 0..L {
            self.parameters.write_data[i].next = self.unpack.place[i].val();
        }
        self.code_table.clock.next = self.clock.val();
        self.code_table.write_address.next = bit_cast::<8, F>(self.instruction.field_2.val());
        self.code_table.write_enable.next = self.loader.table_enable.val();
        self.code_table.write_data[0].next = self.unpack.place[0].val();
        self.lookup.clock.next = self.clock.val();
        self.lookup.write_address.next = bit_cast::<9, F>(self.instruction.field_2.val());
        self.lookup.write_enable.next = self.loader.lookup_enable.val();
        for i in 0..WB {
            self.lookup.write_data[i].next = self.unpack.place[i].val();
        }

        // The walk over the activation memory.
        self.generator.clock.next = self.clock.val();
        self.generator.write.next = self.sequencer.write_pattern.val();
        self.generator.x_count.next = bit_cast::<A, F>(self.instruction.field_2.val());
        self.generator.x_stride.next = bit_cast::<A, F>(self.instruction.field_4.val());
        self.generator.y_count.next = bit_cast::<A, F>(self.instruction.field_6.val());
        self.generator.y_stride.next = bit_cast::<A, F>(self.instruction.field_8.val());
        self.generator.inner_stride.next = bit_cast::<A, 16>(self.instruction.field_10.val());
        self.generator.outer_stride.next = bit_cast::<A, 16>(self.instruction.field_12.val());
        self.generator.start.next = self.sequencer.start_walk.val();
        self.generator.positions_outer.next = self.sequencer.start_vector.val();
        self.generator.base.next = bit_cast::<A, F>(self.instruction.field_4.val());
        if self.sequencer.start_vector.val() {
            self.generator.base.next = bit_cast::<A, F>(self.instruction.field_2.val());
        }
        self.generator.inner.next = bit_cast::<A, F>(self.instruction.field_8.val());
        self.generator.outer.next = self.instruction.field_10.val().get_bits::<8>(0);
        self.generator.advance.next =
            self.matrix_sequencer.advance.val() | self.activation_unit.walk_advance.val();
        self.generator.repeat.next = self.activation_unit.repeat.val();
        self.generator.next_word.next = self.activation_unit.next_word.val();

        // Matrix.
        self.matrix_sequencer.clock.next = self.clock.val();
        self.matrix_sequencer.reset.next = self.reset.val();
        self.matrix_sequencer.start.next = self.sequencer.start_matrix.val();
        self.matrix_sequencer.accumulate.next = self.sequencer.modifier.val().get_bit(0);
        self.matrix_sequencer.accumulator.next = bit_cast::<D, F>(self.instruction.field_2.val());
        self.matrix_sequencer.weight.next = bit_cast::<B, F>(self.instruction.field_6.val());
        self.matrix_sequencer.last_position.next = self.generator.last_position.val();
        self.matrix_sequencer.last_tap.next = self.generator.last_tap.val();
        // A register, as a request holds up the whole walk.
        self.accumulator_request.clock.next = self.clock.val();
        self.accumulator_request.d.next = self.activation_unit.accumulator_request.val();
        if self.reset.val() {
            self.accumulator_request.d.next = false;
        }
        self.matrix_sequencer.request.next = self.accumulator_request.q.val();

        self.weights.read_address.next = self.matrix_sequencer.weight_address.val();
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

        // Activate and vector.
        self.activation_unit.clock.next = self.clock.val();
        self.activation_unit.reset.next = self.reset.val();
        self.activation_unit.write_target.next = self.sequencer.write_target.val();
        self.activation_unit.x_count.next = bit_cast::<A, F>(self.instruction.field_2.val());
        self.activation_unit.x_stride.next = bit_cast::<A, F>(self.instruction.field_4.val());
        self.activation_unit.y_count.next = bit_cast::<A, F>(self.instruction.field_6.val());
        self.activation_unit.y_stride.next = bit_cast::<A, F>(self.instruction.field_8.val());
        self.activation_unit.low.next = self.instruction.field_10.val().get_bits::<8>(0);
        self.activation_unit.high.next = self.instruction.field_10.val().get_bits::<8>(8);
        self.activation_unit.start_activate.next = self.sequencer.start_activate.val();
        self.activation_unit.start_vector.next = self.sequencer.start_vector.val();
        self.activation_unit.accumulator.next = bit_cast::<D, F>(self.instruction.field_2.val());
        self.activation_unit.activation.next = bit_cast::<A, F>(self.instruction.field_4.val());
        self.activation_unit.parameter.next = bit_cast::<P, F>(self.instruction.field_6.val());
        self.activation_unit.columns.next = self.instruction.field_12.val().get_bits::<5>(0);
        self.activation_unit.lane.next = self.instruction.field_12.val().get_bits::<5>(8);
        self.activation_unit.table.next = self.sequencer.modifier.val().get_bit(0);
        self.activation_unit.even_code.next = false;
        if self.sequencer.start_vector.val() {
            self.activation_unit.table.next = self.sequencer.modifier.val().get_bit(2);
            self.activation_unit.even_code.next = self.sequencer.modifier.val().get_bit(3);
        }
        self.activation_unit.combine.next = self.sequencer.modifier.val().get_bits::<2>(0);
        self.activation_unit.source_lane.next = self.instruction.field_10.val().get_bits::<5>(8);
        self.activation_unit.zero_point_0.next = self.instruction.field_14.val().get_bits::<8>(0);
        self.activation_unit.zero_point_1.next = self.instruction.field_14.val().get_bits::<8>(8);
        self.activation_unit.last_tap.next = self.generator.last_tap.val();
        for i in 0..R {
            self.activation_unit.activation_word[i].next = self.activations.read_data[i].val();
        }
        self.parameters.read_address.next = self.activation_unit.parameter_address.val();
        for i in 0..V {
            self.activation_unit.accumulator_value[i].next = self.accumulator.value[i].val();
            self.activation_unit.parameter_bias[i].next = self.parameters.bias[i].val();
            self.activation_unit.parameter_multiplier[i].next = self.parameters.multiplier[i].val();
            self.activation_unit.parameter_steps[i].next = self.parameters.steps[i].val();
            self.activation_unit.parameter_zero_point[i].next = self.parameters.zero_point[i].val();
            self.code_table.index[i].next = self.activation_unit.table_index[i].val();
            self.activation_unit.table_entry[i].next = self.code_table.entry[i].val();
            self.lookup.index[i].next = self.activation_unit.lookup_index[i].val();
            self.activation_unit.lookup_entry[i].next = self.lookup.entry[i].val();
        }
        self.activation_unit.accumulator_read.next = self.matrix_sequencer.read.val();

        // The accumulators' read port, and the word that comes out of it.
        self.accumulators.address.next = self.matrix_sequencer.accumulator_address.val();
        if self.matrix_sequencer.read.val() {
            self.accumulators.address.next = self.activation_unit.accumulator_address.val();
        }
        if self.store.reads_accumulators.val() {
            self.accumulators.address.next = bit_cast::<D, F>(self.store.address.val());
        }
        self.accumulator_read.clock.next = self.clock.val();
        self.accumulator_read.d.next = self.matrix_sequencer.read.val();
        self.accumulator.clock.next = self.clock.val();
        for i in 0..C {
            self.accumulator.read[i].next = self.accumulators.value[i].val();
        }
        self.accumulator.capture.next =
            self.accumulator_read.q.val() | self.store.capture_sums.val();
        self.accumulator.shift.next =
            self.activation_unit.accumulator_next.val() | self.store.next_sum.val();

        // The activation memory's ports.
        self.activations.clock.next = self.clock.val();
        self.activations.address.next = self.generator.address.val();
        self.activations.broadcast.next =
            self.store.reads_activations.val() | self.activation_unit.vector_reading.val();
        if self.store.reads_activations.val() {
            self.activations.address.next = bit_cast::<A, F>(self.store.address.val());
        }
        // The loader enables nothing while the activation unit writes, and what is written
        // without an enable does not matter: no need to wait for the loader's enables here.
        self.activations.write_enable.next =
            self.activation_unit.write_enable.val() | self.loader.activation_enable.val();
        self.activations.write_address.next = bit_cast::<A, F>(self.instruction.field_2.val());
        for i in 0..R {
            self.activations.write_data[i].next = self.unpack.place[i].val();
        }
        if self.activation_unit.writes.val() {
            self.activations.write_address.next = self.activation_unit.write_address.val();
            for i in 0..R {
                self.activations.write_data[i].next = self.activation_unit.write_data[i].val();
            }
        }

        // Store.
        self.store.clock.next = self.clock.val();
        self.store.reset.next = self.reset.val();
        self.store.start.next = self.sequencer.start_store.val();
        self.store.source.next = self.sequencer.modifier.val().get_bits::<2>(0);
        self.store.first_word.next = self.instruction.field_2.val();
        self.store.words.next = self.instruction.field_4.val();
        for i in 0..R {
            self.store.lane[i].next = self.activations.read_data[i].val();
        }
        self.store.sum.next = self.accumulator.value[0].val();
        self.store.counter.next = self.counters.head.val();
        self.store.output_ready.next = self.output_ready.val();
        for i in 0..S {
            self.pack.place[i].next = self.store.output[i].val();
        }
        self.output_data.next = self.pack.beat.val();
        self.output_valid.next = self.store.output_valid.val();

        // Counters.
        self.counters.clock.next = self.clock.val();
        self.counters.reset.next = self.reset.val();
        self.counters.clear.next = self.sequencer.begin_run.val();
        self.counters.running.next = self.sequencer.running.val();
        self.counters.input_stall.next = self.sequencer.running.val()
            & !self.input_valid.val()
            & (self.sequencer.fetch.val() | self.loader.ready.val());
        self.counters.output_stall.next = self.store.stalled.val();
        self.counters.position.next = self.matrix_sequencer.advance.val();
        self.counters.capture.next = self.store.capture.val();
        self.counters.rotate.next = self.store.rotate.val();
        self.cycles.next = self.counters.cycles.val();
        self.input_stalls.next = self.counters.input_stalls.val();
        self.output_stalls.next = self.counters.output_stalls.val();
        self.matrix_cycles.next = self.counters.matrix_cycles.val();
    }
}
