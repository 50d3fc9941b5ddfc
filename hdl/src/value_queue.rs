//! Values on their way to the requantiser, in the order of their outputs.
//!
//! ```text
//!  push ──► head ──► write ┌────────┐ read
//!  value[V] ──────────────►│ Memory ├──────► front[V]
//!                          └────────┘ ▲
//!  pop ─────────────► tail ───────────┘
//!        head, tail ──► differ ─► [ ] ─► [ ] ─► ready
//! ```
//! A value pushed in cycle t stands at `front` from cycle t+2 on, if it is the oldest.
//! `ready` comes a cycle later, when whoever needs a cycle more than `front` has had
//! it: a pop, allowed while `ready` is up, makes the next `ready` come 3 cycles after
//! it at the earliest.
//!
//! Who pushes sees to it that there are never more than 31 values.

use crate::Memory;
use rust_hdl::prelude::*;

/// Address bits of the queue.
const ADDRESS: usize = 5;

/// `V` values of `W` bits beside each other.
#[derive(LogicBlock)]
pub struct ValueQueue<const V: usize, const W: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub push: Signal<In, Bit>,
    pub value: [Signal<In, Bits<W>>; V],
    pub pop: Signal<In, Bit>,
    pub front: [Signal<Out, Bits<W>>; V],
    pub ready: Signal<Out, Bit>,
    memory: Memory<V, W, ADDRESS>,
    head: DFF<Bits<ADDRESS>>,
    tail: DFF<Bits<ADDRESS>>,
    read: DFF<Bit>,
    stands: DFF<Bit>,
    all: Constant<Bits<V>>,
    none: Constant<Bits<V>>,
}

impl<const V: usize, const W: usize> Default for ValueQueue<V, W> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            value: std::array::from_fn(|_| Default::default()),
            pop: Default::default(),
            front: std::array::from_fn(|_| Default::default()),
            ready: Default::default(),
            memory: Default::default(),
            head: Default::default(),
            tail: Default::default(),
            read: Default::default(),
            stands: Default::default(),
            all: Constant::new(bits((1 << V) - 1)),
            none: Constant::new(bits(0)),
        }
    }
}

impl<const V: usize, const W: usize> Logic for ValueQueue<V, W> {
    crate::unit!("Values on their way to the requantiser.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, head, tail, read, stands);
        self.memory.clock.next = self.clock.val();
        self.memory.write_address.next = self.head.q.val();
        self.memory.write_enable.next = self.none.val();
        self.memory.read_address.next = self.tail.q.val();
        for i in 0..V {
            self.memory.write_data[i].next = self.value[i].val();
            self.front[i].next = self.memory.read_data[i].val();
        }
        if self.push.val() {
            self.memory.write_enable.next = self.all.val();
            self.head.d.next = self.head.q.val() + 1;
        }
        self.read.d.next = self.head.q.val() != self.tail.q.val();
        self.stands.d.next = self.read.q.val();
        if self.pop.val() {
            self.tail.d.next = self.tail.q.val() + 1;
            self.read.d.next = false;
            self.stands.d.next = false;
        }
        self.ready.next = self.stands.q.val();
        if self.reset.val() {
            self.head.d.next = 0.into();
            self.tail.d.next = 0.into();
            self.read.d.next = false;
            self.stands.d.next = false;
        }
    }
}
