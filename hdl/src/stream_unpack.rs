//! Wiring: a beat of the input stream as the bytes of an instruction or a word.
//!
//! ```text
//!  beat ──┬─► place[0]   beat byte 0
//!         ├─► place[1]   beat byte 1 mod S
//!         └─► …
//! ```
//! Combinational. Byte j of whatever comes travels at place j mod S of its beat, so
//! with S = 1 every place carries the one byte there is.

use rust_hdl::prelude::*;

/// A leaf, because RustHDL can't index by `j % S`.
#[derive(LogicBlock)]
pub struct StreamUnpack<const S: usize, const S_BITS: usize> {
    pub beat: Signal<In, Bits<S_BITS>>,
    pub place: [Signal<Out, Bits<8>>; 16],
}

impl<const S: usize, const S_BITS: usize> Default for StreamUnpack<S, S_BITS> {
    fn default() -> Self {
        const { assert!(S_BITS == 8 * S && S <= 16) }
        Self {
            beat: Default::default(),
            place: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl<const S: usize, const S_BITS: usize> Logic for StreamUnpack<S, S_BITS> {
    crate::unit!("Wiring: a beat of the input stream as the bytes of a word.");

    fn update(&mut self) {
        let beat = self.beat.val().to_u128();
        for (j, place) in self.place.iter_mut().enumerate() {
            place.next = ((beat >> (8 * (j % S))) as u8 as LiteralType).into();
        }
    }

    fn connect(&mut self) {
        self.place.iter_mut().for_each(Logic::connect);
    }

    fn hdl(&self) -> Verilog {
        let wires: String = (0..16)
            .map(|j| {
                let bit = 8 * (j % S);
                format!("   place${j} = beat[{}:{bit}];\n", bit + 7)
            })
            .collect();
        Verilog::Custom(format!("always @(*) begin\n{wires}end\n"))
    }
}
