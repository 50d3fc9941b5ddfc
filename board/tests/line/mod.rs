//! A simulated board's serial line as the driver's transport: simulated time, and faults
//! on demand.

// Each test file uses a part of it.
#![allow(dead_code)]

use quern_board::{Pace, Transport};
use quern_fpga::SerialLink;
use quern_isa::link::{Identity, FLAG};
use quern_isa::CU;
use quern_testbench::verilator::pins::Pins;
use rust_hdl::prelude::*;
use std::io;
use std::ops::Range;
use std::time::Duration;

/// Clock cycles of a serial bit: few, so that a byte takes little to simulate.
pub const DIVISOR: u16 = 6;
pub const CLOCK_HZ: u32 = 100_000_000;

/// The link in front of something that stands in for a core: of every byte it takes, it
/// makes one that depends on all bytes before.
const BENCH: &str = "
module link_bench(input board_clock, input reset_n, input rx, output tx, output [7:0] leds,
  output flash_select_n, output flash_clock, input flash_data0, output flash_data0_out,
  output flash_data0_drive, input flash_data1);
  assign {flash_select_n, flash_clock, flash_data0_out, flash_data0_drive} = 4'b1000;
  wire reset, attached, input_valid, output_ready;
  wire [7:0] input_data;
  reg [7:0] memory, output_data;
  reg output_valid;
  reg [15:0] pause;
  initial begin memory = 0; output_valid = 0; pause = 1; end
  // Sometimes it has no time for a while.
  wire slow = pause[4:0] != 0 && pause[15:12] == 0;
  wire input_ready = !output_valid && !slow;
  serial_link link(
    .clock(board_clock), .reset_n(reset_n), .locked(1'b1), .rx(rx), .tx(tx), .leds(leds),
    .reset(reset), .attached(attached),
    .input_data(input_data), .input_valid(input_valid), .input_ready(input_ready),
    .output_data(output_data), .output_valid(output_valid), .output_ready(output_ready),
    .idle(!output_valid), .error(4'd0), .lights(4'd0)
  );
  always @(posedge board_clock) begin
    pause <= {pause[14:0], pause[15] ^ pause[13] ^ pause[12] ^ pause[10]};
    if (output_valid && output_ready) output_valid <= 0;
    if (input_valid && input_ready) begin
      memory <= memory * 8'd5 + input_data + 8'd1;
      output_data <= memory ^ input_data;
      output_valid <= 1;
    end
    if (reset) begin
      memory <= 0;
      output_valid <= 0;
    end
  end
endmodule
";

/// What the stand-in makes of a stream.
pub fn expected(stream: &[u8]) -> Vec<u8> {
    let mut memory = 0u8;
    let each = stream.iter().map(|&byte| {
        let output = memory ^ byte;
        memory = memory.wrapping_mul(5).wrapping_add(byte).wrapping_add(1);
        output
    });
    each.collect()
}

pub fn bench() -> Pins {
    let identity = Identity::new(&CU, 0, CLOCK_HZ, DIVISOR);
    let mut link = SerialLink::new(&identity);
    link.connect_all();
    let link = quern_hdl::verilog::export(&link, "serial_link").unwrap();
    let verilog = BENCH.to_owned() + &link.text;
    let mut pins = Pins::new("link", &verilog, "link_bench", DIVISOR.into()).unwrap();
    // Until the reset after power-up is over.
    pins.wait(1100);
    pins
}

/// splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// What a line can do to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Flip,
    Drop,
    Insert,
    Duplicate,
    /// The rest of the frame is missing.
    Truncate,
    Break,
    Glitch,
    /// One frame comes twice. Not later: a line keeps the order of its bytes.
    Repeat,
    /// Bytes that nobody sent, before the frame.
    Garbage,
}

pub const FAULTS: [Fault; 9] = [
    Fault::Flip,
    Fault::Drop,
    Fault::Insert,
    Fault::Duplicate,
    Fault::Truncate,
    Fault::Break,
    Fault::Glitch,
    Fault::Repeat,
    Fault::Garbage,
];

/// A line that goes wrong in one of `rarity` frames, in both directions; never, if that
/// is 0.
pub struct Line<'a> {
    pub pins: &'a mut Pins,
    pub random: Random,
    pub rarity: u64,
    pub faults: &'a [Fault],
    /// Length of the sender's bits.
    pub sender_cycles: f64,
    pub injected: u64,
    /// The cable is not plugged in.
    pub unplugged: bool,
}

