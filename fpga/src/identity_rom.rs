//! Who the board is: [`quern_isa::link::Identity`] as its 16 bytes.
//!
//! Combinational, a look-up table a bit.

use quern_hdl::unit;
use quern_isa::link::IDENTITY_BYTES;
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// A leaf: RustHDL has no `match` on `Bits`.
#[derive(LogicBlock)]
pub struct IdentityRom {
    pub address: Signal<In, Bits<4>>,
    pub data: Signal<Out, Bits<8>>,
    _contents: [u8; IDENTITY_BYTES],
}

impl IdentityRom {
    pub fn new(contents: [u8; IDENTITY_BYTES]) -> Self {
        Self {
            address: Default::default(),
            data: Default::default(),
            _contents: contents,
        }
    }
}

impl Logic for IdentityRom {
    unit!("Who the board is.");

    fn update(&mut self) {
        let byte = self._contents[self.address.val().index()];
        self.data.next = u64::from(byte).to_bits();
    }

    fn connect(&mut self) {
        self.data.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut cases = String::new();
        for (address, byte) in self._contents.iter().enumerate() {
            let _ = writeln!(cases, "      4'd{address}: data = 8'h{byte:02x};");
        }
        Verilog::Custom(format!(
            "\
always @(*) begin
   case (address)
{cases}   endcase
end
"
        ))
    }
}
