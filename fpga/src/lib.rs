//! Quern on the Alchitry Cu: the top level around the core, its pins, the
//! technology mapping, and the build from RustHDL to a bitstream.
//!
//! ```text
//!  pins ─► top ─► board_core ─┬─► serial_link ─► uart_receiver, frame_receiver, link_buffer,
//!          (PLL, pad)         │                  frame_sender, uart_transmitter,
//!                             │                  reset_generator, status_leds
//!                             ├─► standalone ──► flash_reader, flash_crc, largest_output
//!                             └─► quern_hdl::Cu
//!
//!  flow: export ─► synthesis (mapping) ─► place and route ─► bitstream, report
//! ```
//! The board's FPGA is an iCE40 HX8K: 7,680 logic cells, 32 block RAMs of 4 kbit, no
//! multipliers. [`mapping`] says how 32 of them fit nevertheless, [`density`] what they cost.
//!
//! **Using the image.** `quern fpga flash` writes it to the board's flash. The second serial
//! port of the board's USB chip then carries the two byte streams of a program, or input and
//! output of the one in flash ([`Standalone`]), at 1 Mbaud, in the frames of
//! [`quern_isa::link`] ([`SerialLink`]). [`StatusLeds`] says what the LEDs mean; the button
//! resets.

#![forbid(unsafe_code)]

mod board_core;
pub mod cache;
pub mod decode;
pub mod density;
mod error;
pub mod flash;
mod flash_crc;
mod flash_reader;
mod floorplan;
pub mod flow;
mod frame_check;
mod frame_receiver;
mod frame_sender;
mod identity_rom;
pub mod image;
mod largest_output;
mod layout;
mod link_buffer;
pub mod mapping;
pub mod pins;
mod placement;
mod pll;
mod report;
mod reset_generator;
mod serial_link;
mod standalone;
mod status_leds;
pub mod synthesis;
pub mod tool;
pub mod top;
mod uart_receiver;
mod uart_transmitter;

pub use board_core::BoardCore;
pub use error::BuildError;
pub use flash_crc::FlashCrc;
pub use flash_reader::{FlashReader, READ, WAKE};
pub use frame_check::FrameCheck;
pub use frame_receiver::FrameReceiver;
pub use frame_sender::FrameSender;
pub use identity_rom::IdentityRom;
pub use largest_output::LargestOutput;
pub use layout::{Stretch, UnitUse};
pub use link_buffer::LinkBuffer;
pub use pins::Board;
pub use pll::Pll;
pub use report::{Attempt, BuildReport, Placed};
pub use reset_generator::ResetGenerator;
pub use serial_link::SerialLink;
pub use standalone::{Standalone, CHECKING, READY, RUNNING};
pub use status_leds::StatusLeds;
pub use uart_receiver::UartReceiver;
pub use uart_transmitter::UartTransmitter;
