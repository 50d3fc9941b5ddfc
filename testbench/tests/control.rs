//! The units that control the core, each by itself against what it is meant to do, in
//! RustHDL and, with the same vectors, as exported Verilog.

use proptest::prelude::*;
use quern_hdl::matrix_unit::latency;
use quern_hdl::{
    AccumulatorWord, BeatRing, BeatSelect, Counters, InstructionRegister, LoadableCounter, Loader,
    MatrixSequencer, OperandRegister, PositionDelay, PositionDelayRegisters, Sequencer, Store,
    StreamPack, StreamUnpack,
};
use quern_isa::{opcode, Config, Source, Space, CU, ERROR_ILLEGAL, ERROR_MISMATCH, ISA_VERSION};
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
    fn accumulator_word_is_captured_and_shifted(
        cycles in prop::collection::vec((any::<[u32; 6]>(), any::<bool>(), any::<bool>()), 200)
    ) {
        run_accumulator_word(&cycles);
    }

    #[test]
    fn instruction_register_keeps_every_field_and_counts_words(
        instructions in prop::collection::vec(
            (any::<[u8; 16]>(), any::<bool>(), prop::collection::vec(any::<bool>(), 0..20)), 1..15)
    ) {
        run_instruction_register(&instructions);
    }

    #[test]
    fn sequencer_starts_the_right_unit_in_time_or_stops(
        instructions in prop::collection::vec(instruction(), 1..40),
        seed in any::<u64>(),
    ) {
        run_sequencer(&instructions, seed);
    }

    #[test]
    fn loader_enables_each_byte_of_each_word_once(
        loads in prop::collection::vec(
            (0usize..5, 1usize..6, prop::collection::vec(any::<bool>(), 8)), 1..12),
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
        run_store::<8, 4, 24, 1>(&stores, seed);
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
    let mut ring = Recorder::clocked(BeatRing::<16>::default(), |ring| &mut ring.clock);
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
    // (mark, valid) that have come in since the last reset.
    let mut tokens = Vec::new();
    for &(mark, valid, reset) in cycles {
        (delay.mark.next, parts.mark.next) = (mark, mark);
        (delay.valid.next, parts.valid.next) = (valid, valid);
        (delay.reset.next, parts.reset.next) = (reset, reset);
        delay.cycle();
        parts.cycle();
        tokens.push((mark, valid));
        if reset {
            tokens.clear();
        }
        let ago = |cycles: usize| match tokens.len() >= cycles {
            true => tokens[tokens.len() - cycles],
            false => (false, false),
        };
        assert_eq!(delay.arriving.val(), ago(latency) == (true, true));
        assert_eq!(delay.arrived.val(), ago(latency + 1).1);
        assert_eq!(delay.read.val(), ago(latency + 1) == (true, false));
        assert_eq!(
            delay.busy.val(),
            tokens.iter().rev().take(latency + 1).any(|token| token.1)
        );
        assert_eq!(parts.arriving.val(), delay.arriving.val());
        assert_eq!(parts.arrived.val(), delay.arrived.val());
        assert_eq!(parts.read.val(), delay.read.val());
        assert_eq!(parts.busy.val(), delay.busy.val());
    }
    delay.replay().unwrap();
}

