//! The top module of the image: [`BoardCore`], and what only the board has.
//!
//! ```text
//!              ┌ alchitry_cu ────────────────────────────────┐
//!  board_clock ┤─► (PLL) ─clock, locked─► ┌ board_core ────┐ │
//!  reset_n ────┤────────────────────────► │ SerialLink,    │─┤─► tx, leds
//!  rx ─────────┤────────────────────────► │ Standalone,    │─┤─► flash_select_n,
//!  flash_data1 ┤────────────────────────► │ Core           │ │   flash_clock
//!              │                          └────▲───────────┘ │
//!              │                    (pad) ◄────┘ ────────────┤◄─► flash_data0
//!              └─────────────────────────────────────────────┘
//! ```
//! PLL and pad are vendor primitives, so they stay outside of [`BoardCore`]. Pins:
//! [`crate::pins`].

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

/// The port that both sides drive.
pub const SHARED: &str = "flash_data0";
/// A simulator has it as three: what comes in at [`SHARED`], what would go out, and when.
pub const SHARED_OUT: &str = "flash_data0_out";
pub const SHARED_DRIVE: &str = "flash_data0_drive";

/// Where the image meets the board.
enum Pad {
    /// The iCE40's cell.
    Vendor,
    /// Three ports for a simulator.
    Split,
}

/// The whole image as Verilog. `divisor`: clock cycles of a serial bit. Without a PLL
/// the core runs at the board's clock.
pub fn verilog(divisor: u16, pll: Option<Pll>) -> Result<String, ExportError> {
    with_pad(divisor, pll, Pad::Vendor)
}

fn with_pad(divisor: u16, pll: Option<Pll>, pad: Pad) -> Result<String, ExportError> {
    let clock_hz = pll.map_or(CLOCK_HZ, |pll| pll.output_hz());
    let board_core = board_core(&identity(clock_hz, divisor)?)?;
    let clock_source = match pll {
        Some(pll) => pll.to_string(),
        None => "  assign clock = board_clock;\n  assign locked = 1'b1;\n".into(),
    };
    let (shared_ports, pad) = match pad {
        Pad::Vendor => (
            format!("inout {SHARED}"),
            // The output enable decides, input and output have no registers.
            format!(
                "  SB_IO #(.PIN_TYPE(6'b101001), .PULLUP(1'b1)) pad(
    .PACKAGE_PIN({SHARED}),
    .OUTPUT_ENABLE(flash_drive),
    .D_OUT_0(flash_out),
    .D_IN_0(flash_in[0])
  );
"
            ),
        ),
        Pad::Split => (
            format!("input {SHARED},\n  output {SHARED_OUT},\n  output {SHARED_DRIVE}"),
            format!(
                "  assign {SHARED_OUT} = flash_out;
  assign {SHARED_DRIVE} = flash_drive;
  assign flash_in[0] = {SHARED};
"
            ),
        ),
    };
    Ok(format!(
        "\
// Quern on the Alchitry Cu.
module {MODULE}(
  input board_clock,
  input reset_n,
  input rx,
  output tx,
  output [7:0] leds,
  output flash_select_n,
  output flash_clock,
  {shared_ports},
  input flash_data1
);
  wire clock;
  wire locked;
{clock_source}
  wire flash_out;
  wire flash_drive;
  wire [1:0] flash_in;
  assign flash_in[1] = flash_data1;
{pad}
  {BOARD_CORE} board_core(
    .clock(clock),
    .reset_n(reset_n),
    .locked(locked),
    .rx(rx),
    .tx(tx),
    .leds(leds),
    .flash_select_n(flash_select_n),
    .flash_clock(flash_clock),
    .flash_out(flash_out),
    .flash_drive(flash_drive),
    .flash_in(flash_in)
  );
endmodule

{board_core}"
    ))
}

/// [`verilog`] for a simulator, which has no PLL: its clock is the core's. [`SHARED`] is
/// three ports.
pub fn simulated(divisor: u16, pll: Option<Pll>) -> Result<String, ExportError> {
    Ok(with_pad(divisor, pll, Pad::Split)? + PLL_MODEL)
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
