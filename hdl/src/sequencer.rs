//! Fetches instructions, checks them, and starts the unit that executes each.
//!
//! ```text
//!             ┌───────────────── beat ──────────────┐
//!             ▼                                     │
//!  reset ─► fetch ── 16 bytes ──► decode ──┬─ legal ┴─► start, fetch when not busy
//!                                          └─ illegal ► error, until reset
//! ```
//! An instruction takes its beats and one cycle for decoding; the unit's `start` is
//! in the decoding cycle. The next instruction's first beat is taken in the first
//! cycle in which no unit is busy.
//!
//! **Checks.** Operation code, memory, source and flags are legal; `begin` is the
//! first instruction of a program and nowhere else ([`quern_isa::ERROR_ILLEGAL`]).
//! Instruction set and configuration are this core's
//! ([`quern_isa::ERROR_MISMATCH`]). Addresses and counts are not checked: they wrap
//! at the size of the memory.
//!
//! `place`, `write`: as [`InstructionRegister`](crate::InstructionRegister) takes
//! them. `idle`: no program runs. `error`: 0, or the error's code.

use quern_isa::{opcode, Config, ERROR_ILLEGAL, ERROR_MISMATCH, ISA_VERSION};
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Sequencer {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    /// Bytes 0 to 3 of the instruction, where `write` says so.
    pub place: [Signal<In, Bits<8>>; 4],
    pub write: Signal<In, Bits<16>>,
    pub opcode: Signal<In, Bits<3>>,
    pub modifier: Signal<In, Bits<2>>,
    /// A unit executes the previous instruction.
    pub busy: Signal<In, Bit>,
    /// Ready for a beat of an instruction.
    pub fetch: Signal<Out, Bit>,
    pub start_load: Signal<Out, Bit>,
    pub start_matrix: Signal<Out, Bit>,
    pub start_activate: Signal<Out, Bit>,
    pub start_store: Signal<Out, Bit>,
    /// The first beat of a program is taken.
    pub begin_run: Signal<Out, Bit>,
    /// Between the first beat of a program and its `halt`.
    pub running: Signal<Out, Bit>,
    pub idle: Signal<Out, Bit>,
    pub error: Signal<Out, Bits<4>>,
    decode: DFF<Bit>,
    running_state: DFF<Bit>,
    /// A `begin` has been executed, its `halt` not yet.
    begun: DFF<Bit>,
    error_state: DFF<Bits<2>>,
    // What is not kept of the instruction but matters.
    strange_opcode: DFF<Bit>,
    large_modifier: DFF<Bit>,
    mismatch: DFF<Bit>,
    first_beat: Signal<Local, Bit>,
    is_begin: Signal<Local, Bit>,
    is_matrix: Signal<Local, Bit>,
    is_activate: Signal<Local, Bit>,
    is_store: Signal<Local, Bit>,
    is_halt: Signal<Local, Bit>,
    illegal: Signal<Local, Bit>,
    execute: Signal<Local, Bit>,
    opcode_begin: Constant<Bits<3>>,
    opcode_load: Constant<Bits<3>>,
    opcode_matrix: Constant<Bits<3>>,
    opcode_activate: Constant<Bits<3>>,
    opcode_store: Constant<Bits<3>>,
    opcode_halt: Constant<Bits<3>>,
    no_source: Constant<Bits<2>>,
    version: Constant<Bits<8>>,
    fingerprint_low: Constant<Bits<8>>,
    fingerprint_high: Constant<Bits<8>>,
    error_illegal: Constant<Bits<2>>,
    error_mismatch: Constant<Bits<2>>,
}

impl Sequencer {
    pub fn new(config: &Config) -> Self {
        // The check of an operation code is for these.
        const { assert!(opcode::BEGIN == 1 && opcode::HALT == 6) }
        let [fingerprint_low, fingerprint_high] = config.fingerprint().to_le_bytes();
        fn constant<const N: usize>(value: u8) -> Constant<Bits<N>> {
            Constant::new(value.to_bits())
        }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            place: std::array::from_fn(|_| Default::default()),
            write: Default::default(),
            opcode: Default::default(),
            modifier: Default::default(),
            busy: Default::default(),
            fetch: Default::default(),
            start_load: Default::default(),
            start_matrix: Default::default(),
            start_activate: Default::default(),
            start_store: Default::default(),
            begin_run: Default::default(),
            running: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            decode: Default::default(),
            running_state: Default::default(),
            begun: Default::default(),
            error_state: Default::default(),
            strange_opcode: Default::default(),
            large_modifier: Default::default(),
            mismatch: Default::default(),
            first_beat: Default::default(),
            is_begin: Default::default(),
            is_matrix: Default::default(),
            is_activate: Default::default(),
            is_store: Default::default(),
            is_halt: Default::default(),
            illegal: Default::default(),
            execute: Default::default(),
            opcode_begin: constant(opcode::BEGIN),
            opcode_load: constant(opcode::LOAD),
            opcode_matrix: constant(opcode::MATRIX),
            opcode_activate: constant(opcode::ACTIVATE),
            opcode_store: constant(opcode::STORE),
            opcode_halt: constant(opcode::HALT),
            no_source: constant(3),
            version: constant(ISA_VERSION),
            fingerprint_low: constant(fingerprint_low),
            fingerprint_high: constant(fingerprint_high),
            error_illegal: constant(ERROR_ILLEGAL),
            error_mismatch: constant(ERROR_MISMATCH),
        }
    }
}

