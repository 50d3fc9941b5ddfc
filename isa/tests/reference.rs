//! The reference machine against the definitions in the instructions' docs,
//! evaluated with plain nested loops, and its refusals.

use proptest::prelude::*;
use quern_isa::*;

/// A small deterministic generator (splitmix64), so that a case prints as a seed.
struct Random(u64);

impl Random {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z >> 32) as u32
    }

    fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.next() as usize % (high - low + 1)
    }
}

/// A walk over words 64 to 127 or so: two levels of positions, two of taps.
#[derive(Debug, Clone, Copy)]
struct Walk {
    x: [u16; 2],
    y: [u16; 2],
    inner: [u16; 2],
    outer: [u16; 2],
}

impl Walk {
    fn random(random: &mut Random) -> Walk {
        let mut level = |most, stride| {
            [
                random.within(1, most) as u16,
                random.within(0, stride) as u16,
            ]
        };
        Walk {
            x: level(4, 3),
            y: level(3, 7),
            inner: level(3, 2),
            outer: level(2, 9),
        }
    }

    fn pattern(&self) -> Instruction {
        Instruction::Pattern(Pattern {
            x_count: self.x[0],
            x_stride: self.x[1],
            y_count: self.y[0],
            y_stride: self.y[1],
            inner_stride: self.inner[1],
            outer_stride: self.outer[1],
        })
    }

    fn positions(&self) -> usize {
        (self.x[0] * self.y[0]) as usize
    }

    /// The word of each tap of each position, relative to the first.
    fn words(&self) -> Vec<Vec<usize>> {
        let mut words = Vec::new();
        for y in 0..self.y[0] {
            for x in 0..self.x[0] {
                let mut taps = Vec::new();
                for j in 0..self.outer[0] {
                    for i in 0..self.inner[0] {
                        let word =
                            y * self.y[1] + x * self.x[1] + j * self.outer[1] + i * self.inner[1];
                        taps.push(word as usize);
                    }
                }
                words.push(taps);
            }
        }
        words
    }
}

/// Every position to words of its own: two words, as columns may spill over.
fn target(walk: &Walk, low: u8, high: u8) -> Instruction {
    Instruction::Target(Target {
        x_count: walk.x[0],
        x_stride: 2,
        y_count: walk.y[0],
        y_stride: 2 * walk.x[0],
        low,
        high,
    })
}

const SOURCE: usize = 64;
const OUTPUT: usize = 192;

/// A core filled with random words, and what was put there.
struct Bench {
    config: Config,
    assembler: Assembler,
    activations: Vec<u8>,
    weights: Vec<u8>,
    table: Vec<u8>,
    lookup: Vec<i32>,
    parameters: Vec<ChannelParameters>,
    scales: Vec<f32>,
}

impl Bench {
    fn new(config: Config, random: &mut Random) -> Bench {
        let activations = random.bytes(64 * config.lanes);
        let weights = random.bytes(8 * config.lanes * config.columns);
        let table = random.bytes(256);
        let lookup: Vec<i32> = (0..512)
            .map(|_| (random.next() % 60_000) as i32 - 30_000)
            .collect();
        let scales: Vec<f32> = (0..config.lanes).map(|i| 0.0003 * (i + 1) as f32).collect();
        let parameters: Vec<ChannelParameters> = scales
            .iter()
            .enumerate()
            .map(|(i, &scale)| {
                let (multiplier, steps) = numerics::encode_scale(scale, config.requantise_rows);
                ChannelParameters {
                    bias: i as i32 * 1000 - 3000,
                    multiplier,
                    steps,
                    zero_point: 101,
                }
            })
            .collect();
        let mut assembler = Assembler::new(&config);
        assembler.load(Space::Activations, SOURCE, &activations);
        assembler.load(Space::Weights, 0, &weights);
        assembler.load(Space::Table, 0, &table);
        let entries = lookup
            .iter()
            .flat_map(|entry| entry.to_le_bytes()[..config.accumulator_bytes()].to_vec());
        assembler.load(Space::Lookup, 0, &entries.collect::<Vec<u8>>());
        let words: Vec<u8> = parameters.iter().flat_map(|p| p.encode(&config)).collect();
        assembler.load(Space::Parameters, 0, &words);
        Bench {
            config,
            assembler,
            activations,
            weights,
            table,
            lookup,
            parameters,
            scales,
        }
    }

