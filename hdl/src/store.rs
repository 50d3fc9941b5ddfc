//! Executes `store`: sends activation words, accumulators or counters to the output
//! stream.
//!
//! ```text
//!  start ─► active ─► address settles ─► beats of the word ─┬─► last word: done
//!              ▲          (2 cycles)                        │
//!              └────────────── next word ◄──────────────────┘
//!
//!  lane[R] ──────────────┐
//!  sum ──────────────────┼─► BeatSelect ─► register ─► output, valid/ready
//!  counter ──────────────┘
//! ```
//! A word takes 2 cycles more than it has beats, in which its address reaches the
//! memory and the word comes back; the last beat leaves the register one cycle after.
//! `busy` from the cycle after `start` through the cycle in which the last beat is
//! taken: `words · (2 + beats) + 1` cycles when the port is always ready.
//!
//! A word is R lanes, or C accumulators of 4 bytes, or the 4 counters of 4 bytes.
//! While `active` the memories are addressed with the word's address, which
//! `step_word` moves on.
//!
//! `source`: as `quern_isa::Source`; `advance`, `last`: to the [`BeatRing`](crate::BeatRing);
//! `capture`, `rotate`: to the [`Counters`](crate::Counters).

use crate::BeatSelect;
use quern_isa::Source;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct Store<const R: usize, const C: usize, const W: usize, const S: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub source: Signal<In, Bits<2>>,
    pub last_word: Signal<In, Bit>,
    pub place: Signal<In, Bits<16>>,
    pub lane: [Signal<In, Bits<8>>; R],
    /// Of the addressed accumulators, the one wanted in this cycle.
    pub column: Signal<Out, Bits<5>>,
    pub sum: Signal<In, Bits<W>>,
    pub counter: Signal<In, Bits<32>>,
    pub output_ready: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub active: Signal<Out, Bit>,
    pub advance: Signal<Out, Bit>,
    pub last: Signal<Out, Bit>,
    pub step_word: Signal<Out, Bit>,
    pub capture: Signal<Out, Bit>,
    pub rotate: Signal<Out, Bit>,
    /// A beat waits for the port, other than of the counters.
    pub stalled: Signal<Out, Bit>,
    pub output: [Signal<Out, Bits<8>>; S],
    pub output_valid: Signal<Out, Bit>,
    select: BeatSelect<R, S>,
    state: DFF<Bit>,
    addressed: DFF<Bit>,
    settled: DFF<Bit>,
    column_count: DFF<Bits<5>>,
    part: DFF<Bits<2>>,
    valid: DFF<Bit>,
    beat: [DFF<Bits<8>>; S],
    take: Signal<Local, Bit>,
    is_activations: Signal<Local, Bit>,
    is_counters: Signal<Local, Bit>,
    place_done: Signal<Local, Bit>,
    last_place: Signal<Local, Bits<16>>,
    word_done: Signal<Local, Bit>,
    signs: Signal<Local, Bits<32>>,
    activations: Constant<Bits<2>>,
    counters: Constant<Bits<2>>,
    last_activation: Constant<Bits<16>>,
    last_sum: Constant<Bits<16>>,
    last_counter: Constant<Bits<16>>,
    /// The sign bit of an accumulator.
    sign: Constant<Bits<W>>,
    /// The bits above an accumulator in 32.
    sign_extension: Constant<Bits<32>>,
    /// A sum or counter is one beat.
    wide: Constant<Bit>,
}

impl<const R: usize, const C: usize, const W: usize, const S: usize> Default for Store<R, C, W, S> {
    fn default() -> Self {
        let last = |places: usize| Constant::new((1u64 << (places - 1)).into());
        let wide = S > 1;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            source: Default::default(),
            last_word: Default::default(),
            place: Default::default(),
            lane: std::array::from_fn(|_| Default::default()),
            column: Default::default(),
            sum: Default::default(),
            counter: Default::default(),
            output_ready: Default::default(),
            busy: Default::default(),
            active: Default::default(),
            advance: Default::default(),
            last: Default::default(),
            step_word: Default::default(),
            capture: Default::default(),
            rotate: Default::default(),
            stalled: Default::default(),
            output: std::array::from_fn(|_| Default::default()),
            output_valid: Default::default(),
            column_count: Default::default(),
            select: Default::default(),
            state: Default::default(),
            addressed: Default::default(),
            settled: Default::default(),
            part: Default::default(),
            valid: Default::default(),
            beat: std::array::from_fn(|_| Default::default()),
            take: Default::default(),
            is_activations: Default::default(),
            is_counters: Default::default(),
            place_done: Default::default(),
            last_place: Default::default(),
            word_done: Default::default(),
            signs: Default::default(),
            activations: Constant::new((Source::Activations as u64).into()),
            counters: Constant::new((Source::Counters as u64).into()),
            last_activation: last(if wide { 1 } else { R }),
            last_sum: last(C),
            last_counter: last(4),
            sign: Constant::new((1u64 << (W - 1)).into()),
            sign_extension: Constant::new(((u32::MAX as u64) << W & u32::MAX as u64).into()),
            wide: Constant::new(wide),
        }
    }
}

