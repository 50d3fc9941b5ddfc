//! The multiplier array: R activations times an R × C tile of stationary weights,
//! every cycle.
//!
//! ```text
//!                    weight_row[0]   weight_row[1]      weight_row[C-1]
//!                          ▼               ▼                  ▼
//!  activation[0] ──►  ┌──────────┐    ┌──────────┐       ┌──────────┐
//!  activation[1] ──►  │          │    │          │       │          │
//!       …             │ Column 0 │    │ Column 1 │   …   │Column C-1│
//!  activation[R-1]──► │          │    │          │       │          │
//!                     └──────────┘    └──────────┘       └──────────┘
//!                          ▼               ▼                  ▼
//!                       sum[0]          sum[1]            sum[C-1]
//! ```
//! Latency [`latency`]`(R)` = R+3 cycles: the dot product of the word whose lane 0
//! was on `activation[0]` in cycle u is on `sum` in cycle u+R+3. One word per cycle.
//!
//! **Skew.** Lane r of a word is on `activation[r]` in cycle u+r (the activation
//! buffer delivers it like that), because the columns are lane chains
//! ([`Column`]).
//!
//! **Weights.** A pulse on `load` in cycle u says that `weight_row` carries row 0 of
//! the next tile in cycle u and row r in cycle u+r. The tile takes effect for the
//! word whose lane 0 comes in cycle u+1: the weights of each lane and stage switch just
//! when that word's wave reaches them. A new tile thus costs nothing but its R row
//! cycles; the next pulse may follow R cycles later.
//!
//! `activation`: unsigned; `weight_row`, `sum`: two's complement.

use crate::{Bytes, Column, LoadToken, PackBytes};
use rust_hdl::prelude::*;

/// Cycles from lane 0 of a word on `activation[0]` to its dot product on `sum`: those of
/// the column. (The activation memory's output goes straight into the first stage: on an
/// iCE40 a register between would cost 8 logic cells a lane, and the array is not what
/// limits the clock.)
pub const fn latency(lanes: usize) -> u32 {
    lanes as u32 + 3
}

#[derive(LogicBlock)]
pub struct MatrixUnit<const R: usize, const C: usize, const H: usize> {
    pub clock: Signal<In, Clock>,
    pub load: Signal<In, Bit>,
    pub weight_row: [Signal<In, Bits<8>>; C],
    pub activation: [Signal<In, Bits<8>>; R],
    pub sum: [Signal<Out, Bits<H>>; C],
    column: [Column<R, H>; C],
    // Shared by all columns: the activations as each stage needs them, byte r
    // belonging to the word whose lane r is on its way.
    pack: PackBytes<R>,
    word_1: DFF<Bytes<R>>,
    word_2: DFF<Bytes<R>>,
    token: LoadToken<R>,
}

impl<const R: usize, const C: usize, const H: usize> Default for MatrixUnit<R, C, H> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            load: Default::default(),
            weight_row: std::array::from_fn(|_| Default::default()),
            activation: std::array::from_fn(|_| Default::default()),
            sum: std::array::from_fn(|_| Default::default()),
            column: std::array::from_fn(|_| Default::default()),
            pack: Default::default(),
            word_1: Default::default(),
            word_2: Default::default(),
            token: Default::default(),
        }
    }
}

impl<const R: usize, const C: usize, const H: usize> Logic for MatrixUnit<R, C, H> {
    crate::unit!(
        "The multiplier array: R activations times an R x C tile of weights, every cycle."
    );

    #[hdl_gen]
    fn update(&mut self) {
        self.token.clock.next = self.clock.val();
        self.token.load.next = self.load.val();

        for i in 0..R {
            self.pack.bytes[i].next = self.activation[i].val();
        }
        self.word_1.clock.next = self.clock.val();
        self.word_2.clock.next = self.clock.val();
        self.word_1.d.next = self.pack.word.val();
        self.word_2.d.next = self.word_1.q.val();

        for i in 0..C {
            self.column[i].clock.next = self.clock.val();
            self.column[i].activation_0.next = self.pack.word.val();
            self.column[i].activation_1.next = self.word_1.q.val();
            self.column[i].activation_2.next = self.word_2.q.val();
            self.column[i].weight.next = self.weight_row[i].val();
            self.column[i].load_0.next = self.token.stage_0.val();
            self.column[i].load_1.next = self.token.stage_1.val();
            self.column[i].load_2.next = self.token.stage_2.val();
            self.sum[i].next = self.column[i].sum.val();
        }
    }
}
