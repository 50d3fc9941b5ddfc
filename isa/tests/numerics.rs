//! Requantisation in integers against its definition in f32, for accumulators of
//! every size and for those next to every tie.

use num_bigint::BigUint;
use proptest::prelude::*;
use quern_isa::numerics::{
    encode_scale, interval, requantise, requantise_f32, requantise_with, step_count, wrap,
    MAX_SHIFT,
};
use quern_isa::{ChannelParameters, MANTISSA_BITS};

/// Bits per step of every configuration that exists.
const ROWS: [u32; 2] = [4, 8];

/// What ONNX Runtime's CPU provider computes (MLAS `RequantizeOutput`).
fn requantise_in_f32(sum: i32, scale: f32, zero_point: u8, low: u8, high: u8) -> u8 {
    let offset = |bound: u8| (bound as i32 - zero_point as i32) as f32;
    let product = sum as f32 * scale;
    let clamped = product.max(offset(low)).min(offset(high));
    (clamped.round_ties_even() as i32 + zero_point as i32) as u8
}

fn parameters(scale: f32, rows: u32, zero_point: u8) -> ChannelParameters {
    let (multiplier, steps) = encode_scale(scale, rows);
    ChannelParameters {
        bias: 0,
        multiplier,
        steps,
        zero_point,
    }
}

/// Compares the two for one sum, on every configuration's requantiser.
fn agree(
    sum: i32,
    scale: f32,
    encoded: &[ChannelParameters; 2],
    low: u8,
    high: u8,
) -> Result<(), String> {
    for (rows, parameters) in ROWS.into_iter().zip(encoded) {
        let zero_point = parameters.zero_point;
        let expected = requantise_in_f32(sum, scale, zero_point, low, high);
        let actual = requantise(sum, parameters, rows, low, high);
        if actual != expected {
            return Err(format!(
                "sum {sum}, scale {scale:e} ({:#010x}), zero point {zero_point}, \
                 bounds {low}..={high}, {rows} rows: {actual} instead of {expected}",
                scale.to_bits()
            ));
        }
    }
    Ok(())
}

fn encode_everywhere(scale: f32, zero_point: u8) -> [ChannelParameters; 2] {
    ROWS.map(|rows| parameters(scale, rows, zero_point))
}

/// Scales with short mantissas, whose products hit ties exactly, from powers of two
/// to odd numbers of 12 bits, across all exponents at which an i32 can reach a code.
fn short_scales() -> Vec<f32> {
    let odd = [1u32, 3, 5, 7, 11, 25, 127, 255, 257, 1023, 2047, 4095];
    let exponents = -44..=10;
    exponents
        .flat_map(|exponent| odd.map(|odd| odd as f32 * 2f32.powi(exponent)))
        .collect()
}

/// Scales with all mantissa bits in use.
fn long_scales() -> Vec<f32> {
    let mantissas = [
        0x80_0001u32,
        0xff_ffff,
        0xaa_aaab,
        0xd5_5555,
        0x9b_97f5,
        0xb5_04f3,
        0xc0_0001,
        0xbf_ffff,
    ];
    (-57..=0)
        .flat_map(|exponent| mantissas.map(|mantissa| mantissa as f32 * 2f32.powi(exponent)))
        .collect()
}

