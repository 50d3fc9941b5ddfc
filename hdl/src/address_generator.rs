//! Walks the activation memory as the pattern says.
//!
//! ```text
//!  write ──► pattern: counts, strides
//!                          │
//!  start ──► base ─► row, tap, first tap ◄─ + ◄─┐
//!                          │                    │ stride of the loop that steps
//!  advance ────────────────┴──────► address ────┘
//! ```
//! `address` is that of the first step from the cycle after `start` on, and of the next
//! step from the cycle after `advance`. One step per cycle: for each tap (outer, inner)
//! all positions (y, x). Steps beyond the last are harmless.
//!
//! Counts of 2^A read as zero; counted down to 1 they come out right.

use crate::LoadableCounter;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct AddressGenerator<const A: usize> {
    pub clock: Signal<In, Clock>,
    pub write: Signal<In, Bit>,
    pub x_count: Signal<In, Bits<A>>,
    pub x_stride: Signal<In, Bits<A>>,
    pub y_count: Signal<In, Bits<A>>,
    pub y_stride: Signal<In, Bits<A>>,
    pub inner_stride: Signal<In, Bits<A>>,
    pub outer_stride: Signal<In, Bits<A>>,
    pub start: Signal<In, Bit>,
    pub base: Signal<In, Bits<A>>,
    pub inner: Signal<In, Bits<A>>,
    pub outer: Signal<In, Bits<8>>,
    pub advance: Signal<In, Bit>,
    pub address: Signal<Out, Bits<A>>,
    /// The step is at the last position of its tap.
    pub last_position: Signal<Out, Bit>,
    /// The step is at the last tap.
    pub last_tap: Signal<Out, Bit>,
    held_x_count: DFF<Bits<A>>,
    held_x_stride: DFF<Bits<A>>,
    held_y_count: DFF<Bits<A>>,
    held_y_stride: DFF<Bits<A>>,
    held_inner_stride: DFF<Bits<A>>,
    held_outer_stride: DFF<Bits<A>>,
    held_inner: DFF<Bits<A>>,
    x: LoadableCounter<A>,
    y: LoadableCounter<A>,
    inner_left: LoadableCounter<A>,
    outer_left: LoadableCounter<8>,
    /// The step's address, and where its row, its tap and its run of taps began.
    step: DFF<Bits<A>>,
    row: DFF<Bits<A>>,
    tap: DFF<Bits<A>>,
    run: DFF<Bits<A>>,
    last_x: Signal<Local, Bit>,
    last_y: Signal<Local, Bit>,
    last_inner: Signal<Local, Bit>,
    last_outer: Signal<Local, Bit>,
    next_row: Signal<Local, Bit>,
    next_tap: Signal<Local, Bit>,
    next_run: Signal<Local, Bit>,
    from: Signal<Local, Bits<A>>,
    stride: Signal<Local, Bits<A>>,
    sum: Signal<Local, Bits<A>>,
    one: Constant<Bits<A>>,
    one_run: Constant<Bits<8>>,
}

impl<const A: usize> Default for AddressGenerator<A> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            write: Default::default(),
            x_count: Default::default(),
            x_stride: Default::default(),
            y_count: Default::default(),
            y_stride: Default::default(),
            inner_stride: Default::default(),
            outer_stride: Default::default(),
            start: Default::default(),
            base: Default::default(),
            inner: Default::default(),
            outer: Default::default(),
            advance: Default::default(),
            address: Default::default(),
            last_position: Default::default(),
            last_tap: Default::default(),
            held_x_count: Default::default(),
            held_x_stride: Default::default(),
            held_y_count: Default::default(),
            held_y_stride: Default::default(),
            held_inner_stride: Default::default(),
            held_outer_stride: Default::default(),
            held_inner: Default::default(),
            x: LoadableCounter::down(),
            y: LoadableCounter::down(),
            inner_left: LoadableCounter::down(),
            outer_left: LoadableCounter::down(),
            step: Default::default(),
            row: Default::default(),
            tap: Default::default(),
            run: Default::default(),
            last_x: Default::default(),
            last_y: Default::default(),
            last_inner: Default::default(),
            last_outer: Default::default(),
            next_row: Default::default(),
            next_tap: Default::default(),
            next_run: Default::default(),
            from: Default::default(),
            stride: Default::default(),
            sum: Default::default(),
            one: Constant::new(1.into()),
            one_run: Constant::new(1.into()),
        }
    }
}

