//! The units that run a program from the board's flash, each against its golden function
//! and the model of the chip, and the same levels at the pins of its Verilog.

use proptest::prelude::*;
use quern_compiler::{compile, Array, Options, Values};
use quern_fpga::synthesis;
use quern_fpga::tool::NEXTPNR;
use quern_fpga::{
    FlashCrc, FlashReader, LargestOutput, Placed, Standalone, CHECKING, READY, RUNNING,
};
use quern_hdl::{unit, Cu};
use quern_isa::standalone::{
    from_flash, input, to_flash, Fault, Record, CRC, FAULT_ERROR, HEADER_BYTES, MAGIC_BYTES,
    NO_CLASS, PROGRAM_OFFSET,
};
use quern_isa::{Assembler, Machine, Program, Reference, Region, Segment, Space, CU, TINY};
use quern_testbench::cosim::Recorder;
use quern_testbench::flash_chip::FlashChip;
use rust_hdl::prelude::*;
use std::path::Path;
use std::process::Command;

/// Enough for the small programs here.
const CHIP_BYTES: usize = PROGRAM_OFFSET as usize + 0x1_0000;
/// 20 microseconds at 100 MHz: more than either chip takes to wake.
const WAKE_CYCLES: u32 = 2000;

/// Numbers without a pattern, the same every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn the_crc_of_any_bytes_and_their_crc_is_intact() {
    let mut unit = Recorder::clocked(FlashCrc::default(), |unit| &mut unit.clock).warm_up(1);
    let mut noise = Noise(1);
    for length in 0..40 {
        let bytes: Vec<u8> = (0..length).map(|_| noise.next() as u8).collect();
        let whole = [&bytes[..], &CRC.checksum(&bytes).to_be_bytes()].concat();
        for damage in [false, true] {
            unit.clear.next = true;
            unit.enable.next = false;
            unit.cycle();
            unit.clear.next = false;
            for (place, byte) in whole.iter().enumerate() {
                let flip = u8::from(damage && place == length / 2) << (length % 8);
                for pair in (0..4).rev() {
                    unit.bits.next = u64::from((byte ^ flip) >> (2 * pair) & 3).to_bits();
                    unit.enable.next = true;
                    unit.cycle();
                    // A pause now and then.
                    if noise.next() % 4 == 0 {
                        unit.enable.next = false;
                        unit.bits.next = (noise.next() % 4).to_bits();
                        unit.cycle();
                    }
                }
            }
            unit.enable.next = false;
            unit.cycle();
            unit.settle();
            assert_eq!(unit.intact.val(), !damage, "{length} bytes");
        }
    }
    unit.replay().unwrap();
}

#[test]
fn the_class_is_the_first_of_the_largest_outputs() {
    let unit = Recorder::clocked(LargestOutput::default(), |unit| &mut unit.clock);
    let mut unit = unit.warm_up(1);
    let mut noise = Noise(2);
    for run in 0..300 {
        let classes = run % 16;
        // Few values, so that many are equal.
        let outputs: Vec<u8> = (0..24).map(|_| (noise.next() % 5 * 63) as u8).collect();
        unit.classes.next = (classes as u64).to_bits();
        unit.clear.next = true;
        unit.valid.next = false;
        unit.cycle();
        unit.clear.next = false;
        for &output in &outputs {
            unit.data.next = u64::from(output).to_bits();
            unit.valid.next = true;
            unit.cycle();
            unit.data.next = 255.into();
            unit.valid.next = false;
            unit.cycle();
        }
        let competing = &outputs[..classes];
        let largest = competing.iter().max();
        let golden = largest.map_or(0, |max| competing.iter().position(|x| x == max).unwrap());
        unit.settle();
        assert_eq!(
            unit.class.val().to_u8() as usize,
            golden,
            "{classes} of {outputs:?}"
        );
    }
    unit.replay().unwrap();
}

/// Steps the chip with the levels that a unit has at its pins.
macro_rules! chip_cycle {
    ($unit:expr, $chip:expr, $data_in:ident, $out:ident, $drive:ident) => {{
        let drives = $unit.$drive.val().then(|| $unit.$out.val());
        let levels = $chip.levels(drives);
        let value = u64::from(levels[0]) | u64::from(levels[1]) << 1;
        $unit.$data_in.next = value.to_bits();
        $unit.settle();
        // What the chip drives from now on arrives in the next cycle: nearly a whole
        // period for the way.
        $chip.cycle($unit.select_n.val(), $unit.flash_clock.val(), drives);
    }};
}