/// Each run begins with `clear`, has cycles with events in their bits, and stores the
/// counters with pauses.
fn run_counters<const S: usize>(runs: &[(Vec<u8>, Vec<bool>)]) {
    let mut counters = Recorder::clocked(Counters::<S>::default(), |unit| &mut unit.clock);
    for (events, pauses) in runs {
        // Whatever stalls while there is a reset is not counted after it.
        let stalls = events.first().is_some_and(|event| event & 1 != 0);
        counters.reset.next = true;
        counters.input_stall.next = stalls;
        counters.position.next = stalls;
        counters.cycle();
        counters.reset.next = false;
        counters.input_stall.next = false;
        counters.position.next = false;
        counters.running.next = false;
        counters.cycle();
        let after_reset = [
            counters.cycles.val(),
            counters.input_stalls.val(),
            counters.output_stalls.val(),
            counters.matrix_cycles.val(),
        ];
        assert!(after_reset.iter().all(|count| !count.any()));
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
        // The last event is on its way.
        counters.cycle();
        golden[0] += 1;

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

/// Counting alone would take 2^31 cycles to the highest bit. A byte of ones at a time comes
/// in by rotation instead, until the counters overflow.
#[test]
fn counters_carry_into_every_bit() {
    let mut counters = Recorder::clocked(Counters::<1>::default(), |unit| &mut unit.clock);
    counters.reset.next = true;
    counters.cycle();
    counters.reset.next = false;
    counters.clear.next = true;
    counters.cycle();
    counters.clear.next = false;
    counters.running.next = true;
    // The head and the three counters that follow each other.
    let (mut cycles, mut ring) = (1u32, [0u32; 4]);
    let mut overflows = 0;
    let mut carries = [false; 4];
    for _ in 0..12 {
        for place in 0..=257 {
            // A cycle later the event counts, another one later what it carries.
            let counted = place > 0 && place < 256;
            let event = place < 255;
            counters.input_stall.next = event;
            counters.output_stall.next = event;
            counters.position.next = event;
            counters.rotate.next = place == 257;
            counters.cycle();
            cycles += 1;
            for (count, carry) in ring.iter_mut().zip(&mut carries).skip(1) {
                let low = (*count & 0xffff) + counted as u32;
                let high = (*count >> 16) + *carry as u32;
                *carry = low >> 16 != 0;
                overflows += (high >> 16) as usize;
                *count = high << 16 | low & 0xffff;
            }
            if place == 257 {
                let bytes = ring.map(|word| word & 0xff);
                for (word, low) in ring
                    .iter_mut()
                    .zip([bytes[1], bytes[2], bytes[3], bytes[0]])
                {
                    *word = *word >> 8 | low << 24;
                }
            }
            let [head, inputs, outputs, matrix] = ring;
            assert_eq!(counters.cycles.val().to_u32(), cycles);
            assert_eq!(counters.head.val().to_u32(), head);
            assert_eq!(counters.input_stalls.val().to_u32(), inputs);
            assert_eq!(counters.output_stalls.val().to_u32(), outputs);
            assert_eq!(counters.matrix_cycles.val().to_u32(), matrix);
        }
    }
    assert!(overflows > 0);
    counters.replay().unwrap();
}

/// Words of (columns, capture, shift).
fn run_accumulator_word(cycles: &[([u32; 6], bool, bool)]) {
    let mut word = Recorder::clocked(AccumulatorWord::<6, 24>::default(), |word| &mut word.clock);
    let mut golden = [0; 6];
    for &(columns, capture, shift) in cycles {
        let columns = columns.map(|column| column >> 8);
        for (port, column) in word.read.iter_mut().zip(columns) {
            port.next = bits(column as u64);
        }
        word.capture.next = capture;
        word.shift.next = shift;
        word.cycle();
        golden = match (capture, shift) {
            (true, _) => columns,
            (_, true) => std::array::from_fn(|i| golden[(i + 1).min(5)]),
            _ => golden,
        };
        for (port, column) in word.value.iter().zip(golden) {
            assert_eq!(port.val(), bits::<24>(column as u64));
        }
    }
    word.replay().unwrap();
}

/// Instructions come byte by byte or at once; then `step_word` in some cycles.
fn run_instruction_register(instructions: &[([u8; 16], bool, Vec<bool>)]) {
    type Register = InstructionRegister<9>;
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
        for &step in steps.iter().chain([&false]) {
            assert_eq!(register.field_2.val(), bits::<9>(address));
            assert_eq!(register.field_4.val(), bits::<9>(count));
            assert_eq!(register.last_word.val(), count == 1);
            assert_eq!(register.field_6.val(), bits::<9>(field(6) % 512));
            assert_eq!(register.field_8.val(), bits::<9>(field(8) % 512));
            assert_eq!(register.field_10.val(), bits::<16>(field(10)));
            assert_eq!(register.field_12.val(), bits::<16>(field(12)));
            assert_eq!(register.field_14.val(), bits::<16>(field(14)));
            register.step_word.next = step;
            register.cycle();
            if step {
                address = (address + 1) % 512;
                count = (count + 511) % 512;
            }
        }
    }
    register.replay().unwrap();
}

/// Every operation code with everything that can stand in the byte behind it.
#[test]
fn sequencer_takes_legal_modifiers_and_refuses_all_others() {
    // Behind an error a `begin` may stand instead of the next one: each comes three times.
    let instructions: Vec<[u8; 16]> = (opcode::BEGIN..=opcode::VECTOR)
        .flat_map(|code| (0..=255u8).flat_map(move |modifier| [(code, modifier); 3]))
        .map(|(code, modifier)| {
            let mut bytes = [0; 16];
            (bytes[0], bytes[1]) = (code, modifier);
            bytes
        })
        .collect();
    run_sequencer(&instructions, 1);
}

/// Mostly legal instructions; what a `begin` says is right most of the time.
fn instruction() -> impl Strategy<Value = [u8; 16]> {
    let opcode = prop_oneof![20 => 1u8..10, 1 => any::<u8>()];
    let modifier = prop_oneof![20 => Just(0u8), 10 => 0u8..2, 3 => 0u8..16];
    let waits = prop_oneof![10 => 0u8..8, 1 => 0u8..16];
    (opcode, modifier, waits, any::<[u8; 14]>(), 0u8..8).prop_map(
        |(opcode, modifier, waits, rest, begin)| {
            let mut bytes = [0; 16];
            (bytes[0], bytes[1]) = (opcode, modifier | waits << 4);
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
        },
    )
}

/// What the sequencer should do with an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Nothing,
    /// The pulse with this operation code.
    Start(u8),
    Halt,
    Error(u8),
}

