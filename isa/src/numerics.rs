//! The numbers: requantisation exactly as ONNX Runtime's CPU provider computes it.
//!
//! ONNX Runtime (MLAS `RequantizeOutput`) converts the int32 accumulator to f32,
//! multiplies by the f32 scale, clamps, rounds half to even and adds the zero
//! point. [`requantise`] gives the same integer without floating point.

use crate::{ChannelParameters, MANTISSA_BITS};

/// Largest value of [`ChannelParameters::steps`] times `Q` that is ever needed:
/// an accumulator below 2^32 times a scale below 2^-33 rounds to zero.
pub const MAX_SHIFT: u32 = 60;

/// Where [`scale_and_round`] stops: far enough out for every zero point and bound.
const INTEGER_LIMIT: u32 = 511;

/// Multiplier and steps of a positive, finite f32 scale, for a requantiser that
/// consumes `rows` bits per step.
///
/// Scales too small to move any accumulator give multiplier 0; scales of 2^8 and more,
/// which take every accumulator but 0 beyond all codes, a large multiplier that does
/// the same.
pub fn encode_scale(scale: f32, rows: u32) -> (u32, u8) {
    assert!(
        scale.is_finite() && scale > 0.0,
        "a scale is positive and finite"
    );
    // Enough steps to hold every sum: 33 bits, as 2^31 - 1 rounds to 2^31.
    let zero = (0, (33u32.div_ceil(rows) + idle_steps(rows)) as u8);
    let bits = scale.to_bits();
    let exponent = (bits >> 23) as i32;
    if exponent == 0 {
        return zero; // subnormal
    }
    let mantissa = (bits & 0x7f_ffff) | 0x80_0000;
    // scale = mantissa * 2^-shift
    let shift = 127 + 23 - exponent;
    if shift < 16 {
        return (
            (1 << (MANTISSA_BITS + rows - 1)) - 1,
            16u32.div_ceil(rows) as u8,
        );
    }
    let steps = (shift as u32).div_ceil(rows);
    if steps * rows > MAX_SHIFT {
        return zero;
    }
    (mantissa << (steps * rows - shift as u32), steps as u8)
}

/// Rounds a magnitude to 24 significant bits, half to even, as the conversion of
/// an integer to f32 does (IEEE 754).
pub fn round_to_f32(magnitude: u32) -> u32 {
    let excess = (32 - magnitude.leading_zeros()).saturating_sub(MANTISSA_BITS);
    if excess == 0 {
        return magnitude;
    }
    let kept = magnitude >> excess;
    let dropped = magnitude & ((1 << excess) - 1);
    let half = 1 << (excess - 1);
    let up = dropped > half || (dropped == half && kept & 1 == 1);
    // 2^32 itself can't come out: magnitudes are at most 2^31.
    (kept + up as u32) << excess
}

/// The real product of a magnitude and a scale, rounded as f32 arithmetic followed
/// by round-half-even rounds it; results above 511 come out as 511.
///
/// With `P = magnitude * multiplier`, `T` bits below the binary point, `i` the
/// integer part and `f` the fraction: where `f` lies within half an f32 ulp of one
/// half, the f32 product is exactly `i + 1/2` and the tie goes to the even
/// neighbour (with `odd`, to the odd one); elsewhere the comparison with one half
/// decides.
pub fn scale_and_round(magnitude: u32, multiplier: u32, shift: u32, odd: bool) -> u32 {
    let product = magnitude as u64 * multiplier as u64;
    if shift > 63 {
        // A magnitude of at most 2^31 and a multiplier below 2^31: below a quarter.
        return 0;
    }
    let integer = product >> shift;
    if integer >= INTEGER_LIMIT as u64 {
        return INTEGER_LIMIT;
    }
    let fraction = product & ((1 << shift) - 1);
    let half = 1u64 << (shift - 1);
    // log2 of the integer part, -1 below 1; half an ulp there is 2^(shift+l-24),
    // and half as much below one half.
    let log2 = 63 - (integer.leading_zeros() as i32).min(64);
    let half_ulp = |log2: i32| match shift as i32 + log2 - MANTISSA_BITS as i32 {
        exponent if exponent < 0 => 0,
        exponent => 1u64 << exponent,
    };
    let tie = if fraction >= half {
        fraction - half <= half_ulp(log2)
    } else {
        half - fraction <= half_ulp(if integer == 0 { -2 } else { log2 })
    };
    let up = if tie {
        (integer & 1 == 1) != odd
    } else {
        fraction > half
    };
    (integer + up as u64) as u32
}

