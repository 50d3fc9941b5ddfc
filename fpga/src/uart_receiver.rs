//! Receives bytes from a serial line: 8 data bits, no parity, 1 stop bit, least
//! significant bit first.
//!
//! ```text
//!  line ─► [sync] ─► [sync] ─┬─► start edge? ──► timer ──tick──┐
//!                            │                                 ▼
//!                            └────────────────► shift register ──► data, valid
//!
//!        ▔▔▔\▁▁▁▁▁▁▁/▔▔▔▔▔▔▔\▁ … ▔▔▔▔▔▔▔▔▔
//!            start ▲  bit 0 ▲        stop ▲    sampled in the middle
//! ```
//! `valid` is high for one cycle, in the middle of the stop bit; `data` is that
//! byte, in this cycle and until the next byte's first bit. One byte per ten bit times.
//! That first bit pushes bit 0 of the byte before out of the register, and so on: `shift`
//! is high in the cycle in which `data` loses its lowest bit, bit number `place`.
//!
//! A start bit that is over before its middle is taken for a glitch. A byte whose
//! stop bit is low is dropped with one cycle of `framing_error`, and the receiver
//! waits for the line to be high again.
//!
//! Sampling starts anew with each start edge, so the sender's clock may be off by
//! half a bit minus two cycles in nine and a half bits: ±4.7 % at 100 cycles per bit.

use quern_hdl::unit;
use rust_hdl::prelude::*;

/// `TIMER` bits count the clock cycles of a bit.
#[derive(LogicBlock)]
pub struct UartReceiver<const TIMER: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    /// Asynchronous; high when idle.
    pub line: Signal<In, Bit>,
    pub data: Signal<Out, Bits<8>>,
    pub valid: Signal<Out, Bit>,
    pub framing_error: Signal<Out, Bit>,
    pub shift: Signal<Out, Bit>,
    pub place: Signal<Out, Bits<3>>,
    // Both hold the inverse of the line, so that an idle line is what they start with.
    metastable: DFF<Bit>,
    low: DFF<Bit>,
    state: DFF<State>,
    timer: DFF<Bits<TIMER>>,
    received: DFF<Bits<3>>,
    byte: DFF<Bits<8>>,
    tick: Signal<Local, Bit>,
    newest_bit: Signal<Local, Bits<8>>,
    half_bit: Constant<Bits<TIMER>>,
    whole_bit: Constant<Bits<TIMER>>,
}

#[derive(Clone, Copy, Debug, PartialEq, LogicState)]
enum State {
    Idle,
    Start,
    Data,
    Stop,
    Broken,
}

impl<const TIMER: usize> UartReceiver<TIMER> {
    /// `divisor`: clock cycles per bit.
    pub fn new(divisor: u32) -> Self {
        assert!(
            (4..=1u64 << TIMER).contains(&u64::from(divisor)),
            "a divisor of {divisor} needs another width than {TIMER} bits"
        );
        let cycles = |count: u32| Constant::new(u64::from(count - 1).to_bits::<TIMER>());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            line: Default::default(),
            data: Default::default(),
            valid: Default::default(),
            framing_error: Default::default(),
            shift: Default::default(),
            place: Default::default(),
            metastable: Default::default(),
            low: Default::default(),
            state: Default::default(),
            timer: Default::default(),
            received: Default::default(),
            byte: Default::default(),
            tick: Default::default(),
            newest_bit: Default::default(),
            half_bit: cycles(divisor / 2),
            whole_bit: cycles(divisor),
        }
    }
}

impl<const TIMER: usize> Logic for UartReceiver<TIMER> {
    unit!("Receives bytes from a serial line (8N1).");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, metastable, low, state, timer, received, byte);

        self.metastable.d.next = !self.line.val();
        self.low.d.next = self.metastable.q.val();

        self.tick.next = !self.timer.q.val().any();
        self.timer.d.next = self.timer.q.val() - 1;
        self.valid.next = false;
        self.framing_error.next = false;
        self.shift.next = false;

        self.newest_bit.next = 0x80.into();
        if self.low.q.val() {
            self.newest_bit.next = 0.into();
        }

        match self.state.q.val() {
            State::Idle => {
                self.timer.d.next = self.half_bit.val();
                if self.low.q.val() {
                    self.state.d.next = State::Start;
                }
            }
            State::Start => {
                if self.tick.val() {
                    self.timer.d.next = self.whole_bit.val();
                    self.state.d.next = State::Idle;
                    if self.low.q.val() {
                        self.state.d.next = State::Data;
                    }
                }
            }
            State::Data => {
                if self.tick.val() {
                    self.timer.d.next = self.whole_bit.val();
                    self.shift.next = true;
                    self.byte.d.next = (self.byte.q.val() >> 1) | self.newest_bit.val();
                    self.received.d.next = self.received.q.val() + 1;
                    if self.received.q.val().all() {
                        self.state.d.next = State::Stop;
                    }
                }
            }
            State::Stop => {
                if self.tick.val() {
                    self.valid.next = !self.low.q.val();
                    self.framing_error.next = self.low.q.val();
                    self.state.d.next = State::Idle;
                    if self.low.q.val() {
                        self.state.d.next = State::Broken;
                    }
                }
            }
            State::Broken => {
                if !self.low.q.val() {
                    self.state.d.next = State::Idle;
                }
            }
            _ => {
                self.state.d.next = State::Idle;
            }
        }
        self.data.next = self.byte.q.val();
        self.place.next = self.received.q.val();

        if self.reset.val() {
            self.state.d.next = State::Idle;
            self.received.d.next = 0.into();
        }
    }
}
