//! How many changes of the hardware the unit tests notice.

use crate::check::{Check, Evidence, Figures, Group, Obstacle, Outcome, Session};
use crate::mutation::{score, units, Score, VECTORS};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Share of the mutants that the tests must kill.
const GOAL: f64 = 0.95;

/// Mutants of a unit, unless `QUERN_MUTANTS` says how many.
const MUTANTS: usize = 40;

/// Instead of all units, those that this variable names, with commas between them.
const ONLY: &str = "QUERN_UNITS";

pub fn all() -> Vec<Check> {
    vec![Check::new(
        Group::Mutation,
        "mutation.units",
        "the unit tests' vectors kill at least 95 % of the mutants of the units' Verilog that change behaviour",
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
    let mut outcome = match share >= GOAL {
        true => Outcome::shown(Evidence::Measured),
        false => Outcome::failed(format!("{:.1} % are killed", 100.0 * share)),
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
            outcome = outcome.detail(format!("survives in {unit}"), survivor);
        }
    }
    outcome.figures(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survivors_are_listed_and_too_many_fail() {
        let score = |killed, survivors: usize| Score {
            killed,
            equivalent: 1,
            survivors: vec!["-mode inv".to_owned(); survivors],
        };
        let good = outcome(vec![("x".into(), score(19, 1)), ("y".into(), score(20, 0))]);
        assert_eq!(good.evidence, Some(Evidence::Measured));
        assert_eq!(good.figures.mutants, Some(40));
        assert!(good
            .details
            .contains(&("survives in x".into(), "-mode inv".into())));
        let bad = outcome(vec![("x".into(), score(17, 3))]);
        assert_eq!(bad.evidence, None);
        assert_eq!(outcome(Vec::new()).evidence, None);
    }
}