impl Logic for Sequencer {
    crate::unit!("Fetches instructions, checks them, and starts the unit that executes each.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            decode,
            running_state,
            begun,
            error_state,
            strange_opcode,
            large_modifier,
            mismatch
        );
        self.fetch.next = !(self.busy.val() | self.decode.q.val() | self.error_state.q.val().any());
        self.running.next = self.running_state.q.val();
        self.idle.next = !self.running_state.q.val();
        self.error.next = bit_cast::<4, 2>(self.error_state.q.val());

        // Fetch: look at the bytes as they come.
        self.first_beat.next = self.write.val().get_bit(0);
        self.begin_run.next = self.first_beat.val() & !self.running_state.q.val();
        if self.first_beat.val() {
            self.running_state.d.next = true;
            self.mismatch.d.next = false;
            self.strange_opcode.d.next = self.place[0].val().get_bits::<5>(3).any()
                | self.place[0].val().get_bits::<3>(0).all()
                | !self.place[0].val().get_bits::<3>(0).any();
        }
        if self.write.val().get_bit(1) {
            self.large_modifier.d.next = self.place[1].val().get_bits::<6>(2).any();
            if self.place[1].val() != self.version.val() {
                self.mismatch.d.next = true;
            }
        }
        if self.write.val().get_bit(2) & (self.place[2].val() != self.fingerprint_low.val()) {
            self.mismatch.d.next = true;
        }
        if self.write.val().get_bit(3) & (self.place[3].val() != self.fingerprint_high.val()) {
            self.mismatch.d.next = true;
        }
        self.decode.d.next = self.write.val().get_bit(15);

        // Decode.
        self.is_begin.next = self.opcode.val() == self.opcode_begin.val();
        self.is_matrix.next = self.opcode.val() == self.opcode_matrix.val();
        self.is_activate.next = self.opcode.val() == self.opcode_activate.val();
        self.is_store.next = self.opcode.val() == self.opcode_store.val();
        self.is_halt.next = self.opcode.val() == self.opcode_halt.val();
        self.illegal.next =
            self.strange_opcode.q.val() | (self.is_begin.val() == self.begun.q.val());
        if !self.is_begin.val() & self.large_modifier.q.val() {
            self.illegal.next = true;
        }
        if (self.is_matrix.val() | self.is_activate.val()) & self.modifier.val().get_bit(1) {
            self.illegal.next = true;
        }
        if self.is_store.val() & (self.modifier.val() == self.no_source.val()) {
            self.illegal.next = true;
        }
        if self.is_halt.val() & self.modifier.val().any() {
            self.illegal.next = true;
        }
        self.execute.next = self.decode.q.val() & !self.illegal.val();
        self.start_load.next = self.execute.val() & (self.opcode.val() == self.opcode_load.val());
        self.start_matrix.next = self.execute.val() & self.is_matrix.val();
        self.start_activate.next = self.execute.val() & self.is_activate.val();
        self.start_store.next = self.execute.val() & self.is_store.val();
        if self.decode.q.val() & self.illegal.val() {
            self.error_state.d.next = self.error_illegal.val();
        }
        if self.execute.val() & self.is_begin.val() {
            self.begun.d.next = true;
            if self.mismatch.q.val() {
                self.error_state.d.next = self.error_mismatch.val();
            }
        }
        if self.execute.val() & self.is_halt.val() {
            self.running_state.d.next = false;
            self.begun.d.next = false;
        }

        if self.reset.val() {
            self.decode.d.next = false;
            self.running_state.d.next = false;
            self.begun.d.next = false;
            self.error_state.d.next = 0.into();
        }
    }
}
