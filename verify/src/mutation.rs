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
//! Undefined constants, such as what is written without an enable, are zeros first: in Icarus a
//! mutant that writes nowhere would be none.
//!
//! The recorded vectors are those of the unit tests themselves ([`VECTORS`]); nothing is
//! compiled anew. A mutant that they do not kill is compared with the unit: if it behaves
//! alike (shown without a bound, by [`crate::equivalence`]) it is no mutant and does not
//! count. What could not be decided counts as survived.

use crate::check::Obstacle;
use crate::equivalence::{compare_abstracted, Side, Verdict};
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
const COMPARISON: Duration = Duration::from_secs(60);

/// Mutants that are not made. A clock that passes through a multiplexer is late: the
/// flip-flops behind it would see what the others hold after the edge. A flip-flop whose
/// output is changed loses its start value; changes of its input are made. A memory's read
/// ports have no clock here, and then no enables or resets.
const EXCLUDED: [&str; 6] = [
    "-mode none",
    "CLK ",
    "-port Q ",
    "-port RD_EN ",
    "-port RD_ARST ",
    "-port RD_SRST ",
];

/// Of so many times as many mutants those are left that are not in a part with vectors of
/// its own.
const SPARE: usize = 4;

/// The input that says which mutant a netlist is; 0 is the unit itself.
const SELECT: &str = "quern_mutant";

/// A unit, and the vectors that its tests recorded.
pub struct Unit {
    pub name: String,
    pub verilog: String,
    /// How Yosys begins the names of cells in instances of other units that have vectors:
    /// they are changed there.
    parts: Vec<String>,
    /// Folders with `testbench.v`, `stimulus.hex`, `expected.hex`; the shortest first.
    sets: Vec<PathBuf>,
}

impl Unit {
    /// At some sizes a unit is wires only, and nothing in it can be changed: they come last.
    fn size(&self) -> (bool, usize) {
        let logic = ["posedge", " & ", " | ", " ^ ", " + ", " == "];
        let wires = !logic.iter().any(|token| self.verilog.contains(token));
        (wires, self.verilog.len())
    }
}

/// What happened to the mutants of a unit.
#[derive(Debug, Default)]
pub struct Score {
    pub killed: u64,
    pub equivalent: u64,
    pub survivors: Vec<Survivor>,
}

/// A mutant that the vectors do not kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// As Yosys says it.
    pub change: String,
    /// The lines of the Verilog that were changed.
    pub lines: Vec<String>,
}

impl Survivor {
    fn of(mutant: &str, undecided: bool, unit: &Unit) -> Survivor {
        let text: Vec<&str> = unit.verilog.lines().collect();
        // -src unit.v:32.35-32.54
        let lines = mutant
            .split("-src unit.v:")
            .skip(1)
            .filter_map(|place| place.split_once('.')?.0.parse::<usize>().ok())
            .filter_map(|number| text.get(number - 1))
            .map(|line| line.trim().to_owned())
            .collect();
        Survivor {
            change: match undecided {
                true => format!("{mutant}, undecided"),
                false => mutant.to_owned(),
            },
            lines,
        }
    }
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
            parts: Vec::new(),
            verilog,
            sets: sets.into_iter().map(|(_, set)| set).collect(),
        };
        match smallest.get(&name) {
            Some(known) if known.size() <= unit.size() => {}
            _ => {
                smallest.insert(name, unit);
            }
        }
    }
    let names: Vec<String> = smallest.keys().cloned().collect();
    for unit in smallest.values_mut() {
        unit.parts = parts(&unit.verilog, &names);
    }
    Ok(smallest.into_values().collect())
}

/// Instances in the top module, which is the first, of units that have vectors.
fn parts(verilog: &str, units: &[String]) -> Vec<String> {
    let top = verilog.lines().take_while(|line| *line != "endmodule");
    top.filter_map(|line| {
        let (module, rest) = line.strip_prefix("    ")?.split_once(' ')?;
        let instance = rest.strip_suffix(" (")?;
        // `memory_4_8_7`: a unit and its parameters.
        let parameters = module
            .match_indices('_')
            .find(|(place, _)| module[place + 1..].starts_with(|c: char| c.is_ascii_digit()));
        let unit = parameters.map_or(module, |(place, _)| &module[..place]);
        let known = units.iter().any(|name| name == unit);
        known.then(|| format!("-cell $flatten\\{instance}."))
    })
    .collect()
}

/// Makes up to `count` mutants of a unit and runs the recorded vectors on each.
pub fn score(unit: &Unit, count: usize, seed: u64) -> Result<Score, Obstacle> {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    fs::write(path.join("unit.v"), &unit.verilog)?;
    let top = &unit.name;
    let list = format!(
        "read_verilog unit.v\nprep -nordff -flatten -top {top}\nsetundef -zero\nwrite_rtlil unit.il\n\
         mutate -list {} -seed {seed} -o mutants.txt\n",
        match unit.parts.is_empty() {
            true => count,
            false => count * SPARE,
        }
    );
    yosys(path, &list)?;
    let list = fs::read_to_string(path.join("mutants.txt"))?;
    let mutants: Vec<&str> = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix("mutate "))
        .filter(|mutant| !EXCLUDED.iter().any(|excluded| mutant.contains(excluded)))
        .filter(|mutant| !unit.parts.iter().any(|part| mutant.contains(part)))
        .take(count)
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
        let verdict = compare_abstracted(
            side("read_rtlil unit.il"),
            side("script mutant.ys"),
            path,
            COMPARISON,
        )?;
        match verdict {
            Verdict::Equal => score.equivalent += 1,
            Verdict::Different => score.survivors.push(Survivor::of(mutant, false, unit)),
            Verdict::Undecided => score.survivors.push(Survivor::of(mutant, true, unit)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_units_with_vectors_are_told_by_their_names() {
        let verilog =
            "module top (\n    input  wire clock,\n);\n    memory_4_8_7 words (\n        \
                       .clock(clock)\n    );\n    lane lane_0 (\n    );\n    other_2 x (\n    );\n\
                       endmodule\nmodule lane (\n    memory_1_8_8 y (\n    );\nendmodule\n";
        let units = ["memory".to_owned(), "lane".to_owned()];
        let found = parts(verilog, &units);
        assert_eq!(found, ["-cell $flatten\\words.", "-cell $flatten\\lane_0."]);
    }
}
