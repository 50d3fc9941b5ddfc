//! A counter that a new value can be loaded into.
//!
//! ```text
//!  value ───────────────► load ─► q ─┬─►
//!            ┌─► ± 1 ───► step       │
//!            └───────────────────────┘
//! ```
//! Latency 1 cycle; `load` wins over `step`.
//!
//! On iCE40 a bit takes one logic cell, load included. The look-up table in front
//! of the carry chain has four inputs: the count, the carry, `value`, and the
//! adder's other operand. That operand is made to say `load` as well: what the
//! adder gives while loading is thrown away.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct LoadableCounter<const N: usize> {
    pub clock: Signal<In, Clock>,
    pub load: Signal<In, Bit>,
    pub value: Signal<In, Bits<N>>,
    pub step: Signal<In, Bit>,
    pub q: Signal<Out, Bits<N>>,
    count: DFF<Bits<N>>,
    operand: Signal<Local, Bits<N>>,
    sum: Signal<Local, Bits<N>>,
    /// What a step adds.
    stride: Constant<Bits<N>>,
    /// The same in bit 0, the opposite in all others.
    loading: Constant<Bits<N>>,
}

impl<const N: usize> LoadableCounter<N> {
    pub fn up() -> Self {
        Self::new(1)
    }

    pub fn down() -> Self {
        Self::new(u64::MAX)
    }

    fn new(stride: u64) -> Self {
        let mask = (1u64 << N) - 1;
        Self {
            clock: Default::default(),
            load: Default::default(),
            value: Default::default(),
            step: Default::default(),
            q: Default::default(),
            count: Default::default(),
            operand: Default::default(),
            sum: Default::default(),
            stride: Constant::new((stride & mask).into()),
            loading: Constant::new(((stride ^ !1) & mask).into()),
        }
    }
}

impl<const N: usize> Logic for LoadableCounter<N> {
    crate::unit!("A counter that a new value can be loaded into.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, count);
        self.q.next = self.count.q.val();
        self.operand.next = self.stride.val();
        if self.load.val() {
            self.operand.next = self.loading.val();
        }
        self.sum.next = self.count.q.val() + self.operand.val();
        if self.step.val() {
            self.count.d.next = self.sum.val();
        }
        if self.load.val() {
            self.count.d.next = self.value.val();
        }
    }
}
