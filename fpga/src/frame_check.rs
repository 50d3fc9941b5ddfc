//! The check of a frame, one byte on: CRC-16/X-25, lowest bit first.
//!
//! ```text
//!  data ─► ⊕ ─► x = s ⊕ (s << 4) ─► ⊕ ─► after
//!          ▲                        ▲
//!  check ──┴─ low byte   high byte ─┘
//! ```
//! Combinational, three look-up tables deep. The eight steps of the polynomial
//! x^16 + x^12 + x^5 + 1, written out, leave these few sums.

use quern_hdl::unit;
use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct FrameCheck {
    pub check: Signal<In, Bits<16>>,
    pub data: Signal<In, Bits<8>>,
    pub after: Signal<Out, Bits<16>>,
    sum: Signal<Local, Bits<8>>,
    shifted: Signal<Local, Bits<8>>,
    folded: Signal<Local, Bits<8>>,
    wide: Signal<Local, Bits<16>>,
    by_8: Signal<Local, Bits<16>>,
    by_3: Signal<Local, Bits<16>>,
    by_minus_4: Signal<Local, Bits<16>>,
    rest: Signal<Local, Bits<16>>,
}

impl Logic for FrameCheck {
    unit!("The check of a frame, one byte on.");

    #[hdl_gen]
    fn update(&mut self) {
        self.sum.next = self.check.val().get_bits::<8>(0) ^ self.data.val();
        self.shifted.next = self.sum.val() << 4;
        self.folded.next = self.sum.val() ^ self.shifted.val();
        self.wide.next = bit_cast::<16, 8>(self.folded.val());
        self.by_8.next = self.wide.val() << 8;
        self.by_3.next = self.wide.val() << 3;
        self.by_minus_4.next = self.wide.val() >> 4;
        self.rest.next = self.check.val() >> 8;
        self.after.next =
            self.rest.val() ^ self.by_8.val() ^ self.by_3.val() ^ self.by_minus_4.val();
    }
}
