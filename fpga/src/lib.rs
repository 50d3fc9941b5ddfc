//! Quern on the Alchitry Cu: the top level around the core, its pins, the
//! technology mapping, and the build from RustHDL to a bitstream.

mod byte_fifo;
pub mod mapping;
pub mod pins;
mod pll;
mod reset_generator;
mod status_leds;
mod uart_receiver;
mod uart_transmitter;

pub use byte_fifo::ByteFifo;
pub use pll::Pll;
pub use reset_generator::ResetGenerator;
pub use status_leds::StatusLeds;
pub use uart_receiver::UartReceiver;
pub use uart_transmitter::UartTransmitter;
