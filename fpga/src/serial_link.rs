//! Everything between the board's pins and the core's byte streams.
//!
//! ```text
//!  reset_n ─┐
//!  locked ──┴─► ResetGenerator ──► ≥1 ────────────────────────────► reset
//!                                   ▲ restart
//!  rx ─► UartReceiver ───► FrameReceiver ──┬─ write ─► LinkBuffer ─► input_data/valid/ready
//!                            │   │         │            │    ▲
//!                            │   ▼ damaged │ answer     │    └────── output_data/valid/ready
//!                            │  StatusLeds ▼            ▼
//!  tx ◄─ UartTransmitter ◄───┼───────── FrameSender ◄───┘
//!                            ▼               ▲
//!  leds ◄─ StatusLeds     attached           └────────────────────── idle, error, lights
//! ```
//! `rx`, `tx`: 8N1, one bit per `divisor` clock cycles, framed as [`quern_isa::link`]
//! says: no byte is lost or taken twice, whatever the line does to them. The host asks,
//! the board answers each of its frames with one.
//!
//! A restart by the host resets the core, empties the buffer and raises `attached`, which
//! the button, power-up, or a restart for the program in flash clears. Latency of a byte from the middle of the stop bit
//! of its frame's last flag to the core: at most 8 cycles.

use crate::{
    FrameReceiver, FrameSender, LinkBuffer, ResetGenerator, StatusLeds, UartReceiver,
    UartTransmitter,
};
use quern_hdl::unit;
use quern_isa::link::{self, Identity};
use rust_hdl::prelude::*;

/// The serial timers' width: up to 128 clock cycles per bit.
pub const TIMER_BITS: usize = 7;
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
    /// A host has begun a session: its bytes are for the core. Changes only after `reset`.
    pub attached: Signal<Out, Bit>,
    pub input_data: Signal<Out, Bits<8>>,
    pub input_valid: Signal<Out, Bit>,
    pub input_ready: Signal<In, Bit>,
    pub output_data: Signal<In, Bits<8>>,
    pub output_valid: Signal<In, Bit>,
    pub output_ready: Signal<Out, Bit>,
    pub idle: Signal<In, Bit>,
    pub error: Signal<In, Bits<4>>,
    /// For the LEDs when there is no error.
    pub lights: Signal<In, Bits<4>>,
    /// LED 0.
    pub heartbeat: Signal<Out, Bit>,
    reset_generator: ResetGenerator<RESET_DELAY_BITS>,
    uart_receiver: UartReceiver<TIMER_BITS>,
    frame_receiver: FrameReceiver,
    buffer: LinkBuffer,
    frame_sender: FrameSender,
    uart_transmitter: UartTransmitter<TIMER_BITS>,
    status: StatusLeds<HEARTBEAT_BITS>,
    session: DFF<Bit>,
    cold: Signal<Local, Bit>,
    clear: Signal<Local, Bit>,
    tag: Signal<Local, Bits<8>>,
    idle_bit: Signal<Local, Bits<8>>,
    attached_bit: Signal<Local, Bits<8>>,
    error_bits: Signal<Local, Bits<8>>,
    state_idle: Constant<Bits<8>>,
    state_attached: Constant<Bits<8>>,
}

impl SerialLink {
    /// The identity also says how many clock cycles a serial bit lasts.
    pub fn new(identity: &Identity) -> Self {
        let divisor = u32::from(identity.divisor);
        let byte = |value: u8| Constant::new(u64::from(value).to_bits::<8>());
        Self {
            clock: Default::default(),
            reset_n: Default::default(),
            locked: Default::default(),
            rx: Default::default(),
            tx: Default::default(),
            leds: Default::default(),
            reset: Default::default(),
            attached: Default::default(),
            input_data: Default::default(),
            input_valid: Default::default(),
            input_ready: Default::default(),
            output_data: Default::default(),
            output_valid: Default::default(),
            output_ready: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            lights: Default::default(),
            heartbeat: Default::default(),
            reset_generator: Default::default(),
            uart_receiver: UartReceiver::new(divisor),
            frame_receiver: Default::default(),
            buffer: LinkBuffer::new(identity.to_bytes()),
            frame_sender: Default::default(),
            uart_transmitter: UartTransmitter::new(divisor),
            status: Default::default(),
            session: Default::default(),
            cold: Default::default(),
            clear: Default::default(),
            tag: Default::default(),
            idle_bit: Default::default(),
            attached_bit: Default::default(),
            error_bits: Default::default(),
            state_idle: byte(link::STATE_IDLE),
            state_attached: byte(link::STATE_ATTACHED),
        }
    }
}

