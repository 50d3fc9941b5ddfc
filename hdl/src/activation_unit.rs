//! Executes `Activate`: requantises accumulators, looks them up in the table if told
//! to, and writes the bytes channels-last.
//!
//! ```text
//!                        column                       word, lane
//!                          │                               │
//!  next_position ◄─────────┤                               ├──► write_address,
//!  accumulator_value ────────────► [ ] ─┐                  │    write_enable
//!                          │            ▼                  │
//!  parameter_address ◄─────┘       Requantise ─► code ─────┼──┬──► table_address
//!  parameter_word ─────────► fields ───►┘        tag ──────┘  ▼
//!  table_data ──────────────────────────────────────────────► mux ──► write_data
//! ```
//! `start` is a pulse; the operands stand from its cycle until `busy` has fallen.
//! `busy` is up from the cycle after `start` to that of the last write. The memories
//! answer one cycle after their address.
//!
//! The accumulators are addressed from outside, by a counter that the instruction has
//! anyway: at the first position's word from `start` on, one further from the cycle
//! after a pulse on `next_position`. `last_position` says that it is at the last one.
//!
//! Outputs are produced position by column 0 first, each as soon after the
//! one before as [`Requantise`] takes it; from `start` to the last write it takes
//! [`activate_cycles`](quern_isa::cycles::activate_cycles).
//!
//! Operands: as in [`Activate`](quern_isa::Activate). `accumulator_value`: two's
//! complement. `parameter_word`: the bytes of a
//! [`ChannelParameters`](quern_isa::ChannelParameters). `write_data`: offset binary;
//! `write_enable`: bit r writes lane r.

use crate::{ParameterFields, Requantise};
use rust_hdl::prelude::*;

/// `R` lanes, `C` columns, `W` accumulator bits; `A`, `P` address bits of activations
/// and parameters; `L = W / 8 + 6` bytes of a parameter word; `Q` requantiser rows,
/// `M = 23 + Q` multiplier bits.
#[derive(LogicBlock)]
pub struct ActivationUnit<
    const R: usize,
    const C: usize,
    const W: usize,
    const A: usize,
    const P: usize,
    const L: usize,
    const Q: usize,
    const M: usize,
> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub last_position: Signal<In, Bit>,
    pub activation: Signal<In, Bits<A>>,
    pub position_stride: Signal<In, Bits<A>>,
    pub first_parameter: Signal<In, Bits<P>>,
    pub columns: Signal<In, Bits<5>>,
    pub lane: Signal<In, Bits<5>>,
    pub low: Signal<In, Bits<8>>,
    pub high: Signal<In, Bits<8>>,
    pub table: Signal<In, Bit>,
    pub next_position: Signal<Out, Bit>,
    /// Of the addressed accumulators, the one wanted in this cycle.
    pub accumulator_column: Signal<Out, Bits<5>>,
    pub accumulator_value: Signal<In, Bits<W>>,
    pub parameter_address: Signal<Out, Bits<P>>,
    pub parameter_word: [Signal<In, Bits<8>>; L],
    pub table_address: Signal<Out, Bits<8>>,
    pub table_data: Signal<In, Bits<8>>,
    pub write_address: Signal<Out, Bits<A>>,
    pub write_enable: Signal<Out, Bits<R>>,
    pub write_data: Signal<Out, Bits<8>>,

    // The output that is fetched next is this column of the addressed word.
    fetching: DFF<Bit>,
    column: DFF<Bits<5>>,
    next_column: Signal<Local, Bits<5>>,
    last_column: Signal<Local, Bit>,
    value: DFF<Bits<W>>,
    fields: ParameterFields<L, W, M>,
    requantise: Requantise<W, Q, M>,

    // The output that is written next: its position's first word, and its place from
    // there on, in lanes.
    word: DFF<Bits<A>>,
    place: DFF<Bits<5>>,
    write: DFF<Bit>,
    place_lane: Signal<Local, Bits<5>>,
    lane_mask: Constant<Bits<5>>,
    lane_bits: Constant<Bits<5>>,
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
    > Default for ActivationUnit<R, C, W, A, P, L, Q, M>
{
    fn default() -> Self {
        // `place` counts to the last column after the last lane.
        const { assert!(R.is_power_of_two() && R + C - 1 < 32 && A >= 5 && P >= 5) }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            busy: Default::default(),
            last_position: Default::default(),
            activation: Default::default(),
            position_stride: Default::default(),
            first_parameter: Default::default(),
            columns: Default::default(),
            lane: Default::default(),
            low: Default::default(),
            high: Default::default(),
            table: Default::default(),
            next_position: Default::default(),
            accumulator_column: Default::default(),
            accumulator_value: Default::default(),
            parameter_address: Default::default(),
            parameter_word: std::array::from_fn(|_| Default::default()),
            table_address: Default::default(),
            table_data: Default::default(),
            write_address: Default::default(),
            write_enable: Default::default(),
            write_data: Default::default(),
            fetching: Default::default(),
            column: Default::default(),
            next_column: Default::default(),
            last_column: Default::default(),
            value: Default::default(),
            fields: Default::default(),
            requantise: Default::default(),
            word: Default::default(),
            place: Default::default(),
            write: Default::default(),
            place_lane: Default::default(),
            lane_mask: Constant::new(bits(R as u64 - 1)),
            lane_bits: Constant::new(bits(R.ilog2() as u64)),
        }
    }
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
    > Logic for ActivationUnit<R, C, W, A, P, L, Q, M>
{
    crate::unit!(
        "Requantises accumulators, looks them up in a table and writes them channels-last."
    );

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, fetching, column, value, word, place, write);

        // Fetch: one output per `take`.
        self.parameter_address.next =
            self.first_parameter.val() + bit_cast::<P, 5>(self.column.q.val());
        self.next_column.next = self.column.q.val() + 1;
        self.last_column.next = self.next_column.val() == self.columns.val();
        self.next_position.next = self.requantise.take.val() & self.last_column.val();
        if self.requantise.take.val() {
            self.column.d.next = self.next_column.val();
            if self.last_column.val() {
                self.column.d.next = 0.into();
                self.fetching.d.next = !self.last_position.val();
            }
        }
        self.accumulator_column.next = self.column.q.val();
        self.value.d.next = self.accumulator_value.val();
        for i in 0..L {
            self.fields.word[i].next = self.parameter_word[i].val();
        }

        self.requantise.clock.next = self.clock.val();
        self.requantise.reset.next = self.reset.val();
        self.requantise.start.next = self.start.val();
        self.requantise.valid.next = self.fetching.q.val();
        self.requantise.value.next = self.value.q.val();
        self.requantise.bias.next = self.fields.bias.val();
        self.requantise.multiplier.next = self.fields.multiplier.val();
        self.requantise.steps.next = self.fields.steps.val();
        self.requantise.zero_point.next = self.fields.zero_point.val();
        self.requantise.tag.next = self.last_column.val();
        self.requantise.low.next = self.low.val();
        self.requantise.high.next = self.high.val();

        // Write: one cycle after the code, when the table has answered.
        self.table_address.next = self.requantise.code.val();
        self.write.d.next = self.requantise.done.val();
        self.write_data.next = self.requantise.code.val();
        if self.table.val() {
            self.write_data.next = self.table_data.val();
        }
        self.place_lane.next = self.place.q.val() & self.lane_mask.val();
        self.write_enable.next =
            bit_cast::<R, 1>(self.write.q.val().into()) << self.place_lane.val();
        self.write_address.next =
            self.word.q.val() + bit_cast::<A, 5>(self.place.q.val() >> self.lane_bits.val());
        if self.write.q.val() {
            self.place.d.next = self.place.q.val() + 1;
            if self.requantise.code_tag.val() {
                self.place.d.next = self.lane.val();
                self.word.d.next = self.word.q.val() + self.position_stride.val();
            }
        }

        self.busy.next = self.fetching.q.val() | self.requantise.active.val() | self.write.q.val();

        if self.start.val() {
            self.fetching.d.next = true;
            self.column.d.next = 0.into();
            self.word.d.next = self.activation.val();
            self.place.d.next = self.lane.val();
        }
        if self.reset.val() {
            self.fetching.d.next = false;
            self.write.d.next = false;
        }
    }
}
