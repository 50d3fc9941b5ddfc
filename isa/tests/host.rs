//! The host's work against its definitions, element by element, from the places in the maps:
//! every kind of it, for random maps, windows and parameters.

use proptest::prelude::*;
use quern_isa::{
    FloatAverage, FloatRounding, HostMap, HostStep, HostWindow, HostWork, IntegerAverage,
    IntegerChannel, IntegerConvolution,
};
use std::collections::HashSet;

/// A step of one input, and the host memory it works on.
#[derive(Debug, Clone)]
struct Case {
    input: HostMap,
    output: HostMap,
    window: HostWindow,
    host: Vec<u8>,
    table: Box<[u8; 256]>,
}

/// Elements of a window that are inside the input: number of the tap, row and column.
type Tap = (usize, usize, usize);

impl Case {
    fn taps(&self, y: usize, x: usize) -> Vec<Tap> {
        let window = &self.window;
        let mut taps = Vec::new();
        for i in 0..window.kernel[0] {
            for j in 0..window.kernel[1] {
                let place = |axis: usize, output: usize, tap: u32| {
                    output as i64 * i64::from(window.stride[axis])
                        + i64::from(tap * window.dilation[axis])
                        - i64::from(window.padding[axis])
                };
                let (row, column) = (place(0, y, i), place(1, x, j));
                let inside = row >= 0
                    && column >= 0
                    && row < i64::from(self.input.height)
                    && column < i64::from(self.input.width);
                if inside {
                    let number = (i * window.kernel[1] + j) as usize;
                    taps.push((number, row as usize, column as usize));
                }
            }
        }
        taps
    }

    /// The input's code there.
    fn code(&self, row: usize, column: usize, channel: usize) -> u8 {
        let map = &self.input;
        let pixel = row * map.width as usize + column;
        self.host[map.offset as usize + pixel * map.row_bytes as usize + channel]
    }

    /// Compares the host memory behind the work with what a definition of its codes gives, every
    /// byte of it.
    fn check(&self, work: HostWork, definition: impl Fn(usize, usize, usize) -> u8) {
        let step = HostStep {
            inputs: vec![self.input],
            output: self.output,
            work,
            table: self.table.clone(),
        };
        assert!(step.fits(self.host.len()), "{step:?}");
        assert_eq!(HostStep::from_bytes(&step.to_bytes()), Some(step.clone()));
        let mut expected = self.host.clone();
        let map = &self.output;
        for y in 0..map.height as usize {
            for x in 0..map.width as usize {
                let pixel = y * map.width as usize + x;
                let row = map.offset as usize + pixel * map.row_bytes as usize;
                for channel in 0..map.channels as usize {
                    let code = definition(y, x, channel);
                    expected[row + channel] = self.table[code as usize];
                }
            }
        }
        let mut host = self.host.clone();
        step.apply(&mut host);
        assert_eq!(host, expected, "{:?}", step.work);
    }
}

fn map(offset: u32, [height, width, channels, gap]: [u32; 4]) -> HostMap {
    HostMap {
        offset,
        height,
        width,
        channels,
        row_bytes: channels + gap,
    }
}

fn bytes_of(map: &HostMap) -> u32 {
    map.height * map.width * map.row_bytes
}

/// An input, a gap, an output, a gap; as many channels in both.
fn case() -> impl Strategy<Value = Case> {
    let size = || [1..6u32, 1..6u32];
    let pair = |most: u32| [1..=most, 1..=most];
    (
        (size(), size(), 1..5u32, [0..3u32, 0..3, 0..4, 0..4]),
        (pair(4), pair(3), pair(3), [0..4u32, 0..4]),
        prop::collection::vec(any::<u8>(), 600),
        prop::array::uniform32(any::<u8>()),
    )
        .prop_map(|(maps, window, host, table)| {
            let (input, output, channels, [gap, other_gap, before, between]) = maps;
            let input = map(before, [input[0], input[1], channels, gap]);
            let behind = before + bytes_of(&input) + between;
            let output = map(behind, [output[0], output[1], channels, other_gap]);
            let (kernel, stride, dilation, padding) = window;
            Case {
                input,
                output,
                window: HostWindow {
                    kernel,
                    stride,
                    dilation,
                    padding,
                },
                host,
                table: Box::new(std::array::from_fn(|i| {
                    table[i % 32].wrapping_add(i as u8).rotate_left(3)
                })),
            }
        })
}

