//! `quern run`: a model's answers from a machine of choice.

use crate::arguments::{Run, Target};
use crate::evaluate::{accuracy, compile_for, evaluate, first, Evaluation};
use crate::progress::Spinner;
use crate::{files, npy, output, table, target};
use miette::{miette, Context, IntoDiagnostic, Result};
use quern_compiler::Compiled;
use quern_isa::{trace::Event, Compared, Machine, Reference};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

#[derive(Serialize)]
struct RunReport {
    model: String,
    target: &'static str,
    /// The machine that did the same: outputs, memories, counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'static str>,
    config: &'static str,
    samples: usize,
    /// Samples in one program run.
    batch: usize,
    program_runs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    /// Clock cycles of all program runs, padding samples of the last included.
    cycles: u64,
    cycles_per_sample: f64,
    input_stalls: u64,
    output_stalls: u64,
    /// Multiply-accumulates of the model for all samples.
    macs: u64,
    utilization: f64,
    /// At the configuration's clock, when the streams keep up.
    samples_per_second_at_clock: f64,
    wall_s: f64,
    notes: Vec<String>,
}

pub fn run(arguments: &Run) -> Result<()> {
    check(arguments)?;
    let config = arguments.compilation.config;
    let model = files::read(&arguments.model)?;
    let input = npy::read_array(&arguments.input)?;
    let input = first(&input, arguments.limit.unwrap_or(usize::MAX));
    let labels = arguments
        .labels
        .as_deref()
        .map(npy::read_labels)
        .transpose()?;
    let available = input.shape.first().copied().unwrap_or(0);
    let name = model_name(&arguments.model);
    let batch = arguments.compilation.batch;
    let compiled = compile_for(&model, &config, batch, available, Some(name.clone()))?;
    let samples = compiled.check_input(&input)?;
    if let Some(labels) = &labels {
        if labels.len() < samples {
            return Err(miette!(
                "there are {} labels for {samples} samples",
                labels.len()
            ));
        }
    }

    let mut machine = machine(arguments)?;
    let what = format!("{name} on {}", arguments.on.name());
    let evaluation = evaluate(&compiled, machine.as_mut(), &input, &what)
        .wrap_err_with(|| format!("{what}, config {}", config.name))?;
    if let Some(path) = &arguments.trace {
        write_trace(path, &compiled, &input)?;
    }
    let accuracy = labels
        .map(|labels| accuracy(&evaluation.output, &labels))
        .transpose()?;
    if let Some(path) = &arguments.output {
        npy::write_array(path, &evaluation.output)?;
    }
    let report = report(name, arguments, &compiled, &evaluation, accuracy);
    if arguments.json {
        return output::print_json(&report);
    }
    print(&report)
}

/// What runs the programs: one machine, or two that have to agree.
fn machine(arguments: &Run) -> Result<Box<dyn Machine>> {
    let config = arguments.compilation.config;
    let (on, vcd) = (&arguments.on, arguments.vcd.as_deref());
    let is_verilated = |target: &Target| *target == Target::Verilator;
    let _spinner = (is_verilated(on) || arguments.against.as_ref().is_some_and(is_verilated))
        .then(|| Spinner::new("building the Verilator model (once for each design)"));
    Ok(match &arguments.against {
        None => target::machine(on, config, vcd, arguments.baud)?,
        Some(against) => Box::new(Compared::new(
            (on.name(), target::simulator(on, config, vcd)?),
            (against.name(), target::simulator(against, config, None)?),
        )),
    })
}

/// Options that only one machine can serve.
fn check(arguments: &Run) -> Result<()> {
    let board = |target: &Target| matches!(target, Target::Board(_) | Target::Bitstream(_));
    if let Some(against) = &arguments.against {
        if board(&arguments.on) || board(against) {
            return Err(miette!(
                help = "outputs of a board can be compared with --output",
                "--against compares memories, and nobody can look into those of a board"
            ));
        }
    }
    if arguments.vcd.is_some() && arguments.on != Target::Rtl {
        return Err(miette!(
            help = "add `--on rtl`",
            "--vcd writes the waveforms of the RTL, and this run is on {}",
            arguments.on.name()
        ));
    }
    if arguments.trace.is_some() && arguments.on != Target::Reference {
        return Err(miette!(
            help = "leave out `--on`, or say `--on reference`",
            "--trace writes the reference machine's trace, and this run is on {}",
            arguments.on.name()
        ));
    }
    Ok(())
}

fn report(
    model: String,
    arguments: &Run,
    compiled: &Compiled,
    evaluation: &Evaluation,
    accuracy: Option<f64>,
) -> RunReport {
    let config = arguments.compilation.config;
    let macs = compiled.report.totals.macs_per_sample * evaluation.samples as u64;
    let cycles_per_sample = evaluation.cycles as f64 / evaluation.samples as f64;
    RunReport {
        model,
        target: arguments.on.name(),
        against: arguments.against.as_ref().map(Target::name),
        config: config.name,
        samples: evaluation.samples,
        batch: compiled.batch(),
        program_runs: evaluation.samples.div_ceil(compiled.batch()),
        accuracy,
        cycles: evaluation.cycles,
        cycles_per_sample,
        input_stalls: evaluation.input_stalls,
        output_stalls: evaluation.output_stalls,
        macs,
        utilization: evaluation.utilization(macs, &config),
        samples_per_second_at_clock: config.clock_hz as f64 / cycles_per_sample,
        wall_s: evaluation.wall.as_secs_f64(),
        notes: compiled.report.notes.clone(),
    }
}

fn print(report: &RunReport) -> Result<()> {
    let mut rows = vec![
        ("model", report.model.clone()),
        (
            "machine",
            format!("{}, config {}", report.target, report.config),
        ),
        (
            "samples",
            format!("{}, {} at a time", report.samples, report.batch),
        ),
    ];
    if let Some(against) = report.against {
        rows.push((
            "agreement",
            format!(
                "{} = {against} in {} program runs: outputs, memories, cycles",
                report.target, report.program_runs
            ),
        ));
    }
    if let Some(accuracy) = report.accuracy {
        rows.push(("accuracy", format!("{accuracy:.4}")));
    }
    rows.extend([
        (
            "cycles",
            format!(
                "{}, {:.1} a sample",
                table::thousands(report.cycles),
                report.cycles_per_sample
            ),
        ),
        (
            "stalls",
            format!(
                "{} on input, {} on output",
                table::thousands(report.input_stalls),
                table::thousands(report.output_stalls)
            ),
        ),
        ("MACs", table::thousands(report.macs)),
        ("utilisation", table::percent(report.utilization)),
        ("wall time", format!("{:.2} s", report.wall_s)),
    ]);
    rows.extend(report.notes.iter().map(|note| ("note", note.clone())));
    table::print(&rows)
}

/// Traces the first program run, on a fresh reference machine.
fn write_trace(path: &Path, compiled: &Compiled, input: &quern_compiler::Array) -> Result<()> {
    let samples = compiled.check_input(input)?.min(compiled.batch());
    let mut host = compiled.quantise_input(input, 0..samples)?;
    let mut text = String::new();
    Reference::new(compiled.program.config)
        .run_traced(&compiled.program, &mut host, &mut |event: Event<'_>| {
            writeln!(text, "{event}").expect("writing to a string can't fail");
        })
        .into_diagnostic()?;
    files::write(path, text.as_bytes())
}

/// The file's name without folder and ending.
pub fn model_name(path: &Path) -> String {
    match path.file_stem() {
        Some(stem) => stem.to_string_lossy().into_owned(),
        None => path.display().to_string(),
    }
}