    fn byte(&self, word: usize, lane: usize) -> u8 {
        self.activations[word * self.config.lanes + lane]
    }

    /// The code of a sum in floating point, before the table.
    fn code(&self, sum: i64, channel: usize, low: u8, high: u8) -> u8 {
        let value = (sum + self.parameters[channel].bias as i64) as f32 * self.scales[channel];
        (value.round_ties_even() + 101.0).clamp(low as f32, high as f32) as u8
    }

    /// The words that the instructions wrote at `OUTPUT`, two for each position.
    fn run(mut self, positions: usize) -> (Vec<u8>, Run) {
        let bytes = (2 * positions * self.config.lanes) as u32;
        self.assembler.store_to_host(OUTPUT, &[(0, bytes)]);
        let program = self
            .assembler
            .finish(bytes, Region::default(), Region::default());
        let mut host = vec![0; bytes as usize];
        let run = Reference::new(self.config)
            .run(&program, &mut host)
            .unwrap();
        (host, run)
    }
}

proptest! {
    #[test]
    fn matrix_and_activate_do_what_their_docs_say(
        config in prop::sample::select(CONFIGS.to_vec()), seed: u64, accumulate: bool, table: bool,
    ) {
        let mut random = Random(seed);
        let walk = Walk::random(&mut random);
        let mut bench = Bench::new(config, &mut random);
        let columns = random.within(1, config.columns);
        let lane = random.within(0, config.lanes - 1) / config.vector_lanes * config.vector_lanes;
        let matrix = Matrix {
            accumulate: false,
            accumulator: 2,
            activation: SOURCE as u16,
            weight: 0,
            inner: walk.inner[0],
            outer: walk.outer[0],
        };
        bench.assembler.instruction(walk.pattern());
        bench.assembler.instruction(Instruction::Matrix(matrix));
        if accumulate {
            bench.assembler.instruction(Instruction::Matrix(Matrix { accumulate, ..matrix }));
        }
        bench.assembler.instruction(target(&walk, 30, 220));
        bench.assembler.instruction(Instruction::Activate(Activate {
            table,
            accumulator: 2,
            activation: OUTPUT as u16,
            parameter: 0,
            columns: columns as u8,
            lane: lane as u8,
        }));

        let mut expected = vec![0; 2 * walk.positions() * config.lanes];
        for (n, taps) in walk.words().iter().enumerate() {
            for column in 0..columns {
                let mut sum = 0i64;
                for (k, &word) in taps.iter().enumerate() {
                    for r in 0..config.lanes {
                        let weight = bench.weights[(k * config.lanes + r) * config.columns + column];
                        sum += bench.byte(word, r) as i64 * weight as i8 as i64;
                    }
                }
                let code = bench.code(sum << accumulate as u32, column, 30, 220);
                expected[2 * n * config.lanes + lane + column] = match table {
                    true => bench.table[code as usize],
                    false => code,
                };
            }
        }
        let (actual, run) = bench.run(walk.positions());
        prop_assert_eq!(actual, expected);
        let tiles = (walk.inner[0] * walk.outer[0]) as u32 * (1 + accumulate as u32);
        prop_assert_eq!(run.counters.matrix_cycles, walk.positions() as u32 * tiles);
    }

    #[test]
    fn vector_does_what_its_docs_say(
        config in prop::sample::select(CONFIGS.to_vec()), seed: u64, table: bool,
        combine in prop::sample::select(Combine::ALL.to_vec()),
    ) {
        let mut random = Random(seed);
        let mut walk = Walk::random(&mut random);
        if combine == Combine::Product {
            (walk.inner[0], walk.outer[0]) = (2, 1);
        }
        let mut bench = Bench::new(config, &mut random);
        let one = random.within(0, 1) == 1;
        let columns = if one { 1 } else { random.within(1, config.lanes) };
        let mut lane = || match random.within(0, config.lanes - 1) {
            lane if one => lane,
            lane => lane / config.vector_lanes * config.vector_lanes,
        };
        let (source_lane, lane) = (lane(), lane());
        bench.assembler.instruction(walk.pattern());
        bench.assembler.instruction(target(&walk, 3, 250));
        bench.assembler.instruction(Instruction::Vector(Vector {
            combine,
            table,
            even_code: false,
            activation: OUTPUT as u16,
            source: SOURCE as u16,
            parameter: 0,
            inner: walk.inner[0],
            outer: walk.outer[0] as u8,
            columns: columns as u8,
            source_lane: source_lane as u8,
            lane: lane as u8,
            zero_points: [100, 27],
        }));

        let mut expected = vec![0; 2 * walk.positions() * config.lanes];
        for (n, taps) in walk.words().iter().enumerate() {
            for column in 0..columns {
                let lane_of = (source_lane + column) % config.lanes;
                let further = (source_lane + column) / config.lanes;
                let bytes: Vec<u8> = taps.iter().map(|word| bench.byte(word + further, lane_of)).collect();
                let value = match combine {
                    Combine::Sum => bytes.iter().map(|&b| b as i64).sum(),
                    Combine::Maximum => *bytes.iter().max().unwrap() as i64,
                    Combine::Lookup => bytes
                        .iter()
                        .enumerate()
                        .map(|(k, &b)| bench.lookup[k % 2 * 256 + b as usize] as i64)
                        .sum(),
                    Combine::Product => (bytes[0] as i64 - 100) * (bytes[1] as i64 - 27),
                };
                let code = bench.code(value, column % config.vector_lanes, 3, 250);
                expected[2 * n * config.lanes + lane + column] = match table {
                    true => bench.table[code as usize],
                    false => code,
                };
            }
        }
        prop_assert_eq!(bench.run(walk.positions()).0, expected);
    }
}

