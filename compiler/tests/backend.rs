//! Random networks, compiled for every configuration and run on the reference machine,
//! against the plain interpreter.

use proptest::prelude::*;
use quern_compiler::network::{
    AveragePool, CodeType, Convolution, Finish, InputEdge, InputKind, Kind, Map, MapId, Network,
    Operation, OutputEdge, OutputKind, Preparation, Shape, Source, Window,
};
use quern_compiler::{compile_network, Array, Batch, Compiled, Options, Table, Values};
use quern_isa::{Config, FloatAverage, FloatRounding, HostWindow, HostWork, Reference, CONFIGS};
use std::rc::Rc;

/// Numbers an operation is made of, whatever they are.
type Draw = (u8, [u8; 10], u64);

/// Pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn table(&mut self) -> Table {
        Table(Box::new(std::array::from_fn(|_| self.byte())))
    }
}

struct Builder {
    maps: Vec<Map>,
    operations: Vec<Operation>,
    /// Largest map.
    limit: usize,
}

impl Builder {
    fn map(&mut self, shape: Shape) -> MapId {
        let name = format!("map{}", self.maps.len());
        self.maps.push(Map { name, shape });
        MapId(self.maps.len() - 1)
    }

    fn push(&mut self, kind: Kind, shape: Shape, finish: Finish) -> MapId {
        let output = self.map(shape);
        let name = format!("{} {}", kind.name(), self.operations.len());
        self.operations.push(Operation {
            name,
            kind,
            output,
            finish,
        });
        output
    }

    /// From the first map to the last.
    fn network(self) -> Network {
        let input = MapId(0);
        let output = MapId(self.maps.len() - 1);
        let elements = |map: MapId| -> Rc<[u32]> {
            let count = self.maps[map.0].shape.elements() as u32;
            (0..count).collect()
        };
        let edge = |map: MapId| vec![self.maps[map.0].shape.elements()];
        Network {
            input: InputEdge {
                name: "input".into(),
                batch: Batch::Any,
                sample: edge(input),
                kind: InputKind::Codes(CodeType::U8),
                map: input,
                elements: elements(input),
                preparation: Preparation::default(),
            },
            output: OutputEdge {
                sample: edge(output),
                kind: OutputKind::Codes(CodeType::U8),
                map: output,
                elements: elements(output),
                functions: vec![],
            },
            maps: self.maps,
            operations: self.operations,
            notes: vec![],
        }
    }

    fn shape(&self, map: MapId) -> Shape {
        self.maps[map.0].shape
    }

    /// A map of a shape, made by moving codes about if there is none.
    fn like(&mut self, shape: Shape, random: &mut Random) -> MapId {
        let same: Vec<usize> = (0..self.maps.len())
            .filter(|&map| self.maps[map].shape == shape)
            .collect();
        if random.below(4) > 0 {
            return MapId(same[random.below(same.len())]);
        }
        if random.below(2) == 0 {
            let codes = (0..shape.elements()).map(|_| random.byte()).collect();
            return self.push(Kind::Constant { codes }, shape, finish(random));
        }
        let input = MapId(random.below(self.maps.len()));
        let from = self.shape(input).elements();
        let sources = (0..shape.elements()).map(|i| Source::Element {
            input: 0,
            element: (i * 7 % from) as u32,
        });
        let kind = Kind::Rearrange {
            inputs: vec![input],
            sources: sources.collect(),
        };
        self.push(kind, shape, Finish::default())
    }

