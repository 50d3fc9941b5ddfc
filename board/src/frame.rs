//! What the two kinds of frames say.

use crate::framing;
use quern_isa::link::{
    BOARD_HEADER_BYTES, CONTROL_RESTART, CONTROL_STANDALONE, STATE_ATTACHED, STATE_ERROR_SHIFT,
    STATE_IDLE, TAG_MASK,
};

/// Whose program runs after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// The host's: its bytes go to the core.
    Host,
    /// The one in flash: the host's bytes are its input, as after power-up.
    Standalone,
}

/// From the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFrame<'a> {
    /// The core and both streams start anew.
    pub restart: Option<Restart>,
    /// A number that the board repeats.
    pub tag: u8,
    /// Where `bytes` lie in the host's stream, modulo 256.
    pub position: u8,
    /// The last byte of the board's stream that the host has, modulo 256.
    pub acknowledged: u8,
    pub bytes: &'a [u8],
}

impl HostFrame<'_> {
    /// As it goes over the line.
    pub fn encode(&self) -> Vec<u8> {
        let restart = match self.restart {
            None => 0,
            Some(Restart::Host) => CONTROL_RESTART,
            Some(Restart::Standalone) => CONTROL_RESTART | CONTROL_STANDALONE,
        };
        let header = [
            restart | self.tag & TAG_MASK,
            self.position,
            self.acknowledged,
        ];
        framing::encode(&[&header, self.bytes].concat())
    }
}

/// From the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardFrame {
    /// Bytes of the host's stream that count, modulo 256.
    pub received: u8,
    /// Those of them that the core has taken.
    pub taken: u8,
    /// The byte before `bytes` in the board's stream, modulo 256: the last one that the
    /// host had acknowledged.
    pub position: u8,
    /// Of a host frame that arrived lately.
    pub tag: u8,
    /// No program runs.
    pub idle: bool,
    /// The host's bytes go to the core, not to the program in flash.
    pub attached: bool,
    /// The error code, or 0.
    pub error: u8,
    pub bytes: Vec<u8>,
}

impl BoardFrame {
    /// Reads a frame's content.
    pub fn parse(content: &[u8]) -> Option<BoardFrame> {
        let (header, bytes) = content.split_first_chunk::<BOARD_HEADER_BYTES>()?;
        let [received, taken, position, state] = *header;
        Some(BoardFrame {
            received,
            taken,
            position,
            tag: state & TAG_MASK,
            idle: state & STATE_IDLE != 0,
            attached: state & STATE_ATTACHED != 0,
            error: state >> STATE_ERROR_SHIFT,
            bytes: bytes.to_vec(),
        })
    }
}
