//! Counts through a grid, row by row: says where rows and the grid end.
//!
//! ```text
//!  x_count ──► x ──► last in row ─┬──► row_end
//!              ▲ step             ├──► and ──► end
//!  y_count ──► y ──► last row ────┘
//! ```
//! `restart` makes the first place the current one in the next cycle; `step` goes on to
//! the next place, after the last to the first. `row_end` and `end` are those of the
//! current place.
//!
//! Counts of 2^X and 2^Y are written as 0.

use crate::LoadableCounter;
use rust_hdl::prelude::*;

/// `X`, `Y`: bits of the two counts.
#[derive(LogicBlock)]
pub struct GridCounter<const X: usize, const Y: usize> {
    pub clock: Signal<In, Clock>,
    pub restart: Signal<In, Bit>,
    pub step: Signal<In, Bit>,
    pub x_count: Signal<In, Bits<X>>,
    pub y_count: Signal<In, Bits<Y>>,
    pub row_end: Signal<Out, Bit>,
    pub end: Signal<Out, Bit>,
    x: LoadableCounter<X>,
    y: LoadableCounter<Y>,
    last_x: Signal<Local, Bit>,
    last: Signal<Local, Bit>,
    last_in_row: Constant<Bits<X>>,
    last_row: Constant<Bits<Y>>,
}

impl<const X: usize, const Y: usize> Default for GridCounter<X, Y> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            restart: Default::default(),
            step: Default::default(),
            x_count: Default::default(),
            y_count: Default::default(),
            row_end: Default::default(),
            end: Default::default(),
            x: LoadableCounter::down(),
            y: LoadableCounter::down(),
            last_x: Default::default(),
            last: Default::default(),
            last_in_row: Constant::new(1.into()),
            last_row: Constant::new(1.into()),
        }
    }
}

impl<const X: usize, const Y: usize> Logic for GridCounter<X, Y> {
    crate::unit!("Counts through a grid, row by row.");

    #[hdl_gen]
    fn update(&mut self) {
        self.last_x.next = self.x.q.val() == self.last_in_row.val();
        self.last.next = self.last_x.val() & (self.y.q.val() == self.last_row.val());
        self.row_end.next = self.last_x.val();
        self.end.next = self.last.val();

        self.x.clock.next = self.clock.val();
        self.x.value.next = self.x_count.val();
        self.x.step.next = self.step.val();
        self.x.load.next = self.restart.val() | (self.step.val() & self.last_x.val());
        self.y.clock.next = self.clock.val();
        self.y.value.next = self.y_count.val();
        self.y.step.next = self.step.val() & self.last_x.val();
        self.y.load.next = self.restart.val() | (self.step.val() & self.last.val());
    }
}
