//! Makes values of the taps of `vector`: the bytes of `V` lanes side by side.
//!
//! ```text
//!  cycle:  t          t+2                  t+3              t+6
//!  step ──► memory ──► LaneSelect ─► [ ] ─┬──► Combine[V] ─► value[V], push
//!           (outside)                     └──► lookup_index ─ ─► entry
//!  tap, first, last, lane ─► [ ] ─► [ ] ─► [ ] ─► [ ]
//! ```
//! `tap` says that the walk takes a step in this cycle; `first` and `last` that it is an
//! output's. Its word stands in `word` two cycles later. The value is pushed 6 cycles
//! after the last tap, that of a product 14.
//!
//! Operands stand from `start` until the last push: `combine` is
//! [`Combine`](quern_isa::Combine)'s number, `zero_points` are unsigned bytes. `lane`:
//! the one that vector lane 0 takes. `lookup_index`: 256 more for the odd taps of an
//! output. `value`, `lookup_entry`: two's complement.

use crate::{Combine, LaneSelect, LoadableCounter};
use rust_hdl::prelude::*;

/// `R` lanes, `V` vector lanes, `W` accumulator bits.
#[derive(LogicBlock)]
pub struct VectorFetch<const R: usize, const V: usize, const W: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub combine: Signal<In, Bits<2>>,
    pub zero_point_0: Signal<In, Bits<8>>,
    pub zero_point_1: Signal<In, Bits<8>>,
    pub tap: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub lane: Signal<In, Bits<5>>,
    pub word: [Signal<In, Bits<8>>; R],
    pub lookup_index: [Signal<Out, Bits<9>>; V],
    pub lookup_entry: [Signal<In, Bits<W>>; V],
    pub push: Signal<Out, Bit>,
    pub value: [Signal<Out, Bits<W>>; V],
    /// The instruction multiplies: it wants 8 cycles more for each output.
    pub is_product: Signal<Out, Bit>,
    select: LaneSelect<R, V>,
    lanes: [Combine<W>; V],

    mode: DFF<Bits<2>>,
    factor_zero_point: DFF<Bits<8>>,
    /// Turns once around in each product.
    digits_zero_point: DFF<Bits<8>>,
    // That many cycles after the step.
    tap_1: DFF<Bit>,
    tap_2: DFF<Bit>,
    tap_3: DFF<Bit>,
    tap_4: DFF<Bit>,
    first_1: DFF<Bit>,
    first_2: DFF<Bit>,
    first_3: DFF<Bit>,
    first_4: DFF<Bit>,
    last_1: DFF<Bit>,
    last_2: DFF<Bit>,
    last_3: DFF<Bit>,
    last_4: DFF<Bit>,
    lane_1: DFF<Bits<5>>,
    lane_2: DFF<Bits<5>>,
    odd: DFF<Bit>,
    /// The last byte is on its way into the value.
    complete: DFF<Bit>,
    pushed: DFF<Bit>,
    multiplication: LoadableCounter<4>,
    maximum: Signal<Local, Bit>,
    lookup: Signal<Local, Bit>,
    product: Signal<Local, Bit>,
    multiply: Signal<Local, Bit>,
    half: Signal<Local, Bits<9>>,
    chosen: [DFF<Bits<8>>; V],
    picked: Signal<Local, Bits<8>>,
    digits: Constant<Bits<4>>,
    last_digit: Constant<Bits<4>>,
    second: Constant<Bits<9>>,
    top_digit: Constant<Bits<8>>,
}

impl<const R: usize, const V: usize, const W: usize> Default for VectorFetch<R, V, W> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            combine: Default::default(),
            zero_point_0: Default::default(),
            zero_point_1: Default::default(),
            tap: Default::default(),
            first: Default::default(),
            last: Default::default(),
            lane: Default::default(),
            word: std::array::from_fn(|_| Default::default()),
            lookup_index: std::array::from_fn(|_| Default::default()),
            lookup_entry: std::array::from_fn(|_| Default::default()),
            push: Default::default(),
            value: std::array::from_fn(|_| Default::default()),
            is_product: Default::default(),
            select: Default::default(),
            lanes: std::array::from_fn(|_| Default::default()),
            mode: Default::default(),
            factor_zero_point: Default::default(),
            digits_zero_point: Default::default(),
            tap_1: Default::default(),
            tap_2: Default::default(),
            tap_3: Default::default(),
            tap_4: Default::default(),
            first_1: Default::default(),
            first_2: Default::default(),
            first_3: Default::default(),
            first_4: Default::default(),
            last_1: Default::default(),
            last_2: Default::default(),
            last_3: Default::default(),
            last_4: Default::default(),
            lane_1: Default::default(),
            lane_2: Default::default(),
            odd: Default::default(),
            complete: Default::default(),
            pushed: Default::default(),
            multiplication: LoadableCounter::up(),
            maximum: Default::default(),
            lookup: Default::default(),
            product: Default::default(),
            multiply: Default::default(),
            half: Default::default(),
            chosen: std::array::from_fn(|_| Default::default()),
            picked: Default::default(),
            // Counts up to where the highest bit falls.
            digits: Constant::new(bits(8)),
            last_digit: Constant::new(bits(15)),
            second: Constant::new(bits(256)),
            top_digit: Constant::new(bits(128)),
        }
    }
}

