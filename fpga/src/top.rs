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

use crate::{BoardCore, Pll};
use quern_hdl::verilog::{self, ExportError};
use rust_hdl::prelude::*;

/// The module's name.
pub const MODULE: &str = "alchitry_cu";

const BOARD_CORE: &str = "board_core";

/// The whole image as Verilog. `divisor`: clock cycles of a serial bit. Without a PLL
/// the core runs at the board's clock.
pub fn verilog(divisor: u32, pll: Option<Pll>) -> Result<String, ExportError> {
    let mut board_core = BoardCore::new(divisor);
    board_core.connect_all();
    let board_core = verilog::export(&board_core, BOARD_CORE)?.text;
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
