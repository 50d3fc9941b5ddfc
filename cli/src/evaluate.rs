//! Runs samples through a compiled model on a machine, and adds up what happened.

use crate::progress::Progress;
use miette::{miette, Result};
use quern_compiler::{compile, Array, Compiled, Options, Values};
use quern_isa::{Config, Machine};
use std::time::{Duration, Instant};

/// What a machine made of some samples.
pub struct Evaluation {
    pub output: Array,
    pub samples: usize,
    /// Sums over all program runs.
    pub cycles: u64,
    pub input_stalls: u64,
    pub output_stalls: u64,
    pub wall: Duration,
}

impl Evaluation {
    /// Useful multiply-accumulates over what the array could have done in all
    /// cycles.
    pub fn utilization(&self, macs: u64, config: &Config) -> f64 {
        macs as f64 / (self.cycles as f64 * config.macs_per_cycle() as f64)
    }
}

/// Compiles for a number of samples: without a wish, the batch is the compiler's
/// choice, evened out so that the last run is as full as the others.
pub fn compile_for(
    model: &[u8],
    config: &Config,
    batch: Option<usize>,
    samples: usize,
    name: Option<String>,
) -> Result<Compiled> {
    let compiled = compile(
        model,
        config,
        &Options {
            batch,
            name: name.clone(),
        },
    )?;
    let runs = samples.div_ceil(compiled.batch()).max(1);
    let even = samples.div_ceil(runs).max(1);
    if batch.is_some() || even == compiled.batch() {
        return Ok(compiled);
    }
    let batch = Some(even);
    Ok(compile(model, config, &Options { batch, name })?)
}

/// Runs all samples of `input`.
pub fn evaluate(
    compiled: &Compiled,
    machine: &mut dyn Machine,
    input: &Array,
    what: &str,
) -> Result<Evaluation> {
    let samples = compiled.check_input(input)?;
    let mut progress = Progress::new(what, samples);
    let (mut cycles, mut input_stalls, mut output_stalls) = (0, 0, 0);
    let started = Instant::now();
    let output = compiled.run(machine, input, |run, done| {
        cycles += run.counters.cycles as u64;
        input_stalls += run.counters.input_stalls as u64;
        output_stalls += run.counters.output_stalls as u64;
        progress.set(done);
    })?;
    Ok(Evaluation {
        output,
        samples,
        cycles,
        input_stalls,
        output_stalls,
        wall: started.elapsed(),
    })
}

/// The first samples of an array.
pub fn first(array: &Array, samples: usize) -> Array {
    let total = array.shape.first().copied().unwrap_or(0);
    let samples = samples.min(total);
    let count = array.values.len().checked_div(total).unwrap_or(0) * samples;
    let mut shape = array.shape.clone();
    if let Some(size) = shape.first_mut() {
        *size = samples;
    }
    let values = match &array.values {
        Values::F32(values) => Values::F32(values[..count].to_vec()),
        Values::I8(values) => Values::I8(values[..count].to_vec()),
        Values::U8(values) => Values::U8(values[..count].to_vec()),
        Values::I64(values) => Values::I64(values[..count].to_vec()),
    };
    Array { shape, values }
}

/// Share of samples whose largest output is at the label's place; among equal
/// outputs the first counts, as in numpy's argmax. A model that ends in an ArgMax says
/// the class itself.
pub fn accuracy(output: &Array, labels: &[i64]) -> Result<f64> {
    let samples = output.shape[0];
    if labels.len() < samples {
        return Err(miette!(
            "there are {} labels for {samples} samples",
            labels.len()
        ));
    }
    let classes = output.values.len() / samples;
    fn hits<T: PartialOrd + Copy>(values: &[T], classes: usize, labels: &[i64]) -> usize {
        values
            .chunks_exact(classes)
            .zip(labels)
            .filter(|(scores, &label)| argmax(scores) as i64 == label)
            .count()
    }
    let hits = match &output.values {
        Values::F32(values) => hits(values, classes, labels),
        Values::I8(values) => hits(values, classes, labels),
        Values::U8(values) => hits(values, classes, labels),
        Values::I64(values) => values
            .chunks_exact(classes)
            .zip(labels)
            .filter(|(class, label)| class[0] == **label)
            .count(),
    };
    Ok(hits as f64 / samples as f64)
}

fn argmax<T: PartialOrd + Copy>(scores: &[T]) -> usize {
    let mut best = 0;
    for (place, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_scores_is_the_class() {
        assert_eq!(argmax(&[1, 3, 3, 2]), 1);
        assert_eq!(argmax(&[5.0, 5.0]), 0);
    }

    #[test]
    fn accuracy_counts_the_samples_whose_class_is_the_label() {
        let output = Array {
            shape: vec![4, 2],
            values: Values::I8(vec![1, 0, 0, 1, 1, 0, 0, 1]),
        };
        assert_eq!(accuracy(&output, &[0, 1, 1, 1, 9]).unwrap(), 0.75);
        assert!(accuracy(&output, &[0]).is_err());
    }

    #[test]
    fn the_first_samples_keep_their_shape() {
        let array = Array {
            shape: vec![3, 2],
            values: Values::U8(vec![0, 1, 2, 3, 4, 5]),
        };
        let part = first(&array, 2);
        assert_eq!(part.shape, [2, 2]);
        assert_eq!(part.values, Values::U8(vec![0, 1, 2, 3]));
        assert_eq!(first(&array, 9), array);
    }
}
