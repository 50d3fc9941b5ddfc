//! The top module of the image: the core with its serial link, and what only the
//! board has.
//!
//! ```text
//!              ┌ alchitry_cu ──────────────────────────────────┐
//!  clock ──────┤─► (PLL) ─clock, locked─► ┌ board_core ──────┐ │
//!  reset_n ────┤────────────────────────► │ SerialLink, Core │ │
//!  rx ─────────┤────────────────────────► │                  │ ├─► tx, leds
//!              │                          └──────────────────┘ │
//!              └───────────────────────────────────────────────┘
//! ```
//! The PLL is a vendor primitive, so it stays outside what is simulated.

use crate::Pll;
use quern_hdl::verilog::ExportError;

/// The module's name.
pub const MODULE: &str = "alchitry_cu";

/// The whole image as Verilog. `divisor`: clock cycles of a serial bit.
pub fn verilog(divisor: u32, pll: Option<Pll>) -> Result<String, ExportError> {
    let _ = (divisor, pll);
    Ok(String::new())
}
