//! Counts through a grid, row by row: says where rows and the grid end.
//!
//! ```text
//!  x_count ──► [x] ──► [last in row] ──► row_end
//!               ▲ step       │
//!               │            ├──► [last of all] ──► end
//!  y_count ──► [y] ──► [last row]
//! ```
//! `restart` makes the first place the current one in the next cycle; `step` goes on to
//! the next place, after the last to the first. `row_end` and `end` are those of the
//! current place. Both begin in flip-flops: whoever steps by them has long ways after. What
//! the next place is does not wait for `step`, which comes late.
//!
//! Counts of 2^X and 2^Y are written as 0.

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
    /// Places of the row and rows that are left, the current ones included.
    x: DFF<Bits<X>>,
    y: DFF<Bits<Y>>,
    last_x: DFF<Bit>,
    last_y: DFF<Bit>,
    last: DFF<Bit>,
    load_x: Signal<Local, Bit>,
    load_y: Signal<Local, Bit>,
    operand_x: Signal<Local, Bits<X>>,
    operand_y: Signal<Local, Bits<Y>>,
    next_x: Signal<Local, Bits<X>>,
    next_y: Signal<Local, Bits<Y>>,
    next_last_x: Signal<Local, Bit>,
    next_last_y: Signal<Local, Bit>,
    next_is_last_y: Signal<Local, Bit>,
    ones_x: Constant<Bits<X>>,
    ones_y: Constant<Bits<Y>>,
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
            x: Default::default(),
            y: Default::default(),
            last_x: Default::default(),
            last_y: Default::default(),
            last: Default::default(),
            load_x: Default::default(),
            load_y: Default::default(),
            operand_x: Default::default(),
            operand_y: Default::default(),
            next_x: Default::default(),
            next_y: Default::default(),
            next_last_x: Default::default(),
            next_last_y: Default::default(),
            next_is_last_y: Default::default(),
            ones_x: Constant::new(((1u64 << X) - 1).into()),
            ones_y: Constant::new(((1u64 << Y) - 1).into()),
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
        dff_setup!(self, clock, x, y, last_x, last_y, last);
        self.row_end.next = self.last_x.q.val();
        self.end.next = self.last.q.val();

        // What the adder gives while a count is loaded is thrown away, so that its operand
        // can say so (see `LoadableCounter`).
        self.load_x.next = self.restart.val() | self.last_x.q.val();
        self.operand_x.next = self.ones_x.val();
        if self.load_x.val() {
            self.operand_x.next = 0.into();
        }
        self.next_x.next = self.x.q.val() + self.operand_x.val();
        self.next_last_x.next = self.x.q.val() == self.two_x.val();
        if self.load_x.val() {
            self.next_x.next = self.x_count.val();
            self.next_last_x.next = self.x_count.val() == self.one_x.val();
        }
        if self.restart.val() | self.step.val() {
            self.x.d.next = self.next_x.val();
            self.last_x.d.next = self.next_last_x.val();
        }

        self.load_y.next = self.restart.val() | self.last_y.q.val();
        self.operand_y.next = self.ones_y.val();
        if self.load_y.val() {
            self.operand_y.next = 0.into();
        }
        self.next_y.next = self.y.q.val() + self.operand_y.val();
        self.next_last_y.next = self.y.q.val() == self.two_y.val();
        if self.load_y.val() {
            self.next_y.next = self.y_count.val();
            self.next_last_y.next = self.y_count.val() == self.one_y.val();
        }
        self.next_is_last_y.next = self.last_y.q.val();
        if self.load_x.val() {
            self.next_is_last_y.next = self.next_last_y.val();
        }
        if self.restart.val() | self.step.val() {
            self.last.d.next = self.next_last_x.val() & self.next_is_last_y.val();
        }
        if self.restart.val() | (self.step.val() & self.last_x.q.val()) {
            self.y.d.next = self.next_y.val();
            self.last_y.d.next = self.next_last_y.val();
        }
    }
}
