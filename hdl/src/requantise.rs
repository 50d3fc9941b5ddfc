//! Requantises an accumulator to a byte, exactly as
//! [`requantise`](quern_isa::numerics::requantise) says.
//!
//! ```text
//!  value ─► + ─► [sum] ─► round to ─► [rest: Q bits  ─► digit    ─► whole ──────┐
//!  bias ────┘             f32         leave per cycle]  multiplier  fraction    │
//!                                                        ▲           ▼          │
//!                                        multiplier ─► [ ]        rounding      │
//!                                                                    ▼          ▼
//!                                        zero_point ─► [ ] ─► [ ] ─► + ──────── + ─► [ ]
//!                                                                                     ▼
//!                                        low, high ─────────────────────────► clamp ─► [code]
//! ```
//! `load` in cycle t, while `ready` is up, takes multiplier, steps and zero point of that
//! cycle, and the sum of `value` and `bias` of the cycle before. An output of d digits
//! lets the next be loaded in cycle t+d, where d is `step_count - idle_steps` (see
//! [`quern_isa::numerics`]), but 3 at least; its `code` stands from cycle t+d+7 on, until
//! that of the next. Time never depends on data.
//!
//! `even_code`: ties go to the even code, not to the even product.
//!
//! `value`, `bias`: two's complement. `multiplier`: unsigned, `M = 23 + Q` bits.
//! `zero_point`, `low`, `high`, `code`: offset binary; the bounds and `even_code` stand
//! until the last code.

use crate::{DigitMultiplier, RoundSignificand, Rounding};
use quern_isa::numerics::idle_steps;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Requantise<const W: usize, const Q: usize, const M: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub load: Signal<In, Bit>,
    pub ready: Signal<Out, Bit>,
    pub value: Signal<In, Bits<W>>,
    pub bias: Signal<In, Bits<W>>,
    pub multiplier: Signal<In, Bits<M>>,
    pub steps: Signal<In, Bits<4>>,
    pub zero_point: Signal<In, Bits<8>>,
    pub even_code: Signal<In, Bit>,
    pub low: Signal<In, Bits<8>>,
    pub high: Signal<In, Bits<8>>,
    pub code: Signal<Out, Bits<8>>,

    /// Cycles until the next `load`.
    countdown: DFF<Bits<4>>,
    running: DFF<Bit>,
    /// That many cycles before the first digit.
    wait_2: DFF<Bit>,
    wait_1: DFF<Bit>,
    first: DFF<Bit>,
    sum: DFF<Bits<W>>,
    round: RoundSignificand<W>,
    rest: DFF<Bits<W>>,
    negative: DFF<Bit>,
    previous: DFF<Bit>,
    held_multiplier: DFF<Bits<M>>,
    held_zero_point: DFF<Bits<8>>,
    scale: DigitMultiplier<Q, M>,

    // One, two, ... cycles after the first and the last digit.
    first_1: DFF<Bit>,
    first_2: DFF<Bit>,
    first_3: DFF<Bit>,
    last_1: DFF<Bit>,
    last_2: DFF<Bit>,
    last_3: DFF<Bit>,
    last_4: DFF<Bit>,
    last_5: DFF<Bit>,
    last_6: DFF<Bit>,
    overflow_1: DFF<Bit>,
    negative_1: DFF<Bit>,
    zero_point_1: DFF<Bits<8>>,
    overflow_3: DFF<Bit>,
    negative_3: DFF<Bit>,
    zero_point_3: DFF<Bits<8>>,
    rounding: Rounding<Q>,
    up_5: DFF<Bit>,
    /// The code: bits 9 and 8, and the complement of the low byte.
    page_6: DFF<Bits<2>>,
    complement_6: DFF<Bits<8>>,
    above_6: DFF<Bit>,
    below_6: DFF<Bit>,
    code_7: DFF<Bits<8>>,

    finished: Signal<Local, Bit>,
    last: Signal<Local, Bit>,
    shifted: Signal<Local, Bits<W>>,
    against_sign: Signal<Local, Bits<W>>,
    above_digit: Signal<Local, Bits<W>>,
    overflow: Signal<Local, Bit>,
    whole: Signal<Local, Bits<11>>,
    offset: Signal<Local, Bits<11>>,
    total: Signal<Local, Bits<11>>,
    low_sum: Signal<Local, Bits<9>>,
    high_with_carry: Signal<Local, Bits<10>>,
    complement_with_carry: Signal<Local, Bits<10>>,
    high_sum: Signal<Local, Bits<10>>,
    is_low: Signal<Local, Bit>,
    is_high: Signal<Local, Bit>,

    /// What the countdown is at the last digit.
    end: Constant<Bits<4>>,
    /// Steps of an output of the shortest time, three digits, and of two.
    least_steps: Constant<Bits<4>>,
    two_digit_steps: Constant<Bits<4>>,
    digit_bits: Constant<Bits<W>>,
    digit_sign: Constant<Bits<W>>,
    sign_fill: Constant<Bits<W>>,
}

