//! The units between the board's pins and the core: each against its golden
//! function in RustHDL, and the same vectors through its Verilog.

use proptest::collection::vec;
use proptest::prelude::*;
use quern_fpga::{ResetGenerator, StatusLeds, UartReceiver, UartTransmitter};
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;
use std::collections::VecDeque;

/// A serial line's levels, start bit first: the golden bit pattern of a byte.
fn frame(byte: u8) -> [bool; 10] {
    std::array::from_fn(|bit| match bit {
        0 => false,
        9 => true,
        _ => byte >> (bit - 1) & 1 == 1,
    })
}

#[test]
fn golden_frames_are_8n1_with_the_lowest_bit_first() {
    let levels = |text: &str| text.chars().map(|c| c == '1').collect::<Vec<_>>();
    assert_eq!(frame(0x55).to_vec(), levels("0101010101"));
    assert_eq!(frame(0x01).to_vec(), levels("0100000001"));
    assert_eq!(frame(0xC0).to_vec(), levels("0000000111"));
}

/// What a receiver makes of a line.
struct Listener<const TIMER: usize> {
    unit: Recorder<UartReceiver<TIMER>>,
    bytes: Vec<u8>,
    framing_errors: usize,
    /// Cycles the sender is ahead, a fraction of one.
    time: f64,
}

impl<const TIMER: usize> Listener<TIMER> {
    fn new(divisor: u32) -> Self {
        let mut unit = Recorder::clocked(UartReceiver::new(divisor), |unit| &mut unit.clock);
        unit.line.next = true;
        unit.reset.next = true;
        unit.cycle();
        unit.reset.next = false;
        Listener {
            unit,
            bytes: Vec::new(),
            framing_errors: 0,
            time: 0.0,
        }
    }

    /// Holds the line for a number of cycles; fractions add up.
    fn hold(&mut self, level: bool, cycles: f64) {
        self.time += cycles;
        while self.time >= 1.0 {
            self.time -= 1.0;
            self.unit.line.next = level;
            self.unit.settle();
            if self.unit.valid.val() {
                self.bytes.push(self.unit.data.val().to_u8());
            }
            self.framing_errors += self.unit.framing_error.val() as usize;
            self.unit.cycle();
        }
    }

