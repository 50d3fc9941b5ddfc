//! The counters of a run, and the order in which they are stored.
//!
//! ```text
//!  running ─► cycles ── capture ─► head ◄── input_stalls ◄── output_stalls ◄── matrix_cycles ◄┐
//!                                   │  └──────────────────── rotate ──────────────────────────┘
//!                                   └─► the next beat's bytes
//! ```
//! An event is registered, as it may come from anywhere in the core, and counted in the
//! cycle after that, in the upper half of a counter another cycle later: in time for a
//! store of the counters, and for `halt`. To be stored, the
//! counters form a ring that `rotate` moves by one output beat (a byte with S = 1, a
//! counter otherwise); after the last beat every counter is back where it was. So no
//! multiplexer is needed to pick one of 16 bytes. `cycles` never stops and lends the ring
//! a copy, taken by `capture`. From `capture` to the last `rotate` there are no events.
//!
//! `reset`: all zero. `clear`: the first cycle of a run, counted as such, in which nothing
//! else happens; the counters show it from the run's third cycle on. `running`: any further
//! cycle of it. `input_stall`: a beat is wanted and none is valid; `output_stall`: a beat is valid and not taken, other than while
//! the counters themselves are stored; `position`: a position enters the array.
//! 32 bits each, wrapping.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Counters<const S: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub clear: Signal<In, Bit>,
    pub running: Signal<In, Bit>,
    pub input_stall: Signal<In, Bit>,
    pub output_stall: Signal<In, Bit>,
    pub position: Signal<In, Bit>,
    pub capture: Signal<In, Bit>,
    pub rotate: Signal<In, Bit>,
    pub head: Signal<Out, Bits<32>>,
    pub cycles: Signal<Out, Bits<32>>,
    pub input_stalls: Signal<Out, Bits<32>>,
    pub output_stalls: Signal<Out, Bits<32>>,
    pub matrix_cycles: Signal<Out, Bits<32>>,
    cycle_count: DFF<Bits<32>>,
    head_word: DFF<Bits<32>>,
    clear_event: DFF<Bit>,
    input_event: DFF<Bit>,
    output_event: DFF<Bit>,
    position_event: DFF<Bit>,
    input_stall_count: RingCounter<S>,
    output_stall_count: RingCounter<S>,
    matrix_count: RingCounter<S>,
    zero: Signal<Local, Bit>,
    one: Constant<Bits<32>>,
    two: Constant<Bits<32>>,
    wide: Constant<Bit>,
}

impl<const S: usize> Default for Counters<S> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            clear: Default::default(),
            running: Default::default(),
            input_stall: Default::default(),
            output_stall: Default::default(),
            position: Default::default(),
            capture: Default::default(),
            rotate: Default::default(),
            head: Default::default(),
            cycles: Default::default(),
            input_stalls: Default::default(),
            output_stalls: Default::default(),
            matrix_cycles: Default::default(),
            cycle_count: Default::default(),
            head_word: Default::default(),
            clear_event: Default::default(),
            input_event: Default::default(),
            output_event: Default::default(),
            position_event: Default::default(),
            input_stall_count: Default::default(),
            output_stall_count: Default::default(),
            matrix_count: Default::default(),
            zero: Default::default(),
            one: Constant::new(1.into()),
            two: Constant::new(2.into()),
            wide: Constant::new(S > 1),
        }
    }
}

impl<const S: usize> Logic for Counters<S> {
    crate::unit!("The counters of a run, and the order in which they are stored.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            cycle_count,
            head_word,
            clear_event,
            input_event,
            output_event,
            position_event
        );
        self.input_event.d.next = self.input_stall.val();
        self.output_event.d.next = self.output_stall.val();
        self.position_event.d.next = self.position.val();
        if self.running.val() {
            self.cycle_count.d.next = self.cycle_count.q.val() + self.one.val();
        }
        // That a run begins is known late. A cycle later its second one is counted.
        self.clear_event.d.next = self.clear.val();
        if self.clear_event.q.val() {
            self.cycle_count.d.next = self.two.val();
        }
        // Whatever the other units' registers were before, there is nothing to count.
        if self.reset.val() {
            self.input_event.d.next = false;
            self.output_event.d.next = false;
            self.position_event.d.next = false;
            self.clear_event.d.next = false;
            self.cycle_count.d.next = 0.into();
        }
        self.zero.next = self.clear_event.q.val() | self.reset.val();
        self.cycles.next = self.cycle_count.q.val();

