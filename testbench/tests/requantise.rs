//! The requantiser and the units it is made of, each against plain integers, in
//! RustHDL and as exported Verilog.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use quern_hdl::{DigitMultiplier, RequantiseGroup, RoundSignificand, Rounding};
use quern_isa::numerics::{
    encode_scale, idle_steps, requantise_with, round_to_f32, step_count, wrap,
};
use quern_isa::ChannelParameters;
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

/// Values of a strategy, the same in every run.
fn samples<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn low_bits<const N: usize>(value: i64) -> Bits<N> {
    bits(value as u64 & ((1u64 << N) - 1))
}

#[test]
fn significands_round_as_ieee_754_says() {
    round_significand::<24>();
    round_significand::<32>();
}

fn round_significand<const W: usize>() {
    let mut unit = Recorder::combinational(RoundSignificand::<W>::default());
    let near_powers = (0..W).flat_map(|bit| (-300..=300).map(move |near| (1i64 << bit) + near));
    let ties = (0..1i64 << 12).map(|high| (high << 20 | 0xf_ff00) + 0x40);
    let random = samples(any::<i32>(), 20_000).into_iter().map(i64::from);
    for value in near_powers.chain(ties).chain(random) {
        for value in [value, -value] {
            let value = wrap(value, W as u32);
            unit.value.next = low_bits(value as i64);
            unit.cycle();
            let magnitude = round_to_f32(value.unsigned_abs()) as i64;
            let rounded = if value < 0 { -magnitude } else { magnitude };
            assert_eq!(unit.rounded.val(), low_bits(rounded), "{value}");
            assert_eq!(unit.negative.val(), value < 0, "{value}");
        }
    }
    unit.replay().unwrap();
}

#[test]
fn digits_times_a_multiplier_give_the_exact_product() {
    digit_multiplier::<4, 27>(12_000);
    digit_multiplier::<6, 29>(12_000);
    digit_multiplier::<8, 31>(12_000);
}

/// Values of random length follow each other at once or after a pause.
fn digit_multiplier<const Q: usize, const M: usize>(values: usize) {
    let mut unit = Recorder::clocked(DigitMultiplier::<Q, M>::default(), |unit| &mut unit.clock);
    let multipliers = prop_oneof![
        0u64..1 << M,
        Just((1 << M) - 1),
        Just(0),
        (0..M).prop_map(|bit| 1u64 << bit)
    ];
    let lengths = 1usize..=32 / Q;
    // Small products, so that their integer parts are in range, and any.
    let value = (any::<i32>(), 0u32..32).prop_map(|(value, shift)| value >> shift);
    let stream = samples((value, multipliers, lengths, 0usize..3), values);
    let point = Q * idle_steps(Q as u32) as usize;
    // What the outputs must be, by cycle.
    let mut fractions: Vec<Option<i64>> = vec![None; 3];
    let mut uppers: Vec<Option<i64>> = vec![None; 3];
    let mut held = None;
    for (value, multiplier, digits, pause) in stream {
        let value = wrap(value as i64, (digits * Q) as u32) as i64;
        let product = value as i128 * multiplier as i128;
        for cycle in 0..digits + pause {
            let busy = cycle < digits;
            let place = cycle * Q;
            unit.digit.next = low_bits(if busy { value >> place } else { 0x5a });
            unit.previous.next = busy && place > 0 && (value >> (place - 1)) & 1 == 1;
            unit.first.next = cycle == 0;
            unit.last.next = cycle + 1 == digits;
            unit.multiplier.next = bits(multiplier);
            unit.cycle();
            fractions.push(busy.then_some((product >> place) as i64));
            uppers.push((cycle + 1 == digits).then_some((product >> (digits * Q)) as i64));
            // A recorded cycle ends with its clock edge: the outputs are now those
            // of the next cycle.
            let row = fractions.len() - 3;
            if let Some(fraction) = fractions[row] {
                assert_eq!(unit.fraction.val(), low_bits(fraction));
            }
            let half = |upper: i64| (upper >> (point - 1)) & 1 == 1;
            // What is made of the upper part comes a cycle later.
            if let Some(upper) = held {
                let below_half = upper & ((1 << (point - 1)) - 1);
                let close = if half(upper) {
                    0
                } else {
                    (1 << (point - 1)) - 1
                };
                let in_range = (-256..256).contains(&(upper >> point));
                assert_eq!(unit.out_of_range.val(), !in_range, "{value} * {multiplier}");
                assert_eq!(unit.close.val(), below_half == close);
            }
            held = uppers[row].or(held);
            if let Some(upper) = held {
                assert_eq!(unit.whole.val(), low_bits(upper >> point));
                assert_eq!(unit.half.val(), half(upper));
            }
        }
    }
    unit.replay().unwrap();
}

