//! Runs the program in the board's flash for every input that arrives.
//!
//! ```text
//!            ┌──────────────────────────────────────────────────┐
//!            │            ┌─► header, records ─► [state] ─► report
//!  flash ◄───┤► FlashReader                        │            │
//!  pins      │            └─► literal bytes ─┐     ▼            │
//!            │                               ├─► select ─► [ ] ─┤─► core's input
//!  host ─────┤───────────────────────────────┘                  │
//!  bytes     │                                                  │
//!  core's ───┤─► [ ] ───────► LargestOutput ─► lights           │
//!  output    └──────────────────────────────────────────────────┘
//! ```
//! After reset the flash is woken and the program read once, from its header to its CRC
//! ([`quern_isa::standalone`] has its form). Then `report` is ready, or says what is wrong.
//! When bytes with `host_is_input` arrive and the core is idle, the same walk is done
//! again, and this time the core gets the literal bytes, and the host's wherever the
//! program wants input. The CRC is checked in every run. `lights` hold the class until the
//! next input.
//!
//! **The host comes first.** Bytes without `host_is_input` go straight to the core: a
//! program of the host's own. They only wait while a run from flash is under way. With a
//! faulty program, input is taken and dropped, so that nobody waits for it.
//!
//! Both byte streams are valid/ready. A byte waits for the core in a register, so it comes
//! a cycle later, and the next one in every other cycle at most: the core has a long way
//! to go from its input. Literal bytes come at the flash's pace, one in 8 cycles at most.
//! Between two runs the chip rests for 2,048 cycles (20 microseconds at 100 MHz), the
//! longest that one needs to wake.
//!
//! A check whose end never comes (the lengths are damaged, too) is given up at the second
//! change of `tick`: with changes every 2^25 cycles the whole flash would have passed.

use crate::{FlashReader, LargestOutput};
use quern_hdl::unit;
use quern_isa::standalone::{header, Fault, FAULT_ERROR, HEADER_BYTES, NO_CLASS};
use quern_isa::Config;
use rust_hdl::prelude::*;

/// What `report` says beside [`Fault::code`].
pub const CHECKING: u8 = 0;
pub const READY: u8 = 4;
pub const RUNNING: u8 = 5;

#[derive(LogicBlock)]
pub struct Standalone {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub host_data: Signal<In, Bits<8>>,
    pub host_valid: Signal<In, Bit>,
    pub host_ready: Signal<Out, Bit>,
    /// These bytes are input of the flash's program, not a program of the host's. Falls
    /// only with `reset`.
    pub host_is_input: Signal<In, Bit>,
    pub core_data: Signal<Out, Bits<8>>,
    pub core_valid: Signal<Out, Bit>,
    pub core_ready: Signal<In, Bit>,
    pub core_idle: Signal<In, Bit>,
    pub core_error: Signal<In, Bits<4>>,
    /// A byte of the core's output is taken in this cycle.
    pub output_data: Signal<In, Bits<8>>,
    pub output_taken: Signal<In, Bit>,
    /// Changes slowly.
    pub tick: Signal<In, Bit>,
    /// [`CHECKING`], [`READY`], [`RUNNING`], or the code of a [`Fault`].
    pub report: Signal<Out, Bits<3>>,
    /// Nothing runs for anybody; to a host whose bytes are input, the check is a run, too.
    pub idle: Signal<Out, Bit>,
    /// The core's, or, for a host whose bytes are input, [`FAULT_ERROR`] and what is wrong
    /// with the flash.
    pub error: Signal<Out, Bits<4>>,
    /// The class of the last run from flash; [`NO_CLASS`] while a program waits for its
    /// first input, or has no classes; else 0.
    pub lights: Signal<Out, Bits<4>>,
    pub select_n: Signal<Out, Bit>,
    pub flash_clock: Signal<Out, Bit>,
    pub flash_out: Signal<Out, Bit>,
    pub flash_drive: Signal<Out, Bit>,
    pub flash_in: Signal<In, Bits<2>>,
    reader: FlashReader,
    largest: LargestOutput,
    state: DFF<State>,
    /// The flash has been woken.
    woken: DFF<Bit>,
    /// The walk is a run, not the check.
    running: DFF<Bit>,
    finished: DFF<Bit>,
    // What the core's input comes from, known a cycle ahead.
    from_flash: DFF<Bit>,
    for_input: DFF<Bit>,
    /// The byte that waits for the core.
    byte: DFF<Bits<8>>,
    full: DFF<Bit>,
    /// A byte of the core's output that was taken.
    last_output: DFF<Bits<8>>,
    output_seen: DFF<Bit>,
    /// Byte of the header; stretches of the rest.
    place: DFF<Bits<4>>,
    /// Bytes left of a record.
    count: DFF<Bits<7>>,
    classes: DFF<Bits<4>>,
    fault: DFF<Bits<2>>,
    tick_before: DFF<Bit>,
    ticked: DFF<Bit>,
    /// Bit `b` of each byte of the expected header.
    expected: [Constant<Bits<8>>; 8],
    missing: Constant<Bits<2>>,
    mismatch: Constant<Bits<2>>,
    damaged: Constant<Bits<2>>,
    fault_error: Constant<Bits<4>>,
    no_class: Constant<Bits<4>>,
    ready_report: Constant<Bits<3>>,
    running_report: Constant<Bits<3>>,
    header_place: Signal<Local, Bits<3>>,
    differs: Signal<Local, Bit>,
    last: Signal<Local, Bit>,
    count_less: Signal<Local, Bits<7>>,
    takes_literal: Signal<Local, Bit>,
    accepts_host: Signal<Local, Bit>,
    room: Signal<Local, Bit>,
    next_byte: Signal<Local, Bits<8>>,
    next_valid: Signal<Local, Bit>,
    core_rests: Signal<Local, Bit>,
    settled: Signal<Local, Bit>,
    reads: Signal<Local, Bit>,
    checking: Signal<Local, Bit>,
    tick_edge: Signal<Local, Bit>,
}

