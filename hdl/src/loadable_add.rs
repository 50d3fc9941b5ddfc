//! The accumulator's adder: `y = load ? a : x + a`, wrapping at `N` bits.
//!
//! ```text
//!  x ───────► + ─► mux ─► y
//!  a ───┬─────┘     ▲ ▲
//!       └───────────┘ │
//!  load ──────────────┘
//! ```
//! Combinational. The multiplexer stands after the adder so that on iCE40 each bit
//! fits one logic cell: the look-up table in front of the carry chain has a spare
//! input, and `load` uses it.
//!
//! `x`, `a`, `y`: unsigned or two's complement alike.

use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct LoadableAdd<const N: usize> {
    pub x: Signal<In, Bits<N>>,
    pub a: Signal<In, Bits<N>>,
    pub load: Signal<In, Bit>,
    pub y: Signal<Out, Bits<N>>,
    sum: Signal<Local, Bits<N>>,
}

impl<const N: usize> Logic for LoadableAdd<N> {
    crate::unit!("The accumulator's adder: `y = load ? a : x + a`.");

    #[hdl_gen]
    fn update(&mut self) {
        self.sum.next = self.x.val() + self.a.val();
        self.y.next = self.sum.val();
        if self.load.val() {
            self.y.next = self.a.val();
        }
    }
}
