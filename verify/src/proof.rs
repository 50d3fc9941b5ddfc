//! Proofs about exported Verilog, each with the fault that it must not survive.
//!
//! ```text
//!  unit ──► export as `dut` ──┐
//!                             ├─► Yosys ──► transition system ──► yosys-smtbmc ──► holds?
//!  proofs/NAME.sv ────────────┘                                    (Yices)
//!  the same with a line of `dut` changed ─────────────────────────────────────► must not hold
//! ```
//! A property file has a module `properties` that instantiates the unit, assumes what the
//! unit's documentation asks of its surroundings, and asserts what it promises. Where
//! induction needs an invariant, it reads registers of the unit by a wire with the
//! attribute `hierconn`, which Yosys joins with the wire of that name in the instance (and
//! forgets its start value: the proof is then about any).
//!
//! The fault must give a counterexample, not just an induction that no longer closes. That
//! also shows that the assumptions don't exclude everything.

use crate::check::{Check, Evidence, Group, Obstacle, Outcome, Session};
use crate::tool::{Tool, YOSYS};
use std::path::Path;
use std::time::Duration;

pub const SMTBMC: Tool = Tool {
    program: "yosys-smtbmc",
    package: "apt-get install yosys",
};

/// Python's package brings the program; `scripts/setup` puts it into `build/venv`.
pub const YICES: Tool = Tool {
    program: "yices-smt2",
    package: "scripts/setup",
};

/// A proof that takes longer does not fit beside the tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Cycles from reset in which an induction's base, and a fault, are looked for.
const FROM_RESET: u64 = 20;

/// A claim about one unit.
pub struct Proof {
    /// Also that of the property file.
    pub name: &'static str,
    pub claim: &'static str,
    /// The unit's Verilog; its top module is `dut`.
    pub design: fn() -> Result<String, Obstacle>,
    pub method: Method,
    pub faults: &'static [Fault],
}

#[derive(Debug, Clone, Copy)]
pub enum Method {
    /// No state: one step is everything.
    Combinational,
    /// From reset, and by induction over `depth` steps from then on.
    Induction { depth: u64 },
    /// So many cycles from reset.
    Bounded { cycles: u64 },
}

/// One text of the unit's Verilog, replaced where it stands first.
pub struct Fault {
    pub text: &'static str,
    pub wrong: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Holds,
    /// With where.
    Counterexample(String),
    InductionFails(String),
}

impl Proof {
    pub fn check(self) -> Check {
        Check::new(
            Group::Proof,
            format!("proof.{}", self.name),
            self.claim,
            move |session| self.run(session),
        )
    }

    fn run(&self, session: &Session) -> Result<Outcome, Obstacle> {
        YICES.find()?;
        let properties = session
            .root
            .join("verify/proofs")
            .join(format!("{}.sv", self.name));
        let properties = std::fs::read_to_string(properties)?;
        let design = (self.design)()?;
        let total = 1 + self.faults.len();
        session.progress(0, total);
        let mut outcome = match self.verdict(&design, &properties)? {
            Verdict::Holds => Outcome::shown(self.method.evidence()),
            Verdict::Counterexample(what) => {
                Outcome::failed(format!("there is a counterexample: {what}"))
            }
            Verdict::InductionFails(what) => Outcome::failed(format!(
                "induction does not close, which is no counterexample: {what}"
            )),
        };
        for (done, fault) in self.faults.iter().enumerate() {
            session.progress(1 + done, total);
            let name = format!("`{}` becomes `{}`", fault.text, fault.wrong);
            if !design.contains(fault.text) {
                outcome = outcome.control(
                    format!("{name}: the unit has no such text any more, choose another"),
                    false,
                );
                continue;
            }
            let faulty = design.replacen(fault.text, fault.wrong, 1);
            let verdict = self.verdict(&faulty, &properties)?;
            let caught = matches!(verdict, Verdict::Counterexample(_));
            outcome = outcome.control(name, caught);
        }
        Ok(outcome)
    }

    fn verdict(&self, design: &str, properties: &str) -> Result<Verdict, Obstacle> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        std::fs::write(path.join("design.v"), design)?;
        std::fs::write(path.join("properties.sv"), properties)?;
        let stateless = match self.method {
            Method::Combinational => "select -assert-none t:$dff* t:$mem*; ",
            _ => "",
        };
        let script = format!(
            "read_verilog -formal -sv design.v properties.sv; prep -flatten -top properties; \
             {stateless}write_smt2 -wires design.smt2"
        );
        YOSYS.run(&["-q", "-p", &script], path, PATIENCE)?;
        match self.method {
            Method::Combinational => search(path, 1),
            Method::Bounded { cycles } => search(path, cycles),
            Method::Induction { depth } => match search(path, depth.max(FROM_RESET))? {
                Verdict::Holds => induction(path, depth),
                found => Ok(found),
            },
        }
    }
}

/// From reset.
fn search(folder: &Path, cycles: u64) -> Result<Verdict, Obstacle> {
    let (holds, text) = smtbmc(folder, &["-t", &cycles.to_string()])?;
    Ok(match holds {
        true => Verdict::Holds,
        false => Verdict::Counterexample(text),
    })
}

/// From any state.
fn induction(folder: &Path, depth: u64) -> Result<Verdict, Obstacle> {
    let (holds, text) = smtbmc(folder, &["-i", "-t", &depth.to_string()])?;
    Ok(match holds {
        true => Verdict::Holds,
        false => Verdict::InductionFails(text),
    })
}

impl Method {
    fn evidence(self) -> Evidence {
        match self {
            Method::Combinational | Method::Induction { .. } => Evidence::Proven,
            Method::Bounded { cycles } => Evidence::Bounded { cycles },
        }
    }
}

/// Whether the assertions hold, and if not, which one doesn't.
fn smtbmc(folder: &Path, arguments: &[&str]) -> Result<(bool, String), Obstacle> {
    let mut all = vec!["-s", "yices"];
    all.extend(arguments);
    all.push("design.smt2");
    let Some(ended) = SMTBMC.try_run(&all, folder, PATIENCE)? else {
        return Err(Obstacle::Other(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        )));
    };
    let says = |word: &str| {
        ended
            .text
            .lines()
            .any(|line| line.contains("Status:") && line.ends_with(word))
    };
    let failing: Vec<&str> = ended
        .text
        .lines()
        .filter(|line| line.contains("Assert failed") || line.contains("BMC failed"))
        .collect();
    match (says("PASSED"), says("FAILED")) {
        (true, _) => Ok((true, String::new())),
        (_, true) => Ok((false, failing.join("\n"))),
        _ => Err(Obstacle::Other(format!(
            "yosys-smtbmc gave no verdict:\n{}",
            ended.text
        ))),
    }
}
