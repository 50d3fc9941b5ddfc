//! Executes `Activate`: requantises accumulators, looks them up in the table if told
//! to, and writes the bytes channels-last.
//!
//! ```text
//!  accumulator_request ◄── position, column            word, lane
//!                          │                               │
//!  accumulator_value ──────┼─────► [ ] ─┐                  ├──► write_address,
//!  accumulator_next ◄─────┤            │                  │    write_enable
//!                          │            ▼                  │
//!  parameter_address ◄─────┘       Requantise ─► code ─────┼──┬──► table_address
//!  parameter_word ─────────► fields ───►┘        tag ──────┘  ▼
//!  table_data ──────────────────────────────────────────────► mux ──► write_data
//! ```
//! `start` and `write_target` are pulses; their operands are taken in their cycle.
//! `busy` is up from the cycle after `start` to that of the last write. Parameters and
//! table answer one cycle after their address, accumulators R+6 cycles after
//! `accumulator_request`, with `accumulator_read`; from the cycle after that
//! `accumulator_value` is column 0, and `accumulator_next` goes to the next.
//!
//! Outputs are produced position by position, column 0 first, each as soon after the
//! one before as [`Requantise`] takes it; how long that takes is
//! [`activate_cycles`](quern_isa::cycles::activate_cycles).
//!
//! Operands: as in [`Activate`](quern_isa::Activate) and [`Target`](quern_isa::Target).
//! `accumulator_value`: two's complement. `parameter_word`: the bytes of a
//! [`ChannelParameters`](quern_isa::ChannelParameters). `write_data`: offset binary;
//! `write_enable`: bit r writes lane r.

use crate::{LoadableCounter, ParameterFields, Requantise};
use rust_hdl::prelude::*;

/// `R` lanes, `C` columns, `W` accumulator bits; `A`, `D`, `P` address bits of
/// activations, accumulators and parameters; `L = W / 8 + 6` bytes of a parameter word; `Q` requantiser rows,
/// `M = 23 + Q` multiplier bits.
#[derive(LogicBlock)]
pub struct ActivationUnit<
    const R: usize,
    const C: usize,
    const W: usize,
    const A: usize,
    const D: usize,
    const P: usize,
    const L: usize,
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
    pub start: Signal<In, Bit>,
    pub accumulator: Signal<In, Bits<D>>,
    pub activation: Signal<In, Bits<A>>,
    pub parameter: Signal<In, Bits<P>>,
    pub columns: Signal<In, Bits<5>>,
    pub lane: Signal<In, Bits<5>>,
    pub table: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub accumulator_request: Signal<Out, Bit>,
    pub accumulator_address: Signal<Out, Bits<D>>,
    pub accumulator_read: Signal<In, Bit>,
    pub accumulator_value: Signal<In, Bits<W>>,
    pub accumulator_next: Signal<Out, Bit>,
    pub parameter_address: Signal<Out, Bits<P>>,
    pub parameter_word: [Signal<In, Bits<8>>; L],
    pub table_address: Signal<Out, Bits<8>>,
    pub table_data: Signal<In, Bits<8>>,
    pub write_address: Signal<Out, Bits<A>>,
    pub write_enable: Signal<Out, Bits<R>>,
    pub write_data: Signal<Out, Bits<8>>,

    // Operands.
    held_x_count: DFF<Bits<A>>,
    held_x_stride: DFF<Bits<A>>,
    held_y_count: DFF<Bits<A>>,
    held_y_stride: DFF<Bits<A>>,
    held_low: DFF<Bits<8>>,
    held_high: DFF<Bits<8>>,
    held_parameter: DFF<Bits<P>>,
    held_columns: DFF<Bits<5>>,
    held_lane: DFF<Bits<5>>,
    held_table: DFF<Bit>,

    // The output that is fetched next is this column of the addressed word, of which
    // the rest is there when `ready`.
    fetching: DFF<Bit>,
    request: DFF<Bit>,
    read_1: DFF<Bit>,
    read_2: DFF<Bit>,
    read_3: DFF<Bit>,
    ready: DFF<Bit>,
    address: LoadableCounter<D>,
    x: LoadableCounter<A>,
    y: LoadableCounter<A>,
    last_x: Signal<Local, Bit>,
    next_position: Signal<Local, Bit>,
    last_position: Signal<Local, Bit>,
    column: DFF<Bits<5>>,
    next_column: Signal<Local, Bits<5>>,
    last_column: Signal<Local, Bit>,
    value: DFF<Bits<W>>,
    fields: ParameterFields<L, W, M>,
    requantise: Requantise<W, Q, M>,

    // The output that is written next: its position's first word, and its place from
    // there on, in lanes.
    word: DFF<Bits<A>>,
    row: DFF<Bits<A>>,
    next_row: Signal<Local, Bits<A>>,
    row_left: LoadableCounter<A>,
    row_end: Signal<Local, Bit>,
    place: DFF<Bits<5>>,
    write: DFF<Bit>,
    place_lane: Signal<Local, Bits<5>>,
    lane_mask: Constant<Bits<5>>,
    lane_bits: Constant<Bits<5>>,
    one: Constant<Bits<A>>,
}