#[derive(Clone, Copy, Debug, PartialEq, LogicState)]
enum State {
    /// The chip is not selected: before it is woken, after that, and before a run.
    Rest,
    Wake,
    Header,
    Record,
    Literal,
    Input,
    Crc,
    /// Whether the bytes were intact is known.
    Verdict,
    /// The walk has ended well; the core may still be at work.
    Finish,
    Ready,
    Faulty,
}

impl Standalone {
    pub fn new(config: &Config) -> Self {
        let header = header(config);
        let plane = |bit: usize| {
            let bits = header.iter().enumerate();
            let bits = bits.map(|(place, byte)| u64::from(byte >> bit & 1) << place);
            Constant::new(bits.sum::<u64>().to_bits::<HEADER_BYTES>())
        };
        let code = |fault: Fault| Constant::new(u64::from(fault.code()).to_bits::<2>());
        let report = |code: u8| Constant::new(u64::from(code).to_bits::<3>());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            host_data: Default::default(),
            host_valid: Default::default(),
            host_ready: Default::default(),
            host_is_input: Default::default(),
            core_data: Default::default(),
            core_valid: Default::default(),
            core_ready: Default::default(),
            core_idle: Default::default(),
            core_error: Default::default(),
            output_data: Default::default(),
            output_taken: Default::default(),
            tick: Default::default(),
            report: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            lights: Default::default(),
            select_n: Default::default(),
            flash_clock: Default::default(),
            flash_out: Default::default(),
            flash_drive: Default::default(),
            flash_in: Default::default(),
            reader: Default::default(),
            largest: Default::default(),
            state: Default::default(),
            woken: Default::default(),
            running: Default::default(),
            finished: Default::default(),
            from_flash: Default::default(),
            for_input: Default::default(),
            byte: Default::default(),
            full: Default::default(),
            last_output: Default::default(),
            output_seen: Default::default(),
            place: Default::default(),
            count: Default::default(),
            classes: Default::default(),
            fault: Default::default(),
            tick_before: Default::default(),
            ticked: Default::default(),
            expected: std::array::from_fn(plane),
            missing: code(Fault::Missing),
            mismatch: code(Fault::Mismatch),
            damaged: code(Fault::Damaged),
            fault_error: Constant::new(u64::from(FAULT_ERROR).to_bits()),
            no_class: Constant::new(u64::from(NO_CLASS).to_bits()),
            ready_report: report(READY),
            running_report: report(RUNNING),
            header_place: Default::default(),
            differs: Default::default(),
            last: Default::default(),
            count_less: Default::default(),
            takes_literal: Default::default(),
            accepts_host: Default::default(),
            room: Default::default(),
            next_byte: Default::default(),
            next_valid: Default::default(),
            core_rests: Default::default(),
            settled: Default::default(),
            reads: Default::default(),
            checking: Default::default(),
            tick_edge: Default::default(),
        }
    }
}

