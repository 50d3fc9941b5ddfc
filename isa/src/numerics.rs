//! The numbers: requantisation exactly as ONNX Runtime's CPU provider computes it.
//!
//! ONNX Runtime (MLAS `RequantizeOutput`) converts the int32 accumulator to f32,
//! multiplies by the f32 scale, clamps, rounds half to even and adds the zero
//! point. [`requantise`] gives the same integer without floating point.

use crate::{ChannelParameters, MANTISSA_BITS};

/// Largest value of [`ChannelParameters::steps`] times `Q` that is ever needed:
/// an accumulator below 2^32 times a scale below 2^-33 rounds to zero.
pub const MAX_SHIFT: u32 = 60;

/// Multiplier and steps of a positive, finite f32 scale, for a requantiser that
/// consumes `rows` bits per step.
///
/// Scales too small to move any accumulator give multiplier 0, scales of 2^24 and
/// more the largest multiplier at the smallest shift: both saturate or vanish just
/// as the f32 product does.
pub fn encode_scale(scale: f32, rows: u32) -> (u32, u8) {
    assert!(
        scale.is_finite() && scale > 0.0,
        "a scale is positive and finite"
    );
    let bits = scale.to_bits();
    let exponent = (bits >> 23) as i32;
    if exponent == 0 {
        return (0, 1); // subnormal
    }
    let mantissa = (bits & 0x7f_ffff) | 0x80_0000;
    // scale = mantissa * 2^-shift
    let shift = 127 + 23 - exponent;
    if shift < 1 {
        // 2^23 and more: every accumulator but 0 saturates, with one step too.
        return (((1 << MANTISSA_BITS) - 1) << (rows - 1), 1);
    }
    let steps = (shift as u32).div_ceil(rows);
    if steps * rows > MAX_SHIFT {
        return (0, 1);
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
/// neighbour; elsewhere the comparison with one half decides.
pub fn scale_and_round(magnitude: u32, multiplier: u32, shift: u32) -> u32 {
    const LIMIT: u64 = 511;
    let product = magnitude as u64 * multiplier as u64;
    let integer = product >> shift;
    if integer >= LIMIT {
        return LIMIT as u32;
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
        integer & 1 == 1
    } else {
        fraction > half
    };
    (integer + up as u64) as u32
}

/// One output of the activation unit, before the table: `sum` is the accumulator
/// plus the bias, sign-extended from the accumulator width.
pub fn requantise(sum: i32, parameters: &ChannelParameters, rows: u32, low: u8, high: u8) -> u8 {
    let magnitude = round_to_f32(sum.unsigned_abs());
    let shift = parameters.steps as u32 * rows;
    let rounded = scale_and_round(magnitude, parameters.multiplier, shift) as i32;
    let signed = if sum < 0 { -rounded } else { rounded };
    // `low` above `high` can't be encoded by the compiler; min before max keeps
    // the meaning defined all the same: `low` wins.
    (signed + parameters.zero_point as i32)
        .min(high as i32)
        .max(low as i32) as u8
}

/// Wraps a sum to the accumulator width, sign-extended.
pub fn wrap(sum: i64, accumulator_bits: u32) -> i32 {
    let unused = 64 - accumulator_bits;
    ((sum << unused) >> unused) as i32
}
