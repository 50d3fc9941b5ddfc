//! The units that control the core, each by itself against what it is meant to do, in
//! RustHDL and, with the same vectors, as exported Verilog.

use proptest::prelude::*;
use quern_hdl::matrix_unit::latency;
use quern_hdl::{
    BeatRing, BeatSelect, Counters, InstructionRegister, LoadableCounter, Loader, MatrixSequencer,
    OperandRegister, PositionDelay, PositionDelayRegisters, Sequencer, Store, StreamPack,
    StreamUnpack,
};
use quern_isa::{Config, Source, Space, CU, ERROR_ILLEGAL, ERROR_MISMATCH, ISA_VERSION};
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn loadable_counter_loads_before_it_steps(
        cycles in prop::collection::vec((any::<bool>(), 0u64..512, any::<bool>()), 300)
    ) {
        run_loadable_counter(LoadableCounter::up(), 1, &cycles);
        run_loadable_counter(LoadableCounter::down(), 511, &cycles);
    }

    #[test]
    fn operand_register_is_written_by_bytes_and_steps(
        cycles in prop::collection::vec((any::<u16>(), 0u8..8, 0u64..512), 300)
    ) {
        run_operand_register(OperandRegister::counting(), Some(1), &cycles);
        run_operand_register(OperandRegister::counting(), Some(511), &cycles);
        run_operand_register(OperandRegister::adding(), None, &cycles);
    }

    #[test]
    fn beat_ring_moves_one_place_per_beat(
        cycles in prop::collection::vec(
            (any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.01)), 300)
    ) {
        run_beat_ring(&cycles);
    }

    #[test]
    fn position_delay_hands_tokens_on_after_the_latency(
        cycles in prop::collection::vec(
            (any::<bool>(), any::<bool>(), prop::bool::weighted(0.02)), 200)
    ) {
        run_position_delay::<4>(&cycles);
        run_position_delay::<16>(&cycles);
    }

    #[test]
    fn counters_count_and_come_round(
        runs in prop::collection::vec(
            (prop::collection::vec(0u8..8, 0..60), prop::collection::vec(any::<bool>(), 16)), 1..6)
    ) {
        run_counters::<1>(&runs);
        run_counters::<16>(&runs);
    }

    #[test]
    fn instruction_register_keeps_and_counts_every_field(
        instructions in prop::collection::vec(
            (any::<[u8; 16]>(), any::<bool>(), prop::collection::vec(0u8..8, 0..20)), 1..15)
    ) {
        run_instruction_register(&instructions);
    }

    #[test]
    fn sequencer_starts_the_right_unit_or_stops(
        instructions in prop::collection::vec(instruction(), 1..40),
        gaps in prop::collection::vec(0usize..4, 64),
    ) {
        run_sequencer(&instructions, &gaps);
    }

    #[test]
    fn loader_enables_each_byte_of_each_word_once(
        loads in prop::collection::vec(
            (0usize..4, 1usize..6, prop::collection::vec(any::<bool>(), 8)), 1..12),
        whole in any::<bool>(),
    ) {
        run_loader(&loads, whole);
    }

    #[test]
    fn matrix_sequencer_does_everything_in_its_cycle(
        instructions in prop::collection::vec(matrix(), 1..8)
    ) {
        run_matrix_sequencer::<4>(&instructions);
        run_matrix_sequencer::<8>(&instructions);
    }

    #[test]
    fn store_sends_every_word_whatever_the_port_does(
        stores in prop::collection::vec((0u64..3, 1usize..5, 0u8..4), 1..8),
        seed in any::<u64>(),
    ) {
        run_store::<8, 6, 24, 1>(&stores, seed);
        run_store::<16, 16, 32, 16>(&stores, seed);
    }

    #[test]
    fn beat_select_takes_the_right_bytes(
        vectors in prop::collection::vec(
            (any::<[u8; 16]>(), 0usize..16, any::<u32>(), 0u64..4, any::<u32>(), 0u64..3), 300)
    ) {
        run_beat_select::<4, 1>(&vectors);
        run_beat_select::<8, 1>(&vectors);
        run_beat_select::<16, 16>(&vectors);
    }

    #[test]
    fn stream_wiring_keeps_bytes_in_order(beats in prop::collection::vec(any::<[u8; 16]>(), 100)) {
        run_stream_wiring::<1, 8>(&beats);
        run_stream_wiring::<16, 128>(&beats);
    }
}

