//! The image's whole logic, played from its pins: the ordinary driver runs a program on
//! it, and what comes back is what the reference machine stores. Then the same levels at
//! the pins of its Verilog.

use quern_board::frame::{BoardFrame, HostFrame};
use quern_board::{Board, Decoder, Expected, Link, LinkError, Pace, StandaloneBoard, Transport};
use quern_fpga::BoardCore;
use quern_isa::link::{Identity, IDENTITY_BYTES, NOTHING_ACKNOWLEDGED};
use quern_isa::numerics::encode_scale;
use quern_isa::standalone::{input, to_flash, Fault, FAULT_ERROR, NO_CLASS, PROGRAM_OFFSET};
use quern_isa::{
    Activate, Assembler, ChannelParameters, Combine, Instruction, Machine, MachineError, Matrix,
    Pattern, Program, Reference, Region, Segment, Source, Space, Target, Vector, CU, ERROR_ILLEGAL,
};
use quern_testbench::cosim::Recorder;
use quern_testbench::flash_chip::FlashChip;
use rust_hdl::prelude::ToBits;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// The shortest bits the link can do: the test is about the path, and the link's
/// own tests about bit times.
const DIVISOR: usize = 4;
const CLOCK_HZ: u32 = 100_000_000;

/// The board's pins over time.
struct Pins {
    unit: Recorder<BoardCore>,
    flash: FlashChip,
    /// Bytes read from the board's line.
    received: VecDeque<u8>,
    reading: Option<(usize, u8)>,
    leds: u8,
    cycles: u64,
}

impl Pins {
    /// With this behind the image.
    fn new(program: &[u8]) -> Pins {
        let mut flash = FlashChip::asleep(PROGRAM_OFFSET as usize + 0x1000, 1500);
        flash.write(PROGRAM_OFFSET as usize, program);
        let identity = Identity::new(&CU, 0xABCD_1234, CLOCK_HZ, DIVISOR as u16);
        let unit = Recorder::clocked(BoardCore::new(&identity), |unit| &mut unit.clock);
        let mut pins = Pins {
            unit: unit.warm_up(1),
            flash,
            received: VecDeque::new(),
            reading: None,
            leds: 0,
            cycles: 0,
        };
        pins.unit.reset_n.next = true;
        // The reset generator waits for 1024 cycles.
        pins.cycles(1100);
        pins
    }

    fn cycles(&mut self, count: usize) {
        (0..count).for_each(|_| self.cycle(true));
    }

    fn press_the_button(&mut self) {
        for pressed in [true, false] {
            self.unit.reset_n.next = !pressed;
            self.cycles(1100);
        }
    }

    fn until_leds(&mut self, steady: u8) {
        for _ in 0..20_000 {
            if self.leds & 0xFE == steady {
                return;
            }
            self.cycles(1);
        }
        panic!("the LEDs are {:08b}, never {steady:08b}", self.leds);
    }

    fn cycle(&mut self, rx: bool) {
        self.unit.locked.next = true;
        self.unit.rx.next = rx;
        let unit = &mut self.unit;
        let driven = unit.flash_drive.val().then(|| unit.flash_out.val());
        let levels = self.flash.levels(driven);
        unit.flash_in.next = (u64::from(levels[0]) | u64::from(levels[1]) << 1).to_bits();
        unit.settle();
        // What the chip drives from now on arrives in the next cycle.
        let (select_n, clock) = (unit.flash_select_n.val(), unit.flash_clock.val());
        self.flash.cycle(select_n, clock, driven);
        self.listen();
        self.leds = self.unit.leds.val().to_u8();
        self.unit.cycle();
        self.cycles += 1;
    }

    /// Samples the line in the middle of each bit.
    fn listen(&mut self) {
        let level = self.unit.tx.val();
        self.reading = match self.reading {
            None if level => None,
            None => Some((1, 0)),
            Some((cycle, byte)) => match (cycle / DIVISOR, cycle % DIVISOR == DIVISOR / 2) {
                (9, true) => {
                    assert!(level, "a byte without stop bit");
                    self.received.push_back(byte);
                    None
                }
                (bit @ 1..9, true) => Some((cycle + 1, byte | u8::from(level) << (bit - 1))),
                _ => Some((cycle + 1, byte)),
            },
        };
    }
}

impl Transport for &mut Pins {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            let frame = (1 << 9) | u16::from(*byte) << 1;
            for bit in 0..10 {
                (0..DIVISOR).for_each(|_| self.cycle(frame >> bit & 1 == 1));
            }
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> io::Result<()> {
        let end = self.now() + patience;
        while self.received.is_empty() && self.now() < end {
            self.cycles(1);
        }
        bytes.extend(self.received.drain(..));
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.cycles * 1_000_000_000 / u64::from(CLOCK_HZ))
    }

    fn pace(&self) -> Pace {
        Pace {
            retry: Duration::from_micros(200),
            give_up: Duration::from_millis(2),
        }
    }

    fn name(&self) -> &str {
        "simulated pins"
    }
}