/// A tie goes to the even integer or, with the zero point counted in, to the even code.
fn requantised(sum: i32, scale: f32, zero_point: u8, even_code: bool) -> u8 {
    let product = f64::from(sum as f32 * scale);
    let (below, parity) = (product.floor(), f64::from(zero_point % 2));
    let odd = (below + if even_code { parity } else { 0.0 }).rem_euclid(2.0) == 1.0;
    let up = match product - below {
        0.5 => odd,
        rest => rest > 0.5,
    };
    let rounded = below + f64::from(u8::from(up));
    (rounded + f64::from(zero_point)).clamp(0.0, 255.0) as u8
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn maxima_are_those_of_the_window(case in case()) {
        case.check(HostWork::Maximum(case.window), |y, x, channel| {
            let codes = case.taps(y, x).into_iter().map(|(_, i, j)| case.code(i, j, channel));
            codes.max().unwrap_or(0)
        });
    }

    #[test]
    fn integer_means_are_those_of_the_window(
        case in case(),
        shifts in prop::array::uniform4(0..4i32),
        zero_points: (u8, u8),
        even_code: bool,
    ) {
        let taps = case.window.kernel[0] * case.window.kernel[1];
        let scales: Vec<f32> = (0..=taps as usize)
            .map(|count| (3 * count % 5 + 1) as f32 * (-(shifts[count % 4] as f32)).exp2())
            .collect();
        let work = HostWork::IntegerAverage(IntegerAverage {
            window: case.window,
            scales: scales.clone(),
            input_zero_point: zero_points.0,
            zero_point: zero_points.1,
            even_code,
        });
        case.check(work, |y, x, channel| {
            let taps = case.taps(y, x);
            let sum = taps.iter().map(|&(_, i, j)| {
                i32::from(case.code(i, j, channel)) - i32::from(zero_points.0)
            });
            requantised(sum.sum(), scales[taps.len()], zero_points.1, even_code)
        });
    }

    #[test]
    fn float_means_are_those_of_the_window(
        case in case(),
        scales in (0.001..0.5f32, 0.001..0.5f32),
        zero_points: (u8, u8),
        rounding in prop::sample::select(vec![
            FloatRounding::Stored,
            FloatRounding::Signed,
            FloatRounding::Behind,
        ]),
        counts_padding: bool,
        columns_first: bool,
    ) {
        let work = HostWork::Average(FloatAverage {
            window: case.window,
            input_scale: scales.0,
            input_zero_point: zero_points.0,
            scale: scales.1,
            zero_point: zero_points.1,
            rounding,
            counts_padding,
            columns_first,
        });
        case.check(work, |y, x, channel| {
            let taps = case.taps(y, x);
            let real = |&(_, i, j): &Tap| {
                (f32::from(case.code(i, j, channel)) - f32::from(zero_points.0)) * scales.0
            };
            let mut total = 0.0f32;
            if columns_first {
                for column in 0..case.input.width as usize {
                    let mut sum = 0.0f32;
                    for tap in taps.iter().filter(|&&(_, _, j)| j == column) {
                        sum += real(tap);
                    }
                    total += sum;
                }
            } else {
                for tap in &taps {
                    total += real(tap);
                }
            }
            let count = match counts_padding {
                true => case.window.kernel[0] * case.window.kernel[1],
                false => taps.len() as u32,
            };
            if count == 0 {
                // The mean of nothing is not a number, and its code 0.
                return 0;
            }
            let mean = total / count as f32 / scales.1;
            let zero_point = f32::from(zero_points.1);
            let code = match rounding {
                FloatRounding::Stored => (mean + zero_point).round_ties_even(),
                FloatRounding::Signed => (mean + (zero_point - 128.0)).round_ties_even() + 128.0,
                FloatRounding::Behind => mean.round_ties_even() + zero_point,
            };
            code.clamp(0.0, 255.0) as u8
        });
    }

    #[test]
    fn convolutions_are_sums_of_products(
        mut case in case(),
        groups in 1..4u32,
        channels in (1..3u32, 1..3u32),
        weights in prop::collection::vec(any::<i8>(), 3 * 4 * 4 * 4),
        parameters in prop::collection::vec((-50_000..50_000i32, 0.0001..0.01f32, any::<u8>()), 6),
        zero_point: u8,
    ) {
        // So many of a group.
        let (inputs, outputs) = channels;
        case.input = map(case.input.offset, [
            case.input.height,
            case.input.width,
            groups * inputs,
            case.input.row_bytes - case.input.channels,
        ]);
        case.output = map(case.input.offset + bytes_of(&case.input), [
            case.output.height,
            case.output.width,
            groups * outputs,
            case.output.row_bytes - case.output.channels,
        ]);
        let [height, width] = case.window.kernel;
        let taps = (height * width) as usize;
        let count = (groups * outputs) as usize * taps * inputs as usize;
        let weights: Vec<i8> = weights.into_iter().cycle().take(count).collect();
        let parameters = &parameters[..(groups * outputs) as usize];
        let work = HostWork::Convolution(IntegerConvolution {
            window: case.window,
            groups,
            weights: weights.clone(),
            channels: parameters
                .iter()
                .map(|&(bias, scale, zero_point)| IntegerChannel { bias, scale, zero_point })
                .collect(),
            input_zero_point: zero_point,
        });
        case.host.resize(2000, 7);
        case.check(work, |y, x, channel| {
            let (bias, scale, output_zero_point) = parameters[channel];
            let group = channel / outputs as usize;
            let mut sum = bias;
            for (tap, i, j) in case.taps(y, x) {
                for input in 0..inputs as usize {
                    let weight = weights[(channel * taps + tap) * inputs as usize + input];
                    let code = case.code(i, j, group * inputs as usize + input);
                    sum += i32::from(weight) * (i32::from(code) - i32::from(zero_point));
                }
            }
            requantised(sum, scale, output_zero_point, false)
        });
    }

    #[test]
    fn softmax_is_a_share_of_the_sum(
        mut case in case(),
        step in 0.001..0.3f32,
        multiplier in 100.0..300.0f32,
        zero_point: u8,
    ) {
        case.output = HostMap { offset: case.output.offset, ..case.input };
        let table: Box<[f32; 256]> =
            Box::new(std::array::from_fn(|i| ((i as f32 - 255.0) * step).exp()));
        let work = HostWork::Softmax { table: table.clone(), multiplier, zero_point };
        let channels = case.input.channels as usize;
        case.check(work, |y, x, channel| {
            let codes: Vec<usize> =
                (0..channels).map(|c| usize::from(case.code(y, x, c))).collect();
            let distance = 255 - codes.iter().max().unwrap();
            let mut sum = 0.0f32;
            for code in &codes {
                sum += table[code + distance];
            }
            let share = table[codes[channel] + distance] * multiplier / sum;
            (share.round_ties_even() + f32::from(zero_point)).min(255.0) as u8
        });
    }

    #[test]
    fn softmax_of_real_numbers_is_a_share_of_the_sum_of_powers(
        mut case in case(),
        step in 0.001..0.3f32,
        scale in 0.002..0.02f32,
        zero_point: u8,
    ) {
        case.output = HostMap { offset: case.output.offset, ..case.input };
        // Not in the order of the codes.
        let values: Box<[f32; 256]> =
            Box::new(std::array::from_fn(|i| (i as f32 * 77.0 % 256.0 - 100.0) * step));
        let work = HostWork::FloatSoftmax { values: values.clone(), scale, zero_point };
        let channels = case.input.channels as usize;
        case.check(work, |y, x, channel| {
            let reals: Vec<f32> =
                (0..channels).map(|c| values[usize::from(case.code(y, x, c))]).collect();
            let largest = reals.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let power = |real: f32| f64::from(real - largest).exp() as f32;
            let mut sum = 0.0f32;
            for &real in &reals {
                sum += power(real);
            }
            let share = power(reals[channel]) * (1.0 / sum) / scale;
            (share.round_ties_even() + f32::from(zero_point)).clamp(0.0, 255.0) as u8
        });
    }
}

