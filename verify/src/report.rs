//! What a run found, as it is printed and written.

use crate::check::{Check, Control, Evidence, Figures, Group, Mode, Outcome};
use crate::run::Options;
use serde::Serialize;
use std::time::Duration;

#[derive(Debug, Serialize)]
pub struct Report {
    pub mode: Mode,
    pub seed: u64,
    pub seconds: f64,
    #[serde(flatten)]
    pub figures: Figures,
    pub mutation_score: Option<f64>,
    pub host_mutation_score: Option<f64>,
    pub proofs: Proofs,
    pub negative_controls: u64,
    pub negative_controls_caught: u64,
    pub checks: Vec<CheckReport>,
}

/// How many claims were proved, and how.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proofs {
    pub proven: u64,
    pub bounded: u64,
    pub failed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Shown,
    Failed,
    /// A tool is missing.
    NotShown,
    NotYetChecked,
}

#[derive(Debug, Serialize)]
pub struct CheckReport {
    pub name: String,
    pub claim: String,
    pub group: Group,
    pub status: Status,
    pub evidence: Option<Evidence>,
    /// Why it is not shown.
    pub reason: String,
    pub seconds: f64,
    pub seed: Option<u64>,
    pub controls: Vec<Control>,
    pub details: Vec<(String, String)>,
    #[serde(skip)]
    pub figures: Figures,
}

impl Report {
    pub(crate) fn new(options: &Options, checks: Vec<CheckReport>, time: Duration) -> Report {
        let mut figures = Figures::default();
        let mut proofs = Proofs::default();
        for check in &checks {
            figures.add(&check.figures);
            if check.group != Group::Proof {
                continue;
            }
            match (check.status, check.evidence) {
                (Status::Shown, Some(Evidence::Proven)) => proofs.proven += 1,
                (Status::Shown, Some(Evidence::Bounded { .. })) => proofs.bounded += 1,
                (Status::Failed, _) => proofs.failed += 1,
                _ => {}
            }
        }
        let controls = || checks.iter().flat_map(|check| &check.controls);
        Report {
            mode: options.mode,
            seed: options.seed,
            seconds: time.as_secs_f64(),
            mutation_score: figures.mutation_score(),
            host_mutation_score: figures.host_mutation_score(),
            figures,
            proofs,
            negative_controls: controls().count() as u64,
            negative_controls_caught: controls().filter(|control| control.caught).count() as u64,
            checks,
        }
    }

    /// No claim was found false, and no seeded fault was missed.
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    pub fn failed(&self) -> impl Iterator<Item = &CheckReport> {
        self.with(Status::Failed)
    }

    /// What a missing tool left open.
    pub fn not_shown(&self) -> impl Iterator<Item = &CheckReport> {
        self.with(Status::NotShown)
    }

    pub fn with(&self, status: Status) -> impl Iterator<Item = &CheckReport> {
        self.checks
            .iter()
            .filter(move |check| check.status == status)
    }
}

impl CheckReport {
    pub(crate) fn of(check: &Check) -> CheckReport {
        CheckReport {
            name: check.name.clone(),
            claim: check.claim.clone(),
            group: check.group,
            status: Status::NotYetChecked,
            evidence: None,
            reason: String::new(),
            seconds: 0.0,
            seed: None,
            controls: Vec::new(),
            details: Vec::new(),
            figures: Figures::default(),
        }
    }

    pub(crate) fn take(&mut self, outcome: Outcome) {
        let missed: Vec<&str> = outcome
            .controls
            .iter()
            .filter(|control| !control.caught)
            .map(|control| control.fault.as_str())
            .collect();
        self.reason = outcome.reason;
        self.status = match outcome.evidence {
            None => Status::Failed,
            Some(_) if !missed.is_empty() => {
                self.reason = format!(
                    "the check does not see a seeded fault: {}",
                    missed.join("; ")
                );
                Status::Failed
            }
            Some(_) => Status::Shown,
        };
        self.evidence = outcome.evidence;
        self.figures = outcome.figures;
        self.controls = outcome.controls;
        self.details = outcome.details;
        self.seed = outcome.seed;
    }

    /// "proven", "bounded, 20 cycles", "failed", ...
    pub fn standing(&self) -> String {
        match (self.status, self.evidence) {
            (Status::Shown, Some(evidence)) => evidence.to_string(),
            (Status::Shown, None) => "shown".into(),
            (Status::Failed, _) => "failed".into(),
            (Status::NotShown, _) => "not shown".into(),
            (Status::NotYetChecked, _) => "not yet checked".into(),
        }
    }
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Evidence::Proven => out.write_str("proven"),
            Evidence::Bounded { cycles } => write!(out, "bounded, {cycles} cycles"),
            Evidence::Simulated => out.write_str("simulated"),
            Evidence::Measured => out.write_str("measured"),
        }
    }
}
