//! Fetches instructions, checks them, and starts the unit that executes each.
//!
//! ```text
//!             ┌──────────────── beat ───────────────┐
//!             ▼                                     │
//!  reset ─► fetch ── 16 bytes ──► pending ──┬─ legal, nothing to wait for ─► start, fetch
//!                                   ▲   │   └─ illegal ─► error, until reset
//!                                   └───┘ a unit is busy that it waits for
//! ```
//! An instruction takes its beats and one cycle to start, in which the unit's `start`
//! is up; it starts later when its own unit or one of its waits is busy then. `halt`, and
//! a store of the counters, wait for all units. The first beat of the next instruction
//! may be taken in the next cycle, whatever the units do; only a load, and a store of
//! the counters, end first.
//!
//! **Checks.** Operation code, modifier and waits are legal; `begin` is the first
//! instruction of a program and nowhere else ([`quern_isa::ERROR_ILLEGAL`]).
//! Instruction set and configuration are this core's
//! ([`quern_isa::ERROR_MISMATCH`]). Addresses and counts are not checked: they wrap
//! at the size of the memory.
//!
//! `place`, `write`: as [`InstructionRegister`](crate::InstructionRegister) takes
//! them. `modifier`: of the instruction that starts. `idle`: no program runs. `error`: 0,
//! or the error's code.

use quern_isa::{opcode, Config, Source, ERROR_ILLEGAL, ERROR_MISMATCH, ISA_VERSION};
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Sequencer {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    /// Bytes 0 to 3 of the instruction, where `write` says so.
    pub place: [Signal<In, Bits<8>>; 4],
    pub write: Signal<In, Bits<16>>,
    pub loading: Signal<In, Bit>,
    pub matrix_busy: Signal<In, Bit>,
    pub activation_busy: Signal<In, Bit>,
    pub store_busy: Signal<In, Bit>,
    /// The counters are being stored.
    pub storing_counters: Signal<In, Bit>,
    /// Ready for a beat of an instruction.
    pub fetch: Signal<Out, Bit>,
    pub modifier: Signal<Out, Bits<4>>,
    pub start_load: Signal<Out, Bit>,
    pub start_matrix: Signal<Out, Bit>,
    pub start_activate: Signal<Out, Bit>,
    pub start_store: Signal<Out, Bit>,
    pub write_pattern: Signal<Out, Bit>,
    pub write_target: Signal<Out, Bit>,
    pub start_vector: Signal<Out, Bit>,
    /// `start_matrix` or `start_vector`.
    pub start_walk: Signal<Out, Bit>,
    /// The first beat of a program is taken.
    pub begin_run: Signal<Out, Bit>,
    /// Between the first beat of a program and its `halt`.
    pub running: Signal<Out, Bit>,
    pub idle: Signal<Out, Bit>,
    pub error: Signal<Out, Bits<4>>,
    pending: DFF<Bit>,
    running_state: DFF<Bit>,
    /// A `begin` has been executed, its `halt` not yet.
    begun: DFF<Bit>,
    error_state: DFF<Bits<2>>,
    // The instruction: one of these, or none that is known.
    is_begin: DFF<Bit>,
    is_load: DFF<Bit>,
    is_matrix: DFF<Bit>,
    is_activate: DFF<Bit>,
    is_store: DFF<Bit>,
    is_halt: DFF<Bit>,
    is_pattern: DFF<Bit>,
    is_target: DFF<Bit>,
    is_vector: DFF<Bit>,
    /// It walks the activation memory.
    is_walk: DFF<Bit>,
    modifier_field: DFF<Bits<4>>,
    waits: DFF<Bits<4>>,
    mismatch: DFF<Bit>,
    first_beat: Signal<Local, Bit>,
    strange: Signal<Local, Bit>,
    checked: Signal<Local, Bit>,
    was_illegal: DFF<Bit>,
    illegal: Signal<Local, Bit>,
    waits_for_all: Signal<Local, Bit>,
    /// Whether the instruction stands behind that unit.
    needs_matrix: Signal<Local, Bit>,
    needs_activation: Signal<Local, Bit>,
    needs_store: Signal<Local, Bit>,
    needed_matrix: DFF<Bit>,
    needed_activation: DFF<Bit>,
    needed_store: DFF<Bit>,
    blocked: Signal<Local, Bit>,
    execute: Signal<Local, Bit>,
    /// All bytes that are checked come in one beat, and not long before they are needed.
    wide: Constant<Bit>,
    opcode_begin: Constant<Bits<8>>,
    opcode_load: Constant<Bits<8>>,
    opcode_matrix: Constant<Bits<8>>,
    opcode_activate: Constant<Bits<8>>,
    opcode_store: Constant<Bits<8>>,
    opcode_halt: Constant<Bits<8>>,
    opcode_pattern: Constant<Bits<8>>,
    opcode_target: Constant<Bits<8>>,
    opcode_vector: Constant<Bits<8>>,
    version: Constant<Bits<8>>,
    fingerprint_low: Constant<Bits<8>>,
    fingerprint_high: Constant<Bits<8>>,
    error_illegal: Constant<Bits<2>>,
    error_mismatch: Constant<Bits<2>>,
}