impl<const R: usize, const V: usize, const W: usize> Logic for VectorFetch<R, V, W> {
    crate::unit!("Makes values of the taps of vector.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            mode,
            factor_zero_point,
            digits_zero_point,
            tap_1,
            tap_2,
            tap_3,
            tap_4,
            first_1,
            first_2,
            first_3,
            first_4,
            last_1,
            last_2,
            last_3,
            last_4,
            lane_1,
            lane_2,
            odd,
            complete,
            pushed
        );
        self.maximum.next = self.mode.q.val() == 1;
        self.lookup.next = self.mode.q.val() == 2;
        self.product.next = self.mode.q.val() == 3;
        self.is_product.next = self.product.val();

        self.tap_1.d.next = self.tap.val();
        self.tap_2.d.next = self.tap_1.q.val();
        self.tap_3.d.next = self.tap_2.q.val();
        self.tap_4.d.next = self.tap_3.q.val();
        self.first_1.d.next = self.first.val();
        self.first_2.d.next = self.first_1.q.val();
        self.first_3.d.next = self.first_2.q.val();
        self.first_4.d.next = self.first_3.q.val();
        self.last_1.d.next = self.last.val();
        self.last_2.d.next = self.last_1.q.val();
        self.last_3.d.next = self.last_2.q.val();
        self.last_4.d.next = self.last_3.q.val();
        self.lane_1.d.next = self.lane.val();
        self.lane_2.d.next = self.lane_1.q.val();

        // Which half of the lookup memory a tap looks into.
        if self.tap_3.q.val() {
            self.odd.d.next = !self.odd.q.val() & !self.last_3.q.val();
        }
        self.half.next = 0.into();
        if self.odd.q.val() {
            self.half.next = self.second.val();
        }

        // A product's second byte leaves digit by digit.
        self.multiplication.clock.next = self.clock.val();
        self.multiplication.load.next =
            self.tap_4.q.val() & self.last_4.q.val() & self.product.val();
        self.multiplication.value.next = self.digits.val();
        self.multiplication.step.next = self.multiplication.q.val().get_bit(3);
        self.multiply.next = self.multiplication.q.val().get_bit(3);
        if self.multiply.val() {
            self.digits_zero_point.d.next = self.digits_zero_point.q.val() >> 1;
            if self.digits_zero_point.q.val().get_bit(0) {
                self.digits_zero_point.d.next =
                    (self.digits_zero_point.q.val() >> 1) | self.top_digit.val();
            }
        }
        self.complete.d.next = (self.tap_4.q.val() & self.last_4.q.val() & !self.product.val())
            | (self.multiplication.q.val() == self.last_digit.val());
        self.pushed.d.next = self.complete.q.val();
        self.push.next = self.pushed.q.val();

        self.select.lane.next = self.lane_2.q.val();
        for i in 0..R {
            self.select.word[i].next = self.word[i].val();
        }
        for i in 0..V {
            // A register between two memories.
            self.chosen[i].clock.next = self.clock.val();
            self.chosen[i].d.next = self.select.byte[i].val();
            self.picked.next = self.chosen[i].q.val();
            self.lookup_index[i].next = bit_cast::<9, 8>(self.picked.val()) | self.half.val();
            self.lanes[i].clock.next = self.clock.val();
            self.lanes[i].tap_byte.next = self.chosen[i].q.val();
            self.lanes[i].entry.next = self.lookup_entry[i].val();
            self.lanes[i].tap.next = self.tap_4.q.val();
            self.lanes[i].first.next = self.first_4.q.val();
            self.lanes[i].maximum.next = self.maximum.val();
            self.lanes[i].lookup.next = self.lookup.val();
            self.lanes[i].product.next = self.product.val();
            self.lanes[i].multiply.next = self.multiply.val();
            self.lanes[i].zero_point.next = self.factor_zero_point.q.val();
            self.lanes[i].zero_point_bit.next = self.digits_zero_point.q.val().get_bit(0);
            self.value[i].next = self.lanes[i].value.val();
        }

        if self.start.val() {
            self.mode.d.next = self.combine.val();
            self.factor_zero_point.d.next = self.zero_point_0.val();
            self.digits_zero_point.d.next = self.zero_point_1.val();
        }
        if self.reset.val() {
            self.tap_1.d.next = false;
            self.tap_2.d.next = false;
            self.tap_3.d.next = false;
            self.tap_4.d.next = false;
            self.odd.d.next = false;
            self.complete.d.next = false;
            self.pushed.d.next = false;
            self.multiplication.load.next = true;
            self.multiplication.value.next = 0.into();
        }
    }
}
