//! The board's frames: each answer says how far both streams are, what the core does,
//! and repeats every byte the host has not acknowledged.
//!
//! ```text
//!  received, taken, ──┐
//!  address, state ────┤ one at a time
//!  data (memory) ─────┼─► [plain] ─► special? ─► [escapes] ─► byte, valid ─► transmitter
//!         check ──────┘◄──────────────── bit by bit ──────────── line, shift ◄──┘
//!
//!  part: flag ─► received ─► taken ─► position ─► state ─► data … ─► check ×4 ─► flag
//! ```
//! The memory answers to `address` with `turn`; a byte leaves in a cycle without it in
//! which the transmitter is `ready`. `answer` in cycle t begins a frame in t+2 or t+3, or
//! when the current one has ended; several while one is on its way give one more.
//!
//! A byte passes through the check while it is on the line, which is before the next one
//! is needed; so are the next byte and whether it is escaped.
//!
//! `reset` ends a frame without its check; an `answer` in the same cycle counts.
//!
//! `state` is read after `taken`: a core that is seen idle has done with all that was
//! seen taken. Bytes that are stored meanwhile still come along.

use crate::FrameCheck;
use quern_hdl::{unit, LoadableCounter};
use quern_isa::link;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct FrameSender {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub answer: Signal<In, Bit>,
    /// The memory's data are those of `address`.
    pub turn: Signal<In, Bit>,
    pub received: Signal<In, Bits<8>>,
    pub taken: Signal<In, Bits<8>>,
    /// The last of the board's bytes that the host has.
    pub acknowledged: Signal<In, Bits<8>>,
    /// Bytes the core has stored, modulo 256.
    pub stored: Signal<In, Bits<8>>,
    pub state: Signal<In, Bits<8>>,
    /// `acknowledged` when the latest frame began: what is stored stays within 255 bytes
    /// of it, so that a frame is never longer than positions can tell.
    pub base: Signal<Out, Bits<8>>,
    pub address: Signal<Out, Bits<8>>,
    pub data: Signal<In, Bits<8>>,
    pub byte: Signal<Out, Bits<8>>,
    pub valid: Signal<Out, Bit>,
    pub ready: Signal<In, Bit>,
    /// The transmitter's line, in the last cycle of bit `place` when there is a `shift`.
    pub line: Signal<In, Bit>,
    pub shift: Signal<In, Bit>,
    pub place: Signal<In, Bits<3>>,
    pending: DFF<Bit>,
    busy: DFF<Bit>,
    /// One bit is set while busy; which one, the picture says.
    part: DFF<Bits<11>>,
    /// The byte that is next, before it is escaped.
    plain: DFF<Bits<8>>,
    /// Its escape goes first.
    escapes: DFF<Bit>,
    /// The latest byte was an escape; there was one in front of it.
    escaping: DFF<Bit>,
    inverting: DFF<Bit>,
    check: FrameCheck,
    pointer: LoadableCounter<8>,
    frame_base: DFF<Bits<8>>,
    mark: Signal<Local, Bit>,
    checking: Signal<Local, Bit>,
    special: Signal<Local, Bit>,
    step: Signal<Local, Bit>,
    advance: Signal<Local, Bit>,
    chosen_received: Signal<Local, Bits<8>>,
    chosen_taken: Signal<Local, Bits<8>>,
    chosen_position: Signal<Local, Bits<8>>,
    chosen_state: Signal<Local, Bits<8>>,
    chosen_data: Signal<Local, Bits<8>>,
    chosen_check: Signal<Local, Bits<8>>,
    next_part: Signal<Local, Bits<11>>,
    is_inverted: Signal<Local, Bit>,
    check_sent: Signal<Local, Bit>,
    first: Constant<Bits<11>>,
    check_part: Constant<Bits<11>>,
    fifth: Constant<Bits<3>>,
    flag: Constant<Bits<8>>,
    escape: Constant<Bits<8>>,
    mask: Constant<Bits<8>>,
    nothing: Constant<Bits<8>>,
}

impl Default for FrameSender {
    fn default() -> Self {
        let byte = |value: u8| Constant::new(u64::from(value).to_bits::<8>());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            answer: Default::default(),
            turn: Default::default(),
            received: Default::default(),
            taken: Default::default(),
            acknowledged: Default::default(),
            stored: Default::default(),
            state: Default::default(),
            base: Default::default(),
            address: Default::default(),
            data: Default::default(),
            byte: Default::default(),
            valid: Default::default(),
            ready: Default::default(),
            line: Default::default(),
            shift: Default::default(),
            place: Default::default(),
            pending: Default::default(),
            busy: Default::default(),
            part: Default::default(),
            plain: Default::default(),
            escapes: Default::default(),
            escaping: Default::default(),
            inverting: Default::default(),
            check: Default::default(),
            pointer: LoadableCounter::up(),
            frame_base: Default::default(),
            mark: Default::default(),
            checking: Default::default(),
            special: Default::default(),
            step: Default::default(),
            advance: Default::default(),
            chosen_received: Default::default(),
            chosen_taken: Default::default(),
            chosen_position: Default::default(),
            chosen_state: Default::default(),
            chosen_data: Default::default(),
            chosen_check: Default::default(),
            next_part: Default::default(),
            is_inverted: Default::default(),
            check_sent: Default::default(),
            first: Constant::new(1u64.to_bits()),
            check_part: Constant::new((1u64 << 6).to_bits()),
            fifth: Constant::new(5u64.to_bits()),
            flag: byte(link::FLAG),
            escape: byte(link::ESCAPE),
            mask: byte(link::ESCAPED),
            nothing: byte(link::NOTHING_ACKNOWLEDGED),
        }
    }
}

