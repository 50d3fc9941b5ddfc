//! A plain interpreter of [`Network`]: what every machine must compute, written to be
//! seen to be right. Compiled programs and the front end are both tested against it.

use crate::array::{Array, Values};
use crate::network::{
    AveragePool, CodeType, Convolution, InputEdge, InputKind, Kind, Map, Network, Operation,
    OutputEdge, OutputKind, Shape, Source, Window,
};
use quern_isa::numerics::requantise_f32;

impl Network {
    /// The stored codes of the output map for those of one sample's input map.
    pub fn evaluate(&self, input: &[u8]) -> Vec<u8> {
        let mut maps: Vec<Vec<u8>> = vec![Vec::new(); self.maps.len()];
        maps[self.input.map.0] = input.to_vec();
        for operation in &self.operations {
            maps[operation.output.0] = operation.evaluate(&self.maps, &maps);
        }
        std::mem::take(&mut maps[self.output.map.0])
    }

    /// The model's output for an array of samples, as ONNX Runtime returns it.
    ///
    /// # Panics
    /// When the array is no input of the model.
    pub fn run(&self, input: &Array) -> Array {
        let samples = input.shape[0];
        let codes: Vec<Vec<u8>> = (0..samples)
            .map(|sample| self.evaluate(&self.input.quantise(input, sample)))
            .collect();
        crate::host::apply(&self.output.functions, self.output.dequantise(&codes))
    }
}

impl InputEdge {
    /// The input map of one sample of an array.
    fn quantise(&self, input: &Array, sample: usize) -> Vec<u8> {
        let count = self.elements.len();
        assert_eq!(input.shape[1..], self.sample, "the model's input");
        let mut map = vec![0; count];
        for (index, &element) in self.elements.iter().enumerate() {
            let at = sample * count + index;
            map[element as usize] = match (&input.values, self.kind) {
                (Values::F32(values), InputKind::Real(quantiser)) => {
                    self.code(&quantiser, index, values[at])
                }
                (Values::I8(values), InputKind::Codes(CodeType::I8)) => values[at] as u8 ^ 0x80,
                (Values::U8(values), InputKind::Codes(CodeType::U8)) => values[at],
                (values, kind) => panic!("{} for an input of {kind:?}", values.type_name()),
            };
        }
        map
    }
}

impl OutputEdge {
    /// The samples' output maps as an array, before the host's functions.
    fn dequantise(&self, maps: &[Vec<u8>]) -> Array {
        let stored = maps
            .iter()
            .flat_map(|map| self.elements.iter().map(|&element| map[element as usize]));
        let values = match &self.kind {
            OutputKind::Real(reals) => {
                Values::F32(stored.map(|code| reals[code as usize]).collect())
            }
            OutputKind::Codes(CodeType::I8) => {
                Values::I8(stored.map(|code| (code ^ 0x80) as i8).collect())
            }
            OutputKind::Codes(CodeType::U8) => Values::U8(stored.collect()),
        };
        let mut shape = vec![maps.len()];
        shape.extend(&self.sample);
        Array { shape, values }
    }
}

