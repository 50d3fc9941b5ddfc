//! Any bytes as a program: one that the reference machine runs to an end or refuses, never a
//! panic. What is read is written back as it was.
//!
//! The CRC-32 at the end is made right first: no fuzzer guesses it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quern_isa::{Machine, Program, Reference};

/// Of host memory.
const MOST_BYTES: u32 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    bytes.extend(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(data).to_le_bytes());
    if let Ok(program) = Program::from_bytes(&bytes) {
        assert_eq!(Program::from_bytes(&program.to_bytes()).as_ref(), Ok(&program));
        if program.host_bytes <= MOST_BYTES {
            let mut host = vec![0; program.host_bytes as usize];
            let _ = Reference::new(program.config).run(&program, &mut host);
        }
    }
});