const EXPECTED: Expected = Expected {
    config: CU,
    design: Some(0xABCD_1234),
    baud: None,
};

fn board(pins: &mut Pins) -> Board<&mut Pins> {
    Board::new(Link::open(pins).unwrap(), &EXPECTED).unwrap()
}

/// Multiplies three words with a tile, requantises the sums, adds words, and stores
/// words and sums.
fn program() -> Program {
    let activations: Vec<u8> = (0..4 * CU.lanes).map(|i| (i * 37 + 5) as u8).collect();
    let weights: Vec<u8> = (0..8 * CU.columns).map(|i| (i * 91 + 128) as u8).collect();
    let (multiplier, steps) = encode_scale(0.01, CU.requantise_rows);
    let parameters = ChannelParameters {
        bias: -300,
        multiplier,
        steps,
        zero_point: 100,
    };
    let mut assembler = Assembler::new(&CU);
    assembler.load(Space::Activations, 0, &activations);
    assembler.load(Space::Weights, 0, &weights);
    let words = parameters.encode(&CU).repeat(CU.columns);
    assembler.load(Space::Parameters, 0, &words);
    assembler.instruction(Instruction::Pattern(Pattern {
        x_count: 3,
        x_stride: 1,
        y_count: 1,
        y_stride: 0,
        inner_stride: 1,
        outer_stride: 0,
    }));
    assembler.instruction(Instruction::Matrix(Matrix {
        accumulate: false,
        accumulator: 0,
        activation: 0,
        weight: 0,
        inner: 1,
        outer: 1,
    }));
    assembler.instruction(Instruction::Target(Target {
        x_count: 3,
        x_stride: 1,
        y_count: 1,
        y_stride: 0,
        low: 10,
        high: 240,
    }));
    assembler.instruction(Instruction::Activate(Activate {
        table: false,
        accumulator: 0,
        activation: 4,
        parameter: 0,
        columns: CU.columns as u8,
        lane: 0,
    }));
    assembler.instruction(Instruction::Vector(Vector {
        combine: Combine::Sum,
        table: false,
        even_code: false,
        activation: 7,
        source: 0,
        parameter: 0,
        inner: 2,
        outer: 1,
        columns: CU.lanes as u8,
        source_lane: 0,
        lane: 0,
        zero_points: [0, 0],
    }));
    let sums = (3 * CU.columns * 4) as u32;
    assembler.instruction(Instruction::Store {
        source: Source::Accumulators,
        address: 0,
        count: 3,
    });
    assembler.receive(0, sums);
    let words = (10 * CU.lanes) as u32;
    assembler.store_to_host(0, &[(sums, words)]);
    assembler.finish(sums + words, Region::default(), Region::default())
}

#[test]
fn the_driver_runs_a_program_at_the_pins_and_gets_what_the_reference_stores() {
    let program = program();
    let mut golden = vec![0; program.host_bytes as usize];
    let reference = Reference::new(CU).run(&program, &mut golden).unwrap();

    let mut pins = Pins::new(&[]);
    let mut board = board(&mut pins);
    let mut stored = vec![0; program.host_bytes as usize];
    let run = board.run(&program, &mut stored).unwrap();
    assert_eq!(stored, golden);
    assert_eq!(run.counters.matrix_cycles, reference.counters.matrix_cycles);
    // The line is slower than the core.
    assert!(run.counters.input_stalls > 0 && run.counters.cycles > reference.counters.cycles);
    assert_eq!(pins.leds & 0b1111_1110, 0, "idle, no damage, no error");
    pins.unit.replay().unwrap();
}

#[test]
fn an_illegal_instruction_is_an_error_and_the_next_program_runs() {
    let mut illegal = program();
    let Segment::Send(bytes) = &mut illegal.segments[0] else {
        panic!("the program begins with instructions");
    };
    bytes[16] = 0xEE;
    let mut pins = Pins::new(&[]);
    let mut board = board(&mut pins);
    let mut stored = vec![0; illegal.host_bytes as usize];
    let error = board.run(&illegal, &mut stored).unwrap_err();
    assert!(
        matches!(
            error,
            MachineError::Core {
                code: ERROR_ILLEGAL,
                ..
            }
        ),
        "{error}"
    );
    // The driver has restarted the core already.
    assert_eq!(board.link().transport().leds & 0b1111_1110, 0);

    let program = program();
    let mut golden = vec![0; program.host_bytes as usize];
    Reference::new(CU).run(&program, &mut golden).unwrap();
    board.run(&program, &mut stored).unwrap();
    assert_eq!(stored, golden);
    pins.unit.replay().unwrap();
}