    fn send(&mut self, byte: u8, bit_cycles: f64) {
        for level in frame(byte) {
            self.hold(level, bit_cycles);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn the_receiver_reads_bytes_back_to_back_at_two_percent_off(
        bytes in vec(any::<u8>(), 1..12),
        divisor in prop_oneof![Just(100u32), Just(25), 40u32..128],
        gaps in vec(0.0..300.0f64, 12),
        back_to_back in any::<bool>(),
    ) {
        for mismatch in [0.98, 1.0, 1.02] {
            let mut line = Listener::<7>::new(divisor);
            line.hold(true, 3.0);
            for (byte, gap) in bytes.iter().zip(&gaps) {
                line.send(*byte, divisor as f64 * mismatch);
                if !back_to_back {
                    line.hold(true, *gap);
                }
            }
            line.hold(true, divisor as f64);
            prop_assert_eq!(&line.bytes, &bytes, "sender at {} of the bit time", mismatch);
            prop_assert_eq!(line.framing_errors, 0);
            line.unit.replay().unwrap();
        }
    }
}

#[test]
fn the_receiver_reads_every_byte() {
    let mut line = Listener::<3>::new(8);
    for byte in 0..=255 {
        line.send(byte, 8.0);
    }
    line.hold(true, 8.0);
    assert_eq!(line.bytes, (0..=255).collect::<Vec<u8>>());
    line.unit.replay().unwrap();
}

#[test]
fn the_receiver_ignores_a_glitch_shorter_than_half_a_bit() {
    let mut line = Listener::<7>::new(100);
    line.hold(true, 10.0);
    line.hold(false, 45.0);
    line.hold(true, 1000.0);
    assert_eq!(line.bytes, Vec::<u8>::new());
    line.send(0xA7, 100.0);
    line.hold(true, 100.0);
    assert_eq!(line.bytes, [0xA7]);
    assert_eq!(line.framing_errors, 0);
    line.unit.replay().unwrap();
}

#[test]
fn the_receiver_drops_a_byte_without_stop_bit_and_recovers_after_a_break() {
    let mut line = Listener::<7>::new(100);
    line.hold(true, 10.0);
    line.hold(false, 3000.0);
    line.hold(true, 100.0);
    assert_eq!((line.bytes.len(), line.framing_errors), (0, 1));
    line.send(0x3C, 100.0);
    line.hold(true, 100.0);
    assert_eq!(
        (line.bytes.as_slice(), line.framing_errors),
        (&[0x3C][..], 1)
    );
    line.unit.replay().unwrap();
}

/// Sends bytes, each as soon as it is accepted, and returns the line's levels from
/// the cycle after the first was taken.
fn transmit(unit: &mut Recorder<UartTransmitter<7>>, bytes: &[u8], cycles: usize) -> Vec<bool> {
    unit.reset.next = true;
    unit.cycle();
    unit.reset.next = false;
    let mut waiting: VecDeque<u8> = bytes.iter().copied().collect();
    let mut levels = Vec::new();
    for _ in 0..cycles {
        unit.valid.next = !waiting.is_empty();
        unit.data.next = waiting.front().copied().unwrap_or(0xEE).to_bits();
        unit.settle();
        if unit.ready.val() {
            waiting.pop_front();
        }
        levels.push(unit.line.val());
        unit.cycle();
    }
    assert!(waiting.is_empty());
    levels.split_off(1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn the_transmitter_sends_golden_frames_exact_to_the_cycle(
        bytes in vec(any::<u8>(), 1..8),
        divisor in prop_oneof![Just(100usize), Just(4), Just(128), 5usize..128],
    ) {
        let mut unit = Recorder::clocked(UartTransmitter::new(divisor as u32), |unit| &mut unit.clock);
        let cycles = bytes.len() * (10 * divisor + 1) + 20;
        let levels = transmit(&mut unit, &bytes, cycles);
        let mut golden: Vec<bool> = Vec::new();
        for byte in &bytes {
            for level in frame(*byte) {
                golden.extend(std::iter::repeat_n(level, divisor));
            }
            // The cycle in which the next byte is taken.
            golden.push(true);
        }
        golden.resize(levels.len(), true);
        prop_assert_eq!(levels, golden);
        unit.replay().unwrap();
    }
}

#[test]
fn reset_lasts_until_the_clock_is_locked_and_the_button_released_for_the_delay() {
    let mut unit = Recorder::clocked(ResetGenerator::<4>::default(), |unit| &mut unit.clock);
    let mut run = |button_n: bool, locked: bool, cycles: usize| {
        let mut resets = Vec::new();
        for _ in 0..cycles {
            unit.button_n.next = button_n;
            unit.locked.next = locked;
            unit.settle();
            resets.push(unit.reset.val());
            unit.cycle();
        }
        resets
    };
    let falls_after = |resets: Vec<bool>| {
        let high = resets.iter().take_while(|reset| **reset).count();
        assert!(resets[high..].iter().all(|reset| !reset), "{resets:?}");
        high
    };
    // From power-up, not yet locked: never out of reset.
    assert_eq!(falls_after(run(true, false, 40)), 40);
    // Two cycles to synchronise, fifteen to count, one to come out.
    assert_eq!(falls_after(run(true, true, 40)), 18);
    for (button_n, locked) in [(false, true), (true, false)] {
        let pressed = run(button_n, locked, 6);
        assert_eq!(pressed, [false, false, false, true, true, true]);
        assert_eq!(falls_after(run(true, true, 40)), 18);
    }
    unit.replay().unwrap();
}

#[test]
fn leds_show_heartbeat_busy_damaged_frames_and_a_code() {
    let mut unit = Recorder::clocked(StatusLeds::<3>::default(), |unit| &mut unit.clock);
    for cycle in 0..16u8 {
        unit.reset.next = cycle == 12;
        unit.idle.next = cycle % 3 == 0;
        let (error, lights) = if cycle < 8 { (0, cycle) } else { (cycle, 0) };
        unit.error.next = u64::from(error).to_bits();
        unit.lights.next = u64::from(lights).to_bits();
        unit.damaged.next = cycle == 7;
        unit.settle();
        let heartbeat = cycle >> 2 & 1;
        let busy = (cycle % 3 != 0) as u8;
        let damaged = (8..13).contains(&cycle) as u8;
        let stopped = (error != 0) as u8;
        assert_eq!(unit.heartbeat.val(), heartbeat == 1);
        assert_eq!(
            unit.leds.val().to_u8(),
            (error | lights) << 4 | stopped << 3 | damaged << 2 | busy << 1 | heartbeat,
            "cycle {cycle}"
        );
        unit.cycle();
    }
    unit.replay().unwrap();
}