impl Operation {
    fn evaluate(&self, shapes: &[Map], maps: &[Vec<u8>]) -> Vec<u8> {
        let shape = shapes[self.output.0].shape;
        let pixels = || (0..shape.height).flat_map(move |y| (0..shape.width).map(move |x| (y, x)));
        let channels =
            move || pixels().flat_map(move |(y, x)| (0..shape.channels).map(move |c| (y, x, c)));
        let codes: Vec<u8> = match &self.kind {
            Kind::Convolution(convolution) => {
                let input = Picture::new(convolution.input.0, shapes, maps);
                channels()
                    .map(|at| convolution.at(&input, shape.channels, at))
                    .collect()
            }
            Kind::MaxPool { input, window } => {
                let input = Picture::new(input.0, shapes, maps);
                let largest = |(y, x, c)| {
                    let inside = window.taps(y, x).filter_map(|(y, x, _)| input.get(y, x, c));
                    inside.max().unwrap_or(0)
                };
                channels().map(largest).collect()
            }
            Kind::AveragePool(pool) => {
                let input = Picture::new(pool.input.0, shapes, maps);
                channels().map(|at| pool.at(&input, at)).collect()
            }
            Kind::Add {
                inputs: [a, b],
                tables,
                fraction_bits,
                output_zero_point,
            } => {
                let sum = |(&a, &b): (&u8, &u8)| {
                    let sum = tables[0][a as usize] + tables[1][b as usize];
                    sum_code(sum, *fraction_bits, *output_zero_point)
                };
                maps[a.0].iter().zip(&maps[b.0]).map(sum).collect()
            }
            Kind::Multiply {
                inputs: [a, b],
                zero_points,
                scale,
                output_zero_point,
                even_code,
            } => {
                let product = |(&a, &b): (&u8, &u8)| {
                    let a = a as i32 - zero_points[0] as i32;
                    let b = b as i32 - zero_points[1] as i32;
                    requantise_f32(a * b, *scale, *output_zero_point, *even_code)
                };
                maps[a.0].iter().zip(&maps[b.0]).map(product).collect()
            }
            Kind::Elementwise { input } => maps[input.0].clone(),
            Kind::ChannelTables { input, tables } => {
                let entry =
                    |(index, &code): (usize, &u8)| tables[index % tables.len()].0[code as usize];
                maps[input.0].iter().enumerate().map(entry).collect()
            }
            Kind::Rearrange { inputs, sources } => {
                let from = |source: &Source| match *source {
                    Source::Code(code) => code,
                    Source::Element { input, element } => {
                        maps[inputs[input as usize].0][element as usize]
                    }
                };
                sources.iter().map(from).collect()
            }
            Kind::Host { inputs, work, .. } => {
                let place = |shape: Shape| shape.on_host(0, shape.channels);
                let places: Vec<_> = inputs
                    .iter()
                    .map(|map| place(shapes[map.0].shape))
                    .collect();
                let codes: Vec<_> = inputs.iter().map(|map| maps[map.0].clone()).collect();
                work.apply(&places, &codes, &place(shape))
            }
            Kind::Constant { codes } => codes.to_vec(),
        };
        assert_eq!(codes.len(), shape.elements(), "`{}`", self.name);
        codes.iter().map(|&code| self.finish.apply(code)).collect()
    }
}

/// A map and its shape.
struct Picture<'a> {
    shape: Shape,
    codes: &'a [u8],
}

impl Picture<'_> {
    fn new<'a>(map: usize, shapes: &[Map], maps: &'a [Vec<u8>]) -> Picture<'a> {
        Picture {
            shape: shapes[map].shape,
            codes: &maps[map],
        }
    }

    /// The code of an element; `None` outside the map.
    fn get(&self, y: i64, x: i64, c: usize) -> Option<u8> {
        let Shape {
            height,
            width,
            channels,
        } = self.shape;
        let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
        inside.then(|| self.codes[(y as usize * width + x as usize) * channels + c])
    }
}

impl Window {
    /// Input pixels of all taps at an output pixel, with the number of the tap.
    fn taps(&self, y: usize, x: usize) -> impl Iterator<Item = (i64, i64, usize)> + '_ {
        let [height, width] = self.kernel;
        (0..height * width).map(move |tap| {
            let at = |axis: usize, output: usize, tap: usize| {
                (output * self.stride[axis] + tap * self.dilation[axis]) as i64
                    - self.padding[axis] as i64
            };
            (at(0, y, tap / width), at(1, x, tap % width), tap)
        })
    }
}

impl Convolution {
    fn at(&self, input: &Picture, outputs: usize, (y, x, m): (usize, usize, usize)) -> u8 {
        let inputs = input.shape.channels / self.groups;
        let first = m / (outputs / self.groups) * inputs;
        let [height, width] = self.window.kernel;
        let mut sum = self.bias[m] as i64;
        for (y, x, tap) in self.window.taps(y, x) {
            for c in 0..inputs {
                if let Some(code) = input.get(y, x, first + c) {
                    let weight = self.weights[(m * height * width + tap) * inputs + c];
                    sum += (code as i64 - self.input_zero_point as i64) * weight as i64;
                }
            }
        }
        // The runtime's sums have 32 bits.
        requantise_f32(
            sum as i32,
            self.scales[m],
            self.output_zero_points[m],
            false,
        )
    }
}

impl AveragePool {
    fn at(&self, input: &Picture, (y, x, c): (usize, usize, usize)) -> u8 {
        let inside = self.window.taps(y, x);
        let inside: Vec<i64> = inside
            .filter_map(|(y, x, _)| input.get(y, x, c))
            .map(|code| code as i64 - self.input_zero_point as i64)
            .collect();
        let (sum, scale) = (inside.iter().sum::<i64>(), self.scales[inside.len()]);
        requantise_f32(sum as i32, scale, self.output_zero_point, self.even_code)
    }
}

/// The code of a sum of two tables' entries.
pub fn sum_code(sum: i32, fraction_bits: u32, zero_point: u8) -> u8 {
    requantise_f32(sum, (-(fraction_bits as f32)).exp2(), zero_point, false)
}