impl<
        const R: usize,
        const C: usize,
        const W: usize,
        const A: usize,
        const D: usize,
        const P: usize,
        const L: usize,
        const Q: usize,
        const M: usize,
    > Default for ActivationUnit<R, C, W, A, D, P, L, Q, M>
{
    fn default() -> Self {
        // `place` counts to the last column after the last lane.
        const { assert!(R.is_power_of_two() && R + C - 1 < 32 && A >= 5 && P >= 5) }
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
            start: Default::default(),
            accumulator: Default::default(),
            activation: Default::default(),
            parameter: Default::default(),
            columns: Default::default(),
            lane: Default::default(),
            table: Default::default(),
            busy: Default::default(),
            accumulator_request: Default::default(),
            accumulator_address: Default::default(),
            accumulator_read: Default::default(),
            accumulator_value: Default::default(),
            accumulator_next: Default::default(),
            parameter_address: Default::default(),
            parameter_word: std::array::from_fn(|_| Default::default()),
            table_address: Default::default(),
            table_data: Default::default(),
            write_address: Default::default(),
            write_enable: Default::default(),
            write_data: Default::default(),
            held_x_count: Default::default(),
            held_x_stride: Default::default(),
            held_y_count: Default::default(),
            held_y_stride: Default::default(),
            held_low: Default::default(),
            held_high: Default::default(),
            held_parameter: Default::default(),
            held_columns: Default::default(),
            held_lane: Default::default(),
            held_table: Default::default(),
            fetching: Default::default(),
            request: Default::default(),
            read_1: Default::default(),
            read_2: Default::default(),
            read_3: Default::default(),
            ready: Default::default(),
            address: LoadableCounter::up(),
            x: LoadableCounter::down(),
            y: LoadableCounter::down(),
            last_x: Default::default(),
            next_position: Default::default(),
            last_position: Default::default(),
            column: Default::default(),
            next_column: Default::default(),
            last_column: Default::default(),
            value: Default::default(),
            fields: Default::default(),
            requantise: Default::default(),
            word: Default::default(),
            row: Default::default(),
            next_row: Default::default(),
            row_left: LoadableCounter::down(),
            row_end: Default::default(),
            place: Default::default(),
            write: Default::default(),
            place_lane: Default::default(),
            lane_mask: Constant::new(bits(R as u64 - 1)),
            lane_bits: Constant::new(bits(R.ilog2() as u64)),
            one: Constant::new(bits(1)),
        }
    }
}

