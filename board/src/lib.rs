//! The host's side of a board: from frames on a serial line to a machine that runs
//! programs.
//!
//! ```text
//!  Program ─► Board ─► Link ─► frame, framing ─► Transport ─► serial port
//!             Machine   streams  header, check     bytes
//! ```
//! `docs/board.md` describes the protocol; its constants are in [`quern_isa::link`].

#![forbid(unsafe_code)]

mod board;
mod error;
pub mod frame;
mod framing;
mod link;
pub mod port;
mod standalone;
mod transport;

pub use board::{Board, Expected};
pub use error::LinkError;
pub use framing::{encode, Decoder};
pub use link::{Answer, Link, Statistics};
pub use standalone::StandaloneBoard;
pub use transport::{Pace, SerialTransport, Transport};
