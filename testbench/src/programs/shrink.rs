//! Makes a failing program small: steps are left out and numbers made smaller for as
//! long as it still fails.

use super::{Recipe, Step};
use quern_isa::{Instruction, Waits};

/// The smallest recipe found that still fails, in at most `tries` trials. `fails` is
/// false for a recipe that is no legal program.
pub fn shrink(recipe: &Recipe, tries: usize, fails: &mut dyn FnMut(&Recipe) -> bool) -> Recipe {
    let mut shrinking = Shrinking {
        smallest: recipe.clone(),
        tries,
        fails,
    };
    loop {
        let before = shrinking.smallest.clone();
        shrinking.leave_out();
        shrinking.simplify();
        if shrinking.smallest == before || shrinking.tries == 0 {
            return shrinking.smallest;
        }
    }
}

struct Shrinking<'a> {
    smallest: Recipe,
    tries: usize,
    fails: &'a mut dyn FnMut(&Recipe) -> bool,
}

impl Shrinking<'_> {
    fn try_out(&mut self, candidate: Recipe) -> bool {
        if self.tries == 0 || candidate == self.smallest {
            return false;
        }
        self.tries -= 1;
        let fails = (self.fails)(&candidate);
        if fails {
            self.smallest = candidate;
        }
        fails
    }

    /// Halves first, then ever smaller pieces (Zeller and Hildebrandt's delta
    /// debugging, without its complements).
    fn leave_out(&mut self) {
        let mut size = self.smallest.steps.len().div_ceil(2);
        while size > 0 {
            // From the end: a step seldom needs those behind it.
            let mut end = self.smallest.steps.len();
            while end > 0 {
                let begin = end.saturating_sub(size);
                let mut candidate = self.smallest.clone();
                candidate.steps.drain(begin..end);
                self.try_out(candidate);
                end = begin;
            }
            size /= 2;
        }
    }

    fn simplify(&mut self) {
        for place in 0..self.smallest.steps.len() {
            for change in 0..CHANGES {
                // The same change again for as long as it helps: halves of halves.
                loop {
                    let word = |space| self.smallest.config.word_bytes(space);
                    let step = changed(&self.smallest.steps[place], change, &word);
                    let mut candidate = self.smallest.clone();
                    candidate.steps[place] = step;
                    if !self.try_out(candidate) {
                        break;
                    }
                }
            }
        }
    }
}

const CHANGES: usize = 16;

/// The step with its `change`-th number made smaller.
fn changed(step: &Step, change: usize, word_bytes: &dyn Fn(quern_isa::Space) -> usize) -> Step {
    let mut step = step.clone();
    match &mut step {
        Step::Instruction(instruction, waits) => match change {
            0 => *waits = Waits::NONE,
            _ => smaller(instruction, change - 1),
        },
        Step::Load {
            space,
            address,
            data,
        } => {
            let bytes = word_bytes(*space);
            match change {
                0 => *address /= 2,
                1 => data.truncate((data.len() / bytes).div_ceil(2).max(1) * bytes),
                // Without its first word.
                2 if data.len() > bytes => {
                    data.drain(..bytes);
                    *address += 1;
                }
                3 => data.fill(0),
                4 => data.iter_mut().for_each(|byte| *byte &= 1),
                _ => {}
            }
        }
        Step::LoadStored {
            address,
            offset,
            count,
        } => match change {
            0 => *address /= 2,
            1 => *offset = 0,
            2 => *count = count.div_ceil(2),
            _ => {}
        },
        Step::Store {
            address,
            count,
            waits,
            ..
        } => match change {
            0 => *address /= 2,
            1 => *count = count.div_ceil(2),
            2 if *count > 1 => {
                *address += 1;
                *count -= 1;
            }
            3 => *waits = Waits::NONE,
            _ => {}
        },
    }
    step
}

fn smaller(instruction: &mut Instruction, field: usize) {
    let halve = |number: &mut u16| *number = number.div_ceil(2);
    let lower = |number: &mut u16| *number /= 2;
    match instruction {
        Instruction::Pattern(p) => match field {
            0 => halve(&mut p.x_count),
            1 => halve(&mut p.y_count),
            2 => p.x_stride = 0,
            3 => p.y_stride = 0,
            4 => p.inner_stride = 0,
            5 => p.outer_stride = 0,
            6 => lower(&mut p.x_stride),
            7 => lower(&mut p.y_stride),
            8 => lower(&mut p.inner_stride),
            9 => lower(&mut p.outer_stride),
            _ => {}
        },
        Instruction::Target(t) => match field {
            0 => halve(&mut t.x_count),
            1 => halve(&mut t.y_count),
            2 => t.x_stride = 0,
            3 => t.y_stride = 0,
            4 => t.low = 0,
            5 => t.high = 255,
            6 => lower(&mut t.x_stride),
            7 => lower(&mut t.y_stride),
            _ => {}
        },
        Instruction::Matrix(m) => match field {
            0 => m.accumulate = false,
            1 => halve(&mut m.inner),
            2 => halve(&mut m.outer),
            3 => lower(&mut m.accumulator),
            4 => lower(&mut m.activation),
            5 => lower(&mut m.weight),
            _ => {}
        },
        Instruction::Activate(a) => match field {
            0 => a.table = false,
            1 => a.columns = a.columns.div_ceil(2),
            2 => a.lane = 0,
            3 => lower(&mut a.accumulator),
            4 => lower(&mut a.activation),
            5 => a.parameter = 0,
            _ => {}
        },
        Instruction::Vector(v) => match field {
            0 => v.table = false,
            1 => v.even_code = false,
            2 => v.columns = v.columns.div_ceil(2),
            3 => halve(&mut v.inner),
            4 => v.outer = v.outer.div_ceil(2),
            5 => v.source_lane = 0,
            6 => v.lane = 0,
            7 => lower(&mut v.source),
            8 => lower(&mut v.activation),
            9 => v.parameter = 0,
            10 => v.zero_points = [0, 0],
            _ => {}
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::{random_recipe, Random};
    use quern_isa::{Machine, Reference, TINY};

    /// Something only some programs have: a matrix instruction of more than one tap.
    #[test]
    fn what_does_not_matter_is_left_out() {
        let has = |recipe: &Recipe| {
            let program = recipe.program();
            let mut host = vec![0; program.host_bytes as usize];
            let legal = Reference::new(TINY).run(&program, &mut host).is_ok();
            legal
                && recipe.steps.iter().any(|step| {
                    matches!(step, Step::Instruction(Instruction::Matrix(m), _) if m.inner > 1)
                })
        };
        let recipe = (0..)
            .map(|seed| random_recipe(&TINY, &mut Random(seed), 25))
            .find(|recipe| has(recipe))
            .unwrap();
        let small = shrink(&recipe, 3000, &mut |candidate| has(candidate));
        // A pattern of one position, and the matrix instruction.
        assert_eq!(small.steps.len(), 2, "{small}");
        let Step::Instruction(Instruction::Matrix(matrix), waits) = &small.steps[1] else {
            panic!("{small}");
        };
        assert_eq!((matrix.inner, matrix.outer), (2, 1));
        assert_eq!((matrix.weight, matrix.activation), (0, 0));
        assert_eq!(*waits, Waits::NONE);
    }
}