impl<const A: usize> Logic for AddressGenerator<A> {
    crate::unit!("Walks the activation memory as the pattern says.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            held_x_count,
            held_x_stride,
            held_y_count,
            held_y_stride,
            held_inner_stride,
            held_outer_stride,
            held_inner,
            step,
            row,
            tap,
            run
        );
        if self.write.val() {
            self.held_x_count.d.next = self.x_count.val();
            self.held_x_stride.d.next = self.x_stride.val();
            self.held_y_count.d.next = self.y_count.val();
            self.held_y_stride.d.next = self.y_stride.val();
            self.held_inner_stride.d.next = self.inner_stride.val();
            self.held_outer_stride.d.next = self.outer_stride.val();
        }

        // Which loop steps: the innermost that is not at its end.
        self.last_x.next = self.x.q.val() == self.one.val();
        self.last_y.next = self.y.q.val() == self.one.val();
        self.last_inner.next = self.inner_left.q.val() == self.one.val();
        self.last_outer.next = self.outer_left.q.val() == self.one_run.val();
        self.next_row.next = self.advance.val() & self.last_x.val();
        self.next_tap.next = self.advance.val() & self.last_x.val() & self.last_y.val();
        self.next_run.next =
            self.advance.val() & self.last_x.val() & self.last_y.val() & self.last_inner.val();
        self.last_position.next = self.last_x.val() & self.last_y.val();
        self.last_tap.next = self.last_inner.val() & self.last_outer.val();

        self.x.clock.next = self.clock.val();
        self.x.load.next = self.start.val() | self.next_row.val();
        self.x.value.next = self.held_x_count.q.val();
        self.x.step.next = self.advance.val();
        self.y.clock.next = self.clock.val();
        self.y.load.next = self.start.val() | self.next_tap.val();
        self.y.value.next = self.held_y_count.q.val();
        self.y.step.next = self.next_row.val();
        self.inner_left.clock.next = self.clock.val();
        self.inner_left.load.next = self.start.val() | self.next_run.val();
        self.inner_left.value.next = self.held_inner.q.val();
        self.inner_left.step.next = self.next_tap.val();
        self.outer_left.clock.next = self.clock.val();
        self.outer_left.load.next = self.start.val();
        self.outer_left.value.next = self.outer.val();
        self.outer_left.step.next = self.next_run.val();

        self.from.next = self.step.q.val();
        self.stride.next = self.held_x_stride.q.val();
        if self.last_x.val() {
            self.from.next = self.row.q.val();
            self.stride.next = self.held_y_stride.q.val();
            if self.last_y.val() {
                self.from.next = self.tap.q.val();
                self.stride.next = self.held_inner_stride.q.val();
                if self.last_inner.val() {
                    self.from.next = self.run.q.val();
                    self.stride.next = self.held_outer_stride.q.val();
                }
            }
        }
        self.sum.next = self.from.val() + self.stride.val();
        if self.advance.val() {
            self.step.d.next = self.sum.val();
        }
        if self.next_row.val() {
            self.row.d.next = self.sum.val();
        }
        if self.next_tap.val() {
            self.tap.d.next = self.sum.val();
        }
        if self.next_run.val() {
            self.run.d.next = self.sum.val();
        }
        self.address.next = self.step.q.val();

        if self.start.val() {
            self.inner_left.value.next = self.inner.val();
            self.held_inner.d.next = self.inner.val();
            self.step.d.next = self.base.val();
            self.row.d.next = self.base.val();
            self.tap.d.next = self.base.val();
            self.run.d.next = self.base.val();
        }
    }
}
