//! Whether the tests notice when a unit's Verilog is changed.
//!
//! ```text
//!  tests ─► recorded vectors ─► unit.v ──► Yosys: mutate -list ──► one netlist with all
//!  (quern_testbench::cosim)        │                               mutants, and their number
//!                                  │                               as an input
//!                                  │                                    │
//!                                  └── testbench, stimulus, expected ──► Icarus, once per mutant
//!                                                                        │        │
//!                                                                      killed   survived ─► same
//!                                                                                           behaviour?
//! ```
//! The recorded vectors are those of the unit tests themselves ([`VECTORS`]); nothing is
//! compiled anew. A mutant that they do not kill is compared with the unit: if it behaves
//! alike (shown without a bound, by [`crate::equivalence`]) it is no mutant and does not
//! count. What could not be decided counts as survived.

use crate::check::Obstacle;
use crate::equivalence::{compare, Side, Verdict};
use crate::tool::{Tool, YOSYS};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const IVERILOG: Tool = icarus("iverilog");
const VVP: Tool = icarus("vvp");

const fn icarus(program: &'static str) -> Tool {
    Tool {
        program,
        package: "apt-get install iverilog",
    }
}

/// Where the unit tests leave their vectors when `QUERN_VECTORS` names this folder.
pub const VECTORS: &str = "build/vectors";

const PATIENCE: Duration = Duration::from_secs(300);
/// A simulation of a mutant that takes so long no longer ends: killed.
const SIMULATION: Duration = Duration::from_secs(120);
/// For one mutant that survived.
const COMPARISON: Duration = Duration::from_secs(30);

/// Mutants that are not made. A clock that passes through a multiplexer is late: the
/// flip-flops behind it would see what the others hold after the edge. A flip-flop whose
/// output is changed loses its start value; changes of its input are made.
const EXCLUDED: [&str; 3] = ["-mode none", "CLK ", "-port Q "];

/// The input that says which mutant a netlist is; 0 is the unit itself.
const SELECT: &str = "quern_mutant";

/// A unit, and the vectors that its tests recorded.
pub struct Unit {
    pub name: String,
    pub verilog: String,
    /// Folders with `testbench.v`, `stimulus.hex`, `expected.hex`; the shortest first.
    sets: Vec<PathBuf>,
}

/// What happened to the mutants of a unit.
#[derive(Debug, Default)]
pub struct Score {
    pub killed: u64,
    pub equivalent: u64,
    /// What was changed, as Yosys says it.
    pub survivors: Vec<String>,
}

impl Score {
    /// Mutants that change behaviour, as far as is known.
    pub fn mutants(&self) -> u64 {
        self.killed + self.survivors.len() as u64
    }
}

/// Every unit that has vectors under a folder, at the smallest of the sizes it is tested
/// at: a unit's sizes are one source.
pub fn units(folder: &Path) -> Result<Vec<Unit>, Obstacle> {
    let none = || {
        Obstacle::Other(format!(
            "there are no recorded vectors in {}; record them with \
             `QUERN_VECTORS={VECTORS} cargo test --release -p quern-testbench`",
            folder.display()
        ))
    };
    if !folder.is_dir() {
        return Err(none());
    }
    let mut units: BTreeMap<(String, String), Vec<(u64, PathBuf)>> = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let set = entry?.path();
        let Ok(verilog) = fs::read_to_string(set.join("unit.v")) else {
            continue;
        };
        let name = set.file_name().unwrap_or_default().to_string_lossy();
        let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
        let length = fs::metadata(set.join("stimulus.hex"))?.len();
        let key = (name.to_owned(), verilog);
        units.entry(key).or_default().push((length, set));
    }
    if units.is_empty() {
        return Err(none());
    }
    let mut smallest: BTreeMap<String, Unit> = BTreeMap::new();
    for ((name, verilog), mut sets) in units {
        sets.sort();
        let unit = Unit {
            name: name.clone(),
            verilog,
            sets: sets.into_iter().map(|(_, set)| set).collect(),
        };
        match smallest.get(&name) {
            Some(known) if known.verilog.len() <= unit.verilog.len() => {}
            _ => {
                smallest.insert(name, unit);
            }
        }
    }
    Ok(smallest.into_values().collect())
}