/// Calls `check` with every sum next to a tie of `scale`: as far around
/// `(k + 1/2) / scale` as f32 rounding can turn a product into a tie, and further.
fn sums_next_to_ties(
    scale: f32,
    mut check: impl FnMut(i32) -> Result<(), String>,
) -> Result<(), String> {
    for k in 0..=512 {
        let centre = ((k as f64 + 0.5) / scale as f64).round();
        if centre > 2f64.powi(31) {
            break;
        }
        let centre = centre as i64;
        let reach = 4 + (centre >> 22);
        for magnitude in centre - reach..=centre + reach {
            for sum in [magnitude, -magnitude] {
                if let Ok(sum) = i32::try_from(sum) {
                    check(sum)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn requantise_equals_f32_next_to_every_tie() {
    let mut compared = 0u64;
    for scale in short_scales().into_iter().chain(long_scales()) {
        // An even and an odd zero point: the tie goes to the even product, not to
        // the even code.
        for zero_point in [128, 77] {
            let encoded = encode_everywhere(scale, zero_point);
            sums_next_to_ties(scale, |sum| {
                compared += 1;
                agree(sum, scale, &encoded, 0, 255)
            })
            .unwrap();
        }
    }
    assert!(
        compared > 10_000_000,
        "only {compared} sums lie next to a tie"
    );
}

/// Products that are as far from a tie as half an f32 ulp, where rounding to f32 decides, and
/// next to those: of few factors and all bits of a scale, so that the product is exact.
#[test]
fn requantise_equals_f32_where_the_product_is_half_an_ulp_from_a_tie() {
    let (mut compared, mut halves) = (0, 0);
    for shift in 16..=27 {
        for (integer, sum) in (0..512u64).flat_map(|i| [1, 3, 5, 7, 9, 33].map(|sum| (i, sum))) {
            let tie = (integer << shift) + (1 << (shift - 1));
            for product in tie - 5..=tie + 5 {
                let mantissa = product / sum;
                if product % sum != 0 || mantissa >> 23 != 1 {
                    continue;
                }
                let scale = mantissa as f32 * (-(shift as f32)).exp2();
                let rounded = (sum as f32 * scale) as f64;
                let exact = product as f64 * (-(shift as f64)).exp2();
                halves += (rounded != exact && rounded.fract() == 0.5) as u32;
                compared += 1;
                for zero_point in [0, 128] {
                    let encoded = encode_everywhere(scale, zero_point);
                    for sum in [sum as i32, -(sum as i32)] {
                        agree(sum, scale, &encoded, 0, 255).unwrap();
                    }
                }
            }
        }
    }
    assert!(compared > 5000 && halves > 1000, "{compared}, {halves}");
}

/// A sum with more digits than the steps before the idle ones take counts as one beyond all
/// codes, whatever the multiplier, and one that just fits does not.
#[test]
fn a_sum_beyond_the_digits_is_out_of_range() {
    for (rows, idle_steps) in [(4, 3), (8, 1)] {
        for steps in idle_steps + 1..16 {
            let parameters = ChannelParameters {
                bias: 0,
                multiplier: 1,
                steps: steps as u8,
                zero_point: 100,
            };
            let code = |sum: i64| {
                let sum = sum.clamp(i32::MIN as i64, i32::MAX as i64);
                requantise(sum as i32, &parameters, rows, 0, 255)
            };
            let bits = (steps - idle_steps) * rows;
            if bits > 32 {
                // Also 2^31, which the largest sum is rounded to. The product with 1 is far
                // below a half.
                assert_eq!(code(i64::MAX), 100, "{rows} rows, {steps} steps");
                continue;
            }
            let limit = 1i64 << (bits - 1);
            // To the next f32.
            let (below, above) = ((limit >> 24).max(1), (limit >> 23).max(1));
            assert_eq!(code(limit - below), 100, "{rows} rows, {steps} steps");
            assert_eq!(code(-limit), 100, "{rows} rows, {steps} steps");
            assert_eq!(code(limit), 255, "{rows} rows, {steps} steps");
            if bits < 32 {
                assert_eq!(code(-limit - above), 0, "{rows} rows, {steps} steps");
            }
        }
    }
}

/// A cycle for each digit that is left of a sum, and no fewer than the stages behind take.
#[test]
fn an_output_takes_a_cycle_for_each_digit() {
    let of = |rows: u32, steps: [u32; 5]| steps.map(|steps| interval(steps, rows));
    assert_eq!(of(4, [4, 6, 7, 8, 15]), [3, 3, 4, 5, 12]);
    assert_eq!(of(8, [2, 4, 5, 6, 15]), [3, 3, 4, 5, 14]);
}

#[test]
fn requantise_equals_f32_at_the_extremes() {
    let sums = (-1000..=1000)
        .chain((0..32).flat_map(|bit| {
            let power = 1i64 << bit;
            (-70..=70).flat_map(move |near| [power + near, -power + near])
        }))
        .filter_map(|sum| i32::try_from(sum).ok())
        .chain([i32::MIN, i32::MAX])
        .collect::<Vec<_>>();
    let scales = [
        f32::MIN_POSITIVE / 4.0,
        f32::from_bits(1),
        f32::MIN_POSITIVE,
        2f32.powi(-40),
        2f32.powi(-33),
        f32::from_bits(2f32.powi(-33).to_bits() - 1),
        2f32.powi(-32),
        1.5 * 2f32.powi(-31),
        0.5,
        1.0,
        1.0 + f32::EPSILON,
        3.0,
        127.5,
        255.0,
        f32::from_bits(2f32.powi(8).to_bits() - 1),
        256.0,
        2f32.powi(22),
        2f32.powi(23),
        2f32.powi(24),
        1e20,
        f32::MAX,
    ];
    for scale in scales {
        for zero_point in [0, 1, 128, 255] {
            let encoded = encode_everywhere(scale, zero_point);
            for (low, high) in [(0, 255), (zero_point, 255), (3, 200), (9, 9)] {
                for &sum in &sums {
                    agree(sum, scale, &encoded, low, high).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200_000))]

    #[test]
    fn requantise_equals_f32_for_random_operands(
        sum in prop_oneof![any::<i32>(), -0x80_0000..0x80_0000i32, -2000..2000i32],
        mantissa in 0u32..0x80_0000,
        exponent in prop_oneof![1u32..255, 95u32..135],
        zero_point: u8,
        bounds: (u8, u8),
    ) {
        let scale = f32::from_bits(exponent << 23 | mantissa);
        let (low, high) = (bounds.0.min(bounds.1), bounds.0.max(bounds.1));
        let encoded = encode_everywhere(scale, zero_point);
        prop_assert_eq!(agree(sum, scale, &encoded, low, high), Ok(()));
    }

    #[test]
    fn requantise_is_defined_for_every_parameter_word(
        sum: i32,
        multiplier: u32,
        steps: u8,
        zero_point: u8,
        low: u8,
        high: u8,
    ) {
        let parameters = ChannelParameters { bias: 0, multiplier, steps, zero_point };
        for rows in ROWS {
            // Also where the bounds have changed places.
            let expected = match requantise(sum, &parameters, rows, 0, 255) {
                code if code < low => low,
                code if code > high => high,
                code => code,
            };
            prop_assert_eq!(requantise(sum, &parameters, rows, low, high), expected);
        }
    }

    #[test]
    fn an_encoded_scale_is_exactly_the_scale(
        mantissa in 0u32..0x80_0000,
        shift in 16u32..=MAX_SHIFT,
        rows in prop::sample::select(&ROWS[..]),
    ) {
        let exponent = 150 - shift;
        let scale = f32::from_bits(exponent << 23 | mantissa);
        let (multiplier, steps) = encode_scale(scale, rows);
        let steps = steps as u32;
        let mantissa = mantissa | 0x80_0000;
        if steps * rows > MAX_SHIFT || multiplier == 0 {
            // Only a last, incomplete step may be missing.
            prop_assert!(shift.div_ceil(rows) * rows > MAX_SHIFT);
        } else {
            // multiplier / 2^(steps * rows) = mantissa / 2^shift
            let left = BigUint::from(multiplier) << shift;
            let right = BigUint::from(mantissa) << (steps * rows);
            prop_assert_eq!(left, right);
            prop_assert!(multiplier >= 1 << (MANTISSA_BITS - 1));
            prop_assert!(multiplier < 1 << (MANTISSA_BITS + rows - 1));
            prop_assert_eq!(step_count(steps as u8, rows), steps);
        }
    }

    #[test]
    fn wrapping_keeps_the_low_bits_and_extends_the_sign(sum: i64, bits in 2u32..=32) {
        let sum = sum >> 20;
        let wrapped = wrap(sum, bits) as i64;
        prop_assert_eq!((wrapped - sum) % (1 << bits), 0);
        prop_assert!(wrapped >= -(1 << (bits - 1)) && wrapped < 1 << (bits - 1));
    }
}

/// A tie, of the product in f32, goes to the even code, and everything else to the nearest.
#[test]
fn with_even_code_ties_of_the_f32_product_are_decided_by_the_code() {
    let scales = long_scales().into_iter().step_by(7);
    for scale in scales.chain(short_scales().into_iter().step_by(11)) {
        for zero_point in [128, 77] {
            let encoded = encode_everywhere(scale, zero_point);
            sums_next_to_ties(scale, |sum| {
                let product = (sum as f32 * scale) as f64 + zero_point as f64;
                let expected = product.round_ties_even().clamp(0.0, 255.0) as u8;
                for (rows, parameters) in ROWS.into_iter().zip(&encoded) {
                    let actual = requantise_with(sum, parameters, rows, 0, 255, true);
                    if actual != expected {
                        return Err(format!("{sum} * {scale:e} + {zero_point}: {actual}"));
                    }
                }
                let actual = requantise_f32(sum, scale, zero_point, true);
                match actual == expected {
                    true => Ok(()),
                    false => Err(format!("in f32: {sum} * {scale:e}: {actual}")),
                }
            })
            .unwrap();
        }
    }
}

/// With the zero point added before rounding, as ONNX Runtime's products have it: where
/// the product is exact, ties are those of the sum.
#[test]
fn with_even_code_ties_are_decided_by_the_code() {
    let rows = 4;
    for (shift, zero_point) in [(1, 0u8), (1, 101), (2, 128), (3, 7), (4, 255)] {
        let scale = (-(shift as f32)).exp2();
        let (multiplier, steps) = encode_scale(scale, rows);
        let parameters = ChannelParameters {
            bias: 0,
            multiplier,
            steps,
            zero_point,
        };
        for sum in -3000..3000 {
            let expected = (sum as f32 * scale + zero_point as f32).round_ties_even();
            assert_eq!(
                requantise_with(sum, &parameters, rows, 0, 255, true),
                expected.clamp(0.0, 255.0) as u8,
                "{sum} * {scale} + {zero_point}"
            );
        }
    }
}
