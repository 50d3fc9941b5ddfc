//! The top module of the image: the core with its serial link, and what only the
//! board has.
//!
//! ```text
//!              ┌ alchitry_cu ──────────────────────────────┐
//!  clock ──────┤─► (PLL) ─clock, locked─► ┌ board_core ──┐ │
//!  reset_n ────┤────────────────────────► │ SerialLink,  │ │
//!  rx ─────────┤────────────────────────► │ Core         │─┤─► tx, leds
//!              │                          └──────────────┘ │
//!              └───────────────────────────────────────────┘
//! ```
//! The PLL is a vendor primitive, so it stays outside of what is simulated
//! ([`BoardCore`]). Pins: [`crate::pins`].

use crate::pins::CLOCK_HZ;
use crate::serial_link::TIMER_BITS;
use crate::{BoardCore, Pll};
use quern_hdl::verilog::{self, ExportError};
use quern_isa::link::Identity;
use quern_isa::CU;
use rust_hdl::prelude::*;

/// The module's name.
pub const MODULE: &str = "alchitry_cu";

/// A PLL that passes its reference on.
pub const PLL_MODEL: &str = include_str!("pll_model.v");

const BOARD_CORE: &str = "board_core";

/// The whole image as Verilog. `divisor`: clock cycles of a serial bit. Without a PLL
/// the core runs at the board's clock.
pub fn verilog(divisor: u16, pll: Option<Pll>) -> Result<String, ExportError> {
    let clock_hz = pll.map_or(CLOCK_HZ, |pll| pll.output_hz());
    let board_core = board_core(&identity(clock_hz, divisor)?)?;
    let clock_source = match pll {
        Some(pll) => pll.to_string(),
        None => "  assign clock = board_clock;\n  assign locked = 1'b1;\n".into(),
    };
    Ok(format!(
        "\
// Quern on the Alchitry Cu.
module {MODULE}(
  input board_clock,
  input reset_n,
  input rx,
  output tx,
  output [7:0] leds
);
  wire clock;
  wire locked;
{clock_source}
  {BOARD_CORE} board_core(
    .clock(clock),
    .reset_n(reset_n),
    .locked(locked),
    .rx(rx),
    .tx(tx),
    .leds(leds)
  );
endmodule

{board_core}"
    ))
}

/// [`verilog`] for a simulator, which has no PLL: its clock is the core's.
pub fn simulated(divisor: u16, pll: Option<Pll>) -> Result<String, ExportError> {
    Ok(verilog(divisor, pll)? + PLL_MODEL)
}

/// What an image of today's design answers to a host that asks who it is.
pub fn identity(clock_hz: u64, divisor: u16) -> Result<Identity, ExportError> {
    Ok(Identity::new(&CU, design()?, clock_hz as u32, divisor))
}

/// The design in the image, without what an image has of its own: its identity, clock
/// and baud rate.
pub fn design() -> Result<u32, ExportError> {
    let anonymous = Identity {
        divisor: 1 << TIMER_BITS,
        ..Identity::default()
    };
    let text = board_core(&anonymous)?;
    Ok(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(text.as_bytes()))
}

fn board_core(identity: &Identity) -> Result<String, ExportError> {
    let mut board_core = BoardCore::new(identity);
    board_core.connect_all();
    Ok(verilog::export(&board_core, BOARD_CORE)?.text)
}
