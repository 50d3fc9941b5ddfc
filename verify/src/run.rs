//! Runs checks side by side.

use crate::check::{Check, Mode, Obstacle, Session};
use crate::report::{CheckReport, Report, Status};
use crate::tool::ToolError;
use rayon::prelude::*;
use std::path::PathBuf;
use std::time::Instant;

/// Hears how a run goes, from several threads.
pub trait Observer: Sync {
    fn begins(&self, check: &str);
    fn progress(&self, check: &str, done: usize, total: usize);
    fn ends(&self, check: &CheckReport);
}

#[derive(Debug, Clone)]
pub struct Options {
    pub mode: Mode,
    pub seed: u64,
    /// The repository.
    pub root: PathBuf,
}

/// Runs checks, as many at a time as rayon has threads.
pub fn run(checks: &[Check], options: &Options, observer: &dyn Observer) -> Report {
    let begin = Instant::now();
    let reports = checks
        .par_iter()
        // Each check by itself: long and short ones stand side by side.
        .with_max_len(1)
        .map(|check| run_one(check, options, observer))
        .collect();
    Report::new(options, reports, begin.elapsed())
}

fn run_one(check: &Check, options: &Options, observer: &dyn Observer) -> CheckReport {
    let mut report = CheckReport::of(check);
    let run = match &check.run {
        None => {
            report.reason = "no check has been written yet".into();
            return report;
        }
        Some(_) if check.from > options.mode => {
            report.reason = "checked by the full run only".into();
            return report;
        }
        Some(run) => run,
    };
    observer.begins(&check.name);
    let begin = Instant::now();
    let result = run(&Session {
        mode: options.mode,
        seed: options.seed,
        root: &options.root,
        check: &check.name,
        observer,
    });
    report.seconds = begin.elapsed().as_secs_f64();
    match result {
        Ok(outcome) => report.take(outcome),
        Err(obstacle) => {
            report.status = match &obstacle {
                Obstacle::Tool(ToolError::Missing { .. }) => Status::NotShown,
                _ => Status::Failed,
            };
            report.reason = obstacle.to_string();
        }
    }
    observer.ends(&report);
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Evidence, Figures, Group, Outcome};

    struct Silent;

    impl Observer for Silent {
        fn begins(&self, _: &str) {}
        fn progress(&self, _: &str, _: usize, _: usize) {}
        fn ends(&self, _: &CheckReport) {}
    }

    fn run_quick(checks: Vec<Check>) -> Report {
        let options = Options {
            mode: Mode::Quick,
            seed: 1,
            root: ".".into(),
        };
        run(&checks, &options, &Silent)
    }

    fn check(outcome: impl Fn() -> Result<Outcome, Obstacle> + Send + Sync + 'static) -> Check {
        Check::new(Group::Proof, "proof.x", "x holds", move |_| outcome())
    }

    #[test]
    fn figures_of_all_checks_come_together() {
        let mutants = |mutants, killed| {
            check(move || {
                Ok(Outcome::shown(Evidence::Measured).figures(Figures {
                    mutants: Some(mutants),
                    mutants_killed: Some(killed),
                    ..Figures::default()
                }))
            })
        };
        let bounded = check(|| Ok(Outcome::shown(Evidence::Bounded { cycles: 9 })));
        let report = run_quick(vec![mutants(30, 30), mutants(10, 9), bounded]);
        assert!(report.passed());
        assert_eq!(report.figures.mutants, Some(40));
        assert_eq!(report.mutation_score, Some(39.0 / 40.0));
        assert_eq!((report.proofs.proven, report.proofs.bounded), (0, 1));
        assert_eq!(report.figures.lint_findings, None);
    }

    #[test]
    fn a_false_claim_and_a_missed_fault_fail_the_run() {
        assert!(!run_quick(vec![check(|| Ok(Outcome::failed("x is 3")))]).passed());
        let proven = || Outcome::shown(Evidence::Proven);
        let missed = run_quick(vec![check(move || Ok(proven().control("x + 1", false)))]);
        assert!(!missed.passed());
        assert_eq!(missed.proofs.failed, 1);
        let caught = run_quick(vec![check(move || Ok(proven().control("x + 1", true)))]);
        assert!(caught.passed());
        assert_eq!(caught.negative_controls_caught, 1);
    }

    #[test]
    fn a_missing_tool_and_an_unwritten_check_show_nothing() {
        let missing = || ToolError::Missing {
            program: "x",
            package: "y",
        };
        let report = run_quick(vec![
            check(move || Err(missing().into())),
            Check::planned(Group::Proof, "proof.y", "y holds"),
            check(|| Ok(Outcome::shown(Evidence::Proven))).only_in_full(),
        ]);
        let statuses: Vec<Status> = report.checks.iter().map(|check| check.status).collect();
        use Status::{NotShown, NotYetChecked};
        assert_eq!(statuses, [NotShown, NotYetChecked, NotYetChecked]);
        assert_eq!(report.proofs.proven, 0);
        assert_eq!(report.not_shown().count(), 1);
    }
}
