//! `quern bench`: how fast the machines simulate on this computer.

use crate::arguments::{Bench, Target};
use crate::commands::demo;
use crate::output::{errln, outln};
use crate::progress::Spinner;
use crate::target;
use crate::{output, table};
use miette::{IntoDiagnostic, Result};
use quern_compiler::{compile, Options};
use quern_isa::{
    Assembler, Config, Instruction, Machine, Matrix, Pattern, Program, Reference, Region, Space,
    ASIC16, CONFIGS,
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Long enough for a stable figure, short enough to wait for.
const MEASURE: Duration = Duration::from_secs(2);

/// Each figure is the median of so many measurements.
const MEASUREMENTS: usize = 3;

#[derive(Serialize)]
struct Figures {
    /// Multiply-accumulates per second on one core.
    reference: Vec<ReferenceFigure>,
    simulation: Vec<SimulationFigure>,
}

#[derive(Serialize)]
struct ReferenceFigure {
    layer: String,
    macs_per_second: f64,
}

#[derive(Serialize)]
struct SimulationFigure {
    simulator: &'static str,
    config: &'static str,
    cycles_per_second: f64,
}

pub fn run(arguments: &Bench) -> Result<()> {
    let spinner = Spinner::new("reference");
    let reference = [256, 512, 1024]
        .into_iter()
        .map(reference_figure)
        .collect::<Result<_>>()?;
    let mut simulation = Vec::new();
    let mut skipped = None;
    for (target, simulator) in [(Target::Rtl, "RustHDL"), (Target::Verilator, "Verilator")] {
        for config in CONFIGS {
            spinner.message(format!("{} of {}", target.name(), config.name));
            match simulation_figure(&target, simulator, config) {
                Ok(figure) => simulation.push(figure),
                // Only Verilator may be missing; the RTL needs nothing.
                Err(error) if target == Target::Verilator => skipped = Some(error),
                Err(error) => return Err(error),
            }
        }
    }
    drop(spinner);
    let figures = Figures {
        reference,
        simulation,
    };
    if arguments.json {
        return output::print_json(&figures);
    }
    print(&figures)?;
    if let Some(error) = skipped {
        errln!("Verilator was left out: {error}");
    }
    Ok(())
}

fn print(figures: &Figures) -> Result<()> {
    outln!("Reference machine, one core")?;
    let rows: Vec<_> = figures
        .reference
        .iter()
        .map(|figure| {
            let rate = figure.macs_per_second / 1e6;
            (figure.layer.clone(), format!("{rate:.0} M MAC/s"))
        })
        .collect();
    table::print(&rows)?;
    outln!("\nSimulated clock cycles")?;
    let rows: Vec<_> = figures
        .simulation
        .iter()
        .map(|figure| {
            let rate = table::thousands(figure.cycles_per_second as u64);
            (
                format!("{} {}", figure.simulator, figure.config),
                format!("{rate} cycles/s"),
            )
        })
        .collect();
    table::print(&rows)
}

/// The median of repeated measurements of work per second.
fn rate(mut work: impl FnMut() -> Result<u64>) -> Result<f64> {
    let mut rates = (0..MEASUREMENTS)
        .map(|_| {
            let (started, mut done) = (Instant::now(), 0);
            while started.elapsed() < MEASURE / MEASUREMENTS as u32 {
                done += work()?;
            }
            Ok(done as f64 / started.elapsed().as_secs_f64())
        })
        .collect::<Result<Vec<f64>>>()?;
    rates.sort_by(f64::total_cmp);
    Ok(rates[MEASUREMENTS / 2])
}

/// A square dense layer of `size` channels with one sample: whole program, weight
/// loading included.
fn reference_figure(size: usize) -> Result<ReferenceFigure> {
    let program = dense_program(&ASIC16, size);
    let mut machine = Reference::new(ASIC16);
    let macs = (size * size) as u64;
    let macs_per_second = rate(|| {
        machine.run(&program, &mut []).into_diagnostic()?;
        Ok(macs)
    })?;
    Ok(ReferenceFigure {
        layer: format!("{size} × {size}"),
        macs_per_second,
    })
}

/// Loads the weights of each column tile and multiplies.
fn dense_program(config: &Config, size: usize) -> Program {
    let mut assembler = Assembler::new(config);
    let tiles = size.div_ceil(config.lanes);
    assembler.instruction(Instruction::Pattern(Pattern {
        x_count: 1,
        x_stride: 0,
        y_count: 1,
        y_stride: 0,
        inner_stride: 1,
        outer_stride: 0,
    }));
    let bytes = tiles * config.lanes * config.word_bytes(Space::Weights);
    let weights: Vec<u8> = (0..bytes).map(|i| (i * 37) as u8).collect();
    for _ in 0..size.div_ceil(config.columns) {
        assembler.load(Space::Weights, 0, &weights);
        assembler.instruction(Instruction::Matrix(Matrix {
            accumulate: false,
            accumulator: 0,
            activation: 0,
            weight: 0,
            inner: tiles as u16,
            outer: 1,
        }));
    }
    assembler.finish(0, Region::default(), Region::default())
}

/// The digit classifier, one image after another.
fn simulation_figure(
    target: &Target,
    simulator: &'static str,
    config: Config,
) -> Result<SimulationFigure> {
    let compiled = compile(
        demo::MODEL,
        &config,
        &Options {
            batch: Some(1),
            ..Options::default()
        },
    )?;
    let mut machine = target::simulator(target, config, None)?;
    let mut host = vec![128; compiled.program.host_bytes as usize];
    let cycles_per_second = rate(|| {
        let run = machine
            .run(&compiled.program, &mut host)
            .into_diagnostic()?;
        Ok(run.counters.cycles as u64)
    })?;
    Ok(SimulationFigure {
        simulator,
        config: config.name,
        cycles_per_second,
    })
}
