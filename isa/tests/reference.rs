//! The reference machine against the definitions in the instructions' docs,
//! evaluated with plain nested loops, and its refusals.

use proptest::prelude::*;
use quern_isa::*;

/// A program of instructions with the data of their loads.
fn program(config: Config, body: Vec<(Instruction, Vec<u8>)>, received: u32) -> Program {
    let mut bytes = Vec::new();
    let begin = Instruction::Begin {
        version: ISA_VERSION,
        fingerprint: config.fingerprint(),
    };
    for (instruction, data) in [(begin, vec![])]
        .into_iter()
        .chain(body)
        .chain([(Instruction::Halt, vec![])])
    {
        bytes.extend(instruction.encode());
        bytes.extend(data);
    }
    Program {
        config,
        host_bytes: received,
        input: Region::default(),
        output: Region::default(),
        segments: vec![
            Segment::Send(bytes),
            Segment::Receive {
                offset: 0,
                bytes: received,
            },
        ],
    }
}

/// A load whose data are padded to whole beats.
fn load(config: &Config, space: Space, address: u16, words: &[Vec<u8>]) -> (Instruction, Vec<u8>) {
    let padded = config.word_beats(space) * config.stream_bytes;
    let data = words
        .iter()
        .flat_map(|word| {
            let mut word = word.clone();
            word.resize(padded, 0xaa);
            word
        })
        .collect();
    let count = words.len() as u16;
    (
        Instruction::Load {
            space,
            address,
            count,
        },
        data,
    )
}

#[derive(Debug, Clone)]
struct Case {
    config: Config,
    seed: u64,
    positions: u16,
    tiles: u16,
    columns: u8,
    lane: u8,
    accumulate: bool,
    table: bool,
}

fn case() -> impl Strategy<Value = Case> {
    (
        0usize..3,
        any::<u64>(),
        1u16..6,
        1u16..4,
        any::<[u8; 2]>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(config, seed, positions, tiles, [columns, lane], accumulate, table)| {
                let config = CONFIGS[config];
                Case {
                    config,
                    seed,
                    positions,
                    tiles,
                    columns: 1 + columns % config.columns as u8,
                    lane: lane % config.lanes as u8,
                    accumulate,
                    table,
                }
            },
        )
}

/// A small deterministic generator (splitmix64), so that a case prints as a seed.
struct Random(u64);

impl Random {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count)
            .map(|_| {
                self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                (z >> 40) as u8
            })
            .collect()
    }

    fn words(&mut self, count: usize, bytes: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.bytes(bytes)).collect()
    }
}

