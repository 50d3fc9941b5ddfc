//! The host's frames: what they carry is written into the link's memory as it arrives,
//! and counts when the frame has ended well.
//!
//! ```text
//!  data ──► unescape ─┬─► control, position, acknowledged ─► in order?
//!  valid ─►           │
//!  shift ─► the byte before, bit by bit ─► check ──────────► undamaged?
//!                     └─► write, address, byte                  │ at the flag
//!                            ▲                                  ▼
//!                          place ◄───── next frame ─────── received, acknowledged, restart
//! ```
//! A byte of a frame is dealt with in the first cycle with `turn` after that in which the
//! receiver gave it. Its bits pass through the check while the next byte comes, so the check
//! is complete at the end of the flag behind the frame. `received`, `acknowledged`, `tag` and
//! the pulses `answer`, `restart`, `damaged` follow a cycle after the flag.
//!
//! A frame counts if its check is right, it lies where the previous one ended, fits, and
//! every byte had its stop bit. Any other leaves no trace but an `answer`. A restart
//! counts wherever it lies. So a frame that is repeated counts once, and after any bytes
//! a flag is enough to begin anew.

use crate::FrameCheck;
use quern_hdl::{unit, LoadableCounter};
use quern_isa::link;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct FrameReceiver {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    /// Stable from `valid` to the next cycle with `turn`.
    pub data: Signal<In, Bits<8>>,
    pub valid: Signal<In, Bit>,
    pub framing_error: Signal<In, Bit>,
    /// `data` loses its lowest bit, which is bit `place` of the byte before.
    pub shift: Signal<In, Bit>,
    pub place: Signal<In, Bits<3>>,
    /// The memory can be written in this cycle.
    pub turn: Signal<In, Bit>,
    /// Bytes the core has taken, modulo 256.
    pub taken: Signal<In, Bits<8>>,
    pub write: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<8>>,
    pub byte: Signal<Out, Bits<8>>,
    /// Bytes that count, modulo 256.
    pub received: Signal<Out, Bits<8>>,
    /// The last of the board's bytes that the host has.
    pub acknowledged: Signal<Out, Bits<8>>,
    pub tag: Signal<Out, Bits<2>>,
    /// A frame has ended, good or bad.
    pub answer: Signal<Out, Bit>,
    pub restart: Signal<Out, Bit>,
    /// What `restart` is for: the program in flash, not the host.
    pub standalone: Signal<Out, Bit>,
    pub damaged: Signal<Out, Bit>,
    waiting: DFF<Bit>,
    escaped: DFF<Bit>,
    /// Bit i: more than i bytes of the frame have come.
    progress: DFF<Bits<7>>,
    bad: DFF<Bit>,
    /// The byte whose bits leave is one of the frame, and bit 5 is inverted.
    checked: DFF<Bit>,
    /// No byte has room behind those that count; bytes are too far apart to notice that
    /// it is known a cycle late.
    full: DFF<Bit>,
    inverting: DFF<Bit>,
    check: FrameCheck,
    pointer: LoadableCounter<8>,
    count: DFF<Bits<8>>,
    restart_asked: DFF<Bit>,
    standalone_asked: DFF<Bit>,
    frame_tag: DFF<Bits<2>>,
    frame_acknowledged: DFF<Bits<8>>,
    last_acknowledged: DFF<Bits<8>>,
    answer_pulse: DFF<Bit>,
    restart_pulse: DFF<Bit>,
    damaged_pulse: DFF<Bit>,
    take: Signal<Local, Bit>,
    is_flag: Signal<Local, Bit>,
    is_escape: Signal<Local, Bit>,
    push: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    undamaged: Signal<Local, Bit>,
    good: Signal<Local, Bit>,
    in_order: Signal<Local, Bit>,
    inverted: Signal<Local, Bits<8>>,
    plain: Signal<Local, Bits<8>>,
    pushed: Signal<Local, Bits<7>>,
    is_inverted: Signal<Local, Bit>,
    flag: Constant<Bits<8>>,
    escape: Constant<Bits<8>>,
    mask: Constant<Bits<8>>,
    fifth: Constant<Bits<3>>,
    check_bytes: Constant<Bits<8>>,
    nothing: Constant<Bits<8>>,
}

impl Default for FrameReceiver {
    fn default() -> Self {
        let byte = |value: u8| Constant::new(u64::from(value).to_bits::<8>());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            data: Default::default(),
            valid: Default::default(),
            framing_error: Default::default(),
            shift: Default::default(),
            place: Default::default(),
            turn: Default::default(),
            taken: Default::default(),
            write: Default::default(),
            address: Default::default(),
            byte: Default::default(),
            received: Default::default(),
            acknowledged: Default::default(),
            tag: Default::default(),
            answer: Default::default(),
            restart: Default::default(),
            standalone: Default::default(),
            damaged: Default::default(),
            waiting: Default::default(),
            escaped: Default::default(),
            progress: Default::default(),
            bad: Default::default(),
            checked: Default::default(),
            full: Default::default(),
            inverting: Default::default(),
            check: Default::default(),
            pointer: LoadableCounter::up(),
            count: Default::default(),
            restart_asked: Default::default(),
            standalone_asked: Default::default(),
            frame_tag: Default::default(),
            frame_acknowledged: Default::default(),
            last_acknowledged: Default::default(),
            answer_pulse: Default::default(),
            restart_pulse: Default::default(),
            damaged_pulse: Default::default(),
            take: Default::default(),
            is_flag: Default::default(),
            is_escape: Default::default(),
            push: Default::default(),
            ends: Default::default(),
            undamaged: Default::default(),
            good: Default::default(),
            in_order: Default::default(),
            inverted: Default::default(),
            plain: Default::default(),
            pushed: Default::default(),
            is_inverted: Default::default(),
            flag: byte(link::FLAG),
            escape: byte(link::ESCAPE),
            mask: byte(link::ESCAPED),
            fifth: Constant::new(5u64.to_bits()),
            check_bytes: byte(link::CHECK_BYTES as u8),
            nothing: byte(link::NOTHING_ACKNOWLEDGED),
        }
    }
}