/// A convolution of a map behind the previous one's activate, and the next map's load.
fn overlapping() -> Vec<Instruction> {
    let walk = Walk {
        x: [4, 1],
        y: [1, 0],
        inner: [1, 0],
        outer: [1, 0],
    };
    let matrix = |activation, accumulator| {
        Instruction::Matrix(Matrix {
            accumulate: false,
            accumulator,
            activation,
            weight: 0,
            inner: 1,
            outer: 1,
        })
    };
    let activate = |accumulator, activation| {
        Instruction::Activate(Activate {
            table: false,
            accumulator,
            activation,
            parameter: 0,
            columns: 4,
            lane: 0,
        })
    };
    vec![
        walk.pattern(),
        target(&walk, 0, 255),
        matrix(0, 0),
        activate(0, 100),
        matrix(4, 8),
        activate(8, 120),
        matrix(100, 0),
    ]
}

#[test]
fn instructions_wait_for_what_they_depend_on_and_nothing_else() {
    let mut hazards = Hazards::new(&TINY);
    let waits: Vec<Waits> = overlapping()
        .iter()
        .map(|instruction| {
            let waits = hazards.waits(instruction);
            hazards.start(instruction, waits);
            waits
        })
        .collect();
    let matrix = Waits::NONE.with(Unit::Matrix);
    let activation = Waits::NONE.with(Unit::Activation);
    assert_eq!(
        waits,
        [
            Waits::NONE,
            Waits::NONE,
            Waits::NONE,
            matrix,
            // Other words and other accumulators than the activate under way.
            Waits::NONE,
            matrix,
            // It reads what the first activate wrote, which had ended before the second
            // started, and writes accumulators that no one reads any more.
            Waits::NONE,
        ]
    );
    // Reading what the second activate writes has to wait.
    let Some(Instruction::Matrix(last)) = overlapping().pop() else {
        unreachable!("it ends in a matrix")
    };
    let reader = Instruction::Matrix(Matrix {
        activation: 118,
        ..last
    });
    assert_eq!(hazards.waits(&reader), activation);
}

#[test]
fn a_program_that_waits_for_too_little_is_refused() {
    let mut bytes = Vec::new();
    let begin = Instruction::Begin {
        version: ISA_VERSION,
        fingerprint: TINY.fingerprint(),
    };
    bytes.extend(begin.encode(Waits::NONE));
    for instruction in overlapping() {
        bytes.extend(instruction.encode(Waits::NONE));
    }
    let program = Program {
        config: TINY,
        host_bytes: 0,
        input: Region::default(),
        output: Region::default(),
        segments: vec![Segment::Send(bytes)],
    };
    let error = Reference::new(TINY).run(&program, &mut []).unwrap_err();
    assert_eq!(
        error.to_string(),
        "instruction 4 does not wait for the matrix unit, which may still be at work on what it needs"
    );
}