fn run_loadable_counter(counter: LoadableCounter<9>, stride: u64, cycles: &[(bool, u64, bool)]) {
    let mut counter = Recorder::clocked(counter, |counter| &mut counter.clock);
    let mut golden = 0;
    for &(load, value, step) in cycles {
        counter.load.next = load;
        counter.value.next = bits(value);
        counter.step.next = step;
        counter.cycle();
        golden = match (load, step) {
            (true, _) => value,
            (_, true) => (golden + stride) % 512,
            _ => golden,
        };
        assert_eq!(counter.q.val(), bits::<9>(golden));
    }
    counter.replay().unwrap();
}

/// `constant`: the stride is this instead of each cycle's.
fn run_operand_register(
    register: OperandRegister<9>,
    constant: Option<u64>,
    cycles: &[(u16, u8, u64)],
) {
    let mut register = Recorder::clocked(register, |register| &mut register.clock);
    let mut golden = 0u64;
    for &(word, action, stride) in cycles {
        let stride = constant.unwrap_or(stride);
        let [low, high] = word.to_le_bytes();
        let (write_low, write_high) = (action & 1 != 0, action & 2 != 0);
        let step = action == 4;
        register.low.next = low.to_bits();
        register.high.next = high.to_bits();
        register.write_low.next = write_low;
        register.write_high.next = write_high;
        register.step.next = step;
        register.stride.next = bits(stride);
        register.cycle();
        if write_low {
            golden = golden & 0x100 | low as u64;
        }
        if write_high {
            golden = golden & 0xff | (high as u64 & 1) << 8;
        }
        if step {
            golden = (golden + stride) % 512;
        }
        assert_eq!(register.q.val(), bits::<9>(golden));
    }
    register.replay().unwrap();
}

fn run_beat_ring(cycles: &[(bool, bool, bool)]) {
    let mut ring = Recorder::clocked(BeatRing::default(), |ring| &mut ring.clock);
    ring.reset.next = true;
    ring.cycle();
    let mut place = 0;
    for &(advance, last, reset) in cycles {
        ring.advance.next = advance;
        ring.last.next = last || place == 15;
        ring.reset.next = reset;
        ring.cycle();
        place = match (reset, advance, last || place == 15) {
            (true, ..) | (_, true, true) => 0,
            (_, true, false) => place + 1,
            _ => place,
        };
        assert_eq!(ring.place.val(), bits::<16>(1 << place));
    }
    ring.replay().unwrap();
}

fn run_position_delay<const R: usize>(cycles: &[(bool, bool, bool)]) {
    let mut delay = Recorder::clocked(PositionDelay::<R>::default(), |delay| &mut delay.clock);
    let mut parts = Recorder::clocked(PositionDelayRegisters::<R>::default(), |delay| {
        &mut delay.clock
    });
    let latency = latency(R) as usize;
    // What has come in since the last reset.
    let (mut firsts, mut valids) = (Vec::new(), Vec::new());
    for &(first, valid, reset) in cycles {
        (delay.first.next, parts.first.next) = (first, first);
        (delay.valid.next, parts.valid.next) = (valid, valid);
        (delay.reset.next, parts.reset.next) = (reset, reset);
        delay.cycle();
        parts.cycle();
        firsts.push(first);
        valids.push(valid);
        if reset {
            firsts.clear();
            valids.clear();
        }
        let ago = |tokens: &[bool], cycles: usize| {
            tokens.len() >= cycles && tokens[tokens.len() - cycles]
        };
        assert_eq!(delay.arriving.val(), ago(&firsts, latency));
        assert_eq!(delay.arrived.val(), ago(&valids, latency + 1));
        assert_eq!(
            delay.busy.val(),
            valids.iter().rev().take(latency + 1).any(|&valid| valid)
        );
        assert_eq!(parts.arriving.val(), delay.arriving.val());
        assert_eq!(parts.arrived.val(), delay.arrived.val());
        assert_eq!(parts.busy.val(), delay.busy.val());
    }
    delay.replay().unwrap();
}

