//! Decides whether a product is rounded up: as f32 arithmetic followed by rounding
//! half to even does it.
//!
//! ```text
//!  digit ───────► [run of equal bits] ──► compare ──► tie? ──► up
//!                 [single one below]         ▲         ▲
//!  close, half ──────────────────────────────│─────────┤
//!  whole ───────► leading one ─► [a tie's run]         │
//!        └─────────────────────────────────────────────┘
//! ```
//! One digit of the low part of the fraction per cycle, lowest first, the first one
//! marked by `first`. The upper part comes with the last digit, `close` and `odd` a
//! cycle later, in which `whole` and `half` still stand. In that cycle, and only then,
//! `up` is valid; the next fraction may begin in it.
//!
//! `digit`: `Q` bits. `whole`: the integer part, rounded down, in two's complement.
//! `half`: the highest bit of the fraction; `close`: the `Q * idle_steps(Q) - 1` bits
//! below are all its opposite. All may belong to a negative product: its rounding is
//! the mirror image.
//!
//! # The rule
//! Let the product be `whole + f`, `l = floor(log2 |product|)` of its integer part,
//! -1 below 1. An f32 there has 23 - l bits below the binary point, and the product
//! rounds to the tie `whole + 1/2` if it is not further from it than half of its last
//! place: `|f - 1/2| <= u = 2^(l-24)`. (Equal counts: the tie, with a last place of 0,
//! is the even neighbour.) For products within 1/2 of zero `u` is half of that again.
//! At a tie the even neighbour of the product is the odd `whole`'s next: `up` is
//! bit 0 of `whole`, or with `odd`, which makes for the odd neighbour, its opposite.
//! Elsewhere `up` is the half bit.
//!
//! With b1 the half bit and b2, b3, ... the bits below, the distance is at most u if
//! - b1 = 0, and b2 ... b(24-l) are ones, or
//! - b1 = 1, and b2 ... b(24-l) are zeros, or only b(24-l) is not and nothing is below.
//!
//! So what counts of the fraction is the length of the run of equal bits that b2
//! begins, and whether there is but a single one in all bits from b2 on. The run has
//! 14 bits at least, so `close` must be true; what the digits add to it is updated
//! digit by digit. A fraction goes on in zeros below its first digit, without end: a
//! run of zeros down to there is as long as any.

use quern_isa::numerics::idle_steps;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Rounding<const Q: usize> {
    pub clock: Signal<In, Clock>,
    pub digit: Signal<In, Bits<Q>>,
    pub first: Signal<In, Bit>,
    pub half: Signal<In, Bit>,
    pub close: Signal<In, Bit>,
    pub whole: Signal<In, Bits<9>>,
    pub odd: Signal<In, Bit>,
    pub up: Signal<Out, Bit>,

    /// Length of the run in the digits; `ENDLESS` and anything above 18 alike.
    run: DFF<Bits<5>>,
    run_bit: DFF<Bit>,
    any_one: DFF<Bit>,
    many_ones: DFF<Bit>,
    /// The complement of the run with which it is a tie, which makes comparing a carry, and
    /// the run that is one bit shorter.
    tie_complement: DFF<Bits<5>>,
    short_run: DFF<Bits<5>>,
    /// The integer part of the magnitude is 0.
    below_one: DFF<Bit>,

    digit_any: Signal<Local, Bit>,
    top: Signal<Local, Bit>,
    highest_one: Signal<Local, Bits<Q>>,
    other_ones: Signal<Local, Bits<Q>>,
    /// Equal bits at the top of the digit.
    lead: Signal<Local, Bits<5>>,
    uniform: Signal<Local, Bit>,
    longer: Signal<Local, Bits<5>>,
    magnitude: Signal<Local, Bits<8>>,
    exact: Signal<Local, Bit>,
    toward_zero: Signal<Local, Bit>,
    longer_than_tie: Signal<Local, Bits<6>>,
    tie: Signal<Local, Bit>,

    /// For products below 1, and with a leading one in bit i.
    lowest_complement: Constant<Bits<5>>,
    complements: [Constant<Bits<5>>; 8],
    lowest_short: Constant<Bits<5>>,
    shorts: [Constant<Bits<5>>; 8],
    digit_bits: Constant<Bits<5>>,
    endless: Constant<Bits<5>>,
    /// The longest run that can still grow by a digit.
    growing: Constant<Bits<5>>,
    /// Bits above bit i.
    above: [Constant<Bits<5>>; 8],
    power: [Constant<Bits<Q>>; 8],
}

/// A run that reaches below the first digit.
const ENDLESS: u64 = 31;