#[test]
fn rounding_finds_every_tie_of_f32() {
    rounding::<4>();
    rounding::<6>();
    rounding::<8>();
}

/// Fractions at and around the limits of the rule, for all integer parts, against
/// the rule in integers.
fn rounding<const Q: usize>() {
    let mut unit = Recorder::clocked(Rounding::<Q>::default(), |unit| &mut unit.clock);
    let digits = idle_steps(Q as u32) as usize + 1..=56 / Q;
    let wholes = prop_oneof![-256i64..256, -3i64..3];
    let distance = prop_oneof![
        Just(0i64),
        Just(-1),
        Just(1),
        Just(2),
        Just(-2),
        any::<i64>().prop_map(|bits| bits >> 40)
    ];
    // The distance from one half is a power of two, nearly.
    let edge = prop_oneof![
        4 => (14u32..30).prop_map(Some),
        1 => Just(None)
    ];
    let cases = (digits, wholes, edge, any::<bool>(), distance, any::<u64>());
    for (digits, whole, edge, above, distance, random) in samples(cases, 40_000) {
        let width = (digits * Q) as u32;
        let half = 1i64 << (width - 1);
        let offset = match edge {
            Some(place) if place <= width => 1i64 << (width - place),
            _ => 0,
        } + distance;
        let fraction = match edge {
            Some(_) if above => half + offset,
            Some(_) => half - offset,
            None => random as i64,
        } & ((1 << width) - 1);
        let upper = Q * idle_steps(Q as u32) as usize;
        let lower_digits = digits - upper / Q;
        for digit in 0..lower_digits {
            unit.digit.next = low_bits(fraction >> (digit * Q));
            unit.first.next = digit == 0;
            if digit + 1 == lower_digits {
                unit.whole.next = low_bits(whole);
                unit.half.next = (fraction >> (width - 1)) & 1 == 1;
            }
            unit.cycle();
        }
        // The next fraction's first digit may stand there already, or anything.
        unit.digit.next = low_bits(random as i64);
        let top = fraction >> (width - upper as u32);
        unit.close.next = top == 1 << (upper - 1) || top == (1 << (upper - 1)) - 1;
        let odd = random & 1 == 1;
        unit.odd.next = odd;
        unit.settle();
        let up = rounds_up(whole, fraction, width, odd);
        assert_eq!(unit.up.val(), up, "{whole} + {fraction:#x} / 2^{width}");
    }
    unit.replay().unwrap();
}

/// Whether `whole + fraction / 2^width` is rounded away from `whole`, in the words of
/// IEEE 754: the magnitude to 24 significant bits, then to an integer, each half to
/// even; the latter half to odd with `odd`.
fn rounds_up(whole: i64, fraction: i64, width: u32, odd: bool) -> bool {
    let value = ((whole as i128) << width) + fraction as i128;
    let magnitude = value.unsigned_abs();
    let significant = half_to_even(
        magnitude,
        (128 - magnitude.leading_zeros()).saturating_sub(24),
    );
    let mut integer = half_to_even(significant, width) >> width;
    if odd && significant % (1 << width) == 1 << (width - 1) {
        // The other neighbour of the tie.
        integer = 2 * (significant >> width) + 1 - integer;
    }
    let signed = if value < 0 {
        -(integer as i64)
    } else {
        integer as i64
    };
    assert!(signed == whole || signed == whole + 1);
    signed == whole + 1
}

