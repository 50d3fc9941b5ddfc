//! Follows the positions of a pass through the array, to the accumulators.
//!
//! ```text
//!  first ─► [ ] ─► [ ] ─► … ─► [ ] ─► [ ]
//!                               └─► arriving
//!  valid ─► [ ] ─► [ ] ─► … ─► [ ] ─► [ ]─► arrived
//!            └──────┴── or ─────┴──────┴──► busy
//! ```
//! `arrived` is `valid`, latency(R)+1 cycles ago; `arriving` is `first`, latency(R)
//! cycles ago: the cycle before. `busy`: some position is on its way or has just
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
    pub first: Signal<In, Bit>,
    pub valid: Signal<In, Bit>,
    pub arriving: Signal<Out, Bit>,
    pub arrived: Signal<Out, Bit>,
    pub busy: Signal<Out, Bit>,
    firsts: u32,
    valids: u32,
    parts: Box<PositionDelayRegisters<R>>,
}

impl<const R: usize> Default for PositionDelay<R> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            first: Default::default(),
            valid: Default::default(),
            arriving: Default::default(),
            arrived: Default::default(),
            busy: Default::default(),
            firsts: 0,
            valids: 0,
            parts: Default::default(),
        }
    }
}

impl<const R: usize> Logic for PositionDelay<R> {
    crate::unit!("Follows the positions of a pass through the array, to the accumulators.");

    fn update(&mut self) {
        if self.clock.pos_edge() {
            // Tokens enter at the top and leave at bit 0.
            self.firsts = self.firsts >> 1 | (self.first.val() as u32) << latency(R);
            self.valids = self.valids >> 1 | (self.valid.val() as u32) << latency(R);
            if self.reset.val() {
                (self.firsts, self.valids) = (0, 0);
            }
        }
        self.arriving.next = self.firsts & 2 != 0;
        self.arrived.next = self.valids & 1 != 0;
        self.busy.next = self.valids != 0;
    }

    fn connect(&mut self) {
        self.arriving.connect();
        self.arrived.connect();
        self.busy.connect();
    }

    fn hdl(&self) -> Verilog {
        self.parts.hdl()
    }
}

native_block!(
    [const R: usize] PositionDelay<R>,
    ports: [clock, reset, first, valid, arriving, arrived, busy],
    parts: parts
);

/// What [`PositionDelay`] is made of.
#[derive(LogicBlock)]
pub struct PositionDelayRegisters<const R: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub valid: Signal<In, Bit>,
    pub arriving: Signal<Out, Bit>,
    pub arrived: Signal<Out, Bit>,
    pub busy: Signal<Out, Bit>,
    firsts: DFF<Bits<32>>,
    valids: DFF<Bits<32>>,
    entry: Constant<Bits<32>>,
}

impl<const R: usize> Default for PositionDelayRegisters<R> {
    fn default() -> Self {
        const { assert!(latency(R) < 32) }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            first: Default::default(),
            valid: Default::default(),
            arriving: Default::default(),
            arrived: Default::default(),
            busy: Default::default(),
            firsts: Default::default(),
            valids: Default::default(),
            entry: Constant::new(bits(1 << latency(R))),
        }
    }
}

impl<const R: usize> Logic for PositionDelayRegisters<R> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, firsts, valids);
        self.firsts.d.next = self.firsts.q.val() >> 1;
        if self.first.val() {
            self.firsts.d.next = (self.firsts.q.val() >> 1) | self.entry.val();
        }
        self.valids.d.next = self.valids.q.val() >> 1;
        if self.valid.val() {
            self.valids.d.next = (self.valids.q.val() >> 1) | self.entry.val();
        }
        if self.reset.val() {
            self.firsts.d.next = 0.into();
            self.valids.d.next = 0.into();
        }
        self.arriving.next = self.firsts.q.val().get_bit(1);
        self.arrived.next = self.valids.q.val().get_bit(0);
        self.busy.next = self.valids.q.val().any();
    }
}