    fn operation(&mut self, (kind, numbers, seed): Draw) {
        let mut random = Random(seed);
        let number = |i: usize, limit: usize| numbers[i] as usize % limit;
        // Mostly the newest map.
        let back = [0, 0, 0, 1, 2][number(0, 5)].min(self.maps.len() - 1);
        let input = MapId(self.maps.len() - 1 - back);
        let shape = self.shape(input);
        let finish = finish(&mut random);
        match kind % 10 {
            0..=2 => {
                let window = window(shape, &numbers);
                let Some(output) = window_output(shape, &window, numbers[9] as usize) else {
                    return;
                };
                let divisors: Vec<usize> = (1..=shape.channels)
                    .filter(|groups| shape.channels % groups == 0)
                    .collect();
                let groups = match number(5, 3) {
                    0 => divisors[random.below(divisors.len())],
                    1 if kind % 10 == 2 => shape.channels,
                    _ => 1,
                };
                let outputs = groups * (1 + number(6, 40).min(200 / groups));
                let shape = Shape {
                    channels: outputs,
                    ..output
                };
                if shape.elements() > self.limit {
                    return;
                }
                let convolution = self.convolution(input, window, groups, outputs, &mut random);
                self.push(Kind::Convolution(convolution), shape, finish);
            }
            3 => {
                let window = window(shape, &numbers);
                let Some(output) = window_output(shape, &window, numbers[9] as usize) else {
                    return;
                };
                self.push(Kind::MaxPool { input, window }, output, finish);
            }
            4 => {
                let window = window(shape, &numbers);
                let Some(output) = window_output(shape, &window, numbers[9] as usize) else {
                    return;
                };
                let taps = window.kernel[0] * window.kernel[1];
                let scale = |n: usize| match number(7, 2) {
                    0 => 1.0 / n.max(1) as f32,
                    _ => 1.37 / n.max(1) as f32,
                };
                let pool = AveragePool {
                    input,
                    window,
                    scales: (0..=taps).map(scale).collect(),
                    input_zero_point: random.byte(),
                    output_zero_point: random.byte(),
                    even_code: number(8, 2) == 0,
                };
                self.push(Kind::AveragePool(pool), output, finish);
            }
            5 => {
                let other = self.like(shape, &mut random);
                let table = |a: i32| std::array::from_fn(|code| (code as i32 - 90) * a + 7);
                let kind = Kind::Add {
                    inputs: [input, other],
                    tables: Rc::new([table(3000), table(1 + number(1, 9) as i32 * 900)]),
                    fraction_bits: 12,
                    output_zero_point: random.byte(),
                };
                self.push(kind, shape, finish);
            }
            6 => {
                let other = self.like(shape, &mut random);
                let kind = Kind::Multiply {
                    inputs: [other, input],
                    zero_points: [random.byte(), random.byte()],
                    scale: [0.0078125, 0.011][number(1, 2)],
                    output_zero_point: random.byte(),
                    even_code: number(2, 2) == 0,
                };
                self.push(kind, shape, finish);
            }
            7 => {
                let kind = match number(1, 3) {
                    0 => {
                        let table = random.table();
                        let own = number(2, 2) == 0;
                        let mut table = || if own { random.table() } else { table.clone() };
                        Kind::ChannelTables {
                            input,
                            tables: (0..shape.channels).map(|_| table()).collect(),
                        }
                    }
                    1 => self.on_host(input, shape, &numbers, &mut random),
                    _ => Kind::Elementwise { input },
                };
                self.push(kind, shape, finish);
            }
            _ => self.rearrange(input, &numbers, &mut random, finish),
        }
    }

    fn on_host(
        &mut self,
        input: MapId,
        shape: Shape,
        numbers: &[u8; 10],
        random: &mut Random,
    ) -> Kind {
        let (inputs, work) = match numbers[3] % 3 {
            0 => {
                let table = Box::new(std::array::from_fn(|i| (i as f32 / 40.0).exp()));
                let softmax = HostWork::Softmax {
                    table,
                    multiplier: 255.0,
                    zero_point: 0,
                };
                (vec![input], softmax)
            }
            1 => {
                let average = FloatAverage {
                    window: HostWindow {
                        kernel: [3, 2],
                        stride: [1, 1],
                        dilation: [1, 1],
                        padding: [1, 0],
                    },
                    input_scale: 0.3,
                    input_zero_point: random.byte(),
                    scale: 0.3,
                    zero_point: random.byte(),
                    rounding: [
                        FloatRounding::Stored,
                        FloatRounding::Signed,
                        FloatRounding::Behind,
                    ][numbers[4] as usize % 3],
                    columns_first: numbers[6] % 2 == 0,
                    counts_padding: numbers[5] % 2 == 0,
                };
                (vec![input], HostWork::Average(average))
            }
            _ => {
                let table: Vec<u8> = (0..1 << 16).map(|_| random.byte()).collect();
                let table = table.into_boxed_slice().try_into().expect("all pairs");
                let other = self.like(shape, random);
                (vec![other, input], HostWork::Pairs(table))
            }
        };
        Kind::Host {
            inputs,
            work: Rc::new(work),
            reason: "it is a test".to_string(),
        }
    }

