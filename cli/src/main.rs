//! The `quern` command: reads arguments and files, calls the libraries, prints.

#![forbid(unsafe_code)]
// `output` prints, and nothing else does.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod commands;
mod evaluate;
mod files;
mod leds;
mod npy;
mod output;
mod progress;
mod simulation;
mod standalone;
mod table;
mod target;

use arguments::{Arguments, BenchWhat, BoardCommand, Command, Demo, Fpga};
use clap::Parser;
use miette::Result;

fn main() -> Result<()> {
    match Arguments::parse().command {
        None => commands::demo::run(&Demo::default()),
        Some(Command::Demo(arguments)) => commands::demo::run(&arguments),
        Some(Command::Run(arguments)) => commands::run::run(&arguments),
        Some(Command::Compile(arguments)) => commands::compile::run(&arguments),
        Some(Command::Verilog(arguments)) => commands::verilog::run(&arguments),
        Some(Command::Fpga(Fpga::Build(arguments))) => commands::fpga::build(&arguments),
        Some(Command::Verify(arguments)) => commands::verify::run(&arguments),
        Some(Command::Fpga(Fpga::Flash(arguments))) => commands::flash::flash(&arguments),
        Some(Command::Board(board)) => match &board {
            BoardCommand::Info(arguments) => commands::board::info(arguments),
            BoardCommand::Reset(arguments) => commands::board::reset(arguments),
            BoardCommand::Counters(arguments) => commands::board::counters(arguments),
            BoardCommand::Classify(arguments) => commands::classify::classify(arguments),
            BoardCommand::List { json } => commands::board::list(*json),
            BoardCommand::Simulate(arguments) => commands::board::simulate(arguments),
        },
        Some(Command::Bench(arguments)) => match &arguments.what {
            None => commands::bench::run(&arguments),
            Some(BenchWhat::Fpga(fpga)) => commands::bench_fpga::run(fpga),
            Some(BenchWhat::Networks(networks)) => commands::bench_networks::run(networks),
        },
    }
}
