//! The core against the reference machine, and units under both Verilog simulators.

use super::host::CARGO;
use crate::check::{Check, Evidence, Figures, Group, Mode, Obstacle, Outcome, Session};
use crate::tool::Tool;
use quern_hdl::verilog;
use quern_isa::{Config, Machine, Reference, CONFIGS, TINY};
use quern_testbench::cosim::{BOTH, LOG};
use quern_testbench::icarus::{self, without_start_values, IcarusError};
use quern_testbench::programs::coverage::Bins;
use quern_testbench::programs::{
    campaign, malformed, random_recipe, Campaign, Ended, Gaps, Random,
};
use quern_testbench::verilator::{Model, Supply, Verilator, FAULT};
use std::time::Duration;

pub fn all() -> Vec<Check> {
    vec![
        Check::new(
            Group::Simulation,
            "simulation.units",
            "units' vectors give in Verilator and in Icarus what they gave in RustHDL, without unknown outputs (every unit's in the full run)",
            units,
        ),
        Check::new(
            Group::Simulation,
            "simulation.programs",
            "random legal programs give the same on the RTL and on the reference machine, in the same cycles",
            programs,
        ),
        Check::new(
            Group::Simulation,
            "simulation.illegal_programs",
            "an illegal or truncated program ends in a readable error state or waits, and a reset ends that",
            illegal_programs,
        ),
        Check::new(
            Group::Simulation,
            "simulation.unknown_start",
            "after one cycle of reset no output of `tiny` is unknown, whatever its registers and memories held, and it does in Icarus what the reference does",
            unknown_start,
        ),
    ]
}

/// Unit tests that replay through Verilog. Verilator compiles each unit for some seconds;
/// the quick run follows the ordinary tests, which replay all of them in Icarus.
const QUICK_UNITS: &[&str] = &["address_generator"];
const FULL_UNITS: &[&str] = &[
    "activation_unit",
    "address_generator",
    "control",
    "matrix_unit",
    "memories",
    "multiplier",
    "requantise",
];