impl Logic for Standalone {
    unit!("Runs the program in the board's flash for every input that arrives.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            woken,
            running,
            finished,
            from_flash,
            for_input,
            byte,
            full,
            last_output,
            output_seen,
            place,
            count,
            classes,
            fault,
            tick_before,
            ticked
        );
        clock!(self, clock, reader, largest);

        self.header_place.next = self.place.q.val().get_bits::<3>(0);
        self.differs.next = false;
        for b in 0..8 {
            if self.expected[b]
                .val()
                .get_bit(self.header_place.val().index())
                ^ self.reader.data.val().get_bit(b)
            {
                self.differs.next = true;
            }
        }
        self.count_less.next = self.count.q.val() - 1;
        self.last.next = self.count.q.val() == 1;
        self.accepts_host.next =
            self.for_input.q.val() | (!self.running.q.val() & !self.host_is_input.val());
        self.room.next = !self.full.q.val();
        self.core_rests.next = self.core_idle.val() & self.room.val();
        self.takes_literal.next = !self.from_flash.q.val() | self.room.val();

        self.next_byte.next = self.host_data.val();
        if self.from_flash.q.val() {
            self.next_byte.next = self.reader.data.val();
        }
        self.next_valid.next = (self.from_flash.q.val() & self.reader.valid.val())
            | (self.accepts_host.val() & self.host_valid.val());
        if self.room.val() {
            self.byte.d.next = self.next_byte.val();
            self.full.d.next = self.next_valid.val();
        } else if self.core_ready.val() {
            self.full.d.next = false;
        }
        self.core_data.next = self.byte.q.val();
        self.core_valid.next = self.full.q.val();
        self.host_ready.next = self.room.val() & self.accepts_host.val();
        self.reads.next = true;
        self.reader.wake.next = false;
        self.reader.ready.next = true;

        match self.state.q.val() {
            State::Rest => {
                self.reads.next = false;
                self.count.d.next = self.count_less.val();
                if self.last.val() {
                    self.place.d.next = self.place.q.val() + 1;
                    if self.place.q.val().all() {
                        self.state.d.next = State::Wake;
                        if self.woken.q.val() {
                            self.state.d.next = State::Header;
                        }
                    }
                }
            }
            State::Wake => {
                self.reader.wake.next = true;
                self.reader.ready.next = false;
                if self.reader.valid.val() {
                    self.woken.d.next = true;
                    self.state.d.next = State::Rest;
                }
            }
            State::Header => {
                if self.reader.valid.val() {
                    self.place.d.next = self.place.q.val() + 1;
                    if self.place.q.val().get_bit(3) {
                        self.classes.d.next = self.reader.data.val().get_bits::<4>(0);
                        self.place.d.next = 0.into();
                        self.state.d.next = State::Record;
                    } else if self.differs.val() {
                        self.fault.d.next = self.missing.val();
                        if self.place.q.val().get_bit(2) {
                            self.fault.d.next = self.mismatch.val();
                        }
                        self.state.d.next = State::Faulty;
                    }
                }
            }
            State::Record => {
                if self.reader.valid.val() {
                    self.count.d.next = self.reader.data.val().get_bits::<7>(0);
                    if !self.reader.data.val().any() {
                        self.count.d.next = 4.into();
                        self.state.d.next = State::Crc;
                    } else if self.reader.data.val().get_bit(7) {
                        self.for_input.d.next = self.running.q.val();
                        self.state.d.next = State::Input;
                    } else {
                        self.from_flash.d.next = self.running.q.val();
                        self.state.d.next = State::Literal;
                    }
                }
            }
            State::Literal => {
                self.reader.ready.next = self.takes_literal.val();
                if self.reader.valid.val() & self.takes_literal.val() {
                    self.count.d.next = self.count_less.val();
                    if self.last.val() {
                        self.from_flash.d.next = false;
                        self.state.d.next = State::Record;
                    }
                }
            }
            State::Input => {
                self.reader.ready.next = false;
                if !self.for_input.q.val() {
                    self.state.d.next = State::Record;
                } else if self.host_valid.val() & self.room.val() {
                    self.count.d.next = self.count_less.val();
                    if self.last.val() {
                        self.for_input.d.next = false;
                        self.state.d.next = State::Record;
                    }
                }
            }
            State::Crc => {
                if self.reader.valid.val() {
                    self.count.d.next = self.count_less.val();
                    if self.last.val() {
                        self.state.d.next = State::Verdict;
                    }
                }
            }
            State::Verdict => {
                self.state.d.next = State::Finish;
                if !self.reader.intact.val() {
                    self.fault.d.next = self.damaged.val();
                    self.state.d.next = State::Faulty;
                }
            }
            State::Finish => {
                self.reads.next = false;
                if !self.running.q.val() | self.core_rests.val() {
                    self.finished.d.next = self.running.q.val();
                    self.state.d.next = State::Ready;
                }
            }
            State::Ready => {
                self.reads.next = false;
                self.running.d.next = false;
                self.count.d.next = 0.into();
                if self.host_valid.val() & self.host_is_input.val() & self.core_rests.val() {
                    self.running.d.next = true;
                    self.finished.d.next = false;
                    self.state.d.next = State::Rest;
                }
            }
            State::Faulty => {
                self.reads.next = false;
                self.running.d.next = false;
                if self.host_is_input.val() {
                    self.host_ready.next = true;
                }
            }
            _ => {
                self.reads.next = false;
                self.state.d.next = State::Rest;
            }
        }

