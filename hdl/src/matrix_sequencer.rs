//! Executes `matrix`: paces the walk over tiles and positions, and addresses everything
//! around the array in the cycle it is needed.
//!
//! ```text
//!            ┌ positions left, rows left ┐──► advance                (cycle s)
//!  start ─►  │ slot of a pass            │──► weight_address         (cycle s)
//!  request ─►└───────────┬───────────────┘──► load                   (cycle s+1)
//!                        │ valid, mark
//!                        ▼
//!            latency(R)+1 flip-flops ─────► accumulator_address, accumulator_valid,
//!                                           accumulator_first, read
//! ```
//! A pass (one tile against all positions) takes max(R, positions) cycles; passes
//! follow each other without a gap. Slot 0 of the first pass is two cycles after
//! `start`, when the generator is at its first step. `busy` falls when the last position has been handed to the accumulators and
//! one cycle more has passed: undisturbed it is up for
//! `(tiles − 1) · max(R, positions) + positions + latency(R) + 3` cycles.
//!
//! **Alignment.** The activation addressed in cycle s ([`AddressGenerator`]) reaches the
//! array (lane 0) in cycle s+2, and a weight row addressed in cycle s a cycle before, as
//! the array wants it: that is when `load` goes with row 0. The dot product is due in cycle s+2+latency(R), and the
//! accumulators want their address a cycle before.
//!
//! **Reading between positions.** `request` takes the slot of a position, which comes a
//! cycle later: weights keep their pace, and the position's pass becomes longer unless it
//! was waiting for weight rows anyway. `read` is up latency(R)+1 cycles later, whether an
//! instruction is executed or not; then the accumulators' read port is free.
//!
//! Accumulators are not addressed through a delay: they are counted at the array's other
//! end, and only tokens travel between.
//!
//! `last_position`, `last_tap`: of the step that the [`AddressGenerator`] is at.
//!
//! [`AddressGenerator`]: crate::AddressGenerator

use crate::{LoadableCounter, PositionDelay};
use rust_hdl::prelude::*;

/// `R` lanes; `B`, `D` address bits of weights and accumulators.
#[derive(LogicBlock)]
pub struct MatrixSequencer<const R: usize, const B: usize, const D: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub accumulate: Signal<In, Bit>,
    pub accumulator: Signal<In, Bits<D>>,
    pub weight: Signal<In, Bits<B>>,
    pub last_position: Signal<In, Bit>,
    pub last_tap: Signal<In, Bit>,
    pub request: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    /// A position enters the array.
    pub advance: Signal<Out, Bit>,
    pub weight_address: Signal<Out, Bits<B>>,
    pub load: Signal<Out, Bit>,
    pub accumulator_address: Signal<Out, Bits<D>>,
    pub accumulator_valid: Signal<Out, Bit>,
    pub accumulator_first: Signal<Out, Bit>,
    pub read: Signal<Out, Bit>,
    begin: DFF<Bit>,
    active: DFF<Bit>,
    busy_state: DFF<Bit>,
    positions_left: DFF<Bit>,
    last_pass: DFF<Bit>,
    rows: LoadableCounter<5>,
    weight_row: LoadableCounter<B>,
    first_slot: DFF<Bit>,
    load_slot: DFF<Bit>,
    /// The next position is the first of its pass.
    mark: DFF<Bit>,
    delay: PositionDelay<R>,
    first_accumulator: DFF<Bits<D>>,
    accumulator_count: LoadableCounter<D>,
    /// The next pass's sums replace what the accumulators hold.
    replace: DFF<Bit>,
    replacing: DFF<Bit>,
    pass: Signal<Local, Bit>,
    valid: Signal<Local, Bit>,
    row: Signal<Local, Bit>,
    more_rows: Signal<Local, Bit>,
    positions_end: Signal<Local, Bit>,
    positions_done: Signal<Local, Bit>,
    pass_end: Signal<Local, Bit>,
    tile_rows: Constant<Bits<5>>,
    /// All bits but the lowest: set while more than one is left.
    upper_rows: Constant<Bits<5>>,
}

