//! How many changes of the hardware the unit tests notice.

use crate::check::{Check, Evidence, Figures, Group, Obstacle, Outcome, Session};
use crate::mutation::{score, units, Score, Survivor, VECTORS};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Share of the mutants that the tests must kill.
const GOAL: f64 = 0.95;

/// Mutants of a unit, unless `QUERN_MUTANTS` says how many.
const MUTANTS: usize = 40;

/// Instead of all units, those that this variable names, with commas between them.
const ONLY: &str = "QUERN_UNITS";

/// Changes that no vectors of the unit need notice: unit, the line that is changed, and why.
const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "operand_register",
        "_flip;",
        "shows only if a register is written and steps in one cycle, which exclude each other",
    ),
    (
        "counters",
        "if (running) cycle_count_q <= cycle_count_q + one;",
        "shows only in a run of more cycles than a unit test has; that the count steps by one from any value is proved (proof.cycle_count)",
    ),
    (
        "instruction_register",
        "_flip;",
        "shows only if a field is written and steps in one cycle, which exclude each other",
    ),
];

/// Why a survivor need not be killed.
fn explanation(unit: &str, survivor: &Survivor) -> Option<&'static str> {
    let explained = EXPLAINED.iter().find(|(name, line, _)| {
        *name == unit && survivor.lines.iter().any(|changed| changed.contains(line))
    });
    explained.map(|(_, _, reason)| *reason)
}

pub fn all() -> Vec<Check> {
    vec![Check::new(
        Group::Mutation,
        "mutation.units",
        "the unit tests' vectors kill at least 95 % of the mutants of the units' Verilog that change behaviour, and each that survives is explained",
        run,
    )
    .only_in_full()]
}

fn run(session: &Session) -> Result<Outcome, Obstacle> {
    let count = match std::env::var("QUERN_MUTANTS") {
        Err(_) => MUTANTS,
        Ok(text) => text
            .parse()
            .map_err(|_| Obstacle::Other(format!("QUERN_MUTANTS={text} is no number")))?,
    };
    let mut units = units(&session.root.join(VECTORS))?;
    if let Ok(only) = std::env::var(ONLY) {
        let only: Vec<&str> = only.split(',').collect();
        if let Some(unknown) = only.iter().find(|o| !units.iter().any(|u| u.name == **o)) {
            return Err(Obstacle::Other(format!(
                "{ONLY}: `{unknown}` has no vectors"
            )));
        }
        units.retain(|unit| only.contains(&unit.name.as_str()));
    }
    let done = AtomicUsize::new(0);
    let scores = units
        .par_iter()
        .map(|unit| {
            let score = score(unit, count, session.seed);
            session.progress(done.fetch_add(1, Ordering::Relaxed) + 1, units.len());
            score.map(|score| (unit.name.clone(), score))
        })
        .collect::<Result<Vec<(String, Score)>, Obstacle>>()?;
    Ok(outcome(scores).seed(session.seed))
}

fn outcome(scores: Vec<(String, Score)>) -> Outcome {
    let sum = |part: fn(&Score) -> u64| scores.iter().map(|(_, score)| part(score)).sum::<u64>();
    let figures = Figures {
        mutants: Some(sum(Score::mutants)),
        mutants_killed: Some(sum(|score| score.killed)),
        mutants_equivalent: Some(sum(|score| score.equivalent)),
        ..Figures::default()
    };
    let share = figures.mutation_score().unwrap_or(0.0);
    let unexplained: usize = scores
        .iter()
        .map(|(unit, score)| {
            let survivors = score.survivors.iter();
            survivors
                .filter(|survivor| explanation(unit, survivor).is_none())
                .count()
        })
        .sum();
    let mut outcome = match share >= GOAL && unexplained == 0 {
        true => Outcome::shown(Evidence::Measured),
        false => Outcome::failed(format!(
            "{:.1} % are killed, {unexplained} survivors are not explained",
            100.0 * share
        )),
    };
    // A unit is tested at several sizes.
    let mut by_unit: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for (unit, score) in &scores {
        let (killed, mutants, equivalent) = by_unit.entry(unit).or_default();
        *killed += score.killed;
        *mutants += score.mutants();
        *equivalent += score.equivalent;
    }
    for (unit, (killed, mutants, equivalent)) in by_unit {
        outcome = outcome.detail(
            unit,
            format!("{killed} of {mutants} killed, {equivalent} equivalent"),
        );
    }
    for (unit, score) in &scores {
        for survivor in &score.survivors {
            let reason = explanation(unit, survivor).unwrap_or("not explained");
            let change = format!(
                "`{}` ({}): {reason}",
                survivor.lines.join(" … "),
                survivor.change
            );
            outcome = outcome.detail(format!("survives in {unit}"), change);
        }
    }
    outcome.figures(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survivors_are_listed_and_too_many_or_unexplained_ones_fail() {
        let score = |killed, survivors: usize| Score {
            killed,
            equivalent: 1,
            survivors: vec![
                Survivor {
                    change: "-mode inv".to_owned(),
                    lines: vec!["operand = operand ^ low_flip;".to_owned()],
                };
                survivors
            ],
        };
        let explained = "operand_register";
        let good = outcome(vec![
            (explained.into(), score(19, 1)),
            ("y".into(), score(20, 0)),
        ]);
        assert_eq!(good.evidence, Some(Evidence::Measured));
        assert_eq!(good.figures.mutants, Some(40));
        let survives = format!("survives in {explained}");
        assert!(good.details.iter().any(|(what, _)| *what == survives));
        let unexplained = outcome(vec![("x".into(), score(39, 1))]);
        assert_eq!(unexplained.evidence, None);
        let bad = outcome(vec![(explained.into(), score(17, 3))]);
        assert_eq!(bad.evidence, None);
        assert_eq!(outcome(Vec::new()).evidence, None);
    }
}
