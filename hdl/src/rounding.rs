//! Decides whether a product is rounded up: as f32 arithmetic followed by rounding
//! half to even does it.
//!
//! ```text
//!  fraction ──► [run of equal bits] ──► + ──► tie? ──► up
//!  digits       [single one below]      ▲      ▲
//!               [half bit] ─────────────│──────┘
//!  whole ─────► [leading one] ──────────┘
//! ```
//! One digit of the fraction per cycle, lowest first, the first one marked by
//! `first`; `whole` comes together with the last and stays for one cycle more. In that
//! cycle, and only then, `up` is valid. The next fraction may follow at once.
//!
//! `fraction`: `Q` bits. `whole`: the integer part, rounded down, in two's
//! complement. Both may belong to a negative product: its rounding is the mirror
//! image.
//!
//! # The rule
//! Let the product be `whole + f`, `l = floor(log2 |product|)` of its integer part,
//! -1 below 1. An f32 there has 23 - l bits below the binary point, and the product
//! rounds to the tie `whole + 1/2` if it is not further from it than half of its last
//! place: `|f - 1/2| <= u = 2^(l-24)`. (Equal counts: the tie, with a last place of 0,
//! is the even neighbour.) For products within 1/2 of zero `u` is half of that again.
//! At a tie the even neighbour of the product is the odd `whole`'s next: `up` is
//! bit 0 of `whole`. Elsewhere `up` is the half bit.
//!
//! With b1 the half bit and b2, b3, ... the bits below, the distance is at most u if
//! - b1 = 0, and b2 ... b(24-l) are ones, or
//! - b1 = 1, and b2 ... b(24-l) are zeros, or only b(24-l) is not and nothing is below.
//!
//! So what counts of the fraction is the length of the run of equal bits that b2
//! begins, and whether there is but a single one in all bits from b2 on. Both are
//! updated digit by digit. A fraction goes on in zeros below its first digit, without
//! end: a run of zeros down to there is as long as any.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Rounding<const Q: usize> {
    pub clock: Signal<In, Clock>,
    pub fraction: Signal<In, Bits<Q>>,
    pub first: Signal<In, Bit>,
    pub whole: Signal<In, Bits<9>>,
    pub up: Signal<Out, Bit>,

    /// The highest bit of the last digit: not yet in the run, as it may be b1.
    half: DFF<Bit>,
    /// Length of the run; `ENDLESS` and anything above 25 alike.
    run: DFF<Bits<5>>,
    run_bit: DFF<Bit>,
    any_one: DFF<Bit>,
    many_ones: DFF<Bit>,
    /// `l + 2`.
    level: DFF<Bits<4>>,
    /// The integer part of the magnitude is 0.
    below_one: DFF<Bit>,

    /// The fraction's bits that are new below the half bit, lowest first.
    window: Signal<Local, Bits<Q>>,
    window_any: Signal<Local, Bit>,
    window_top: Signal<Local, Bit>,
    window_highest_one: Signal<Local, Bits<Q>>,
    window_other_ones: Signal<Local, Bits<Q>>,
    /// Equal bits at the top of the window.
    lead: Signal<Local, Bits<5>>,
    uniform: Signal<Local, Bit>,
    longer: Signal<Local, Bits<5>>,
    magnitude: Signal<Local, Bits<8>>,
    reach: Signal<Local, Bits<6>>,
    exact: Signal<Local, Bit>,
    toward_zero: Signal<Local, Bit>,
    tie: Signal<Local, Bit>,

    digit_bits: Constant<Bits<5>>,
    endless: Constant<Bits<5>>,
    /// The longest run that can still grow by a digit.
    growing: Constant<Bits<5>>,
    /// Bits above bit i.
    above: [Constant<Bits<5>>; 8],
    power: [Constant<Bits<Q>>; 8],
    levels: [Constant<Bits<4>>; 8],
}

/// A run that reaches below the first digit.
const ENDLESS: u64 = 31;

