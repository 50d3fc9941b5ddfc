//! From a target's name to a machine.

use crate::arguments::{Origin, Target};
use crate::progress::Progress;
use crate::simulation;
use miette::{miette, IntoDiagnostic, Result};
use quern_board::{port, Board, Expected, Link, LinkError, SerialTransport};
use quern_isa::{Config, Inspect, Machine, MachineError, Program, Reference, Run};
use quern_testbench::rtl::Rtl;
use quern_testbench::verilator::Verilator;
use quern_testbench::virtual_board::Running;
use std::path::Path;

/// Builds the machine, or opens a session with it.
pub fn machine(
    target: &Target,
    config: Config,
    vcd: Option<&Path>,
    baud: u32,
) -> Result<Box<dyn Machine>> {
    match target {
        Target::Board(port) => Ok(Box::new(board(port.as_deref(), config, baud)?)),
        Target::Bitstream(image) => {
            let origin = Origin::Bitstream {
                image: image.clone(),
                board: Default::default(),
                baud,
            };
            let simulated = simulation::pins(&origin)?;
            let running = Running::start(simulated.pins).into_diagnostic()?;
            Ok(Box::new(SimulatedBoard {
                board: board(Some(running.port()), config, baud)?,
                _running: running,
            }))
        }
        _ => Ok(Box::new(simulator(target, config, vcd)?)),
    }
}

/// A board that runs as long as it is used.
struct SimulatedBoard {
    board: Board<SerialTransport>,
    _running: Running,
}

impl Machine for SimulatedBoard {
    fn config(&self) -> &Config {
        self.board.config()
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        self.board.run(program, host)
    }
}

/// A session with a board that has to be of this design.
pub fn board(port: Option<&str>, config: Config, baud: u32) -> Result<Board<SerialTransport>> {
    let mut link = open(port, baud).into_diagnostic()?;
    let expected = expected(&mut link, config, baud)?;
    let mut board = Board::new(link, &expected).into_diagnostic()?;
    let mut bar = None;
    board.progress = Some(Box::new(move |sent, total| {
        bar.get_or_insert_with(|| Progress::new("bytes to the board", total))
            .set(sent);
        if sent == total {
            bar = None;
        }
    }));
    Ok(board)
}

/// What a board has to be: of this design.
pub fn expected(link: &mut Link<SerialTransport>, config: Config, baud: u32) -> Result<Expected> {
    Ok(Expected {
        config,
        design: Some(quern_fpga::top::design().into_diagnostic()?),
        baud: (!link.transport().is_simulated()).then_some(baud),
    })
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
        Target::Board(_) | Target::Bitstream(_) => {
            return Err(miette!(
                "nobody can look into the memories of a {}",
                target.name()
            ))
        }
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
