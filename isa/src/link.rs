//! The link between a host and a board: what both ends must agree on.
//!
//! ```text
//!  host ──► 7E │ control │ position │ acknowledged │ bytes … │ check │ 7E ──► board
//!  host ◄── 7E │ received │ taken │ position │ state │ bytes … │ check │ 7E ◄── board
//! ```
//! Framing and check are those of RFC 1662: a frame lies between flags, a flag or an
//! escape inside it is sent as an escape and the byte with bit 5 inverted, the check is
//! 32 bits of CRC with the lowest byte first. In each direction the bytes of all frames
//! are one stream, and a position in it (modulo 256) says where a frame belongs, as in
//! TCP. `docs/board.md` tells who sends what when.

use crate::Config;

/// How far the rates of both ends may be apart. The receiver bears 2 %; the rest is for the
/// oscillators. It lets 100 MHz make 3 Mbaud (100 / 33, 1.01 % too fast).
pub const RATE_TOLERANCE: f64 = 0.0125;

/// Version of everything in this file.
pub const PROTOCOL_VERSION: u8 = 3;

/// Between frames.
pub const FLAG: u8 = 0x7E;
/// In front of a byte that is sent with [`ESCAPED`] inverted.
pub const ESCAPE: u8 = 0x7D;
pub const ESCAPED: u8 = 0x20;

/// The 32-bit FCS of RFC 1662. Its polynomial detects every four wrong bits in up to 2,974
/// (Koopman, "Best CRC Polynomials", 0x82608EDB in his notation); the longest frame has
/// 2,072. Of frames damaged at random it lets one in four thousand million pass.
pub const CHECK: crc::Algorithm<u32> = crc::CRC_32_ISO_HDLC;
pub const CHECK_BYTES: usize = 4;

/// Bytes of the board's memory for each direction: positions count modulo this.
pub const BUFFER_BYTES: usize = 256;
/// Bytes the board takes ahead of the core: a frame's check passes through the same
/// memory.
pub const WINDOW_BYTES: usize = BUFFER_BYTES - CHECK_BYTES;

/// `control` of a host frame: the core and both streams start anew.
pub const CONTROL_RESTART: u8 = 0x80;
/// `control` of a host frame with [`CONTROL_RESTART`]: afterwards the host's bytes are input
/// of the program in flash, as after the button.
pub const CONTROL_STANDALONE: u8 = 0x40;
/// `control` of a host frame: a number that the board's `state` repeats.
pub const TAG_MASK: u8 = 0x03;
/// `acknowledged` when nothing has been received: it names the last byte that was.
pub const NOTHING_ACKNOWLEDGED: u8 = 0xFF;

/// `state` of a board frame: no program runs.
pub const STATE_IDLE: u8 = 0x04;
/// `state` of a board frame: the host's bytes go to the core, since a restart without
/// [`CONTROL_STANDALONE`]. Without it they are input of the program in flash.
pub const STATE_ATTACHED: u8 = 0x08;
/// `state` of a board frame: the error code is in its upper half, the core's or
/// [`crate::standalone::FAULT_ERROR`] and that of a fault of the program in flash.
pub const STATE_ERROR_SHIFT: u32 = 4;

/// Bytes in front of the stream's in each direction.
pub const HOST_HEADER_BYTES: usize = 3;
pub const BOARD_HEADER_BYTES: usize = 4;

/// After a restart the board's stream begins with who it is.
pub const IDENTITY_BYTES: usize = 16;
const MAGIC: u8 = b'Q';

/// What a board says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    pub protocol: u8,
    pub isa: u8,
    /// [`Config::fingerprint`].
    pub fingerprint: u16,
    /// Of the design in the image, whatever its clock and baud rate.
    pub design: u32,
    pub clock_hz: u32,
    /// Clock cycles of a serial bit.
    pub divisor: u16,
}

impl Identity {
    pub fn new(config: &Config, design: u32, clock_hz: u32, divisor: u16) -> Identity {
        Identity {
            protocol: PROTOCOL_VERSION,
            isa: crate::ISA_VERSION,
            fingerprint: config.fingerprint(),
            design,
            clock_hz,
            divisor,
        }
    }

    pub fn to_bytes(&self) -> [u8; IDENTITY_BYTES] {
        let mut bytes = [0; IDENTITY_BYTES];
        bytes[0] = MAGIC;
        bytes[1] = self.protocol;
        bytes[2..4].copy_from_slice(&self.fingerprint.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.design.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.clock_hz.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.divisor.to_le_bytes());
        bytes[14] = self.isa;
        bytes
    }

    /// None if these are not the first bytes of a board's stream. Only the first two
    /// have a meaning in every version of the protocol.
    pub fn from_bytes(bytes: &[u8; IDENTITY_BYTES]) -> Option<Identity> {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        (bytes[0] == MAGIC).then(|| Identity {
            protocol: bytes[1],
            isa: bytes[14],
            fingerprint: half(2),
            design: word(4),
            clock_hz: word(8),
            divisor: half(12),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CU;

    #[test]
    fn an_identity_is_read_back_from_its_bytes() {
        let identity = Identity::new(&CU, 0x89AB_CDEF, 123_456_789, 0x1234);
        assert_eq!(Identity::from_bytes(&identity.to_bytes()), Some(identity));
        assert_eq!(Identity::from_bytes(&[0; IDENTITY_BYTES]), None);
    }

    #[test]
    fn the_check_is_that_of_rfc_1662() {
        let crc = crc::Crc::<u32>::new(&CHECK);
        assert_eq!(crc.checksum(b"123456789"), 0xCBF4_3926);
        // PPPGOODFCS32 there.
        assert_eq!(CHECK.residue, 0xDEBB_20E3);
    }
}
