//! Executes `activate` and `vector`: requantises accumulators, or what it makes of the
//! bytes of activation words, looks the codes up in the table if told to, and writes
//! them channels-last. Keeps the [`Target`](quern_isa::Target).
//!
//! ```text
//!  accumulator_request ◄──┐
//!  last_tap ──► OutputIssue ──► walk_advance, repeat, next_word ─► (address generator)
//!                         └─────────────┐
//!  activation_word[R] ──────────► VectorFetch ──┐
//!  accumulator_value[V] ────────────────────────┴─► ValueQueue ─┐
//!                                                               ▼
//!  parameters ◄── parameter_address              RequantiseGroup ─► code[V]
//!      └──────────────────────────────────────────►             │    │
//!  target ─► GridAddress ─► write_address                       │ table_index[V]
//!            lane ────────► LaneWrite ─► write_enable,      code_tag │
//!                                        write_data[R] ◄─────────────┴─ table_entry[V]
//! ```
//! `write_target`, `start_activate` and `start_vector` are pulses; their operands are
//! read in that cycle. `busy` is up from the cycle after a start to that of the last
//! write. When what happens in between is told by [`quern_isa::activation_cycles`].
//!
//! **Accumulators.** `accumulator_request` asks for a word; requests are 2 cycles apart
//! at least. Some fixed time after each one, `accumulator_read` says that the memory
//! takes `accumulator_address`; two cycles after that, columns stand in
//! `accumulator_value`, and `accumulator_next` goes on to the next one (with several
//! vector lanes all columns stand there, and it means nothing).
//!
//! **Activations.** The address generator, started by `start_vector` too, is at its
//! first step two cycles after it. `vector_reading`: the unit needs the memory's read port.
//! A step that is current in cycle t has its word in `activation_word` in cycle t+2.
//!
//! Parameters, table and lookup memory answer one cycle after their address.
//!
//! Operands: as in [`Activate`](quern_isa::Activate), [`Vector`](quern_isa::Vector) and
//! [`Target`](quern_isa::Target). `accumulator_value`: two's complement. `write_data`:
//! offset binary; `write_enable`: bit r writes lane r.

use crate::{
    GridAddress, LaneWrite, LoadableCounter, OutputIssue, RequantiseGroup, ValueQueue, VectorFetch,
};
use rust_hdl::prelude::*;

/// `R` lanes, `V` vector lanes, 1 or `R`; `W` accumulator bits; `A`, `D`, `P` address
/// bits of activations, accumulators and parameters; `Q` requantiser rows, `M = 23 + Q`
/// multiplier bits.
#[derive(LogicBlock)]
pub struct ActivationUnit<
    const R: usize,
    const V: usize,
    const W: usize,
    const A: usize,
    const D: usize,
    const P: usize,
    const Q: usize,
    const M: usize,
> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub write_target: Signal<In, Bit>,
    pub x_count: Signal<In, Bits<A>>,
    pub x_stride: Signal<In, Bits<A>>,
    pub y_count: Signal<In, Bits<A>>,
    pub y_stride: Signal<In, Bits<A>>,
    pub low: Signal<In, Bits<8>>,
    pub high: Signal<In, Bits<8>>,
    pub start_activate: Signal<In, Bit>,
    pub start_vector: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub accumulator: Signal<In, Bits<D>>,
    pub activation: Signal<In, Bits<A>>,
    pub parameter: Signal<In, Bits<P>>,
    pub columns: Signal<In, Bits<5>>,
    pub lane: Signal<In, Bits<5>>,
    pub source_lane: Signal<In, Bits<5>>,
    pub table: Signal<In, Bit>,
    pub even_code: Signal<In, Bit>,
    pub combine: Signal<In, Bits<2>>,
    pub zero_point_0: Signal<In, Bits<8>>,
    pub zero_point_1: Signal<In, Bits<8>>,

    pub accumulator_request: Signal<Out, Bit>,
    pub accumulator_read: Signal<In, Bit>,
    pub accumulator_address: Signal<Out, Bits<D>>,
    pub accumulator_next: Signal<Out, Bit>,
    pub accumulator_value: [Signal<In, Bits<W>>; V],
    pub vector_reading: Signal<Out, Bit>,
    pub walk_advance: Signal<Out, Bit>,
    pub repeat: Signal<Out, Bit>,
    pub next_word: Signal<Out, Bit>,
    pub last_tap: Signal<In, Bit>,
    pub activation_word: [Signal<In, Bits<8>>; R],
    pub parameter_address: Signal<Out, Bits<P>>,
    pub parameter_bias: [Signal<In, Bits<W>>; V],
    pub parameter_multiplier: [Signal<In, Bits<M>>; V],
    pub parameter_steps: [Signal<In, Bits<4>>; V],
    pub parameter_zero_point: [Signal<In, Bits<8>>; V],
    pub lookup_index: [Signal<Out, Bits<9>>; V],
    pub lookup_entry: [Signal<In, Bits<W>>; V],
    pub table_index: [Signal<Out, Bits<8>>; V],
    pub table_entry: [Signal<In, Bits<8>>; V],
    pub write_address: Signal<Out, Bits<A>>,
    pub write_enable: Signal<Out, Bits<R>>,
    /// A lane is written, in this cycle and in the next.
    pub writes: Signal<Out, Bit>,
    pub writes_next: Signal<Out, Bit>,
    pub write_data: [Signal<Out, Bits<8>>; R],

    // The target, and the operands of the instruction under way.
    target_x_count: DFF<Bits<A>>,
    target_x_stride: DFF<Bits<A>>,
    target_y_count: DFF<Bits<A>>,
    target_y_stride: DFF<Bits<A>>,
    bound_low: DFF<Bits<8>>,
    bound_high: DFF<Bits<8>>,
    is_vector: DFF<Bit>,
    first_word: DFF<Bits<A>>,
    first_parameter: DFF<Bits<P>>,
    column_count: DFF<Bits<5>>,
    first_lane: DFF<Bits<5>>,
    first_source_lane: DFF<Bits<5>>,
    in_table: DFF<Bit>,
    to_even_code: DFF<Bit>,
    start: Signal<Local, Bit>,
    /// The cycle after a start: counters take the operands.
    begin: DFF<Bit>,
    busy_state: DFF<Bit>,

    // Values are fetched,
    issue: OutputIssue<A>,
    fetch: VectorFetch<R, V, W>,
    word: LoadableCounter<D>,
    word_read: DFF<Bit>,
    columns_left: LoadableCounter<5>,
    arriving: Signal<Local, Bit>,
    /// Outputs that have begun and are not taken yet.
    claimed: DFF<Bits<5>>,
    queue: ValueQueue<V, W>,

    // requantised,
    columns_to_take: LoadableCounter<5>,
    last_column: Signal<Local, Bit>,
    parameter_counter: LoadableCounter<P>,
    requantise: RequantiseGroup<V, W, Q, M>,

    // and written.
    write: DFF<Bit>,
    position_written: Signal<Local, Bit>,
    x: LoadableCounter<A>,
    target: GridAddress<A>,
    /// The last position of its row.
    row_end: DFF<Bit>,
    row_begins: Signal<Local, Bit>,
    /// Lanes from the position's first word on.
    place: LoadableCounter<5>,
    lanes: LaneWrite<R, V>,

    one: Constant<Bits<A>>,
    two: Constant<Bits<A>>,
    one_column: Constant<Bits<5>>,
    wide: Constant<Bit>,
    lane_mask: Constant<Bits<5>>,
    lane_bits: Constant<Bits<5>>,
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
    > Default for ActivationUnit<R, V, W, A, D, P, Q, M>
{
    fn default() -> Self {
        // A place counts to the last column after the last lane.
        const { assert!(R.is_power_of_two() && R <= 16 && (V == 1 || V == R) && A >= 5) }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write_target: Default::default(),
            x_count: Default::default(),
            x_stride: Default::default(),
            y_count: Default::default(),
            y_stride: Default::default(),
            low: Default::default(),
            high: Default::default(),
            start_activate: Default::default(),
            start_vector: Default::default(),
            busy: Default::default(),
            accumulator: Default::default(),
            activation: Default::default(),
            parameter: Default::default(),
            columns: Default::default(),
            lane: Default::default(),
            source_lane: Default::default(),
            table: Default::default(),
            even_code: Default::default(),
            combine: Default::default(),
            zero_point_0: Default::default(),
            zero_point_1: Default::default(),
            accumulator_request: Default::default(),
            accumulator_read: Default::default(),
            accumulator_address: Default::default(),
            accumulator_next: Default::default(),
            accumulator_value: std::array::from_fn(|_| Default::default()),
            vector_reading: Default::default(),
            walk_advance: Default::default(),
            repeat: Default::default(),
            next_word: Default::default(),
            last_tap: Default::default(),
            activation_word: std::array::from_fn(|_| Default::default()),
            parameter_address: Default::default(),
            parameter_bias: std::array::from_fn(|_| Default::default()),
            parameter_multiplier: std::array::from_fn(|_| Default::default()),
            parameter_steps: std::array::from_fn(|_| Default::default()),
            parameter_zero_point: std::array::from_fn(|_| Default::default()),
            lookup_index: std::array::from_fn(|_| Default::default()),
            lookup_entry: std::array::from_fn(|_| Default::default()),
            table_index: std::array::from_fn(|_| Default::default()),
            table_entry: std::array::from_fn(|_| Default::default()),
            write_address: Default::default(),
            write_enable: Default::default(),
            writes: Default::default(),
            writes_next: Default::default(),
            write_data: std::array::from_fn(|_| Default::default()),
            target_x_count: Default::default(),
            target_x_stride: Default::default(),
            target_y_count: Default::default(),
            target_y_stride: Default::default(),
            bound_low: Default::default(),
            bound_high: Default::default(),
            is_vector: Default::default(),
            first_word: Default::default(),
            first_parameter: Default::default(),
            column_count: Default::default(),
            first_lane: Default::default(),
            first_source_lane: Default::default(),
            in_table: Default::default(),
            to_even_code: Default::default(),
            start: Default::default(),
            begin: Default::default(),
            busy_state: Default::default(),
            issue: OutputIssue::new(V > 1),
            fetch: Default::default(),
            word: LoadableCounter::up(),
            word_read: Default::default(),
            columns_left: LoadableCounter::down(),
            arriving: Default::default(),
            claimed: Default::default(),
            queue: Default::default(),
            columns_to_take: LoadableCounter::down(),
            last_column: Default::default(),
            parameter_counter: LoadableCounter::up(),
            requantise: Default::default(),
            write: Default::default(),
            position_written: Default::default(),
            x: LoadableCounter::down(),
            target: Default::default(),
            row_end: Default::default(),
            row_begins: Default::default(),
            place: LoadableCounter::up(),
            lanes: Default::default(),
            one: Constant::new(bits(1)),
            two: Constant::new(bits(2)),
            one_column: Constant::new(bits(1)),
            wide: Constant::new(V > 1),
            lane_mask: Constant::new(bits(R as u64 - 1)),
            lane_bits: Constant::new(bits(R.ilog2() as u64)),
        }
    }
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
    > Logic for ActivationUnit<R, V, W, A, D, P, Q, M>
{
    crate::unit!("Requantises accumulators or combined activations and writes them channels-last.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            target_x_count,
            target_x_stride,
            target_y_count,
            target_y_stride,
            bound_low,
            bound_high,
            is_vector,
            first_word,
            first_parameter,
            column_count,
            first_lane,
            first_source_lane,
            in_table,
            to_even_code,
            begin,
            busy_state,
            word_read,
            claimed,
            write,
            row_end
        );
        if self.write_target.val() {
            self.target_x_count.d.next = self.x_count.val();
            self.target_x_stride.d.next = self.x_stride.val();
            self.target_y_count.d.next = self.y_count.val();
            self.target_y_stride.d.next = self.y_stride.val();
            self.bound_low.d.next = self.low.val();
            self.bound_high.d.next = self.high.val();
        }
        self.start.next = self.start_activate.val() | self.start_vector.val();
        if self.start.val() {
            self.is_vector.d.next = self.start_vector.val();
            self.first_word.d.next = self.activation.val();
            self.first_parameter.d.next = self.parameter.val();
            self.column_count.d.next = self.columns.val();
            self.first_lane.d.next = self.lane.val() & self.lane_mask.val();
            self.first_source_lane.d.next = self.source_lane.val() & self.lane_mask.val();
            self.in_table.d.next = self.table.val();
            self.to_even_code.d.next = self.even_code.val();
        }
        self.begin.d.next = self.start.val();

        // Outputs begin while there is room for what is under way.
        self.issue.clock.next = self.clock.val();
        self.issue.reset.next = self.reset.val();
        self.issue.start.next = self.begin.q.val();
        self.issue.vector.next = self.is_vector.q.val();
        self.issue.product.next = self.fetch.is_product.val();
        self.issue.columns.next = self.column_count.q.val();
        self.issue.source_lane.next = self.first_source_lane.q.val();
        self.issue.x_count.next = self.target_x_count.q.val();
        self.issue.y_count.next = self.target_y_count.q.val();
        self.issue.room.next = !self.claimed.q.val().get_bit(4);
        self.issue.last_tap.next = self.last_tap.val();
        if self.issue.claim.val() & !self.requantise.take.val() {
            self.claimed.d.next = self.claimed.q.val() + 1;
        }
        if !self.issue.claim.val() & self.requantise.take.val() {
            self.claimed.d.next = self.claimed.q.val() - 1;
        }

        // Accumulators.
        self.accumulator_request.next = self.issue.request.val();
        self.word.clock.next = self.clock.val();
        self.word.load.next = self.start.val();
        self.word.value.next = self.accumulator.val();
        self.word.step.next = self.accumulator_read.val();
        self.accumulator_address.next = self.word.q.val();
        self.word_read.d.next = self.accumulator_read.val();
        self.columns_left.clock.next = self.clock.val();
        self.columns_left.load.next = self.word_read.q.val();
        self.columns_left.value.next = self.column_count.q.val();
        if self.wide.val() {
            self.columns_left.value.next = 1.into();
        }
        self.arriving.next = self.columns_left.q.val().any();
        self.columns_left.step.next = self.arriving.val();
        self.accumulator_next.next = self.arriving.val();

        // Activations.
        self.vector_reading.next = self.issue.vectoring.val();
        self.walk_advance.next = self.issue.advance.val();
        self.repeat.next = self.issue.repeat.val();
        // A place that a reset left behind must not move anybody else's addresses.
        self.next_word.next = self.issue.vectoring.val()
            & (self.issue.source_place.val() & !self.lane_mask.val()).any();
        self.fetch.clock.next = self.clock.val();
        self.fetch.reset.next = self.reset.val();
        self.fetch.start.next = self.start.val();
        self.fetch.combine.next = self.combine.val();
        self.fetch.zero_point_0.next = self.zero_point_0.val();
        self.fetch.zero_point_1.next = self.zero_point_1.val();
        self.fetch.tap.next = self.issue.advance.val();
        self.fetch.first.next = self.issue.first.val();
        self.fetch.last.next = self.last_tap.val();
        self.fetch.lane.next = self.issue.source_place.val() & self.lane_mask.val();
        for i in 0..R {
            self.fetch.word[i].next = self.activation_word[i].val();
        }

        self.queue.clock.next = self.clock.val();
        self.queue.reset.next = self.reset.val();
        self.queue.push.next = self.arriving.val() | self.fetch.push.val();
        self.queue.pop.next = self.requantise.take.val();
        for i in 0..V {
            self.lookup_index[i].next = self.fetch.lookup_index[i].val();
            self.fetch.lookup_entry[i].next = self.lookup_entry[i].val();
            self.queue.value[i].next = self.accumulator_value[i].val();
            if self.is_vector.q.val() {
                self.queue.value[i].next = self.fetch.value[i].val();
            }
        }

        // One output per `take`.
        self.last_column.next =
            self.wide.val() | (self.columns_to_take.q.val() == self.one_column.val());
        self.columns_to_take.clock.next = self.clock.val();
        self.columns_to_take.value.next = self.column_count.q.val();
        self.columns_to_take.load.next =
            self.begin.q.val() | (self.requantise.take.val() & self.last_column.val());
        self.columns_to_take.step.next = self.requantise.take.val();
        self.parameter_counter.clock.next = self.clock.val();
        self.parameter_counter.value.next = self.first_parameter.q.val();
        self.parameter_counter.load.next =
            self.begin.q.val() | (self.requantise.take.val() & self.last_column.val());
        self.parameter_counter.step.next = self.requantise.take.val() & !self.is_vector.q.val();
        self.parameter_address.next = self.parameter_counter.q.val();
        self.requantise.clock.next = self.clock.val();
        self.requantise.reset.next = self.reset.val();
        self.requantise.valid.next = self.queue.ready.val();
        self.requantise.columns.next = self.column_count.q.val();
        self.requantise.tag.next = self.last_column.val();
        self.requantise.even_code.next = self.to_even_code.q.val();
        self.requantise.low.next = self.bound_low.q.val();
        self.requantise.high.next = self.bound_high.q.val();
        for i in 0..V {
            self.requantise.value[i].next = self.queue.front[i].val();
            self.requantise.bias[i].next = self.parameter_bias[i].val();
            self.requantise.multiplier[i].next = self.parameter_multiplier[i].val();
            self.requantise.steps[i].next = self.parameter_steps[i].val();
            self.requantise.zero_point[i].next = self.parameter_zero_point[i].val();
        }

        // Written one cycle after the code, when the table has answered.
        self.write.d.next = self.requantise.done.val();
        self.writes.next = self.write.q.val();
        self.writes_next.next = self.requantise.done.val();
        self.position_written.next = self.write.q.val() & self.requantise.code_tag.val();
        self.x.clock.next = self.clock.val();
        self.x.value.next = self.target_x_count.q.val();
        self.row_begins.next =
            self.begin.q.val() | (self.position_written.val() & self.row_end.q.val());
        self.x.load.next = self.row_begins.val();
        self.x.step.next = self.position_written.val();
        if self.position_written.val() {
            self.row_end.d.next = self.x.q.val() == self.two.val();
        }
        if self.row_begins.val() {
            self.row_end.d.next = self.target_x_count.q.val() == self.one.val();
        }
        self.target.clock.next = self.clock.val();
        self.target.restart.next = self.begin.q.val();
        self.target.step.next = self.position_written.val();
        self.target.row_end.next = self.row_end.q.val();
        // Nothing is written behind the last position.
        self.target.end.next = false;
        self.target.first.next = self.first_word.q.val();
        self.target.x_stride.next = self.target_x_stride.q.val();
        self.target.y_stride.next = self.target_y_stride.q.val();
        self.place.clock.next = self.clock.val();
        self.place.value.next = self.first_lane.q.val();
        self.place.load.next = self.begin.q.val() | self.position_written.val();
        self.place.step.next = self.write.q.val();
        self.write_address.next =
            self.target.word.val() + bit_cast::<A, 5>(self.place.q.val() >> self.lane_bits.val());
        self.lanes.write.next = self.write.q.val();
        self.lanes.lane.next = self.place.q.val() & self.lane_mask.val();
        self.lanes.columns.next = self.column_count.q.val();
        self.write_enable.next = self.lanes.enable.val();
        for i in 0..V {
            self.table_index[i].next = self.requantise.code[i].val();
            self.lanes.byte[i].next = self.requantise.code[i].val();
            if self.in_table.q.val() {
                self.lanes.byte[i].next = self.table_entry[i].val();
            }
        }
        for i in 0..R {
            self.write_data[i].next = self.lanes.data[i].val();
        }

        // A register, as the sequencer starts units by it. The last write follows the
        // requantiser's last active cycle.
        self.busy_state.d.next = self.start.val()
            | self.begin.q.val()
            | self.issue.issuing.val()
            | self.claimed.q.val().any()
            | self.requantise.active.val();
        self.busy.next = self.busy_state.q.val();

        if self.reset.val() {
            self.busy_state.d.next = false;
            self.begin.d.next = false;
            self.claimed.d.next = 0.into();
            self.word_read.d.next = false;
            self.columns_left.load.next = true;
            self.columns_left.value.next = 0.into();
            self.write.d.next = false;
        }
    }
}
