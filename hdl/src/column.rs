//! One output column: the dot product of R activations with R stationary weights.
//!
//! ```text
//!             activation[0]     activation[1]     activation[2]       activation[R-1]
//!                  ▼                 ▼                 ▼                    ▼
//!  0 ─────x───► lane 0 ──low──x─► lane 1 ──low──x─► lane 2 ──low──x─ … ► lane R-1
//!                  │ high            │ high            │ high              │ high  │ low
//!                  ▼                 ▼                 ▼                   ▼       ▼
//!              ┌────────────────────────── ColumnSum ──────────────────────────────────┐
//!              └───────────────────────────────────────────────────────────────► sum ──┘
//! ```
//! The lane chain: each lane works one cycle later than the one before, so the low
//! product bits of the lanes before it are out when it begins, and become its
//! starting value. Bits 2:0 come from the lane before (its first stage ended a cycle
//! ago), bits 5:3 from the lane two before, bits 7:6 from the lane three before. No
//! flip-flop waits for low bits, and only high bytes remain to be added.
//!
//! One dot product per cycle, latency R+3 (lane 0 in cycle t, `sum` in
//! cycle t+R+3). The activation of lane r comes in cycle t+r in byte r of
//! `activation_0`, and again one and two cycles later in byte r of `activation_1` and
//! `activation_2`. Where bit r of `load_0` is set, `weight` is the weight of lane r;
//! bit r of `load_1` follows one cycle later, of `load_2` two, and each stage then
//! takes its bits of that weight (see [`Lane`](crate::Lane)).
//!
//! `activation`: unsigned; `weight`, `sum`: two's complement.
//!
//! Simulated as native arithmetic, built as a [`LaneChain`] (see [`crate::native`]).

use crate::column_sum::SumRegisters;
use crate::native::native_block;
use crate::{Bytes, LaneChain};
use rust_hdl::prelude::*;

pub struct Column<const R: usize, const H: usize> {
    pub clock: Signal<In, Clock>,
    pub activation_0: Signal<In, Bytes<R>>,
    pub activation_1: Signal<In, Bytes<R>>,
    pub activation_2: Signal<In, Bytes<R>>,
    pub weight: Signal<In, Bits<8>>,
    pub load_0: Signal<In, Bits<R>>,
    pub load_1: Signal<In, Bits<R>>,
    pub load_2: Signal<In, Bits<R>>,
    pub sum: Signal<Out, Bits<H>>,
    registers: Registers<R>,
    parts: Box<LaneChain<R, H>>,
}

/// The flip-flops of all lanes, named as in `Lane`, and those around them.
struct Registers<const R: usize> {
    /// `weight` one and two cycles ago.
    weight_1: i32,
    weight_2: i32,
    held_weight_0: [i32; R],
    held_weight_1: [i32; R],
    held_weight_2: [i32; R],
    product_0: [i32; R],
    product_1: [i32; R],
    product_2: [i32; R],
    sum: SumRegisters<R>,
}

impl<const R: usize, const H: usize> Logic for Column<R, H> {
    crate::unit!("One output column: the dot product of R activations with R stationary weights.");

    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let sum = self.registers.advance(
            self.activation_0.val(),
            self.activation_1.val(),
            self.activation_2.val(),
        );
        self.sum.next = bits(sum as LiteralType & ((1 << H) - 1));

        let registers = &mut self.registers;
        let weight_2 = registers.weight_2 >> 6;
        load(
            &mut registers.held_weight_2,
            self.load_2.val(),
            (weight_2 & 1) - (weight_2 & 2),
        );
        load(
            &mut registers.held_weight_1,
            self.load_1.val(),
            registers.weight_1 >> 3 & 7,
        );
        let weight = self.weight.val().to_u32() as i32;
        load(&mut registers.held_weight_0, self.load_0.val(), weight & 7);
        registers.weight_2 = registers.weight_1;
        registers.weight_1 = weight;
    }

    fn connect(&mut self) {
        self.sum.connect();
    }

    fn hdl(&self) -> Verilog {
        self.parts.hdl()
    }
}

native_block!(
    [const R: usize, const H: usize] Column<R, H>,
    ports: [
        clock, activation_0, activation_1, activation_2, weight, load_0, load_1, load_2, sum
    ],
    parts: parts
);

impl<const R: usize> Registers<R> {
    /// One clock edge with the weights held so far. Returns the new sum.
    fn advance(&mut self, a_0: Bytes<R>, a_1: Bytes<R>, a_2: Bytes<R>) -> i32 {
        // A product register holds `y` above the low bits: what the next stage
        // starts from, above 3 bits of the product (2 after the last stage).
        let low_0 = |lane: usize| self.product_0[lane] & 7;
        let low_1 = |lane: usize| self.product_1[lane] & 7;
        let low_2 = |lane: usize| self.product_2[lane] & 3;
        let mut x = [0; R];
        for (lane, x) in x.iter_mut().enumerate() {
            if lane >= 1 {
                *x += low_0(lane - 1);
            }
            if lane >= 2 {
                *x += low_1(lane - 2) << 3;
            }
            if lane >= 3 {
                *x += low_2(lane - 3) << 6;
            }
        }
        let sum = self.sum.advance(
            self.product_2.map(|product| product >> 2),
            low_0(R - 1) + (low_1(R - 2) << 3) + (low_2(R - 3) << 6),
            low_1(R - 1) + (low_2(R - 2) << 3),
            low_2(R - 1),
        );

        for (lane, x) in x.into_iter().enumerate() {
            self.product_2[lane] =
                (self.product_1[lane] >> 3) + a_2.0[lane] as i32 * self.held_weight_2[lane];
            self.product_1[lane] =
                (self.product_0[lane] >> 3) + a_1.0[lane] as i32 * self.held_weight_1[lane];
            self.product_0[lane] = x + a_0.0[lane] as i32 * self.held_weight_0[lane];
        }
        sum
    }
}

/// Lane r takes the weight when bit r of `select` is set.
fn load<const R: usize>(weights: &mut [i32; R], select: Bits<R>, weight: i32) {
    let select = select.to_u32();
    if select != 0 {
        for (lane, held) in weights.iter_mut().enumerate() {
            if select >> lane & 1 != 0 {
                *held = weight;
            }
        }
    }
}

impl<const R: usize, const H: usize> Default for Column<R, H> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            activation_0: Default::default(),
            activation_1: Default::default(),
            activation_2: Default::default(),
            weight: Default::default(),
            load_0: Default::default(),
            load_1: Default::default(),
            load_2: Default::default(),
            sum: Default::default(),
            registers: Registers {
                weight_1: 0,
                weight_2: 0,
                held_weight_0: [0; R],
                held_weight_1: [0; R],
                held_weight_2: [0; R],
                product_0: [0; R],
                product_1: [0; R],
                product_2: [0; R],
                sum: SumRegisters::default(),
            },
            parts: Default::default(),
        }
    }
}
