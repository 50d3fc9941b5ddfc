//! Any bytes from a board: frames or none, never a panic; and the next whole frame is found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quern_board::frame::BoardFrame;
use quern_board::{encode, Decoder};

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::default();
    for &byte in data {
        if let Some(content) = decoder.push(byte) {
            let _ = BoardFrame::parse(&content);
        }
    }
    let content = [1, 2, 3, 4, 0x7E, 0x7D, 5];
    let line = encode(&content);
    let found: Vec<Vec<u8>> = line.iter().filter_map(|&byte| decoder.push(byte)).collect();
    assert_eq!(found.last().map(Vec::as_slice), Some(&content[..]));
});
