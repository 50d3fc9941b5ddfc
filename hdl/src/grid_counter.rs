//! Counts through a grid, row by row: says where rows and the grid end.
//!
//! ```text
//!  x_count ──► x ──► [last in row] ─┬──► row_end
//!              ▲ step               ├──► and ──► end
//!  y_count ──► y ──► [last row] ────┘
//! ```
//! `restart` makes the first place the current one in the next cycle; `step` goes on to
//! the next place, after the last to the first. `row_end` and `end` are those of the
//! current place. Both begin in flip-flops: whoever steps by them has long ways after.
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
    last_x: DFF<Bit>,
    last_y: DFF<Bit>,
    load_x: Signal<Local, Bit>,
    load_y: Signal<Local, Bit>,
    step_y: Signal<Local, Bit>,
    one_x: Constant<Bits<X>>,
    one_y: Constant<Bits<Y>>,
    two_x: Constant<Bits<X>>,
    two_y: Constant<Bits<Y>>,
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
            last_y: Default::default(),
            load_x: Default::default(),
            load_y: Default::default(),
            step_y: Default::default(),
            one_x: Constant::new(1.into()),
            one_y: Constant::new(1.into()),
            two_x: Constant::new(2.into()),
            two_y: Constant::new(2.into()),
        }
    }
}

impl<const X: usize, const Y: usize> Logic for GridCounter<X, Y> {
    crate::unit!("Counts through a grid, row by row.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, last_x, last_y);
        self.row_end.next = self.last_x.q.val();
        self.end.next = self.last_x.q.val() & self.last_y.q.val();

        self.load_x.next = self.restart.val() | (self.step.val() & self.last_x.q.val());
        self.x.clock.next = self.clock.val();
        self.x.value.next = self.x_count.val();
        self.x.step.next = self.step.val();
        self.x.load.next = self.load_x.val();
        if self.step.val() {
            self.last_x.d.next = self.x.q.val() == self.two_x.val();
        }
        if self.load_x.val() {
            self.last_x.d.next = self.x_count.val() == self.one_x.val();
        }

        self.step_y.next = self.step.val() & self.last_x.q.val();
        self.load_y.next = self.restart.val() | (self.step_y.val() & self.last_y.q.val());
        self.y.clock.next = self.clock.val();
        self.y.value.next = self.y_count.val();
        self.y.step.next = self.step_y.val();
        self.y.load.next = self.load_y.val();
        if self.step_y.val() {
            self.last_y.d.next = self.y.q.val() == self.two_y.val();
        }
        if self.load_y.val() {
            self.last_y.d.next = self.y_count.val() == self.one_y.val();
        }
    }
}
