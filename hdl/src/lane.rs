//! One multiplier with its weight: `x + activation * weight`, three stages deep.
//!
//! ```text
//!                 load_0, weight_0   load_1, weight_1   load_2, weight_2
//!                        ▼                  ▼                  ▼
//!                      [w0]               [w1]               [w2]     weight registers
//!                        ▼                  ▼                  ▼
//!  x ───────────────► stage ──► [ ] ────► stage ──► [ ] ────► stage ──► [ ] ──► high
//!                     3 rows     └─► low_0 3 rows    └─► low_1 2 rows    └────► low_2
//!                        ▲                  ▲                  ▲
//!                   activation_0       activation_1       activation_2
//! ```
//! One product per cycle, latency 3: `x` and the activation in cycle t (the same
//! activation again on `activation_1` in t+1 and on `activation_2` in t+2: the matrix
//! unit delays it for all columns at once) give `low_0` in cycle t+1, `low_1` in t+2,
//! `low_2` and `high` in t+3, and
//! `x + activation * weight = 256*high + 64*low_2 + 8*low_1 + low_0`.
//!
//! The low bits are out before the high ones, and that is what makes lanes cheap:
//! as the starting value `x` of later lanes they need no adder and no register.
//!
//! The weight's bits of stage s and their `load` come s cycles after those of stage
//! 0, and take effect in the next cycle, so a new weight meets exactly the products
//! that begin after it was loaded.
//!
//! `x`, `activation`: unsigned; weight, `high`: two's complement; `low`: bits of the
//! product.

use crate::{MultiplierStage2Signed, MultiplierStage3};
use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct Lane {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<8>>,
    pub activation_0: Signal<In, Bits<8>>,
    pub activation_1: Signal<In, Bits<8>>,
    pub activation_2: Signal<In, Bits<8>>,
    pub weight_0: Signal<In, Bits<3>>,
    pub weight_1: Signal<In, Bits<3>>,
    pub weight_2: Signal<In, Bits<2>>,
    pub load_0: Signal<In, Bit>,
    pub load_1: Signal<In, Bit>,
    pub load_2: Signal<In, Bit>,
    pub high: Signal<Out, Bits<8>>,
    pub low_0: Signal<Out, Bits<3>>,
    pub low_1: Signal<Out, Bits<3>>,
    pub low_2: Signal<Out, Bits<2>>,
    held_weight_0: DFF<Bits<3>>,
    held_weight_1: DFF<Bits<3>>,
    held_weight_2: DFF<Bits<2>>,
    stage_0: MultiplierStage3,
    stage_1: MultiplierStage3,
    stage_2: MultiplierStage2Signed,
    // A stage's `y` above its `low`.
    product_0: DFF<Bits<11>>,
    product_1: DFF<Bits<11>>,
    product_2: DFF<Bits<10>>,
}

impl Logic for Lane {
    crate::unit!("One multiplier with its weight: `256*high + 64*low_2 + 8*low_1 + low_0 = x + activation * weight`.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            held_weight_0,
            held_weight_1,
            held_weight_2,
            product_0,
            product_1,
            product_2
        );

        if self.load_0.val() {
            self.held_weight_0.d.next = self.weight_0.val();
        }
        if self.load_1.val() {
            self.held_weight_1.d.next = self.weight_1.val();
        }
        if self.load_2.val() {
            self.held_weight_2.d.next = self.weight_2.val();
        }

        self.stage_0.x.next = self.x.val();
        self.stage_0.a.next = self.activation_0.val();
        self.stage_0.w.next = self.held_weight_0.q.val();
        self.product_0.d.next = (bit_cast::<11, 9>(self.stage_0.y.val()) << 2)
            | bit_cast::<11, 2>(self.stage_0.low.val());

        self.stage_1.x.next = self.product_0.q.val().get_bits::<8>(3);
        self.stage_1.a.next = self.activation_1.val();
        self.stage_1.w.next = self.held_weight_1.q.val();
        self.product_1.d.next = (bit_cast::<11, 9>(self.stage_1.y.val()) << 2)
            | bit_cast::<11, 2>(self.stage_1.low.val());

        self.stage_2.x.next = self.product_1.q.val().get_bits::<8>(3);
        self.stage_2.a.next = self.activation_2.val();
        self.stage_2.w.next = self.held_weight_2.q.val();
        self.product_2.d.next = (bit_cast::<10, 9>(self.stage_2.y.val()) << 1)
            | bit_cast::<10, 1>(self.stage_2.low.val());

        self.low_0.next = self.product_0.q.val().get_bits::<3>(0);
        self.low_1.next = self.product_1.q.val().get_bits::<3>(0);
        self.low_2.next = self.product_2.q.val().get_bits::<2>(0);
        self.high.next = self.product_2.q.val().get_bits::<8>(2);
    }
}
