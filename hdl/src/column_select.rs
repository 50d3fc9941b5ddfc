//! One column's accumulator out of a word of them.
//!
//! ```text
//!  value[0] ──► & select bit 0 ──┐
//!     …                          ├─► or ──► selected
//!  value[C-1] ► & select bit C-1 ┘
//! ```
//! Combinational. `select` is one-hot: two columns fit one look-up table per bit,
//! where a binary select would take one table per column.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct ColumnSelect<const C: usize, const W: usize> {
    pub value: [Signal<In, Bits<W>>; C],
    pub select: Signal<In, Bits<C>>,
    pub selected: Signal<Out, Bits<W>>,
    gated: [Signal<Local, Bits<W>>; C],
}

impl<const C: usize, const W: usize> Default for ColumnSelect<C, W> {
    fn default() -> Self {
        Self {
            value: std::array::from_fn(|_| Default::default()),
            select: Default::default(),
            selected: Default::default(),
            gated: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl<const C: usize, const W: usize> Logic for ColumnSelect<C, W> {
    crate::unit!("One column's accumulator out of a word of them.");

    #[hdl_gen]
    fn update(&mut self) {
        self.selected.next = 0.into();
        for i in 0..C {
            self.gated[i].next = 0.into();
            if self.select.val().get_bit(i) {
                self.gated[i].next = self.value[i].val();
            }
            self.selected.next = self.selected.val() | self.gated[i].val();
        }
    }
}