    fn convolution(
        &self,
        input: MapId,
        window: Window,
        groups: usize,
        outputs: usize,
        random: &mut Random,
    ) -> Convolution {
        let inputs = self.shape(input).channels / groups;
        let sums = window.kernel[0] * window.kernel[1] * inputs;
        let scale = 40.0 / (64.0 * 74.0 * (sums as f32).sqrt());
        Convolution {
            input,
            window,
            groups,
            weights: (0..outputs * sums).map(|_| random.byte() as i8).collect(),
            bias: (0..outputs)
                .map(|_| random.byte() as i32 * 16 - 2048)
                .collect(),
            scales: (0..outputs)
                .map(|_| scale * (0.5 + random.byte() as f32 / 256.0))
                .collect(),
            // The zero point is that of the map, so it goes with the map.
            input_zero_point: (input.0 * 37 + 90) as u8,
            output_zero_points: (0..outputs).map(|_| random.byte()).collect(),
            wraps: false,
        }
    }

    fn rearrange(&mut self, input: MapId, numbers: &[u8; 10], random: &mut Random, finish: Finish) {
        let other = MapId(random.below(self.maps.len()));
        let (a, b) = (self.shape(input), self.shape(other));
        let element = |input: u16, element: usize| Source::Element {
            input,
            element: element as u32,
        };
        let (shape, sources): (Shape, Vec<Source>) = match numbers[1] % 6 {
            // Joined along the channels, of the first if the sizes differ.
            0 => {
                let b = if (a.height, a.width) == (b.height, b.width) {
                    b
                } else {
                    a
                };
                let second = if self.shape(other) == b { 1 } else { 0 };
                let shape = Shape {
                    channels: a.channels + b.channels,
                    ..a
                };
                let pixels = 0..a.height * a.width;
                let pixel = |p: usize| {
                    let first = (0..a.channels).map(move |c| element(0, p * a.channels + c));
                    first.chain((0..b.channels).map(move |c| element(second, p * b.channels + c)))
                };
                (shape, pixels.flat_map(pixel).collect())
            }
            // Transposed: pixels become channels.
            1 => {
                let pixels = a.height * a.width;
                let shape = Shape {
                    height: 1,
                    width: a.channels,
                    channels: pixels,
                };
                let row = |c: usize| (0..pixels).map(move |p| element(0, p * a.channels + c));
                (shape, (0..a.channels).flat_map(row).collect())
            }
            // Flattened.
            2 => {
                let shape = Shape {
                    height: 1,
                    width: 1,
                    channels: a.elements(),
                };
                (shape, (0..a.elements()).map(|i| element(0, i)).collect())
            }
            // A part of the channels, pixels doubled.
            3 => {
                let first = random.below(a.channels);
                let shape = Shape {
                    height: a.height * 2,
                    width: a.width * 2,
                    channels: a.channels - first,
                };
                let mut sources = Vec::new();
                for y in 0..shape.height {
                    for x in 0..shape.width {
                        let pixel = (y / 2 * a.width + x / 2) * a.channels;
                        sources.extend((first..a.channels).map(|c| element(0, pixel + c)));
                    }
                }
                (shape, sources)
            }
            // A border of a code.
            4 => {
                let code = random.byte();
                let shape = Shape {
                    height: a.height + 2,
                    width: a.width + 1,
                    channels: a.channels,
                };
                let mut sources = Vec::new();
                for y in 0..shape.height {
                    for x in 0..shape.width {
                        let inside = y > 0 && y <= a.height && x < a.width;
                        sources.extend((0..a.channels).map(|c| match inside {
                            true => element(0, ((y - 1) * a.width + x) * a.channels + c),
                            false => Source::Code(code),
                        }));
                    }
                }
                (shape, sources)
            }
            // Anything from anywhere.
            _ => {
                let shape = Shape {
                    height: 1 + random.below(3),
                    width: 1 + random.below(4),
                    channels: 1 + random.below(40),
                };
                let source = |_| match random.below(9) {
                    0 => Source::Code(random.byte()),
                    1..=4 => element(1, random.below(b.elements())),
                    _ => element(0, random.below(a.elements())),
                };
                (shape, (0..shape.elements()).map(source).collect())
            }
        };
        if shape.elements() <= self.limit {
            let kind = Kind::Rearrange {
                inputs: vec![input, other],
                sources: sources.into(),
            };
            self.push(kind, shape, finish);
        }
    }
}

