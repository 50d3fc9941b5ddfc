//! `quern bench networks`: what networks cost on each configuration, counted by the
//! cycle model, which the RTL is held to.

use crate::arguments::BenchNetworks;
use crate::output::outln;
use crate::progress::Spinner;
use crate::{files, npy, output, table};
use miette::{miette, IntoDiagnostic, Result, WrapErr};
use quern_compiler::{compile, Array, Compiled, Options};
use quern_isa::cycles::Idle;
use quern_isa::trace::Event;
use quern_isa::{Config, Counters, Reference, Unit, CONFIGS};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Figures {
    network: String,
    config: &'static str,
    /// Samples in one run of the program.
    batch: usize,
    /// Of one run.
    cycles: u32,
    input_stalls: u32,
    output_stalls: u32,
    macs: u64,
    /// Multiply-accumulates of the model over those the array could have done.
    utilisation: f64,
    /// The same over the cycles of the convolutions alone.
    convolutions: f64,
    /// The same over those of them in which the array did not wait for a stream.
    convolutions_without_streams: f64,
    idle: Idle,
    /// Share of the cycles in which the input port took a beat.
    input_busy: f64,
    bytes_in: usize,
    bytes_out: usize,
    inferences_per_second: f64,
    layers: Vec<LayerFigures>,
}

#[derive(Serialize)]
struct LayerFigures {
    name: String,
    kind: &'static str,
    macs: u64,
    /// From the start of its first matrix, vector or store to that of the next layer's.
    /// (Loads run ahead, in the time of the layer before.)
    cycles: u64,
    idle: Idle,
    utilisation: f64,
    utilisation_without_streams: f64,
    bound: &'static str,
}

pub fn run(arguments: &BenchNetworks) -> Result<()> {
    let models = models(&arguments.models)?;
    let spinner = Spinner::new("compiling");
    let mut figures = Vec::new();
    for path in &models {
        for config in CONFIGS {
            spinner.message(format!("{} on {}", name(path), config.name));
            figures.push(measure(path, &config)?);
        }
    }
    drop(spinner);
    if arguments.json {
        return output::print_json(&figures);
    }
    print(&figures, arguments.layers)
}

/// The folder's models, in the order of their names.
fn models(folder: &Path) -> Result<Vec<PathBuf>> {
    let help = "write the five networks with: build/venv/bin/python scripts/edge_networks.py";
    let entries = std::fs::read_dir(folder)
        .map_err(|error| miette!(help = help, "can't read {}: {error}", folder.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .into_diagnostic()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "onnx"));
    paths.sort();
    match paths.is_empty() {
        true => Err(miette!(
            help = help,
            "there is no .onnx file in {}",
            folder.display()
        )),
        false => Ok(paths),
    }
}

fn name(path: &Path) -> String {
    super::run::model_name(path)
}

fn measure(path: &Path, config: &Config) -> Result<Figures> {
    let name = name(path);
    let model = files::read(path)?;
    let options = Options {
        batch: Some(1),
        name: Some(name.clone()),
    };
    let compiled = compile(&model, config, &options)
        .wrap_err_with(|| format!("{} for {}", path.display(), config.name))?;
    let input = npy::read_array(&path.with_file_name(format!("{name}-x.npy")))?;
    let (counters, starts) = run_traced(&compiled, &input)?;
    let report = &compiled.report;
    let cycles = layer_cycles(&compiled, &starts, counters.cycles);
    let layers: Vec<LayerFigures> = report
        .layers
        .iter()
        .zip(cycles)
        .map(|(layer, (cycles, idle))| LayerFigures {
            name: layer.name.clone(),
            kind: layer.kind,
            macs: layer.macs,
            cycles,
            idle,
            utilisation: utilisation(layer.macs, cycles, config),
            utilisation_without_streams: utilisation(
                layer.macs,
                cycles - idle.of_streams(),
                config,
            ),
            bound: layer.bound,
        })
        .collect();
    let of_convolutions = |figure: fn(&LayerFigures) -> u64| {
        let convolutions = layers.iter().filter(|layer| layer.macs > 0);
        convolutions.map(figure).sum::<u64>()
    };
    let cycles = counters.cycles as u64;
    let beats = report.totals.bytes_in / config.stream_bytes;
    Ok(Figures {
        network: name,
        config: config.name,
        batch: compiled.batch(),
        cycles: counters.cycles,
        input_stalls: counters.input_stalls,
        output_stalls: counters.output_stalls,
        macs: report.totals.macs,
        utilisation: utilisation(report.totals.macs, cycles, config),
        convolutions: utilisation(
            of_convolutions(|layer| layer.macs),
            of_convolutions(|layer| layer.cycles),
            config,
        ),
        convolutions_without_streams: utilisation(
            of_convolutions(|layer| layer.macs),
            of_convolutions(|layer| layer.cycles - layer.idle.of_streams()),
            config,
        ),
        idle: layers
            .iter()
            .fold(Idle::default(), |sum, layer| sum + layer.idle),
        input_busy: beats as f64 / cycles as f64,
        bytes_in: report.totals.bytes_in,
        bytes_out: report.totals.bytes_out,
        inferences_per_second: config.clock_hz as f64 / cycles as f64 * compiled.batch() as f64,
        layers,
    })
}