/// Each run begins with `clear`, has cycles with events in their bits, and stores the
/// counters with pauses.
fn run_counters<const S: usize>(runs: &[(Vec<u8>, Vec<bool>)]) {
    let mut counters = Recorder::clocked(Counters::<S>::default(), |unit| &mut unit.clock);
    for (events, pauses) in runs {
        counters.running.next = false;
        counters.clear.next = true;
        counters.cycle();
        counters.clear.next = false;
        counters.running.next = true;
        let mut golden = [1u32, 0, 0, 0];
        for &event in events {
            counters.input_stall.next = event & 1 != 0;
            counters.output_stall.next = event & 2 != 0;
            counters.position.next = event & 4 != 0;
            counters.cycle();
            golden[0] += 1;
            (1..4).for_each(|i| golden[i] += (event >> (i - 1) & 1) as u32);
        }
        counters.input_stall.next = false;
        counters.output_stall.next = false;
        counters.position.next = false;

        counters.capture.next = true;
        counters.cycle();
        counters.capture.next = false;
        let stored: Vec<u8> = golden
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .collect();
        golden[0] += 1;
        let beat = if S == 1 { 1 } else { 4 };
        for (expected, &pause) in stored.chunks(beat).zip(pauses.iter().cycle()) {
            if pause {
                counters.cycle();
                golden[0] += 1;
            }
            let head = counters.head.val().to_u32().to_le_bytes();
            assert_eq!(&head[..beat], expected);
            counters.rotate.next = true;
            counters.cycle();
            golden[0] += 1;
            counters.rotate.next = false;
        }
        let after = [
            counters.cycles.val(),
            counters.input_stalls.val(),
            counters.output_stalls.val(),
            counters.matrix_cycles.val(),
        ];
        assert_eq!(after.map(|count| count.to_u32()), golden);
    }
    counters.replay().unwrap();
}

/// Instructions come byte by byte or at once; then the steps in each cycle's bits.
fn run_instruction_register(instructions: &[([u8; 16], bool, Vec<u8>)]) {
    type Register = InstructionRegister<9, 8, 5>;
    let mut register = Recorder::clocked(Register::default(), |register| &mut register.clock);
    for (bytes, at_once, steps) in instructions {
        let writes: Vec<u64> = match at_once {
            true => vec![0xffff],
            false => (0..16).map(|j| 1 << j).collect(),
        };
        for write in writes {
            for (j, place) in register.place.iter_mut().enumerate() {
                // Where nothing is written, something else is on the wires.
                let byte = match write >> j & 1 {
                    1 => bytes[j],
                    _ => !bytes[j],
                };
                place.next = byte.to_bits();
            }
            register.write.next = bits(write);
            register.cycle();
        }
        register.write.next = bits(0);
        let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]) as u64;
        let (mut address, mut count) = (field(2) % 512, field(4) % 512);
        let (mut activation, tile_stride) = (field(8) % 512, field(14) % 512);
        let (mut weight, mut tiles) = (field(10) % 256, bytes[12] as u64 % 32);
        for &step in steps.iter().chain([&0]) {
            assert_eq!(register.opcode.val(), bits::<3>(bytes[0] as u64 % 8));
            assert_eq!(register.modifier.val(), bits::<2>(bytes[1] as u64 % 4));
            assert_eq!(register.address.val(), bits::<9>(address));
            assert_eq!(register.count.val(), bits::<9>(count));
            assert_eq!(register.last_word.val(), count == 1);
            assert_eq!(register.position_stride.val(), bits::<9>(field(6) % 512));
            assert_eq!(register.activation.val(), bits::<9>(activation));
            assert_eq!(register.weight.val(), bits::<8>(weight));
            assert_eq!(register.tiles.val(), bits::<5>(tiles));
            assert_eq!(register.lane.val(), bits::<5>(bytes[13] as u64 % 32));
            assert_eq!(register.low.val(), bits::<8>(bytes[14] as u64));
            assert_eq!(register.high.val(), bits::<8>(bytes[15] as u64));
            register.step_word.next = step & 1 != 0;
            register.step_row.next = step & 2 != 0;
            register.step_tile.next = step & 4 != 0;
            register.cycle();
            if step & 1 != 0 {
                address = (address + 1) % 512;
                count = (count + 511) % 512;
            }
            if step & 2 != 0 {
                weight = (weight + 1) % 256;
            }
            if step & 4 != 0 {
                activation = (activation + tile_stride) % 512;
                tiles = (tiles + 31) % 32;
            }
        }
    }
    register.replay().unwrap();
}

