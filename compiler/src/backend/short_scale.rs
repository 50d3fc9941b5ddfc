//! Scales with fewer bits than a float32 has, where no code can tell: each digit less of the
//! multiplier saves the requantiser a cycle an output.
//!
//! ```text
//!  multiplier, steps:   1.............xx|dddddd   n     the scale
//!                       1.............yy|         n-1   with a digit of Q bits less
//! ```

use crate::network::Finish;
use quern_isa::{numerics, ChannelParameters, Config};
use std::ops::RangeInclusive;

/// Least multiplier. A sum that has more digits than are counted is taken for one beyond all
/// codes: at least `2^(Q * steps - 13)` of them, times this, is 2^8 codes and more.
const LEAST: u32 = 1 << 21;

/// Multiplier and steps of exactly this scale, in as few steps as there are.
pub fn encode(scale: f32, config: &Config) -> (u32, u8) {
    let encoded = numerics::encode_scale(scale, config.requantise_rows);
    match shorter(encoded, config) {
        Some((below, _)) if below.0 << config.requantise_rows == encoded.0 => below,
        _ => encoded,
    }
}

/// As [`encode`], or of another scale that needs fewer steps and gives every sum of a range the
/// same code. The bias is in the sums.
pub fn encode_for(
    scale: f32,
    zero_point: u8,
    sums: RangeInclusive<i32>,
    finish: &Finish,
    config: &Config,
) -> (u32, u8) {
    let exact = encode(scale, config);
    let Some((below, above)) = shorter(exact, config) else {
        return exact;
    };
    let code = |encoded: (u32, u8), sum: i32| code(encoded, sum, zero_point, finish, config);
    let thresholds = thresholds(scale, zero_point, &sums, finish, |sum| code(exact, sum));
    let same = |other: &(u32, u8)| {
        let mut sums = thresholds.iter();
        sums.all(|&sum| code(*other, sum) == code(exact, sum))
    };
    [below, above].into_iter().find(same).unwrap_or(exact)
}

/// What becomes of a sum with a multiplier and steps, before the table.
pub fn code(
    (multiplier, steps): (u32, u8),
    sum: i32,
    zero_point: u8,
    finish: &Finish,
    config: &Config,
) -> u8 {
    let parameters = ChannelParameters {
        bias: 0,
        multiplier,
        steps,
        zero_point,
    };
    let Finish { low, high, .. } = *finish;
    numerics::requantise(sum, &parameters, config.requantise_rows, low, high)
}

/// The scales next to a multiplier and steps that have a step less, if that takes fewer cycles.
fn shorter((multiplier, steps): (u32, u8), config: &Config) -> Option<((u32, u8), (u32, u8))> {
    let rows = config.requantise_rows;
    let cycles = |steps: u8| numerics::interval(numerics::step_count(steps, rows), rows);
    let fewer = steps.checked_sub(1)?;
    let below = multiplier >> rows;
    let pays = below >= LEAST && cycles(fewer) < cycles(steps);
    pays.then_some(((below, fewer), (below + 1, fewer)))
}

/// Both ends of all ranges of sums that have one code, which grows with the sum.
fn thresholds(
    scale: f32,
    zero_point: u8,
    sums: &RangeInclusive<i32>,
    finish: &Finish,
    code: impl Fn(i32) -> u8,
) -> Vec<i32> {
    let (lowest, highest) = (*sums.start(), *sums.end());
    let mut thresholds = vec![lowest, highest];
    for low in finish.low..finish.high {
        let middle = (low as f64 + 0.5 - zero_point as f64) / scale as f64;
        // Where it must be, but for a rounding or two.
        let mut first = (middle.ceil() as i64).clamp(lowest as i64, highest as i64) as i32;
        while first < highest && code(first) <= low {
            first += 1;
        }
        while first > lowest && code(first - 1) > low {
            first -= 1;
        }
        thresholds.extend([first.saturating_sub(1).max(lowest), first]);
    }
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;
    use quern_isa::CONFIGS;

    #[test]
    fn shorter_scales_give_every_sum_its_code() {
        let (mut shorter, mut all) = (0, 0);
        for config in &CONFIGS {
            let rows = config.requantise_rows;
            for draw in 0..300u32 {
                let mantissa = draw.wrapping_mul(0x9e37_79b9) >> 9;
                let scale = f32::from_bits((127 - 6 - draw % 7) << 23 | mantissa);
                let zero_point = (draw * 37) as u8;
                let finish = Finish {
                    low: (draw % 3) as u8 * 20,
                    ..Finish::default()
                };
                let sums = -(draw as i32 * 100)..=40_000;
                let exact = numerics::encode_scale(scale, rows);
                let short = encode_for(scale, zero_point, sums.clone(), &finish, config);
                let code =
                    |encoded: (u32, u8), sum: i32| code(encoded, sum, zero_point, &finish, config);
                shorter += (short.1 < exact.1) as u32;
                all += 1;
                if short != exact {
                    for sum in sums {
                        assert_eq!(
                            code(short, sum),
                            code(exact, sum),
                            "{}, scale {scale}, sum {sum}",
                            config.name
                        );
                    }
                }
            }
        }
        assert!(shorter > 100, "only {shorter} of {all} are shorter");
    }

    #[test]
    fn powers_of_two_take_no_step_too_many() {
        for config in &CONFIGS {
            let rows = config.requantise_rows;
            for exponent in 0..20 {
                let scale = (-(exponent as f32)).exp2();
                let (multiplier, steps) = encode(scale, config);
                let value = multiplier as f64 / ((steps as u32 * rows) as f64).exp2();
                assert_eq!(value, scale as f64);
                for sum in [-70_000, -300, -1, 0, 1, 127, 1000, 65_536, 8_000_000] {
                    let code = code((multiplier, steps), sum, 100, &Finish::default(), config);
                    let expected = numerics::requantise_f32(sum, scale, 100, false);
                    assert_eq!(code, expected, "{scale}, {sum}");
                }
            }
        }
    }
}