impl Logic for FrameReceiver {
    unit!("The host's frames: they are written as they arrive, and count when they end well.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            waiting,
            escaped,
            progress,
            bad,
            checked,
            full,
            inverting,
            count,
            restart_asked,
            standalone_asked,
            frame_tag,
            frame_acknowledged,
            last_acknowledged,
            answer_pulse,
            restart_pulse,
            damaged_pulse
        );

        self.take.next = self.waiting.q.val() & self.turn.val();
        self.waiting.d.next = self.valid.val() | (self.waiting.q.val() & !self.turn.val());
        self.is_flag.next = self.data.val() == self.flag.val();
        self.is_escape.next = self.data.val() == self.escape.val();
        self.ends.next = self.take.val() & self.is_flag.val();
        self.push.next = self.take.val() & !self.is_flag.val() & !self.is_escape.val();

        self.inverted.next = 0.into();
        if self.escaped.q.val() {
            self.inverted.next = self.mask.val();
        }
        self.plain.next = self.data.val() ^ self.inverted.val();
        self.byte.next = self.plain.val();

        // A byte's bits leave the receiver's register as the next byte comes.
        self.is_inverted.next = self.inverting.q.val() & (self.place.val() == self.fifth.val());
        self.check.clock.next = self.clock.val();
        self.check.start.next = self.ends.val();
        self.check.step.next = self.shift.val() & self.checked.q.val();
        self.check.bit.next = self.data.val().get_bit(0) ^ self.is_inverted.val();
        if self.take.val() {
            self.checked.d.next = self.push.val();
            self.inverting.d.next = self.escaped.q.val();
        }

        // The frame's bytes are written behind those that count, its check, too.
        self.full.d.next =
            self.progress.q.val().get_bit(3) & (self.pointer.q.val() == self.taken.val());
        self.write.next = self.push.val() & self.progress.q.val().get_bit(2) & !self.full.q.val();
        self.address.next = self.pointer.q.val();
        self.pointer.clock.next = self.clock.val();
        self.pointer.load.next = !self.progress.q.val().get_bit(0);
        self.pointer.value.next = self.count.q.val();
        self.pointer.step.next =
            self.push.val() & self.progress.q.val().get_bit(2) & !self.full.q.val();

        self.in_order.next = self.plain.val() == self.count.q.val();
        self.pushed.next = (self.progress.q.val() << 1) | 1;
        if self.push.val() {
            self.escaped.d.next = false;
            self.progress.d.next = self.pushed.val();
            if !self.progress.q.val().get_bit(0) {
                self.restart_asked.d.next = self.plain.val().get_bit(7);
                self.standalone_asked.d.next = self.plain.val().get_bit(6);
                self.frame_tag.d.next = self.plain.val().get_bits::<2>(0);
            } else if !self.progress.q.val().get_bit(1) {
                if !self.in_order.val() & !self.restart_asked.q.val() {
                    self.bad.d.next = true;
                }
            } else if !self.progress.q.val().get_bit(2) {
                self.frame_acknowledged.d.next = self.plain.val();
            } else if self.full.q.val() {
                self.bad.d.next = true;
            }
        }
        if self.take.val() & self.is_escape.val() {
            self.escaped.d.next = true;
        }

        self.undamaged.next =
            self.progress.q.val().get_bit(6) & !self.escaped.q.val() & self.check.passed.val();
        self.good.next = self.ends.val() & self.undamaged.val() & !self.bad.q.val();
        self.answer_pulse.d.next = self.ends.val() & self.progress.q.val().get_bit(0);
        self.damaged_pulse.d.next =
            self.ends.val() & self.progress.q.val().get_bit(0) & !self.undamaged.val();
        self.restart_pulse.d.next = self.good.val() & self.restart_asked.q.val();
        if self.ends.val() {
            self.escaped.d.next = false;
            self.progress.d.next = 0.into();
            self.bad.d.next = false;
        }
        if self.good.val() {
            self.count.d.next = self.pointer.q.val() - self.check_bytes.val();
            self.last_acknowledged.d.next = self.frame_acknowledged.q.val();
        }
        if self.framing_error.val() {
            self.bad.d.next = true;
        }
        if self.reset.val() | self.restart_pulse.q.val() {
            self.count.d.next = 0.into();
            self.last_acknowledged.d.next = self.nothing.val();
        }
        // Until the first flag nothing is a frame.
        if self.reset.val() {
            self.waiting.d.next = false;
            self.progress.d.next = 0.into();
            self.bad.d.next = true;
            self.restart_pulse.d.next = false;
        }

        self.received.next = self.count.q.val();
        self.acknowledged.next = self.last_acknowledged.q.val();
        self.tag.next = self.frame_tag.q.val();
        self.answer.next = self.answer_pulse.q.val();
        self.restart.next = self.restart_pulse.q.val();
        self.standalone.next = self.standalone_asked.q.val();
        self.damaged.next = self.damaged_pulse.q.val();
    }
}
