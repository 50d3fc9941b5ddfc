//! Programs in the form in which a board's flash holds them.

use quern_isa::standalone::{
    from_flash, input, to_flash, Fault, Record, StandaloneError, CRC, HEADER_BYTES, MAGIC_BYTES,
};
use quern_isa::{HostMap, HostStep, HostWork, Program, Region, Segment, CU, TINY};

fn program(segments: Vec<Segment>) -> Program {
    Program {
        config: CU,
        host_bytes: 4096,
        input: Region {
            offset: 0,
            words_per_sample: 32,
            samples: 1,
        },
        output: Region {
            offset: 1024,
            words_per_sample: 2,
            samples: 1,
        },
        segments,
    }
}

fn whole() -> Program {
    program(vec![
        Segment::Send((0..300).map(|i| i as u8).collect()),
        Segment::SendHost {
            offset: 0,
            bytes: 256,
        },
        Segment::Send(vec![7; 127]),
        Segment::SendHost {
            offset: 8,
            bytes: 16,
        },
        Segment::Send(vec![9]),
        Segment::Receive {
            offset: 1024,
            bytes: 16,
        },
    ])
}

#[test]
fn what_is_written_is_read_again_and_is_what_a_host_would_send() {
    let program = whole();
    let mut bytes = to_flash(&program, 10).unwrap();
    // What an erased flash has behind it.
    bytes.extend([0xFF; 100]);
    let (classes, records) = from_flash(&bytes, &CU).unwrap();
    assert_eq!(classes, 10);
    let host: Vec<u8> = (0..4096u32).map(|i| (i * 7) as u8).collect();
    let mut inputs = input(&program, &host).into_iter();
    let mut sent = Vec::new();
    for record in records {
        match record {
            Record::Literal(bytes) => sent.extend(bytes),
            Record::Input(count) => sent.extend(inputs.by_ref().take(count)),
        }
    }
    assert_eq!(inputs.next(), None);
    let mut expected = Vec::new();
    for segment in &program.segments {
        match segment {
            Segment::Send(bytes) => expected.extend(bytes),
            Segment::SendHost { offset, bytes } => {
                expected.extend(&host[*offset as usize..][..*bytes as usize]);
            }
            _ => {}
        }
    }
    assert_eq!(sent, expected);
}

#[test]
fn any_changed_byte_is_found() {
    let bytes = to_flash(&whole(), 10).unwrap();
    for place in 0..bytes.len() {
        for change in 1..=255 {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            let expected = match place {
                _ if place < MAGIC_BYTES => Fault::Missing,
                _ if place < HEADER_BYTES => Fault::Mismatch,
                _ => Fault::Damaged,
            };
            assert_eq!(from_flash(&damaged, &CU), Err(expected), "{place} {change}");
        }
    }
}

#[test]
fn a_program_cut_short_is_damaged_and_none_is_missing() {
    let bytes = to_flash(&whole(), 10).unwrap();
    for length in 0..bytes.len() {
        let mut cut = bytes[..length].to_vec();
        cut.resize(bytes.len() + 1000, 0xFF);
        let fault = from_flash(&cut, &CU).unwrap_err();
        let expected = match length {
            _ if length < MAGIC_BYTES => Fault::Missing,
            _ if length < HEADER_BYTES => Fault::Mismatch,
            _ => Fault::Damaged,
        };
        assert_eq!(fault, expected, "{length}");
    }
    assert_eq!(from_flash(&bytes, &TINY), Err(Fault::Mismatch));
}

#[test]
fn the_crc_is_the_published_one_and_its_residue_is_zero() {
    // CRC-32/MPEG-2 of the catalogue of parametrised CRC algorithms.
    assert_eq!(CRC.checksum(b"123456789"), 0x0376_E6E7);
    let bytes = to_flash(&whole(), 0).unwrap();
    assert_eq!(CRC.checksum(&bytes), 0);
}

#[test]
fn what_needs_a_host_is_refused_with_the_segment() {
    let receive = |offset| Segment::Receive { offset, bytes: 16 };
    let map = HostMap {
        offset: 1024,
        height: 1,
        width: 1,
        channels: 10,
        row_bytes: 16,
    };
    let softmax = Segment::Host(HostStep {
        inputs: vec![map],
        output: map,
        work: HostWork::Softmax {
            table: Box::new([0.0; 256]),
            multiplier: 1.0,
            zero_point: 0,
        },
        table: Box::new([0; 256]),
    });
    let spilled = Segment::SendHost {
        offset: 2048,
        bytes: 8,
    };
    let error = |segments| to_flash(&program(segments), 1).unwrap_err();
    assert!(matches!(
        error(vec![spilled]),
        StandaloneError::Spill {
            segment: 0,
            offset: 2048,
            ..
        }
    ));
    assert_eq!(
        error(vec![receive(1024), softmax]),
        StandaloneError::HostWork(1)
    );
    assert_eq!(error(vec![receive(2048)]), StandaloneError::Output(0));
    assert!(matches!(
        error(vec![Segment::Send(vec![0; 4 << 20])]),
        StandaloneError::Size { .. }
    ));
    let mut batch = whole();
    batch.input.samples = 2;
    assert_eq!(to_flash(&batch, 1), Err(StandaloneError::Batch(2)));
}