        self.reader.enable.next = self.reads.val();
        self.checking.next = self.reads.val() & !self.running.q.val();
        self.tick_before.d.next = self.tick.val();
        self.tick_edge.next = self.checking.val() & (self.tick.val() ^ self.tick_before.q.val());
        self.ticked.d.next = self.checking.val() & (self.ticked.q.val() | self.tick_edge.val());
        if self.tick_edge.val() & self.ticked.q.val() {
            self.fault.d.next = self.damaged.val();
            self.state.d.next = State::Faulty;
        }

        self.largest.clear.next = self.state.q.val() == State::Rest;
        self.largest.classes.next = self.classes.q.val();
        self.last_output.d.next = self.output_data.val();
        self.output_seen.d.next = self.output_taken.val();
        self.largest.data.next = self.last_output.q.val();
        self.largest.valid.next = self.output_seen.q.val() & self.running.q.val();
        self.settled.next =
            (self.state.q.val() == State::Ready) | (self.state.q.val() == State::Faulty);
        self.idle.next = self.core_rests.val()
            & !self.running.q.val()
            & (self.settled.val() | !self.host_is_input.val());
        self.error.next = self.core_error.val();
        if self.host_is_input.val() & !self.core_error.val().any() & self.fault.q.val().any() {
            self.error.next = bit_cast::<4, 2>(self.fault.q.val()) | self.fault_error.val();
        }
        self.report.next = bit_cast::<3, 2>(self.fault.q.val());
        self.lights.next = 0.into();
        if self.running.q.val() {
            self.report.next = self.running_report.val();
        } else if self.state.q.val() == State::Ready {
            self.report.next = self.ready_report.val();
            if self.finished.q.val() & self.classes.q.val().any() {
                self.lights.next = self.largest.class.val();
            } else if self.host_is_input.val() {
                self.lights.next = self.no_class.val();
            }
        }

        self.reader.data_in.next = self.flash_in.val();
        self.select_n.next = self.reader.select_n.val();
        self.flash_clock.next = self.reader.flash_clock.val();
        self.flash_out.next = self.reader.data_out.val();
        self.flash_drive.next = self.reader.drive.val();

        if self.reset.val() {
            self.state.d.next = State::Rest;
            self.woken.d.next = false;
            self.running.d.next = false;
            self.finished.d.next = false;
            self.from_flash.d.next = false;
            self.for_input.d.next = false;
            self.full.d.next = false;
            self.place.d.next = 0.into();
            self.count.d.next = 0.into();
            self.fault.d.next = 0.into();
        }
    }
}
