//! A board that is simulated here: its top module as it is written, or what the bits of a
//! packed image do.

use crate::arguments::Origin;
use crate::commands::fpga;
use crate::files;
use crate::progress::Spinner;
use miette::{IntoDiagnostic, Result};
use quern_fpga::cache::Cache;
use quern_fpga::flow::{self, BuildOptions};
use quern_fpga::pins::CLOCK_HZ;
use quern_fpga::{decode, image, top, Board};
use quern_isa::CU;
use quern_testbench::verilator::pins::Pins;
use std::fs;
use std::path::Path;

/// Clock cycles of a serial bit where a choice exists: few, so that the simulation talks
/// fast.
pub const FAST_DIVISOR: u16 = 8;

/// The pins of a simulated board, and the clock it believes to have.
pub struct Simulated {
    pub pins: Pins,
    pub clock_hz: u64,
    pub divisor: u16,
}

/// Compiles the board's model, if that has not been done before.
pub fn pins(origin: &Origin) -> Result<Simulated> {
    match origin {
        Origin::Rtl { divisor } => {
            let verilog = top::simulated(*divisor, None).into_diagnostic()?;
            model("board", &verilog, CLOCK_HZ, *divisor)
        }
        Origin::Bitstream { image, board, baud } => {
            let packed = packed(image.as_deref(), *board, *baud)?;
            let decoded = {
                let _spinner = Spinner::new("decoding the image (once for each image)");
                decode::decode(&packed, *board, &Cache::of_user()).into_diagnostic()?
            };
            let divisor = flow::divisor(decoded.clock_hz, *baud).into_diagnostic()?;
            model("bitstream", &decoded.verilog, decoded.clock_hz, divisor)
        }
    }
}

fn model(name: &str, verilog: &str, clock_hz: u64, divisor: u16) -> Result<Simulated> {
    let _spinner = Spinner::new("building the board's model (once for each design)");
    Ok(Simulated {
        pins: Pins::new(name, verilog, top::MODULE, divisor.into()).into_diagnostic()?,
        clock_hz,
        divisor,
    })
}

/// A packed image: the named one, or that of today's design, from the cache if it is there.
fn packed(file: Option<&Path>, board: Board, baud: u32) -> Result<Vec<u8>> {
    if let Some(file) = file {
        return files::read(file);
    }
    let folder = tempfile::tempdir().into_diagnostic()?;
    let mut options = BuildOptions::new(folder.path().join("image"));
    options.board = board;
    options.baud = baud;
    let spinner = Spinner::new("starting");
    flow::build(&CU, &options, &mut |step| {
        spinner.message(fpga::describe(step));
    })
    .into_diagnostic()?;
    fs::read(options.out_dir.join(image::BITSTREAM)).into_diagnostic()
}
