//! Executes `matrix`: walks tiles and positions, and addresses everything around the
//! array in the cycle it is needed.
//!
//! ```text
//!            ┌ remaining positions, rows ┐
//!  start ─►  │ slot of a pass            │──► activation_address   (cycle s)
//!            └───────────┬───────────────┘──► step_row             (cycle s+1)
//!                        │                ──► load                 (cycle s+2)
//!                        │ first, valid
//!                        ▼
//!            latency(R)+1 flip-flops ─────► accumulator_address, accumulator_valid,
//!                                           accumulator_first
//! ```
//! A pass (one tile against all positions) takes max(R, positions) cycles; passes
//! follow each other without a gap. Slot 0 of the first pass is the cycle after
//! `start`. `busy` falls when the last position has been handed to the accumulators:
//! it is up for `(tiles − 1) · max(R, positions) + positions + latency(R) + 1`
//! cycles.
//!
//! **Alignment.** The activation addressed in cycle s reaches the array (lane 0) in
//! cycle s+2 and a weight row addressed in cycle s+1 does so too, which is when
//! `load` goes with row 0. The dot product is due in cycle s+2+latency(R), and the
//! accumulators want their address a cycle before.
//!
//! Addresses are not delayed: they are counted at both ends of the array, and only a
//! token for a pass's first position and one for every position travel between.
//!
//! `activation`, `more_tiles`: of the tile that comes next; `step_tile` goes to the
//! one after it. `step_row` goes to the next weight row.

use crate::{LoadableCounter, PositionDelay};
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct MatrixSequencer<const R: usize, const A: usize, const D: usize, const D1: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub start: Signal<In, Bit>,
    pub accumulate: Signal<In, Bit>,
    pub accumulator: Signal<In, Bits<D>>,
    pub positions: Signal<In, Bits<D1>>,
    pub position_stride: Signal<In, Bits<A>>,
    pub activation: Signal<In, Bits<A>>,
    pub more_tiles: Signal<In, Bit>,
    pub busy: Signal<Out, Bit>,
    pub step_row: Signal<Out, Bit>,
    pub step_tile: Signal<Out, Bit>,
    /// A position enters the array.
    pub position: Signal<Out, Bit>,
    pub load: Signal<Out, Bit>,
    pub activation_address: Signal<Out, Bits<A>>,
    pub accumulator_address: Signal<Out, Bits<D>>,
    pub accumulator_valid: Signal<Out, Bit>,
    pub accumulator_first: Signal<Out, Bit>,
    active: DFF<Bit>,
    remaining: LoadableCounter<D1>,
    rows: LoadableCounter<5>,
    address: DFF<Bits<A>>,
    row_slot: DFF<Bit>,
    first_slot: DFF<Bit>,
    load_slot: DFF<Bit>,
    load_due: DFF<Bit>,
    delay: PositionDelay<R>,
    accumulator_count: LoadableCounter<D>,
    /// The next pass's sums replace what the accumulators hold.
    replace: DFF<Bit>,
    replacing: DFF<Bit>,
    pass: Signal<Local, Bit>,
    valid: Signal<Local, Bit>,
    row: Signal<Local, Bit>,
    more_positions: Signal<Local, Bit>,
    more_rows: Signal<Local, Bit>,
    last_slot: Signal<Local, Bit>,
    tile_rows: Constant<Bits<5>>,
    // All bits but the lowest: set while more than one is left.
    upper_rows: Constant<Bits<5>>,
    upper_positions: Constant<Bits<D1>>,
}

