//! What a check is, and what it finds.

use crate::run::Observer;
use crate::tool::ToolError;
use serde::Serialize;
use std::path::Path;
use thiserror::Error;

/// A claim and how it is checked.
pub struct Check {
    /// `group.subject`, for `--only`.
    pub name: String,
    /// One sentence that is either true or not.
    pub claim: String,
    pub group: Group,
    /// The shortest run that includes it.
    pub from: Mode,
    pub(crate) run: Option<Box<Run>>,
}

type Run = dyn Fn(&Session) -> Result<Outcome, Obstacle> + Send + Sync;

impl Check {
    pub fn new(
        group: Group,
        name: impl Into<String>,
        claim: impl Into<String>,
        run: impl Fn(&Session) -> Result<Outcome, Obstacle> + Send + Sync + 'static,
    ) -> Check {
        Check {
            run: Some(Box::new(run)),
            ..Check::planned(group, name, claim)
        }
    }

    /// A claim that nobody checks yet.
    pub fn planned(group: Group, name: impl Into<String>, claim: impl Into<String>) -> Check {
        Check {
            name: name.into(),
            claim: claim.into(),
            group,
            from: Mode::Quick,
            run: None,
        }
    }

    /// Too long for the quick run.
    pub fn only_in_full(mut self) -> Check {
        self.from = Mode::Full;
        self
    }
}

/// The sections of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    Lint,
    Simulation,
    Coverage,
    Proof,
    Image,
    Mutation,
    Host,
}

impl Group {
    pub fn title(self) -> &'static str {
        match self {
            Group::Lint => "Hardware description",
            Group::Simulation => "Simulation",
            Group::Coverage => "Coverage",
            Group::Proof => "Proofs",
            Group::Image => "From RTL to image",
            Group::Mutation => "Mutation",
            Group::Host => "Host side",
        }
    }
}

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Minutes: part of the ordinary test run.
    Quick,
    /// Hours.
    Full,
}

/// How strongly a claim was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// For all inputs and all reachable states, at the size named in the claim.
    Proven,
    /// For all inputs, up to so many cycles after reset.
    Bounded { cycles: u64 },
    /// On the vectors or programs counted in the figures.
    Simulated,
    /// A quantity, compared with its goal.
    Measured,
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// None: the claim is false, and `reason` says where.
    pub evidence: Option<Evidence>,
    pub reason: String,
    pub figures: Figures,
    pub controls: Vec<Control>,
    /// Rows for the page: what, how much.
    pub details: Vec<(String, String)>,
    /// What random choices began with.
    pub seed: Option<u64>,
}

impl Outcome {
    pub fn shown(evidence: Evidence) -> Outcome {
        Outcome {
            evidence: Some(evidence),
            ..Outcome::default()
        }
    }

    pub fn failed(reason: impl Into<String>) -> Outcome {
        Outcome {
            reason: reason.into(),
            ..Outcome::default()
        }
    }

    pub fn figures(mut self, figures: Figures) -> Outcome {
        self.figures = figures;
        self
    }

    pub fn control(mut self, fault: impl Into<String>, caught: bool) -> Outcome {
        self.controls.push(Control {
            fault: fault.into(),
            caught,
        });
        self
    }

    pub fn detail(mut self, what: impl Into<String>, value: impl ToString) -> Outcome {
        self.details.push((what.into(), value.to_string()));
        self
    }

    pub fn seed(mut self, seed: u64) -> Outcome {
        self.seed = Some(seed);
        self
    }
}

/// A fault that was put in on purpose. A check that does not see it fails.
#[derive(Debug, Clone, Serialize)]
pub struct Control {
    pub fault: String,
    pub caught: bool,
}

/// Figures of the whole report; a check fills in its own. Those of several checks add
/// up, except shares, of which the lowest counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    pub lint_findings: Option<u64>,
    pub cosim_vectors: Option<u64>,
    pub random_programs: Option<u64>,
    /// Shares, 0 to 1.
    pub line_coverage: Option<f64>,
    pub toggle_coverage: Option<f64>,
    pub functional_coverage: Option<f64>,
    /// Designs compared between RTL and image.
    pub equivalence_checked: Option<u64>,
    /// Mutants of the hardware that change behaviour.
    pub mutants: Option<u64>,
    pub mutants_killed: Option<u64>,
    /// Mutants that were shown to change nothing; not part of the score.
    pub mutants_equivalent: Option<u64>,
    /// Likewise of the host's programs.
    pub host_mutants: Option<u64>,
    pub host_mutants_killed: Option<u64>,
    pub host_mutants_equivalent: Option<u64>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Figures) {
        let sum = |mine: &mut Option<u64>, other: Option<u64>| {
            *mine = match (*mine, other) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            }
        };
        let lowest = |mine: &mut Option<f64>, other: Option<f64>| {
            *mine = match (*mine, other) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        };
        sum(&mut self.lint_findings, other.lint_findings);
        sum(&mut self.cosim_vectors, other.cosim_vectors);
        sum(&mut self.random_programs, other.random_programs);
        lowest(&mut self.line_coverage, other.line_coverage);
        lowest(&mut self.toggle_coverage, other.toggle_coverage);
        lowest(&mut self.functional_coverage, other.functional_coverage);
        sum(&mut self.equivalence_checked, other.equivalence_checked);
        sum(&mut self.mutants, other.mutants);
        sum(&mut self.mutants_killed, other.mutants_killed);
        sum(&mut self.mutants_equivalent, other.mutants_equivalent);
        sum(&mut self.host_mutants, other.host_mutants);
        sum(&mut self.host_mutants_killed, other.host_mutants_killed);
        sum(
            &mut self.host_mutants_equivalent,
            other.host_mutants_equivalent,
        );
    }

    /// Of the hardware's mutants that change behaviour, the share that was killed.
    pub fn mutation_score(&self) -> Option<f64> {
        share(self.mutants_killed, self.mutants)
    }

    /// Likewise of the host's programs.
    pub fn host_mutation_score(&self) -> Option<f64> {
        share(self.host_mutants_killed, self.host_mutants)
    }
}

fn share(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0 => Some(part as f64 / whole as f64),
        _ => None,
    }
}

/// What a running check may use.
pub struct Session<'a> {
    pub mode: Mode,
    /// Where random choices begin.
    pub seed: u64,
    /// The repository's root: sources, and `build`.
    pub root: &'a Path,
    pub(crate) check: &'a str,
    pub(crate) observer: &'a dyn Observer,
}

impl Session<'_> {
    /// Tells the user how far the check is.
    pub fn progress(&self, done: usize, total: usize) {
        self.observer.progress(self.check, done, total);
    }
}

/// Why a check could not be run.
#[derive(Debug, Error)]
pub enum Obstacle {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("files of the check: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Other(String),
}
