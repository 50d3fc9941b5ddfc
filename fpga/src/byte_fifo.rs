//! A queue of bytes in one block RAM, between a sender that can't wait (a serial
//! line) and a reader that takes bytes when it has time (the core).
//!
//! ```text
//!                     ┌────────────────────┐
//!  data_in ─────────► │ 2^ADDRESS bytes    │ ──► data_out
//!  write ───────────► │                    │ ──► valid
//!  overflow ◄──────── │ one place stays    │ ◄── ready
//!                     │ free               │
//!                     └────────────────────┘
//! ```
//! A byte written in cycle t is on `data_out` with `valid` from cycle t+2 on. A byte
//! is taken in a cycle with `valid` and `ready`; the next one follows two cycles
//! later, which keeps the reader's `ready` out of the memory's address path.
//!
//! A byte written when all `2^ADDRESS - 1` places are taken is lost, and `overflow`
//! is high from the next cycle until `reset`.

use quern_hdl::{unit, Memory};
use rust_hdl::prelude::*;

#[derive(LogicBlock, Default)]
pub struct ByteFifo<const ADDRESS: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub data_in: Signal<In, Bits<8>>,
    pub write: Signal<In, Bit>,
    pub data_out: Signal<Out, Bits<8>>,
    pub valid: Signal<Out, Bit>,
    pub ready: Signal<In, Bit>,
    pub overflow: Signal<Out, Bit>,
    memory: Memory<1, 8, ADDRESS>,
    write_pointer: DFF<Bits<ADDRESS>>,
    read_pointer: DFF<Bits<ADDRESS>>,
    loaded: DFF<Bit>,
    lost: DFF<Bit>,
    next_write_pointer: Signal<Local, Bits<ADDRESS>>,
    accept: Signal<Local, Bit>,
}

impl<const ADDRESS: usize> Logic for ByteFifo<ADDRESS> {
    unit!("A queue of bytes in one block RAM.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, write_pointer, read_pointer, loaded, lost);
        self.memory.clock.next = self.clock.val();

        self.next_write_pointer.next = self.write_pointer.q.val() + 1;
        self.accept.next =
            self.write.val() & (self.next_write_pointer.val() != self.read_pointer.q.val());
        self.memory.write_address.next = self.write_pointer.q.val();
        self.memory.write_data[0].next = self.data_in.val();
        self.memory.write_enable.next = self.accept.val().into();
        if self.accept.val() {
            self.write_pointer.d.next = self.next_write_pointer.val();
        }
        self.lost.d.next = self.lost.q.val() | (self.write.val() & !self.accept.val());

        // While `loaded` is low the byte at the read pointer is on its way.
        self.memory.read_address.next = self.read_pointer.q.val();
        if self.loaded.q.val() {
            if self.ready.val() {
                self.read_pointer.d.next = self.read_pointer.q.val() + 1;
                self.loaded.d.next = false;
            }
        } else {
            self.loaded.d.next = self.write_pointer.q.val() != self.read_pointer.q.val();
        }
        self.data_out.next = self.memory.read_data[0].val();
        self.valid.next = self.loaded.q.val();
        self.overflow.next = self.lost.q.val();

        if self.reset.val() {
            self.write_pointer.d.next = 0.into();
            self.read_pointer.d.next = 0.into();
            self.loaded.d.next = false;
            self.lost.d.next = false;
        }
    }
}