/// Mostly legal instructions; what a `begin` says is right most of the time.
fn instruction() -> impl Strategy<Value = [u8; 16]> {
    let opcode = prop_oneof![10 => 1u8..7, 1 => any::<u8>()];
    let modifier = prop_oneof![10 => 0u8..3, 1 => any::<u8>()];
    (opcode, modifier, any::<[u8; 14]>(), 0u8..8).prop_map(|(opcode, modifier, rest, begin)| {
        let mut bytes = [0; 16];
        (bytes[0], bytes[1]) = (opcode, modifier);
        bytes[2..].copy_from_slice(&rest);
        if opcode == 1 {
            bytes[1] = ISA_VERSION;
            bytes[2..4].copy_from_slice(&CU.fingerprint().to_le_bytes());
            // Three of eight are wrong in one byte.
            if (1..4).contains(&begin) {
                bytes[begin as usize] ^= 1 << (rest[0] % 8);
            }
        }
        bytes
    })
}

/// What the sequencer should do with an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Nothing,
    Start(usize),
    Halt,
    Error(u8),
}

fn outcome(bytes: &[u8; 16], begun: bool, config: &Config) -> Outcome {
    let legal_modifiers = match bytes[0] {
        1 => 0..=255,
        2 => 0..=3,
        3 | 4 => 0..=1,
        5 => 0..=2,
        6 => 0..=0,
        _ => return Outcome::Error(ERROR_ILLEGAL),
    };
    let here = (bytes[0] == 1) != begun;
    if !here || !legal_modifiers.contains(&bytes[1]) {
        return Outcome::Error(ERROR_ILLEGAL);
    }
    let fingerprint = u16::from_le_bytes([bytes[2], bytes[3]]);
    match bytes[0] {
        1 if (bytes[1], fingerprint) != (ISA_VERSION, config.fingerprint()) => {
            Outcome::Error(ERROR_MISMATCH)
        }
        1 => Outcome::Nothing,
        6 => Outcome::Halt,
        unit => Outcome::Start(unit as usize - 2),
    }
}

fn run_sequencer(instructions: &[[u8; 16]], gaps: &[usize]) {
    let mut sequencer = Recorder::clocked(Sequencer::new(&CU), |unit| &mut unit.clock);
    let mut gaps = gaps.iter().copied().cycle();
    let reset = |sequencer: &mut Recorder<Sequencer>| {
        sequencer.reset.next = true;
        sequencer.cycle();
        sequencer.reset.next = false;
        sequencer.settle();
    };
    let starts = |sequencer: &Sequencer| {
        [
            sequencer.start_load.val(),
            sequencer.start_matrix.val(),
            sequencer.start_activate.val(),
            sequencer.start_store.val(),
        ]
    };
    reset(&mut sequencer);
    let (mut begun, mut running) = (false, false);
    for bytes in instructions {
        for (j, &byte) in bytes.iter().enumerate() {
            // No beat for a while; nothing happens.
            for _ in 0..gaps.next().unwrap() / 2 {
                sequencer.cycle();
                assert_eq!(starts(&sequencer), [false; 4]);
            }
            assert!(sequencer.fetch.val(), "{bytes:?}");
            assert_eq!(sequencer.idle.val(), !running);
            sequencer
                .place
                .iter_mut()
                .for_each(|place| place.next = byte.to_bits());
            sequencer.write.next = bits(1 << j);
            sequencer.settle();
            assert_eq!(sequencer.begin_run.val(), j == 0 && !running);
            sequencer.cycle();
            running = true;
            assert!(sequencer.running.val());
            sequencer.write.next = bits(0);
            // The instruction register has the byte now.
            match j {
                0 => sequencer.opcode.next = bits(byte as u64 % 8),
                1 => sequencer.modifier.next = bits(byte as u64 % 4),
                _ => {}
            }
            sequencer.settle();
        }
        // The decoding cycle.
        let outcome = outcome(bytes, begun, &CU);
        let expected = std::array::from_fn(|unit| outcome == Outcome::Start(unit));
        assert_eq!(starts(&sequencer), expected, "{bytes:?}");
        assert!(!sequencer.fetch.val());
        sequencer.cycle();
        match outcome {
            Outcome::Nothing => begun = true,
            Outcome::Halt => (begun, running) = (false, false),
            Outcome::Start(_) => {
                sequencer.busy.next = true;
                for _ in 0..gaps.next().unwrap() {
                    sequencer.cycle();
                    assert!(!sequencer.fetch.val());
                    assert_eq!(starts(&sequencer), [false; 4]);
                }
                sequencer.busy.next = false;
            }
            Outcome::Error(code) => {
                for _ in 0..3 {
                    assert_eq!(sequencer.error.val(), bits::<4>(code as u64), "{bytes:?}");
                    assert!(!sequencer.fetch.val() && !sequencer.idle.val());
                    sequencer.cycle();
                }
                reset(&mut sequencer);
                (begun, running) = (false, false);
            }
        }
        sequencer.settle();
        assert_eq!(sequencer.error.val(), bits::<4>(0));
        assert_eq!(sequencer.idle.val(), !running);
    }
    sequencer.replay().unwrap();
}

