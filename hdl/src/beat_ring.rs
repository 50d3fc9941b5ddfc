//! Which bytes of the current word travel in the current beat, one bit each.
//!
//! ```text
//!           ┌──────────────────────────┐
//!  advance ►│ 0…01 ─► 0…010 ─► … ─┐    │
//!     last ►│  ▲                  │    ├─► place
//!           │  └──── last ────────┘    │
//!           └──────────────────────────┘
//! ```
//! Latency 1 cycle: `place` moves in the cycle after `advance`.
//!
//! One-hot it needs no decoder. One ring serves the input stream, where the bytes of an
//! instruction and those of a loaded word come one after the other, another one the
//! output.
//!
//! `place`: one-hot of `N` bits, bit j for byte (lane, column) j; bit 0 after `reset` and
//! after `last`.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct BeatRing<const N: usize> {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub advance: Signal<In, Bit>,
    /// With `advance`: the word ends, the next one begins.
    pub last: Signal<In, Bit>,
    pub place: Signal<Out, Bits<N>>,
    ring: DFF<Bits<N>>,
    origin: Constant<Bits<N>>,
}

impl<const N: usize> Default for BeatRing<N> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            advance: Default::default(),
            last: Default::default(),
            place: Default::default(),
            ring: Default::default(),
            origin: Constant::new(1.into()),
        }
    }
}

impl<const N: usize> Logic for BeatRing<N> {
    crate::unit!("Which bytes of the current word travel in the current beat.");

    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, ring);
        self.place.next = self.ring.q.val();
        if self.advance.val() {
            self.ring.d.next = self.ring.q.val() << 1;
            if self.last.val() {
                self.ring.d.next = self.origin.val();
            }
        }
        if self.reset.val() {
            self.ring.d.next = self.origin.val();
        }
    }
}
