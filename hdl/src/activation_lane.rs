//! The byte memory of one lane, with its address register.
//!
//! ```text
//!  address ──► [ ] ──┬──► next_address
//!                    ▼
//!                 Memory ──► read_data
//! ```
//! `address` in cycle t gives `next_address` in cycle t+1 and `read_data` in cycle
//! t+2. One byte per cycle. A write in cycle t is done at its end.

use crate::Memory;
use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct ActivationLane<const A: usize> {
    pub clock: Signal<In, Clock>,
    pub address: Signal<In, Bits<A>>,
    pub next_address: Signal<Out, Bits<A>>,
    pub read_data: Signal<Out, Bits<8>>,
    pub write_address: Signal<In, Bits<A>>,
    pub write_enable: Signal<In, Bit>,
    pub write_data: Signal<In, Bits<8>>,
    memory: Memory<1, 8, A>,
    held_address: DFF<Bits<A>>,
}

impl<const A: usize> ActivationLane<A> {
    /// What the simulated memory holds.
    pub fn contents(&self) -> &[u32] {
        self.memory.contents()
    }
}

impl<const A: usize> Logic for ActivationLane<A> {
    crate::unit!("The byte memory of one lane, with its address register.");

    #[hdl_gen]
    fn update(&mut self) {
        self.memory.clock.next = self.clock.val();
        self.held_address.clock.next = self.clock.val();
        self.held_address.d.next = self.address.val();
        self.next_address.next = self.held_address.q.val();
        self.memory.read_address.next = self.held_address.q.val();
        self.read_data.next = self.memory.read_data[0].val();
        self.memory.write_address.next = self.write_address.val();
        self.memory.write_enable.next = self.write_enable.val().into();
        self.memory.write_data[0].next = self.write_data.val();
    }
}