impl Sequencer {
    pub fn new(config: &Config) -> Self {
        // `illegal` and `waits_for_all` look at bits of the modifier.
        const { assert!(Source::Counters as u8 == 2 && quern_isa::Space::ALL.len() == 5) }
        let [fingerprint_low, fingerprint_high] = config.fingerprint().to_le_bytes();
        fn constant<const N: usize>(value: u8) -> Constant<Bits<N>> {
            Constant::new(value.to_bits())
        }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            place: std::array::from_fn(|_| Default::default()),
            write: Default::default(),
            loading: Default::default(),
            matrix_busy: Default::default(),
            activation_busy: Default::default(),
            store_busy: Default::default(),
            storing_counters: Default::default(),
            fetch: Default::default(),
            modifier: Default::default(),
            start_load: Default::default(),
            start_matrix: Default::default(),
            start_activate: Default::default(),
            start_store: Default::default(),
            write_pattern: Default::default(),
            write_target: Default::default(),
            start_vector: Default::default(),
            start_walk: Default::default(),
            begin_run: Default::default(),
            running: Default::default(),
            idle: Default::default(),
            error: Default::default(),
            pending: Default::default(),
            running_state: Default::default(),
            begun: Default::default(),
            error_state: Default::default(),
            is_begin: Default::default(),
            is_load: Default::default(),
            is_matrix: Default::default(),
            is_activate: Default::default(),
            is_store: Default::default(),
            is_halt: Default::default(),
            is_pattern: Default::default(),
            is_target: Default::default(),
            is_vector: Default::default(),
            is_walk: Default::default(),
            modifier_field: Default::default(),
            waits: Default::default(),
            mismatch: Default::default(),
            first_beat: Default::default(),
            strange: Default::default(),
            checked: Default::default(),
            was_illegal: Default::default(),
            illegal: Default::default(),
            waits_for_all: Default::default(),
            needs_matrix: Default::default(),
            needs_activation: Default::default(),
            needs_store: Default::default(),
            needed_matrix: Default::default(),
            needed_activation: Default::default(),
            needed_store: Default::default(),
            blocked: Default::default(),
            execute: Default::default(),
            wide: Constant::new(config.stream_bytes > 4),
            opcode_begin: constant(opcode::BEGIN),
            opcode_load: constant(opcode::LOAD),
            opcode_matrix: constant(opcode::MATRIX),
            opcode_activate: constant(opcode::ACTIVATE),
            opcode_store: constant(opcode::STORE),
            opcode_halt: constant(opcode::HALT),
            opcode_pattern: constant(opcode::PATTERN),
            opcode_target: constant(opcode::TARGET),
            opcode_vector: constant(opcode::VECTOR),
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
            pending,
            running_state,
            begun,
            error_state,
            is_begin,
            is_load,
            is_matrix,
            is_activate,
            is_store,
            is_halt,
            is_pattern,
            is_target,
            is_vector,
            is_walk,
            modifier_field,
            waits,
            mismatch,
            was_illegal,
            needed_matrix,
            needed_activation,
            needed_store
        );
        self.fetch.next = !(self.pending.q.val()
            | self.loading.val()
            | self.storing_counters.val()
            | self.error_state.q.val().any());
        self.running.next = self.running_state.q.val();
        self.idle.next = !self.running_state.q.val();
        self.error.next = bit_cast::<4, 2>(self.error_state.q.val());
        self.modifier.next = self.modifier_field.q.val();

