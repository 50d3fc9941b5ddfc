//! Wiring: the bytes of an output beat as one port.
//!
//! ```text
//!  place[S] ──► beat, place 0 in the low byte
//! ```
//! Combinational.

use rust_hdl::prelude::*;

/// A leaf, because RustHDL can't build a `Bits` wider than its parts by index.
#[derive(LogicBlock)]
pub struct StreamPack<const S: usize, const S_BITS: usize> {
    pub place: [Signal<In, Bits<8>>; S],
    pub beat: Signal<Out, Bits<S_BITS>>,
}

impl<const S: usize, const S_BITS: usize> Default for StreamPack<S, S_BITS> {
    fn default() -> Self {
        const { assert!(S_BITS == 8 * S && S <= 16) }
        Self {
            place: std::array::from_fn(|_| Default::default()),
            beat: Default::default(),
        }
    }
}

impl<const S: usize, const S_BITS: usize> Logic for StreamPack<S, S_BITS> {
    crate::unit!("Wiring: the bytes of an output beat as one port.");

    fn update(&mut self) {
        let beat = self
            .place
            .iter()
            .rev()
            .fold(0u128, |beat, place| beat << 8 | place.val().to_u8() as u128);
        self.beat.next = beat.to_bits();
    }

    fn connect(&mut self) {
        self.beat.connect();
    }

    fn hdl(&self) -> Verilog {
        let places: Vec<String> = (0..S).rev().map(|j| format!("place${j}")).collect();
        Verilog::Custom(format!(
            "always @(*) begin\n   beat = {{{}}};\nend\n",
            places.join(", ")
        ))
    }
}