impl<'a> Line<'a> {
    pub fn new(pins: &'a mut Pins, seed: u64, rarity: u64, faults: &'a [Fault]) -> Line<'a> {
        Line {
            pins,
            random: Random(seed),
            rarity,
            faults,
            sender_cycles: DIVISOR.into(),
            injected: 0,
            unplugged: false,
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        let strikes = self.rarity > 0 && self.random.below(self.rarity) == 0;
        self.injected += strikes as u64;
        strikes.then(|| self.faults[self.random.below(self.faults.len() as u64) as usize])
    }

    fn garbage(&mut self) -> Vec<u8> {
        let count = 1 + self.random.below(40) as usize;
        self.random.bytes(count)
    }

    /// Bytes as they come through, and whether the line breaks in their middle.
    fn distort(&mut self, bytes: &[u8], fault: Fault) -> (Vec<u8>, Option<usize>) {
        let at = self.random.below(bytes.len() as u64) as usize;
        let mut line = bytes.to_vec();
        match fault {
            Fault::Flip => {
                for _ in 0..=self.random.below(3) {
                    let at = self.random.below(bytes.len() as u64) as usize;
                    line[at] ^= 1 << self.random.below(8);
                }
            }
            Fault::Drop => {
                line.remove(at);
            }
            Fault::Insert => {
                let byte = match self.random.below(3) {
                    0 => FLAG,
                    1 => quern_isa::link::ESCAPE,
                    _ => self.random.next() as u8,
                };
                line.insert(at, byte);
            }
            Fault::Duplicate => line.insert(at, line[at]),
            Fault::Truncate => line.truncate(at),
            Fault::Repeat => {
                let frame = frame_around(bytes, at);
                let again = line[frame.clone()].to_vec();
                line.splice(frame.end..frame.end, again);
            }
            Fault::Garbage => line = [self.garbage(), line].concat(),
            Fault::Break | Fault::Glitch => return (line, Some(at)),
        }
        (line, None)
    }
}

/// The frame, flags included, in which a byte lies.
fn frame_around(bytes: &[u8], at: usize) -> Range<usize> {
    let mut begin = 0;
    loop {
        let inside = bytes.iter().skip(begin + 1);
        let length = inside.take_while(|byte| **byte != FLAG).count();
        let end = (begin + length + 2).min(bytes.len());
        if at < end {
            return begin..end;
        }
        begin = end;
    }
}

impl Transport for Line<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unplugged {
            return Ok(());
        }
        let fault = self.fault();
        let (line, low) = match fault {
            Some(fault) => self.distort(bytes, fault),
            None => (bytes.to_vec(), None),
        };
        for (index, &byte) in line.iter().enumerate() {
            if low == Some(index) {
                let bits = match fault {
                    Some(Fault::Break) => 5 + self.random.below(60),
                    _ => 0,
                };
                let cycles = bits * u64::from(DIVISOR) + 1 + self.random.below(3);
                self.pins.hold(false, cycles);
                self.pins.wait(self.random.below(30));
            }
            self.pins.send(byte, self.sender_cycles);
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> io::Result<()> {
        let end = self.now() + patience;
        loop {
            // A frame is there when the line has been idle for two bytes.
            let mut arrived = self.pins.take_received();
            while !arrived.is_empty() {
                self.pins.wait(20 * u64::from(DIVISOR));
                let more = self.pins.take_received();
                if more.is_empty() {
                    break;
                }
                arrived.extend(more);
            }
            if !arrived.is_empty() && !self.unplugged {
                let line = match self.fault() {
                    Some(fault) => self.distort(&arrived, fault).0,
                    None => arrived,
                };
                bytes.extend(line);
                return Ok(());
            }
            if self.now() >= end {
                return Ok(());
            }
            self.pins.wait(10 * u64::from(DIVISOR));
        }
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.pins.cycles() * 1_000_000_000 / u64::from(CLOCK_HZ))
    }

    fn pace(&self) -> Pace {
        Pace {
            // An answer of 260 bytes takes 0.16 ms.
            retry: Duration::from_micros(200),
            give_up: Duration::from_millis(100),
        }
    }

    fn name(&self) -> &str {
        "the simulated line"
    }
}