impl<const Q: usize> Default for Rounding<Q> {
    fn default() -> Self {
        const { assert!(Q <= 8) }
        let close_bits = Q as u64 * idle_steps(Q as u32) as u64 - 1;
        // A tie's run is 23 - l bits long; this is what of it is in the digits, for l + 1.
        let run = |level: u64| 24 - close_bits - level;
        Self {
            clock: Default::default(),
            digit: Default::default(),
            first: Default::default(),
            half: Default::default(),
            close: Default::default(),
            whole: Default::default(),
            odd: Default::default(),
            up: Default::default(),
            run: Default::default(),
            run_bit: Default::default(),
            any_one: Default::default(),
            many_ones: Default::default(),
            tie_complement: Default::default(),
            short_run: Default::default(),
            below_one: Default::default(),
            digit_any: Default::default(),
            top: Default::default(),
            highest_one: Default::default(),
            other_ones: Default::default(),
            lead: Default::default(),
            uniform: Default::default(),
            longer: Default::default(),
            magnitude: Default::default(),
            exact: Default::default(),
            toward_zero: Default::default(),
            longer_than_tie: Default::default(),
            tie: Default::default(),
            lowest_complement: Constant::new(bits(31 - run(0))),
            complements: std::array::from_fn(|i| Constant::new(bits(31 - run(i as u64 + 1)))),
            lowest_short: Constant::new(bits(run(0) - 1)),
            shorts: std::array::from_fn(|i| Constant::new(bits(run(i as u64 + 1) - 1))),
            digit_bits: Constant::new(bits(Q as u64)),
            endless: Constant::new(bits(ENDLESS)),
            growing: Constant::new(bits(ENDLESS - Q as u64)),
            above: std::array::from_fn(|i| Constant::new(bits(Q.saturating_sub(i + 1) as u64))),
            power: std::array::from_fn(|i| Constant::new(bits(if i < Q { 1 << i } else { 0 }))),
        }
    }
}

impl<const Q: usize> Logic for Rounding<Q> {
    crate::unit!("Decides whether a product is rounded up, as f32 arithmetic followed by rounding half to even does.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            run,
            run_bit,
            any_one,
            many_ones,
            tie_complement,
            short_run,
            below_one
        );

        // The lowest bit that differs from the top ends the run.
        for i in 0..Q {
            self.top.next = self.digit.val().get_bit(i);
        }
        self.uniform.next = true;
        self.lead.next = self.digit_bits.val();
        for i in 0..Q {
            if self.digit.val().get_bit(i) != self.top.val() {
                self.uniform.next = false;
                self.lead.next = self.above[i].val();
            }
        }
        self.longer.next = self.run.q.val() + self.digit_bits.val();

        // One, or more than one, in the digit.
        self.digit_any.next = self.digit.val().any();
        self.highest_one.next = 0.into();
        for i in 0..Q {
            if self.digit.val().get_bit(i) {
                self.highest_one.next = self.power[i].val();
            }
        }
        self.other_ones.next = self.digit.val() & !self.highest_one.val();

        self.run_bit.d.next = self.top.val();
        self.run.d.next = self.lead.val();
        if self.uniform.val() {
            if self.first.val() {
                if !self.top.val() {
                    self.run.d.next = self.endless.val();
                }
            } else if self.top.val() == self.run_bit.q.val() {
                self.run.d.next = self.longer.val();
                if self.run.q.val() > self.growing.val() {
                    self.run.d.next = self.endless.val();
                }
            }
        }
        self.any_one.d.next = self.digit_any.val() | (self.any_one.q.val() & !self.first.val());
        self.many_ones.d.next = self.other_ones.val().any()
            | (self.digit_any.val() & self.any_one.q.val() & !self.first.val())
            | (self.many_ones.q.val() & !self.first.val());

        // A fraction is rounded down, so the integer part of a negative product's
        // magnitude is the complement (where the fraction is 0 it is one more, but
        // that is far from a tie).
        self.magnitude.next = self.whole.val().get_bits::<8>(0);
        if self.whole.val().get_bit(8) {
            self.magnitude.next = !self.whole.val().get_bits::<8>(0);
        }
        self.below_one.d.next = !self.magnitude.val().any();
        self.tie_complement.d.next = self.lowest_complement.val();
        self.short_run.d.next = self.lowest_short.val();
        for i in 0..8 {
            if self.magnitude.val().get_bit(i) {
                self.tie_complement.d.next = self.complements[i].val();
                self.short_run.d.next = self.shorts[i].val();
            }
        }

        // With exactly u the run is one bit shorter; within 1/2 of zero all is one bit
        // longer.
        self.exact.next = self.half.val() & !self.many_ones.q.val();
        self.toward_zero.next =
            self.below_one.q.val() & (self.half.val() == self.whole.val().get_bit(8));
        self.longer_than_tie.next =
            bit_cast::<6, 5>(self.run.q.val()) + bit_cast::<6, 5>(self.tie_complement.q.val());
        self.tie.next = self.longer_than_tie.val().get_bit(5);
        if (self.run.q.val() ^ self.tie_complement.q.val()).all() {
            self.tie.next = self.exact.val() | !self.toward_zero.val();
        }
        if self.run.q.val() == self.short_run.q.val() {
            self.tie.next = self.exact.val() & !self.toward_zero.val();
        }

        self.up.next = self.half.val();
        if self.close.val() & (self.run_bit.q.val() != self.half.val()) & self.tie.val() {
            self.up.next = self.whole.val().get_bit(0) ^ self.odd.val();
        }
    }
}
