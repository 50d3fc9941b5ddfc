//! Sends bytes on a serial line: 8 data bits, no parity, 1 stop bit, least
//! significant bit first.
//!
//! ```text
//!  data ──► shift register {1, data, 0} ──► line
//!  valid ─►   ▲
//!  ready ◄─ not busy                timer ──tick──► shift, count
//! ```
//! A byte is taken in a cycle with `valid` and `ready`; its start bit begins in the
//! next cycle. One byte per ten bit times: `ready` is high again in the cycle after
//! the stop bit. `shift` is high in the last cycle of each data bit, bit number `place`.

use quern_hdl::unit;
use rust_hdl::prelude::*;

/// `TIMER` bits count the clock cycles of a bit.
#[derive(LogicBlock)]
pub struct UartTransmitter<const TIMER: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub data: Signal<In, Bits<8>>,
    pub valid: Signal<In, Bit>,
    pub ready: Signal<Out, Bit>,
    /// High when idle.
    pub line: Signal<Out, Bit>,
    pub shift: Signal<Out, Bit>,
    pub place: Signal<Out, Bits<3>>,
    // The inverse of what is on the line, so that the line is idle from the start.
    low: DFF<Bits<9>>,
    /// Registered, because `ready` reaches far into the core's control.
    busy: DFF<Bit>,
    /// Of the bit on the line: 15 the start bit, 0 to 7 data, 8 the stop bit.
    number: DFF<Bits<4>>,
    timer: DFF<Bits<TIMER>>,
    /// The timer is at zero: a register, because much is shifted by it.
    tick: DFF<Bit>,
    inverse: Signal<Local, Bits<8>>,
    is_data: Signal<Local, Bit>,
    whole_bit: Constant<Bits<TIMER>>,
    start_bit: Constant<Bits<4>>,
}

impl<const TIMER: usize> UartTransmitter<TIMER> {
    /// `divisor`: clock cycles per bit.
    pub fn new(divisor: u32) -> Self {
        assert!(
            (4..=1u64 << TIMER).contains(&u64::from(divisor)),
            "a divisor of {divisor} needs another width than {TIMER} bits"
        );
        Self {
            clock: Default::default(),
            reset: Default::default(),
            data: Default::default(),
            valid: Default::default(),
            ready: Default::default(),
            line: Default::default(),
            shift: Default::default(),
            place: Default::default(),
            low: Default::default(),
            number: Default::default(),
            timer: Default::default(),
            busy: Default::default(),
            inverse: Default::default(),
            tick: Default::default(),
            is_data: Default::default(),
            whole_bit: Constant::new(u64::from(divisor - 1).to_bits::<TIMER>()),
            start_bit: Constant::new(15u32.to_bits()),
        }
    }
}

impl<const TIMER: usize> Logic for UartTransmitter<TIMER> {
    unit!("Sends bytes on a serial line (8N1).");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, low, busy, number, timer, tick);

        self.inverse.next = !self.data.val();
        self.tick.d.next = self.busy.q.val() & (self.timer.q.val() == 1);
        self.is_data.next = !self.number.q.val().get_bit(3);
        self.timer.d.next = self.timer.q.val() - 1;
        if !self.busy.q.val() {
            self.timer.d.next = self.whole_bit.val();
            if self.valid.val() {
                self.low.d.next = (bit_cast::<9, 8>(self.inverse.val()) << 1) | 1;
                self.number.d.next = self.start_bit.val();
                self.busy.d.next = true;
            }
        } else if self.tick.q.val() {
            self.timer.d.next = self.whole_bit.val();
            self.low.d.next = self.low.q.val() >> 1;
            self.number.d.next = self.number.q.val() + 1;
            self.busy.d.next = self.is_data.val() | self.number.q.val().get_bit(0);
        }
        self.shift.next = self.tick.q.val() & self.is_data.val();
        self.place.next = self.number.q.val().get_bits::<3>(0);
        self.ready.next = !self.busy.q.val();
        self.line.next = !self.low.q.val().get_bit(0);

        if self.reset.val() {
            self.low.d.next = 0.into();
            self.busy.d.next = false;
            self.tick.d.next = false;
        }
    }
}