        if self.rotate.val() {
            self.head_word.d.next =
                (self.head_word.q.val() >> 8) | (self.input_stall_count.q.val() << 24);
            if self.wide.val() {
                self.head_word.d.next = self.input_stall_count.q.val();
            }
        }
        if self.capture.val() {
            self.head_word.d.next = self.cycle_count.q.val();
        }
        self.head.next = self.head_word.q.val();

        self.input_stall_count.clock.next = self.clock.val();
        self.input_stall_count.clear.next = self.zero.val();
        self.input_stall_count.step.next = self.input_event.q.val();
        self.input_stall_count.rotate.next = self.rotate.val();
        self.input_stall_count.follower.next = self.output_stall_count.q.val();
        self.input_stalls.next = self.input_stall_count.q.val();

        self.output_stall_count.clock.next = self.clock.val();
        self.output_stall_count.clear.next = self.zero.val();
        self.output_stall_count.step.next = self.output_event.q.val();
        self.output_stall_count.rotate.next = self.rotate.val();
        self.output_stall_count.follower.next = self.matrix_count.q.val();
        self.output_stalls.next = self.output_stall_count.q.val();

        self.matrix_count.clock.next = self.clock.val();
        self.matrix_count.clear.next = self.zero.val();
        self.matrix_count.step.next = self.position_event.q.val();
        self.matrix_count.rotate.next = self.rotate.val();
        self.matrix_count.follower.next = self.head_word.q.val();
        self.matrix_cycles.next = self.matrix_count.q.val();
    }
}

/// One counter of the ring. While it rotates it does not count; the adder's unused
/// operand tells the look-up tables so (see [`LoadableCounter`](crate::LoadableCounter)).
/// Its halves have adders of their own, because whether it rotates is known late: with a
/// register between them, what is carried arrives a cycle later, and a step in the cycle
/// before `rotate` must not be one that carries.
#[derive(LogicBlock)]
pub struct RingCounter<const S: usize> {
    pub clock: Signal<In, Clock>,
    pub clear: Signal<In, Bit>,
    pub step: Signal<In, Bit>,
    pub rotate: Signal<In, Bit>,
    /// The next counter of the ring, whose low end comes in at the top.
    pub follower: Signal<In, Bits<32>>,
    pub q: Signal<Out, Bits<32>>,
    low: DFF<Bits<16>>,
    high: DFF<Bits<16>>,
    carry: DFF<Bit>,
    low_operand: Signal<Local, Bits<16>>,
    high_operand: Signal<Local, Bits<16>>,
    count: Signal<Local, Bits<32>>,
    turned: Signal<Local, Bits<32>>,
    ones: Constant<Bits<16>>,
    wide: Constant<Bit>,
}

impl<const S: usize> Default for RingCounter<S> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            clear: Default::default(),
            step: Default::default(),
            rotate: Default::default(),
            follower: Default::default(),
            q: Default::default(),
            low: Default::default(),
            high: Default::default(),
            carry: Default::default(),
            low_operand: Default::default(),
            high_operand: Default::default(),
            count: Default::default(),
            turned: Default::default(),
            ones: Constant::new(0xffff.into()),
            wide: Constant::new(S > 1),
        }
    }
}

impl<const S: usize> Logic for RingCounter<S> {
    crate::unit!("A counter that can be rotated out.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, low, high, carry);
        self.count.next =
            (bit_cast::<32, 16>(self.high.q.val()) << 16) | bit_cast::<32, 16>(self.low.q.val());
        self.q.next = self.count.val();
        self.turned.next = (self.count.val() >> 8) | (self.follower.val() << 24);
        if self.wide.val() {
            self.turned.next = self.follower.val();
        }

        self.low_operand.next = bit_cast::<16, 1>(self.step.val().into());
        self.high_operand.next = bit_cast::<16, 1>(self.carry.q.val().into());
        if self.rotate.val() {
            self.low_operand.next = self.ones.val();
            self.high_operand.next = self.ones.val();
        }
        self.low.d.next = self.low.q.val() + self.low_operand.val();
        self.carry.d.next = self.step.val() & self.low.q.val().all();
        self.high.d.next = self.high.q.val() + self.high_operand.val();
        if self.rotate.val() {
            self.low.d.next = self.turned.val().get_bits::<16>(0);
            self.high.d.next = self.turned.val().get_bits::<16>(16);
            self.carry.d.next = false;
        }
        if self.clear.val() {
            self.low.d.next = 0.into();
            self.high.d.next = 0.into();
            self.carry.d.next = false;
        }
    }
}