fn outcome(bytes: &[u8; 16], begun: bool, config: &Config) -> Outcome {
    let modifiers = match bytes[0] {
        opcode::BEGIN | opcode::VECTOR => 16,
        opcode::LOAD => 5,
        opcode::MATRIX | opcode::ACTIVATE => 2,
        opcode::STORE => 3,
        opcode::HALT | opcode::PATTERN | opcode::TARGET => 1,
        _ => return Outcome::Error(ERROR_ILLEGAL),
    };
    let is_begin = bytes[0] == opcode::BEGIN;
    let legal = is_begin || (bytes[1] & 15 < modifiers && bytes[1] >> 7 == 0);
    if is_begin == begun || !legal {
        return Outcome::Error(ERROR_ILLEGAL);
    }
    let fingerprint = u16::from_le_bytes([bytes[2], bytes[3]]);
    match bytes[0] {
        opcode::BEGIN if (bytes[1], fingerprint) != (ISA_VERSION, config.fingerprint()) => {
            Outcome::Error(ERROR_MISMATCH)
        }
        opcode::BEGIN => Outcome::Nothing,
        opcode::HALT => Outcome::Halt,
        code => Outcome::Start(code),
    }
}

/// The units an instruction may not find busy, as a set like its waits.
fn waited_for(bytes: &[u8; 16]) -> u8 {
    let own = match bytes[0] {
        opcode::MATRIX => 1,
        opcode::ACTIVATE | opcode::VECTOR => 2,
        opcode::STORE => 4,
        _ => 0,
    };
    let counters = bytes[0] == opcode::STORE && bytes[1] & 15 == Source::Counters as u8;
    match bytes[0] == opcode::HALT || counters {
        true => 7,
        false => bytes[1] >> 4 & 7 | own,
    }
}