fn one(offset: u32) -> HostMap {
    map(offset, [1, 1, 1, 0])
}

const POINT: HostWindow = HostWindow {
    kernel: [1, 1],
    stride: [1, 1],
    dilation: [1, 1],
    padding: [0, 0],
};

fn float_average(window: HostWindow) -> FloatAverage {
    FloatAverage {
        window,
        input_scale: 0.5,
        input_zero_point: 3,
        scale: 0.25,
        zero_point: 4,
        rounding: FloatRounding::Behind,
        counts_padding: true,
        columns_first: false,
    }
}

fn integer_average(window: HostWindow) -> IntegerAverage {
    IntegerAverage {
        window,
        scales: vec![0.5; window.taps() as usize + 1],
        input_zero_point: 3,
        zero_point: 4,
        even_code: true,
    }
}

fn convolution(window: HostWindow, groups: u32, inputs: u32, outputs: u32) -> IntegerConvolution {
    let count = window.taps() * u64::from(inputs / groups) * u64::from(outputs);
    IntegerConvolution {
        window,
        groups,
        weights: (0..count).map(|i| i as i8).collect(),
        channels: (0..outputs)
            .map(|i| IntegerChannel {
                bias: i as i32 - 1,
                scale: 0.5,
                zero_point: i as u8,
            })
            .collect(),
        input_zero_point: 9,
    }
}

