//! A counter that a new value can be loaded into.
//!
//! ```text
//!  value ───────────────► load ─► q ─┬─►
//!            ┌─► ± 1 ───► step       │
//!            └───────────────────────┘
//! ```
//! Latency 1 cycle; `load` wins over `step`.
//!
//! On iCE40 a bit takes one logic cell, load and pause included, and a cell more makes
//! the carry that steps. The look-up table in front of the carry chain has four inputs:
//! the count, the carry, `value`, and the adder's other operand. That operand is the
//! same in all bits and says `load` as well: what the adder gives while loading is
//! thrown away. No bit needs a clock enable, which a tile of eight cells has only one
//! of.

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
    carry: Signal<Local, Bits<N>>,
    sum: Signal<Local, Bits<N>>,
    down: Constant<Bit>,
    /// What is added when nothing is loaded, and the opposite.
    stride: Constant<Bits<N>>,
    loading: Constant<Bits<N>>,
}

impl<const N: usize> LoadableCounter<N> {
    pub fn up() -> Self {
        Self::new(false)
    }

    pub fn down() -> Self {
        Self::new(true)
    }

    fn new(down: bool) -> Self {
        let ones = (1u64 << N) - 1;
        // Up: 0, and 1 to step. Down: -1, and 1 not to.
        let stride = if down { ones } else { 0 };
        Self {
            clock: Default::default(),
            load: Default::default(),
            value: Default::default(),
            step: Default::default(),
            q: Default::default(),
            count: Default::default(),
            operand: Default::default(),
            carry: Default::default(),
            sum: Default::default(),
            down: Constant::new(down),
            stride: Constant::new(stride.into()),
            loading: Constant::new((stride ^ ones).into()),
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
        self.carry.next = bit_cast::<N, 1>((self.step.val() ^ self.down.val()).into());
        self.sum.next = self.count.q.val() + self.operand.val() + self.carry.val();
        self.count.d.next = self.sum.val();
        if self.load.val() {
            self.count.d.next = self.value.val();
        }
    }
}
