//! Frames between flags, with escapes and a check (RFC 1662).

use crc::Crc;
use quern_isa::link::{
    BOARD_HEADER_BYTES, BUFFER_BYTES, CHECK, CHECK_BYTES, ESCAPE, ESCAPED, FLAG,
};

const CRC: Crc<u32> = Crc::<u32>::new(&CHECK);

/// Bytes of the board's longest frame. A longer one is none of its frames.
const LONGEST: usize = BOARD_HEADER_BYTES + BUFFER_BYTES - 1 + CHECK_BYTES;

/// A frame as it goes over the line, flags at both ends.
pub fn encode(content: &[u8]) -> Vec<u8> {
    let check = CRC.checksum(content).to_le_bytes();
    let mut line = Vec::with_capacity(content.len() + content.len() / 16 + 8);
    line.push(FLAG);
    for &byte in content.iter().chain(&check) {
        match byte {
            FLAG | ESCAPE => line.extend([ESCAPE, byte ^ ESCAPED]),
            _ => line.push(byte),
        }
    }
    line.push(FLAG);
    line
}

/// Finds frames in what comes over a line.
#[derive(Debug, Default)]
pub struct Decoder {
    content: Vec<u8>,
    escaped: bool,
    too_long: bool,
    damaged: u64,
}

impl Decoder {
    /// One byte more; the content of the frame that it ends, if its check is right.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        match byte {
            FLAG => return self.end(),
            ESCAPE => self.escaped = true,
            _ if self.content.len() == LONGEST => self.too_long = true,
            _ => {
                let mask = if self.escaped { ESCAPED } else { 0 };
                self.escaped = false;
                self.content.push(byte ^ mask);
            }
        }
        None
    }

    /// Frames with a wrong check, or none.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        let mut content = std::mem::take(&mut self.content);
        let whole = !std::mem::take(&mut self.escaped) & !std::mem::take(&mut self.too_long);
        if content.is_empty() && whole {
            return None;
        }
        if whole && content.len() >= CHECK_BYTES {
            let check = content.split_off(content.len() - CHECK_BYTES);
            if CRC.checksum(&content).to_le_bytes() == *check {
                return Some(content);
            }
        }
        self.damaged += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn decode(decoder: &mut Decoder, line: &[u8]) -> Vec<Vec<u8>> {
        line.iter().filter_map(|&byte| decoder.push(byte)).collect()
    }

    proptest! {
        #[test]
        fn a_frame_is_found_after_any_bytes(
            garbage in vec(any::<u8>(), 0..2000),
            content in vec(any::<u8>(), 1..250),
        ) {
            let mut decoder = Decoder::default();
            decode(&mut decoder, &garbage);
            let found = decode(&mut decoder, &encode(&content));
            prop_assert_eq!(found.last(), Some(&content));
        }

        #[test]
        fn up_to_four_wrong_bits_are_found_unless_they_make_a_flag_or_an_escape(
            content in vec(any::<u8>(), 1..200),
            flips in vec((any::<prop::sample::Index>(), 0..8u8), 1..5),
        ) {
            let line = encode(&content);
            let mut wrong = line.clone();
            for (index, bit) in flips {
                wrong[index.index(line.len())] ^= 1 << bit;
            }
            prop_assume!(wrong != line);
            let special = |byte: &u8| matches!(*byte, FLAG | ESCAPE);
            prop_assume!(line.iter().map(special).eq(wrong.iter().map(special)));
            prop_assert!(decode(&mut Decoder::default(), &wrong).is_empty());
        }

        #[test]
        fn what_stands_between_flags_is_no_flag(content in vec(any::<u8>(), 0..300)) {
            let line = encode(&content);
            prop_assert!(!line[1..line.len() - 1].contains(&FLAG));
        }
    }

    #[test]
    fn an_escape_in_front_of_a_flag_abandons_the_frame() {
        let mut line = encode(b"frame");
        line.insert(line.len() - 1, ESCAPE);
        let mut decoder = Decoder::default();
        assert!(decode(&mut decoder, &line).is_empty());
        assert_eq!(decoder.damaged(), 1);
    }

    #[test]
    fn flags_without_content_are_nothing() {
        let mut decoder = Decoder::default();
        assert!(decode(&mut decoder, &[FLAG; 9]).is_empty());
        assert_eq!(decoder.damaged(), 0);
    }
}