/// One of each kind, with a window where it has one.
fn works() -> Vec<(HostWork, Option<HostWindow>)> {
    let window = HostWindow {
        kernel: [2, 3],
        stride: [4, 5],
        dilation: [6, 7],
        padding: [8, 9],
    };
    vec![
        (
            HostWork::Softmax {
                table: Box::new(std::array::from_fn(|i| i as f32)),
                multiplier: 255.5,
                zero_point: 6,
            },
            None,
        ),
        (
            HostWork::FloatSoftmax {
                values: Box::new(std::array::from_fn(|i| -(i as f32))),
                scale: 0.125,
                zero_point: 7,
            },
            None,
        ),
        (
            HostWork::Pairs(Box::new(std::array::from_fn(|i| (i * 7) as u8))),
            None,
        ),
        (HostWork::Average(float_average(window)), Some(window)),
        (
            HostWork::IntegerAverage(integer_average(window)),
            Some(window),
        ),
        (HostWork::Maximum(window), Some(window)),
        (
            HostWork::Convolution(convolution(window, 2, 4, 2)),
            Some(window),
        ),
    ]
}

fn step(inputs: &[HostMap], output: HostMap, work: HostWork) -> HostStep {
    HostStep {
        inputs: inputs.to_vec(),
        output,
        work,
        table: Box::new(std::array::from_fn(|i| 255 - i as u8)),
    }
}

#[test]
fn every_kind_of_work_is_read_back_as_written_and_nothing_else_is() {
    for (work, window) in works() {
        assert_eq!(work.window(), window.as_ref());
        let step = step(&[one(0), one(5)], one(9), work);
        let bytes = step.to_bytes();
        assert_eq!(HostStep::from_bytes(&bytes), Some(step));
        for length in 0..bytes.len() {
            assert_eq!(HostStep::from_bytes(&bytes[..length]), None, "{length}");
        }
        assert_eq!(HostStep::from_bytes(&[&bytes[..], &[0]].concat()), None);
        let mut other = bytes.clone();
        other[0] = 3;
        assert_eq!(HostStep::from_bytes(&other), None, "three inputs");
        // Behind the number of inputs, 3 maps and the table.
        let kind = 4 + 3 * 20 + 256;
        other[0] = 2;
        other[kind] = 7;
        assert_eq!(HostStep::from_bytes(&other), None, "no such kind");
    }
}

/// Listings name what is done, not how.
#[test]
fn kinds_of_work_have_names() {
    let names: HashSet<&str> = works().iter().map(|(work, _)| work.name()).collect();
    assert_eq!(names.len(), 5);
    assert!(names.iter().all(|name| name.ends_with(" on the host")));
}

#[test]
fn maps_that_do_not_suit_the_work_are_refused() {
    let wide = map(0, [2, 3, 4, 1]);
    let like = |map: HostMap, height: u32, width: u32, channels: u32| HostMap {
        height,
        width,
        channels,
        row_bytes: channels,
        ..map
    };
    let fits = |inputs: &[HostMap], output: HostMap, work: &HostWork| {
        step(inputs, output, work.clone()).fits(1 << 16)
    };
    for (work, window) in works() {
        let inputs = match work {
            HostWork::Pairs(_) => 2,
            _ => 1,
        };
        let output = match work {
            HostWork::Convolution(_) => like(wide, 2, 3, 2),
            _ => like(wide, 2, 3, 4),
        };
        for count in 0..4 {
            assert_eq!(fits(&vec![wide; count], output, &work), count == inputs);
        }
        for (height, width) in [(1, 3), (2, 2), (3, 2)] {
            // A window decides by itself which pixels it reads.
            let other = HostMap {
                height,
                width,
                ..output
            };
            assert_eq!(fits(&vec![wide; inputs], other, &work), window.is_some());
            let other = HostMap {
                height,
                width,
                ..wide
            };
            for index in 0..inputs {
                let mut maps = vec![wide; inputs];
                maps[index] = other;
                assert_eq!(fits(&maps, output, &work), window.is_some());
            }
        }
        for index in 0..inputs {
            let mut maps = vec![wide; inputs];
            maps[index] = like(wide, 2, 3, 3);
            assert!(!fits(&maps, output, &work), "{}, 3 channels", work.name());
        }
        let other = like(wide, 2, 3, output.channels + 1);
        assert!(!fits(&vec![wide; inputs], other, &work));
    }
}