impl<
        const R: usize,
        const C: usize,
        const W: usize,
        const A: usize,
        const D: usize,
        const P: usize,
        const L: usize,
        const Q: usize,
        const M: usize,
    > Logic for ActivationUnit<R, C, W, A, D, P, L, Q, M>
{
    crate::unit!(
        "Requantises accumulators, looks them up in a table and writes them channels-last."
    );

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            held_x_count,
            held_x_stride,
            held_y_count,
            held_y_stride,
            held_low,
            held_high,
            held_parameter,
            held_columns,
            held_lane,
            held_table,
            fetching,
            request,
            read_1,
            read_2,
            read_3,
            ready,
            column,
            value,
            word,
            row,
            place,
            write
        );
        if self.write_target.val() {
            self.held_x_count.d.next = self.x_count.val();
            self.held_x_stride.d.next = self.x_stride.val();
            self.held_y_count.d.next = self.y_count.val();
            self.held_y_stride.d.next = self.y_stride.val();
            self.held_low.d.next = self.low.val();
            self.held_high.d.next = self.high.val();
        }
        if self.start.val() {
            self.held_parameter.d.next = self.parameter.val();
            self.held_columns.d.next = self.columns.val();
            self.held_lane.d.next = self.lane.val();
            self.held_table.d.next = self.table.val();
        }

        // Fetch: one output per `take`.
        self.parameter_address.next =
            self.held_parameter.q.val() + bit_cast::<P, 5>(self.column.q.val());
        self.next_column.next = self.column.q.val() + 1;
        self.last_column.next = self.next_column.val() == self.held_columns.q.val();
        self.last_x.next = self.x.q.val() == self.one.val();
        self.last_position.next = self.last_x.val() & (self.y.q.val() == self.one.val());
        self.next_position.next = self.requantise.take.val() & self.last_column.val();
        self.request.d.next = self.start.val();
        self.read_1.d.next = self.accumulator_read.val();
        self.read_2.d.next = self.read_1.q.val();
        self.read_3.d.next = self.read_2.q.val();
        if self.read_3.q.val() {
            self.ready.d.next = true;
        }
        if self.requantise.take.val() {
            self.column.d.next = self.next_column.val();
            if self.last_column.val() {
                self.column.d.next = 0.into();
                self.ready.d.next = false;
                self.request.d.next = !self.last_position.val();
                self.fetching.d.next = !self.last_position.val();
            }
        }
        self.address.clock.next = self.clock.val();
        self.address.load.next = self.start.val();
        self.address.value.next = self.accumulator.val();
        self.address.step.next = self.next_position.val();
        self.x.clock.next = self.clock.val();
        self.x.load.next = self.start.val() | (self.next_position.val() & self.last_x.val());
        self.x.value.next = self.held_x_count.q.val();
        self.x.step.next = self.next_position.val();
        self.y.clock.next = self.clock.val();
        self.y.load.next = self.start.val();
        self.y.value.next = self.held_y_count.q.val();
        self.y.step.next = self.next_position.val() & self.last_x.val();
        self.accumulator_request.next = self.request.q.val();
        self.accumulator_address.next = self.address.q.val();
        self.accumulator_next.next = self.requantise.take.val();
        self.value.d.next = self.accumulator_value.val();
        for i in 0..L {
            self.fields.word[i].next = self.parameter_word[i].val();
        }

        self.requantise.clock.next = self.clock.val();
        self.requantise.reset.next = self.reset.val();
        self.requantise.start.next = self.start.val();
        self.requantise.valid.next = self.ready.q.val();
        self.requantise.value.next = self.value.q.val();
        self.requantise.bias.next = self.fields.bias.val();
        self.requantise.multiplier.next = self.fields.multiplier.val();
        self.requantise.steps.next = self.fields.steps.val();
        self.requantise.zero_point.next = self.fields.zero_point.val();
        self.requantise.tag.next = self.last_column.val();
        self.requantise.low.next = self.held_low.q.val();
        self.requantise.high.next = self.held_high.q.val();

        // Write: one cycle after the code, when the table has answered.
        self.table_address.next = self.requantise.code.val();
        self.write.d.next = self.requantise.done.val();
        self.write_data.next = self.requantise.code.val();
        if self.held_table.q.val() {
            self.write_data.next = self.table_data.val();
        }
        self.place_lane.next = self.place.q.val() & self.lane_mask.val();
        self.write_enable.next =
            bit_cast::<R, 1>(self.write.q.val().into()) << self.place_lane.val();
        self.write_address.next =
            self.word.q.val() + bit_cast::<A, 5>(self.place.q.val() >> self.lane_bits.val());
        self.next_row.next = self.row.q.val() + self.held_y_stride.q.val();
        self.row_end.next = self.row_left.q.val() == self.one.val();
        if self.write.q.val() {
            self.place.d.next = self.place.q.val() + 1;
            if self.requantise.code_tag.val() {
                self.place.d.next = self.held_lane.q.val();
                self.word.d.next = self.word.q.val() + self.held_x_stride.q.val();
                if self.row_end.val() {
                    self.word.d.next = self.next_row.val();
                    self.row.d.next = self.next_row.val();
                }
            }
        }
        self.row_left.clock.next = self.clock.val();
        self.row_left.load.next = self.start.val()
            | (self.write.q.val() & self.requantise.code_tag.val() & self.row_end.val());
        self.row_left.value.next = self.held_x_count.q.val();
        self.row_left.step.next = self.write.q.val() & self.requantise.code_tag.val();

        self.busy.next = self.fetching.q.val() | self.requantise.active.val() | self.write.q.val();

        if self.start.val() {
            self.fetching.d.next = true;
            self.column.d.next = 0.into();
            self.ready.d.next = false;
            self.word.d.next = self.activation.val();
            self.row.d.next = self.activation.val();
            self.place.d.next = self.lane.val();
        }
        if self.reset.val() {
            self.fetching.d.next = false;
            self.request.d.next = false;
            self.read_1.d.next = false;
            self.read_2.d.next = false;
            self.read_3.d.next = false;
            self.ready.d.next = false;
            self.write.d.next = false;
        }
    }
}