fn utilisation(macs: u64, cycles: u64, config: &Config) -> f64 {
    match cycles {
        0 => 0.0,
        _ => macs as f64 / (cycles as f64 * config.macs_per_cycle() as f64),
    }
}

/// When an instruction started, and whether a unit works on it while others start.
struct Start {
    cycle: u32,
    computes: bool,
    idle: Idle,
}

/// Runs the first sample, and tells when each instruction started.
fn run_traced(compiled: &Compiled, input: &Array) -> Result<(Counters, Vec<Start>)> {
    let mut host = compiled.quantise_input(input, 0..1)?;
    let mut starts = Vec::new();
    let run = Reference::new(compiled.program.config)
        .run_traced(&compiled.program, &mut host, &mut |event: Event<'_>| {
            if let Event::Instruction {
                cycle,
                instruction,
                idle,
                ..
            } = event
            {
                let computes = Unit::of(&instruction).is_some();
                starts.push(Start {
                    cycle,
                    computes,
                    idle,
                });
            }
        })
        .into_diagnostic()?;
    Ok((run.counters, starts))
}

/// Cycles of each layer, until the next one's begin, and those of them in which the array
/// was idle.
fn layer_cycles(compiled: &Compiled, starts: &[Start], end: u32) -> Vec<(u64, Idle)> {
    let mut cycles = vec![(0, Idle::default()); compiled.report.layers.len()];
    let stretches = compiled.stretches();
    let ends = stretches.iter().skip(1).map(|&(first, _)| first);
    // A stretch without computation takes no time of its own.
    let mut begun: Vec<(u32, Idle, usize)> = Vec::new();
    for (&(first, layer), after) in stretches.iter().zip(ends.chain([starts.len()])) {
        let computing = starts[first..after].iter().find(|start| start.computes);
        begun.extend(computing.map(|start| (start.cycle, start.idle, layer)));
    }
    let last = starts.last().map_or(Idle::default(), |start| start.idle);
    for (place, &(start, idle, layer)) in begun.iter().enumerate() {
        // The first waits for its input in its own time.
        let (start, idle) = match place {
            0 => (0, Idle::default()),
            _ => (start, idle),
        };
        let next = begun.get(place + 1);
        let (next, next_idle) = next.map_or((end, last), |&(next, idle, _)| (next, idle));
        let (sum, idles) = &mut cycles[layer];
        *sum += next.saturating_sub(start) as u64;
        *idles = *idles + (next_idle - idle);
    }
    cycles
}

fn print(figures: &[Figures], layers: bool) -> Result<()> {
    let thousands = |value: usize| table::thousands(value as u64);
    for group in figures.chunk_by(|a, b| a.network == b.network) {
        let macs = table::thousands(group[0].macs);
        outln!("{}, {macs} MACs", group[0].network)?;
        let rows: Vec<_> = group
            .iter()
            .map(|figure| {
                let text = format!(
                    "{} cycles, {} of the MACs (convolutions: {}, without waiting for the streams {}), array waits {}, input port {} busy, {} stalls, {} bytes in, {} out, {:.1} inferences/s",
                    table::thousands(figure.cycles as u64),
                    table::percent(figure.utilisation),
                    table::percent(figure.convolutions),
                    table::percent(figure.convolutions_without_streams),
                    waits(&figure.idle),
                    table::percent(figure.input_busy),
                    thousands((figure.input_stalls + figure.output_stalls) as usize),
                    thousands(figure.bytes_in),
                    thousands(figure.bytes_out),
                    figure.inferences_per_second,
                );
                (figure.config, text)
            })
            .collect();
        table::print(&rows)?;
        if layers {
            group.iter().try_for_each(print_layers)?;
        }
        outln!("")?;
    }
    Ok(())
}

/// Cycles, by what the array waits for.
fn waits(idle: &Idle) -> String {
    let waits = [
        ("to start", idle.start_up),
        ("for the input stream", idle.stream),
        ("for activation", idle.activation),
        ("for stores to the output stream", idle.store),
    ];
    let words: Vec<String> = waits
        .into_iter()
        .filter(|&(_, cycles)| cycles > 0)
        .map(|(what, cycles)| format!("{} {what}", table::thousands(cycles)))
        .collect();
    match words.is_empty() {
        true => "0".to_string(),
        false => words.join(" + "),
    }
}

fn print_layers(figures: &Figures) -> Result<()> {
    outln!("  {}, layer by layer", figures.config)?;
    let rows: Vec<_> = figures
        .layers
        .iter()
        .map(|layer| {
            let text = format!(
                "{} {} cycles, {} of the MACs (without waiting for the streams {}), array waits {}, bound by {}",
                layer.kind,
                table::thousands(layer.cycles),
                table::percent(layer.utilisation),
                table::percent(layer.utilisation_without_streams),
                waits(&layer.idle),
                layer.bound
            );
            (layer.name.clone(), text)
        })
        .collect();
    table::print(&rows)
}
