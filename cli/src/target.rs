//! From a target's name to a machine.

use crate::arguments::Target;
use crate::progress::Progress;
use miette::{miette, IntoDiagnostic, Result};
use quern_board::{port, Board, Expected, Link, LinkError, SerialTransport};
use quern_isa::{Config, Inspect, Machine, Reference};
use quern_testbench::rtl::Rtl;
use quern_testbench::verilator::Verilator;
use std::path::Path;

/// Builds the machine, or opens a session with it.
pub fn machine(
    target: &Target,
    config: Config,
    vcd: Option<&Path>,
    baud: u32,
) -> Result<Box<dyn Machine>> {
    let Target::Board(port) = target else {
        return Ok(Box::new(simulator(target, config, vcd)?));
    };
    let expected = Expected {
        config,
        design: Some(quern_fpga::top::design().into_diagnostic()?),
    };
    let link = open(port.as_deref(), baud).into_diagnostic()?;
    let mut board = Board::new(link, &expected).into_diagnostic()?;
    let mut bar = None;
    board.progress = Some(Box::new(move |sent, total| {
        bar.get_or_insert_with(|| Progress::new("bytes to the board", total))
            .set(sent);
        if sent == total {
            bar = None;
        }
    }));
    Ok(Box::new(board))
}

/// A machine that is simulated here; the first use of Verilator compiles the exported
/// Verilog.
pub fn simulator(target: &Target, config: Config, vcd: Option<&Path>) -> Result<Box<dyn Inspect>> {
    Ok(match target {
        Target::Reference => Box::new(Reference::new(config)),
        Target::Rtl => Box::new(
            match vcd {
                Some(file) => Rtl::with_vcd(&config, file),
                None => Rtl::new(&config),
            }
            .into_diagnostic()?,
        ),
        Target::Verilator => Box::new(Verilator::new(&config).into_diagnostic()?),
        Target::Board(_) => return Err(miette!("a board is not simulated")),
    })
}

/// A session with a board, which it restarts.
pub fn open(name: Option<&str>, baud: u32) -> Result<Link<SerialTransport>, LinkError> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => port::find()?,
    };
    Link::open(SerialTransport::open(&name, baud)?)
}
