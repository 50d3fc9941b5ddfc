//! Everything between the board's pins and the core's byte streams.
//!
//! ```text
//!  reset_n ─┐
//!  locked ──┴─► ResetGenerator ─────────────────────────────────► reset
//!  rx ─► UartReceiver ─► ByteFifo ───────────────────────────────► input_data/valid
//!                 │          │              input_ready ◄──────────
//!                 └─ lost ───┴─► StatusLeds ─► leds
//!                                   ▲   idle, error ◄──────────────
//!  tx ◄─ UartTransmitter ◄───────────────────────────────────────── output_data/valid
//!                                                output_ready ─────►
//! ```
//! `rx`, `tx`: 8N1, one bit per `divisor` clock cycles. 511 bytes wait in the queue
//! while the core computes; there is no flow control, so a sender that is further
//! ahead loses bytes, and LED 2 shows it.
//!
//! Latency of a byte from the middle of its stop bit to the core: 5 cycles, the first
//! two of them synchronisers. `input_data` is stable until it is taken.

use crate::{ByteFifo, ResetGenerator, StatusLeds, UartReceiver, UartTransmitter};
use quern_hdl::unit;
use rust_hdl::prelude::*;

/// The serial timers' width: up to 128 clock cycles per bit.
pub const TIMER_BITS: usize = 7;
/// A block RAM of bytes.
const QUEUE_ADDRESS_BITS: usize = 9;
/// 10 microseconds at 100 MHz: block RAMs are readable 3 microseconds after
/// configuration.
const RESET_DELAY_BITS: usize = 10;
/// Blinks at 1.5 Hz at 100 MHz.
const HEARTBEAT_BITS: usize = 26;

#[derive(LogicBlock)]
pub struct SerialLink {
    pub clock: Signal<In, Clock>,
    /// Asynchronous, low while the button is pressed.
    pub reset_n: Signal<In, Bit>,
    /// Asynchronous, high when the clock is stable.
    pub locked: Signal<In, Bit>,
    /// Asynchronous serial line.
    pub rx: Signal<In, Bit>,
    pub tx: Signal<Out, Bit>,
    pub leds: Signal<Out, Bits<8>>,
    pub reset: Signal<Out, Bit>,
    pub input_data: Signal<Out, Bits<8>>,
    pub input_valid: Signal<Out, Bit>,
    pub input_ready: Signal<In, Bit>,
    pub output_data: Signal<In, Bits<8>>,
    pub output_valid: Signal<In, Bit>,
    pub output_ready: Signal<Out, Bit>,
    pub idle: Signal<In, Bit>,
    pub error: Signal<In, Bits<4>>,
    reset_generator: ResetGenerator<RESET_DELAY_BITS>,
    receiver: UartReceiver<TIMER_BITS>,
    queue: ByteFifo<QUEUE_ADDRESS_BITS>,
    transmitter: UartTransmitter<TIMER_BITS>,
    status: StatusLeds<HEARTBEAT_BITS>,
}

impl SerialLink {
    /// `divisor`: clock cycles per serial bit.
    pub fn new(divisor: u32) -> Self {
        Self {
            clock: Default::default(),
            reset_n: Default::default(),
            locked: Default::default(),
            rx: Default::default(),
            tx: Default::default(),
            leds: Default::default(),
            reset: Default::default(),
            input_data: Default::default(),
            input_valid: Default::default(),
            input_ready: Default::default(),
            output_data: Default::default(),
            output_valid: Default::default(),
            output_ready: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            reset_generator: Default::default(),
            receiver: UartReceiver::new(divisor),
            queue: Default::default(),
            transmitter: UartTransmitter::new(divisor),
            status: Default::default(),
        }
    }
}

impl Logic for SerialLink {
    unit!("Between the board's pins and the core's byte streams.");

    #[hdl_gen]
    fn update(&mut self) {
        clock!(
            self,
            clock,
            reset_generator,
            receiver,
            queue,
            transmitter,
            status
        );

        self.reset_generator.button_n.next = self.reset_n.val();
        self.reset_generator.locked.next = self.locked.val();
        self.reset.next = self.reset_generator.reset.val();
        self.receiver.reset.next = self.reset_generator.reset.val();
        self.queue.reset.next = self.reset_generator.reset.val();
        self.transmitter.reset.next = self.reset_generator.reset.val();
        self.status.reset.next = self.reset_generator.reset.val();

        self.receiver.line.next = self.rx.val();
        self.queue.data_in.next = self.receiver.data.val();
        self.queue.write.next = self.receiver.valid.val();
        self.input_data.next = self.queue.data_out.val();
        self.input_valid.next = self.queue.valid.val();
        self.queue.ready.next = self.input_ready.val();

        self.transmitter.data.next = self.output_data.val();
        self.transmitter.valid.next = self.output_valid.val();
        self.output_ready.next = self.transmitter.ready.val();
        self.tx.next = self.transmitter.line.val();

        self.status.idle.next = self.idle.val();
        self.status.error.next = self.error.val();
        self.status.byte_lost.next = self.queue.overflow.val() | self.receiver.framing_error.val();
        self.leds.next = self.status.leds.val();
    }
}