impl<const R: usize, const B: usize, const D: usize> Default for MatrixSequencer<R, B, D> {
    fn default() -> Self {
        const { assert!(R <= 16) }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            accumulate: Default::default(),
            accumulator: Default::default(),
            weight: Default::default(),
            last_position: Default::default(),
            last_tap: Default::default(),
            request: Default::default(),
            busy: Default::default(),
            advance: Default::default(),
            weight_address: Default::default(),
            load: Default::default(),
            accumulator_address: Default::default(),
            accumulator_valid: Default::default(),
            accumulator_first: Default::default(),
            read: Default::default(),
            begin: Default::default(),
            active: Default::default(),
            busy_state: Default::default(),
            positions_left: Default::default(),
            last_pass: Default::default(),
            rows: LoadableCounter::down(),
            weight_row: LoadableCounter::up(),
            first_slot: Default::default(),
            load_slot: Default::default(),
            mark: Default::default(),
            delay: Default::default(),
            first_accumulator: Default::default(),
            accumulator_count: LoadableCounter::up(),
            replace: Default::default(),
            replacing: Default::default(),
            pass: Default::default(),
            valid: Default::default(),
            row: Default::default(),
            more_rows: Default::default(),
            positions_end: Default::default(),
            positions_done: Default::default(),
            pass_end: Default::default(),
            tile_rows: Constant::new((R as u64).into()),
            upper_rows: Constant::new(0b11110.into()),
        }
    }
}

impl<const R: usize, const B: usize, const D: usize> Logic for MatrixSequencer<R, B, D> {
    crate::unit!("Executes matrix: paces the walk over tiles and positions.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            begin,
            active,
            busy_state,
            positions_left,
            last_pass,
            first_slot,
            load_slot,
            mark,
            first_accumulator,
            replace,
            replacing
        );

        // The slots of a pass.
        self.more_rows.next = (self.rows.q.val() & self.upper_rows.val()).any();
        self.row.next = self.active.q.val() & (self.more_rows.val() | self.rows.q.val().get_bit(0));
        self.valid.next = self.active.q.val() & self.positions_left.q.val() & !self.request.val();
        self.positions_end.next = self.valid.val() & self.last_position.val();
        self.positions_done.next = self.positions_end.val() | !self.positions_left.q.val();
        self.pass_end.next =
            self.active.q.val() & self.positions_done.val() & !self.more_rows.val();
        if self.positions_end.val() {
            self.positions_left.d.next = false;
            self.last_pass.d.next = self.last_tap.val();
        }
        self.begin.d.next = self.start.val();
        self.pass.next = self.begin.q.val();
        if self.pass_end.val() {
            self.pass.next = !self.last_pass.q.val();
            if self.positions_end.val() {
                self.pass.next = !self.last_tap.val();
            }
            self.active.d.next = false;
        }
        if self.pass.val() {
            self.active.d.next = true;
            self.positions_left.d.next = true;
        }
        self.rows.clock.next = self.clock.val();
        self.rows.load.next = self.pass.val();
        self.rows.value.next = self.tile_rows.val();
        self.rows.step.next = self.row.val();
        self.advance.next = self.valid.val();

        // Weights.
        self.weight_row.clock.next = self.clock.val();
        self.weight_row.load.next = self.start.val();
        self.weight_row.value.next = self.weight.val();
        self.weight_row.step.next = self.row.val();
        self.weight_address.next = self.weight_row.q.val();
        self.first_slot.d.next = self.pass.val();
        self.load_slot.d.next = self.first_slot.q.val();
        self.load.next = self.load_slot.q.val();

        // Accumulators.
        if self.valid.val() {
            self.mark.d.next = false;
        }
        if self.pass.val() {
            self.mark.d.next = true;
        }
        self.delay.clock.next = self.clock.val();
        self.delay.reset.next = self.reset.val();
        self.delay.valid.next = self.valid.val();
        self.delay.mark.next = self.mark.q.val();
        if !self.valid.val() {
            self.delay.mark.next = self.request.val();
        }
        self.accumulator_count.clock.next = self.clock.val();
        self.accumulator_count.load.next = self.delay.arriving.val();
        self.accumulator_count.value.next = self.first_accumulator.q.val();
        self.accumulator_count.step.next = self.delay.arrived.val();
        if self.delay.arriving.val() {
            self.replacing.d.next = self.replace.q.val();
            self.replace.d.next = false;
        }
        if self.start.val() {
            self.first_accumulator.d.next = self.accumulator.val();
            self.replace.d.next = !self.accumulate.val();
        }
        self.accumulator_address.next = self.accumulator_count.q.val();
        self.accumulator_valid.next = self.delay.arrived.val();
        self.accumulator_first.next = self.replacing.q.val();
        self.read.next = self.delay.read.val();

        // One cycle late, to be a register.
        self.busy_state.d.next =
            self.start.val() | self.begin.q.val() | self.active.q.val() | self.delay.busy.val();
        self.busy.next = self.busy_state.q.val();

        if self.reset.val() {
            self.begin.d.next = false;
            self.active.d.next = false;
            self.busy_state.d.next = false;
            self.first_slot.d.next = false;
        }
    }
}
