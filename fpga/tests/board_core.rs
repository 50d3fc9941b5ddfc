//! The image's whole logic, played from its pins: a program goes in on the serial
//! line, and what comes out is what the reference machine stores. Then the same
//! levels at the pins of its Verilog.

use quern_fpga::BoardCore;
use quern_isa::numerics::encode_scale;
use quern_isa::{
    Activate, Assembler, ChannelParameters, Combine, Instruction, Machine, Matrix, Pattern,
    Program, Reference, Region, Segment, Source, Space, Target, Vector, Waits, CU, ERROR_ILLEGAL,
    ISA_VERSION,
};
use quern_testbench::cosim::Recorder;
use std::collections::VecDeque;

/// The shortest bits the link can do: the test is about the path, and the link's
/// own tests about bit times.
const DIVISOR: usize = 4;

/// The board's pins over time.
struct Board {
    unit: Recorder<BoardCore>,
    /// Levels still to be sent, and bytes read from the other line.
    sending: VecDeque<bool>,
    received: Vec<u8>,
    reading: Option<(usize, u8)>,
    leds: u8,
}

impl Board {
    fn new() -> Board {
        let unit = Recorder::clocked(BoardCore::new(DIVISOR as u32), |unit| &mut unit.clock);
        Board {
            unit: unit.warm_up(1),
            sending: VecDeque::new(),
            received: Vec::new(),
            reading: None,
            leds: 0,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let frame = (1 << 9) | u16::from(*byte) << 1;
            for bit in 0..10 {
                self.sending.extend([frame >> bit & 1 == 1; DIVISOR]);
            }
        }
    }

    fn cycles(&mut self, count: usize) {
        for _ in 0..count {
            self.unit.reset_n.next = true;
            self.cycle();
        }
    }

    fn press_reset(&mut self) {
        for _ in 0..10 {
            self.unit.reset_n.next = false;
            self.cycle();
        }
        // The reset generator waits for 1024 cycles.
        self.cycles(1100);
    }

    fn cycle(&mut self) {
        self.unit.locked.next = true;
        self.unit.rx.next = self.sending.pop_front().unwrap_or(true);
        self.unit.settle();
        self.listen();
        self.leds = self.unit.leds.val().to_u8();
        self.unit.cycle();
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
                    self.received.push(byte);
                    None
                }
                (bit @ 1..9, true) => Some((cycle + 1, byte | u8::from(level) << (bit - 1))),
                _ => Some((cycle + 1, byte)),
            },
        };
    }
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

/// What a program sends.
fn stream(program: &Program) -> Vec<u8> {
    let literals = program.segments.iter().filter_map(|segment| match segment {
        Segment::Send(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    literals.collect::<Vec<_>>().concat()
}

#[test]
fn a_program_on_the_serial_line_returns_what_the_reference_stores() {
    let program = program();
    let stream = stream(&program);
    let stored = program.host_bytes as usize;
    let mut golden = vec![0; stored];
    Reference::new(CU).run(&program, &mut golden).unwrap();

    let mut board = Board::new();
    board.cycles(1100);
    assert_eq!(board.leds & 0b1111_1110, 0, "idle, nothing lost, no error");
    board.send(&stream);
    board.cycles(40 * stream.len() / 2);
    assert_eq!(board.leds & 0b1111_1110, 0b10, "busy");
    board.cycles(40 * stream.len() / 2 + 42 * stored);
    assert_eq!(board.leds & 0b1111_1110, 0, "idle again");
    assert_eq!(board.received, golden);
    board.unit.replay().unwrap();
}

#[test]
fn an_illegal_instruction_shows_its_error_on_the_leds_until_reset() {
    let mut board = Board::new();
    board.cycles(1100);
    board.send(&[0xEE; 16]);
    board.cycles(41 * 16);
    assert_eq!(board.leds >> 3, ERROR_ILLEGAL << 1 | 1);
    board.press_reset();
    assert_eq!(board.leds & 0b1111_1110, 0);
    let begin = Instruction::Begin {
        version: ISA_VERSION,
        fingerprint: CU.fingerprint(),
    };
    let whole = [begin, Instruction::Halt]
        .map(|instruction| instruction.encode(Waits::NONE))
        .concat();
    board.send(&whole[..16]);
    board.cycles(41 * 16);
    assert_eq!(board.leds & 0b1111_1110, 0b10, "busy");
    board.send(&whole[16..]);
    board.cycles(41 * 16);
    assert_eq!(board.leds & 0b1111_1110, 0, "idle");
    board.unit.replay().unwrap();
}
