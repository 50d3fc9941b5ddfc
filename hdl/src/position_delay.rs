//! Follows the positions of a matrix instruction through the array, to the accumulators.
//!
//! ```text
//!  valid ─► [ ] ─► [ ] ─► … ─► [ ] ─► [ ] ─► arrived
//!  mark ──► [ ] ─► [ ] ─► … ─► [ ] ─► [ ] ─► read, if not valid
//!                               └─► arriving, if valid
//! ```
//! `arrived` is `valid`, latency(R)+1 cycles ago. A position with its `mark` set is the
//! first of a pass: `arriving` says so in the cycle before it has arrived. A mark without
//! a position asks for the accumulators' read port: `read`, latency(R)+1 cycles later, is
//! a cycle in which no position arrives. `busy`: some position is on its way or has just
//! arrived.
//!
//! Simulated as native integers, built as [`PositionDelayRegisters`] (see
//! [`crate::native`]).

use crate::matrix_unit::latency;
use crate::native::native_block;
use rust_hdl::prelude::*;

pub struct PositionDelay<const R: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub mark: Signal<In, Bit>,
    pub valid: Signal<In, Bit>,
    pub arriving: Signal<Out, Bit>,
    pub arrived: Signal<Out, Bit>,
    pub read: Signal<Out, Bit>,
    pub busy: Signal<Out, Bit>,
    marks: u32,
    valids: u32,
    parts: Box<PositionDelayRegisters<R>>,
}

impl<const R: usize> Default for PositionDelay<R> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            mark: Default::default(),
            valid: Default::default(),
            arriving: Default::default(),
            arrived: Default::default(),
            read: Default::default(),
            busy: Default::default(),
            marks: 0,
            valids: 0,
            parts: Default::default(),
        }
    }
}

impl<const R: usize> Logic for PositionDelay<R> {
    crate::unit!("Follows positions through the array, to the accumulators.");

    fn update(&mut self) {
        if self.clock.pos_edge() {
            // Tokens enter at the top and leave at bit 0.
            self.marks = self.marks >> 1 | (self.mark.val() as u32) << latency(R);
            self.valids = self.valids >> 1 | (self.valid.val() as u32) << latency(R);
            if self.reset.val() {
                (self.marks, self.valids) = (0, 0);
            }
        }
        self.arriving.next = self.valids & self.marks & 2 != 0;
        self.arrived.next = self.valids & 1 != 0;
        self.read.next = !self.valids & self.marks & 1 != 0;
        self.busy.next = self.valids != 0;
    }

    fn connect(&mut self) {
        self.arriving.connect();
        self.arrived.connect();
        self.read.connect();
        self.busy.connect();
    }

    fn hdl(&self) -> Verilog {
        self.parts.hdl()
    }
}

native_block!(
    [const R: usize] PositionDelay<R>,
    ports: [clock, reset, mark, valid, arriving, arrived, read, busy],
    parts: parts
);

/// What [`PositionDelay`] is made of.
#[derive(LogicBlock)]
pub struct PositionDelayRegisters<const R: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub mark: Signal<In, Bit>,
    pub valid: Signal<In, Bit>,
    pub arriving: Signal<Out, Bit>,
    pub arrived: Signal<Out, Bit>,
    pub read: Signal<Out, Bit>,
    pub busy: Signal<Out, Bit>,
    marks: DFF<Bits<32>>,
    valids: DFF<Bits<32>>,
    entry: Constant<Bits<32>>,
}

impl<const R: usize> Default for PositionDelayRegisters<R> {
    fn default() -> Self {
        const { assert!(latency(R) < 32) }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            mark: Default::default(),
            valid: Default::default(),
            arriving: Default::default(),
            arrived: Default::default(),
            read: Default::default(),
            busy: Default::default(),
            marks: Default::default(),
            valids: Default::default(),
            entry: Constant::new(bits(1 << latency(R))),
        }
    }
}

impl<const R: usize> Logic for PositionDelayRegisters<R> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, marks, valids);
        self.marks.d.next = self.marks.q.val() >> 1;
        if self.mark.val() {
            self.marks.d.next = (self.marks.q.val() >> 1) | self.entry.val();
        }
        self.valids.d.next = self.valids.q.val() >> 1;
        if self.valid.val() {
            self.valids.d.next = (self.valids.q.val() >> 1) | self.entry.val();
        }
        if self.reset.val() {
            self.marks.d.next = 0.into();
            self.valids.d.next = 0.into();
        }
        self.arriving.next = self.valids.q.val().get_bit(1) & self.marks.q.val().get_bit(1);
        self.arrived.next = self.valids.q.val().get_bit(0);
        self.read.next = !self.valids.q.val().get_bit(0) & self.marks.q.val().get_bit(0);
        self.busy.next = self.valids.q.val().any();
    }
}