fn finish(random: &mut Random) -> Finish {
    match random.below(4) {
        0 => Finish {
            low: random.byte() / 2,
            high: 128 + random.byte() / 2,
            table: None,
        },
        1 => Finish {
            low: 3,
            high: 240,
            table: Some(random.table()),
        },
        _ => Finish::default(),
    }
}

fn window(shape: Shape, numbers: &[u8; 10]) -> Window {
    let number = |i: usize, limit: usize| numbers[i] as usize % limit;
    let axis = |i: usize, size: usize| {
        let kernel = [1, 2, 3, 3, 5, size][number(i, 6)].clamp(1, 12);
        let stride = 1 + number(i + 2, 4) / 2;
        let dilation = 1 + number(i + 2, 9) / 7;
        let padding = number(i + 4, 3).min(kernel - 1);
        (kernel, stride, dilation, padding)
    };
    let (y, x) = (axis(1, shape.height), axis(2, shape.width));
    Window {
        kernel: [y.0, x.0],
        stride: [y.1, x.1],
        dilation: [y.2, x.2],
        padding: [y.3, x.3],
    }
}

/// `extra` decides how far windows may reach beyond the end.
fn window_output(shape: Shape, window: &Window, extra: usize) -> Option<Shape> {
    let axis = |axis: usize, size: usize| {
        let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        let padded = size + window.padding[axis] + extra % 3;
        let room = padded.checked_sub(reach)?;
        Some(room / window.stride[axis] + 1)
    };
    Some(Shape {
        height: axis(0, shape.height)?,
        width: axis(1, shape.width)?,
        channels: shape.channels,
    })
}

fn network(shape: Shape, draws: &[Draw], limit: usize) -> Network {
    let mut builder = Builder {
        maps: Vec::new(),
        operations: Vec::new(),
        limit,
    };
    builder.map(shape);
    draws.iter().for_each(|&draw| builder.operation(draw));
    builder.network()
}

/// Compiles, runs, compares.
fn check(network: &Network, config: &Config, batch: Option<usize>, seed: u64) -> Compiled {
    let options = Options { batch, name: None };
    let compiled = compile_network(network, "random", config, &options)
        .unwrap_or_else(|error| panic!("{}: {error}", config.name));
    let mut random = Random(seed);
    let elements = network.maps[network.input.map.0].shape.elements();
    let samples = compiled.batch();
    let input: Vec<u8> = (0..samples * elements).map(|_| random.byte()).collect();
    let array = Array {
        shape: vec![samples, elements],
        values: Values::U8(input.clone()),
    };
    let mut machine = Reference::new(*config);
    let output = compiled
        .run(&mut machine, &array, |_, _| {})
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", config.name, compiled.listing()));
    let expected: Vec<u8> = input
        .chunks(elements)
        .flat_map(|sample| network.evaluate(sample))
        .collect();
    let Values::U8(actual) = &output.values else {
        panic!("codes go out as codes");
    };
    if let Some(at) = (0..expected.len()).find(|&i| actual[i] != expected[i]) {
        panic!(
            "{}: element {at} of {} is {} and should be {}\n{}",
            config.name,
            expected.len(),
            actual[at],
            expected[at],
            compiled.listing()
        );
    }
    compiled
}

/// A network of one operation.
fn single(input: Shape, kind: Kind, output: Shape, finish: Finish) -> Network {
    let mut builder = Builder {
        maps: Vec::new(),
        operations: Vec::new(),
        limit: 0,
    };
    builder.map(input);
    builder.push(kind, output, finish);
    builder.network()
}

