//! What the host computes at the end of a model.

use crate::array::{Array, Values};
use crate::network::HostFunction;

/// Applies functions in order. The array has the batch axis in front.
pub fn apply(functions: &[HostFunction], array: Array) -> Array {
    functions
        .iter()
        .fold(array, |array, function| match *function {
            HostFunction::Softmax { axis } => softmax(array, axis),
            HostFunction::ArgMax { axis, keep, last } => argmax(array, axis, keep, last),
        })
}

/// Sizes in front of an axis, of it, and behind it.
fn blocks(shape: &[usize], axis: usize) -> [usize; 3] {
    [
        shape[..axis].iter().product(),
        shape[axis],
        shape[axis + 1..].iter().product(),
    ]
}

fn reals(array: &Array) -> Vec<f32> {
    match &array.values {
        Values::F32(values) => values.clone(),
        Values::I8(values) => values.iter().map(|&x| x as f32).collect(),
        Values::U8(values) => values.iter().map(|&x| x as f32).collect(),
        Values::I64(values) => values.iter().map(|&x| x as f32).collect(),
    }
}

fn softmax(array: Array, axis: usize) -> Array {
    let [outer, size, inner] = blocks(&array.shape, axis);
    let values = reals(&array);
    let mut result = vec![0.0; values.len()];
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| (o * size + k) * inner + i;
            let row: Vec<f32> = (0..size).map(|k| values[at(k)]).collect();
            let row = crate::functions::softmax(&row);
            row.into_iter()
                .enumerate()
                .for_each(|(k, x)| result[at(k)] = x);
        }
    }
    Array {
        shape: array.shape,
        values: Values::F32(result),
    }
}

fn argmax(array: Array, axis: usize, keep: bool, last: bool) -> Array {
    let [outer, size, inner] = blocks(&array.shape, axis);
    let values = reals(&array);
    let mut places = Vec::with_capacity(outer * inner);
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| values[(o * size + k) * inner + i];
            let better = |best: usize, k: usize| match last {
                false => at(k) > at(best),
                true => at(k) >= at(best),
            };
            let best = (1..size).fold(0, |best, k| if better(best, k) { k } else { best });
            places.push(best as i64);
        }
    }
    let mut shape = array.shape;
    match keep {
        true => shape[axis] = 1,
        false => {
            shape.remove(axis);
        }
    }
    Array {
        shape,
        values: Values::I64(places),
    }
}
