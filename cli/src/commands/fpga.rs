//! `quern fpga build`: an image for the board.

use crate::arguments::FpgaBuild;
use crate::output::outln;
use crate::progress::Spinner;
use crate::{output, table};
use miette::{IntoDiagnostic, Result};
use quern_fpga::flow::{BuildOptions, Step};
use quern_fpga::{BuildReport, UnitUse};
use std::path::PathBuf;

pub fn build(arguments: &FpgaBuild) -> Result<()> {
    let config = arguments.config;
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from("build/fpga").join(config.name));
    let mut options = BuildOptions::new(output);
    options.board = arguments.board;
    options.clock_hz = arguments.clock.unwrap_or(options.clock_hz);
    options.baud = arguments.baud;
    options.seeds = (1..=arguments.seeds).collect();
    options.jobs = arguments.effort.jobs.unwrap_or(options.jobs);
    options.cache = arguments.effort.cache();
    let spinner = Spinner::new("starting");
    let report = quern_fpga::flow::build(&config, &options, &mut |step| {
        spinner.message(describe(step));
    })
    .into_diagnostic();
    drop(spinner);
    let report = report?;
    if arguments.json {
        return output::print_json(&report);
    }
    print(&report)
}

pub fn describe(step: Step) -> String {
    match step {
        Step::Export => "exporting the Verilog".into(),
        Step::Synthesis { clock_mhz } => format!("synthesis for {clock_mhz} MHz"),
        Step::PlaceAndRoute { seeds, clock_mhz } => {
            format!("place and route for {clock_mhz} MHz, up to {seeds} seeds")
        }
        Step::Pack => "packing the image".into(),
    }
}

fn print(report: &BuildReport) -> Result<()> {
    let share = |used: u64, total: u64| {
        let share = table::percent(used as f64 / total as f64);
        format!(
            "{} of {}, {share}",
            table::thousands(used),
            table::thousands(total)
        )
    };
    let source = if report.pll { "PLL" } else { "board clock" };
    table::print(&[
        (
            "board",
            format!("{}, config {}", report.board, report.config),
        ),
        ("logic cells", share(report.lcs, report.lcs_total)),
        ("block RAMs", share(report.brams, report.brams_total)),
        (
            "clock",
            format!(
                "{:.1} MHz from the {source}, Fmax {:.1} MHz (seed {})",
                report.clock_mhz, report.fmax_mhz, report.seed
            ),
        ),
        (
            "array",
            format!(
                "{} MACs a cycle, {:.2} GMAC/s peak, {} LUT4 a multiplier",
                report.macs_per_cycle, report.peak_gmacs, report.lut4_per_multiplier
            ),
        ),
        (
            "time",
            format!(
                "synthesis {:.0} s, place and route {:.0} s, {} placements",
                report.synthesis_s,
                report.place_and_route_s,
                report.attempts.len()
            ),
        ),
        ("slowest path", slowest_path(report)),
        ("image", report.bitstream.display().to_string()),
        ("floorplan", report.floorplan.display().to_string()),
    ])?;
    outln!("")?;
    print_units(&report.units)
}

pub fn print_units(units: &[UnitUse]) -> Result<()> {
    outln!("unit                               LCs  block RAMs")?;
    for unit in units {
        outln!("{:<31} {:>6} {:>11}", unit.unit, unit.lcs, unit.brams)?;
    }
    Ok(())
}

/// Its units, with the nanoseconds it spends on the way to each and in it.
fn slowest_path(report: &BuildReport) -> String {
    let stretches = report.critical_path.iter().map(|stretch| {
        let ns = stretch.routing_ns + stretch.logic_ns;
        format!("{} {ns:.1} ns", stretch.unit)
    });
    stretches.collect::<Vec<_>>().join(", ")
}