fn image(height: usize, width: usize, channels: usize) -> Shape {
    Shape {
        height,
        width,
        channels,
    }
}

/// Pools over a whole map, over most of it in steps, and beyond its edges: no activation
/// memory holds such a window at once.
#[test]
fn windows_larger_than_the_memory_are_taken_in_parts() {
    for (size, padding, outputs) in [
        ([24, 23], 0, [1, 1]),
        ([26, 24], 0, [3, 2]),
        ([24, 23], 1, [3, 3]),
    ] {
        let shape = |[height, width]: [usize; 2]| image(height, width, 5);
        let window = Window {
            kernel: [24, 23],
            padding: [padding; 2],
            ..Window::POINT
        };
        let input = MapId(0);
        let average = AveragePool {
            input,
            window,
            scales: vec![1.0 / 552.0; 553],
            input_zero_point: 3,
            output_zero_point: 11,
            even_code: false,
        };
        // What becomes of the whole window's code does not of those of its parts.
        let falling = Finish {
            low: 20,
            high: 250,
            table: Some(Table::from_fn(|code| 255 - code)),
        };
        for kind in [Kind::AveragePool(average), Kind::MaxPool { input, window }] {
            let network = single(shape(size), kind, shape(outputs), falling.clone());
            for config in &CONFIGS {
                let compiled = check(&network, config, None, 1);
                assert!(compiled.report.host.is_empty());
            }
        }
    }
}

/// One vector instruction takes a window of half the activation memory; what is larger is taken
/// row by row, so that there is room for the next one.
#[test]
fn a_maximum_is_taken_in_parts_beyond_half_the_memory() {
    let layers = |[height, width]: [usize; 2], config: &Config| {
        let window = Window {
            kernel: [height, width],
            ..Window::POINT
        };
        let input = MapId(0);
        let kind = Kind::MaxPool { input, window };
        let shape = image(height, width, 2);
        let network = single(shape, kind, image(1, 1, 2), Finish::default());
        check(&network, config, Some(1), 2).report.layers.len()
    };
    for config in &CONFIGS {
        let half = [16, config.activation_words / 32];
        assert_eq!(layers(half, config), 1, "{}", config.name);
        assert_eq!(layers([16, half[1] + 1], config), 2, "{}", config.name);
        let row = [1, config.activation_words / 2 + 1];
        assert_eq!(layers(row, config), 1, "{}", config.name);
    }
}

/// Means with a scale for each count of elements, or with ties to the even code where it is
/// no even mean, are no convolutions: the host computes those whose windows have no room.
#[test]
fn windows_larger_than_the_memory_that_are_no_sum_of_parts_are_the_hosts() {
    for (even_code, output_zero_point, counted) in [(false, 8, true), (true, 7, false)] {
        for (padding, outputs) in [([5, 2], [9, 4]), ([0, 0], [3, 2])] {
            let window = Window {
                kernel: [24, 23],
                padding,
                ..Window::POINT
            };
            let count = |n: usize| if counted { n.max(1) } else { 552 };
            let average = AveragePool {
                input: MapId(0),
                window,
                scales: (0..553).map(|n| 0.5 / count(n) as f32).collect(),
                input_zero_point: 120,
                output_zero_point,
                even_code,
            };
            let kind = Kind::AveragePool(average);
            let output = image(outputs[0], outputs[1], 3);
            let finish = finish(&mut Random(3));
            let network = single(image(26, 24, 3), kind, output, finish);
            let one_scale = padding == [0, 0] && counted;
            for config in &CONFIGS {
                let compiled = check(&network, config, None, 1);
                let on_host = config.activation_words < 600 && !one_scale;
                let reasons = &compiled.report.host;
                assert_eq!(reasons.len(), on_host as usize, "{}", config.name);
                let room = format!(
                    "windows of 24 x 23 do not fit the {}",
                    config.activation_words
                );
                assert!(reasons.iter().all(|reason| reason.contains(&room)));
            }
        }
    }
}

