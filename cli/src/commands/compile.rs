//! `quern compile`: from ONNX to a program.

use crate::arguments::Compile;
use crate::commands::run::model_name;
use crate::output::{errln, outln};
use crate::{files, output, table};
use miette::Result;
use quern_compiler::{compile, Options, Report};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
struct CompileReport<'a> {
    #[serde(flatten)]
    report: &'a Report,
    program_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a PathBuf>,
}

pub fn run(arguments: &Compile) -> Result<()> {
    let model = files::read(&arguments.model)?;
    let options = Options {
        batch: arguments.compilation.batch,
        name: Some(model_name(&arguments.model)),
    };
    let compiled = compile(&model, &arguments.compilation.config, &options)?;
    let program = compiled.program.to_bytes();
    if let Some(path) = &arguments.output {
        files::write(path, &program)?;
    }
    if arguments.json {
        return output::print_json(&CompileReport {
            report: &compiled.report,
            program_bytes: program.len(),
            output: arguments.output.as_ref(),
        });
    }
    if arguments.listing {
        return output::print(&compiled.listing());
    }
    print(&compiled.report, program.len())?;
    match &arguments.output {
        Some(path) => outln!("  program written to {}", path.display())?,
        None => errln!("nothing written: add `-o FILE` for the program, `--listing` to read it"),
    }
    Ok(())
}

fn print(report: &Report, program_bytes: usize) -> Result<()> {
    outln!(
        "{} for {}, {} samples at a time",
        report.model,
        report.config,
        report.batch
    )?;
    let rows: Vec<_> = report
        .layers
        .iter()
        .map(|layer| {
            let shape = |[height, width, channels]: [usize; 3]| match [height, width] {
                [1, 1] => channels.to_string(),
                _ => format!("{height}×{width}×{channels}"),
            };
            let text = format!(
                "{} {} → {}, {} MACs, {} bytes in, {} out, bound by {}",
                layer.kind,
                shape(layer.input),
                shape(layer.output),
                table::thousands(layer.macs),
                table::thousands(layer.bytes_in),
                table::thousands(layer.bytes_out),
                layer.bound,
            );
            (layer.name.clone(), text)
        })
        .collect();
    table::print(&rows)?;
    let rows: Vec<_> = [(
        "program".to_string(),
        format!("{} bytes", table::thousands(program_bytes as u64)),
    )]
    .into_iter()
    .chain(
        report
            .host
            .iter()
            .map(|function| ("on the host".to_string(), function.clone())),
    )
    .chain(
        report
            .notes
            .iter()
            .map(|note| ("note".to_string(), note.clone())),
    )
    .collect();
    table::print(&rows)
}
