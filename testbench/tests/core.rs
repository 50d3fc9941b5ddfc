//! The whole core against the reference machine: outputs, every memory, and the
//! cycle count.

use quern_isa::{
    Combine, Config, Counters, Inspect, Instruction, Machine, MachineError, Matrix, Pattern,
    Program, Reference, Source, Space, Target, Vector, Waits, ASIC16, CONFIGS, CU, ERROR_ILLEGAL,
    ERROR_MISMATCH, ISA_VERSION, TINY,
};
use quern_testbench::driver::Pacing;
use quern_testbench::programs::{
    self, load_everything, random_program, random_recipe, raw, Random, Writer,
};
use quern_testbench::rtl::Rtl;

/// Runs a program on both and compares everything. Memories carry over from run to
/// run, so a pair of machines can go on.
fn agree(rtl: &mut Rtl, reference: &mut Reference, program: &Program, what: &str) -> Counters {
    let mut expected_host = vec![0; program.host_bytes as usize];
    let mut host = expected_host.clone();
    let expected = reference.run(program, &mut expected_host).expect(what);
    let run = rtl.run(program, &mut host).expect(what);
    let differs = host.iter().zip(&expected_host).position(|(a, b)| a != b);
    if let Some(byte) = differs {
        panic!(
            "{what}: byte {byte} of the output is {}, in the reference {}",
            host[byte], expected_host[byte]
        );
    }
    if let Some(difference) = rtl.memories().difference(&reference.memories()) {
        panic!("{what}: RTL against reference: {difference}");
    }
    assert_eq!(run.counters, expected.counters, "{what}");
    run.counters
}

fn machines(config: &Config) -> (Rtl, Reference) {
    (Rtl::new(config).unwrap(), Reference::new(*config))
}

#[test]
fn a_program_of_begin_and_halt_takes_its_fetch_cycles() {
    for config in &CONFIGS {
        let (mut rtl, mut reference) = machines(config);
        let counters = agree(
            &mut rtl,
            &mut reference,
            &Writer::new(config).halt(),
            "empty",
        );
        assert_eq!(
            counters.cycles as u64,
            2 * quern_isa::cycles::fetch_cycles(config)
        );
    }
}

#[test]
fn every_word_of_every_memory_can_be_loaded_and_stored() {
    for config in [&TINY, &CU] {
        let (mut rtl, mut reference) = machines(config);
        let mut writer = Writer::new(config);
        load_everything(&mut writer, &mut Random(1));
        writer.store(Source::Activations, 0, config.activation_words);
        agree(&mut rtl, &mut reference, &writer.halt(), config.name);
    }
}

/// All corners of a matrix instruction's shape.
#[test]
fn matrix_of_any_shape_agrees() {
    let config = &TINY;
    let (mut rtl, mut reference) = machines(config);
    let mut writer = Writer::new(config);
    load_everything(&mut writer, &mut Random(2));
    let most_tiles = config.weight_rows / config.lanes;
    for (x_count, y_count) in [(1, 1), (2, 1), (1, 3), (2, 2), (5, 1), (8, 8), (64, 1)] {
        writer.instruction(Instruction::Pattern(Pattern {
            x_count,
            x_stride: 2,
            y_count,
            y_stride: 9,
            inner_stride: 1,
            outer_stride: 5,
        }));
        for (inner, outer) in [
            (1, 1),
            (2, 1),
            (1, 2),
            (3, 3),
            (1, most_tiles),
            (most_tiles, 1),
        ] {
            for accumulate in [false, true] {
                writer.instruction(Instruction::Matrix(Matrix {
                    accumulate,
                    weight: 0,
                    activation: 3,
                    accumulator: 0,
                    inner: inner as u16,
                    outer: outer.min(10) as u16,
                }));
            }
            writer.store(Source::Accumulators, 0, (x_count * y_count) as usize);
        }
    }
    writer.store(Source::Counters, 0, 1);
    agree(&mut rtl, &mut reference, &writer.halt(), "matrix");
}

#[test]
fn random_programs_agree_on_tiny() {
    let (mut rtl, mut reference) = machines(&TINY);
    for seed in 0..60 {
        let program = random_program(&TINY, seed, 25);
        agree(&mut rtl, &mut reference, &program, &format!("seed {seed}"));
    }
}

#[test]
fn random_programs_agree_on_cu() {
    let (mut rtl, mut reference) = machines(&CU);
    for seed in 100..112 {
        let program = random_program(&CU, seed, 20);
        agree(&mut rtl, &mut reference, &program, &format!("seed {seed}"));
    }
}