fn units(session: &Session) -> Result<Outcome, Obstacle> {
    let files = match session.mode {
        Mode::Quick => QUICK_UNITS,
        Mode::Full => FULL_UNITS,
    };
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("replays");
    let mut arguments = vec!["test", "--release", "--quiet", "-p", "quern-testbench"];
    arguments.extend(files.iter().flat_map(|file| ["--test", file]));
    const ENV: Tool = Tool {
        program: "env",
        package: "apt-get install coreutils",
    };
    CARGO.find()?;
    let settings = [format!("{BOTH}=1"), format!("{LOG}={}", log.display())];
    let mut command: Vec<&str> = settings.iter().map(String::as_str).collect();
    command.push(CARGO.program);
    command.extend(arguments);
    let limit = Duration::from_secs(3600);
    let Some(ended) = ENV.try_run(&command, session.root, limit)? else {
        return Ok(Outcome::failed("no end within an hour"));
    };
    if !ended.success {
        return Ok(Outcome::failed(ended.text));
    }
    let text = std::fs::read_to_string(&log)?;
    let mut vectors = 0;
    let mut units = std::collections::BTreeSet::new();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        units.insert(fields.next().unwrap_or_default());
        vectors += fields
            .next()
            .and_then(|rows| rows.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(Outcome::shown(Evidence::Simulated)
        .figures(Figures {
            cosim_vectors: Some(vectors),
            ..Figures::default()
        })
        .detail("replays", text.lines().count())
        .detail("units", units.into_iter().collect::<Vec<_>>().join(", ")))
}

/// Seeds of one configuration.
const QUICK_SEEDS: u64 = 40;
const FULL_SEEDS: u64 = 2000;

fn programs(session: &Session) -> Result<Outcome, Obstacle> {
    let seeds = match session.mode {
        Mode::Quick => QUICK_SEEDS,
        Mode::Full => FULL_SEEDS,
    };
    let mut outcome = Outcome::shown(Evidence::Simulated).seed(session.seed);
    let mut all = 0;
    for (i, config) in CONFIGS.iter().enumerate() {
        let model = Model::of(config).map_err(other)?;
        let first = session.seed << 32;
        match run(&model, first..first + seeds)? {
            Err(ended) => return Ok(Outcome::failed(ended.to_string()).seed(session.seed)),
            Ok(Campaign { programs, cycles }) => {
                all += programs;
                outcome = outcome.detail(
                    format!("programs on {}", config.name),
                    format!("{programs}, {cycles} cycles"),
                );
            }
        }
        session.progress(i + 1, CONFIGS.len() + 1);
    }
    let model = Model::of(&TINY).map_err(other)?.with_fault();
    let caught = matches!(run(&model, 0..1000)?, Err(Ended::Failure(_)));
    Ok(outcome
        .figures(Figures {
            random_programs: Some(all),
            ..Figures::default()
        })
        .control(FAULT, caught))
}

/// Runs programs, each on a core fresh from power-up.
pub(super) fn run_programs(
    supply: &Supply,
    config: &Config,
    seeds: std::ops::Range<u64>,
    bins: &mut Bins,
) -> Result<Campaign, Ended> {
    campaign(config, seeds, &mut |pacing| supply.paced(0, pacing), bins)
}

fn run(model: &Model, seeds: std::ops::Range<u64>) -> Result<Result<Campaign, Ended>, Obstacle> {
    let supply = Supply::of(model).map_err(other)?;
    let mut bins = Bins::new(&model.config);
    Ok(run_programs(&supply, &model.config, seeds, &mut bins))
}

/// Of the streams that are no programs, every so many in the quick run.
const QUICK_STEP: usize = 17;

fn illegal_programs(session: &Session) -> Result<Outcome, Obstacle> {
    let (step, truncated) = match session.mode {
        Mode::Quick => (QUICK_STEP, 20),
        Mode::Full => (1, 200),
    };
    let mut outcome = Outcome::shown(Evidence::Simulated).seed(session.seed);
    for config in &CONFIGS {
        let mut core = Verilator::new(config).map_err(other)?;
        let faults: Vec<_> = malformed::faults(config)
            .into_iter()
            .step_by(step)
            .collect();
        let mut random = Random(session.seed);
        match malformed::check(&mut core, Verilator::ports, &mut random, &faults, truncated) {
            Err(problem) => return Ok(Outcome::failed(problem)),
            Ok(streams) => {
                outcome = outcome.detail(format!("streams on {}", config.name), streams);
            }
        }
    }
    Ok(outcome)
}

fn unknown_start(session: &Session) -> Result<Outcome, Obstacle> {
    let seeds = match session.mode {
        Mode::Quick => 4,
        Mode::Full => 40,
    };
    let mut verilog = verilog::core(&TINY).map_err(other)?;
    verilog.text = without_start_values(&verilog.text);
    for (seed, gaps) in (session.seed..session.seed + seeds).zip(Gaps::ALL.into_iter().cycle()) {
        let recipe = random_recipe(&TINY, &mut Random(seed), 12).sent_only();
        let program = recipe.program();
        let mut host = vec![0; program.host_bytes as usize];
        let golden = Reference::new(TINY)
            .run(&program, &mut host)
            .map_err(other)?;
        let failed = |problem: String| {
            Ok(Outcome::failed(format!(
                "seed {seed}, gaps {gaps:?}: {problem}"
            )))
        };
        match icarus::run(&verilog, &recipe, gaps, true) {
            Err(IcarusError::MissingTool { .. }) => {
                crate::mutation::IVERILOG.find()?;
            }
            Err(error) => return failed(error.to_string()),
            Ok(run) if run.output != host => return failed("other output".to_owned()),
            Ok(run) if gaps == Gaps::None && run.counters != golden.counters => {
                return failed(format!("{:?}, not {:?}", run.counters, golden.counters))
            }
            Ok(_) => {}
        }
    }
    let short = random_recipe(&TINY, &mut Random(1), 3).sent_only();
    let without_reset = icarus::run(&verilog, &short, Gaps::None, false);
    Ok(Outcome::shown(Evidence::Simulated)
        .seed(session.seed)
        .detail("programs", seeds)
        .control(
            "the core is not reset",
            matches!(without_reset, Err(IcarusError::Unknown { .. })),
        ))
}

fn other(error: impl std::fmt::Display) -> Obstacle {
    Obstacle::Other(error.to_string())
}
