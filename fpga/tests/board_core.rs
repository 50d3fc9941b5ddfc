//! The image's whole logic, played from its pins: a program goes in on the serial
//! line, and what comes out is what the reference machine stores. Then the same
//! levels at the pins of its Verilog.

use quern_fpga::BoardCore;
use quern_isa::{
    Instruction, Machine, Matrix, Program, Reference, Region, Segment, Source, Space, CU,
    ERROR_ILLEGAL, ISA_VERSION,
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

fn load(space: Space, data: &[u8]) -> Vec<u8> {
    let count = data.len() / CU.word_bytes(space);
    let instruction = Instruction::Load {
        space,
        address: 0,
        count: count as u16,
    };
    [&instruction.encode(), data].concat()
}

fn store(source: Source, count: u16) -> Vec<u8> {
    Instruction::Store {
        source,
        address: 0,
        count,
    }
    .encode()
    .into()
}

/// Multiplies three words with a tile, and stores words and sums.
fn stream() -> Vec<u8> {
    let activations: Vec<u8> = (0..3 * CU.lanes).map(|i| (i * 37 + 5) as u8).collect();
    let weights: Vec<u8> = (0..8 * CU.columns).map(|i| (i * 91 + 128) as u8).collect();
    [
        Instruction::Begin {
            version: ISA_VERSION,
            fingerprint: CU.fingerprint(),
        }
        .encode()
        .into(),
        load(Space::Activations, &activations),
        load(Space::Weights, &weights),
        Instruction::Matrix(Matrix {
            accumulate: false,
            weight: 0,
            activation: 0,
            accumulator: 0,
            positions: 3,
            tiles: 1,
            position_stride: 1,
            tile_stride: 0,
        })
        .encode()
        .into(),
        store(Source::Accumulators, 3),
        store(Source::Activations, 3),
        Instruction::Halt.encode().into(),
    ]
    .concat()
}

#[test]
fn a_program_on_the_serial_line_returns_what_the_reference_stores() {
    let stored = 3 * CU.columns * 4 + 3 * CU.lanes;
    let program = Program {
        config: CU,
        host_bytes: stored as u32,
        input: Region::default(),
        output: Region::default(),
        segments: vec![
            Segment::Send(stream()),
            Segment::Receive {
                offset: 0,
                bytes: stored as u32,
            },
        ],
    };
    let mut golden = vec![0; stored];
    Reference::new(CU).run(&program, &mut golden).unwrap();

    let mut board = Board::new();
    board.cycles(1100);
    assert_eq!(board.leds & 0b1111_1110, 0, "idle, nothing lost, no error");
    board.send(&stream());
    board.cycles(40 * stream().len() / 2);
    assert_eq!(board.leds & 0b1111_1110, 0b10, "busy");
    board.cycles(40 * stream().len() / 2 + 42 * stored);
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
    let whole = [begin.encode(), Instruction::Halt.encode()].concat();
    board.send(&whole[..16]);
    board.cycles(41 * 16);
    assert_eq!(board.leds & 0b1111_1110, 0b10, "busy");
    board.send(&whole[16..]);
    board.cycles(41 * 16);
    assert_eq!(board.leds & 0b1111_1110, 0, "idle");
    board.unit.replay().unwrap();
}