fn run_sequencer(instructions: &[[u8; 16]], seed: u64) {
    let mut sequencer = Recorder::clocked(Sequencer::new(&CU), |unit| &mut unit.clock);
    let mut random = seed;
    let mut draw = move |below: u64| {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    let reset = |sequencer: &mut Recorder<Sequencer>| {
        sequencer.reset.next = true;
        sequencer.cycle();
        sequencer.reset.next = false;
        sequencer.settle();
    };
    let set_busy = |sequencer: &mut Recorder<Sequencer>, busy: u64| {
        sequencer.matrix_busy.next = busy & 1 != 0;
        sequencer.activation_busy.next = busy & 2 != 0;
        sequencer.store_busy.next = busy & 4 != 0;
        sequencer.settle();
    };
    // The operation codes whose pulse is up.
    let pulses = |sequencer: &Sequencer| -> Vec<u8> {
        let walks = sequencer.start_matrix.val() | sequencer.start_vector.val();
        assert_eq!(sequencer.start_walk.val(), walks);
        [
            (opcode::LOAD, sequencer.start_load.val()),
            (opcode::MATRIX, sequencer.start_matrix.val()),
            (opcode::ACTIVATE, sequencer.start_activate.val()),
            (opcode::STORE, sequencer.start_store.val()),
            (opcode::PATTERN, sequencer.write_pattern.val()),
            (opcode::TARGET, sequencer.write_target.val()),
            (opcode::VECTOR, sequencer.start_vector.val()),
        ]
        .iter()
        .filter(|(_, pulse)| *pulse)
        .map(|(code, _)| *code)
        .collect()
    };
    reset(&mut sequencer);
    let (mut begun, mut running) = (false, false);
    for bytes in instructions {
        // No program runs without its `begin`.
        let bytes = match begun || draw(4) == 0 {
            true => *bytes,
            false => {
                let mut begin = [opcode::BEGIN; 16];
                begin[1] = ISA_VERSION;
                begin[2..4].copy_from_slice(&CU.fingerprint().to_le_bytes());
                begin
            }
        };
        for (j, &byte) in bytes.iter().enumerate() {
            // No beat for a while; nothing happens, whoever is busy.
            for _ in 0..draw(2) {
                set_busy(&mut sequencer, draw(8));
                sequencer.cycle();
                assert_eq!(pulses(&sequencer), []);
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
            sequencer.settle();
        }
        // It waits while a unit is busy that it waits for.
        let outcome = outcome(&bytes, begun, &CU);
        let waits = waited_for(&bytes) as u64;
        if !matches!(outcome, Outcome::Error(_) | Outcome::Nothing) {
            for _ in 0..draw(4) {
                let busy = draw(8);
                if busy & waits == 0 {
                    continue;
                }
                set_busy(&mut sequencer, busy);
                assert_eq!(pulses(&sequencer), []);
                assert!(!sequencer.fetch.val());
                sequencer.cycle();
            }
        }
        let busy = draw(8) & !waits;
        set_busy(
            &mut sequencer,
            if outcome == Outcome::Nothing { 0 } else { busy },
        );
        let expected: Vec<u8> = match outcome {
            Outcome::Start(code) => vec![code],
            _ => vec![],
        };
        assert_eq!(pulses(&sequencer), expected, "{bytes:?}");
        if bytes[0] != opcode::BEGIN {
            assert_eq!(sequencer.modifier.val(), bits::<4>(bytes[1] as u64 & 15));
        }
        assert!(!sequencer.fetch.val());
        sequencer.cycle();
        match outcome {
            Outcome::Nothing => begun = true,
            Outcome::Halt => (begun, running) = (false, false),
            // These two end before anything is fetched.
            Outcome::Start(opcode::LOAD) => {
                sequencer.loading.next = true;
                for _ in 0..1 + draw(3) {
                    sequencer.settle();
                    assert!(!sequencer.fetch.val());
                    sequencer.cycle();
                }
                sequencer.loading.next = false;
            }
            Outcome::Start(opcode::STORE) if bytes[1] & 15 == Source::Counters as u8 => {
                sequencer.storing_counters.next = true;
                for _ in 0..1 + draw(3) {
                    sequencer.settle();
                    assert!(!sequencer.fetch.val());
                    sequencer.cycle();
                }
                sequencer.storing_counters.next = false;
            }
            Outcome::Start(_) => {}
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
    let mut loader = Recorder::clocked(Loader::<8, 4, 9, 3>::default(), |loader| &mut loader.clock);
    loader.reset.next = true;
    loader.cycle();
    loader.reset.next = false;
    for (space, words, gaps) in loads {
        let space = Space::ALL[*space];
        let bytes = CU.word_bytes(space);
        loader.space.next = bits(space as u64);
        loader.taken_next.next = false;
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
                for _ in 0..gaps.next().unwrap() as usize * 2 {
                    // Either there is no beat, or the memory is written by another.
                    let taken = space == Space::Activations && gaps.next().unwrap();
                    loader.valid.next = false;
                    loader.taken_next.next = taken || gaps.next().unwrap();
                    loader.cycle();
                    loader.valid.next = taken;
                    let stopped = space == Space::Activations && loader.taken_next.val();
                    loader.taken_next.next = space != Space::Activations && gaps.next().unwrap();
                    loader.settle();
                    assert_eq!(enables(&loader), [0; 5]);
                    assert_eq!(loader.ready.val(), !stopped);
                    loader.cycle();
                    assert!(loader.loading.val());
                }
                loader.valid.next = true;
                loader.taken_next.next = space != Space::Activations && gaps.next().unwrap();
                loader.settle();
                let mut expected = [0; 5];
                expected[space as usize] = place & ((1 << bytes) - 1);
                assert_eq!(enables(&loader), expected);
                assert!(loader.ready.val());
                assert_eq!(loader.step_word.val(), i + 1 == beats.len());
                loader.cycle();
            }
        }
        // Further beats are none of its business.
        assert!(!loader.loading.val() && !loader.ready.val());
        loader.settle();
        assert_eq!(enables(&loader), [0; 5]);
        assert!(!loader.step_word.val());
    }
    loader.replay().unwrap();
}

fn enables(loader: &Loader<8, 4, 9, 3>) -> [u64; 5] {
    [
        loader.activation_enable.val().to_u64(),
        loader.weight_enable.val().to_u64(),
        loader.parameter_enable.val().to_u64(),
        loader.table_enable.val().to_u64(),
        loader.lookup_enable.val().to_u64(),
    ]
}

/// accumulate, accumulator, weight, positions, tiles, cycles between requests.
type MatrixOperands = (bool, u64, u64, u64, u64, u64);

fn matrix() -> impl Strategy<Value = MatrixOperands> {
    let positions = prop_oneof![1u64..10, 1u64..40, Just(64)];
    (
        any::<bool>(),
        0u64..64,
        0u64..128,
        positions,
        1u64..5,
        prop_oneof![2u64..12, Just(1000)],
    )
}

/// The walk, and the slots of the passes, with some taken by requests.
fn run_matrix_sequencer<const R: usize>(instructions: &[MatrixOperands]) {
    type Unit<const R: usize> = MatrixSequencer<R, 7, 6>;
    let mut unit = Recorder::clocked(Unit::<R>::default(), |unit| &mut unit.clock);
    unit.reset.next = true;
    unit.cycle();
    unit.reset.next = false;
    let latency = latency(R) as u64;
    for &(accumulate, accumulator, weight, positions, tiles, between) in instructions {
        let request = |cycle: u64| cycle % between == between - 1;
        // The first slot of each pass, and (slot, tile, position) of each position. Cycle
        // 0 is that of `start`.
        let mut slot = 2;
        let (mut passes, mut walk) = (Vec::new(), Vec::new());
        for tile in 0..tiles {
            passes.push(slot);
            for position in 0..positions {
                slot += request(slot) as u64;
                walk.push((slot, tile, position));
                slot += 1;
            }
            slot = slot.max(passes[tile as usize] + R as u64);
        }
        let end = walk.last().unwrap().0 + latency + 2;
        for cycle in 0..end + 5 {
            let at = |delay: u64| {
                let slot = cycle.checked_sub(delay)?;
                walk.iter().find(|step| step.0 == slot)
            };
            // The generator is at the first step that is not done.
            let step = walk.iter().find(|step| step.0 >= cycle);
            unit.start.next = cycle == 0;
            // Operands stand only while it starts.
            unit.accumulate.next = accumulate == (cycle == 0);
            unit.accumulator.next = bits(if cycle == 0 { accumulator } else { 17 });
            unit.weight.next = bits(if cycle == 0 { weight } else { 17 });
            unit.last_position.next = step.is_some_and(|step| step.2 + 1 == positions);
            unit.last_tap.next = step.is_some_and(|step| step.1 + 1 == tiles);
            unit.request.next = request(cycle);
            unit.settle();

            let what = format!("cycle {cycle} of {instructions:?}");
            assert_eq!(unit.busy.val(), (1..=end).contains(&cycle), "{what}");
            assert_eq!(unit.advance.val(), at(0).is_some(), "{what}");
            // Weights keep their pace.
            let row = passes.iter().zip(0..).find_map(|(&first, tile)| {
                let row = cycle.checked_sub(first)?;
                (row < R as u64).then_some(weight + tile * R as u64 + row)
            });
            if let Some(row) = row {
                assert_eq!(unit.weight_address.val(), bits::<7>(row % 128), "{what}");
            }
            let loads = passes.iter().any(|first| first + 1 == cycle);
            assert_eq!(unit.load.val(), loads, "{what}");
            let arrived = at(latency + 1);
            assert_eq!(unit.accumulator_valid.val(), arrived.is_some(), "{what}");
            if let Some((_, tile, position)) = arrived {
                let address = (accumulator + position) % 64;
                assert_eq!(unit.accumulator_address.val(), bits::<6>(address), "{what}");
                assert_eq!(
                    unit.accumulator_first.val(),
                    *tile == 0 && !accumulate,
                    "{what}"
                );
            }
            if let Some(asked) = cycle.checked_sub(latency + 1) {
                assert_eq!(unit.read.val(), request(asked), "{what}");
            }
            unit.cycle();
        }
        // Nothing is left under way.
        unit.request.next = false;
        for _ in 0..latency + 1 {
            unit.cycle();
        }
    }
    unit.replay().unwrap();
}

/// Stores of (source, words, port's laziness), among memories that answer as the
/// core's do.
fn run_store<const R: usize, const C: usize, const W: usize, const S: usize>(
    stores: &[(u64, usize, u8)],
    seed: u64,
) {
    let mut unit = Recorder::clocked(Store::<R, C, W, S, 9>::default(), |unit| &mut unit.clock);
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

        let first = draw() % 512;
        let mut memory = Memory::default();
        let mut ring: Vec<u8> = Vec::new();
        let mut output = Vec::new();
        let mut cycles = 0;
        unit.source.next = bits(source);
        unit.first_word.next = bits(first);
        unit.words.next = bits(words as u64);
        unit.start.next = true;
        loop {
            for (port, lane) in unit.lane.iter_mut().zip(lanes[memory.lanes]) {
                port.next = lane.to_bits();
            }
            let sum = memory.columns.first().copied().unwrap_or(0);
            unit.sum.next = bits(sum as u32 as u64 & ((1u64 << W) - 1));
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
            let reads = (unit.reads_activations.val(), unit.reads_accumulators.val());
            assert!(match source {
                0 => !reads.1,
                1 => !reads.0,
                _ => reads == (false, false),
            });
            if unit.capture.val() {
                ring = counters
                    .iter()
                    .flat_map(|count| count.to_le_bytes())
                    .collect();
            }
            if unit.rotate.val() {
                ring.rotate_left(if S == 1 { 1 } else { 4 });
            }
            let word = (unit.address.val().to_u64() + 512 - first) as usize % 512;
            memory.clock(
                word.min(words - 1),
                unit.next_sum.val(),
                unit.capture_sums.val(),
                |word| sums[word].to_vec(),
            );
            unit.cycle();
            unit.start.next = false;
            unit.source.next = bits(3);
            if !unit.busy.val() {
                break;
            }
            assert_eq!(unit.storing_counters.val(), source == 2);
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

/// What a store reads: the words of activations two cycles after their address, those of
/// accumulators one cycle after, held and shifted by [`AccumulatorWord`].
#[derive(Default)]
struct Memory {
    addressed: usize,
    lanes: usize,
    columns: Vec<i32>,
}

impl Memory {
    fn clock(
        &mut self,
        address: usize,
        shift: bool,
        capture: bool,
        sums: impl Fn(usize) -> Vec<i32>,
    ) {
        if shift {
            self.columns.remove(0);
        }
        if capture {
            self.columns = sums(self.addressed);
        }
        self.lanes = self.addressed;
        self.addressed = address;
    }
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