#[test]
fn the_reader_gives_the_chips_bytes_at_any_pace_and_wakes_it_first() {
    let unit = Recorder::clocked(FlashReader::default(), |unit| &mut unit.clock);
    let mut unit = unit.warm_up(1);
    let mut chip = FlashChip::asleep(CHIP_BYTES, WAKE_CYCLES);
    let mut noise = Noise(3);
    let content: Vec<u8> = (0..600).map(|_| noise.next() as u8).collect();
    chip.write(PROGRAM_OFFSET as usize, &content);
    let rest = |unit: &mut Recorder<FlashReader>, chip: &mut FlashChip, cycles| {
        unit.enable.next = false;
        for _ in 0..cycles {
            chip_cycle!(unit, chip, data_in, data_out, drive);
            unit.cycle();
        }
    };
    rest(&mut unit, &mut chip, 3);
    (unit.enable.next, unit.wake.next, unit.ready.next) = (true, true, false);
    for cycle in 0.. {
        chip_cycle!(unit, chip, data_in, data_out, drive);
        if unit.valid.val() {
            break;
        }
        assert!(cycle < 30, "the command takes eight clocks");
        unit.cycle();
    }
    rest(&mut unit, &mut chip, WAKE_CYCLES + 5);
    unit.wake.next = false;
    // Always ready, and in one of two, four cycles; a byte in 8 cycles at best.
    for pace in [1, 2, 4, 40] {
        unit.enable.next = true;
        let (mut read, mut cycles) = (Vec::new(), 0);
        while read.len() < 200 {
            unit.ready.next = noise.next() % pace == 0;
            chip_cycle!(unit, chip, data_in, data_out, drive);
            if unit.valid.val() && unit.ready.val() {
                read.push(unit.data.val().to_u8());
            }
            unit.cycle();
            cycles += 1;
        }
        assert_eq!(read, content[..200]);
        if pace == 1 {
            assert_eq!(cycles, 89 + 8 * 199 + 1);
        }
        rest(&mut unit, &mut chip, 10);
    }
    assert_eq!(chip.violations, []);
    unit.replay().unwrap();
}

/// A board without its core: what would reach the core is noted.
struct Desk {
    unit: Recorder<Standalone>,
    chip: FlashChip,
    core: Vec<u8>,
    /// Bytes for the unit, and whether each is input of the flash's program.
    host: std::collections::VecDeque<(u8, bool)>,
    noise: Noise,
    /// The core is ready in one of so many cycles.
    pace: u64,
}

impl Desk {
    fn new(contents: &[u8]) -> Desk {
        let mut chip = FlashChip::asleep(CHIP_BYTES, WAKE_CYCLES);
        chip.write(PROGRAM_OFFSET as usize, contents);
        let unit = Recorder::clocked(Standalone::new(&CU), |unit| &mut unit.clock);
        let mut desk = Desk {
            unit: unit.warm_up(1),
            chip,
            core: Vec::new(),
            host: Default::default(),
            noise: Noise(4),
            pace: 1,
        };
        desk.unit.core_idle.next = true;
        desk.unit.reset.next = true;
        desk.cycle();
        desk.unit.reset.next = false;
        desk
    }

    fn cycle(&mut self) {
        let next = self.host.front().copied();
        let unit = &mut self.unit;
        unit.host_valid.next = next.is_some();
        let (byte, is_input) = next.unwrap_or((0, false));
        unit.host_data.next = u64::from(byte).to_bits();
        unit.host_is_input.next = is_input;
        unit.core_ready.next = self.noise.next() % self.pace == 0;
        chip_cycle!(unit, self.chip, flash_in, flash_out, flash_drive);
        if unit.core_valid.val() && unit.core_ready.val() {
            self.core.push(unit.core_data.val().to_u8());
        }
        if next.is_some() && unit.host_ready.val() {
            self.host.pop_front();
        }
        unit.cycle();
    }

