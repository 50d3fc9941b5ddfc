//! The report as one page that needs nothing else.

use crate::report::{CheckReport, Report, Status};
use crate::Mode;
use maud::{html, Markup, PreEscaped, DOCTYPE};

/// The page, as HTML.
pub fn page(report: &Report) -> String {
    let mode = match report.mode {
        Mode::Quick => "quick",
        Mode::Full => "full",
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Quern: verification" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Verification" }
                p {
                    "Every claim made of Quern's hardware, and what showed it. A " (mode)
                    " run of " (minutes(report.seconds)) " with seed " (report.seed) ". "
                    "Proven: for all inputs and all reachable states. Bounded: for all inputs, "
                    "up to so many cycles after reset. Simulated: on the vectors counted. "
                    "Controls: faults put in on purpose, and whether the check saw them."
                }
                (summary(report))
                @for group in groups(report) {
                    h2 { (group[0].group.title()) }
                    table {
                        thead { tr {
                            th { "Claim" } th { "Evidence" } th { "Figures" } th { "Controls" }
                        } }
                        tbody { @for check in group { (row(check)) } }
                    }
                }
            }
        }
    }
    .into_string()
}

fn summary(report: &Report) -> Markup {
    let count = |status| report.with(status).count();
    let figures = &report.figures;
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let share = |value: Option<f64>| value.map(|share| format!("{:.2} %", 100.0 * share));
    let mutants = |score: Option<f64>, killed: Option<u64>, all: Option<u64>| {
        let (score, killed, all) = (share(score)?, killed?, all?);
        Some(format!("{score}: {killed} of {all} mutants"))
    };
    let rows: [(&str, Option<String>); 15] = [
        ("claims shown", Some(count(Status::Shown).to_string())),
        ("claims failed", Some(count(Status::Failed).to_string())),
        (
            "not shown: tool missing",
            Some(count(Status::NotShown).to_string()),
        ),
        (
            "not yet checked",
            Some(count(Status::NotYetChecked).to_string()),
        ),
        (
            "proofs",
            Some(format!(
                "{} proven, {} bounded, {} failed",
                report.proofs.proven, report.proofs.bounded, report.proofs.failed
            )),
        ),
        (
            "seeded faults caught",
            Some(format!(
                "{} of {}",
                report.negative_controls_caught, report.negative_controls
            )),
        ),
        ("lint findings", number(figures.lint_findings)),
        ("co-simulation vectors", number(figures.cosim_vectors)),
        ("random programs", number(figures.random_programs)),
        ("line coverage", share(figures.line_coverage)),
        ("toggle coverage", share(figures.toggle_coverage)),
        ("functional coverage", share(figures.functional_coverage)),
        (
            "designs compared between RTL and image",
            number(figures.equivalence_checked),
        ),
        (
            "mutation score, hardware",
            mutants(
                report.mutation_score,
                figures.mutants_killed,
                figures.mutants,
            ),
        ),
        (
            "mutation score, host",
            mutants(
                report.host_mutation_score,
                figures.host_mutants_killed,
                figures.host_mutants,
            ),
        ),
    ];
    html! {
        table.summary { tbody {
            @for (what, value) in rows {
                tr {
                    th { (what) }
                    @match value {
                        Some(value) => td { (value) },
                        None => td.open { "not yet checked" },
                    }
                }
            }
        } }
    }
}

fn row(check: &CheckReport) -> Markup {
    let class = match check.status {
        Status::Shown => "shown",
        Status::Failed => "failed",
        Status::NotShown => "not-shown",
        Status::NotYetChecked => "open",
    };
    html! {
        tr.(class) {
            td { (check.claim) div.name { (check.name) } }
            td {
                strong { (check.standing()) }
                @if !check.reason.is_empty() { pre { (check.reason) } }
            }
            td {
                @for (what, value) in &check.details { div { (what) ": " (value) } }
                @if let Some(seed) = check.seed { div { "seed: " (seed) } }
                @if check.seconds > 0.0 { div.name { (format!("{:.1} s", check.seconds)) } }
            }
            td {
                @for control in &check.controls {
                    div { @if control.caught { "caught: " } @else { "MISSED: " } (control.fault) }
                }
            }
        }
    }
}

/// Checks of one group stand together.
fn groups(report: &Report) -> impl Iterator<Item = &[CheckReport]> {
    report.checks.chunk_by(|a, b| a.group == b.group)
}

fn minutes(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} seconds"),
        seconds => format!("{:.0} minutes", seconds / 60.0),
    }
}

const STYLE: &str = "
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
table.summary { width: auto; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #ddd; }
td { overflow-wrap: anywhere; }
.name { color: #777; font: 12px ui-monospace, monospace; }
pre { white-space: pre-wrap; font-size: 12px; margin: .3rem 0; max-height: 20rem; overflow: auto; }
.shown strong { color: #17692e; }
.failed strong, .not-shown strong { color: #b00020; }
.open, .open strong { color: #888; }
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Check, Group, Mode, Options};

    #[test]
    fn a_claim_that_nobody_checked_is_shown_as_such_and_text_is_escaped() {
        let options = Options {
            mode: Mode::Quick,
            seed: 7,
            root: ".".into(),
        };
        let check = Check::planned(Group::Proof, "proof.x", "x < y & \"z\"");
        let report = Report::new(&options, vec![CheckReport::of(&check)], Default::default());
        let page = page(&report);
        assert!(page.contains("x &lt; y &amp; &quot;z&quot;"), "{page}");
        assert!(page.contains("<strong>not yet checked</strong>"));
        assert!(!page.contains("http"));
    }
}
