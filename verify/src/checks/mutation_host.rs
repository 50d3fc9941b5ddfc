//! How many changes of the host's Rust its tests notice: of the number semantics in `isa`, and of
//! the compiler's lowering. `scripts/mutate_host` makes them, with cargo-mutants.

use crate::check::{Check, Evidence, Figures, Group, Obstacle, Outcome, Session};
use crate::tool::{Tool, ToolError};
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Share of the mutants that the tests must kill.
const GOAL: f64 = 0.9;

/// Mutants of a run, about, unless `QUERN_HOST_MUTANTS` says how many; the seed chooses them.
const MUTANTS: usize = 50;
const COUNT: &str = "QUERN_HOST_MUTANTS";

/// For building the crates and running their tests once, and for each mutant.
const LIMIT_ONCE: Duration = Duration::from_secs(1800);
const LIMIT_EACH: Duration = Duration::from_secs(120);

const SCRIPT: &str = "scripts/mutate_host";
const OUTCOMES: &str = "build/mutants/mutants.out/outcomes.json";

const CARGO_MUTANTS: Tool = Tool {
    program: "cargo-mutants",
    package: "cargo install cargo-mutants --locked",
};
const CARGO_NEXTEST: Tool = Tool {
    program: "cargo-nextest",
    package: "cargo install cargo-nextest --locked",
};
const BASH: Tool = Tool {
    program: "bash",
    package: "apt-get install bash",
};

/// A mutant that no test can kill.
struct Equivalent {
    file: &'static str,
    /// As cargo-mutants says it.
    change: &'static str,
    /// What stands in the line that is changed.
    line: &'static str,
    reason: &'static str,
}

const EQUIVALENT: &[Equivalent] = &[
    Equivalent {
        file: "isa/src/numerics.rs",
        change: "replace | with ^ in encode_scale",
        line: "(bits & 0x7f_ffff) | 0x80_0000",
        reason: "the two have no bit in common",
    },
    Equivalent {
        file: "isa/src/numerics.rs",
        change: "replace < with <= in step_count",
        line: "if steps < least",
        reason: "both ways give the least, where that is the count",
    },
    Equivalent {
        file: "isa/src/numerics.rs",
        change: "replace > with >= in requantise_with",
        line: "} else if code > high as i32",
        reason: "both ways give the bound, where that is the code",
    },
    Equivalent {
        file: "compiler/src/backend/large_bias.rs",
        change: "replace / with * in replace",
        line: "f32::MIN_POSITIVE / 2.0",
        reason: "twice the least normal number moves no sum either",
    },
];

pub fn all() -> Vec<Check> {
    vec![Check::new(
        Group::Mutation,
        "mutation.host",
        "the tests of `isa` and of the compiler kill at least 90 % of the mutants of the number semantics and the lowering that change behaviour",
        run,
    )
    .only_in_full()]
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Tried>,
}

#[derive(Deserialize)]
struct Tried {
    scenario: Scenario,
    summary: Summary,
}

#[derive(Deserialize)]
enum Scenario {
    /// Nothing is changed.
    Baseline,
    Mutant(Mutant),
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum Summary {
    /// Of the baseline.
    Success,
    Failure,
    CaughtMutant,
    /// The tests don't end.
    Timeout,
    MissedMutant,
    /// It does not compile.
    Unviable,
}

#[derive(Deserialize)]
struct Mutant {
    /// `file:line:column: change`.
    name: String,
    file: String,
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    start: Place,
}

#[derive(Deserialize)]
struct Place {
    /// From 1.
    line: usize,
}

impl Mutant {
    /// Why no test can kill it.
    fn equivalent(&self, root: &Path) -> io::Result<Option<&'static str>> {
        let text = fs::read_to_string(root.join(&self.file))?;
        let line = text.lines().nth(self.span.start.line - 1).unwrap_or("");
        let found = EQUIVALENT.iter().find(|equivalent| {
            equivalent.file == self.file
                && self.name.contains(equivalent.change)
                && line.contains(equivalent.line)
        });
        Ok(found.map(|equivalent| equivalent.reason))
    }
}

fn run(session: &Session) -> Result<Outcome, Obstacle> {
    CARGO_MUTANTS.find()?;
    CARGO_NEXTEST.find()?;
    let count = match std::env::var(COUNT) {
        Err(_) => MUTANTS,
        Ok(text) => match text.parse() {
            Ok(count) if count > 0 => count,
            _ => return Err(Obstacle::Other(format!("{COUNT}={text} is no count"))),
        },
    };
    let list = BASH.run(&[SCRIPT, "--list"], session.root, LIMIT_ONCE)?;
    let shards = list.lines().count().div_ceil(count).max(1);
    let shard = format!("{}/{shards}", session.seed % shards as u64);
    let outcomes = session.root.join(OUTCOMES);
    if let Err(error) = fs::remove_file(&outcomes) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error.into());
        }
    }
    let limit = LIMIT_ONCE + LIMIT_EACH * count as u32;
    let ended = BASH.try_run(&[SCRIPT, "--shard", &shard], session.root, limit)?;
    let Some(ended) = ended else {
        return Ok(Outcome::failed(format!(
            "not done within {} minutes",
            limit.as_secs() / 60
        )));
    };
    let text = match fs::read_to_string(&outcomes) {
        Ok(text) => text,
        Err(_) => {
            return Err(Obstacle::Tool(ToolError::Failed {
                program: CARGO_MUTANTS.program,
                tail: ended.text,
            }))
        }
    };
    Ok(outcome(&text, session.root)?
        .detail("shard", shard)
        .seed(session.seed))
}