/// Steps, of those a parameter word gives, in which no digit of a sum is left: a sum
/// that reaches so far up, times a multiplier of 2^23 and more, is 2^10 and more.
pub const fn idle_steps(rows: u32) -> u32 {
    12 / rows
}

/// Steps a requantiser counts for the `steps` of a parameter word: hardware keeps
/// four bits of them, and there is at least one digit.
pub const fn step_count(steps: u8, rows: u32) -> u32 {
    let (steps, least) = (steps as u32 & 15, idle_steps(rows) + 1);
    if steps < least {
        least
    } else {
        steps
    }
}

/// Cycles from one output of a requantiser to the next, however few digits the sum has.
pub const LEAST_INTERVAL: u32 = 3;

/// Cycles from an output that takes so many steps to the next: one for each digit of the sum.
pub fn interval(steps: u32, rows: u32) -> u32 {
    (steps - idle_steps(rows)).max(LEAST_INTERVAL)
}

/// One output of the activation unit, before the table: `sum` is the accumulator
/// plus the bias, sign-extended from the accumulator width.
///
/// Defined for every parameter word, also for those that
/// [`encode_scale`] never gives: the multiplier has `23 + rows` bits, the steps are
/// those of [`step_count`], and a sum that the steps before the
/// [idle](idle_steps) ones can't hold, in two's complement, is out of range.
pub fn requantise(sum: i32, parameters: &ChannelParameters, rows: u32, low: u8, high: u8) -> u8 {
    requantise_with(sum, parameters, rows, low, high, false)
}

/// As [`requantise`]; with `even_code`, ties go to the even code instead of the even
/// product: the zero point is added before rounding, as ONNX Runtime does where it
/// multiplies or averages tensors.
pub fn requantise_with(
    sum: i32,
    parameters: &ChannelParameters,
    rows: u32,
    low: u8,
    high: u8,
    even_code: bool,
) -> u8 {
    let magnitude = round_to_f32(sum.unsigned_abs());
    let multiplier = parameters.multiplier & ((1 << (MANTISSA_BITS + rows - 1)) - 1);
    let steps = step_count(parameters.steps, rows);
    let negative = sum < 0;
    let held_bits = (steps - idle_steps(rows)) * rows;
    // A negative limit itself is still held.
    let fits = held_bits > 32 || magnitude as u64 - (negative as u64) < (1 << (held_bits - 1));
    let rounded = match fits {
        true => {
            let odd = even_code && parameters.zero_point & 1 == 1;
            scale_and_round(magnitude, multiplier, steps * rows, odd)
        }
        false => INTEGER_LIMIT,
    } as i32;
    let signed = if negative { -rounded } else { rounded };
    let code = signed + parameters.zero_point as i32;
    if code < low as i32 {
        low
    } else if code > high as i32 {
        high
    } else {
        code as u8
    }
}

/// What [`requantise_with`] gives between all codes, in the f32 arithmetic that it follows: a
/// sum times a scale, and the zero point added behind rounding or, with `even_code`, before.
pub fn requantise_f32(sum: i32, scale: f32, zero_point: u8, even_code: bool) -> u8 {
    let scaled = sum as f32 * scale;
    let below = scaled.floor();
    // Rounded to f32, the difference would be a half next to -1/2, too.
    let tie = scaled as f64 - below as f64 == 0.5;
    let rounded = match even_code && zero_point & 1 == 1 && tie {
        // One more and one less: the even neighbours change places.
        true if below % 2.0 == 0.0 => scaled.ceil(),
        true => below,
        false => scaled.round_ties_even(),
    };
    // A float-to-integer cast saturates.
    (rounded + zero_point as f32) as u8
}

/// Wraps a sum to the accumulator width, sign-extended.
pub fn wrap(sum: i64, accumulator_bits: u32) -> i32 {
    let unused = 64 - accumulator_bits;
    ((sum << unused) >> unused) as i32
}
