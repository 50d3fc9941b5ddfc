//! Holds a word of accumulators that has been read, while its columns are used one after
//! the other.
//!
//! ```text
//!  read[C] ──► capture ──► [ ][ ] … [ ] ──► value[C]
//!                           ◄─── shift ──
//! ```
//! Latency 1 cycle. `capture` wins over `shift`, which moves `value[i + 1]` to
//! `value[i]`: on iCE40 one logic cell a bit, less than a multiplexer behind a register
//! takes, and the memory is free for others meanwhile.
//!
//! `read`, `value`: `W` bits of any format.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct AccumulatorWord<const C: usize, const W: usize> {
    pub clock: Signal<In, Clock>,
    pub read: [Signal<In, Bits<W>>; C],
    pub capture: Signal<In, Bit>,
    pub shift: Signal<In, Bit>,
    pub value: [Signal<Out, Bits<W>>; C],
    column: [DFF<Bits<W>>; C],
}

impl<const C: usize, const W: usize> Default for AccumulatorWord<C, W> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            read: std::array::from_fn(|_| Default::default()),
            capture: Default::default(),
            shift: Default::default(),
            value: std::array::from_fn(|_| Default::default()),
            column: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl<const C: usize, const W: usize> Logic for AccumulatorWord<C, W> {
    crate::unit!("Holds a word of accumulators, while its columns are used one by one.");

    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..C {
            self.column[i].clock.next = self.clock.val();
            self.column[i].d.next = self.column[i].q.val();
            self.value[i].next = self.column[i].q.val();
        }
        for i in 1..C {
            if self.shift.val() {
                self.column[i - 1].d.next = self.column[i].q.val();
            }
        }
        for i in 0..C {
            if self.capture.val() {
                self.column[i].d.next = self.read[i].val();
            }
        }
    }
}