/// Loads of (space, words, gaps); `whole`: every word is one beat.
fn run_loader(loads: &[(usize, usize, Vec<bool>)], whole: bool) {
    let mut loader = Recorder::clocked(Loader::<8, 6, 9>::default(), |loader| &mut loader.clock);
    loader.reset.next = true;
    loader.cycle();
    loader.reset.next = false;
    for (space, words, gaps) in loads {
        let space = Space::ALL[*space];
        let bytes = CU.word_bytes(space);
        loader.space.next = bits(space as u64);
        loader.start.next = true;
        loader.cycle();
        loader.start.next = false;
        let mut gaps = gaps.iter().copied().cycle();
        for word in 0..*words {
            let beats: Vec<u64> = match whole {
                true => vec![0xffff],
                false => (0..bytes).map(|j| 1 << j).collect(),
            };
            loader.last_word.next = word + 1 == *words;
            for (i, place) in beats.iter().enumerate() {
                loader.place.next = bits(*place);
                loader.valid.next = false;
                while gaps.next().unwrap() && gaps.next().unwrap() {
                    loader.settle();
                    assert_eq!(enables(&loader), [0; 4]);
                    loader.cycle();
                    assert!(loader.ready.val());
                }
                loader.valid.next = true;
                loader.settle();
                let mut expected = [0; 4];
                expected[space as usize] = place & ((1 << bytes) - 1);
                assert_eq!(enables(&loader), expected);
                assert!(loader.ready.val());
                assert_eq!(loader.step_word.val(), i + 1 == beats.len());
                loader.cycle();
            }
        }
        // Further beats are none of its business.
        assert!(!loader.ready.val());
        loader.settle();
        assert_eq!(enables(&loader), [0; 4]);
        assert!(!loader.step_word.val());
    }
    loader.replay().unwrap();
}

fn enables(loader: &Loader<8, 6, 9>) -> [u64; 4] {
    [
        loader.activation_enable.val().to_u64(),
        loader.weight_enable.val().to_u64(),
        loader.parameter_enable.val().to_u64(),
        loader.table_enable.val().to_u64(),
    ]
}

/// accumulate, accumulator, positions, position stride, activation, tiles, tile stride.
type MatrixOperands = (bool, u64, u64, u64, u64, u64, u64);

fn matrix() -> impl Strategy<Value = MatrixOperands> {
    let positions = prop_oneof![1u64..10, 1u64..40, Just(64)];
    (
        any::<bool>(),
        0u64..64,
        positions,
        0u64..256,
        0u64..256,
        1u64..5,
        0u64..256,
    )
}