    fn cycles(&mut self, count: usize) {
        for _ in 0..count {
            self.cycle();
        }
    }

    fn report(&mut self) -> u8 {
        self.unit.settle();
        self.unit.report.val().to_u8()
    }

    /// The report after the check.
    fn checked(&mut self) -> u8 {
        for _ in 0..100_000 {
            if self.report() != CHECKING {
                return self.report();
            }
            self.cycle();
        }
        panic!("the check does not end");
    }

    fn send(&mut self, bytes: &[u8], is_input: bool) {
        self.host.extend(bytes.iter().map(|&byte| (byte, is_input)));
    }

    /// The core sends its output.
    fn output(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.unit.output_data.next = u64::from(byte).to_bits();
            self.unit.output_taken.next = true;
            self.cycle();
            self.unit.output_taken.next = false;
            self.cycle();
        }
    }
}

fn program() -> Program {
    Program {
        config: CU,
        host_bytes: 64,
        input: Region {
            offset: 0,
            words_per_sample: 4,
            samples: 1,
        },
        output: Region {
            offset: 32,
            words_per_sample: 2,
            samples: 1,
        },
        segments: vec![
            Segment::Send((0..21).map(|i| i * 11 + 3).collect()),
            Segment::SendHost {
                offset: 0,
                bytes: 24,
            },
            Segment::Send(vec![0, 1, 0]),
            Segment::SendHost {
                offset: 24,
                bytes: 8,
            },
            Segment::Send(vec![255]),
            Segment::Receive {
                offset: 32,
                bytes: 16,
            },
        ],
    }
}

/// What reaches the core in a run on these input bytes.
fn streamed(contents: &[u8], input: &[u8]) -> Vec<u8> {
    let (_, records) = from_flash(contents, &CU).unwrap();
    let mut input = input.iter().copied();
    let mut stream = Vec::new();
    for record in records {
        match record {
            Record::Literal(bytes) => stream.extend(bytes),
            Record::Input(count) => stream.extend(input.by_ref().take(count)),
        }
    }
    assert_eq!(input.next(), None);
    stream
}

#[test]
fn a_good_program_runs_for_every_input_at_any_pace_of_the_core() {
    let contents = to_flash(&program(), 10).unwrap();
    let mut desk = Desk::new(&contents);
    assert_eq!(desk.checked(), READY);
    assert!(desk.core.is_empty());
    let mut outputs = [9u8, 250, 3, 251, 4, 251, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0];
    for (run, pace) in [1, 3, 30].into_iter().enumerate() {
        desk.pace = pace;
        desk.core.clear();
        let input: Vec<u8> = (0..32).map(|i| i * 5 + run as u8).collect();
        desk.send(&input, true);
        desk.cycles(4);
        assert_eq!(desk.report(), RUNNING);
        assert_eq!(desk.unit.lights.val().to_u8(), 0);
        let expected = streamed(&contents, &input);
        while desk.core.len() < expected.len() {
            desk.cycle();
        }
        desk.unit.core_idle.next = false;
        desk.cycles(500);
        assert_eq!((desk.report(), &desk.core), (RUNNING, &expected));
        outputs[7] = [0, 252, 252][run];
        desk.output(&outputs);
        desk.unit.core_idle.next = true;
        desk.cycles(2);
        assert_eq!(desk.report(), READY);
        assert_eq!(desk.unit.lights.val().to_u8(), [3, 7, 7][run]);
    }
    assert_eq!(desk.chip.violations, []);
    desk.unit.replay().unwrap();
}

#[test]
fn the_hosts_own_program_goes_straight_to_the_core() {
    let contents = to_flash(&program(), 10).unwrap();
    let mut desk = Desk::new(&contents);
    // While the check runs, and after it.
    for state in [CHECKING, READY] {
        let bytes: Vec<u8> = (0..100).collect();
        desk.core.clear();
        desk.send(&bytes, false);
        // A byte in two cycles, one cycle late.
        desk.cycles(200);
        assert_eq!(desk.core, bytes);
        assert_eq!(desk.report(), state);
        desk.checked();
    }
    // Input waits until the host's program has ended.
    desk.unit.core_idle.next = false;
    desk.send(&[1; 32], true);
    desk.cycles(5000);
    assert_eq!((desk.report(), desk.host.len()), (READY, 32));
    desk.unit.core_idle.next = true;
    desk.cycles(5000);
    assert_eq!(desk.host.len(), 0);
    desk.unit.replay().unwrap();
}

