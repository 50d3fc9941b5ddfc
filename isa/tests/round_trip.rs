//! Instructions, parameters and programs read back as they were written, and
//! bytes that were not written by us are refused.

use proptest::prelude::*;
use quern_isa::*;

fn instruction() -> impl Strategy<Value = Instruction> {
    let count = || 1u16..;
    prop_oneof![
        any::<(u8, u16)>().prop_map(|(version, fingerprint)| Instruction::Begin {
            version,
            fingerprint
        }),
        (0usize..5, any::<u16>(), count()).prop_map(|(space, address, count)| {
            Instruction::Load {
                space: Space::ALL[space],
                address,
                count,
            }
        }),
        (any::<[u16; 4]>(), count(), count()).prop_map(|(f, x_count, y_count)| {
            Instruction::Pattern(Pattern {
                x_count,
                x_stride: f[0],
                y_count,
                y_stride: f[1],
                inner_stride: f[2],
                outer_stride: f[3],
            })
        }),
        (any::<([u16; 2], [u8; 2])>(), count(), count()).prop_map(|((f, b), x_count, y_count)| {
            Instruction::Target(Target {
                x_count,
                x_stride: f[0],
                y_count,
                y_stride: f[1],
                low: b[0],
                high: b[1],
            })
        }),
        (any::<(bool, [u16; 3])>(), count(), count()).prop_map(
            |((accumulate, f), inner, outer)| {
                Instruction::Matrix(Matrix {
                    accumulate,
                    accumulator: f[0],
                    activation: f[1],
                    weight: f[2],
                    inner,
                    outer,
                })
            }
        ),
        (any::<(bool, [u16; 3], u8)>(), 1u8..).prop_map(|((table, f, lane), columns)| {
            Instruction::Activate(Activate {
                table,
                accumulator: f[0],
                activation: f[1],
                parameter: f[2],
                columns,
                lane,
            })
        }),
        (
            any::<([bool; 2], [u16; 3], [u8; 4])>(),
            0usize..4,
            count(),
            1u8..,
            1u8..
        )
            .prop_map(|((flags, f, b), combine, inner, outer, columns)| {
                let combine = Combine::ALL[combine];
                let (inner, outer) = match combine {
                    Combine::Product => (2, 1),
                    _ => (inner, outer),
                };
                Instruction::Vector(Vector {
                    combine,
                    table: flags[0],
                    even_code: flags[1],
                    activation: f[0],
                    source: f[1],
                    parameter: f[2],
                    inner,
                    outer,
                    columns,
                    source_lane: b[0],
                    lane: b[1],
                    zero_points: [b[2], b[3]],
                })
            }),
        (0usize..3, any::<u16>(), count()).prop_map(|(source, address, count)| {
            Instruction::Store {
                source: [Source::Activations, Source::Accumulators, Source::Counters][source],
                address,
                count,
            }
        }),
        Just(Instruction::Halt),
    ]
}

fn program() -> impl Strategy<Value = Program> {
    let segment = (0u8..3, 0u32..64, 0u32..16, any::<u8>());
    (0usize..3, prop::collection::vec(segment, 0..8)).prop_map(|(config, segments)| {
        let config = CONFIGS[config];
        let beat = config.stream_bytes as u32;
        Program {
            config,
            host_bytes: 64 + 16 * beat,
            input: Region {
                offset: 4,
                words_per_sample: 1,
                samples: 2,
            },
            output: Region::default(),
            segments: segments
                .into_iter()
                .map(|(kind, offset, beats, fill)| {
                    let bytes = beats * beat;
                    match kind {
                        0 => Segment::Send(vec![fill; bytes as usize]),
                        1 => Segment::SendHost { offset, bytes },
                        _ => Segment::Receive { offset, bytes },
                    }
                })
                .collect(),
        }
    })
}

proptest! {
    #[test]
    fn an_instruction_reads_back_as_written(instruction in instruction(), waits in 0u8..8) {
        let waits = match instruction {
            Instruction::Begin { .. } => Waits::NONE,
            _ => Waits::from_bits(waits),
        };
        prop_assert_eq!(Instruction::decode(&instruction.encode(waits)), Ok((instruction, waits)));
    }

    #[test]
    fn bytes_that_decode_are_the_ones_encode_writes(bytes in any::<[u8; 16]>(), opcode in 0u8..11) {
        let bytes = { let mut b = bytes; b[0] = opcode; b };
        if let Ok((instruction, waits)) = Instruction::decode(&bytes) {
            prop_assert_eq!(instruction.encode(waits), bytes);
        }
    }

    #[test]
    fn channel_parameters_read_back_as_written(
        bias in any::<i32>(), multiplier in any::<u32>(), steps in any::<u8>(), zero_point in any::<u8>()
    ) {
        for config in CONFIGS {
            let bias = numerics::wrap(bias as i64, config.accumulator_bits);
            let parameters = ChannelParameters { bias, multiplier, steps, zero_point };
            let bytes = parameters.encode(&config);
            prop_assert_eq!(bytes.len(), ChannelParameters::bytes(&config));
            prop_assert_eq!(ChannelParameters::decode(&bytes, &config), parameters);
        }
    }

    #[test]
    fn a_program_reads_back_as_written(program in program()) {
        prop_assert_eq!(Program::from_bytes(&program.to_bytes()), Ok(program));
    }

    #[test]
    fn a_damaged_program_is_refused(program in program(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = program.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(Program::from_bytes(&bytes).is_err());
    }

    #[test]
    fn a_cut_program_is_refused(program in program(), at in any::<prop::sample::Index>()) {
        let bytes = program.to_bytes();
        prop_assert!(Program::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn arbitrary_bytes_behind_a_valid_header_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"QRN1".to_vec();
        bytes.extend(tail);
        let body = bytes.len();
        prop_assert!(Program::from_bytes(&bytes).is_err());
        // With a correct checksum the reader gets to look at every field.
        bytes.extend(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..body]).to_le_bytes());
        let _ = Program::from_bytes(&bytes);
    }
}

#[test]
fn configurations_have_distinct_names_and_fingerprints() {
    for (i, a) in CONFIGS.iter().enumerate() {
        for b in &CONFIGS[i + 1..] {
            assert_ne!(a.name, b.name);
            assert_ne!(a.fingerprint(), b.fingerprint());
        }
    }
}
