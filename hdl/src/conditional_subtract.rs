//! The last row of a signed multiplier: `y = select ? x - a : x`, wrapping at `N`
//! bits. It subtracts because the top bit of a two's-complement number weighs
//! −2^(N−1).
//!
//! ```text
//!  x ───┬─► - ─► mux ─► y
//!  a ───│───┘     ▲ ▲
//!       └─────────┘ │
//!  select ──────────┘
//! ```
//! Combinational. `x`, `a`: unsigned with a zero top bit; `y`: two's complement, so
//! its top bit is the borrow.

use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct ConditionalSubtract<const N: usize> {
    pub x: Signal<In, Bits<N>>,
    pub a: Signal<In, Bits<N>>,
    pub select: Signal<In, Bit>,
    pub y: Signal<Out, Bits<N>>,
    difference: Signal<Local, Bits<N>>,
}

impl<const N: usize> Logic for ConditionalSubtract<N> {
    crate::unit!("The last row of a signed multiplier: `y = select ? x - a : x`.");

    #[hdl_gen]
    fn update(&mut self) {
        self.difference.next = self.x.val() - self.a.val();
        self.y.next = self.x.val();
        if self.select.val() {
            self.y.next = self.difference.val();
        }
    }
}
