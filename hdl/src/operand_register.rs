//! One field of the instruction register: written by bytes, and able to count, so
//! that the unit that executes the instruction needs no counter of its own.
//!
//! ```text
//!  low  ──► write_low ──►┌─────────┐
//!  high ──► write_high ─►│ N bits  ├─► q
//!  q + stride ──► step ─►└─────────┘
//! ```
//! Latency 1 cycle; writing and stepping exclude each other.
//!
//! `low`, `high`: bytes 0 and 1 of a little-endian field, of which only the low `N`
//! bits are kept. `stride` is what a step adds, modulo 2^N.
//!
//! On iCE40 a bit takes one logic cell when `stride` is a constant
//! ([`counting`](OperandRegister::counting); the trick is that of
//! [`LoadableCounter`](crate::LoadableCounter), byte by byte), otherwise two.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct OperandRegister<const N: usize> {
    pub clock: Signal<In, Clock>,
    pub low: Signal<In, Bits<8>>,
    pub high: Signal<In, Bits<8>>,
    pub write_low: Signal<In, Bit>,
    pub write_high: Signal<In, Bit>,
    pub step: Signal<In, Bit>,
    pub stride: Signal<In, Bits<N>>,
    pub q: Signal<Out, Bits<N>>,
    field: DFF<Bits<N>>,
    operand: Signal<Local, Bits<N>>,
    sum: Signal<Local, Bits<N>>,
    low_byte: Signal<Local, Bits<N>>,
    high_byte: Signal<Local, Bits<N>>,
    written: Signal<Local, Bits<N>>,
    low_mask: Constant<Bits<N>>,
    high_mask: Constant<Bits<N>>,
    low_flip: Constant<Bits<N>>,
    high_flip: Constant<Bits<N>>,
}

impl<const N: usize> OperandRegister<N> {
    /// For a constant `stride` of 1 or −1, or none.
    pub fn counting() -> Self {
        // Bit 0 of the stride is 1 in both directions and stays.
        Self::new(!1)
    }

    /// For a `stride` that is a signal.
    pub fn adding() -> Self {
        Self::new(0)
    }

    fn new(flip: u64) -> Self {
        let mask = (1u64 << N) - 1;
        Self {
            clock: Default::default(),
            low: Default::default(),
            high: Default::default(),
            write_low: Default::default(),
            write_high: Default::default(),
            step: Default::default(),
            stride: Default::default(),
            q: Default::default(),
            field: Default::default(),
            operand: Default::default(),
            sum: Default::default(),
            low_byte: Default::default(),
            high_byte: Default::default(),
            written: Default::default(),
            low_mask: Constant::new((0xff & mask).into()),
            high_mask: Constant::new((!0xff & mask).into()),
            low_flip: Constant::new((0xff & flip & mask).into()),
            high_flip: Constant::new((!0xff & flip & mask).into()),
        }
    }
}

impl<const N: usize> Logic for OperandRegister<N> {
    crate::unit!("One field of the instruction register: written by bytes, and able to count.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, field);
        self.q.next = self.field.q.val();

        // The operand's bits tell the look-up tables which byte is written; the sum
        // is not used then.
        self.operand.next = self.stride.val();
        if self.write_low.val() {
            self.operand.next = self.operand.val() ^ self.low_flip.val();
        }
        if self.write_high.val() {
            self.operand.next = self.operand.val() ^ self.high_flip.val();
        }
        self.sum.next = self.field.q.val() + self.operand.val();

        self.low_byte.next = bit_cast::<N, 8>(self.low.val());
        self.high_byte.next = bit_cast::<N, 8>(self.high.val());
        self.written.next = self.field.q.val();
        if self.step.val() {
            self.written.next = self.sum.val();
        }
        if self.write_low.val() {
            self.written.next = (self.written.val() & self.high_mask.val())
                | (self.low_byte.val() & self.low_mask.val());
        }
        if self.write_high.val() {
            self.written.next =
                (self.written.val() & self.low_mask.val()) | (self.high_byte.val() << 8);
        }
        self.field.d.next = self.written.val();
    }
}