/// Brings its input back as output, for the flash.
fn echo() -> Program {
    let words = 2 * CU.lanes as u32;
    let region = |offset| Region {
        offset,
        words_per_sample: 2,
        samples: 1,
    };
    let mut assembler = Assembler::new(&CU);
    assembler.load_from_host(0, &[(0, words)]);
    assembler.store_to_host(0, &[(words, words)]);
    assembler.finish(2 * words, region(0), region(words))
}

const CLASSES: usize = 10;

/// Host memory with an input whose class is this.
fn of_class(class: usize) -> Vec<u8> {
    let mut host = vec![7; 4 * CU.lanes];
    host[class] = 200;
    host
}

/// What the LEDs are, but for the one that blinks.
fn lights(code: u8) -> u8 {
    code << 4
}

#[test]
fn a_program_in_flash_runs_for_a_host_that_has_not_begun_a_session() {
    let program = echo();
    let mut pins = Pins::new(&to_flash(&program, CLASSES).unwrap());
    pins.until_leds(lights(NO_CLASS));
    let bytes = input(&program, &of_class(6));
    let frame = HostFrame {
        restart: None,
        tag: 1,
        position: 0,
        acknowledged: NOTHING_ACKNOWLEDGED,
        bytes: &bytes,
    };
    (&mut &mut pins).send(&frame.encode()).unwrap();
    pins.until_leds(lights(6));
    let frame = HostFrame {
        position: bytes.len() as u8,
        bytes: &[],
        ..frame
    };
    pins.received.clear();
    (&mut &mut pins).send(&frame.encode()).unwrap();
    pins.cycles(80 * 10 * DIVISOR);
    let mut decoder = Decoder::default();
    let answers = pins.received.drain(..);
    let answers: Vec<_> = answers.filter_map(|byte| decoder.push(byte)).collect();
    let answer = BoardFrame::parse(&answers[0]).unwrap();
    assert_eq!(answer.bytes[IDENTITY_BYTES..], bytes);
    assert_eq!(
        (answer.attached, answer.idle, answer.error, answer.taken),
        (false, true, 0, bytes.len() as u8)
    );
    assert_eq!(pins.flash.violations, []);
    pins.unit.replay().unwrap();
}

#[test]
fn a_board_goes_from_its_flash_to_a_host_and_back() {
    let flash = echo();
    let own = program();
    let mut golden = vec![0; own.host_bytes as usize];
    Reference::new(CU).run(&own, &mut golden).unwrap();
    let mut pins = Pins::new(&to_flash(&flash, CLASSES).unwrap());
    let link = Link::open(&mut pins).unwrap();
    let mut alone = StandaloneBoard::new(link, &EXPECTED).unwrap();
    for class in [3, 9] {
        let mut host = of_class(class);
        alone.run(&flash, &mut host).unwrap();
        let (input, output) = host.split_at(2 * CU.lanes);
        assert_eq!(input, output);
        let leds = alone.link().transport().leds & 0xFE;
        assert_eq!(leds, lights(class as u8));
    }
    let mut stored = vec![0; own.host_bytes as usize];
    board(&mut pins).run(&own, &mut stored).unwrap();
    assert_eq!(stored, golden);
    assert_eq!(pins.leds & 0xFE, 0);
    pins.press_the_button();
    pins.until_leds(lights(NO_CLASS));
    assert_eq!(pins.flash.violations, []);
    pins.unit.replay().unwrap();
}

#[test]
fn a_faulty_flash_is_named_and_the_host_still_has_its_core() {
    let own = program();
    let mut golden = vec![0; own.host_bytes as usize];
    Reference::new(CU).run(&own, &mut golden).unwrap();
    let mut damaged = to_flash(&echo(), CLASSES).unwrap();
    damaged[20] ^= 1;
    for (contents, expected) in [(&[][..], Fault::Missing), (&damaged, Fault::Damaged)] {
        let mut pins = Pins::new(contents);
        let leds = lights(FAULT_ERROR | expected.code()) | 0x08;
        pins.until_leds(leds);
        let link = Link::open(&mut pins).unwrap();
        let refused = StandaloneBoard::new(link, &EXPECTED).map(|_| ());
        assert!(
            matches!(&refused, Err(LinkError::Flash { fault, .. }) if *fault == expected),
            "{refused:?}"
        );
        assert_eq!(pins.leds & 0xFE, leds);
        let mut stored = vec![0; own.host_bytes as usize];
        board(&mut pins).run(&own, &mut stored).unwrap();
        assert_eq!((pins.leds & 0xFE, stored), (0, golden.clone()));
        pins.press_the_button();
        pins.until_leds(leds);
        assert_eq!(pins.flash.violations, []);
        pins.unit.replay().unwrap();
    }
}