/// Constants are in the program, and the host reads its own memory: it gets a copy.
#[test]
fn windows_of_a_constant_that_have_no_room_are_the_hosts() {
    let window = Window {
        kernel: [24, 23],
        ..Window::POINT
    };
    let codes: Vec<u8> = (0..26 * 24 * 3).map(|i| (i * i % 251) as u8).collect();
    let input = MapId(1);
    let average = AveragePool {
        input,
        window,
        scales: vec![1.0 / 552.0; 553],
        input_zero_point: 120,
        output_zero_point: 7,
        even_code: true,
    };
    let pooled = image(3, 2, 3);
    let mut builder = Builder {
        maps: Vec::new(),
        operations: Vec::new(),
        limit: 0,
    };
    builder.map(pooled);
    let codes = codes.into();
    builder.push(
        Kind::Constant { codes },
        image(26, 24, 3),
        Finish::default(),
    );
    let mean = builder.push(Kind::AveragePool(average), pooled, Finish::default());
    let half = |code: usize| code as i32;
    let kind = Kind::Add {
        inputs: [MapId(0), mean],
        tables: Rc::new([std::array::from_fn(half), std::array::from_fn(half)]),
        fraction_bits: 1,
        output_zero_point: 0,
    };
    builder.push(kind, pooled, Finish::default());
    let network = builder.network();
    for config in &CONFIGS {
        let compiled = check(&network, config, None, 1);
        let on_host = config.activation_words < 600;
        assert_eq!(compiled.report.host.len(), on_host as usize);
    }
}

/// Windows that reach far along one axis: more taps or pixels than memories hold, or than
/// an instruction counts.
#[test]
fn long_and_distant_windows_compile_for_every_configuration() {
    let rows = |kernel, dilation| Window {
        kernel: [kernel, 1],
        dilation: [dilation, 1],
        ..Window::POINT
    };
    let columns = |kernel, dilation| Window {
        kernel: [1, kernel],
        dilation: [1, dilation],
        padding: [0, 3],
        ..Window::POINT
    };
    for (input, window, output) in [
        (image(9000, 1, 3), rows(8999, 1), image(2, 1, 3)),
        (image(1, 9000, 3), columns(9000, 1), image(1, 4, 3)),
        (image(17_000, 1, 2), rows(3, 8499), image(2, 1, 2)),
        (image(1, 600, 7), columns(5, 100), image(1, 206, 7)),
        (image(300, 20, 3), rows(290, 1), image(11, 20, 3)),
        (
            image(50, 40, 4),
            Window {
                kernel: [3, 2],
                stride: [2, 1],
                dilation: [20, 30],
                padding: [1, 0],
            },
            image(6, 10, 4),
        ),
    ] {
        let taps = window.kernel[0] * window.kernel[1];
        let average = AveragePool {
            input: MapId(0),
            window,
            scales: (0..=taps).map(|n| 0.9 / n.max(1) as f32).collect(),
            input_zero_point: 120,
            output_zero_point: 77,
            even_code: true,
        };
        let max = Kind::MaxPool {
            input: MapId(0),
            window,
        };
        for kind in [Kind::AveragePool(average), max] {
            let network = single(input, kind, output, Finish::default());
            for config in &CONFIGS {
                check(&network, config, None, 5);
            }
        }
    }
}

/// So large a sum that 24 bits do not hold it, of codes that all count.
#[test]
fn a_mean_beyond_the_accumulators_is_the_hosts() {
    let average = AveragePool {
        input: MapId(0),
        window: Window {
            kernel: [200, 200],
            ..Window::POINT
        },
        scales: vec![1.0 / 40_000.0; 40_001],
        input_zero_point: 0,
        output_zero_point: 3,
        even_code: false,
    };
    let kind = Kind::AveragePool(average);
    let network = single(image(200, 200, 2), kind, image(1, 1, 2), Finish::default());
    for config in &CONFIGS {
        let compiled = check(&network, config, None, 1);
        let on_host = config.accumulator_bits == 24;
        assert_eq!(
            compiled.report.host.len(),
            on_host as usize,
            "{}",
            config.name
        );
    }
}