#[test]
fn a_changed_byte_anywhere_is_reported_and_nothing_runs() {
    let contents = to_flash(&program(), 10).unwrap();
    for place in 0..contents.len() {
        let mut damaged = contents.clone();
        damaged[place] ^= 1 << (place % 8);
        let expected = from_flash(&[&damaged[..], &[0xFF; 600]].concat(), &CU).unwrap_err();
        let mut desk = Desk::new(&damaged);
        while desk.report() == CHECKING {
            // Lengths that lead nowhere: a tick comes twice while the flash goes by.
            let tick = desk.unit.cycles() / 8000 % 2 == 1;
            desk.unit.tick.next = tick;
            desk.cycle();
            assert!(desk.unit.cycles() < 30_000, "byte {place}");
        }
        assert_eq!(desk.report(), expected.code(), "byte {place}");
        desk.send(&[7; 40], true);
        desk.cycles(50);
        assert_eq!(desk.host.len(), 0, "input is dropped");
        assert!(desk.core.is_empty(), "byte {place}");
        assert_eq!(desk.report(), expected.code());
        // The host still has its core.
        desk.send(&[1, 2, 3], false);
        desk.cycles(6);
        assert_eq!(desk.core, [1, 2, 3]);
        if place % 16 == 5 {
            desk.unit.replay().unwrap();
        }
    }
}

#[test]
fn missing_truncated_and_foreign_programs_are_told_apart() {
    let contents = to_flash(&program(), 10).unwrap();
    let mut foreign = program();
    foreign.config = TINY;
    foreign.input.words_per_sample = 8;
    let foreign = to_flash(&foreign, 10).unwrap();
    for (contents, expected) in [
        (&[][..], Fault::Missing),
        (&contents[..MAGIC_BYTES - 1], Fault::Missing),
        (&contents[..HEADER_BYTES - 1], Fault::Mismatch),
        (&foreign[..], Fault::Mismatch),
        (&contents[..HEADER_BYTES], Fault::Damaged),
        (&contents[..40], Fault::Damaged),
        (&contents[..contents.len() - 1], Fault::Damaged),
    ] {
        let mut desk = Desk::new(contents);
        while desk.report() == CHECKING {
            desk.unit.tick.next = desk.unit.cycles() / 6000 % 2 == 1;
            desk.cycle();
            assert!(desk.unit.cycles() < 20_000);
        }
        assert_eq!(desk.report(), expected.code(), "{} bytes", contents.len());
        desk.unit.replay().unwrap();
    }
}

#[test]
fn damage_after_the_check_is_found_in_the_run() {
    let contents = to_flash(&program(), 10).unwrap();
    let mut desk = Desk::new(&contents);
    assert_eq!(desk.checked(), READY);
    desk.chip.contents()[PROGRAM_OFFSET as usize + 14] ^= 4;
    desk.send(&[1; 32], true);
    desk.cycles(10_000);
    assert_eq!(desk.report(), Fault::Damaged.code());
    assert!(
        desk.unit.lights.val().to_u8() == 0,
        "no class of a damaged program"
    );
    desk.unit.replay().unwrap();
}

#[test]
fn reset_checks_again() {
    let contents = to_flash(&program(), 10).unwrap();
    let mut desk = Desk::new(&[]);
    assert_eq!(desk.checked(), Fault::Missing.code());
    desk.chip.write(PROGRAM_OFFSET as usize, &contents);
    desk.unit.reset.next = true;
    desk.cycle();
    desk.unit.reset.next = false;
    desk.cycle();
    assert_eq!(desk.report(), CHECKING);
    assert_eq!(desk.checked(), READY);
    assert_eq!(desk.chip.violations, []);
    desk.unit.replay().unwrap();
}

