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
//! Operands (`source`, `first_word`, `words`) are taken with `start`. While
//! `reads_activations` or `reads_accumulators` is up that memory is addressed with
//! `address`. Of an accumulator word `capture_sums` says when it comes back, and
//! `next_sum` goes to its next column, as [`AccumulatorWord`](crate::AccumulatorWord)
//! does it.
//!
//! `source`: as `quern_isa::Source`; `capture`, `rotate`: to the
//! [`Counters`](crate::Counters).

use crate::{BeatRing, BeatSelect, LoadableCounter};
use quern_isa::Source;
use rust_hdl::prelude::*;

/// `R` lanes, `C` columns, `W` accumulator bits, `S` stream bytes, `F` bits of an address
/// or count.
#[derive(LogicBlock)]
pub struct Store<const R: usize, const C: usize, const W: usize, const S: usize, const F: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub source: Signal<In, Bits<2>>,
    pub first_word: Signal<In, Bits<F>>,
    pub words: Signal<In, Bits<F>>,
    pub lane: [Signal<In, Bits<8>>; R],
    pub sum: Signal<In, Bits<W>>,
    pub counter: Signal<In, Bits<32>>,
    pub output_ready: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub storing_counters: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<F>>,
    pub reads_activations: Signal<Out, Bit>,
    pub reads_accumulators: Signal<Out, Bit>,
    pub capture_sums: Signal<Out, Bit>,
    pub next_sum: Signal<Out, Bit>,
    pub capture: Signal<Out, Bit>,
    pub rotate: Signal<Out, Bit>,
    /// A beat waits for the port, other than of the counters.
    pub stalled: Signal<Out, Bit>,
    pub output: [Signal<Out, Bits<8>>; S],
    pub output_valid: Signal<Out, Bit>,
    select: BeatSelect<R, S>,
    ring: BeatRing<R>,
    word: LoadableCounter<F>,
    remaining: LoadableCounter<F>,
    held_source: DFF<Bits<2>>,
    state: DFF<Bit>,
    // Registers, because units start, and instructions are fetched, by them.
    busy_state: DFF<Bit>,
    counters_state: DFF<Bit>,
    addressed: DFF<Bit>,
    settled: DFF<Bit>,
    part: DFF<Bits<2>>,
    valid: DFF<Bit>,
    beat: [DFF<Bits<8>>; S],
    take: Signal<Local, Bit>,
    is_activations: Signal<Local, Bit>,
    is_accumulators: Signal<Local, Bit>,
    is_counters: Signal<Local, Bit>,
    place_done: Signal<Local, Bit>,
    last_place: Signal<Local, Bits<R>>,
    last_word: Signal<Local, Bit>,
    advance: Signal<Local, Bit>,
    word_done: Signal<Local, Bit>,
    signs: Signal<Local, Bits<32>>,
    activations: Constant<Bits<2>>,
    accumulators: Constant<Bits<2>>,
    counters: Constant<Bits<2>>,
    one_word: Constant<Bits<F>>,
    last_activation: Constant<Bits<R>>,
    last_sum: Constant<Bits<R>>,
    last_counter: Constant<Bits<R>>,
    /// The sign bit of an accumulator.
    sign: Constant<Bits<W>>,
    /// The bits above an accumulator in 32.
    sign_extension: Constant<Bits<32>>,
    /// A sum or counter is one beat.
    wide: Constant<Bit>,
}

impl<const R: usize, const C: usize, const W: usize, const S: usize, const F: usize> Default
    for Store<R, C, W, S, F>
{
    fn default() -> Self {
        const { assert!(R >= C && R >= 4, "no word has more places than lanes") }
        let last = |places: usize| Constant::new((1u64 << (places - 1)).into());
        let wide = S > 1;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            source: Default::default(),
            first_word: Default::default(),
            words: Default::default(),
            lane: std::array::from_fn(|_| Default::default()),
            sum: Default::default(),
            counter: Default::default(),
            output_ready: Default::default(),
            busy: Default::default(),
            storing_counters: Default::default(),
            address: Default::default(),
            reads_activations: Default::default(),
            reads_accumulators: Default::default(),
            capture_sums: Default::default(),
            next_sum: Default::default(),
            capture: Default::default(),
            rotate: Default::default(),
            stalled: Default::default(),
            output: std::array::from_fn(|_| Default::default()),
            output_valid: Default::default(),
            select: Default::default(),
            ring: Default::default(),
            word: LoadableCounter::up(),
            remaining: LoadableCounter::down(),
            held_source: Default::default(),
            state: Default::default(),
            busy_state: Default::default(),
            counters_state: Default::default(),
            addressed: Default::default(),
            settled: Default::default(),
            part: Default::default(),
            valid: Default::default(),
            beat: std::array::from_fn(|_| Default::default()),
            take: Default::default(),
            is_activations: Default::default(),
            is_accumulators: Default::default(),
            is_counters: Default::default(),
            place_done: Default::default(),
            last_place: Default::default(),
            last_word: Default::default(),
            advance: Default::default(),
            word_done: Default::default(),
            signs: Default::default(),
            activations: Constant::new((Source::Activations as u64).into()),
            accumulators: Constant::new((Source::Accumulators as u64).into()),
            counters: Constant::new((Source::Counters as u64).into()),
            one_word: Constant::new(1.into()),
            last_activation: last(if wide { 1 } else { R }),
            last_sum: last(C),
            last_counter: last(4),
            sign: Constant::new((1u64 << (W - 1)).into()),
            sign_extension: Constant::new(((u32::MAX as u64) << W & u32::MAX as u64).into()),
            wide: Constant::new(wide),
        }
    }
}