/// Makes up to `count` mutants of a unit and runs the recorded vectors on each.
pub fn score(unit: &Unit, count: usize, seed: u64) -> Result<Score, Obstacle> {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    fs::write(path.join("unit.v"), &unit.verilog)?;
    let top = &unit.name;
    let list = format!(
        "read_verilog unit.v\nprep -flatten -top {top}\nwrite_rtlil unit.il\n\
         mutate -list {count} -seed {seed} -o mutants.txt\n"
    );
    yosys(path, &list)?;
    let list = fs::read_to_string(path.join("mutants.txt"))?;
    let mutants: Vec<&str> = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix("mutate "))
        .filter(|mutant| !EXCLUDED.iter().any(|excluded| mutant.contains(excluded)))
        .collect();
    let all: String = (1..)
        .zip(&mutants)
        .map(|(number, mutant)| format!("mutate -ctrl {SELECT} 16 {number} {mutant}\n"))
        .collect();
    yosys(
        path,
        &format!("read_rtlil unit.il\n{all}write_verilog -noattr mutants.v\n"),
    )?;

    let mut alive: Vec<usize> = (1..=mutants.len()).collect();
    for (i, set) in unit.sets.iter().enumerate() {
        if alive.is_empty() {
            break;
        }
        let program = compile(unit, set, path, i)?;
        if killed(&program, set, 0)? {
            return Err(Obstacle::Other(format!(
                "`{top}` itself fails its recorded vectors after synthesis by Yosys"
            )));
        }
        let mut still = Vec::new();
        for number in alive {
            if !killed(&program, set, number)? {
                still.push(number);
            }
        }
        alive = still;
    }
    let mut score = Score {
        killed: (mutants.len() - alive.len()) as u64,
        ..Score::default()
    };
    for number in alive {
        let mutant = mutants[number - 1];
        fs::write(
            path.join("mutant.ys"),
            format!("read_rtlil unit.il\nmutate {mutant}\n"),
        )?;
        let side = |read| Side { read, top };
        let verdict = compare(
            side("read_rtlil unit.il"),
            side("script mutant.ys"),
            path,
            COMPARISON,
        )?;
        match verdict {
            Verdict::Equal => score.equivalent += 1,
            Verdict::Different => score.survivors.push(mutant.to_owned()),
            Verdict::Undecided => score.survivors.push(format!("{mutant} (undecided)")),
        }
    }
    Ok(score)
}

fn yosys(folder: &Path, script: &str) -> Result<(), Obstacle> {
    fs::write(folder.join("script.ys"), script)?;
    YOSYS.run(&["-q", "script.ys"], folder, PATIENCE)?;
    Ok(())
}

/// The recorded testbench around all mutants.
fn compile(unit: &Unit, set: &Path, folder: &Path, number: usize) -> Result<PathBuf, Obstacle> {
    let testbench = fs::read_to_string(set.join("testbench.v"))?;
    let instance = format!("{} dut (", unit.name);
    if !testbench.contains(&instance) {
        return Err(Obstacle::Other(format!(
            "the recorded testbench of `{}` has no `{instance}`",
            unit.name
        )));
    }
    let selected = format!(
        "reg [15:0] {SELECT};\n    \
         initial if (!$value$plusargs(\"mutant=%d\", {SELECT})) {SELECT} = 0;\n    \
         {instance}\n        .{SELECT}({SELECT}),"
    );
    let bench = format!("testbench-{number}.v");
    let program = format!("mutants-{number}.vvp");
    fs::write(
        folder.join(&bench),
        testbench.replacen(&instance, &selected, 1),
    )?;
    let arguments = ["-g2012", "-o", &program, &bench, "mutants.v"];
    IVERILOG.run(&arguments, folder, PATIENCE)?;
    Ok(folder.join(program))
}

/// Whether the vectors tell a mutant from the unit.
fn killed(program: &Path, set: &Path, number: usize) -> Result<bool, Obstacle> {
    let mutant = format!("+mutant={number}");
    let program = program.to_string_lossy();
    let ended = VVP.try_run(&["-n", &program, &mutant], set, SIMULATION)?;
    // The testbench says so when it has seen all rows.
    Ok(!ended.is_some_and(|ended| ended.text.lines().any(|line| line == "COSIM-PASSED")))
}