/// The core and what runs the program in flash, as they are on the board.
#[derive(LogicBlock)]
struct StandaloneCore {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub host_data: Signal<In, Bits<8>>,
    pub host_valid: Signal<In, Bit>,
    pub host_ready: Signal<Out, Bit>,
    pub host_is_input: Signal<In, Bit>,
    pub output_data: Signal<Out, Bits<8>>,
    pub output_valid: Signal<Out, Bit>,
    pub output_ready: Signal<In, Bit>,
    pub idle: Signal<Out, Bit>,
    pub error: Signal<Out, Bits<4>>,
    pub lights: Signal<Out, Bits<4>>,
    pub select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    pub flash_out: Signal<Out, Bit>,
    pub flash_drive: Signal<Out, Bit>,
    pub flash_in: Signal<In, Bits<2>>,
    standalone: Standalone,
    core: Cu,
}

impl Default for StandaloneCore {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            host_data: Default::default(),
            host_valid: Default::default(),
            host_ready: Default::default(),
            host_is_input: Default::default(),
            output_data: Default::default(),
            output_valid: Default::default(),
            output_ready: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            lights: Default::default(),
            select_n: Default::default(),
            flash_clock: Default::default(),
            flash_out: Default::default(),
            flash_drive: Default::default(),
            flash_in: Default::default(),
            standalone: Standalone::new(&CU),
            core: Cu::cu(),
        }
    }
}

impl Logic for StandaloneCore {
    unit!("The core and what runs the program in flash.");

    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, standalone, core);
        self.standalone.reset.next = self.reset.val();
        self.standalone.host_data.next = self.host_data.val();
        self.standalone.host_valid.next = self.host_valid.val();
        self.host_ready.next = self.standalone.host_ready.val();
        self.standalone.host_is_input.next = self.host_is_input.val();
        self.standalone.core_ready.next = self.core.input_ready.val();
        self.standalone.core_idle.next = self.core.idle.val();
        self.standalone.core_error.next = self.core.error.val();
        self.standalone.output_data.next = self.core.output_data.val();
        self.standalone.output_taken.next = self.core.output_valid.val() & self.output_ready.val();
        self.standalone.tick.next = false;
        self.core.reset.next = self.reset.val();
        self.core.input_data.next = self.standalone.core_data.val();
        self.core.input_valid.next = self.standalone.core_valid.val();
        self.core.output_ready.next = self.output_ready.val();
        self.output_data.next = self.core.output_data.val();
        self.output_valid.next = self.core.output_valid.val();
        self.idle.next = self.standalone.idle.val();
        self.error.next = self.standalone.error.val();
        self.lights.next = self.standalone.lights.val();
        self.standalone.flash_in.next = self.flash_in.val();
        self.select_n.next = self.standalone.select_n.val();
        self.flash_clock.next = self.standalone.flash_clock.val();
        self.flash_out.next = self.standalone.flash_out.val();
        self.flash_drive.next = self.standalone.flash_drive.val();
    }
}

/// Both and the chip, without a link.
struct Board {
    unit: Recorder<StandaloneCore>,
    chip: FlashChip,
    outputs: Vec<u8>,
}

impl Board {
    fn new(contents: &[u8]) -> Board {
        let mut chip = FlashChip::asleep(CHIP_BYTES, WAKE_CYCLES);
        chip.write(PROGRAM_OFFSET as usize, contents);
        let unit = Recorder::clocked(StandaloneCore::default(), |unit| &mut unit.clock);
        let mut board = Board {
            unit: unit.warm_up(8),
            chip,
            outputs: Vec::new(),
        };
        board.unit.host_is_input.next = true;
        board.unit.output_ready.next = true;
        board.unit.reset.next = true;
        board.cycle(None);
        board.unit.reset.next = false;
        board
    }

    /// Whether the byte was taken.
    fn cycle(&mut self, byte: Option<u8>) -> bool {
        let unit = &mut self.unit;
        unit.host_valid.next = byte.is_some();
        unit.host_data.next = u64::from(byte.unwrap_or(0)).to_bits();
        chip_cycle!(unit, self.chip, flash_in, flash_out, flash_drive);
        if unit.output_valid.val() && unit.output_ready.val() {
            self.outputs.push(unit.output_data.val().to_u8());
        }
        let taken = byte.is_some() && unit.host_ready.val();
        unit.cycle();
        taken
    }

