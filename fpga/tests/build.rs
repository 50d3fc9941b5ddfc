//! The build as a user gets it: one whole image of the released configuration, and
//! the errors that end it early.

use quern_fpga::flow::{self, BuildOptions, Step, BITSTREAM};
use quern_fpga::{BuildError, BuildReport};
use quern_isa::{ASIC16, CU, TINY};
use std::fs;

fn ignore(_: Step) {}

/// Takes a few minutes: place and route of an FPGA that is nearly full.
#[test]
fn the_released_configuration_becomes_an_image_that_meets_its_clock() {
    let folder = tempfile::tempdir().unwrap();
    let out_dir = folder.path().join("build/fpga/cu");
    fs::create_dir_all(&out_dir).unwrap();
    fs::write(out_dir.join(BITSTREAM), "an older image").unwrap();
    fs::write(out_dir.join("notes"), "the user's own").unwrap();

    let mut steps = Vec::new();
    let options = BuildOptions::new(&out_dir);
    let report = flow::build(&CU, &options, &mut |step| steps.push(step)).unwrap();
    report_accounts_for_every_cell(&report);
    again_it_is_the_same_image_from_the_cache(&report, &options);

    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    assert_eq!(
        (steps[0], steps[steps.len() - 1]),
        (Step::Export, Step::Pack)
    );
    image_is_complete(&report);
    assert!(report.fmax_mhz >= report.clock_mhz, "{report:?}");
    assert!((0.98..1.02).contains(&(report.baud / 1e6)), "{report:?}");
    assert!(report.lcs <= report.lcs_total && report.lcs_total == 7680);
    assert!(report.brams <= report.brams_total && report.brams_total == 32);
    assert_eq!(report.macs_per_cycle, CU.macs_per_cycle());
    assert!(report.lut4_per_multiplier <= 85, "{report:?}");
    // The user's files stay, and nothing else is left beside the folder.
    assert!(out_dir.join("notes").is_file());
    assert_eq!(fs::read_dir(out_dir.parent().unwrap()).unwrap().count(), 1);
}

fn report_accounts_for_every_cell(report: &BuildReport) {
    let lcs: usize = report.units.iter().map(|unit| unit.lcs).sum();
    let brams: usize = report.units.iter().map(|unit| unit.brams).sum();
    assert_eq!((lcs as u64, brams as u64), (report.lcs, report.brams));
    assert_eq!(report.units[0].unit, "core.matrix");
    let top = report.units.iter().find(|unit| unit.unit == "top");
    // Cells that Yosys named after a wire of the top module.
    assert!(top.is_none_or(|top| top.lcs * 100 < lcs), "{top:?}");
    let path = report.critical_path.iter();
    let path_ns: f64 = path
        .map(|stretch| stretch.routing_ns + stretch.logic_ns)
        .sum();
    // Where two carry chains meet, nextpnr 0.4 traces a way to the slowest end that may be
    // some tenths of a nanosecond shorter than the one it measured.
    let period_ns = 1e3 / report.fmax_mhz;
    assert!(
        (period_ns - 0.3..period_ns + 0.02).contains(&path_ns),
        "{path_ns} of {period_ns}"
    );
    let programs = report.tools.iter().map(|tool| tool.program);
    assert_eq!(
        programs.collect::<Vec<_>>(),
        ["yosys", "nextpnr-ice40", "icepack"]
    );
}

fn again_it_is_the_same_image_from_the_cache(report: &BuildReport, options: &BuildOptions) {
    let folder = tempfile::tempdir().unwrap();
    let again = BuildOptions {
        out_dir: folder.path().join("again"),
        jobs: 1,
        ..options.clone()
    };
    let again = flow::build(&CU, &again, &mut ignore).unwrap();
    assert_eq!(again.bitstream_sha256, report.bitstream_sha256);
    let read =
        |report: &BuildReport, file| fs::read(report.bitstream.with_file_name(file)).unwrap();
    for file in [BITSTREAM, "quern.asc", "floorplan.svg", "netlist.v"] {
        assert!(read(&again, file) == read(report, file), "{file} differs");
    }
    // Synthesis alone takes more than ten times as long.
    let seconds = again.synthesis_s + again.place_and_route_s;
    assert!(seconds < 5.0, "{seconds} s from the cache");
}

fn image_is_complete(report: &BuildReport) {
    // What an iCE40 HX8K is configured with.
    assert_eq!(fs::metadata(&report.bitstream).unwrap().len(), 135_100);
    assert_eq!(report.bitstream_bytes, 135_100);
    assert_eq!(report.bitstream.file_name().unwrap(), BITSTREAM);
    let folder = report.bitstream.parent().unwrap();
    let text = fs::read_to_string(folder.join("report.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written["lcs"], report.lcs);
    for file in [
        "design.v",
        "mapping.v",
        "board.pcf",
        "netlist.json",
        "quern.asc",
        "floorplan.svg",
    ] {
        assert!(folder.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_configuration_without_board_is_refused_by_name_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let options = BuildOptions::new(folder.path().join("out"));
    for config in [TINY, ASIC16] {
        let error = flow::build(&config, &options, &mut ignore).unwrap_err();
        assert!(matches!(error, BuildError::NoBoard { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(config.name) && text.contains("--config cu"),
            "{text}"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn options_that_can_not_be_met_are_refused_before_the_tools_run() {
    let folder = tempfile::tempdir().unwrap();
    let out_dir = folder.path().join("out");
    let no_seed = BuildOptions {
        seeds: Vec::new(),
        ..BuildOptions::new(&out_dir)
    };
    let error = flow::build(&CU, &no_seed, &mut ignore).unwrap_err();
    assert!(matches!(error, BuildError::NoSeed), "{error}");
    let refusal = |clock_hz: u64| {
        let options = BuildOptions {
            clock_hz,
            ..BuildOptions::new(&out_dir)
        };
        flow::build(&CU, &options, &mut ignore).unwrap_err()
    };
    let error = refusal(1_000_000);
    assert!(matches!(error, BuildError::NoClock { .. }), "{error}");
    let error = refusal(300_000_000);
    assert!(matches!(error, BuildError::Baud { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
