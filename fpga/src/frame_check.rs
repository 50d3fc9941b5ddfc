//! The check of a frame, a bit at a time: the 32-bit FCS of RFC 1662, lowest bit first.
//!
//! ```text
//!  bit ─► ⊕ ──────────────┬────────┬─ … ──┐  to the places of the polynomial
//!         ▲               ▼        ▼      ▼
//!         └────────── bit 0 ◄─ … ◄─⊕◄─ … ─⊕◄─ 0
//!                     └─ low ─┘
//!                     └──── passed? ──────┘ ─► []
//! ```
//! A bit is taken in each cycle with `step`, and has its effect in the next; `start` begins
//! anew. A cycle after a frame and its check, which is sent inverted, `passed` is up.
//!
//! A bit of the register is one logic cell. The serial line brings and takes bits one at a
//! time anyway; a whole byte at once would take more cells and be a longer path.

use quern_hdl::unit;
use quern_isa::link;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct FrameCheck {
    pub clock: Signal<In, Clock>,
    pub start: Signal<In, Bit>,
    pub step: Signal<In, Bit>,
    pub bit: Signal<In, Bit>,
    /// The next byte of the check, not inverted.
    pub low: Signal<Out, Bits<8>>,
    pub passed: Signal<Out, Bit>,
    register: DFF<Bits<32>>,
    matches: DFF<Bit>,
    feedback: Signal<Local, Bit>,
    shifted: Signal<Local, Bits<32>>,
    polynomial: Constant<Bits<32>>,
    first: Constant<Bits<32>>,
    residue: Constant<Bits<32>>,
}

impl Default for FrameCheck {
    fn default() -> Self {
        let word = |value: u32| Constant::new(u64::from(value).to_bits::<32>());
        Self {
            clock: Default::default(),
            start: Default::default(),
            step: Default::default(),
            bit: Default::default(),
            low: Default::default(),
            passed: Default::default(),
            register: Default::default(),
            matches: Default::default(),
            feedback: Default::default(),
            shifted: Default::default(),
            polynomial: word(link::CHECK.poly.reverse_bits()),
            first: word(link::CHECK.init),
            residue: word(link::CHECK.residue),
        }
    }
}

impl Logic for FrameCheck {
    unit!("The check of a frame, a bit at a time.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, register, matches);

        self.feedback.next = self.bit.val() ^ self.register.q.val().get_bit(0);
        self.low.next = self.register.q.val().get_bits::<8>(0);
        self.matches.d.next = self.register.q.val() == self.residue.val();
        self.passed.next = self.matches.q.val();
        self.shifted.next = self.register.q.val() >> 1;
        if self.step.val() {
            self.register.d.next = self.shifted.val();
            if self.feedback.val() {
                self.register.d.next = self.shifted.val() ^ self.polynomial.val();
            }
        }
        if self.start.val() {
            self.register.d.next = self.first.val();
        }
    }
}
