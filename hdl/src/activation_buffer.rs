//! The activation memory: a byte memory per lane, read with the skew the matrix unit
//! wants.
//!
//! ```text
//!  address ──► [ ] ──┬──► [ ] ──┬──► [ ] ──┬──► …        (broadcast: straight into all)
//!                    ▼          ▼          ▼
//!                 Memory 0   Memory 1   Memory 2  …
//!                    ▼          ▼          ▼
//!              read_data[0] read_data[1] read_data[2] …
//! ```
//! `address` in cycle t gives lane r of the word in cycle t+2+r; with `broadcast` set
//! in cycle t, all lanes in cycle t+2. One word per cycle. Setting `broadcast` drops
//! the skewed reads under way.
//!
//! `write_address`, `write_data` and `write_enable` (bit r writes lane r) in cycle t
//! write at the end of cycle t.
//!
//! Data are unsigned bytes in offset binary.

use crate::ActivationLane;
use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct ActivationBuffer<const R: usize, const A: usize> {
    pub clock: Signal<In, Clock>,
    pub address: Signal<In, Bits<A>>,
    pub broadcast: Signal<In, Bit>,
    pub read_data: [Signal<Out, Bits<8>>; R],
    pub write_address: Signal<In, Bits<A>>,
    pub write_enable: Signal<In, Bits<R>>,
    pub write_data: [Signal<In, Bits<8>>; R],
    lane: [ActivationLane<A>; R],
}

impl<const R: usize, const A: usize> ActivationBuffer<R, A> {
    /// What the simulated memory holds: lane `r` of word `w` at `w * R + r`.
    pub fn contents(&self) -> impl Iterator<Item = u8> + '_ {
        (0..1 << A).flat_map(|word| {
            self.lane
                .iter()
                .map(move |lane| lane.contents()[word] as u8)
        })
    }
}

impl<const R: usize, const A: usize> Default for ActivationBuffer<R, A> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            address: Default::default(),
            broadcast: Default::default(),
            read_data: std::array::from_fn(|_| Default::default()),
            write_address: Default::default(),
            write_enable: Default::default(),
            write_data: std::array::from_fn(|_| Default::default()),
            lane: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl<const R: usize, const A: usize> Logic for ActivationBuffer<R, A> {
    crate::unit!(
        "The activation memory: a byte memory per lane, read one cycle later lane by lane."
    );

    #[hdl_gen]
    fn update(&mut self) {
        self.lane[0].address.next = self.address.val();
        for i in 1..R {
            self.lane[i].address.next = self.lane[i - 1].next_address.val();
            if self.broadcast.val() {
                self.lane[i].address.next = self.address.val();
            }
        }
        for i in 0..R {
            self.lane[i].clock.next = self.clock.val();
            self.lane[i].write_address.next = self.write_address.val();
            self.lane[i].write_enable.next = self.write_enable.val().get_bit(i);
            self.lane[i].write_data.next = self.write_data[i].val();
            self.read_data[i].next = self.lane[i].read_data.val();
        }
    }
}
