//! Sums of integers that the runtime goes on with in floats: MatMulIntegerToFloat, and a
//! bias that is a real number.
//!
//! The code is a step function of the sum, `round((scale · sum + bias) / output scale)`, and
//! so is what the accelerator makes of it, whose bias is an integer. Where the steps
//! differ, there is one layer whose steps come too late and one whose steps come too
//! early, by a bias of one more:
//!
//! ```text
//!  map ─┬─► layer, late  ─► y, or y - 1 next to a step ─► table of the channel ─┐
//!       └─► layer, early ─► y, or y + 1 next to a step ─► table of the channel ─┴─► add ─► y
//! ```
//! Next to the step to code `j` the two say `j - 1` and `j`. With tables `a[j]` and
//! `j - a[j]` the sum is `j - 1` where `a` grows by one from `j - 1` to `j`, the late layer's
//! answer, and `j` where it stays.

use crate::network::{Finish, Quantiser};
use crate::table::Table;

/// A channel's sums, and what the runtime makes of them.
pub struct Channel<'a> {
    /// Lowest and highest sum.
    pub sums: (i64, i64),
    /// What a sum of one is, in real numbers.
    pub scale: f32,
    pub bias: Option<f32>,
    pub to: &'a Quantiser,
    pub finish: &'a Finish,
}

/// An integer rule: `round(scale * (sum + bias)) + zero_point`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub bias: i32,
    pub scale: f32,
    pub zero_point: u8,
}

/// Two rules, of which the second steps earlier, and the table of each: their sum is the
/// runtime's code.
pub struct Pair {
    pub rules: [Rule; 2],
    pub tables: [Table; 2],
}

/// Zero points to try on each side: another one moves the bias by a fraction, away from
/// where rounding decides whether a step is early or late.
const SHIFTS: i32 = 24;

/// What moves a tie: two units in the last place.
const TIE: f32 = 2.0 * f32::EPSILON;

/// Calls of a function of codes that [`Channel::rule`] or [`Channel::pair`] make at most.
pub const EVALUATIONS: usize = 256;

/// The first sum for each code that has this code or a higher one; one more than the
/// highest sum where none has.
type Steps = [i64; 256];