fn outcome(text: &str, root: &Path) -> Result<Outcome, Obstacle> {
    let tried: Outcomes = serde_json::from_str(text)
        .map_err(|error| Obstacle::Other(format!("{OUTCOMES}: {error}")))?;
    let (mut killed, mut unviable) = (0, 0);
    let mut equivalent = Vec::new();
    let mut survivors = Vec::new();
    for Tried { scenario, summary } in tried.outcomes {
        match (scenario, summary) {
            (Scenario::Baseline, Summary::Success) => {}
            (Scenario::Baseline, _) => {
                return Ok(Outcome::failed("the tests fail without any change"));
            }
            (_, Summary::CaughtMutant | Summary::Timeout) => killed += 1,
            (_, Summary::Unviable) => unviable += 1,
            (Scenario::Mutant(mutant), _) => match mutant.equivalent(root)? {
                Some(reason) => equivalent.push((mutant, reason)),
                None => survivors.push(mutant),
            },
        }
    }
    let figures = Figures {
        host_mutants: Some(killed + survivors.len() as u64),
        host_mutants_killed: Some(killed),
        host_mutants_equivalent: Some(equivalent.len() as u64),
        ..Figures::default()
    };
    let share = figures.host_mutation_score().unwrap_or(0.0);
    let mut outcome = match share >= GOAL {
        true => Outcome::shown(Evidence::Measured),
        false => Outcome::failed(format!("{:.1} % are killed", 100.0 * share)),
    }
    .detail(
        "mutants",
        format!(
            "{killed} of {} killed, {} equivalent, {unviable} do not compile",
            killed + survivors.len() as u64,
            equivalent.len()
        ),
    );
    for mutant in survivors {
        outcome = outcome.detail("survives", mutant.name);
    }
    for (mutant, reason) in equivalent {
        outcome = outcome.detail("equivalent", format!("{}: {reason}", mutant.name));
    }
    Ok(outcome.figures(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    fn tried(summary: &str, file: &str, line: usize, change: &str) -> String {
        format!(
            r#"{{"scenario": {{"Mutant": {{"name": "{file}:{line}:1: {change}", "file": "{file}",
                "span": {{"start": {{"line": {line}, "column": 1}}}}, "genre": "X"}}}},
                "summary": "{summary}"}}"#
        )
    }

    fn report(baseline: &str, mutants: &[String]) -> String {
        let baseline = format!(r#"{{"scenario": "Baseline", "summary": "{baseline}"}}"#);
        let outcomes = [&[baseline], mutants].concat().join(",");
        format!(r#"{{"outcomes": [{outcomes}], "total_mutants": 3}}"#)
    }

    #[test]
    fn too_many_survivors_fail_and_mutants_that_change_nothing_do_not_count() {
        let of = |summary| tried(summary, "isa/src/numerics.rs", 1, "replace x with y");
        let mut mutants = vec![of("CaughtMutant"); 16];
        mutants.extend([
            of("Timeout"),
            of("Timeout"),
            of("Unviable"),
            of("MissedMutant"),
        ]);
        let Equivalent {
            file, change, line, ..
        } = EQUIVALENT[0];
        let text = fs::read_to_string(root().join(file)).unwrap();
        let number = 1 + text.lines().position(|l| l.contains(line)).unwrap();
        mutants.push(tried("MissedMutant", file, number, change));
        let good = outcome(&report("Success", &mutants), root()).unwrap();
        assert_eq!(good.evidence, Some(Evidence::Measured));
        assert_eq!(good.figures.host_mutants, Some(19));
        assert_eq!(good.figures.host_mutants_killed, Some(18));
        assert_eq!(good.figures.host_mutants_equivalent, Some(1));
        assert_eq!(good.figures.mutants, None);
        let survives = good.details.iter().find(|(what, _)| what == "survives");
        assert!(survives.unwrap().1.contains("replace x with y"));

        mutants.extend([of("MissedMutant"), of("MissedMutant")]);
        let bad = outcome(&report("Success", &mutants), root()).unwrap();
        assert_eq!(bad.evidence, None);
        assert!(bad.reason.contains("85.7 %"), "{}", bad.reason);
        let broken = outcome(&report("Failure", &mutants), root()).unwrap();
        assert_eq!(broken.evidence, None);
        assert_eq!(
            outcome(&report("Success", &[]), root()).unwrap().evidence,
            None
        );
        assert!(outcome("{}", root()).is_err());
    }

    #[test]
    fn what_is_called_equivalent_is_there() {
        for equivalent in EQUIVALENT {
            let text = fs::read_to_string(root().join(equivalent.file)).unwrap();
            let lines = text.lines().filter(|line| line.contains(equivalent.line));
            assert_eq!(
                lines.count(),
                1,
                "{}: `{}`",
                equivalent.file,
                equivalent.line
            );
        }
    }
}
