//! `quern verify`: every claim, its evidence, one page.

use crate::arguments::Verify;
use crate::output::{errln, outln};
use crate::{files, output, table};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use miette::{miette, Context, IntoDiagnostic, Result};
use quern_verify::{checks, page, Check, CheckReport, Mode, Observer, Options, Report, Status};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Exit code when nothing failed, but a missing tool left claims open.
const EXIT_NOT_SHOWN: i32 = 2;

pub fn run(arguments: &Verify) -> Result<()> {
    let checks = select(checks::all(), &arguments.only)?;
    if arguments.list {
        let rows: Vec<(String, String)> = checks
            .into_iter()
            .map(|check| (check.name, check.claim))
            .collect();
        table::print(&rows)?;
        return Ok(());
    }
    let options = Options {
        mode: match arguments.full {
            true => Mode::Full,
            false => Mode::Quick,
        },
        seed: arguments.seed,
        root: root()?,
    };
    let bars = Bars::new(checks.len());
    let report = quern_verify::run(&checks, &options, &bars);
    bars.close();
    files::write(&arguments.output, page::page(&report).as_bytes())?;
    match arguments.json {
        true => output::print_json(&report)?,
        false => print(&report, &arguments.output)?,
    }
    if !report.passed() {
        let names: Vec<&str> = report.failed().map(|check| check.name.as_str()).collect();
        return Err(miette!(
            help = format!("details are in {}", arguments.output.display()),
            "claims that do not hold: {}",
            names.join(", ")
        ));
    }
    if report.not_shown().next().is_some() {
        std::process::exit(EXIT_NOT_SHOWN);
    }
    Ok(())
}

/// Checks read sources and exported files: they need the repository.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir()
        .into_diagnostic()
        .wrap_err("can't tell the working folder")?;
    match here.join("verify/Cargo.toml").is_file() {
        true => Ok(here),
        false => Err(miette!(
            "`quern verify` reads Quern's sources: run it in the repository's root, not in {}",
            here.display()
        )),
    }
}

fn select(checks: Vec<Check>, only: &[String]) -> Result<Vec<Check>> {
    if only.is_empty() {
        return Ok(checks);
    }
    let matches = |name: &str, wanted: &str| {
        name == wanted
            || name
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some(unknown) = only
        .iter()
        .find(|wanted| !checks.iter().any(|check| matches(&check.name, wanted)))
    {
        return Err(miette!(
            "there is no check `{unknown}`; `quern verify --list` shows all"
        ));
    }
    Ok(checks
        .into_iter()
        .filter(|check| only.iter().any(|wanted| matches(&check.name, wanted)))
        .collect())
}

/// A bar for the run, and a line for each check that is running.
struct Bars {
    bars: MultiProgress,
    all: ProgressBar,
    running: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn new(checks: usize) -> Bars {
        let style = ProgressStyle::with_template("checks [{bar:30}] {pos}/{len} ({elapsed})")
            .expect("the template is valid")
            .progress_chars("=> ");
        let bars = MultiProgress::new();
        let all = bars.add(ProgressBar::new(checks as u64).with_style(style));
        all.enable_steady_tick(Duration::from_millis(500));
        Bars {
            bars,
            all,
            running: Mutex::default(),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.running
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn close(&self) {
        self.all.finish_and_clear();
        let _ = self.bars.clear();
    }
}

impl Observer for Bars {
    fn begins(&self, check: &str) {
        let style = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})")
            .expect("the template is valid");
        let bar = self.bars.add(ProgressBar::new_spinner().with_style(style));
        bar.set_message(check.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.running().insert(check.to_owned(), bar);
    }

    fn progress(&self, check: &str, done: usize, total: usize) {
        if let Some(bar) = self.running().get(check) {
            bar.set_message(format!("{check}: {done} of {total}"));
        }
    }

    fn ends(&self, check: &CheckReport) {
        if let Some(bar) = self.running().remove(&check.name) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        self.all.inc(1);
        if check.status != Status::Shown {
            self.bars.suspend(|| {
                errln!(
                    "{}: {}: {}",
                    check.name,
                    check.standing().to_uppercase(),
                    check.reason
                );
            });
        }
    }
}

fn print(report: &Report, output: &Path) -> Result<()> {
    let rows: Vec<(&str, String)> = report
        .checks
        .iter()
        .map(|check| (check.name.as_str(), check.standing()))
        .collect();
    table::print(&rows)?;
    outln!("")?;
    let figures = &report.figures;
    let count = |status| report.with(status).count();
    let mut rows = vec![
        (
            "claims",
            format!(
                "{} shown, {} failed, {} not shown, {} not yet checked",
                count(Status::Shown),
                count(Status::Failed),
                count(Status::NotShown),
                count(Status::NotYetChecked)
            ),
        ),
        (
            "proofs",
            format!(
                "{} proven, {} bounded, {} failed",
                report.proofs.proven, report.proofs.bounded, report.proofs.failed
            ),
        ),
        (
            "seeded faults",
            format!(
                "{} of {} caught",
                report.negative_controls_caught, report.negative_controls
            ),
        ),
    ];
    for (what, score, killed, mutants) in [
        (
            "mutants",
            report.mutation_score,
            figures.mutants_killed,
            figures.mutants,
        ),
        (
            "mutants, host",
            report.host_mutation_score,
            figures.host_mutants_killed,
            figures.host_mutants,
        ),
    ] {
        let Some(score) = score else { continue };
        let number = |figure: Option<u64>| table::thousands(figure.unwrap_or(0));
        rows.push((
            what,
            format!(
                "{} of {} killed, {}",
                number(killed),
                number(mutants),
                table::percent(score)
            ),
        ));
    }
    rows.push(("page", output.display().to_string()));
    table::print(&rows)?;
    for check in report.not_shown() {
        errln!("NOT SHOWN: {}: {}", check.name, check.reason);
    }
    Ok(())
}