#[test]
fn random_programs_agree_on_asic16() {
    let (mut rtl, mut reference) = machines(&ASIC16);
    for seed in 200..206 {
        let program = random_program(&ASIC16, seed, 20);
        agree(&mut rtl, &mut reference, &program, &format!("seed {seed}"));
    }
}

/// With gaps in the streams results stay the same; what the gaps cost depends on what
/// goes on meanwhile.
#[test]
fn gaps_in_the_streams_change_nothing_but_the_stalls() {
    for (config, seeds) in [(&TINY, 300..320), (&CU, 320..324), (&ASIC16, 330..332)] {
        let (mut rtl, mut reference) = machines(config);
        let mut output_stalls = 0;
        for seed in seeds {
            let mut writer = Writer::new(config);
            let mut random = Random(seed);
            for _ in 0..15 {
                programs::random_step(&mut writer, &mut random, false);
            }
            let program = writer.halt();
            let what = format!("{}, seed {seed}", config.name);
            rtl.set_pacing(Pacing {
                seed,
                input: random.within(20, 200) as u16,
                output: match seed % 2 {
                    0 => 256,
                    _ => random.within(20, 255) as u16,
                },
            });
            let mut expected_host = vec![0; program.host_bytes as usize];
            let mut host = expected_host.clone();
            let expected = reference.run(&program, &mut expected_host).expect(&what);
            let run = rtl.run(&program, &mut host).expect(&what);
            assert_eq!(host, expected_host, "{what}");
            assert_eq!(
                rtl.memories().difference(&reference.memories()),
                None,
                "{what}"
            );
            let counters = run.counters;
            assert!(counters.input_stalls > 0, "{what}");
            assert!(counters.cycles > expected.counters.cycles, "{what}");
            assert!(seed % 2 == 1 || counters.output_stalls == 0, "{what}");
            output_stalls += counters.output_stalls;
            assert_eq!(
                counters.matrix_cycles, expected.counters.matrix_cycles,
                "{what}"
            );
        }
        assert!(output_stalls > 0, "{}", config.name);
    }
}

/// Counters stored with back-pressure: the ring must come round whole.
#[test]
fn counters_survive_being_stored_with_gaps() {
    for config in &CONFIGS {
        let mut rtl = Rtl::new(config).unwrap();
        rtl.set_pacing(Pacing {
            seed: 5,
            input: 256,
            output: 100,
        });
        let mut writer = Writer::new(config);
        writer.load(Space::Table, 3, &[1, 2, 3]);
        let first = writer.store(Source::Counters, 0, 1) as usize;
        let second = writer.store(Source::Counters, 0, 1) as usize;
        let program = writer.halt();
        let mut host = vec![0; program.host_bytes as usize];
        let run = rtl.run(&program, &mut host).unwrap();
        let beat = 4usize.next_multiple_of(config.stream_bytes);
        let counter = |at: usize, i: usize| {
            u32::from_le_bytes(host[at + i * beat..][..4].try_into().unwrap())
        };
        let fetch = quern_isa::cycles::fetch_cycles(config) as u32;
        // Begin, load and the store's own fetch; no stall can have happened.
        assert_eq!(counter(first, 0), 3 * fetch + 3, "{}", config.name);
        assert!(counter(second, 0) > counter(first, 0) + fetch);
        assert!(run.counters.cycles > counter(second, 0) + fetch);
        for i in 1..4 {
            assert_eq!(counter(first, i), 0);
            assert_eq!(counter(second, i), 0);
        }
        assert_eq!(run.counters.input_stalls, 0);
        assert_eq!(run.counters.output_stalls, 0);
        assert_eq!(run.counters.matrix_cycles, 0);
    }
}

