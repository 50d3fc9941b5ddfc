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
//! One ring serves everything that goes byte by byte: the bytes of an instruction,
//! the bytes of a loaded word, the lanes or columns of a stored word. Only one of
//! them runs at a time, and one-hot it needs no decoder.
//!
//! `place`: one-hot, bit j for byte (lane, column) j; bit 0 after `reset` and after
//! `last`.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct BeatRing {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub advance: Signal<In, Bit>,
    /// With `advance`: the word ends, the next one begins.
    pub last: Signal<In, Bit>,
    pub place: Signal<Out, Bits<16>>,
    ring: DFF<Bits<16>>,
    origin: Constant<Bits<16>>,
}

impl Default for BeatRing {
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

impl Logic for BeatRing {
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