impl Channel<'_> {
    /// The rule of the integer kernels, if it gives the same codes.
    pub fn rule(&self, bias: i32) -> Option<Rule> {
        let rule = Rule {
            bias,
            scale: self.scale / self.to.scale,
            zero_point: self.to.zero_point,
        };
        (self.steps_of(&rule) == self.steps()).then_some(rule)
    }

    /// Two rules that together give the same codes.
    pub fn pair(&self) -> Option<Pair> {
        let steps = self.steps();
        let shifts = (0..=SHIFTS).flat_map(|shift| [shift, -shift]).skip(1);
        let shifted = shifts
            .filter_map(|shift| u8::try_from(self.to.zero_point as i32 + shift).ok())
            .filter_map(|zero_point| self.rules(zero_point, false));
        shifted
            .chain(self.rules(0, true))
            .find_map(|rules| self.pair_of(&steps, rules))
    }

    /// A rule that steps late and one that steps early, by a bias of one more, or by ties
    /// that go down in one and up in the other. With a zero point of 0 all products
    /// are positive, so that a smaller scale is later everywhere.
    fn rules(&self, zero_point: u8, by_ties: bool) -> Option<[Rule; 2]> {
        let scale = self.scale / self.to.scale;
        let shift = zero_point as f64 - self.to.zero_point as f64;
        let bias = self.bias.unwrap_or(0.0) as f64 / self.scale as f64 - shift / scale as f64;
        let (late, early, change) = match by_ties {
            false => (bias.floor(), bias.floor() + 1.0, 0.0),
            true => (bias.round(), bias.round(), TIE),
        };
        (bias.abs() < (i32::MAX / 4) as f64).then(|| {
            [(late, 1.0 - change), (early, 1.0 + change)].map(|(bias, factor)| Rule {
                bias: bias as i32,
                scale: scale * factor,
                zero_point,
            })
        })
    }

    fn pair_of(&self, steps: &Steps, rules: [Rule; 2]) -> Option<Pair> {
        let [late, early] = rules.map(|rule| self.steps_of(&rule));
        let fits = (1..256).all(|code| {
            let is_one = [late[code], early[code]].contains(&steps[code]);
            let in_order = early[code] <= late[code];
            is_one && in_order && (code == 255 || late[code] <= early[code + 1])
        });
        let mut taken_late = [0u8; 256];
        for code in 1..256 {
            taken_late[code] = taken_late[code - 1] + (steps[code] == late[code]) as u8;
        }
        let late = |code: u8| taken_late[code as usize];
        fits.then(|| Pair {
            rules,
            tables: [
                Table::from_fn(late),
                Table::from_fn(|code| code - late(code)),
            ],
        })
    }

    fn steps(&self) -> Steps {
        self.first_sums(|sum| {
            let scaled = sum as f32 * self.scale;
            let real = self.bias.map_or(scaled, |bias| scaled + bias);
            self.to.quantise(real)
        })
    }

    fn steps_of(&self, rule: &Rule) -> Steps {
        self.first_sums(|sum| {
            let scaled = (sum + rule.bias as i64) as f32 * rule.scale;
            let code = scaled.round_ties_even() + rule.zero_point as f32;
            // A float-to-integer cast saturates.
            code as u8
        })
    }

    /// Steps of a function that does not fall.
    fn first_sums(&self, code: impl Fn(i64) -> u8) -> Steps {
        let Finish { low, high, .. } = *self.finish;
        let (lowest, highest) = self.sums;
        let mut first = lowest;
        std::array::from_fn(|wanted| {
            let reaches = |sum: i64| code(sum).max(low).min(high) as usize >= wanted;
            let (mut below, mut above) = (first, highest + 1);
            while below < above {
                let middle = below + (above - below) / 2;
                match reaches(middle) {
                    true => above = middle,
                    false => below = middle + 1,
                }
            }
            first = below;
            below
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::CodeType;

    fn code_of(rule: &Rule, sum: i64, finish: &Finish) -> u8 {
        let scaled = (sum + rule.bias as i64) as f32 * rule.scale;
        finish.apply((scaled.round_ties_even() + rule.zero_point as f32) as u8)
    }

    /// Every sum of a range, for biases that are whole numbers of sums and for others.
    #[test]
    fn two_rules_give_the_runtimes_code_for_every_sum() {
        let (mut alike, mut pairs) = (0, 0);
        for draw in 0..200u32 {
            let random = |n: u32| (draw.wrapping_mul(2_654_435_761 + 97 * n) >> 8) as f32;
            let unit = |n: u32| random(n) / (1 << 24) as f32;
            let scale = 1e-4 * (1.0 + unit(1));
            let to = Quantiser {
                // Many ties in some, where a few sums make a code.
                scale: match draw % 5 {
                    0 => scale * 2f32.powi(1 + (draw % 9) as i32),
                    _ => scale * (2.0 + 900.0 * unit(2)),
                },
                zero_point: (unit(3) * 255.0) as u8,
                code: CodeType::U8,
            };
            let finish = Finish {
                low: if draw % 3 == 0 { to.zero_point } else { 0 },
                ..Finish::default()
            };
            let whole = (unit(4) * 20_000.0).round() - 10_000.0;
            let channel = Channel {
                sums: (-90_000, 110_000),
                scale,
                bias: match draw % 4 {
                    0 => None,
                    1 => Some(whole * scale),
                    _ => Some((whole + unit(5)) * scale),
                },
                to: &to,
                finish: &finish,
            };
            let real = |sum: i64| {
                let scaled = sum as f32 * scale;
                finish.apply(to.quantise(channel.bias.map_or(scaled, |bias| scaled + bias)))
            };
            if let Some(rule) = channel.rule(whole as i32) {
                alike += 1;
                for sum in -90_000..=110_000 {
                    assert_eq!(code_of(&rule, sum, &finish), real(sum), "draw {draw}");
                }
            }
            let Some(pair) = channel.pair() else {
                panic!("draw {draw}: no two rules");
            };
            pairs += 1;
            for sum in -90_000..=110_000 {
                let parts = [0, 1].map(|i| {
                    let code = code_of(&pair.rules[i], sum, &finish);
                    pair.tables[i].0[code as usize] as u32
                });
                assert_eq!(parts[0] + parts[1], real(sum) as u32, "draw {draw}, {sum}");
            }
        }
        assert!(alike > 20 && pairs == 200, "{alike} alike, {pairs} pairs");
    }
}