/// Clears the lowest `dropped` bits, rounding half to even.
fn half_to_even(value: u128, dropped: u32) -> u128 {
    if dropped == 0 {
        return value;
    }
    let kept = value >> dropped;
    let rest = value - (kept << dropped);
    let half = 1 << (dropped - 1);
    let up = rest > half || (rest == half && kept & 1 == 1);
    (kept + up as u128) << dropped
}

/// One output: accumulator, parameters.
type Job = (i32, ChannelParameters);

/// A lane by itself, with the timing of a group.
type Unit<const W: usize, const Q: usize, const M: usize> = Recorder<RequantiseGroup<1, W, Q, M>>;

/// Runs jobs back to back and compares codes, and every cycle they come in.
fn run<const W: usize, const Q: usize, const M: usize>(
    unit: &mut Unit<W, Q, M>,
    jobs: &[Job],
    (low, high): (u8, u8),
    even_code: bool,
) {
    unit.low.next = bits(low as u64);
    unit.high.next = bits(high as u64);
    unit.even_code.next = even_code;
    unit.columns.next = bits(1);
    let mut pending = jobs.iter();
    let mut results = jobs.iter().enumerate();
    let mut next = pending.next();
    // A value is there a cycle before it may be taken.
    let mut valid = false;
    let mut take_at = 1;
    let mut done_at = std::collections::VecDeque::new();
    let mut standing = None;
    for cycle in 0.. {
        unit.valid.next = valid;
        if let Some((value, parameters)) = next {
            unit.value[0].next = low_bits(*value as i64);
            unit.bias[0].next = low_bits(parameters.bias as i64);
            unit.multiplier[0].next = low_bits(parameters.multiplier as i64);
            unit.steps[0].next = low_bits(parameters.steps as i64);
            unit.zero_point[0].next = bits(parameters.zero_point as u64);
            unit.tag.next = pending.len() % 3 == 1;
        }
        unit.settle();
        assert_eq!(
            unit.take.val(),
            next.is_some() && cycle == take_at,
            "cycle {cycle}"
        );
        valid = next.is_some();
        if let (true, Some((_, parameters))) = (unit.take.val(), next) {
            let rows = Q as u32;
            let digits = step_count(parameters.steps, rows) - idle_steps(rows);
            let interval = digits.max(3);
            take_at = cycle + interval;
            done_at.push_back(cycle + interval + 7);
            next = pending.next();
            valid = false;
        }
        assert_eq!(
            unit.done.val(),
            done_at.front() == Some(&cycle),
            "cycle {cycle}"
        );
        if unit.done.val() {
            done_at.pop_front();
            let (index, (value, parameters)) = results.next().unwrap();
            let sum = wrap(*value as i64 + parameters.bias as i64, W as u32);
            let expected = requantise_with(sum, parameters, Q as u32, low, high, even_code);
            assert_eq!(
                unit.code[0].val().to_u64() as u8,
                expected,
                "sum {sum}, {parameters:?}, bounds {low}..={high}, even code {even_code}"
            );
            assert_eq!(unit.code_tag.val(), (jobs.len() - 1 - index) % 3 == 1);
            standing = Some((cycle, unit.code[0].val(), unit.code_tag.val()));
        }
        if let Some((done, code, tag)) = standing.filter(|&(done, ..)| cycle <= done + 1) {
            let now = (unit.code[0].val(), unit.code_tag.val());
            assert_eq!(now, (code, tag), "{} cycles after done", cycle - done);
        }
        let finished = results.len() == 0;
        unit.cycle();
        if finished {
            break;
        }
    }
    assert!(!unit.active.val());
    // The next values come later.
    unit.valid.next = false;
    unit.cycle();
}

fn requantiser<const W: usize, const Q: usize, const M: usize>() -> Unit<W, Q, M> {
    let mut unit = Recorder::clocked(RequantiseGroup::default(), |unit| &mut unit.clock);
    unit.reset.next = true;
    unit.cycle();
    unit.reset.next = false;
    unit
}

