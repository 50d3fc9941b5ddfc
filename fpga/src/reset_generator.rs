//! Synchronous reset from a button, the clock generator's lock and power-up.
//!
//! ```text
//!  button_n ─► [sync] ─► [sync] ─┐
//!  locked ───► [sync] ─► [sync] ─┴─both high─► counter ─► not full ─► [ ] ─► reset
//! ```
//! `reset` is high from the first cycle on and falls `2^DELAY` cycles and a few
//! after both inputs have become high; either one low raises it again three cycles
//! later. The delay outlasts two things: an iCE40's block RAMs read wrong values for some
//! microseconds after configuration, and a button bounces.

use quern_hdl::unit;
use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct ResetGenerator<const DELAY: usize> {
    pub clock: Signal<In, Clock>,
    /// Asynchronous, low while pressed.
    pub button_n: Signal<In, Bit>,
    /// Asynchronous, high when the clock is stable.
    pub locked: Signal<In, Bit>,
    pub reset: Signal<Out, Bit>,
    button_metastable: DFF<Bit>,
    button_released: DFF<Bit>,
    lock_metastable: DFF<Bit>,
    lock_held: DFF<Bit>,
    count: DFF<Bits<DELAY>>,
    // Low is reset: that is what a flip-flop starts with.
    running: DFF<Bit>,
}

impl<const DELAY: usize> Logic for ResetGenerator<DELAY> {
    unit!("Synchronous reset from a button, the clock's lock and power-up.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            button_metastable,
            button_released,
            lock_metastable,
            lock_held,
            count,
            running
        );

        self.button_metastable.d.next = self.button_n.val();
        self.button_released.d.next = self.button_metastable.q.val();
        self.lock_metastable.d.next = self.locked.val();
        self.lock_held.d.next = self.lock_metastable.q.val();

        if !self.count.q.val().all() {
            self.count.d.next = self.count.q.val() + 1;
        }
        self.running.d.next = self.count.q.val().all();
        if !self.button_released.q.val() | !self.lock_held.q.val() {
            self.count.d.next = 0.into();
            self.running.d.next = false;
        }
        self.reset.next = !self.running.q.val();
    }
}
