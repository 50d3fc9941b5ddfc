//! Place and route: a netlist becomes a routed design, whose timing is known.
//!
//! ```text
//!  netlist.json, board.pcf, seed ──► nextpnr ──► quern-SEED.asc, timing-SEED.json
//! ```
//! Seeds differ by several MHz, and nobody can say beforehand which is good. So some
//! are tried side by side, and the best one is kept: its files lose the seed from
//! their names, the others' go. Which one that is does not depend on the machine.

use crate::error::BuildError;
use crate::pins;
use crate::report::Placed;
use crate::synthesis::NETLIST;
use crate::tool::NEXTPNR;
use std::fs;
use std::path::Path;
use std::thread;

/// The constraint file that [`place_and_route`] reads.
pub const CONSTRAINTS: &str = "board.pcf";
/// The routed design that is kept.
pub const ROUTED: &str = "quern.asc";

/// nextpnr is asked for a little more than the clock, because it stops improving
/// where its own estimate says that the goal is met.
const GOAL: f64 = 1.1;

/// The files of a placement: with the seed in their names, and without.
fn files(seed: u32) -> [(String, &'static str); 3] {
    [
        (format!("quern-{seed}.asc"), ROUTED),
        (format!("timing-{seed}.json"), "timing.json"),
        (format!("nextpnr-{seed}.log"), "nextpnr.log"),
    ]
}

/// Tries all seeds, as many at a time as the machine has cores.
pub fn place_and_route(
    folder: &Path,
    clock_mhz: f64,
    seeds: &[u32],
) -> Vec<(u32, Result<Placed, BuildError>)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let batches = seeds.chunks(cores);
    let run = |batch: &[u32]| {
        thread::scope(|scope| {
            let running: Vec<_> = batch
                .iter()
                .map(|&seed| (seed, scope.spawn(move || attempt(folder, clock_mhz, seed))))
                .collect();
            running
                .into_iter()
                .map(|(seed, thread)| (seed, thread.join().expect("no panic in `attempt`")))
                .collect::<Vec<_>>()
        })
    };
    batches.flat_map(run).collect()
}

fn attempt(folder: &Path, clock_mhz: f64, seed: u32) -> Result<Placed, BuildError> {
    let [(routed, _), (timing, _), (log, _)] = files(seed);
    let device = format!("--{}", pins::DEVICE);
    let goal = format!("{:.3}", clock_mhz * GOAL);
    #[rustfmt::skip]
    let arguments = [
        device.as_str(),
        "--package", pins::PACKAGE,
        "--json", NETLIST,
        "--pcf", CONSTRAINTS,
        "--asc", &routed,
        "--report", &timing,
        "--freq", &goal,
        "--seed", &seed.to_string(),
        "--placer", "heap",
        "--router", "router1",
        // The goal is above the clock; the build compares Fmax itself.
        "--timing-allow-fail",
    ];
    NEXTPNR.run(&arguments, folder, &log, "placing and routing")?;
    let path = folder.join(timing);
    let report = fs::read_to_string(&path).map_err(BuildError::io("reading", &path))?;
    Placed::parse(&report).ok_or(BuildError::Format {
        file: "timing.json",
    })
}

/// Keeps one seed's files, and removes those of the others.
pub fn keep(folder: &Path, seeds: &[u32], kept: u32) -> Result<(), BuildError> {
    for &seed in seeds {
        for (file, name) in files(seed) {
            let path = folder.join(file);
            if seed == kept {
                fs::rename(&path, folder.join(name)).map_err(BuildError::io("renaming", &path))?;
            } else if path.exists() {
                fs::remove_file(&path).map_err(BuildError::io("removing", &path))?;
            }
        }
    }
    Ok(())
}
