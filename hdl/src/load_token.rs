//! Follows a tile through the array: which lane loads its weights in which cycle.
//!
//! ```text
//!  load ──┬──────► [ ] ──┬───► [ ] ──┬───► [ ] ──┬──► …
//!         │              │           │           │
//!  stage_0[0]     stage_0[1]  stage_0[2]  stage_0[3]
//!                 stage_1[0]  stage_1[1]  stage_1[2]  …
//!                             stage_2[0]  stage_2[1]  …
//! ```
//! Bit r of `stage_s` is `load`, r+s cycles ago: lane r works r cycles after lane 0,
//! and stage s of a lane s cycles after stage 0. No reset: after R+2 cycles without
//! `load` no token is left.
//!
//! Simulated as native integers, built as [`LoadTokenRegisters`] (see
//! [`crate::native`]).

use crate::native::native_block;
use rust_hdl::prelude::*;

#[derive(Default)]
pub struct LoadToken<const R: usize> {
    pub clock: Signal<In, Clock>,
    pub load: Signal<In, Bit>,
    pub stage_0: Signal<Out, Bits<R>>,
    pub stage_1: Signal<Out, Bits<R>>,
    pub stage_2: Signal<Out, Bits<R>>,
    tokens: u64,
    parts: Box<LoadTokenRegisters<R>>,
}

impl<const R: usize> Logic for LoadToken<R> {
    crate::unit!("Which lane loads its weights when: bit r of stage_s is `load`, r+s cycles ago.");

    fn update(&mut self) {
        // Bit i of `tokens` is `load`, i+1 cycles ago.
        let all = (1 << R) - 1;
        let load = self.load.val() as u64;
        if self.clock.pos_edge() {
            self.tokens = (self.tokens << 1 | load) & ((1 << (R + 1)) - 1);
            self.stage_1.next = bits(self.tokens & all);
            self.stage_2.next = bits(self.tokens >> 1);
        }
        self.stage_0.next = bits((self.tokens << 1 | load) & all);
    }

    fn connect(&mut self) {
        self.stage_0.connect();
        self.stage_1.connect();
        self.stage_2.connect();
    }

    fn hdl(&self) -> Verilog {
        self.parts.hdl()
    }
}

native_block!(
    [const R: usize] LoadToken<R>,
    ports: [clock, load, stage_0, stage_1, stage_2],
    parts: parts
);

/// What [`LoadToken`] is made of.
#[derive(LogicBlock, Default)]
pub struct LoadTokenRegisters<const R: usize> {
    pub clock: Signal<In, Clock>,
    pub load: Signal<In, Bit>,
    pub stage_0: Signal<Out, Bits<R>>,
    pub stage_1: Signal<Out, Bits<R>>,
    pub stage_2: Signal<Out, Bits<R>>,
    now: Signal<Local, Bits<R>>,
    // Equal but for one bit each; synthesis keeps one flip-flop of a pair.
    ago_1: DFF<Bits<R>>,
    ago_2: DFF<Bits<R>>,
}

impl<const R: usize> Logic for LoadTokenRegisters<R> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, ago_1, ago_2);
        self.now.next = (self.ago_1.q.val() << 1) | bit_cast::<R, 1>(self.load.val().into());
        self.ago_1.d.next = self.now.val();
        self.ago_2.d.next = self.ago_1.q.val();
        self.stage_0.next = self.now.val();
        self.stage_1.next = self.ago_1.q.val();
        self.stage_2.next = self.ago_2.q.val();
    }
}