/// A layer of one sign in each channel, whose sums of bright inputs leave 24 bits, and with
/// many inputs 32 bits, where their codes still change.
fn one_sided(shape: Shape, window: Window, groups: usize, output: Shape, scale: f32) -> Network {
    let inputs = shape.channels / groups * window.kernel[0] * window.kernel[1];
    let mut random = Random(3);
    let mut weight = |index: usize| {
        let weight = 64 + random.below(64) as i8;
        if index / inputs % 2 == 0 {
            weight
        } else {
            -weight
        }
    };
    let outputs = output.channels;
    let convolution = Convolution {
        input: MapId(0),
        window,
        groups,
        weights: (0..outputs * inputs).map(&mut weight).collect(),
        bias: (0..outputs).map(|output| 70_001 * output as i32).collect(),
        scales: (0..outputs)
            .map(|output| scale * (1.0 + 0.1 * output as f32))
            .collect(),
        input_zero_point: 9,
        output_zero_points: (0..outputs).map(|output| 100 + output as u8).collect(),
        wraps: false,
    };
    let finish = Finish {
        high: 250,
        ..Finish::default()
    };
    single(shape, Kind::Convolution(convolution), output, finish)
}

#[test]
fn sums_may_leave_the_accumulators_where_codes_change() {
    let window = Window {
        kernel: [3, 2],
        stride: [2, 1],
        dilation: [1, 2],
        padding: [1, 1],
    };
    let dense = one_sided(image(2, 1, 900), Window::POINT, 1, image(2, 1, 5), 6e-6);
    let grouped = one_sided(image(5, 4, 260), window, 2, image(3, 4, 6), 6e-6);
    let wrapping = one_sided(image(1, 1, 100_000), Window::POINT, 1, image(1, 1, 3), 6e-8);
    for (network, wraps) in [(dense, false), (grouped, false), (wrapping, true)] {
        let elements = network.maps[0].shape.elements();
        let sample = |level: usize, noise: &mut Random| -> Vec<u8> {
            let code = |_| (level * 20 + noise.below(16)).min(255) as u8;
            (0..elements).map(code).collect()
        };
        let mut noise = Random(1);
        let samples: Vec<Vec<u8>> = (0..13).map(|level| sample(level, &mut noise)).collect();
        let expected: Vec<u8> = samples.iter().flat_map(|s| network.evaluate(s)).collect();
        for config in &CONFIGS {
            let compiled = compile_network(&network, "wide", config, &Options::default()).unwrap();
            let on_host = config.accumulator_bits == 24;
            assert_eq!(
                compiled.report.host.len(),
                on_host as usize,
                "{}",
                config.name
            );
            let array = Array {
                shape: vec![samples.len(), elements],
                values: Values::U8(samples.concat()),
            };
            let mut machine = Reference::new(*config);
            let actual = compiled.run(&mut machine, &array, |_, _| {}).unwrap();
            assert_eq!(
                actual.values,
                Values::U8(expected.clone()),
                "{}, wraps: {wraps}",
                config.name
            );
        }
        // The codes follow the sums beyond 24 bits, and start again where these wrap.
        let first: Vec<u8> = expected
            .iter()
            .step_by(expected.len() / 13)
            .copied()
            .collect();
        let falls = first.windows(2).any(|pair| pair[1] < pair[0]);
        assert_eq!(falls, wraps, "{first:?}");
    }
}

/// Two readers that want different codes around a map.
#[test]
fn a_map_may_have_readers_of_different_zero_points() {
    let shape = Shape {
        height: 9,
        width: 7,
        channels: 6,
    };
    let mut random = Random(5);
    let mut builder = Builder {
        maps: Vec::new(),
        operations: Vec::new(),
        limit: 0,
    };
    builder.map(shape);
    let window = Window {
        kernel: [3, 3],
        padding: [1, 1],
        ..Window::POINT
    };
    let mut read = |input_zero_point: u8, input: MapId| {
        let convolution = Convolution {
            input_zero_point,
            ..builder.convolution(input, window, 1, 6, &mut random)
        };
        builder.push(Kind::Convolution(convolution), shape, Finish::default())
    };
    let first = read(40, MapId(0));
    let (a, b) = (read(100, first), read(7, first));
    let kind = Kind::Rearrange {
        inputs: vec![a, b],
        sources: (0..756)
            .map(|i| Source::Element {
                input: (i % 2) as u16,
                element: i / 2,
            })
            .collect(),
    };
    let joined = Shape {
        channels: 12,
        ..shape
    };
    builder.push(kind, joined, Finish::default());
    let network = builder.network();
    for config in &CONFIGS {
        check(&network, config, None, 2);
    }
}