impl<const Q: usize> Default for Rounding<Q> {
    fn default() -> Self {
        const { assert!(Q <= 8) }
        Self {
            clock: Default::default(),
            fraction: Default::default(),
            first: Default::default(),
            whole: Default::default(),
            up: Default::default(),
            half: Default::default(),
            run: Default::default(),
            run_bit: Default::default(),
            any_one: Default::default(),
            many_ones: Default::default(),
            level: Default::default(),
            below_one: Default::default(),
            window: Default::default(),
            window_any: Default::default(),
            window_top: Default::default(),
            window_highest_one: Default::default(),
            window_other_ones: Default::default(),
            lead: Default::default(),
            uniform: Default::default(),
            longer: Default::default(),
            magnitude: Default::default(),
            reach: Default::default(),
            exact: Default::default(),
            toward_zero: Default::default(),
            tie: Default::default(),
            digit_bits: Constant::new(bits(Q as u64)),
            endless: Constant::new(bits(ENDLESS)),
            growing: Constant::new(bits(ENDLESS - Q as u64)),
            above: std::array::from_fn(|i| Constant::new(bits(Q.saturating_sub(i + 1) as u64))),
            power: std::array::from_fn(|i| Constant::new(bits(if i < Q { 1 << i } else { 0 }))),
            levels: std::array::from_fn(|i| Constant::new(bits(i as u64 + 2))),
        }
    }
}

impl<const Q: usize> Logic for Rounding<Q> {
    crate::unit!("Decides whether a product is rounded up, as f32 arithmetic followed by rounding half to even does.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, half, run, run_bit, any_one, many_ones, level, below_one);

        // The half bit of the digit before is the lowest new bit of the run.
        self.window.next = self.fraction.val() << 1;
        if self.half.q.val() & !self.first.val() {
            self.window.next = (self.fraction.val() << 1) | 1;
        }
        for i in 0..Q {
            self.half.d.next = self.fraction.val().get_bit(i);
            self.window_top.next = self.window.val().get_bit(i);
        }

        // The lowest bit that differs from the top ends the run.
        self.uniform.next = true;
        self.lead.next = self.digit_bits.val();
        for i in 0..Q {
            if self.window.val().get_bit(i) != self.window_top.val() {
                self.uniform.next = false;
                self.lead.next = self.above[i].val();
            }
        }
        self.longer.next = self.run.q.val() + self.digit_bits.val();
        self.run_bit.d.next = self.window_top.val();
        self.run.d.next = self.lead.val();
        if self.uniform.val() {
            if self.first.val() {
                if !self.window_top.val() {
                    self.run.d.next = self.endless.val();
                }
            } else if self.window_top.val() == self.run_bit.q.val() {
                self.run.d.next = self.longer.val();
                if self.run.q.val() > self.growing.val() {
                    self.run.d.next = self.endless.val();
                }
            }
        }

        // One, or more than one, among all bits so far.
        self.window_any.next = self.window.val().any();
        self.window_highest_one.next = 0.into();
        for i in 0..Q {
            if self.window.val().get_bit(i) {
                self.window_highest_one.next = self.power[i].val();
            }
        }
        self.window_other_ones.next = self.window.val() & !self.window_highest_one.val();
        self.any_one.d.next = self.window_any.val() | (self.any_one.q.val() & !self.first.val());
        self.many_ones.d.next = self.window_other_ones.val().any()
            | (self.window_any.val() & self.any_one.q.val() & !self.first.val())
            | (self.many_ones.q.val() & !self.first.val());

        // A fraction is rounded down, so the integer part of a negative product's
        // magnitude is the complement (where the fraction is 0 it is one more, but
        // that is far from a tie).
        self.magnitude.next = self.whole.val().get_bits::<8>(0);
        if self.whole.val().get_bit(8) {
            self.magnitude.next = !self.whole.val().get_bits::<8>(0);
        }
        self.below_one.d.next = !self.magnitude.val().any();
        self.level.d.next = 1.into();
        for i in 0..8 {
            if self.magnitude.val().get_bit(i) {
                self.level.d.next = self.levels[i].val();
            }
        }

        // A run of 23 - l bits is a tie: run + level >= 25. With exactly u it is one
        // bit shorter; within 1/2 of zero all is one bit longer.
        self.reach.next = bit_cast::<6, 5>(self.run.q.val()) + bit_cast::<6, 4>(self.level.q.val());
        self.exact.next = self.half.q.val() & !self.many_ones.q.val();
        self.toward_zero.next =
            self.below_one.q.val() & (self.half.q.val() == self.whole.val().get_bit(8));
        self.tie.next = self.reach.val() > 25;
        if self.reach.val() == 25 {
            self.tie.next = self.exact.val() | !self.toward_zero.val();
        }
        if self.reach.val() == 24 {
            self.tie.next = self.exact.val() & !self.toward_zero.val();
        }

        self.up.next = self.half.q.val();
        if (self.run_bit.q.val() != self.half.q.val()) & self.tie.val() {
            self.up.next = self.whole.val().get_bit(0);
        }
    }
}
