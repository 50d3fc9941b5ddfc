//! The board's frames: each answer says how far both streams are, what the core does,
//! and repeats every byte the host has not acknowledged.
//!
//! ```text
//!  received, taken, ──┐
//!  address, state ────┤ one at a time
//!  data (memory) ─────┼─► raw ─► special? ─► escape ─► byte, valid ─► transmitter
//!         check ──────┘     └──► check
//!
//!  place: flag ─► received ─► taken ─► position ─► state ─► data … ─► check, check ─► flag
//! ```
//! A byte leaves in a cycle with `turn` and `ready`; the memory answers to `address`
//! in the cycle before. `answer` in cycle t begins a frame in t+2 or when the current one
//! has ended; several while one is on its way give one more.
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
    pending: DFF<Bit>,
    busy: DFF<Bit>,
    /// One bit is set while busy; which one, the picture says.
    place: DFF<Bits<9>>,
    escaping: DFF<Bit>,
    check: DFF<Bits<16>>,
    next_check: FrameCheck,
    pointer: LoadableCounter<8>,
    frame_base: DFF<Bits<8>>,
    mark: Signal<Local, Bit>,
    checking: Signal<Local, Bit>,
    special: Signal<Local, Bit>,
    escape_now: Signal<Local, Bit>,
    step: Signal<Local, Bit>,
    advance: Signal<Local, Bit>,
    chosen_received: Signal<Local, Bits<8>>,
    chosen_taken: Signal<Local, Bits<8>>,
    chosen_position: Signal<Local, Bits<8>>,
    chosen_state: Signal<Local, Bits<8>>,
    chosen_data: Signal<Local, Bits<8>>,
    chosen_check: Signal<Local, Bits<8>>,
    inverted: Signal<Local, Bits<8>>,
    raw: Signal<Local, Bits<8>>,
    plain: Signal<Local, Bits<8>>,
    next_place: Signal<Local, Bits<9>>,
    first: Constant<Bits<9>>,
    check_place: Constant<Bits<9>>,
    ones: Constant<Bits<8>>,
    flag: Constant<Bits<8>>,
    escape: Constant<Bits<8>>,
    mask: Constant<Bits<8>>,
    start: Constant<Bits<16>>,
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
            pending: Default::default(),
            busy: Default::default(),
            place: Default::default(),
            escaping: Default::default(),
            check: Default::default(),
            next_check: Default::default(),
            pointer: LoadableCounter::up(),
            frame_base: Default::default(),
            mark: Default::default(),
            checking: Default::default(),
            special: Default::default(),
            escape_now: Default::default(),
            step: Default::default(),
            advance: Default::default(),
            chosen_received: Default::default(),
            chosen_taken: Default::default(),
            chosen_position: Default::default(),
            chosen_state: Default::default(),
            chosen_data: Default::default(),
            chosen_check: Default::default(),
            inverted: Default::default(),
            raw: Default::default(),
            plain: Default::default(),
            next_place: Default::default(),
            first: Constant::new(1u64.to_bits()),
            check_place: Constant::new((1u64 << 6).to_bits()),
            ones: byte(0xFF),
            flag: byte(link::FLAG),
            escape: byte(link::ESCAPE),
            mask: byte(link::ESCAPED),
            start: Constant::new(u64::from(link::CHECK_START).to_bits()),
            nothing: byte(link::NOTHING_ACKNOWLEDGED),
        }
    }
}

impl Logic for FrameSender {
    unit!("The board's frames: each says how far both streams are, and repeats what the host has not.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, pending, busy, place, escaping, check, frame_base);

        self.chosen_received.next = 0.into();
        if self.place.q.val().get_bit(1) {
            self.chosen_received.next = self.received.val();
        }
        self.chosen_taken.next = 0.into();
        if self.place.q.val().get_bit(2) {
            self.chosen_taken.next = self.taken.val();
        }
        self.chosen_position.next = 0.into();
        if self.place.q.val().get_bit(3) {
            self.chosen_position.next = self.pointer.q.val();
        }
        self.chosen_state.next = 0.into();
        if self.place.q.val().get_bit(4) {
            self.chosen_state.next = self.state.val();
        }
        self.chosen_data.next = 0.into();
        if self.place.q.val().get_bit(5) {
            self.chosen_data.next = self.data.val();
        }
        self.checking.next = self.place.q.val().get_bit(6) | self.place.q.val().get_bit(7);
        self.chosen_check.next = 0.into();
        self.inverted.next = 0.into();
        if self.checking.val() {
            self.chosen_check.next = self.check.q.val().get_bits::<8>(0);
            self.inverted.next = self.ones.val();
        }
        self.raw.next = self.chosen_received.val()
            | self.chosen_taken.val()
            | self.chosen_position.val()
            | self.chosen_state.val()
            | self.chosen_data.val()
            | self.chosen_check.val();
        // The check is sent inverted. Its own low byte moves it on by eight places.
        self.plain.next = self.raw.val() ^ self.inverted.val();
        self.next_check.check.next = self.check.q.val();
        self.next_check.data.next = self.raw.val();

        self.mark.next = self.place.q.val().get_bit(0) | self.place.q.val().get_bit(8);
        self.special.next =
            (self.plain.val() == self.flag.val()) | (self.plain.val() == self.escape.val());
        self.escape_now.next = self.special.val() & !self.escaping.q.val() & !self.mark.val();
        self.step.next = self.turn.val() & self.ready.val() & self.busy.q.val();
        self.advance.next = self.step.val() & !self.escape_now.val();
        self.valid.next = self.step.val();
        self.byte.next = self.plain.val();
        if self.escaping.q.val() {
            self.byte.next = self.plain.val() ^ self.mask.val();
        }
        if self.escape_now.val() {
            self.byte.next = self.escape.val();
        }
        if self.mark.val() {
            self.byte.next = self.flag.val();
        }

        self.next_place.next = self.place.q.val() << 1;
        if self.step.val() {
            self.escaping.d.next = self.escape_now.val();
        }
        if self.advance.val() {
            self.check.d.next = self.next_check.after.val();
            if !self.place.q.val().get_bit(5) {
                self.place.d.next = self.next_place.val();
            }
            if self.place.q.val().get_bit(8) {
                self.busy.d.next = false;
            }
        }
        if self.place.q.val().get_bit(0) {
            self.check.d.next = self.start.val();
            self.frame_base.d.next = self.acknowledged.val();
        }
        self.base.next = self.frame_base.q.val();
        // After a byte the transmitter is not ready before this has been seen.
        if self.place.q.val().get_bit(5) & (self.pointer.q.val() == self.stored.val()) {
            self.place.d.next = self.check_place.val();
        }

        // One more than the last byte that the host has, when the data begin.
        self.pointer.clock.next = self.clock.val();
        self.pointer.load.next = self.place.q.val().get_bit(0);
        self.pointer.value.next = self.acknowledged.val();
        self.pointer.step.next =
            self.advance.val() & (self.place.q.val().get_bit(4) | self.place.q.val().get_bit(5));
        self.address.next = self.pointer.q.val();

        self.pending.d.next = self.pending.q.val() | self.answer.val();
        if self.pending.q.val() & !self.busy.q.val() {
            self.pending.d.next = self.answer.val();
            self.busy.d.next = true;
            self.place.d.next = self.first.val();
        }
        if self.reset.val() {
            self.pending.d.next = self.answer.val();
            self.busy.d.next = false;
            self.escaping.d.next = false;
            self.place.d.next = 0.into();
            self.frame_base.d.next = self.nothing.val();
        }
    }
}