#[test]
fn parameters_that_do_not_suit_the_window_are_refused() {
    let fits = |work: HostWork| step(&[one(0)], one(1), work).fits(2);
    let window = HostWindow {
        kernel: [2, 3],
        ..POINT
    };
    for (scales, suits) in [(5, false), (6, false), (7, true), (8, false)] {
        let mut average = integer_average(window);
        average.scales = vec![1.0; scales];
        assert_eq!(fits(HostWork::IntegerAverage(average)), suits, "{scales}");
    }
    // All integers of a window are bounded; those it has to do with are at least one.
    const MOST: u32 = 1 << 24;
    let with = |part: usize, axis: usize, value: u32| {
        let mut window = POINT;
        let pairs = [
            &mut window.kernel,
            &mut window.stride,
            &mut window.dilation,
            &mut window.padding,
        ];
        pairs.into_iter().nth(part).unwrap()[axis] = value;
        window
    };
    for axis in 0..2 {
        assert!(!fits(HostWork::Maximum(with(0, axis, 0))), "no taps");
        for part in 0..4 {
            assert!(fits(HostWork::Maximum(with(part, axis, MOST))));
            assert!(!fits(HostWork::Maximum(with(part, axis, MOST + 1))));
            assert!(!fits(HostWork::Average(float_average(with(
                part,
                axis,
                MOST + 1
            )))));
        }
    }
}

/// Taps times elements times channels of a group: a damaged program must not run for ever.
#[test]
fn work_without_end_is_refused() {
    const MOST: u64 = 1 << 36;
    let window = |height: u32, width: u32| HostWindow {
        kernel: [height, width],
        ..POINT
    };
    let pixels = |height: u32, width: u32, channels: u32| map(0, [height, width, channels, 0]);
    let fits = |map: HostMap, work: HostWork| step(&[map], map, work).fits(usize::MAX);
    let map = pixels(8, 16, 32);
    let taps = MOST / (8 * 16 * 32);
    let (height, width) = (1 << 4, (taps >> 4) as u32);
    for (width, ends) in [(width, true), (width + 1, false)] {
        let window = window(height, width);
        assert_eq!(fits(map, HostWork::Maximum(window)), ends);
        assert_eq!(fits(map, HostWork::Average(float_average(window))), ends);
    }
    // Sums of `u64` that such sizes would leave.
    let endless = pixels(1 << 20, 1 << 20, 1 << 10);
    assert!(!fits(endless, HostWork::Maximum(window(1 << 24, 1 << 24))));
    // A convolution's channels of a group count, too.
    let (map, output) = (pixels(512, 1024, 32), pixels(512, 1024, 2));
    for (width, ends) in [(64, true), (65, false)] {
        let work = HostWork::Convolution(convolution(window(64, width), 2, 32, 2));
        assert_eq!(step(&[map], output, work).fits(usize::MAX), ends, "{width}");
    }
}

#[test]
fn maps_outside_the_memory_are_refused() {
    let work = || HostWork::Maximum(POINT);
    // 5 rows of 3 bytes, 7 from one to the next, from the tenth byte: the last one ends at 41.
    let far = HostMap {
        offset: 10,
        height: 5,
        width: 1,
        channels: 3,
        row_bytes: 7,
    };
    let near = HostMap {
        row_bytes: 3,
        ..map(0, [5, 1, 3, 0])
    };
    for (input, output) in [(far, near), (near, far)] {
        for host_bytes in 0..50 {
            assert_eq!(
                step(&[input], output, work()).fits(host_bytes),
                host_bytes >= 41
            );
        }
    }
    for empty in [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1]] {
        let map = map(0, empty);
        assert!(!step(&[map], map, work()).fits(100), "{map:?}");
    }
    // Rows may touch each other, and not overlap.
    for (row_bytes, fits) in [(2, false), (3, true), (4, true)] {
        let map = HostMap { row_bytes, ..near };
        assert_eq!(step(&[map], map, work()).fits(100), fits);
    }
    let huge = HostMap {
        offset: u32::MAX,
        height: u32::MAX,
        width: u32::MAX,
        channels: 1,
        row_bytes: u32::MAX,
    };
    assert!(!step(&[one(0)], huge, work()).fits(1 << 30));
}