        // Fetch: look at the bytes as they come.
        self.first_beat.next = self.write.val().get_bit(0);
        self.begin_run.next = self.first_beat.val() & !self.running_state.q.val();
        if self.first_beat.val() {
            self.running_state.d.next = true;
            self.mismatch.d.next = false;
            self.is_begin.d.next = self.place[0].val() == self.opcode_begin.val();
            self.is_load.d.next = self.place[0].val() == self.opcode_load.val();
            self.is_matrix.d.next = self.place[0].val() == self.opcode_matrix.val();
            self.is_activate.d.next = self.place[0].val() == self.opcode_activate.val();
            self.is_store.d.next = self.place[0].val() == self.opcode_store.val();
            self.is_halt.d.next = self.place[0].val() == self.opcode_halt.val();
            self.is_pattern.d.next = self.place[0].val() == self.opcode_pattern.val();
            self.is_target.d.next = self.place[0].val() == self.opcode_target.val();
            self.is_vector.d.next = self.place[0].val() == self.opcode_vector.val();
            self.is_walk.d.next = (self.place[0].val() == self.opcode_matrix.val())
                | (self.place[0].val() == self.opcode_vector.val());
        }
        if self.write.val().get_bit(1) {
            self.modifier_field.d.next = self.place[1].val().get_bits::<4>(0);
            self.waits.d.next = self.place[1].val().get_bits::<4>(4);
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

        // Check.
        self.strange.next = !(self.is_begin.q.val()
            | self.is_load.q.val()
            | self.is_matrix.q.val()
            | self.is_activate.q.val()
            | self.is_store.q.val()
            | self.is_halt.q.val()
            | self.is_pattern.q.val()
            | self.is_target.q.val()
            | self.is_vector.q.val());
        self.checked.next = self.strange.val() | (self.is_begin.q.val() == self.begun.q.val());
        if !self.is_begin.q.val() & self.waits.q.val().get_bit(3) {
            self.checked.next = true;
        }
        if !self.is_begin.q.val() & !self.is_vector.q.val() & self.modifier_field.q.val().get_bit(3)
        {
            self.checked.next = true;
        }
        if self.is_load.q.val()
            & self.modifier_field.q.val().get_bit(2)
            & self.modifier_field.q.val().get_bits::<2>(0).any()
        {
            self.checked.next = true;
        }
        if (self.is_matrix.q.val() | self.is_activate.q.val())
            & self.modifier_field.q.val().get_bits::<2>(1).any()
        {
            self.checked.next = true;
        }
        if self.is_store.q.val()
            & (self.modifier_field.q.val().get_bit(2)
                | self.modifier_field.q.val().get_bits::<2>(0).all())
        {
            self.checked.next = true;
        }
        if (self.is_halt.q.val() | self.is_pattern.q.val() | self.is_target.q.val())
            & self.modifier_field.q.val().get_bits::<3>(0).any()
        {
            self.checked.next = true;
        }
        // What it stands behind.
        self.waits_for_all.next =
            self.is_halt.q.val() | (self.is_store.q.val() & self.modifier_field.q.val().get_bit(1));
        self.needs_matrix.next =
            self.waits.q.val().get_bit(0) | self.is_matrix.q.val() | self.waits_for_all.val();
        self.needs_activation.next = self.waits.q.val().get_bit(1)
            | self.is_activate.q.val()
            | self.is_vector.q.val()
            | self.waits_for_all.val();
        self.needs_store.next =
            self.waits.q.val().get_bit(2) | self.is_store.q.val() | self.waits_for_all.val();

        // What a byte stream brings has stood since byte 3: neither the check nor these
        // need stand in the way of what an instruction starts.
        self.was_illegal.d.next = self.checked.val();
        self.needed_matrix.d.next = self.needs_matrix.val();
        self.needed_activation.d.next = self.needs_activation.val();
        self.needed_store.d.next = self.needs_store.val();
        self.illegal.next = self.was_illegal.q.val();
        self.blocked.next = (self.matrix_busy.val() & self.needed_matrix.q.val())
            | (self.activation_busy.val() & self.needed_activation.q.val())
            | (self.store_busy.val() & self.needed_store.q.val());
        if self.wide.val() {
            self.illegal.next = self.checked.val();
            self.blocked.next = (self.matrix_busy.val() & self.needs_matrix.val())
                | (self.activation_busy.val() & self.needs_activation.val())
                | (self.store_busy.val() & self.needs_store.val());
        }

        // Start.
        self.execute.next = self.pending.q.val() & !self.illegal.val() & !self.blocked.val();
        self.start_load.next = self.execute.val() & self.is_load.q.val();
        self.start_matrix.next = self.execute.val() & self.is_matrix.q.val();
        self.start_activate.next = self.execute.val() & self.is_activate.q.val();
        self.start_store.next = self.execute.val() & self.is_store.q.val();
        self.write_pattern.next = self.execute.val() & self.is_pattern.q.val();
        self.write_target.next = self.execute.val() & self.is_target.q.val();
        self.start_vector.next = self.execute.val() & self.is_vector.q.val();
        self.start_walk.next = self.execute.val() & self.is_walk.q.val();
        if self.execute.val() {
            self.pending.d.next = false;
        }
        if self.write.val().get_bit(15) {
            self.pending.d.next = true;
        }
        if self.pending.q.val() & self.illegal.val() {
            self.pending.d.next = false;
            self.error_state.d.next = self.error_illegal.val();
        }
        if self.execute.val() & self.is_begin.q.val() {
            self.begun.d.next = true;
            if self.mismatch.q.val() {
                self.error_state.d.next = self.error_mismatch.val();
            }
        }
        if self.execute.val() & self.is_halt.q.val() {
            self.running_state.d.next = false;
            self.begun.d.next = false;
        }

        if self.reset.val() {
            self.pending.d.next = false;
            self.running_state.d.next = false;
            self.begun.d.next = false;
            self.error_state.d.next = 0.into();
        }
    }
}
