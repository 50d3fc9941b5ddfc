//! A model of the board's SPI flash, as far as reading goes: chip select, clock, the two
//! data pins, power-down.
//!
//! ```text
//!  select_n ─► ┌───────────┐
//!  clock ────► │ FlashChip │ ─► data 1 (MISO)
//!  data 0 ◄──► └───────────┘
//! ```
//! It knows the commands that Winbond's W25Q32 and Microchip's SST26VF032B share: read
//! (0x03), fast read (0x0B), dual-output fast read (0x3B), identification (0x9F),
//! power-down (0xB9) and release from it (0xAB). It takes bits at the rising edge of its
//! clock, most significant first, and changes its outputs after the falling one. Asleep it
//! takes nothing but the release, and after that nothing until it is awake.
//!
//! What a real chip would answer with damage or silence is noted as a [`Violation`].

/// Where the chip's attention is since it was selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Command,
    Address,
    Dummy,
    Data,
    /// Until it is selected again.
    Ignoring,
}

const READ: u8 = 0x03;
const FAST_READ: u8 = 0x0B;
const DUAL_READ: u8 = 0x3B;
const IDENTIFY: u8 = 0x9F;
const SLEEP: u8 = 0xB9;
const WAKE: u8 = 0xAB;
/// A W25Q32's.
const IDENTIFICATION: [u8; 3] = [0xEF, 0x40, 0x16];

/// What must not happen at the chip's pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Both sides drive data 0.
    Contention,
    /// Nobody drives data 0 when a bit of command or address is taken.
    Floating,
    /// A command before the chip is awake.
    Asleep(u8),
    UnknownCommand(u8),
}

/// The chip, as it is stepped once a cycle of the system's clock.
#[derive(Debug, Clone)]
pub struct FlashChip {
    contents: Vec<u8>,
    asleep: bool,
    /// Cycles until it is awake.
    waking: u32,
    wake_cycles: u32,
    selected: bool,
    /// Whether it was awake when it was selected.
    attentive: bool,
    clock: bool,
    phase: Phase,
    /// Bits taken in this phase.
    bits: u32,
    shift: u32,
    command: u8,
    address: usize,
    /// Output bits of the current byte that are out.
    sent: u32,
    /// On data 0 and 1.
    driven: [Option<bool>; 2],
    pub violations: Vec<Violation>,
}

/// What an erased cell holds.
pub const ERASED: u8 = 0xFF;

