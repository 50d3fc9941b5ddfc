//! `quern demo`: the main job, from an ONNX file to RTL and Verilog, with every
//! machine compared.

use crate::arguments::{Demo, Target};
use crate::commands::verilog;
use crate::evaluate::{accuracy, compile_for, evaluate, first, Evaluation};
use crate::output::{errln, outln};
use crate::progress::Spinner;
use crate::{files, npy, table, target};
use miette::{miette, Result};
use quern_compiler::{Array, Compiled};
use quern_isa::{Config, Inspect};
use std::path::Path;
use std::process::Command;

/// The digit classifier and its held-out images (`models/README.md`).
pub const MODEL: &[u8] = include_bytes!("../../../models/digits-mlp.onnx");
const IMAGES: &[u8] = include_bytes!("../../../models/digits-x.npy");
const LABELS: &[u8] = include_bytes!("../../../models/digits-y.npy");

pub fn run(arguments: &Demo) -> Result<()> {
    let config = arguments.config;
    let images = npy::array(IMAGES, Path::new("models/digits-x.npy"))?;
    let labels = npy::labels(LABELS, Path::new("models/digits-y.npy"))?;
    let total = images.shape[0];

    let few = first(&images, arguments.limit);
    let compiled = compile_digits(&config, few.shape[0])?;
    let reference = Compared::run(&compiled, Target::Reference, &few)?;
    let rtl = Compared::run(&compiled, Target::Rtl, &few)?;
    rtl.must_equal(&reference)?;

    let all = compile_digits(&config, total)?;
    let every = Compared::run(&all, Target::Reference, &images)?;
    let (verilator, remark) = match quern_testbench::verilator::is_installed() {
        true => {
            let run = Compared::run(&all, Target::Verilator, &images)?;
            run.must_equal(&every)?;
            (Some(run), None)
        }
        false => (
            None,
            Some("with Verilator installed, all images would also run on the exported Verilog"),
        ),
    };
    let exported = verilog::export(&config, &arguments.output)?;
    files::write(
        &arguments.output.join("digits-mlp.qrn"),
        &compiled.program.to_bytes(),
    )?;
    files::write(
        &arguments.output.join("digits-mlp.lst"),
        compiled.listing().as_bytes(),
    )?;
    let yosys = check_with_yosys(&exported.verilog)?;

    print(
        &config,
        &compiled,
        &rtl,
        &every,
        verilator.as_ref(),
        accuracy(&every.evaluation.output, &labels)?,
    )?;
    match &yosys {
        Some(summary) => outln!("  {:13}{summary}", "Yosys")?,
        None => errln!("with Yosys installed, the Verilog would also be checked for latches"),
    }
    outln!("\n  files in {}:", arguments.output.display())?;
    outln!("    digits-mlp.qrn  the program    digits-mlp.lst  its listing")?;
    outln!(
        "    quern.v         the accelerator, {} modules",
        exported.modules
    )?;
    if let Some(remark) = remark {
        errln!("{remark}");
    }
    Ok(())
}

fn compile_digits(config: &Config, samples: usize) -> Result<Compiled> {
    compile_for(MODEL, config, None, samples, Some("digits-mlp".into()))
}

/// One machine after its run.
struct Compared {
    target: Target,
    machine: Box<dyn Inspect>,
    evaluation: Evaluation,
}

impl Compared {
    fn run(compiled: &Compiled, target: Target, images: &Array) -> Result<Compared> {
        let config = compiled.program.config;
        let mut machine = {
            let _spinner = (target == Target::Verilator)
                .then(|| Spinner::new("building the Verilator model (once for each design)"));
            target::simulator(&target, config, None)?
        };
        let what = format!("{} images on {}", images.shape[0], target.name());
        let evaluation = evaluate(compiled, &mut machine, images, &what)?;
        Ok(Compared {
            target,
            machine,
            evaluation,
        })
    }

    /// Outputs, memories and cycles.
    fn must_equal(&self, other: &Compared) -> Result<()> {
        let (ours, theirs) = (self.target.name(), other.target.name());
        if self.evaluation.output != other.evaluation.output {
            return Err(miette!("the outputs of {ours} and {theirs} differ"));
        }
        if let Some(difference) = self
            .machine
            .memories()
            .difference(&other.machine.memories())
        {
            return Err(miette!(
                "the memories of {ours} and {theirs} differ: {difference}"
            ));
        }
        if self.evaluation.cycles != other.evaluation.cycles {
            return Err(miette!(
                "{ours} took {} cycles, {theirs} {}",
                self.evaluation.cycles,
                other.evaluation.cycles
            ));
        }
        Ok(())
    }
}

fn print(
    config: &Config,
    compiled: &Compiled,
    rtl: &Compared,
    every: &Compared,
    verilator: Option<&Compared>,
    accuracy: f64,
) -> Result<()> {
    let per_image = |compared: &Compared| {
        compared.evaluation.cycles as f64 / compared.evaluation.samples as f64
    };
    let macs = compiled.report.totals.macs_per_sample;
    let evaluation = &rtl.evaluation;
    let mut agreement = format!(
        "RTL = reference on {} images: outputs, memories, cycles",
        evaluation.samples
    );
    if let Some(verilator) = verilator {
        agreement += &format!(
            "\nVerilator = reference on {} images: outputs, memories, cycles",
            verilator.evaluation.samples
        );
    }
    outln!("digits-mlp, a quantised 64-32-10 network, from ONNX to RTL\n")?;
    table::print(&[
        (
            "machine",
            format!(
                "config {}, {} × {} MACs a cycle",
                config.name, config.lanes, config.columns
            ),
        ),
        (
            "accuracy",
            format!(
                "{accuracy:.4} on {} held-out images",
                every.evaluation.samples
            ),
        ),
        (
            "cycles",
            format!(
                "{:.0} an image, {} images at a time",
                per_image(rtl),
                compiled.batch()
            ),
        ),
        ("MACs", format!("{} an image", table::thousands(macs))),
        (
            "utilisation",
            format!(
                "{} (bound by the {}-byte stream: {} bytes for {} images)",
                table::percent(evaluation.utilization(macs * evaluation.samples as u64, config)),
                config.stream_bytes,
                table::thousands(compiled.report.totals.bytes_in as u64),
                compiled.batch()
            ),
        ),
        (
            "simulation",
            format!(
                "RTL {} cycles/s",
                table::thousands((evaluation.cycles as f64 / evaluation.wall.as_secs_f64()) as u64)
            ),
        ),
        ("agreement", agreement),
    ])
}

/// Elaborates the Verilog where Yosys is installed: what it is made of.
fn check_with_yosys(verilog: &Path) -> Result<Option<String>> {
    let spinner = Spinner::new("checking the Verilog with Yosys");
    let script = format!(
        "read_verilog -sv {}; hierarchy -check -top quern; proc; \
         select -assert-none t:$dlatch t:$adlatch t:$dlatchsr; check -assert",
        verilog.display()
    );
    let done = match Command::new("yosys").args(["-q", "-p", &script]).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        done => done.map_err(|error| miette!("can't run yosys: {error}"))?,
    };
    drop(spinner);
    match done.status.success() {
        true => Ok(Some(
            "reads the Verilog, finds no latch and no conflict".into(),
        )),
        false => Err(miette!(
            "Yosys rejects {}:\n{}{}",
            verilog.display(),
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        )),
    }
}
