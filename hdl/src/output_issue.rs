//! Begins the outputs of `activate` and `vector`, one after the other.
//!
//! ```text
//!  x_count, y_count ─► GridCounter ─► end ──────────┐
//!                         ▲ step                    ▼
//!  columns ─► columns left ┴─ last column        [issuing]
//!               │                                   │
//!  room ────────┼───► activate: a column a cycle ◄──┤──► request (a position's first)
//!  last_tap ────┼───► vector:   a tap a cycle ◄─────┘──► advance, repeat, first, last
//!               └──► column
//! ```
//! `start` in cycle t lets the first output begin in t+1; the address generator is at
//! its first step then. `room` lets a position of an `activate`, or an output of a
//! `vector`, begin. `claim`: an output begins.
//!
//! An `activate` takes as many cycles a position as it has columns (with as many
//! vector lanes as columns: one), but 2 at least; a `vector` a cycle for each tap of
//! each column, and for a product 8 more.

use crate::{GridCounter, LoadableCounter};
use rust_hdl::prelude::*;

/// `A`: address bits of the activation memory. With `wide` outputs, all columns begin
/// at once.
#[derive(LogicBlock)]
pub struct OutputIssue<const A: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    /// This and the other operands stand from `start` on.
    pub vector: Signal<In, Bit>,
    pub product: Signal<In, Bit>,
    pub columns: Signal<In, Bits<5>>,
    pub source_lane: Signal<In, Bits<5>>,
    pub x_count: Signal<In, Bits<A>>,
    pub y_count: Signal<In, Bits<A>>,
    pub room: Signal<In, Bit>,
    pub last_tap: Signal<In, Bit>,
    pub issuing: Signal<Out, Bit>,
    /// A `vector` is.
    pub vectoring: Signal<Out, Bit>,
    pub claim: Signal<Out, Bit>,
    /// The lane that the output's bytes are in, counted from the position's first word.
    pub source_place: Signal<Out, Bits<5>>,
    /// A position's accumulators are needed.
    pub request: Signal<Out, Bit>,
    /// The current step of the walk is taken.
    pub advance: Signal<Out, Bit>,
    /// The position's taps are needed once more.
    pub repeat: Signal<Out, Bit>,
    /// The current step is an output's first.
    pub first: Signal<Out, Bit>,
    grid: GridCounter<A, A>,
    // Of each kind one: what begins an output has few inputs then, and long ways after.
    activate: DFF<Bit>,
    walk: DFF<Bit>,
    columns_left: LoadableCounter<5>,
    place: LoadableCounter<5>,
    first_column: DFF<Bit>,
    first_tap: DFF<Bit>,
    requested: DFF<Bit>,
    multiplication: LoadableCounter<4>,
    last_column: Signal<Local, Bit>,
    tap: Signal<Local, Bit>,
    column_begins: Signal<Local, Bit>,
    column_ends: Signal<Local, Bit>,
    one: Constant<Bits<5>>,
    waits: Constant<Bits<4>>,
    wide: Constant<Bit>,
}

impl<const A: usize> OutputIssue<A> {
    pub fn new(wide: bool) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            vector: Default::default(),
            product: Default::default(),
            columns: Default::default(),
            source_lane: Default::default(),
            x_count: Default::default(),
            y_count: Default::default(),
            room: Default::default(),
            last_tap: Default::default(),
            issuing: Default::default(),
            vectoring: Default::default(),
            claim: Default::default(),
            source_place: Default::default(),
            request: Default::default(),
            advance: Default::default(),
            repeat: Default::default(),
            first: Default::default(),
            grid: Default::default(),
            activate: Default::default(),
            walk: Default::default(),
            columns_left: LoadableCounter::down(),
            place: LoadableCounter::up(),
            first_column: Default::default(),
            first_tap: Default::default(),
            requested: Default::default(),
            multiplication: LoadableCounter::up(),
            last_column: Default::default(),
            tap: Default::default(),
            column_begins: Default::default(),
            column_ends: Default::default(),
            one: Constant::new(bits(1)),
            // Counts up to where the highest bit falls: 8 cycles.
            waits: Constant::new(bits(8)),
            wide: Constant::new(wide),
        }
    }
}

impl<const A: usize> Logic for OutputIssue<A> {
    crate::unit!("Begins the outputs of activate and vector, one after the other.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            activate,
            walk,
            first_column,
            first_tap,
            requested
        );
        self.last_column.next = self.wide.val() | (self.columns_left.q.val() == self.one.val());

        self.tap.next = self.walk.q.val()
            & (!self.first_tap.q.val()
                | (self.room.val() & !self.multiplication.q.val().get_bit(3)));
        self.column_begins.next = self.activate.q.val()
            & (!self.first_column.q.val() | (self.room.val() & !self.requested.q.val()));
        self.column_ends.next = self.column_begins.val() | (self.tap.val() & self.last_tap.val());

        self.claim.next = self.column_begins.val() | (self.tap.val() & self.first_tap.q.val());
        self.request.next = self.column_begins.val() & self.first_column.q.val();
        self.requested.d.next = self.column_begins.val() & self.first_column.q.val();
        self.advance.next = self.tap.val();
        self.repeat.next = !self.last_column.val();
        self.first.next = self.first_tap.q.val();
        self.source_place.next = self.place.q.val();
        self.issuing.next = self.activate.q.val() | self.walk.q.val();
        self.vectoring.next = self.walk.q.val();

        self.columns_left.clock.next = self.clock.val();
        self.columns_left.value.next = self.columns.val();
        self.columns_left.load.next =
            self.start.val() | (self.column_ends.val() & self.last_column.val());
        self.columns_left.step.next = self.column_ends.val();
        self.place.clock.next = self.clock.val();
        self.place.value.next = self.source_lane.val();
        self.place.load.next = self.start.val() | (self.column_ends.val() & self.last_column.val());
        self.place.step.next = self.column_ends.val();
        self.multiplication.clock.next = self.clock.val();
        self.multiplication.load.next = self.tap.val() & self.last_tap.val() & self.product.val();
        self.multiplication.value.next = self.waits.val();
        self.multiplication.step.next = self.multiplication.q.val().get_bit(3);

        self.grid.clock.next = self.clock.val();
        self.grid.restart.next = self.start.val();
        self.grid.step.next = self.column_ends.val() & self.last_column.val();
        self.grid.x_count.next = self.x_count.val();
        self.grid.y_count.next = self.y_count.val();
        if self.tap.val() {
            self.first_tap.d.next = self.last_tap.val();
        }
        if self.column_ends.val() {
            self.first_column.d.next = self.last_column.val();
        }
        if self.column_ends.val() & self.last_column.val() & self.grid.end.val() {
            self.activate.d.next = false;
            self.walk.d.next = false;
        }
        if self.start.val() {
            self.activate.d.next = !self.vector.val();
            self.walk.d.next = self.vector.val();
            self.first_column.d.next = true;
            self.first_tap.d.next = true;
        }
        if self.reset.val() {
            self.activate.d.next = false;
            self.walk.d.next = false;
            self.multiplication.load.next = true;
            self.multiplication.value.next = 0.into();
        }
    }
}
