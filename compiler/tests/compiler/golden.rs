//! Random networks, as ONNX models and as plain loops over integers.

use crate::model::{int_attribute, Code, Model};
use crate::numbers::Numbers;
use quern_compiler::{compile, Array, Compiled, Options, Report, Values};
use quern_isa::{Config, Reference};

#[derive(Debug, Clone)]
pub struct Dense {
    pub inputs: usize,
    pub outputs: usize,
    /// `[input][output]`.
    pub weights: Vec<i8>,
    pub weight_scales: Vec<f32>,
    pub bias: Vec<i32>,
    pub output: Code,
    /// Gemm with the weights transposed; MatMul and Add otherwise.
    pub gemm: bool,
    /// A function between the output's quantiser and another pair of the same scale.
    pub function: Option<&'static str>,
}

/// A chain of dense layers on samples of `positions` rows. Where a layer's inputs are
/// not the outputs before it, the rows are regrouped.
#[derive(Debug, Clone)]
pub struct Network {
    pub positions: usize,
    pub input: Code,
    pub layers: Vec<Dense>,
}

/// What a layer of a random network should look like.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub inputs: usize,
    pub outputs: usize,
    /// Largest magnitude of a weight.
    pub weight: i32,
}

impl Network {
    pub fn random(positions: usize, sizes: &[Sizes], seed: u64) -> Network {
        let mut numbers = Numbers(seed);
        let code = |numbers: &mut Numbers, scale| match numbers.range(0, 1) {
            0 => Code::i8(scale, numbers.range(-128, 127)),
            _ => Code::u8(scale, numbers.range(0, 255)),
        };
        let input = code(&mut numbers, 0.02);
        let mut before = input;
        let mut layers = Vec::new();
        for size in sizes {
            // Outputs spread over about half of the codes.
            let spread = (size.inputs as f32).sqrt() * size.weight as f32;
            let scale = before.scale * 0.01 * spread * 0.6;
            let output = code(&mut numbers, scale);
            let mut some = |count: usize, limit: i32| -> Vec<i32> {
                (0..count).map(|_| numbers.range(-limit, limit)).collect()
            };
            let weights = some(size.inputs * size.outputs, size.weight);
            let bias = some(size.outputs, (spread * 50.0) as i32);
            layers.push(Dense {
                inputs: size.inputs,
                outputs: size.outputs,
                weights: weights.into_iter().map(|weight| weight as i8).collect(),
                bias,
                weight_scales: (0..size.outputs)
                    .map(|_| 0.01 * (0.5 + numbers.unit()))
                    .collect(),
                output,
                gemm: numbers.range(0, 1) == 0,
                function: [None, Some("Relu"), Some("Abs"), Some("Neg")]
                    [numbers.range(0, 3) as usize],
            });
            before = output;
        }
        Network {
            positions,
            input,
            layers,
        }
    }

    pub fn inputs(&self) -> usize {
        self.positions * self.layers[0].inputs
    }

    /// With integer input and output.
    pub fn model(&self) -> Vec<u8> {
        let mut sample = vec![self.layers[0].inputs];
        let mut positions = self.positions;
        if positions > 1 {
            sample.insert(0, positions);
        }
        let mut model = Model::new(self.input.data_type(), &sample);
        model.quantiser("x", self.input);
        let (mut from, mut codes, mut code) = ("x".to_string(), "x".to_string(), self.input);
        let mut channels = self.layers[0].inputs;
        for (index, layer) in self.layers.iter().enumerate() {
            let name = |part: &str| format!("{part}{index}");
            if layer.inputs != channels {
                positions = positions * channels / layer.inputs;
                let target: Vec<i64> = match positions {
                    1 => vec![0, layer.inputs as i64],
                    _ => vec![0, -1, layer.inputs as i64],
                };
                model.i64s(&name("shape"), &target);
                model.node("Reshape", &[&codes, &name("shape")], &name("regrouped"));
                codes = name("regrouped");
            }
            channels = layer.outputs;
            model.dequantise(&codes, &from, &name("real"));
            let gemm = layer.gemm && positions == 1;
            layer.constants(&mut model, index, gemm, code.scale);
            let (real, weight, bias, sum) = (
                name("real"),
                name("weight_real"),
                name("bias_real"),
                name("sum"),
            );
            if gemm {
                let node = model.node("Gemm", &[&real, &weight, &bias], &sum);
                node.attribute.push(int_attribute("transB", 1));
            } else {
                model.node("MatMul", &[&real, &weight], &name("product"));
                model.node("Add", &[&name("product"), &bias], &sum);
            }
            from = name("y");
            model.quantiser(&from, layer.output);
            codes = name("codes");
            model.quantise(&sum, &from, &codes);
            if let Some(function) = layer.function {
                model.dequantise(&codes, &from, &name("before"));
                model.node(function, &[&name("before")], &name("after"));
                codes = name("function_codes");
                model.quantise(&name("after"), &from, &codes);
            }
            code = layer.output;
        }
        model.finish(&codes)
    }

    /// The codes of one sample, by definition.
    pub fn infer(&self, sample: &[i32]) -> Vec<i32> {
        let mut before = self.input;
        let mut codes = sample.to_vec();
        let mut channels = self.layers[0].inputs;
        for (index, layer) in self.layers.iter().enumerate() {
            let positions = codes.len() / layer.inputs;
            // int8 tensors become uint8 between quantiser and dequantiser.
            let converted = index > 0 && channels == layer.inputs;
            let real_bias = positions > 1 && (converted || !before.signed);
            let rows = codes.chunks_exact(layer.inputs);
            codes = rows
                .flat_map(|row| layer.infer(row, before, real_bias))
                .collect();
            (before, channels) = (layer.output, layer.outputs);
        }
        codes
    }

