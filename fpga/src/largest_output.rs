//! Which of a run's first outputs is the largest: the class of a classifier.
//!
//! ```text
//!  data, valid ─► larger than [largest]? ─► [largest], [class]
//!  classes ─────► [index] below it? ─┘
//! ```
//! Bytes are offset binary, so that their order is that of the numbers. Of equal ones the
//! first counts. `class` counts a byte in the cycle after it was `valid`.

use quern_hdl::unit;
use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct LargestOutput {
    pub clock: Signal<In, Clock>,
    /// Forgets all outputs.
    pub clear: Signal<In, Bit>,
    /// Outputs that compete.
    pub classes: Signal<In, Bits<4>>,
    pub data: Signal<In, Bits<8>>,
    pub valid: Signal<In, Bit>,
    pub class: Signal<Out, Bits<4>>,
    index: DFF<Bits<4>>,
    largest: DFF<Bits<8>>,
    best: DFF<Bits<4>>,
    competes: Signal<Local, Bit>,
}

impl Logic for LargestOutput {
    unit!("Which of a run's first outputs is the largest.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, index, largest, best);

        self.competes.next = self.valid.val() & (self.index.q.val() != self.classes.val());
        if self.competes.val() {
            self.index.d.next = self.index.q.val() + 1;
        }
        if self.competes.val() & (self.data.val() > self.largest.q.val()) {
            self.largest.d.next = self.data.val();
            self.best.d.next = self.index.q.val();
        }
        if self.clear.val() {
            self.index.d.next = 0.into();
            self.largest.d.next = 0.into();
            self.best.d.next = 0.into();
        }
        self.class.next = self.best.q.val();
    }
}