#[test]
fn accumulators_wrap_at_their_width_and_store_sign_extended() {
    // 255 * 127 * 8 = 259,080 a pass; 33 passes are 8,549,640 = 2^23 + 161,032.
    let mut assembler = Assembler::new(&CU);
    assembler.load(Space::Activations, 0, &[255; 8]);
    assembler.load(Space::Weights, 0, &[127; 8 * 4]);
    let walk = Walk {
        x: [1, 0],
        y: [1, 0],
        inner: [1, 0],
        outer: [1, 0],
    };
    assembler.instruction(walk.pattern());
    for pass in 0..33 {
        assembler.instruction(Instruction::Matrix(Matrix {
            accumulate: pass > 0,
            accumulator: 0,
            activation: 0,
            weight: 0,
            inner: 1,
            outer: 1,
        }));
    }
    assembler.instruction(Instruction::Store {
        source: Source::Accumulators,
        address: 0,
        count: 1,
    });
    let bytes = 4 * CU.columns;
    assembler.receive(0, bytes as u32);
    let program = assembler.finish(bytes as u32, Region::default(), Region::default());
    let mut host = vec![0; bytes];
    Reference::new(CU).run(&program, &mut host).unwrap();
    let expected: i32 = 8_549_640 - (1 << 24);
    assert_eq!(host, expected.to_le_bytes().repeat(CU.columns));
}

fn program(config: Config, body: impl FnOnce(&mut Assembler), received: u32) -> Program {
    let mut assembler = Assembler::new(&config);
    body(&mut assembler);
    assembler.receive(0, received);
    assembler.finish(received, Region::default(), Region::default())
}