proptest! {
    #[test]
    fn matrix_and_activate_do_what_their_docs_say(case in case()) {
        let Case { config, positions, tiles, columns, lane, .. } = case;
        let mut random = Random(case.seed);
        let (r, c) = (config.lanes, config.columns);
        let activations = random.words((positions * tiles) as usize, r);
        let weights = random.words(tiles as usize * r, c);
        let table = random.words(256, 1);
        let parameters: Vec<ChannelParameters> = (0..columns)
            .map(|i| {
                let (multiplier, steps) = numerics::encode_scale(0.0003 * (i + 1) as f32, config.requantise_rows);
                ChannelParameters { bias: i as i32 * 1000 - 3000, multiplier, steps, zero_point: 100 }
            })
            .collect();
        let parameter_words: Vec<Vec<u8>> = parameters.iter().map(|p| p.encode(&config)).collect();
        let matrix = Matrix {
            accumulate: false, weight: 3, activation: 7, accumulator: 2, positions, tiles,
            position_stride: tiles, tile_stride: 1,
        };
        let output = 64;
        let activate = Activate {
            table: case.table, accumulator: 2, activation: output, positions, position_stride: 5,
            parameter: 1, columns, lane, low: 30, high: 220,
        };
        let mut body = vec![
            load(&config, Space::Activations, 7, &activations),
            load(&config, Space::Weights, 3, &weights),
            load(&config, Space::Parameters, 1, &parameter_words),
            load(&config, Space::Table, 0, &table),
            (Instruction::Matrix(matrix), vec![]),
        ];
        if case.accumulate {
            body.push((Instruction::Matrix(Matrix { accumulate: true, ..matrix }), vec![]));
        }
        body.push((Instruction::Activate(activate), vec![]));
        let words = (positions - 1) * 5 + (lane as u16 + columns as u16).div_ceil(r as u16);
        body.push((Instruction::Store { source: Source::Activations, address: output, count: words }, vec![]));
        let program = program(config, body, words as u32 * r as u32);
        let mut host = vec![0; program.host_bytes as usize];
        let mut machine = Reference::new(config);
        let run = machine.run(&program, &mut host).unwrap();

        let mut expected = vec![0; host.len()];
        for n in 0..positions as usize {
            for (column, p) in parameters.iter().enumerate() {
                let mut sum: i64 = 0;
                for k in 0..tiles as usize {
                    for lane in 0..r {
                        sum += activations[n * tiles as usize + k][lane] as i64
                            * weights[k * r + lane][column] as i8 as i64;
                    }
                }
                if case.accumulate {
                    sum *= 2;
                }
                let scaled = (sum + p.bias as i64) as f32 * (0.0003 * (column + 1) as f32);
                let code = (scaled.round_ties_even() + 100.0).clamp(30.0, 220.0) as usize;
                let byte = if case.table { table[code][0] } else { code as u8 };
                expected[n * 5 * r + lane as usize + column] = byte;
            }
        }
        prop_assert_eq!(host, expected);
        let passes = tiles as u32 * if case.accumulate { 2 } else { 1 };
        prop_assert_eq!(run.counters.matrix_cycles, positions as u32 * passes);
    }
}

#[test]
fn accumulators_wrap_at_their_width_and_store_sign_extended() {
    let config = CU;
    // 255 * 127 * 8 = 259,080 a pass; 33 passes are 8,549,640 = 2^23 + 161,032.
    let mut body = vec![
        load(&config, Space::Activations, 0, &[vec![255; 8]]),
        load(&config, Space::Weights, 0, &vec![vec![127; 6]; 8]),
    ];
    for pass in 0..33 {
        let matrix = Matrix {
            accumulate: pass > 0,
            weight: 0,
            activation: 0,
            accumulator: 0,
            positions: 1,
            tiles: 1,
            position_stride: 0,
            tile_stride: 0,
        };
        body.push((Instruction::Matrix(matrix), vec![]));
    }
    let store = Instruction::Store {
        source: Source::Accumulators,
        address: 0,
        count: 1,
    };
    body.push((store, vec![]));
    let program = program(config, body, 24);
    let mut host = vec![0; 24];
    Reference::new(config).run(&program, &mut host).unwrap();
    let expected: i32 = 8_549_640 - (1 << 24);
    assert_eq!(host, expected.to_le_bytes().repeat(6));
}

#[test]
fn refusals_name_the_instruction_and_the_reason() {
    let out_of_range = load(&TINY, Space::Weights, 127, &vec![vec![0; 4]; 2]);
    let cases = [
        (
            program(TINY, vec![out_of_range], 0),
            "instruction 1 reaches word 128 of weights, which has 128",
        ),
        (
            program(CU, vec![], 0),
            "the program was compiled for `cu`, this machine is `tiny`; compile it with `--config tiny`",
        ),
        (
            program(TINY, vec![], 4),
            "segment 1: the program receives more than it stores",
        ),
    ];
    for (program, message) in cases {
        let mut host = vec![0; program.host_bytes as usize];
        let error = Reference::new(TINY).run(&program, &mut host).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_truncated_stream_is_an_error_at_every_length() {
    let body = vec![load(&TINY, Space::Weights, 0, &vec![vec![1; 4]; 2])];
    let whole = program(TINY, body, 0);
    let Segment::Send(bytes) = &whole.segments[0] else {
        unreachable!()
    };
    for length in 0..bytes.len() {
        let mut cut = whole.clone();
        cut.segments[0] = Segment::Send(bytes[..length].to_vec());
        let error = Reference::new(TINY).run(&cut, &mut []).unwrap_err();
        assert!(matches!(error, MachineError::Truncated { .. }), "{error}");
    }
}
