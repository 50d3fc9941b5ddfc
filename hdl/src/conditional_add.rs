//! One adding row of the multiplier: `y = select ? x + a : x`, wrapping at `N` bits.
//!
//! ```text
//!  x ───┬─► + ─► mux ─► y
//!  a ───│───┘     ▲ ▲
//!       └─────────┘ │
//!  select ──────────┘
//! ```
//! Combinational. On iCE40 it takes one logic cell per bit: the look-up table in
//! front of the carry chain has a spare input, and `select` uses it.
//!
//! `x`, `a`, `y`: unsigned. With the top bits of `x` and `a` zero, the top bit of
//! `y` is the carry of a selected row.

use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct ConditionalAdd<const N: usize> {
    pub x: Signal<In, Bits<N>>,
    pub a: Signal<In, Bits<N>>,
    pub select: Signal<In, Bit>,
    pub y: Signal<Out, Bits<N>>,
    sum: Signal<Local, Bits<N>>,
}

impl<const N: usize> Logic for ConditionalAdd<N> {
    crate::unit!("One adding row of the multiplier: `y = select ? x + a : x`.");

    #[hdl_gen]
    fn update(&mut self) {
        self.sum.next = self.x.val() + self.a.val();
        self.y.next = self.x.val();
        if self.select.val() {
            self.y.next = self.sum.val();
        }
    }
}