impl<const R: usize, const C: usize, const W: usize, const S: usize> Logic for Store<R, C, W, S> {
    crate::unit!("Executes store: sends words to the output stream.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            addressed,
            settled,
            column_count,
            part,
            valid
        );
        self.is_activations.next = self.source.val() == self.activations.val();
        self.is_counters.next = self.source.val() == self.counters.val();

        // The output register takes a beat whenever it is free.
        self.take.next = self.state.q.val()
            & self.settled.q.val()
            & (self.output_ready.val() | !self.valid.q.val());
        if self.output_ready.val() {
            self.valid.d.next = false;
        }
        if self.take.val() {
            self.valid.d.next = true;
        }

        // Where in the word.
        self.place_done.next =
            self.wide.val() | self.is_activations.val() | self.part.q.val().all();
        if self.take.val() & !self.is_activations.val() {
            self.part.d.next = self.part.q.val() + 1;
        }
        self.last_place.next = self.last_sum.val();
        if self.is_activations.val() {
            self.last_place.next = self.last_activation.val();
        }
        if self.is_counters.val() {
            self.last_place.next = self.last_counter.val();
        }
        self.last_place.next = self.last_place.val() & self.place.val();
        self.advance.next = self.take.val() & self.place_done.val();
        self.last.next = self.last_place.val().any();
        self.word_done.next = self.take.val() & self.place_done.val() & self.last_place.val().any();
        self.step_word.next = self.word_done.val();

        // Words.
        self.addressed.d.next = self.state.q.val() & !self.word_done.val();
        self.settled.d.next = self.addressed.q.val() & !self.word_done.val();
        if self.start.val() {
            self.state.d.next = true;
            self.part.d.next = 0.into();
        }
        if self.word_done.val() & (self.last_word.val() | self.is_counters.val()) {
            self.state.d.next = false;
        }
        self.active.next = self.state.q.val();
        self.busy.next = self.state.q.val() | self.valid.q.val();
        self.capture.next = self.state.q.val() & !self.addressed.q.val();
        self.rotate.next = self.take.val() & self.is_counters.val();

        // Data.
        if self.advance.val() {
            self.column_count.d.next = self.column_count.q.val() + 1;
        }
        if self.start.val() | self.word_done.val() {
            self.column_count.d.next = 0.into();
        }
        self.column.next = self.column_count.q.val();
        for i in 0..R {
            self.select.lane[i].next = self.lane[i].val();
        }
        self.signs.next = 0.into();
        if (self.sum.val() & self.sign.val()).any() {
            self.signs.next = self.sign_extension.val();
        }
        self.select.sum.next = bit_cast::<32, W>(self.sum.val()) | self.signs.val();
        self.select.place.next = self.place.val();
        self.select.part.next = self.part.q.val();
        self.select.counter.next = self.counter.val();
        self.select.source.next = self.source.val();
        for i in 0..S {
            self.beat[i].clock.next = self.clock.val();
            self.beat[i].d.next = self.beat[i].q.val();
            if self.take.val() {
                self.beat[i].d.next = self.select.beat[i].val();
            }
            self.output[i].next = self.beat[i].q.val();
        }
        self.output_valid.next = self.valid.q.val();
        self.stalled.next = self.valid.q.val() & !self.output_ready.val() & !self.is_counters.val();

        if self.reset.val() {
            self.state.d.next = false;
            self.addressed.d.next = false;
            self.settled.d.next = false;
            self.valid.d.next = false;
        }
    }
}