fn encoded(scale: f32, rows: u32, bias: i32, zero_point: u8) -> ChannelParameters {
    let (multiplier, steps) = encode_scale(scale, rows);
    ChannelParameters {
        bias,
        multiplier,
        steps,
        zero_point,
    }
}

/// Accumulators next to ties of scales with short and with long mantissas, of all
/// exponents that matter.
fn jobs_next_to_ties<const W: usize>(rows: u32, count: usize) -> Vec<Job> {
    let mantissas = prop_oneof![
        prop::sample::select(vec![1u32, 3, 5, 7, 255, 257, 4095]),
        0x80_0000u32..0x100_0000
    ];
    let cases = (
        mantissas,
        -60i32..4,
        0u32..300,
        -3i64..=3,
        any::<(i32, u8, bool)>(),
    );
    samples(cases, 20 * count)
        .into_iter()
        .filter_map(
            |(mantissa, exponent, k, near, (bias, zero_point, negative))| {
                let scale = mantissa as f32 * 2f32.powi(exponent);
                let centre = ((k as f64 + 0.5) / scale as f64).min(2f64.powi(40));
                let spacing = 1i64 << ((centre.log2() as i64) - 23).clamp(0, 8);
                let magnitude = centre as i64 + near * spacing;
                let sum = if negative { -magnitude } else { magnitude };
                let fits = sum.abs() < 1 << (W - 1);
                let bias = wrap(bias as i64, W as u32);
                let value = wrap(sum - bias as i64, W as u32);
                fits.then(|| (value, encoded(scale, rows, bias, zero_point)))
            },
        )
        .take(count)
        .collect()
}

/// Any accumulator with any parameter word, legal or not.
fn random_jobs(count: usize) -> Vec<Job> {
    let value = (any::<i32>(), 0u32..32).prop_map(|(value, shift)| value >> shift);
    let bias = (any::<i32>(), 0u32..32).prop_map(|(value, shift)| value >> shift);
    samples((value, bias, any::<(u32, u8, u8)>()), count)
        .into_iter()
        .map(|(value, bias, (multiplier, steps, zero_point))| {
            (
                value,
                ChannelParameters {
                    bias,
                    multiplier,
                    steps,
                    zero_point,
                },
            )
        })
        .collect()
}

/// The ends of the accumulator's range with scales of all sizes.
fn extreme_jobs<const W: usize>(rows: u32) -> Vec<Job> {
    let top = 1i64 << (W - 1);
    let values = [
        0,
        1,
        -1,
        top - 1,
        top - 64,
        top - 65,
        -top,
        -top + 1,
        top / 2,
        255,
        -256,
    ];
    let exponents = -149..=127;
    exponents
        .step_by(3)
        .flat_map(|exponent| {
            let scale = 2f64.powi(exponent) as f32;
            values.map(|value| (wrap(value, W as u32), encoded(scale, rows, 0, 128)))
        })
        .collect()
}

fn requantise_matches<const W: usize, const Q: usize, const M: usize>() {
    let mut unit = requantiser::<W, Q, M>();
    let rows = Q as u32;
    run(&mut unit, &extreme_jobs::<W>(rows), (0, 255), false);
    let ties = jobs_next_to_ties::<W>(rows, 4000);
    run(&mut unit, &ties, (0, 255), false);
    run(&mut unit, &ties, (0, 255), true);
    run(&mut unit, &ties[..500], (128, 188), false);
    run(&mut unit, &random_jobs(1500), (0, 255), false);
    run(&mut unit, &random_jobs(500), (200, 100), true);
    run(&mut unit, &random_jobs(1), (3, 250), false);
    unit.replay().unwrap();
}

#[test]
fn requantise_matches_the_number_semantics_on_tiny() {
    requantise_matches::<32, 4, 27>();
}

#[test]
fn requantise_matches_the_number_semantics_on_cu() {
    requantise_matches::<24, 6, 29>();
}

#[test]
fn requantise_matches_the_number_semantics_on_asic16() {
    requantise_matches::<32, 8, 31>();
}