    pub fn random_codes(&self, count: usize, seed: u64) -> Vec<i32> {
        let mut numbers = Numbers(seed);
        let range = self.input.range();
        let code = |_| numbers.range(*range.start(), *range.end());
        (0..count).map(code).collect()
    }

    /// Compiles, runs `samples` random samples on the reference, and compares every
    /// code with the definition.
    pub fn check(&self, config: Config, batch: Option<usize>, samples: usize, seed: u64) -> Report {
        let options = Options { batch, name: None };
        let compiled = match compile(&self.model(), &config, &options) {
            Ok(compiled) => compiled,
            Err(error) => panic!("{}: {error}\n{}", config.name, self.summary()),
        };
        self.check_compiled(&compiled, samples, seed);
        compiled.report
    }

    pub fn check_compiled(&self, compiled: &Compiled, samples: usize, seed: u64) {
        let config = compiled.program.config;
        let codes = self.random_codes(samples * self.inputs(), seed);
        let expected: Vec<i32> = codes
            .chunks_exact(self.inputs())
            .flat_map(|sample| self.infer(sample))
            .collect();
        let mut shape = vec![samples, self.layers[0].inputs];
        if self.positions > 1 {
            shape.insert(1, self.positions);
        }
        let input = Array {
            shape,
            values: values(&codes, self.input),
        };
        let output = compiled
            .run(&mut Reference::new(config), &input, |_, _| ())
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", config.name, self.summary()));
        let last = self.layers[self.layers.len() - 1].output;
        let expected = values(&expected, last);
        assert!(
            output.values == expected,
            "{}, batch {}, seed {seed}: codes differ for\n{}",
            config.name,
            compiled.batch(),
            self.summary()
        );
    }

    fn summary(&self) -> String {
        let layers = self
            .layers
            .iter()
            .map(|layer| format!("{} -> {} {:?}", layer.inputs, layer.outputs, layer.function));
        format!(
            "{} positions: {:?}",
            self.positions,
            layers.collect::<Vec<_>>()
        )
    }
}

fn values(codes: &[i32], code: Code) -> Values {
    match code.signed {
        true => Values::I8(codes.iter().map(|&code| code as i8).collect()),
        false => Values::U8(codes.iter().map(|&code| code as u8).collect()),
    }
}

impl Dense {
    fn constants(&self, model: &mut Model, index: usize, transposed: bool, input_scale: f32) {
        let name = |part: &str| format!("{part}{index}");
        let (inputs, outputs) = (self.inputs, self.outputs);
        let (dims, weights, axis) = match transposed {
            false => ([inputs, outputs], self.weights.clone(), 1),
            true => {
                let order = (0..outputs).flat_map(|m| (0..inputs).map(move |k| k * outputs + m));
                let weights = order.map(|index| self.weights[index]).collect();
                ([outputs, inputs], weights, 0)
            }
        };
        model.i8s(&name("weight"), &dims, &weights);
        model.floats(&name("weight_scale"), &[outputs], &self.weight_scales);
        model.i8s(&name("weight_zero"), &[outputs], &vec![0; outputs]);
        let inputs = [name("weight"), name("weight_scale"), name("weight_zero")];
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let node = model.node("DequantizeLinear", &inputs, &name("weight_real"));
        node.attribute.push(int_attribute("axis", axis));
        let scales: Vec<f32> = self.weight_scales.iter().map(|w| input_scale * w).collect();
        model.i32s(&name("bias"), &[outputs], &self.bias);
        model.floats(&name("bias_scale"), &[outputs], &scales);
        let inputs = [name("bias"), name("bias_scale")];
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let node = model.node("DequantizeLinear", &inputs, &name("bias_real"));
        node.attribute.push(int_attribute("axis", 0));
    }

    /// With a `real_bias` the runtime makes a real number of the sum and adds the bias to
    /// that (MatMulIntegerToFloat).
    fn infer(&self, row: &[i32], before: Code, real_bias: bool) -> Vec<i32> {
        let (low, high) = (*self.output.range().start(), *self.output.range().end());
        let zero = self.output.zero_point;
        let mut out = Vec::new();
        for output in 0..self.outputs {
            let mut sum = 0;
            for (input, &code) in row.iter().enumerate() {
                let weight = self.weights[input * self.outputs + output];
                sum += (code - before.zero_point) as i64 * weight as i64;
            }
            let unit = before.scale * self.weight_scales[output];
            let bias = self.bias[output];
            let scaled = match real_bias {
                true => (sum as f32 * unit + bias as f32 * unit) / self.output.scale,
                false => (sum + bias as i64) as f32 * (unit / self.output.scale),
            };
            let rounded = scaled.round_ties_even() as i64;
            let code = (rounded + zero as i64).clamp(low as i64, high as i64) as i32;
            let code = match self.function {
                None => code,
                Some("Relu") => code.max(zero),
                Some("Abs") => (zero + (code - zero).abs()).min(high),
                Some("Neg") => (zero - (code - zero)).clamp(low, high),
                Some(other) => panic!("no golden function for {other}"),
            };
            out.push(code);
        }
        out
    }
}
