//! `quern fpga flash`: an image and a program into the board's flash.

use crate::arguments::FpgaFlash;
use crate::commands::run::model_name;
use crate::progress::Spinner;
use crate::{files, table};
use miette::{IntoDiagnostic, Result};
use quern_compiler::{compile, Options};
use quern_fpga::flash::{self, Programmer, Usb, Write};
use quern_isa::standalone::{self, FLASH_BYTES, MOST_CLASSES};
use quern_isa::CU;
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
    match arguments.json {
        true => files::print_json(&report),
        false => print(&report),
    }
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
    let options = Options {
        batch: Some(1),
        name: Some(model_name(model)),
    };
    let compiled = compile(&files::read(model)?, &CU, &options)?;
    let classes = compiled.scores().unwrap_or(0);
    if !(1..=MOST_CLASSES).contains(&classes) {
        eprintln!(
            "{}: no class on the LEDs, it has other outputs than 1 to {MOST_CLASSES} scores",
            model.display()
        );
    }
    eprintln!("the image does not run programs from flash yet (docs/board.md): a host still does");
    let bytes = standalone::to_flash(&compiled.program, classes).into_diagnostic()?;
    let file = PathBuf::from(PROGRAM_FILE);
    files::write(&file, &bytes)?;
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
    files::print(&text)
}
