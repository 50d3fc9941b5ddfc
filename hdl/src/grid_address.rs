//! The address of the current place of a grid.
//!
//! ```text
//!      restart, end     row_end
//!  first ──────►┌───┐◄────────── [row] ◄───┐ (a cycle after a row began)
//!               │mux├──► + ──►┌───┐        │
//!  word ───────►└───┘    ▲    │mux├─►[word]┴────► word
//!  x_stride, y_stride, 0 ┘    └───┘◄─ step, restart
//! ```
//! Latency 1 cycle. `restart` makes `word` the address `first`; otherwise `step` goes
//! on by `x_stride`, or, at a `row_end`, from the row's first address by `y_stride`, or,
//! at the grid's `end`, to `first`. Addresses are counted modulo 2^A.
//!
//! Where a step leads is known before there is one: `step` comes late, and passes through
//! one level of logic.

use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct GridAddress<const A: usize> {
    pub clock: Signal<In, Clock>,
    pub restart: Signal<In, Bit>,
    pub step: Signal<In, Bit>,
    pub row_end: Signal<In, Bit>,
    pub end: Signal<In, Bit>,
    pub first: Signal<In, Bits<A>>,
    pub x_stride: Signal<In, Bits<A>>,
    pub y_stride: Signal<In, Bits<A>>,
    pub word: Signal<Out, Bits<A>>,
    current: DFF<Bits<A>>,
    row: DFF<Bits<A>>,
    /// `word` is the first address of a row.
    row_begins: DFF<Bit>,
    origin: Signal<Local, Bits<A>>,
    stride: Signal<Local, Bits<A>>,
    sum: Signal<Local, Bits<A>>,
}

impl<const A: usize> Logic for GridAddress<A> {
    crate::unit!("The address of the current place of a grid.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, current, row, row_begins);
        self.word.next = self.current.q.val();
        self.origin.next = self.current.q.val();
        self.stride.next = self.x_stride.val();
        if self.row_end.val() {
            self.stride.next = self.y_stride.val();
        }
        if self.row_end.val() & !self.row_begins.q.val() {
            self.origin.next = self.row.q.val();
        }
        if self.restart.val() | self.end.val() {
            self.origin.next = self.first.val();
            self.stride.next = 0.into();
        }
        self.sum.next = self.origin.val() + self.stride.val();
        if self.restart.val() | self.step.val() {
            self.current.d.next = self.sum.val();
        }
        self.row_begins.d.next = self.restart.val() | (self.step.val() & self.row_end.val());
        if self.row_begins.q.val() {
            self.row.d.next = self.current.q.val();
        }
    }
}