impl<const W: usize, const Q: usize, const M: usize> Default for Requantise<W, Q, M> {
    fn default() -> Self {
        let idle = idle_steps(Q as u32) as u64;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            load: Default::default(),
            ready: Default::default(),
            value: Default::default(),
            bias: Default::default(),
            multiplier: Default::default(),
            steps: Default::default(),
            zero_point: Default::default(),
            even_code: Default::default(),
            low: Default::default(),
            high: Default::default(),
            code: Default::default(),
            countdown: Default::default(),
            running: Default::default(),
            wait_2: Default::default(),
            wait_1: Default::default(),
            first: Default::default(),
            sum: Default::default(),
            round: Default::default(),
            rest: Default::default(),
            negative: Default::default(),
            previous: Default::default(),
            held_multiplier: Default::default(),
            held_zero_point: Default::default(),
            scale: Default::default(),
            first_1: Default::default(),
            first_2: Default::default(),
            first_3: Default::default(),
            last_1: Default::default(),
            last_2: Default::default(),
            last_3: Default::default(),
            last_4: Default::default(),
            last_5: Default::default(),
            last_6: Default::default(),
            overflow_1: Default::default(),
            negative_1: Default::default(),
            zero_point_1: Default::default(),
            overflow_3: Default::default(),
            negative_3: Default::default(),
            zero_point_3: Default::default(),
            rounding: Default::default(),
            up_5: Default::default(),
            page_6: Default::default(),
            complement_6: Default::default(),
            above_6: Default::default(),
            below_6: Default::default(),
            code_7: Default::default(),
            finished: Default::default(),
            last: Default::default(),
            shifted: Default::default(),
            against_sign: Default::default(),
            above_digit: Default::default(),
            overflow: Default::default(),
            whole: Default::default(),
            offset: Default::default(),
            total: Default::default(),
            low_sum: Default::default(),
            high_with_carry: Default::default(),
            complement_with_carry: Default::default(),
            high_sum: Default::default(),
            is_low: Default::default(),
            is_high: Default::default(),
            end: Constant::new(bits(idle + 1)),
            least_steps: Constant::new(bits(idle + 3)),
            two_digit_steps: Constant::new(bits(idle + 2)),
            digit_bits: Constant::new(bits(Q as u64)),
            digit_sign: Constant::new(bits(Q as u64 - 1)),
            sign_fill: Constant::new(bits(((1 << Q) - 1) << (W - Q))),
        }
    }
}

impl<const W: usize, const Q: usize, const M: usize> Logic for Requantise<W, Q, M> {
    crate::unit!("Requantises values to bytes, one after the other: add the bias, scale, round as f32 does, add the zero point, clamp.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            countdown,
            running,
            wait_2,
            wait_1,
            first,
            sum,
            rest,
            negative,
            previous,
            held_multiplier,
            held_zero_point,
            first_1,
            first_2,
            first_3,
            last_1,
            last_2,
            last_3,
            last_4,
            last_5,
            last_6,
            overflow_1,
            negative_1,
            zero_point_1,
            overflow_3,
            negative_3,
            zero_point_3,
            up_5,
            page_6,
            complement_6,
            above_6,
            below_6,
            code_7
        );
        self.scale.clock.next = self.clock.val();
        self.rounding.clock.next = self.clock.val();

        // Before the first digit: accumulator plus bias, rounded to an f32's bits.
        self.sum.d.next = self.value.val() + self.bias.val();
        self.round.value.next = self.sum.q.val();

        // One output after the other. Few digits leave the end of the pipeline no time
        // for the output before: there the first digit waits.
        self.finished.next = self.countdown.q.val() == self.end.val();
        self.ready.next = self.finished.val();
        self.last.next = self.running.q.val() & self.finished.val();
        self.wait_2.d.next = false;
        self.wait_1.d.next = self.wait_2.q.val();
        self.first.d.next = self.wait_1.q.val();
        if self.finished.val() {
            self.running.d.next = self.load.val();
        } else {
            self.countdown.d.next = self.countdown.q.val() - 1;
        }
        if self.load.val() {
            self.countdown.d.next = self.steps.val();
            self.first.d.next = true;
            if self.steps.val() < self.least_steps.val() {
                self.countdown.d.next = self.least_steps.val();
                self.first.d.next = false;
                if self.steps.val() == self.two_digit_steps.val() {
                    self.wait_1.d.next = true;
                } else {
                    self.wait_2.d.next = true;
                }
            }
        }