impl<const R: usize, const C: usize, const W: usize, const S: usize, const F: usize> Logic
    for Store<R, C, W, S, F>
{
    crate::unit!("Executes store: sends words to the output stream.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            busy_state,
            counters_state,
            addressed,
            settled,
            held_source,
            part,
            valid
        );
        if self.start.val() {
            self.held_source.d.next = self.source.val();
        }
        self.is_activations.next = self.held_source.q.val() == self.activations.val();
        self.is_accumulators.next = self.held_source.q.val() == self.accumulators.val();
        self.is_counters.next = self.held_source.q.val() == self.counters.val();

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
        self.last_place.next = self.last_place.val() & self.ring.place.val();
        self.advance.next = self.take.val() & self.place_done.val();
        self.word_done.next = self.take.val() & self.place_done.val() & self.last_place.val().any();
        self.ring.clock.next = self.clock.val();
        self.ring.reset.next = self.reset.val();
        self.ring.advance.next = self.advance.val();
        self.ring.last.next = self.last_place.val().any();

        // Words.
        self.addressed.d.next = self.state.q.val() & !self.word_done.val();
        self.settled.d.next = self.addressed.q.val() & !self.word_done.val();
        if self.start.val() {
            self.state.d.next = true;
            self.part.d.next = 0.into();
        }
        self.word.clock.next = self.clock.val();
        self.word.load.next = self.start.val();
        self.word.value.next = self.first_word.val();
        self.word.step.next = self.word_done.val();
        self.remaining.clock.next = self.clock.val();
        self.remaining.load.next = self.start.val();
        self.remaining.value.next = self.words.val();
        self.remaining.step.next = self.word_done.val();
        self.last_word.next = self.remaining.q.val() == self.one_word.val();
        if self.word_done.val() & (self.last_word.val() | self.is_counters.val()) {
            self.state.d.next = false;
        }
        if !self.state.q.val() & (self.output_ready.val() | !self.valid.q.val()) {
            self.busy_state.d.next = false;
            self.counters_state.d.next = false;
        }
        if self.start.val() {
            self.busy_state.d.next = true;
            self.counters_state.d.next = self.source.val() == self.counters.val();
        }
        self.busy.next = self.busy_state.q.val();
        self.storing_counters.next = self.counters_state.q.val();
        self.address.next = self.word.q.val();
        self.reads_activations.next = self.state.q.val() & self.is_activations.val();
        self.reads_accumulators.next = self.state.q.val() & self.is_accumulators.val();
        self.capture_sums.next = self.state.q.val()
            & self.is_accumulators.val()
            & self.addressed.q.val()
            & !self.settled.q.val();
        self.next_sum.next = self.advance.val() & self.is_accumulators.val();
        self.capture.next = self.state.q.val() & !self.addressed.q.val();
        self.rotate.next = self.take.val() & self.is_counters.val();

        // Data.
        for i in 0..R {
            self.select.lane[i].next = self.lane[i].val();
        }
        self.signs.next = 0.into();
        if (self.sum.val() & self.sign.val()).any() {
            self.signs.next = self.sign_extension.val();
        }
        self.select.sum.next = bit_cast::<32, W>(self.sum.val()) | self.signs.val();
        self.select.place.next = bit_cast::<16, R>(self.ring.place.val());
        self.select.part.next = self.part.q.val();
        self.select.counter.next = self.counter.val();
        self.select.source.next = self.held_source.q.val();
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
            self.busy_state.d.next = false;
            self.counters_state.d.next = false;
            self.addressed.d.next = false;
            self.settled.d.next = false;
            self.valid.d.next = false;
        }
    }
}