/// Sums beyond 24 bits on both sides, where the codes are at their bounds: accumulators
/// wrap, and the codes are right all the same.
#[test]
fn sums_may_leave_the_accumulators_where_codes_are_at_their_bounds() {
    let (shape, outputs) = (
        Shape {
            height: 2,
            width: 3,
            channels: 520,
        },
        7,
    );
    let mut random = Random(11);
    for (zero_point, finish) in [
        (0, Finish::default()),
        (128, finish(&mut random)),
        (255, finish(&mut random)),
    ] {
        let mut builder = Builder {
            maps: Vec::new(),
            operations: Vec::new(),
            limit: 0,
        };
        builder.map(shape);
        let window = Window {
            kernel: [1, 2],
            padding: [0, 1],
            ..Window::POINT
        };
        // Weights of one sign in half of the channels, so that bright inputs reach the ends.
        let weight = |index: usize| match (index / 1040 % 4, random.byte() as i8) {
            (0, w) => (w | 96).saturating_abs(),
            (1, w) => -(w | 96).saturating_abs(),
            (_, w) => w,
        };
        let convolution = Convolution {
            weights: (0..outputs * 1040).map(weight).collect(),
            bias: (0..outputs as i32)
                .map(|output| 300_001 * (output - 3))
                .collect(),
            scales: (0..outputs)
                .map(|output| 3e-5 * (2 + output) as f32)
                .collect(),
            input_zero_point: zero_point,
            ..builder.convolution(MapId(0), window, 1, outputs, &mut Random(1))
        };
        let output = Shape {
            width: 4,
            channels: outputs,
            ..shape
        };
        builder.push(Kind::Convolution(convolution), output, finish);
        let network = builder.network();
        // Samples of all brightnesses, some of which reach beyond the bounds and wrap.
        let samples = 64;
        let elements = shape.elements();
        let mut noise = Random(2);
        let input: Vec<u8> = (0..samples * elements)
            .map(|i| ((i / elements * 4) as i32 + noise.below(9) as i32 - 4).clamp(0, 255) as u8)
            .collect();
        for config in &CONFIGS {
            let options = Options {
                batch: Some(1),
                name: None,
            };
            let compiled = compile_network(&network, "wide", config, &options).unwrap();
            let operations = compiled.report.layers.len();
            assert_eq!(
                operations > 1,
                config.accumulator_bits == 24,
                "{operations}"
            );
            let array = Array {
                shape: vec![samples, elements],
                values: Values::U8(input.clone()),
            };
            let actual = compiled
                .run(&mut Reference::new(*config), &array, |_, _| {})
                .unwrap();
            let expected: Vec<u8> = input
                .chunks(elements)
                .flat_map(|sample| network.evaluate(sample))
                .collect();
            let Values::U8(actual) = actual.values else {
                panic!("codes go out as codes");
            };
            let wrong = (0..expected.len()).find(|&i| actual[i] != expected[i]);
            assert_eq!(wrong, None, "{}, first wrong element", config.name);
        }
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let sizes = (1usize..20, 1usize..20, 1usize..70);
    sizes.prop_map(|(height, width, channels)| Shape {
        height,
        width,
        channels,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_networks_compute_what_the_interpreter_computes(
        shape in shapes(),
        draws in prop::collection::vec(any::<Draw>(), 1..6),
        batch in prop::option::of(1usize..4),
        seed: u64,
    ) {
        let network = network(shape, &draws, 30_000);
        for config in &CONFIGS {
            check(&network, config, batch, seed);
        }
    }

    #[test]
    fn single_operations_compute_what_the_interpreter_computes(
        shape in shapes(),
        draw: Draw,
        batch in prop::option::of(1usize..4),
        seed: u64,
    ) {
        let network = network(shape, &[draw], 30_000);
        for config in &CONFIGS {
            check(&network, config, batch, seed);
        }
    }
}