    fn lights(&mut self) -> u8 {
        self.unit.settle();
        self.unit.lights.val().to_u8()
    }

    fn error(&mut self) -> u8 {
        self.unit.settle();
        self.unit.error.val().to_u8()
    }

    fn idle(&mut self) -> bool {
        self.unit.settle();
        self.unit.idle.val()
    }

    fn until(&mut self, what: &str, done: impl Fn(&mut Board) -> bool) {
        for _ in 0..400_000 {
            if done(self) {
                return;
            }
            self.cycle(None);
        }
        panic!("never {what}");
    }

    fn run(&mut self, input: &[u8]) {
        self.outputs.clear();
        let limit = self.unit.cycles() + 400_000;
        for &byte in input {
            while !self.cycle(Some(byte)) {
                assert!(self.unit.cycles() < limit, "input is not taken");
            }
        }
        self.until("idle", |board| board.idle());
    }
}

/// Few bytes, so that its levels can be replayed in Icarus.
#[test]
fn a_program_through_the_core_gives_what_the_reference_gives() {
    let weights: Vec<u8> = (0..8 * CU.columns).map(|i| (i * 91 + 128) as u8).collect();
    let mut assembler = Assembler::new(&CU);
    let words = 3 * CU.lanes as u32;
    assembler.load_from_host(0, &[(0, words)]);
    assembler.load(Space::Weights, 0, &weights);
    assembler.store_to_host(0, &[(words, words)]);
    let region = |offset| Region {
        offset,
        words_per_sample: 3,
        samples: 1,
    };
    let program = assembler.finish(2 * words, region(0), region(words));
    let mut board = Board::new(&to_flash(&program, 12).unwrap());
    // The check is work, too.
    assert_eq!((board.error(), board.lights(), board.idle()), (0, 0, false));
    board.until("ready", |board| board.lights() == NO_CLASS);
    assert!(board.idle());
    for run in 0..2 {
        let input: Vec<u8> = (0..words).map(|i| (i * 37 + run * 5) as u8).collect();
        board.run(&input);
        let mut host = [input.clone(), vec![0; input.len()]].concat();
        Reference::new(CU).run(&program, &mut host).unwrap();
        assert_eq!(board.outputs, host[input.len()..]);
        let competing = &board.outputs[..12];
        let largest = *competing.iter().max().unwrap();
        let class = competing.iter().position(|&x| x == largest).unwrap();
        assert_eq!((board.error(), board.lights() as usize), (0, class));
    }
    assert_eq!(board.chip.violations, []);
    board.unit.replay().unwrap();
}

#[test]
fn a_board_without_a_program_says_so_until_a_host_takes_over() {
    let mut board = Board::new(&[]);
    board.until("faulty", |board| board.error() != 0);
    assert_eq!(board.error(), FAULT_ERROR | Fault::Missing.code());
    assert_eq!((board.lights(), board.idle()), (0, true));
    board.unit.host_is_input.next = false;
    assert_eq!(board.error(), 0);
    board.unit.replay().unwrap();
}

/// The first classes that ONNX Runtime finds; none if it is not installed.
fn onnxruntime_classes(images: usize) -> Option<Vec<usize>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let script = format!(
        "import numpy, onnxruntime\n\
         session = onnxruntime.InferenceSession('models/digits-mlp.onnx')\n\
         x = numpy.load('models/digits-x.npy')[:{images}]\n\
         y = session.run(None, {{session.get_inputs()[0].name: x}})[0]\n\
         print(*y.argmax(1))"
    );
    let output = Command::new(root.join("build/venv/bin/python"))
        .current_dir(&root)
        .args(["-c", &script])
        .output()
        .ok()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(
        text.split_whitespace()
            .map(|class| class.parse().unwrap())
            .collect(),
    )
}

/// The held-out images, as the file has them behind its header.
fn images(count: usize) -> Array {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = std::fs::read(root.join("models/digits-x.npy")).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let pixels = file[header..].chunks_exact(4).take(64 * count);
    let pixels = pixels.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    Array {
        shape: vec![count, 1, 8, 8],
        values: Values::F32(pixels.collect()),
    }
}

