//! Quern on the Alchitry Cu: the top level around the core, its pins, the
//! technology mapping, and the build from RustHDL to a bitstream.

mod board_core;
mod byte_fifo;
mod error;
pub mod flow;
pub mod mapping;
pub mod pins;
mod pll;
mod report;
mod reset_generator;
mod serial_link;
mod status_leds;
pub mod synthesis;
pub mod tool;
pub mod top;
mod uart_receiver;
mod uart_transmitter;

pub use board_core::BoardCore;
pub use byte_fifo::ByteFifo;
pub use error::BuildError;
pub use pll::Pll;
pub use report::{Attempt, BuildReport, Placed};
pub use reset_generator::ResetGenerator;
pub use serial_link::SerialLink;
pub use status_leds::StatusLeds;
pub use uart_receiver::UartReceiver;
pub use uart_transmitter::UartTransmitter;