#[test]
fn illegal_instructions_stop_the_core_with_an_error() {
    let instruction = |opcode: u8, modifier: u8| {
        let mut bytes = vec![0; 16];
        (bytes[0], bytes[1]) = (opcode, modifier);
        bytes
    };
    let opcodes = [0u8, 10, 15, 0x12, 0x82, 255].map(|opcode| instruction(opcode, 0));
    let modifiers = [
        (2, 5),
        (2, 8),
        (2, 0x80),
        (3, 2),
        (3, 3),
        (4, 2),
        (5, 3),
        (5, 8),
        (6, 1),
        (7, 1),
        (7, 0x80),
        (8, 8),
        (9, 0x80),
    ]
    .map(|(opcode, modifier)| instruction(opcode, modifier));
    for config in [&TINY, &ASIC16] {
        let begin = begin(config);
        let halt = Instruction::Halt.encode(Waits::NONE).to_vec();
        let mut rtl = Rtl::new(config).unwrap();
        for bytes in opcodes.iter().chain(&modifiers).chain([&begin]) {
            let program = raw(config, [&begin[..], bytes, &halt].concat());
            expect_error(&mut rtl, &program, ERROR_ILLEGAL);
        }
        // A program has to begin with `begin`.
        expect_error(&mut rtl, &raw(config, halt), ERROR_ILLEGAL);
    }
}

fn begin(config: &Config) -> Vec<u8> {
    let begin = Instruction::Begin {
        version: ISA_VERSION,
        fingerprint: config.fingerprint(),
    };
    begin.encode(Waits::NONE).to_vec()
}

#[test]
fn programs_for_another_core_are_refused() {
    for config in &CONFIGS {
        let mut rtl = Rtl::new(config).unwrap();
        for (version, fingerprint) in [
            (ISA_VERSION + 1, config.fingerprint()),
            (ISA_VERSION, config.fingerprint() ^ 1),
            (ISA_VERSION, config.fingerprint() ^ 0x8000),
            (0, 0),
        ] {
            let begin = Instruction::Begin {
                version,
                fingerprint,
            };
            let bytes = [begin, Instruction::Halt].map(|i| i.encode(Waits::NONE));
            expect_error(&mut rtl, &raw(config, bytes.concat()), ERROR_MISMATCH);
        }
    }
}

/// The core reports the error, takes nothing more, is not idle; after the driver's
/// reset it runs the next program.
fn expect_error(rtl: &mut Rtl, program: &Program, code: u8) {
    let config = *rtl.config();
    match rtl.run(program, &mut []) {
        Err(MachineError::Core { code: actual, .. }) => assert_eq!(actual, code),
        other => panic!("expected error {code}, got {other:?}"),
    }
    rtl.run(&Writer::new(&config).halt(), &mut []).unwrap();

    // The same by hand, watching the ports.
    let ports = rtl.ports();
    let mut stream = program.segments.iter().flat_map(|segment| match segment {
        quern_isa::Segment::Send(bytes) => bytes.chunks(config.stream_bytes),
        _ => unreachable!("programs with errors only send"),
    });
    let mut beat = stream.next().unwrap();
    loop {
        let cycle = ports.cycle(Some(beat), true).unwrap();
        if cycle.error != 0 {
            assert_eq!(cycle.error, code);
            break;
        }
        if cycle.accepted {
            beat = stream.next().unwrap_or(beat);
        }
    }
    for _ in 0..50 {
        let cycle = ports.cycle(Some(beat), true).unwrap();
        assert!(
            !cycle.accepted && !cycle.idle && cycle.error == code,
            "{cycle:?}"
        );
    }
    ports.reset().unwrap();
    assert!(ports.cycle(None, true).unwrap().idle);
}

#[test]
fn reset_in_the_middle_of_anything_leaves_the_core_idle_and_right() {
    let config = &TINY;
    let recipe = random_recipe(config, &mut Random(400), 12).sent_only();
    let stream = recipe.stream().unwrap();
    let mut rtl = Rtl::new(config).unwrap();
    let mut random = Random(4);
    for _ in 0..40 {
        let ports = rtl.ports();
        let mut at = 0;
        for _ in 0..random.within(1, 1500) {
            let beat = stream.get(at..at + 1);
            if ports.cycle(beat, true).unwrap().accepted {
                at += 1;
            }
        }
        ports.reset().unwrap();
        let mut writer = Writer::new(config);
        load_everything(&mut writer, &mut random);
        programs::fill_accumulators(&mut writer);
        programs::random_matrix(&mut writer, &mut random);
        programs::random_activate(&mut writer, &mut random);
        writer.store(Source::Activations, 0, config.activation_words);
        let program = writer.halt();
        let mut expected = vec![0; program.host_bytes as usize];
        let mut host = expected.clone();
        let mut reference = Reference::new(*config);
        let expected_run = reference.run(&program, &mut expected).unwrap();
        let run = rtl.run(&program, &mut host).unwrap();
        assert_eq!(host, expected);
        assert_eq!(run, expected_run);
    }
}