impl<const R: usize, const A: usize, const D: usize, const D1: usize> Default
    for MatrixSequencer<R, A, D, D1>
{
    fn default() -> Self {
        const { assert!(D1 == D + 1 && R <= 16) }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            accumulate: Default::default(),
            accumulator: Default::default(),
            positions: Default::default(),
            position_stride: Default::default(),
            activation: Default::default(),
            more_tiles: Default::default(),
            busy: Default::default(),
            step_row: Default::default(),
            step_tile: Default::default(),
            position: Default::default(),
            load: Default::default(),
            activation_address: Default::default(),
            accumulator_address: Default::default(),
            accumulator_valid: Default::default(),
            accumulator_first: Default::default(),
            active: Default::default(),
            remaining: LoadableCounter::down(),
            rows: LoadableCounter::down(),
            address: Default::default(),
            row_slot: Default::default(),
            first_slot: Default::default(),
            load_slot: Default::default(),
            load_due: Default::default(),
            delay: Default::default(),
            accumulator_count: LoadableCounter::up(),
            replace: Default::default(),
            replacing: Default::default(),
            pass: Default::default(),
            valid: Default::default(),
            row: Default::default(),
            more_positions: Default::default(),
            more_rows: Default::default(),
            last_slot: Default::default(),
            tile_rows: Constant::new((R as u64).into()),
            upper_rows: Constant::new(0b11110.into()),
            upper_positions: Constant::new(((1u64 << D1) - 2).into()),
        }
    }
}

impl<const R: usize, const A: usize, const D: usize, const D1: usize> Logic
    for MatrixSequencer<R, A, D, D1>
{
    crate::unit!("Executes matrix: walks tiles and positions.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, active, address, row_slot, first_slot, load_slot, load_due, replace,
            replacing
        );

        // The slots of a pass.
        self.more_positions.next = (self.remaining.q.val() & self.upper_positions.val()).any();
        self.more_rows.next = (self.rows.q.val() & self.upper_rows.val()).any();
        self.valid.next =
            self.active.q.val() & (self.more_positions.val() | self.remaining.q.val().get_bit(0));
        self.row.next = self.active.q.val() & (self.more_rows.val() | self.rows.q.val().get_bit(0));
        self.last_slot.next =
            self.active.q.val() & !(self.more_positions.val() | self.more_rows.val());
        self.pass.next = self.start.val() | (self.last_slot.val() & self.more_tiles.val());
        if self.last_slot.val() {
            self.active.d.next = false;
        }
        if self.pass.val() {
            self.active.d.next = true;
        }
        self.remaining.clock.next = self.clock.val();
        self.remaining.load.next = self.pass.val();
        self.remaining.value.next = self.positions.val();
        self.remaining.step.next = self.valid.val();
        self.rows.clock.next = self.clock.val();
        self.rows.load.next = self.pass.val();
        self.rows.value.next = self.tile_rows.val();
        self.rows.step.next = self.row.val();
        self.step_tile.next = self.pass.val();
        self.position.next = self.valid.val();

        // Activations and weights.
        self.activation_address.next = self.address.q.val();
        self.address.d.next = self.address.q.val() + self.position_stride.val();
        if self.pass.val() {
            self.address.d.next = self.activation.val();
        }
        self.row_slot.d.next = self.row.val();
        self.step_row.next = self.row_slot.q.val();
        self.first_slot.d.next = self.pass.val();
        self.load_slot.d.next = self.first_slot.q.val();
        self.load_due.d.next = self.load_slot.q.val();
        self.load.next = self.load_due.q.val();

        // Accumulators.
        self.delay.clock.next = self.clock.val();
        self.delay.reset.next = self.reset.val();
        self.delay.first.next = self.first_slot.q.val();
        self.delay.valid.next = self.valid.val();
        self.accumulator_count.clock.next = self.clock.val();
        self.accumulator_count.load.next = self.delay.arriving.val();
        self.accumulator_count.value.next = self.accumulator.val();
        self.accumulator_count.step.next = self.delay.arrived.val();
        if self.delay.arriving.val() {
            self.replacing.d.next = self.replace.q.val();
            self.replace.d.next = false;
        }
        if self.start.val() {
            self.replace.d.next = !self.accumulate.val();
        }
        self.accumulator_address.next = self.accumulator_count.q.val();
        self.accumulator_valid.next = self.delay.arrived.val();
        self.accumulator_first.next = self.replacing.q.val();
        self.busy.next = self.active.q.val() | self.delay.busy.val();

        if self.reset.val() {
            self.active.d.next = false;
            self.first_slot.d.next = false;
        }
    }
}