        // The value leaves digit by digit, lowest first, and its sign fills the top.
        self.shifted.next = self.rest.q.val() >> self.digit_bits.val();
        self.rest.d.next = self.shifted.val();
        self.against_sign.next = self.rest.q.val();
        if self.negative.q.val() {
            self.rest.d.next = self.shifted.val() | self.sign_fill.val();
            self.against_sign.next = !self.rest.q.val();
        }
        self.previous.d.next = self.rest.q.val().get_bit(self.digit_sign.val().index());
        if self.wait_2.q.val() | self.wait_1.q.val() {
            self.rest.d.next = self.rest.q.val();
            self.previous.d.next = false;
        }
        if self.load.val() {
            self.rest.d.next = self.round.rounded.val();
            self.negative.d.next = self.round.negative.val();
            self.previous.d.next = false;
            self.held_multiplier.d.next = self.multiplier.val();
            self.held_zero_point.d.next = self.zero_point.val();
        }
        self.scale.digit.next = bit_cast::<Q, W>(self.rest.q.val());
        self.scale.previous.next = self.previous.q.val();
        self.scale.multiplier.next = self.held_multiplier.q.val();
        self.scale.first.next = self.first.q.val();
        self.scale.last.next = self.last.val();

        // From the sign of the last digit on there must be nothing but the sum's.
        self.above_digit.next = self.against_sign.val() >> self.digit_sign.val();
        self.overflow.next = self.above_digit.val().any();
        if self.last.val() {
            self.overflow_1.d.next = self.overflow.val();
            self.negative_1.d.next = self.negative.q.val();
            self.zero_point_1.d.next = self.held_zero_point.q.val();
        }
        self.first_1.d.next = self.first.q.val();
        self.first_2.d.next = self.first_1.q.val();
        self.first_3.d.next = self.first_2.q.val();
        // The next output may be three cycles behind.
        if self.last_2.q.val() {
            self.overflow_3.d.next = self.overflow_1.q.val();
            self.negative_3.d.next = self.negative_1.q.val();
            self.zero_point_3.d.next = self.zero_point_1.q.val();
        }
        self.last_1.d.next = self.last.val();
        self.last_2.d.next = self.last_1.q.val();
        self.last_3.d.next = self.last_2.q.val();
        self.last_4.d.next = self.last_3.q.val();
        self.last_5.d.next = self.last_4.q.val();
        self.last_6.d.next = self.last_5.q.val();

        self.rounding.digit.next = self.scale.fraction.val();
        self.rounding.first.next = self.first_3.q.val();
        self.rounding.half.next = self.scale.half.val();
        self.rounding.close.next = self.scale.close.val();
        self.rounding.whole.next = self.scale.whole.val();
        self.rounding.odd.next = self.even_code.val() & self.zero_point_3.q.val().get_bit(0);
        if self.last_4.q.val() {
            self.up_5.d.next = self.rounding.up.val();
        }

        // whole + zero point + up: the bit below brings in `up` as a carry, so that
        // one adder is enough.
        self.whole.next = (bit_cast::<11, 9>(self.scale.whole.val()) << 1) | 1;
        if self.scale.whole.val().get_bit(8) {
            self.whole.next = (bit_cast::<11, 9>(self.scale.whole.val()) << 1) | 0x401;
        }
        self.offset.next = bit_cast::<11, 8>(self.zero_point_3.q.val()) << 1;
        if self.up_5.q.val() {
            self.offset.next = (bit_cast::<11, 8>(self.zero_point_3.q.val()) << 1) | 1;
        }
        self.total.next = self.whole.val() + self.offset.val();
        self.page_6.d.next = self.total.val().get_bits::<2>(9);
        self.complement_6.d.next = !self.total.val().get_bits::<8>(1);
        self.above_6.d.next =
            (self.scale.out_of_range.val() | self.overflow_3.q.val()) & !self.negative_3.q.val();
        self.below_6.d.next =
            (self.scale.out_of_range.val() | self.overflow_3.q.val()) & self.negative_3.q.val();

        // Codes from -256 to 511 against bounds from 0 to 255. Comparing is the carry
        // of an addition, and with the complement at hand neither operand has to be
        // inverted for it.
        self.low_sum.next =
            bit_cast::<9, 8>(self.low.val()) + bit_cast::<9, 8>(self.complement_6.q.val());
        self.high_with_carry.next = (bit_cast::<10, 8>(self.high.val()) << 1) | 1;
        self.complement_with_carry.next = (bit_cast::<10, 8>(self.complement_6.q.val()) << 1) | 1;
        self.high_sum.next = self.high_with_carry.val() + self.complement_with_carry.val();
        self.is_low.next = self.below_6.q.val()
            | (!self.above_6.q.val()
                & (self.page_6.q.val().get_bit(1)
                    | (!self.page_6.q.val().get_bit(0) & self.low_sum.val().get_bit(8))));
        self.is_high.next = self.above_6.q.val()
            | (!self.below_6.q.val()
                & !self.page_6.q.val().get_bit(1)
                & (self.page_6.q.val().get_bit(0) | !self.high_sum.val().get_bit(9)));
        if self.last_6.q.val() {
            self.code_7.d.next = !self.complement_6.q.val();
            if self.is_high.val() {
                self.code_7.d.next = self.high.val();
            }
            if self.is_low.val() {
                self.code_7.d.next = self.low.val();
            }
        }
        self.code.next = self.code_7.q.val();

        if self.reset.val() {
            self.running.d.next = false;
            self.countdown.d.next = self.end.val();
        }
    }
}