impl Logic for SerialLink {
    unit!("Between the board's pins and the core's byte streams.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, session);
        clock!(
            self,
            clock,
            reset_generator,
            uart_receiver,
            frame_receiver,
            buffer,
            frame_sender,
            uart_transmitter,
            status
        );

        self.reset_generator.button_n.next = self.reset_n.val();
        self.reset_generator.locked.next = self.locked.val();
        self.cold.next = self.reset_generator.reset.val();
        self.clear.next = self.reset_generator.reset.val() | self.frame_receiver.restart.val();
        self.reset.next = self.clear.val();
        self.uart_receiver.reset.next = self.cold.val();
        self.frame_receiver.reset.next = self.cold.val();
        self.uart_transmitter.reset.next = self.cold.val();
        self.status.reset.next = self.cold.val();
        self.buffer.reset.next = self.clear.val();
        self.frame_sender.reset.next = self.clear.val();
        if self.frame_receiver.restart.val() {
            self.session.d.next = !self.frame_receiver.standalone.val();
        }
        if self.cold.val() {
            self.session.d.next = false;
        }
        self.attached.next = self.session.q.val();

        self.uart_receiver.line.next = self.rx.val();
        self.frame_receiver.data.next = self.uart_receiver.data.val();
        self.frame_receiver.valid.next = self.uart_receiver.valid.val();
        self.frame_receiver.framing_error.next = self.uart_receiver.framing_error.val();
        self.frame_receiver.shift.next = self.uart_receiver.shift.val();
        self.frame_receiver.place.next = self.uart_receiver.place.val();
        self.frame_receiver.turn.next = self.buffer.link_turn.val();
        self.frame_receiver.taken.next = self.buffer.taken.val();

        self.buffer.write.next = self.frame_receiver.write.val();
        self.buffer.write_address.next = self.frame_receiver.address.val();
        self.buffer.write_data.next = self.frame_receiver.byte.val();
        self.buffer.received.next = self.frame_receiver.received.val();
        self.buffer.base.next = self.frame_sender.base.val();
        self.buffer.read_address.next = self.frame_sender.address.val();
        self.input_data.next = self.buffer.input_data.val();
        self.input_valid.next = self.buffer.input_valid.val();
        self.buffer.input_ready.next = self.input_ready.val();
        self.buffer.output_data.next = self.output_data.val();
        self.buffer.output_valid.next = self.output_valid.val();
        self.output_ready.next = self.buffer.output_ready.val();

        self.frame_sender.answer.next = self.frame_receiver.answer.val();
        self.frame_sender.turn.next = self.buffer.link_turn.val();
        self.frame_sender.received.next = self.frame_receiver.received.val();
        self.frame_sender.taken.next = self.buffer.taken.val();
        self.frame_sender.acknowledged.next = self.frame_receiver.acknowledged.val();
        self.frame_sender.stored.next = self.buffer.stored.val();
        self.frame_sender.data.next = self.buffer.read_data.val();
        self.tag.next = bit_cast::<8, 2>(self.frame_receiver.tag.val());
        self.idle_bit.next = 0.into();
        if self.idle.val() {
            self.idle_bit.next = self.state_idle.val();
        }
        self.attached_bit.next = 0.into();
        if self.session.q.val() {
            self.attached_bit.next = self.state_attached.val();
        }
        self.error_bits.next = bit_cast::<8, 4>(self.error.val()) << 4;
        self.frame_sender.state.next =
            self.error_bits.val() | self.attached_bit.val() | self.idle_bit.val() | self.tag.val();
        self.uart_transmitter.data.next = self.frame_sender.byte.val();
        self.uart_transmitter.valid.next = self.frame_sender.valid.val();
        self.frame_sender.ready.next = self.uart_transmitter.ready.val();
        self.frame_sender.line.next = self.uart_transmitter.line.val();
        self.frame_sender.shift.next = self.uart_transmitter.shift.val();
        self.frame_sender.place.next = self.uart_transmitter.place.val();
        self.tx.next = self.uart_transmitter.line.val();

        self.status.idle.next = self.idle.val();
        self.status.error.next = self.error.val();
        self.status.lights.next = self.lights.val();
        self.status.damaged.next = self.frame_receiver.damaged.val();
        self.leds.next = self.status.leds.val();
        self.heartbeat.next = self.status.heartbeat.val();
    }
}
