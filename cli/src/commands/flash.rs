//! `quern fpga flash`: an image and a program into the board's flash.

use crate::arguments::FpgaFlash;
use crate::output::errln;
use crate::progress::Spinner;
use crate::standalone::Standalone;
use crate::{files, output, table};
use miette::{IntoDiagnostic, Result};
use quern_fpga::flash::{self, Programmer, Usb, Write};
use quern_isa::standalone::FLASH_BYTES;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where a program for the flash is kept, so that the commands of a dry run can be used.
const PROGRAM_FILE: &str = "build/fpga/program.bin";

#[derive(Serialize)]
struct Report<'a> {
    board: &'static str,
    programmer: &'static str,
    writes: &'a [Write],
    commands: Vec<String>,
    /// Whether the board was written, and verified.
    flashed: bool,
}

pub fn flash(arguments: &FpgaFlash) -> Result<()> {
    let mut writes = Vec::new();
    if !arguments.keep_image {
        writes.push(Write::image(&arguments.image).into_diagnostic()?);
    }
    if let Some(model) = &arguments.program {
        writes.push(program(model)?);
    }
    let programmer = match arguments.programmer {
        Some(programmer) => programmer,
        // What would be typed can be shown without the tool.
        None if arguments.dry_run => {
            Programmer::choose(arguments.board).unwrap_or(Programmer::Iceprog)
        }
        None => Programmer::choose(arguments.board).into_diagnostic()?,
    };
    if !arguments.dry_run {
        write(&writes, programmer)?;
    }
    let report = Report {
        board: arguments.board.title(),
        programmer: programmer.tool().program,
        writes: &writes,
        commands: writes
            .iter()
            .map(|write| programmer.command(write))
            .collect(),
        flashed: !arguments.dry_run,
    };
    if arguments.json {
        return output::print_json(&report);
    }
    print(&report)?;
    if let Some(model) = &arguments.program {
        errln!(
            "the board runs it for what `quern board classify {} --input X.npy` sends",
            model.display()
        );
    }
    Ok(())
}

fn write(writes: &[Write], programmer: Programmer) -> Result<()> {
    let spinner = Spinner::new("starting");
    flash::flash(writes, programmer, &Usb::default(), &mut |write| {
        spinner.message(format!(
            "writing and verifying the {}, {} bytes",
            write.what,
            table::thousands(write.bytes.into())
        ));
    })
    .into_diagnostic()
}

/// Compiles a model for the board alone.
fn program(model: &Path) -> Result<Write> {
    let file = PathBuf::from(PROGRAM_FILE);
    files::write(&file, &Standalone::new(model)?.bytes)?;
    Write::program(&file).into_diagnostic()
}

fn print(report: &Report) -> Result<()> {
    let mut text = format!(
        "{}, flash of {} bytes\n",
        report.board,
        table::thousands(FLASH_BYTES.into())
    );
    for write in report.writes {
        let (first, last) = write.range();
        text += &format!(
            "  {first:#08x} to {last:#08x}  {:<8} {:>9} bytes  {}\n",
            write.what,
            table::thousands(write.bytes.into()),
            write.file.display()
        );
    }
    text += match report.flashed {
        true => "written and verified with\n",
        false => "nothing written; the commands are\n",
    };
    for command in &report.commands {
        text += &format!("  {command}\n");
    }
    output::print(&text)
}
