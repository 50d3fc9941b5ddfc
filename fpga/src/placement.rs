//! Place and route: a netlist becomes a routed design, whose timing is known.
//!
//! ```text
//!  netlist.json, board.pcf, seed ──► nextpnr ──► seed-N/quern.asc, timing.json, layout.json
//! ```
//! Seeds differ by several MHz, and nobody can say beforehand which is good. So they are
//! tried in their order, some side by side, until one meets the clock. Which one that is
//! does not depend on how many are tried at a time: the first of the list that meets it.

use crate::error::BuildError;
use crate::layout::Layout;
use crate::pins;
use crate::report::Placed;
use crate::synthesis::NETLIST;
use crate::tool::NEXTPNR;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

/// The constraint file that [`attempt`] reads.
pub const CONSTRAINTS: &str = "board.pcf";
/// The routed design.
pub const ROUTED: &str = "quern.asc";
pub const TIMING: &str = "timing.json";
/// Where each cell is, and of which unit it is: [`Layout`].
pub const LAYOUT: &str = "layout.json";

/// The files of a placement.
pub const FILES: [&str; 4] = [ROUTED, TIMING, LAYOUT, "nextpnr.log"];

/// nextpnr's own account of the placed design; large, and made into [`LAYOUT`].
const PLACED: &str = "placed.json";

/// nextpnr is asked for a little more than the clock, because it stops improving
/// where its own estimate says that the goal is met.
const GOAL: f64 = 1.1;

/// nextpnr's arguments, from a folder inside the one with netlist and constraints.
pub fn arguments(clock_mhz: f64, seed: u32) -> Vec<String> {
    let goal = format!("{:.3}", clock_mhz * GOAL);
    #[rustfmt::skip]
    let arguments = [
        &format!("--{}", pins::DEVICE),
        "--package", pins::PACKAGE,
        "--json", &format!("../{NETLIST}"),
        "--pcf", &format!("../{CONSTRAINTS}"),
        "--asc", ROUTED,
        "--report", TIMING,
        "--write", PLACED,
        "--freq", &goal,
        "--seed", &seed.to_string(),
        "--placer", "heap",
        "--router", "router1",
        // The goal is above the clock; the build compares Fmax itself.
        "--timing-allow-fail",
    ];
    arguments.map(String::from).to_vec()
}

/// The folder of a seed's files, inside the one with netlist and constraints.
pub fn folder_of(folder: &Path, seed: u32) -> PathBuf {
    folder.join(format!("seed-{seed}"))
}

/// Makes [`FILES`] in the seed's folder; ends early when `stop` becomes true.
pub fn attempt(
    folder: &Path,
    clock_mhz: f64,
    seed: u32,
    stop: &dyn Fn() -> bool,
) -> Result<(), BuildError> {
    let arguments = arguments(clock_mhz, seed);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let own = folder_of(folder, seed);
    NEXTPNR.run_unless(stop, &arguments, &own, "nextpnr.log", "placing and routing")?;
    let path = own.join(PLACED);
    let placed = fs::read_to_string(&path).map_err(BuildError::io("reading", &path))?;
    let layout = Layout::parse(&placed).ok_or(BuildError::Format { file: PLACED })?;
    let text = serde_json::to_string(&layout).map_err(|error| BuildError::Io {
        what: "writing",
        path: own.join(LAYOUT),
        source: error.into(),
    })?;
    fs::write(own.join(LAYOUT), text).map_err(BuildError::io("writing", &own.join(LAYOUT)))?;
    fs::remove_file(&path).map_err(BuildError::io("removing", &path))
}

/// What became of a seed.
pub type Outcome = (u32, Result<Placed, BuildError>);

/// Places with a seed, unless its result is no longer wanted.
pub type Place<'a> = dyn Fn(u32, &dyn Fn() -> bool) -> Result<Placed, BuildError> + Sync + 'a;

/// Tries seeds in their order, `jobs` at a time, up to and including the first that
/// `meets`.
pub fn search(
    seeds: &[u32],
    jobs: usize,
    meets: &(dyn Fn(&Placed) -> bool + Sync),
    place: &Place,
) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    // Index of the first seed that meets, as far as is known.
    let first = AtomicUsize::new(usize::MAX);
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(seeds.iter().map(|_| None).collect());
    let work = || loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let not_needed = || first.load(Ordering::Relaxed) < index;
        let Some(&seed) = seeds.get(index).filter(|_| !not_needed()) else {
            return;
        };
        let outcome = place(seed, &not_needed);
        if outcome.as_ref().is_ok_and(meets) {
            first.fetch_min(index, Ordering::Relaxed);
        }
        outcomes.lock().expect("no panic while it is held")[index] = Some((seed, outcome));
    };
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, seeds.len().max(1)) {
            scope.spawn(work);
        }
    });
    let end = first.into_inner().saturating_add(1);
    let outcomes = outcomes.into_inner().expect("no panic while it is held");
    outcomes.into_iter().take(end).flatten().collect()
}

/// Moves one seed's files to the netlist's folder, and removes all others'.
pub fn keep(folder: &Path, seeds: &[u32], kept: u32) -> Result<(), BuildError> {
    for file in FILES {
        let path = folder_of(folder, kept).join(file);
        fs::rename(&path, folder.join(file)).map_err(BuildError::io("renaming", &path))?;
    }
    discard(folder, seeds)
}

/// Removes the files of all seeds.
pub fn discard(folder: &Path, seeds: &[u32]) -> Result<(), BuildError> {
    let folders = seeds.iter().map(|&seed| folder_of(folder, seed));
    for own in folders.filter(|own| own.exists()) {
        fs::remove_dir_all(&own).map_err(BuildError::io("removing", &own))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn placed(fmax_mhz: f64) -> Placed {
        Placed {
            lcs: 1,
            lcs_total: 7680,
            brams: 0,
            brams_total: 32,
            fmax_mhz,
        }
    }

    /// The seeds that a search reports, when seed `s` reaches `100 + fmax[s]` MHz.
    fn seeds(jobs: usize, fmax: &[f64]) -> Vec<u32> {
        let all: Vec<u32> = (0..fmax.len() as u32).collect();
        let place = |seed: u32, stop: &dyn Fn() -> bool| {
            // Earlier seeds take longer: the order of the ends is not that of the seeds.
            for _ in 0..10 * (fmax.len() as u32 - seed) {
                if stop() {
                    return Err(BuildError::NoSeed);
                }
                thread::sleep(Duration::from_micros(200));
            }
            Ok(placed(100.0 + fmax[seed as usize]))
        };
        let outcomes = search(&all, jobs, &|placed| placed.fmax_mhz >= 100.0, &place);
        for (seed, outcome) in &outcomes {
            assert!(outcome.is_ok(), "seed {seed} was given up");
        }
        outcomes.into_iter().map(|(seed, _)| seed).collect()
    }

    #[test]
    fn the_search_ends_with_the_first_seed_that_meets_whatever_runs_beside_it() {
        for jobs in [1, 2, 3, 8] {
            assert_eq!(seeds(jobs, &[-1.0, -2.0, 3.0, 9.0, 9.0]), [0, 1, 2]);
            assert_eq!(seeds(jobs, &[1.0, 9.0, 9.0]), [0]);
            assert_eq!(seeds(jobs, &[-1.0, -3.0]), [0, 1]);
            assert!(seeds(jobs, &[]).is_empty());
        }
    }
}