fn run_matrix_sequencer<const R: usize>(instructions: &[MatrixOperands]) {
    type Unit<const R: usize> = MatrixSequencer<R, 8, 6, 7>;
    let mut unit = Recorder::clocked(Unit::<R>::default(), |unit| &mut unit.clock);
    unit.reset.next = true;
    unit.cycle();
    unit.reset.next = false;
    let latency = latency(R) as u64;
    for &(accumulate, accumulator, positions, stride, activation, tiles, tile_stride) in
        instructions
    {
        // The instruction register: the next tile and how many there are.
        let (mut next_activation, mut tiles_left) = (activation, tiles);
        unit.accumulate.next = accumulate;
        unit.accumulator.next = bits(accumulator);
        unit.positions.next = bits(positions);
        unit.position_stride.next = bits(stride);
        let pass = positions.max(R as u64);
        let end = (tiles - 1) * pass + positions + latency + 1;
        // Cycle 0 is that of `start`.
        for cycle in 0..end + 5 {
            unit.start.next = cycle == 0;
            unit.activation.next = bits(next_activation % 256);
            unit.more_tiles.next = tiles_left > 0;
            unit.settle();

            // (tile, slot) of an event that is `delay` cycles behind slot 0.
            let slot = |delay: u64, slots: u64| {
                let since = cycle.checked_sub(1 + delay)?;
                let slot = (since / pass, since % pass);
                (slot.0 < tiles && slot.1 < slots).then_some(slot)
            };
            let what = format!("cycle {cycle} of {instructions:?}");
            assert_eq!(unit.busy.val(), (1..=end).contains(&cycle), "{what}");
            assert_eq!(unit.position.val(), slot(0, positions).is_some(), "{what}");
            if let Some((k, n)) = slot(0, positions) {
                let address = activation + k * tile_stride + n * stride;
                assert_eq!(
                    unit.activation_address.val(),
                    bits::<8>(address % 256),
                    "{what}"
                );
            }
            assert_eq!(unit.step_row.val(), slot(1, R as u64).is_some(), "{what}");
            assert_eq!(unit.load.val(), slot(2, 1).is_some(), "{what}");
            let arrived = slot(latency + 1, positions);
            assert_eq!(unit.accumulator_valid.val(), arrived.is_some(), "{what}");
            if let Some((k, n)) = arrived {
                let address = (accumulator + n) % 64;
                assert_eq!(unit.accumulator_address.val(), bits::<6>(address), "{what}");
                assert_eq!(
                    unit.accumulator_first.val(),
                    k == 0 && !accumulate,
                    "{what}"
                );
            }
            if unit.step_tile.val() {
                next_activation += tile_stride;
                tiles_left -= 1;
            }
            unit.cycle();
        }
        assert_eq!(tiles_left, 0);
    }
    unit.replay().unwrap();
}

/// Stores of (source, words, port's laziness), among memories that answer as the
/// core's do.
fn run_store<const R: usize, const C: usize, const W: usize, const S: usize>(
    stores: &[(u64, usize, u8)],
    seed: u64,
) {
    let mut unit = Recorder::clocked(Store::<R, C, W, S>::default(), |unit| &mut unit.clock);
    unit.reset.next = true;
    unit.cycle();
    unit.reset.next = false;
    let mut random = seed;
    let mut draw = move || {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        random >> 33
    };
    for &(source, words, lazy) in stores {
        let lanes: Vec<[u8; R]> = (0..words).map(|_| [(); R].map(|_| draw() as u8)).collect();
        let sums: Vec<[i32; C]> = (0..words)
            .map(|_| [(); C].map(|_| (draw() << 8 ^ draw()) as i32 >> (32 - W)))
            .collect();
        let counters = [(); 4].map(|_| (draw() << 8 ^ draw()) as u32);
        let expected: Vec<u8> = match source {
            0 => lanes.iter().flat_map(|word| padded::<S>(word)).collect(),
            1 => sums
                .iter()
                .flatten()
                .flat_map(|sum| padded::<S>(&sum.to_le_bytes()))
                .collect(),
            _ => counters
                .iter()
                .flat_map(|count| padded::<S>(&count.to_le_bytes()))
                .collect(),
        };

        // The word's index, as the instruction register has it, and a and two cycles ago.
        let mut word = [0usize; 3];
        let mut place = 0;
        let mut ring: Vec<u8> = Vec::new();
        let mut output = Vec::new();
        let mut cycles = 0;
        unit.source.next = bits(source);
        unit.start.next = true;
        loop {
            let (new, old) = (word[0].min(words - 1), word[2].min(words - 1));
            unit.last_word.next = new + 1 == words;
            unit.place.next = bits(1 << place);
            for (port, &lane) in unit.lane.iter_mut().zip(&lanes[old]) {
                port.next = lane.to_bits();
            }
            let column = unit.column.val().index().min(C - 1);
            unit.sum.next = bits(sums[old][column] as u32 as u64 & ((1u64 << W) - 1));
            let head = ring
                .iter()
                .rev()
                .skip(12)
                .fold(0u32, |head, &byte| head << 8 | byte as u32);
            unit.counter.next = head.to_bits();
            unit.output_ready.next = lazy == 0 || draw() % 4 >= lazy as u64;
            unit.settle();
            if unit.output_valid.val() && unit.output_ready.val() {
                output.extend(unit.output.iter().map(|byte| byte.val().to_u8()));
            }
            assert_eq!(
                unit.stalled.val(),
                unit.output_valid.val() && !unit.output_ready.val() && source != 2
            );
            if unit.capture.val() {
                ring = counters
                    .iter()
                    .flat_map(|count| count.to_le_bytes())
                    .collect();
            }
            if unit.rotate.val() {
                ring.rotate_left(if S == 1 { 1 } else { 4 });
            }
            if unit.advance.val() {
                place = if unit.last.val() { 0 } else { place + 1 };
            }
            word = [word[0] + unit.step_word.val() as usize, word[0], word[1]];
            unit.cycle();
            unit.start.next = false;
            if !unit.busy.val() {
                break;
            }
            cycles += 1;
            assert!(cycles < 100_000, "the store does not end");
        }
        assert_eq!(output, expected, "source {source}");
        if source == 2 {
            let back: Vec<u8> = counters
                .iter()
                .flat_map(|count| count.to_le_bytes())
                .collect();
            assert_eq!(ring, back);
        }
        if lazy == 0 {
            let words = if source == 2 { 1 } else { words };
            assert_eq!(cycles, words * 2 + expected.len() / S + 1);
        }
    }
    unit.replay().unwrap();
}