/// A vector that is cut off in its second word leaves a place behind that must not move
/// the addresses of the next program's matrix instruction.
#[test]
fn a_vector_cut_off_by_a_reset_moves_no_later_address() {
    let config = &TINY;
    let mut rtl = Rtl::new(config).unwrap();
    let mut writer = Writer::new(config);
    let pattern = Pattern {
        x_count: 8,
        x_stride: 0,
        y_count: 1,
        y_stride: 0,
        inner_stride: 0,
        outer_stride: 0,
    };
    writer.instruction(Instruction::Pattern(pattern));
    writer.instruction(Instruction::Target(Target {
        x_count: 8,
        x_stride: 2,
        y_count: 1,
        y_stride: 0,
        low: 0,
        high: 255,
    }));
    writer.instruction(Instruction::Vector(Vector {
        combine: Combine::Sum,
        table: false,
        even_code: false,
        activation: 2,
        source: 0,
        parameter: 0,
        inner: 16,
        outer: 1,
        columns: config.lanes as u8,
        source_lane: config.lanes as u8 - 1,
        lane: 0,
        zero_points: [0, 0],
    }));
    let stream = writer.recipe().stream().unwrap();
    let mut writer = Writer::new(config);
    let mut random = Random(6);
    writer.load(Space::Activations, 0, &random.bytes(2 * config.lanes));
    writer.load(
        Space::Weights,
        0,
        &random.bytes(config.lanes * config.columns),
    );
    programs::fill_accumulators(&mut writer);
    let next = writer.halt();
    let mut reference = Reference::new(*config);
    reference.run(&next, &mut []).unwrap();
    for cycles in (0..200).step_by(9) {
        let ports = rtl.ports();
        let mut taken = 0;
        // The vector is the last instruction but `halt`.
        while taken < stream.len() - 16 {
            taken += ports
                .cycle(stream.get(taken..taken + 1), true)
                .unwrap()
                .accepted as usize;
        }
        for _ in 0..cycles {
            ports.cycle(None, true).unwrap();
        }
        ports.reset().unwrap();
        rtl.run(&next, &mut []).unwrap();
        let (actual, expected) = (rtl.memories(), reference.memories());
        assert!(
            actual.accumulators == expected.accumulators,
            "{cycles} cycles"
        );
    }
}

#[test]
fn a_program_whose_script_does_not_fit_its_stores_is_diagnosed() {
    let config = &TINY;
    let mut rtl = Rtl::new(config).unwrap();
    let problem = |result: Result<_, MachineError>| match result {
        Err(MachineError::Stream { problem, .. }) => problem,
        other => panic!("expected a stream error, got {other:?}"),
    };
    // A store without a receive.
    let mut writer = Writer::new(config);
    writer.instruction(Instruction::Store {
        source: Source::Activations,
        address: 0,
        count: 1,
    });
    let result = rtl.run(&writer.halt(), &mut []);
    assert_eq!(problem(result), "stores more than it receives");
    // A receive without a store.
    let mut program = Writer::new(config).halt();
    program.host_bytes = 4;
    program.segments.push(quern_isa::Segment::Receive {
        offset: 0,
        bytes: 4,
    });
    assert_eq!(
        problem(rtl.run(&program, &mut [0; 4])),
        "receives more than it stores"
    );
    // Something behind the halt.
    let halt = Instruction::Halt.encode(Waits::NONE);
    let bytes = [&begin(config)[..], &halt, &halt].concat();
    assert_eq!(
        problem(rtl.run(&raw(config, bytes), &mut [])),
        "goes on after its halt"
    );
}

#[test]
fn a_waveform_is_written_when_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tiny.vcd");
    let mut rtl = Rtl::with_vcd(&TINY, &file).unwrap();
    let run = rtl.run(&Writer::new(&TINY).halt(), &mut []).unwrap();
    drop(rtl);
    let text = std::fs::read_to_string(&file).unwrap();
    for name in ["$timescale 1 ps", " idle ", " input_valid ", " sequencer "] {
        assert!(text.contains(name), "{name} is missing");
    }
    // 10 ns a cycle; one of reset, and the run's.
    let last = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .next_back();
    let end_ps = (1 + run.counters.cycles as u64) * 10_000;
    assert_eq!(last.map(|time| time.parse().unwrap()), Some(end_ps));
    let missing = directory.path().join("nowhere/tiny.vcd");
    assert!(Rtl::with_vcd(&TINY, &missing).is_err());
}
