//! `quern bench fpga`: what a multiply-accumulate costs on the FPGA.

use crate::arguments::BenchFpga;
use crate::commands::fpga;
use crate::output::outln;
use crate::progress::Spinner;
use crate::{output, table};
use miette::{IntoDiagnostic, Result};
use quern_fpga::density::{self, DensityOptions, Measured, Placement};
use std::thread;

pub fn run(arguments: &BenchFpga) -> Result<()> {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let options = DensityOptions {
        seeds: (1..=arguments.seeds).collect(),
        jobs: arguments.effort.jobs.unwrap_or_else(cores),
        cache: arguments.effort.cache(),
    };
    let spinner = Spinner::new("starting");
    let measured = density::measure(&options, &mut |design, step| {
        spinner.message(format!("{design}: {}", fpga::describe(step)));
    })
    .into_diagnostic();
    drop(spinner);
    let measured = measured?;
    if arguments.json {
        return output::print_json(&measured);
    }
    print(&measured)
}

fn print(measured: &[Measured]) -> Result<()> {
    outln!(
        "{:<30} {:>5} {:>10} {:>9} {:>9} {:>6}  {:>12}  {:>13}  MHz of each seed",
        "",
        "MACs",
        "array LCs",
        "LCs/MAC",
        "all LCs",
        "RAMs",
        "MHz med/best",
        "GMAC/s"
    )?;
    for design in measured {
        let all: Vec<String> = design.placements.iter().map(mhz).collect();
        outln!(
            "{:<30} {:>5} {:>10} {:>9.1} {:>9} {:>6}  {:>5.1} /{:>5.1}  {:>5.2} / {:>5.2}  {}",
            design.name,
            design.macs_per_cycle,
            table::thousands(design.array_lcs as u64),
            design.lcs_per_mac,
            table::thousands(design.lcs),
            design.brams,
            design.fmax_median_mhz,
            design.fmax_best_mhz,
            design.gmacs_median,
            design.gmacs_best,
            all.join(" "),
        )?;
    }
    let Some(image) = measured.last() else {
        return Ok(());
    };
    outln!("\nunits of the {}", image.name)?;
    fpga::print_units(&image.units)
}

fn mhz(placement: &Placement) -> String {
    match placement.fmax_mhz {
        Some(mhz) => format!("{mhz:.1}"),
        None => "unplaced".to_owned(),
    }
}