impl FlashChip {
    /// `bytes` bytes of erased flash, asleep, as the FPGA's configuration leaves it.
    /// `wake_cycles`: from its release to the first command it takes.
    pub fn asleep(bytes: usize, wake_cycles: u32) -> FlashChip {
        FlashChip {
            contents: vec![ERASED; bytes],
            asleep: true,
            waking: 0,
            wake_cycles,
            selected: false,
            attentive: false,
            clock: false,
            phase: Phase::Ignoring,
            bits: 0,
            shift: 0,
            command: 0,
            address: 0,
            sent: 0,
            driven: [None; 2],
            violations: Vec::new(),
        }
    }

    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.contents[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    pub fn contents(&mut self) -> &mut [u8] {
        &mut self.contents
    }

    /// What is on the data pins: what the chip drives, else what the other side does, else
    /// a pull-up.
    pub fn levels(&self, data0: Option<bool>) -> [bool; 2] {
        [
            self.driven[0].or(data0).unwrap_or(true),
            self.driven[1].unwrap_or(true),
        ]
    }

    /// One cycle of the system, with the levels of its pins in that cycle. `data0` is what
    /// the other side drives.
    pub fn cycle(&mut self, select_n: bool, clock: bool, data0: Option<bool>) {
        self.waking = self.waking.saturating_sub(1);
        let (rises, falls) = (clock && !self.clock, !clock && self.clock);
        self.clock = clock;
        if select_n {
            if self.selected {
                self.deselect();
            }
            return;
        }
        if !self.selected {
            self.selected = true;
            self.attentive = !self.asleep && self.waking == 0;
            self.phase = Phase::Command;
            (self.bits, self.shift) = (0, 0);
        }
        if self.driven[0].is_some() && data0.is_some() {
            self.violations.push(Violation::Contention);
        }
        if rises {
            self.take(data0);
        }
        if falls && self.phase == Phase::Data {
            self.drive();
        }
    }

    fn deselect(&mut self) {
        self.selected = false;
        self.driven = [None; 2];
        match (self.command, self.phase) {
            (SLEEP, Phase::Ignoring) => self.asleep = true,
            (WAKE, Phase::Ignoring) if self.asleep => {
                self.asleep = false;
                self.waking = self.wake_cycles;
            }
            _ => {}
        }
        self.command = 0;
    }

    fn take(&mut self, data0: Option<bool>) {
        if matches!(self.phase, Phase::Command | Phase::Address) {
            if data0.is_none() {
                self.violations.push(Violation::Floating);
            }
            self.shift = self.shift << 1 | u32::from(data0.unwrap_or(true));
        }
        self.bits += 1;
        match (self.phase, self.bits) {
            (Phase::Command, 8) => self.begin(self.shift as u8),
            (Phase::Address, 24) => {
                self.address = self.shift as usize;
                self.enter(match self.command {
                    READ => Phase::Data,
                    _ => Phase::Dummy,
                });
            }
            (Phase::Dummy, 8) => self.enter(Phase::Data),
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        (self.bits, self.shift, self.sent) = (0, 0, 0);
    }

    fn begin(&mut self, command: u8) {
        self.command = command;
        if !self.attentive && command != WAKE {
            self.violations.push(Violation::Asleep(command));
            self.command = 0;
            return self.enter(Phase::Ignoring);
        }
        let phase = match command {
            READ | FAST_READ | DUAL_READ => Phase::Address,
            IDENTIFY => {
                self.address = 0;
                Phase::Data
            }
            SLEEP | WAKE => Phase::Ignoring,
            _ => {
                self.violations.push(Violation::UnknownCommand(command));
                Phase::Ignoring
            }
        };
        self.enter(phase);
    }

    /// The next bit, or two, after a falling edge.
    fn drive(&mut self) {
        let byte = match self.command {
            IDENTIFY => IDENTIFICATION[self.address % 3],
            // Reading goes on at the beginning.
            _ => self.contents[self.address % self.contents.len()],
        };
        let bit = |place: u32| Some(byte >> (7 - place) & 1 == 1);
        if self.command == DUAL_READ {
            self.driven = [bit(self.sent + 1), bit(self.sent)];
            self.sent += 2;
        } else {
            self.driven = [None, bit(self.sent)];
            self.sent += 1;
        }
        if self.sent == 8 {
            self.sent = 0;
            self.address += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A master that is right by the data sheet: one system cycle a clock level.
    struct Master {
        chip: FlashChip,
    }

    impl Master {
        fn new() -> Master {
            let mut chip = FlashChip::asleep(64, 10);
            chip.write(0, &(0..64).map(|i| i * 37 + 5).collect::<Vec<u8>>());
            Master { chip }
        }

        fn rest(&mut self, cycles: usize) {
            for _ in 0..cycles {
                self.chip.cycle(true, false, None);
            }
        }

        fn send(&mut self, bytes: &[u8]) {
            self.chip.cycle(false, false, None);
            for byte in bytes {
                for place in (0..8).rev() {
                    let bit = Some(byte >> place & 1 == 1);
                    self.chip.cycle(false, false, bit);
                    self.chip.cycle(false, true, bit);
                }
            }
        }

        /// Eight bits of data 1, or four pairs.
        fn receive(&mut self, dual: bool) -> u8 {
            let mut byte = 0;
            for _ in 0..if dual { 4 } else { 8 } {
                self.chip.cycle(false, false, None);
                let [low, high] = self.chip.levels(None);
                byte = match dual {
                    true => byte << 2 | u8::from(high) << 1 | u8::from(low),
                    false => byte << 1 | u8::from(high),
                };
                self.chip.cycle(false, true, None);
            }
            byte
        }
    }

    #[test]
    fn all_ways_of_reading_give_the_same_bytes() {
        let mut master = Master::new();
        master.rest(3);
        master.send(&[WAKE]);
        master.rest(20);
        for (command, dual) in [
            (&[READ, 0, 0, 7][..], false),
            (&[FAST_READ, 0, 0, 7, 0], false),
            (&[DUAL_READ, 0, 0, 7, 0], true),
        ] {
            master.send(command);
            for place in 7..40u8 {
                assert_eq!(master.receive(dual), place.wrapping_mul(37).wrapping_add(5));
            }
            master.rest(2);
        }
        master.send(&[IDENTIFY]);
        assert_eq!([0; 3].map(|_| master.receive(false)), IDENTIFICATION);
        assert_eq!(master.chip.violations, []);
    }

    #[test]
    fn asleep_it_answers_nothing_and_the_mistake_is_noted() {
        let mut master = Master::new();
        master.send(&[READ, 0, 0, 0]);
        assert_eq!(master.receive(false), 0xFF);
        assert_eq!(master.chip.violations, [Violation::Asleep(READ)]);
        master.rest(1);
        master.send(&[WAKE]);
        // Too early.
        master.rest(2);
        master.send(&[READ, 0, 0, 0]);
        assert_eq!(master.chip.violations.len(), 2);
        master.rest(20);
        master.send(&[SLEEP]);
        master.rest(1);
        master.send(&[IDENTIFY]);
        assert_eq!(master.chip.violations.len(), 3);
    }

    #[test]
    fn driving_against_the_chip_is_noted() {
        let mut master = Master::new();
        master.send(&[WAKE]);
        master.rest(20);
        master.send(&[DUAL_READ, 0, 0, 0, 0]);
        master.receive(true);
        assert_eq!(master.chip.violations, []);
        master.chip.cycle(false, false, Some(true));
        assert_eq!(master.chip.violations, [Violation::Contention]);
    }
}
