//! Reads the board's SPI flash from the place where a program lies, two bits a clock of
//! the chip.
//!
//! ```text
//!  enable ─► [selected] ──────────────────────────────► select_n
//!               │        ┌─► [clock phase] ───────────► flash_clock
//!               ▼        │
//!            [index] ────┴─► command, address, dummy ──► data_out, drive
//!               │
//!  data_in ─► [shift register] ─► data, valid ◄─ ready
//!       └───► FlashCrc ─────────► intact
//! ```
//! While `enable` is high, the chip is selected, and its bytes come one after the other
//! from [`PROGRAM_OFFSET`] on: dual-output fast read (command 0x3B, the address, eight
//! dummy clocks, two bits a clock). With `wake` it is sent the command that ends deep
//! power-down instead (0xAB; the FPGA's configuration leaves the chip asleep), and `valid`
//! says that it is out; it counts when `enable` falls. `enable` must rest low for as long
//! as the chip asks for, and `wake` must not change while it is high.
//!
//! The chip's clock is half the core's, a byte takes 8 cycles of the core: 12.5 MB/s at
//! 100 MHz. The first one comes 89 cycles after `enable`. While a byte waits for `ready`
//! the chip's clock stands still. `intact`: [`FlashCrc`] of all bytes of this read, in
//! the second cycle of the last one's `valid`.
//!
//! **Timing.** The chip takes bits with the rising edge of its clock and gives new ones
//! after the falling one. They are taken with the next falling edge: a whole period for
//! the way out, the chip and the way back.

use crate::FlashCrc;
use quern_hdl::unit;
use quern_isa::standalone::PROGRAM_OFFSET;
use rust_hdl::prelude::*;

/// Dual-output fast read.
pub const READ: u8 = 0x3B;
/// Release from deep power-down.
pub const WAKE: u8 = 0xAB;

/// Clocks of command and address, which the FPGA drives.
const COMMAND_CLOCKS: u64 = 32;
/// After the dummy clocks the index goes round in four: those of a byte.
const FIRST_OF_BYTE: u64 = COMMAND_CLOCKS + 8;
const LAST_OF_BYTE: u64 = FIRST_OF_BYTE + 3;
const LAST_OF_WAKE: u64 = 7;

#[derive(LogicBlock)]
pub struct FlashReader {
    pub clock: Signal<In, Clock>,
    /// Low deselects the chip; the next read begins anew.
    pub enable: Signal<In, Bit>,
    pub wake: Signal<In, Bit>,
    pub data: Signal<Out, Bits<8>>,
    pub valid: Signal<Out, Bit>,
    pub ready: Signal<In, Bit>,
    pub intact: Signal<Out, Bit>,
    pub select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    /// To the chip's data pin 0 (MOSI), while `drive` is high.
    pub data_out: Signal<Out, Bit>,
    pub drive: Signal<Out, Bit>,
    /// From the chip's data pins: bit 1 is MISO.
    pub data_in: Signal<In, Bits<2>>,
    crc: FlashCrc,
    // Low when the chip is not selected: that is what a flip-flop starts with.
    selected: DFF<Bit>,
    high: DFF<Bit>,
    index: DFF<Bits<6>>,
    shift: DFF<Bits<8>>,
    full: DFF<Bit>,
    read_bits: Constant<Bits<32>>,
    wake_bits: Constant<Bits<8>>,
    first_of_byte: Constant<Bits<6>>,
    last_of_byte: Constant<Bits<6>>,
    last_of_wake: Constant<Bits<6>>,
    step: Signal<Local, Bit>,
    fall: Signal<Local, Bit>,
    streaming: Signal<Local, Bit>,
    read_place: Signal<Local, Bits<5>>,
    wake_place: Signal<Local, Bits<3>>,
    six_bits: Signal<Local, Bits<6>>,
    two_bits: Signal<Local, Bits<2>>,
}

impl Default for FlashReader {
    fn default() -> Self {
        let [_, high, middle, low] = PROGRAM_OFFSET.to_be_bytes();
        let read = u32::from_be_bytes([READ, high, middle, low]);
        let index = |value: u64| Constant::new(value.to_bits::<6>());
        Self {
            clock: Default::default(),
            enable: Default::default(),
            wake: Default::default(),
            data: Default::default(),
            valid: Default::default(),
            ready: Default::default(),
            intact: Default::default(),
            select_n: Default::default(),
            flash_clock: Default::default(),
            data_out: Default::default(),
            drive: Default::default(),
            data_in: Default::default(),
            crc: Default::default(),
            selected: Default::default(),
            high: Default::default(),
            index: Default::default(),
            shift: Default::default(),
            full: Default::default(),
            // Highest bit first on the wire.
            read_bits: Constant::new(u64::from(read.reverse_bits()).to_bits()),
            wake_bits: Constant::new(u64::from(WAKE.reverse_bits()).to_bits()),
            first_of_byte: index(FIRST_OF_BYTE),
            last_of_byte: index(LAST_OF_BYTE),
            last_of_wake: index(LAST_OF_WAKE),
            step: Default::default(),
            fall: Default::default(),
            streaming: Default::default(),
            read_place: Default::default(),
            wake_place: Default::default(),
            six_bits: Default::default(),
            two_bits: Default::default(),
        }
    }
}

impl Logic for FlashReader {
    unit!("Reads the board's SPI flash from the place where a program lies.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, selected, high, index, shift, full);
        clock!(self, clock, crc);

        self.selected.d.next = self.enable.val();
        // A byte that waits stops the chip's clock, which is high then: that it has been
        // taken is known late, and only a falling edge would bring new bits.
        self.step.next = self.selected.q.val() & (!self.full.q.val() | !self.high.q.val());
        self.fall.next = self.step.val() & self.high.q.val();
        // Of all indices, 40 to 43 have these bits.
        self.streaming.next = self.index.q.val().get_bit(5) & self.index.q.val().get_bit(3);

        self.high.d.next = self.high.q.val() ^ self.step.val();
        if self.ready.val() {
            self.full.d.next = false;
        }
        self.two_bits.next = self.data_in.val();
        self.six_bits.next = self.shift.q.val().get_bits::<6>(0);
        if self.fall.val() {
            self.index.d.next = self.index.q.val() + 1;
            self.shift.d.next = (bit_cast::<8, 6>(self.six_bits.val()) << 2)
                | bit_cast::<8, 2>(self.two_bits.val());
            if self.index.q.val() == self.last_of_byte.val() {
                self.index.d.next = self.first_of_byte.val();
                self.full.d.next = true;
            }
            if self.wake.val() & (self.index.q.val() == self.last_of_wake.val()) {
                self.full.d.next = true;
            }
        }
        if !self.enable.val() {
            self.high.d.next = false;
            self.index.d.next = 0.into();
            self.full.d.next = false;
        }

        self.crc.clear.next = !self.enable.val();
        self.crc.bits.next = self.data_in.val();
        self.crc.enable.next = self.fall.val() & self.streaming.val();
        self.intact.next = self.crc.intact.val();

        self.read_place.next = self.index.q.val().get_bits::<5>(0);
        self.wake_place.next = self.index.q.val().get_bits::<3>(0);
        self.data_out.next = self.read_bits.val().get_bit(self.read_place.val().index());
        if self.wake.val() {
            self.data_out.next = self.wake_bits.val().get_bit(self.wake_place.val().index());
        }
        self.drive.next = self.selected.q.val() & !self.index.q.val().get_bit(5);
        self.select_n.next = !self.selected.q.val();
        self.flash_clock.next = self.high.q.val();
        self.data.next = self.shift.q.val();
        self.valid.next = self.full.q.val();
    }
}
