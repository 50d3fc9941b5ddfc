//! Channels whose bias is too large for the accumulators, though the sums of their
//! products are not.
//!
//! Quantisers give a channel of tiny weights a tiny scale, and in its units the bias is
//! a huge number: the products hardly count. Such a channel has few different codes, and
//! other parameters give the same ones with a bias that fits.

use crate::backend::short_scale;
use crate::network::Finish;
use quern_isa::{numerics, Config};
use std::ops::RangeInclusive;

/// A bias and other parameters for which every sum of products in the range becomes the
/// code that it becomes with those given, and no sum needs more than the accumulators'
/// bits; `None` where there are none of the simple kind.
pub fn replace(
    bias: i64,
    scale: f32,
    zero_point: u8,
    products: RangeInclusive<i64>,
    finish: &Finish,
    config: &Config,
) -> Option<(i64, f32, u8)> {
    let (lowest, highest) = (*products.start(), *products.end());
    let bias = saturating(bias, &products, scale, zero_point, finish);
    let limit = 1i64 << (config.accumulator_bits - 1);
    if bias + lowest >= -limit && bias + highest < limit {
        return Some((bias, scale, zero_point));
    }
    let code = |product: i64| code(bias + product, scale, zero_point, finish, config);
    let (first, last) = (code(lowest)?, code(highest)?);
    if first == last {
        // All sums vanish beside a zero point that is the code.
        return Some((0, f32::MIN_POSITIVE / 2.0, first));
    }
    if last - first > 1 {
        return None;
    }
    // The step from one code to the next becomes that from 0 to 1: just above a half.
    let step = partition_point(lowest, highest, |product| code(product) == Some(first));
    let reach = (lowest - step).abs().max((highest - step).abs());
    let half = (reach as u64).next_power_of_two() as i64;
    (2 * half < limit).then(|| (half + 1 - step, 0.5 / half as f32, first))
}

/// A bias so large that every sum is beyond the bounds may be smaller.
fn saturating(
    bias: i64,
    products: &RangeInclusive<i64>,
    scale: f32,
    zero_point: u8,
    finish: &Finish,
) -> i64 {
    // One code further than the bounds, so that rounding does not matter.
    let sum = |bound: u8, further: f64| (bound as f64 - zero_point as f64 + further) / scale as f64;
    let always_low = sum(finish.low, -1.0).floor() as i64;
    let always_high = sum(finish.high, 1.0).ceil() as i64;
    bias.max(always_low.saturating_sub(*products.end()).min(0))
        .min(always_high.saturating_sub(*products.start()).max(0))
}

/// What ONNX Runtime makes of a sum: its sums have 32 bits.
pub fn code(sum: i64, scale: f32, zero_point: u8, finish: &Finish, config: &Config) -> Option<u8> {
    let encoded = numerics::encode_scale(scale, config.requantise_rows);
    let sum = i32::try_from(sum).ok()?;
    Some(short_scale::code(encoded, sum, zero_point, finish, config))
}

/// The first number of a range for which `before` is false, true for those before it.
pub fn partition_point(first: i64, last: i64, before: impl Fn(i64) -> bool) -> i64 {
    let (mut low, mut high) = (first, last);
    while low < high {
        let middle = low + (high - low) / 2;
        match before(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use quern_isa::CU;

    #[test]
    fn a_bias_that_just_fits_stays() {
        let limit = 1i64 << (CU.accumulator_bits - 1);
        let products = -5_000..=7_001;
        // So small that no sum is beyond the codes.
        let scale = (-17f32).exp2();
        for (bias, stays) in [
            (-limit + 5_000, true),
            (-limit + 4_999, false),
            (limit - 7_002, true),
            (limit - 7_001, false),
        ] {
            let replaced = replace(bias, scale, 128, products.clone(), &Finish::default(), &CU);
            assert_eq!(replaced == Some((bias, scale, 128)), stays, "{bias}");
            let (bias, ..) = replaced.unwrap();
            assert!(bias + products.start() >= -limit && bias + products.end() < limit);
        }
    }

    /// The step is in the middle, as far from both ends as half the accumulators' range.
    #[test]
    fn products_that_leave_no_room_for_a_step_have_no_replacement() {
        let limit = 1i64 << (CU.accumulator_bits - 1);
        let (half, scale) = (limit / 2, 0.5 / limit as f32);
        // Next to 1.5 in units of the scale; two sums round to it.
        let bias = (1.5 / scale) as i64;
        let replace = |products: RangeInclusive<i64>| {
            replace(bias, scale, 0, products, &Finish::default(), &CU)
        };
        assert_eq!(replace(-half..=half - 1), None);
        let (other, ..) = replace(-half / 2..=half / 2 - 1).unwrap();
        assert!(other + half / 2 < limit);
    }

    /// Biases beyond 24 bits with scales that keep them inside and outside the codes.
    #[test]
    fn replaced_parameters_give_the_same_codes() {
        let mut replaced = 0;
        for bias in [-2_000_000_000, -30_000_000, 12_345_678, 300_000_000i64] {
            for exponent in 8..40 {
                for zero_point in [0, 77, 128, 255] {
                    let scale = 1.37 * (-(exponent as f32)).exp2();
                    let finish = Finish {
                        low: 3,
                        ..Finish::default()
                    };
                    let products = -5_000..=7_001;
                    let Some((b, s, z)) =
                        replace(bias, scale, zero_point, products.clone(), &finish, &CU)
                    else {
                        continue;
                    };
                    replaced += 1;
                    for product in products {
                        let expected = code(bias + product, scale, zero_point, &finish, &CU);
                        assert!((b + product).abs() < 1 << 23);
                        assert_eq!(
                            code(b + product, s, z, &finish, &CU),
                            expected,
                            "bias {bias}, scale {scale}, zero point {zero_point}, product {product}"
                        );
                    }
                }
            }
        }
        assert!(replaced > 400, "only {replaced} of 512 were replaced");
    }
}