#[test]
fn refusals_name_the_instruction_and_the_reason() {
    let matrix = Matrix {
        accumulate: false,
        accumulator: 0,
        activation: 0,
        weight: 0,
        inner: 1,
        outer: 1,
    };
    let cases = [
        (
            program(TINY, |a| a.load(Space::Weights, 127, &[0; 8]), 0),
            "instruction 1 reaches word 128 of weights, which has 128",
        ),
        (
            program(CU, |_| (), 0),
            "the program was compiled for `cu`, this machine is `tiny`; compile it with `--config tiny`",
        ),
        (
            program(TINY, |_| (), 4),
            "segment 1: the program receives more than it stores",
        ),
        (
            program(TINY, |a| a.instruction(Instruction::Matrix(matrix)), 0),
            "instruction 1 needs the pattern or target of an earlier instruction, and there is none that fits: no pattern has been given",
        ),
        (
            program(
                TINY,
                |a| {
                    a.instruction(Instruction::Pattern(Pattern {
                        x_count: 2,
                        x_stride: 1u16.wrapping_neg(),
                        y_count: 1,
                        y_stride: 0,
                        inner_stride: 0,
                        outer_stride: 0,
                    }));
                    a.instruction(Instruction::Matrix(matrix));
                },
                0,
            ),
            "instruction 2 reaches word 65535 of activations, which has 256",
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
    let whole = program(TINY, |a| a.load(Space::Weights, 0, &[1; 8]), 0);
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

/// A program that stores codes as the host's input, lets the host work, and brings the
/// result back through the chip: what arrives behind it.
fn through_the_host(step: HostStep, codes: &[u8]) -> Vec<u8> {
    let bytes = codes.len() as u32;
    let output = step.output.offset;
    let mut assembler = Assembler::new(&TINY);
    assembler.load(Space::Activations, 0, codes);
    assembler.store_to_host(0, &[(0, bytes)]);
    assembler.host(step);
    assembler.load_from_host(1, &[(output, 4)]);
    assembler.store_to_host(1, &[(output + 4, 4)]);
    let program = assembler.finish(output + 8, Region::default(), Region::default());
    let mut host = vec![0; program.host_bytes as usize];
    Reference::new(TINY).run(&program, &mut host).unwrap();
    assert_eq!(Program::from_bytes(&program.to_bytes()), Ok(program));
    host[output as usize + 4..].to_vec()
}

fn row(offset: u32, channels: u32) -> HostMap {
    HostMap {
        offset,
        height: 1,
        width: 1,
        channels,
        row_bytes: 4,
    }
}

#[test]
fn softmax_waits_for_what_it_reads_and_follows_its_definition() {
    let table = Box::new(std::array::from_fn(|i| ((i as f32 - 255.0) * 0.05).exp()));
    let step = HostStep {
        inputs: vec![row(0, 3)],
        output: row(4, 3),
        work: HostWork::Softmax {
            table,
            multiplier: 256.0,
            zero_point: 0,
        },
        table: Box::new(std::array::from_fn(|code| code as u8)),
    };
    // exp(-2), exp(-1) and 1 over their sum, in 256ths.
    assert_eq!(through_the_host(step, &[10, 30, 50, 0]), [23, 63, 170, 0]);
}

/// Two columns, the first of which may be left of the map.
fn pair_of_columns() -> HostWindow {
    HostWindow {
        kernel: [1, 2],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [0, 1],
    }
}

/// What work on two pixels of one channel gives for the three windows of `pair_of_columns`.
fn of_pairs(work: HostWork, [a, b]: [u8; 2]) -> [u8; 3] {
    let step = HostStep {
        inputs: vec![HostMap {
            width: 2,
            ..row(0, 1)
        }],
        output: HostMap {
            width: 3,
            row_bytes: 1,
            ..row(8, 1)
        },
        work,
        table: Box::new(std::array::from_fn(|code| code as u8 ^ 1)),
    };
    let codes = through_the_host(step, &[a, 0, 0, 0, b, 0, 0, 0]);
    std::array::from_fn(|i| codes[i] ^ 1)
}

#[test]
fn integer_means_have_the_scale_of_their_count_and_ties_of_either_kind() {
    let mean = |even_code| {
        HostWork::IntegerAverage(IntegerAverage {
            window: pair_of_columns(),
            scales: vec![1.0, 2.0, 0.5],
            input_zero_point: 10,
            zero_point: 3,
            even_code,
        })
    };
    // 5 and 8 times 2, and 13 halves: 6 is even, and so is 7 + 3.
    assert_eq!(of_pairs(mean(false), [15, 18]), [13, 9, 19]);
    assert_eq!(of_pairs(mean(true), [15, 18]), [13, 10, 19]);
    assert_eq!(of_pairs(mean(true), [5, 9]), [0, 0, 1]);
}

#[test]
fn maxima_leave_out_what_is_outside() {
    let work = HostWork::Maximum(pair_of_columns());
    assert_eq!(of_pairs(work.clone(), [5, 200]), [5, 200, 200]);
    assert_eq!(of_pairs(work, [7, 3]), [7, 7, 3]);
}

/// Sums of 32 bits, which wrap, of two groups with two outputs each.
#[test]
fn convolutions_add_up_in_32_bits() {
    let channel = |bias: i32, scale: f32| IntegerChannel {
        bias,
        scale,
        zero_point: 100,
    };
    let work = HostWork::Convolution(IntegerConvolution {
        window: HostWindow {
            kernel: [1, 1],
            padding: [0, 0],
            ..pair_of_columns()
        },
        groups: 2,
        weights: vec![1, 2, -3, 4, 5, 6, -128, 127],
        channels: vec![
            channel(1000, 0.01),
            channel(i32::MAX, 1e-8),
            channel(-7, 0.5),
            channel(30_000_000, 1e-6),
        ],
        input_zero_point: 50,
    });
    let step = HostStep {
        inputs: vec![row(0, 4)],
        output: row(4, 4),
        work,
        table: Box::new(std::array::from_fn(|code| code as u8)),
    };
    // Less 50: 10, -10, 0, 205.
    let codes = through_the_host(step, &[60, 40, 50, 255]);
    // (1000 + 10 - 20) / 100; i32::MAX - 70; (-7 + 1230) / 2; 30,026,035 / 10^6.
    assert_eq!(codes, [110, 121, 255, 130]);
}

#[test]
fn a_sum_that_wraps_is_the_runtimes() {
    let work = HostWork::Convolution(IntegerConvolution {
        window: pair_of_columns(),
        groups: 1,
        weights: vec![127, 127],
        channels: vec![IntegerChannel {
            bias: i32::MAX - 127 * 20,
            scale: 1e-7,
            zero_point: 128,
        }],
        input_zero_point: 0,
    });
    // About 2^31 and, one further, about -2^31.
    assert_eq!(of_pairs(work.clone(), [10, 10]), [255, 255, 255]);
    assert_eq!(of_pairs(work, [10, 11]), [255, 0, 255]);
}

#[test]
fn work_with_parameters_of_other_shapes_is_refused() {
    let convolution = IntegerConvolution {
        window: HostWindow {
            kernel: [1, 1],
            padding: [0, 0],
            ..pair_of_columns()
        },
        groups: 2,
        weights: vec![1; 8],
        channels: vec![
            IntegerChannel {
                bias: 0,
                scale: 1.0,
                zero_point: 0,
            };
            4
        ],
        input_zero_point: 0,
    };
    let fits = |convolution: IntegerConvolution| {
        let step = HostStep {
            inputs: vec![row(0, 4)],
            output: row(4, 4),
            work: HostWork::Convolution(convolution),
            table: Box::new([0; 256]),
        };
        let read = HostStep::from_bytes(&step.to_bytes());
        assert_eq!(read.as_ref(), Some(&step));
        step.fits(8)
    };
    assert!(fits(convolution.clone()));
    for groups in [0, 1, 3] {
        let other = IntegerConvolution {
            groups,
            ..convolution.clone()
        };
        assert!(!fits(other), "{groups} groups");
    }
    let mut other = convolution.clone();
    other.weights.pop();
    assert!(!fits(other), "7 weights");
    let mut other = convolution.clone();
    other.channels.pop();
    assert!(!fits(other), "3 channels");
    let mut other = convolution;
    other.window.kernel = [1 << 20, 1 << 20];
    assert!(!fits(other), "a window without end");
}

/// The mean of 10 and 11 times 0.1 is, in f32, less than 10.5 times 0.1.
#[test]
fn means_are_sums_of_floats_in_order() {
    let average = FloatAverage {
        window: pair_of_columns(),
        input_scale: 0.1,
        input_zero_point: 10,
        scale: 0.1,
        zero_point: 3,
        rounding: FloatRounding::Stored,
        counts_padding: false,
        columns_first: false,
    };
    let work = |counts_padding| {
        HostWork::Average(FloatAverage {
            counts_padding,
            ..average
        })
    };
    // Of 10 and 11: the first, both, the last.
    assert_eq!(of_pairs(work(false), [20, 21]), [13, 13, 14]);
    assert_eq!(of_pairs(work(true), [20, 21]), [8, 13, 8]);
}

#[test]
fn functions_of_two_codes_are_tables() {
    let table: Vec<u8> = (0..1 << 16).map(|pair| (pair >> 8 ^ pair) as u8).collect();
    let step = HostStep {
        inputs: vec![row(0, 4), row(4, 4)],
        output: row(8, 4),
        work: HostWork::Pairs(table.into_boxed_slice().try_into().unwrap()),
        table: Box::new(std::array::from_fn(|code| code as u8)),
    };
    let codes = [1, 2, 3, 255, 16, 32, 48, 255];
    assert_eq!(through_the_host(step, &codes), [17, 34, 51, 0]);
}

#[test]
fn work_of_the_host_outside_its_memory_is_refused() {
    let step = |output: HostMap| HostStep {
        inputs: vec![row(0, 4), row(0, 4)],
        output,
        work: HostWork::Pairs(Box::new([0; 1 << 16])),
        table: Box::new([0; 256]),
    };
    assert!(step(row(4, 4)).fits(8));
    let wide = HostMap {
        height: u32::MAX,
        width: u32::MAX,
        ..row(4, 4)
    };
    for (output, host_bytes) in [(row(4, 4), 7), (row(5, 4), 8), (row(4, 3), 8), (wide, 8)] {
        assert!(!step(output).fits(host_bytes), "{output:?}");
    }
}