impl Logic for FrameSender {
    unit!("The board's frames: each says how far both streams are, and repeats what the host has not.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, pending, busy, part, plain, escapes, escaping, inverting, frame_base
        );

        self.chosen_received.next = 0.into();
        if self.part.q.val().get_bit(1) {
            self.chosen_received.next = self.received.val();
        }
        self.chosen_taken.next = 0.into();
        if self.part.q.val().get_bit(2) {
            self.chosen_taken.next = self.taken.val();
        }
        self.chosen_position.next = 0.into();
        if self.part.q.val().get_bit(3) {
            self.chosen_position.next = self.pointer.q.val();
        }
        self.chosen_state.next = 0.into();
        if self.part.q.val().get_bit(4) {
            self.chosen_state.next = self.state.val();
        }
        self.chosen_data.next = 0.into();
        if self.part.q.val().get_bit(5) {
            self.chosen_data.next = self.data.val();
        }
        self.checking.next = self.part.q.val().get_bit(6)
            | self.part.q.val().get_bit(7)
            | self.part.q.val().get_bit(8)
            | self.part.q.val().get_bit(9);
        // The check is sent inverted.
        self.chosen_check.next = 0.into();
        if self.checking.val() {
            self.chosen_check.next = !self.check.low.val();
        }
        // A register, because the memory is slow and the way to the transmitter long.
        if self.turn.val() {
            self.plain.d.next = self.chosen_received.val()
                | self.chosen_taken.val()
                | self.chosen_position.val()
                | self.chosen_state.val()
                | self.chosen_data.val()
                | self.chosen_check.val();
        }

        // The check of what is on the line while its next byte waits. A byte of the check
        // itself only makes room for the one behind it.
        self.is_inverted.next = self.inverting.q.val() & (self.place.val() == self.fifth.val());
        self.check_sent.next = self.part.q.val().get_bit(7)
            | self.part.q.val().get_bit(8)
            | self.part.q.val().get_bit(9);
        self.check.clock.next = self.clock.val();
        self.check.start.next = self.part.q.val().get_bit(1);
        self.check.step.next = self.shift.val() & !self.escaping.q.val();
        self.check.bit.next = self.line.val() ^ self.is_inverted.val();
        if self.check_sent.val() {
            self.check.bit.next = self.check.low.val().get_bit(0);
        }

        self.mark.next = self.part.q.val().get_bit(0) | self.part.q.val().get_bit(10);
        self.special.next =
            (self.plain.q.val() == self.flag.val()) | (self.plain.q.val() == self.escape.val());
        self.escapes.d.next = self.special.val() & !self.escaping.q.val() & !self.mark.val();
        self.step.next = !self.turn.val() & self.ready.val() & self.busy.q.val();
        self.advance.next = self.step.val() & !self.escapes.q.val();
        self.valid.next = self.step.val();
        self.byte.next = self.plain.q.val();
        if self.escaping.q.val() {
            self.byte.next = self.plain.q.val() ^ self.mask.val();
        }
        if self.escapes.q.val() {
            self.byte.next = self.escape.val();
        }
        if self.mark.val() {
            self.byte.next = self.flag.val();
        }

        self.next_part.next = self.part.q.val() << 1;
        if self.step.val() {
            self.escaping.d.next = self.escapes.q.val();
            self.inverting.d.next = self.escaping.q.val();
        }
        if self.advance.val() {
            if !self.part.q.val().get_bit(5) {
                self.part.d.next = self.next_part.val();
            }
            if self.part.q.val().get_bit(10) {
                self.busy.d.next = false;
            }
        }
        if self.part.q.val().get_bit(0) {
            self.frame_base.d.next = self.acknowledged.val();
        }
        self.base.next = self.frame_base.q.val();
        // After a byte the transmitter is not ready before this has been seen.
        if self.part.q.val().get_bit(5) & (self.pointer.q.val() == self.stored.val()) {
            self.part.d.next = self.check_part.val();
        }

        // One more than the last byte that the host has, when the data begin.
        self.pointer.clock.next = self.clock.val();
        self.pointer.load.next = self.part.q.val().get_bit(0);
        self.pointer.value.next = self.acknowledged.val();
        self.pointer.step.next =
            self.advance.val() & (self.part.q.val().get_bit(4) | self.part.q.val().get_bit(5));
        self.address.next = self.pointer.q.val();

        self.pending.d.next = self.pending.q.val() | self.answer.val();
        if self.pending.q.val() & !self.busy.q.val() {
            self.pending.d.next = self.answer.val();
            self.busy.d.next = true;
            self.part.d.next = self.first.val();
        }
        if self.reset.val() {
            self.pending.d.next = self.answer.val();
            self.busy.d.next = false;
            self.escaping.d.next = false;
            self.escapes.d.next = false;
            self.plain.d.next = 0.into();
            self.part.d.next = 0.into();
            self.frame_base.d.next = self.nothing.val();
        }
    }
}