#[test]
fn digits_are_classified_from_flash_as_onnxruntime_classifies_them() {
    const IMAGES: usize = 2;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let model = std::fs::read(root.join("models/digits-mlp.onnx")).unwrap();
    let options = Options {
        batch: Some(1),
        name: None,
    };
    let compiled = compile(&model, &CU, &options).unwrap();
    let contents = to_flash(&compiled.program, compiled.scores().unwrap()).unwrap();
    let mut board = Board::new(&contents);
    board.until("ready", |board| board.lights() == NO_CLASS);
    println!(
        "{} bytes in flash, checked after {} cycles",
        contents.len(),
        board.unit.cycles()
    );
    let images = images(IMAGES);
    let mut classes = Vec::new();
    for image in 0..IMAGES {
        let mut host = compiled.quantise_input(&images, image..image + 1).unwrap();
        let begin = board.unit.cycles();
        board.run(&input(&compiled.program, &host));
        println!("image {image}: {} cycles", board.unit.cycles() - begin);
        Reference::new(CU)
            .run(&compiled.program, &mut host)
            .unwrap();
        let Region { offset, .. } = compiled.program.output;
        assert_eq!(
            board.outputs,
            host[offset as usize..][..board.outputs.len()]
        );
        classes.push(board.lights() as usize);
    }
    assert_eq!(board.chip.violations, []);
    let begin = std::time::Instant::now();
    println!(
        "{:?} in {:?}",
        board.unit.replay().unwrap(),
        begin.elapsed()
    );
    match onnxruntime_classes(IMAGES) {
        Some(expected) => assert_eq!(classes, expected),
        None => panic!("no ONNX Runtime in build/venv: run scripts/setup"),
    }
}

#[test]
fn all_of_it_takes_at_most_310_logic_cells_and_no_block_ram() {
    let mut unit = Standalone::new(&CU);
    unit.connect_all();
    let verilog = quern_hdl::verilog::export(&unit, "standalone")
        .unwrap()
        .text;
    let folder = tempfile::tempdir().unwrap();
    synthesis::map(&verilog, "standalone", folder.path()).unwrap();
    // Without constraints the pins are wherever the placer likes them.
    #[rustfmt::skip]
    let arguments = [
        "--hx8k", "--package", "cb132", "--json", synthesis::NETLIST,
        "--report", "timing.json", "--freq", "110", "--seed", "1", "--timing-allow-fail",
    ];
    NEXTPNR
        .run(&arguments, folder.path(), "nextpnr.log", "placing")
        .unwrap();
    let report = std::fs::read_to_string(folder.path().join("timing.json")).unwrap();
    let placed = Placed::parse(&report).unwrap();
    println!("{placed:?}");
    assert!(placed.fmax_mhz >= 100.0, "{placed:?}");
    assert!(placed.lcs <= 310 && placed.brams == 0, "{placed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn programs_of_any_segments_reach_the_core_as_a_host_would_send_them(
        lengths in proptest::collection::vec((any::<bool>(), 1usize..300), 1..8),
        pace in 1u64..4,
    ) {
        let mut offset = 0;
        let segments = lengths.iter().map(|&(literal, length)| match literal {
            true => Segment::Send((0..length).map(|i| (i * 7 + 1) as u8).collect()),
            false => {
                offset += length;
                Segment::SendHost { offset: (offset - length) as u32, bytes: length as u32 }
            }
        });
        let segments = segments.collect();
        let program = Program {
            input: Region { offset: 0, words_per_sample: 300, samples: 1 },
            host_bytes: 2400,
            segments,
            ..program()
        };
        let contents = to_flash(&program, 0).unwrap();
        let input: Vec<u8> = (0..offset).map(|i| (i * 3) as u8).collect();
        let mut desk = Desk::new(&contents);
        desk.pace = pace;
        prop_assert_eq!(desk.checked(), READY);
        desk.send(&input, true);
        // A program without input is started by a byte of it that it does not take.
        if input.is_empty() {
            desk.send(&[0], true);
        }
        let expected = streamed(&contents, &input);
        let limit = desk.unit.cycles() + 5000 + 40 * expected.len();
        while desk.core.len() < expected.len() && desk.unit.cycles() < limit {
            desk.cycle();
        }
        prop_assert_eq!(&desk.core, &expected);
        desk.unit.replay().unwrap();
    }
}
