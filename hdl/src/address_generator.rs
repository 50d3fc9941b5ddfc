//! Walks the activation memory for `matrix` and `vector`: holds the
//! [`Pattern`](quern_isa::Pattern), and takes its positions and the taps of the
//! instruction under way one step after the other.
//!
//! ```text
//!  write ─► x_count, y_count,        start ─► base, inner, outer, positions_outer
//!           strides                     │
//!               └──────────┬────────────┘
//!          ┌───────────────┴────────┐
//!          ▼                        ▼
//!  taps: inner, outer       positions: x, y (from base)
//!          │ end ──► last_tap       │ end ──► last_position
//!          └────────► + ◄───────────┘
//!  next_word ────────►▲──► address
//! ```
//! `write` keeps the fields of a `pattern`. `start` in cycle t keeps the operands of a
//! walk and makes its first step the current one from cycle t+2 on; `advance` goes on
//! to the next, cycle after cycle if wanted. After the last step comes the first again.
//!
//! With `positions_outer` low, in `start`, the walk takes all positions for each tap in
//! turn (`matrix`); else all taps for each position (`vector`), and once more for the
//! same position if `repeat` is up in the last tap's `advance`.
//!
//! `address`, `last_position` and `last_tap` are those of the current step,
//! combinational from registers; `next_word` adds 1 to `address`.
//!
//! Words and strides: modulo 2^A. Counts of 2^A (`outer`: of 256) are written as 0.

use crate::{GridAddress, GridCounter};
use rust_hdl::prelude::*;

/// `A`: address bits of the activation memory.
#[derive(LogicBlock, Default)]
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
    pub positions_outer: Signal<In, Bit>,
    pub base: Signal<In, Bits<A>>,
    pub inner: Signal<In, Bits<A>>,
    pub outer: Signal<In, Bits<8>>,
    pub advance: Signal<In, Bit>,
    pub repeat: Signal<In, Bit>,
    pub next_word: Signal<In, Bit>,
    pub last_position: Signal<Out, Bit>,
    pub last_tap: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<A>>,
    x_count_field: DFF<Bits<A>>,
    x_stride_field: DFF<Bits<A>>,
    y_count_field: DFF<Bits<A>>,
    y_stride_field: DFF<Bits<A>>,
    inner_stride_field: DFF<Bits<A>>,
    outer_stride_field: DFF<Bits<A>>,
    base_field: DFF<Bits<A>>,
    inner_field: DFF<Bits<A>>,
    outer_field: DFF<Bits<8>>,
    taps_inside: DFF<Bit>,
    /// The cycle after `start`: the counters take the operands.
    begin: DFF<Bit>,
    position_counter: GridCounter<A, A>,
    position: GridAddress<A>,
    tap_counter: GridCounter<A, 8>,
    tap: GridAddress<A>,
    step_position: Signal<Local, Bit>,
    step_tap: Signal<Local, Bit>,
    further: Signal<Local, Bits<A>>,
}

impl<const A: usize> Logic for AddressGenerator<A> {
    crate::unit!("Walks the activation memory for matrix and vector.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            x_count_field,
            x_stride_field,
            y_count_field,
            y_stride_field,
            inner_stride_field,
            outer_stride_field,
            base_field,
            inner_field,
            outer_field,
            taps_inside,
            begin
        );
        if self.write.val() {
            self.x_count_field.d.next = self.x_count.val();
            self.x_stride_field.d.next = self.x_stride.val();
            self.y_count_field.d.next = self.y_count.val();
            self.y_stride_field.d.next = self.y_stride.val();
            self.inner_stride_field.d.next = self.inner_stride.val();
            self.outer_stride_field.d.next = self.outer_stride.val();
        }
        if self.start.val() {
            self.base_field.d.next = self.base.val();
            self.inner_field.d.next = self.inner.val();
            self.outer_field.d.next = self.outer.val();
            self.taps_inside.d.next = self.positions_outer.val();
        }
        self.begin.d.next = self.start.val();

        // The order of the walk.
        self.step_tap.next =
            self.advance.val() & (self.taps_inside.q.val() | self.position_counter.end.val());
        self.step_position.next = self.advance.val()
            & (!self.taps_inside.q.val() | (self.tap_counter.end.val() & !self.repeat.val()));

        self.position_counter.clock.next = self.clock.val();
        self.position_counter.restart.next = self.begin.q.val();
        self.position_counter.step.next = self.step_position.val();
        self.position_counter.x_count.next = self.x_count_field.q.val();
        self.position_counter.y_count.next = self.y_count_field.q.val();
        self.position.clock.next = self.clock.val();
        self.position.restart.next = self.begin.q.val();
        self.position.step.next = self.step_position.val();
        self.position.row_end.next = self.position_counter.row_end.val();
        self.position.end.next = self.position_counter.end.val();
        self.position.first.next = self.base_field.q.val();
        self.position.x_stride.next = self.x_stride_field.q.val();
        self.position.y_stride.next = self.y_stride_field.q.val();

        self.tap_counter.clock.next = self.clock.val();
        self.tap_counter.restart.next = self.begin.q.val();
        self.tap_counter.step.next = self.step_tap.val();
        self.tap_counter.x_count.next = self.inner_field.q.val();
        self.tap_counter.y_count.next = self.outer_field.q.val();
        self.tap.clock.next = self.clock.val();
        self.tap.restart.next = self.begin.q.val();
        self.tap.step.next = self.step_tap.val();
        self.tap.row_end.next = self.tap_counter.row_end.val();
        self.tap.end.next = self.tap_counter.end.val();
        self.tap.first.next = 0.into();
        self.tap.x_stride.next = self.inner_stride_field.q.val();
        self.tap.y_stride.next = self.outer_stride_field.q.val();

        self.last_position.next = self.position_counter.end.val();
        self.last_tap.next = self.tap_counter.end.val();
        self.further.next = bit_cast::<A, 1>(self.next_word.val().into());
        self.address.next = self.position.word.val() + self.tap.word.val() + self.further.val();
    }
}