fn padded<const S: usize>(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(S), 0);
    bytes
}

type BeatSelectVector = ([u8; 16], usize, u32, u64, u32, u64);

fn run_beat_select<const R: usize, const S: usize>(vectors: &[BeatSelectVector]) {
    let mut unit = Recorder::combinational(BeatSelect::<R, S>::default());
    for &(lanes, place, sum, part, counter, source) in vectors {
        let place = place % R;
        for (port, lane) in unit.lane.iter_mut().zip(lanes) {
            port.next = lane.to_bits();
        }
        unit.place.next = bits(1 << place);
        unit.sum.next = sum.to_bits();
        unit.part.next = bits(part);
        unit.counter.next = counter.to_bits();
        unit.source.next = bits(source);
        unit.cycle();
        let word: &[u8] = match source {
            _ if source == Source::Activations as u64 && S == 1 => &lanes[place..=place],
            _ if source == Source::Activations as u64 => &lanes[..R],
            _ if source == Source::Accumulators as u64 && S == 1 => {
                &sum.to_le_bytes()[part as usize..][..1]
            }
            _ if source == Source::Accumulators as u64 => &sum.to_le_bytes(),
            _ if S == 1 => &counter.to_le_bytes()[..1],
            _ => &counter.to_le_bytes(),
        };
        let beat: Vec<u8> = unit.beat.iter().map(|byte| byte.val().to_u8()).collect();
        assert_eq!(beat, padded::<S>(word));
    }
    unit.replay().unwrap();
}

fn run_stream_wiring<const S: usize, const S_BITS: usize>(beats: &[[u8; 16]]) {
    let mut unpack = Recorder::combinational(StreamUnpack::<S, S_BITS>::default());
    let mut pack = Recorder::combinational(StreamPack::<S, S_BITS>::default());
    for bytes in beats {
        let beat = bytes[..S]
            .iter()
            .rev()
            .fold(0u128, |beat, &byte| beat << 8 | byte as u128);
        unpack.beat.next = beat.to_bits();
        unpack.cycle();
        for (j, place) in unpack.place.iter().enumerate() {
            assert_eq!(place.val().to_u8(), bytes[j % S]);
        }
        for (place, &byte) in pack.place.iter_mut().zip(bytes) {
            place.next = byte.to_bits();
        }
        pack.cycle();
        assert_eq!(pack.beat.val().to_u128(), beat);
    }
    unpack.replay().unwrap();
    pack.replay().unwrap();
}
