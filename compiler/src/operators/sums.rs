//! Operations whose results are not yet quantised: what QuantizeLinear makes an
//! [`Operation`](crate::network::Operation) of.

use super::arithmetic::Pair;
use super::pool::{self, Average};
use super::real_sums;
use crate::builder::{Builder, CodePart};
use crate::functions::Function;
use crate::network::{self, CodeType, Convolution, Finish, Kind, MapId, Quantiser, Shape, Window};
use crate::pairs::Target;
use crate::view::View;
use std::rc::Rc;

#[derive(Debug, Clone)]
pub struct Sums {
    /// Of the node.
    pub name: String,
    /// Of the map it will write.
    pub shape: Shape,
    pub kind: SumsKind,
    /// Bounds of the real results, by Relu and Clip.
    pub low: f32,
    pub high: f32,
    /// Largest of windows of them, one after the other: quantised they are the same.
    pub pools: Vec<Largest>,
}

/// A MaxPool.
#[derive(Debug, Clone)]
pub struct Largest {
    /// Of the node.
    pub name: String,
    /// What it reads.
    pub view: View<()>,
    pub window: Window,
    /// Of its result, after the batch.
    pub dims: Vec<usize>,
}

#[derive(Debug, Clone)]
pub enum SumsKind {
    Products(Products),
    Average(Average),
    Pair(Pair),
}

/// Sums of activations times weights.
#[derive(Debug, Clone)]
pub struct Products {
    pub input: MapId,
    /// The input's type in the runtime.
    pub code: Option<CodeType>,
    pub window: Window,
    pub groups: usize,
    /// As in [`Convolution`].
    pub weights: Rc<[i8]>,
    /// `f32(input scale * weight scale)` per output.
    pub scales: Vec<f32>,
    /// As stored.
    pub input_zero_point: u8,
    pub bias: Option<Bias>,
    /// Unless QuantizeLinear follows at once, the runtime makes them real numbers and goes
    /// on with those: exactly of a uint8 input (MatMulIntegerToFloat), else in sums of floats.
    pub becomes_real: bool,
}

/// A bias, one integer for each output.
#[derive(Debug, Clone)]
pub struct Bias {
    /// In units of [`Products::scales`], as the runtime's integer kernels have it: they take
    /// the model's integers as they are.
    pub codes: Vec<i32>,
    /// Where the integers have a scale of their own that is another: the nearest codes to
    /// what they stand for, as the runtime has it in floating point.
    pub rescaled: Option<Vec<i32>>,
    /// The real numbers.
    pub reals: Vec<f32>,
    /// Whether those are what the model has: no integers times a scale.
    pub is_real: bool,
}

impl Sums {
    pub fn new(name: &str, shape: Shape, kind: SumsKind) -> Sums {
        Sums {
            name: name.to_string(),
            shape,
            kind,
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
            pools: vec![],
        }
    }

    /// Clamping commutes with requantisation: it becomes bounds of the code. `None`
    /// for other functions.
    pub fn then(&self, function: Function) -> Option<Sums> {
        function.is_clamp().then(|| Sums {
            low: function.apply(self.low),
            high: function.apply(self.high),
            ..self.clone()
        })
    }

    /// Why nothing else may be done to it.
    pub fn follows(&self) -> String {
        format!(
            "it follows `{}` in floating point; the accelerator applies functions to 8-bit codes: put QuantizeLinear and DequantizeLinear between them",
            self.name
        )
    }

    pub fn is_clamped(&self) -> bool {
        (self.low, self.high) != (f32::NEG_INFINITY, f32::INFINITY)
    }

    /// Appends the operation.
    pub fn quantise(&self, builder: &mut Builder, target: &Target) -> Result<MapId, String> {
        let to = &target.quantiser;
        let finish = Finish {
            low: to.quantise(self.low),
            high: to.quantise(self.high),
            table: None,
        };
        let clamped = !target.drops(self.low, self.high);
        let kind = match &self.kind {
            SumsKind::Products(products) => {
                let note = self.note(products, target, clamped);
                let sums_integers = products.code == Some(CodeType::U8);
                let is_real = products.bias.as_ref().is_some_and(|bias| bias.is_real);
                if products.goes_on_in_reals(clamped) && (sums_integers || is_real) {
                    if let Some(map) = self.quantise_reals(builder, products, to, &finish)? {
                        builder.notes.extend(note.filter(|_| !sums_integers));
                        return self.largest(builder, map);
                    }
                }
                let kind = products.quantise(&self.name, to, note.is_some())?;
                builder.notes.extend(note);
                Kind::Convolution(kind)
            }
            SumsKind::Average(average) => {
                if let Some(reason) = average.note(target, clamped) {
                    builder.notes.push(format!("`{}`: {reason}", self.name));
                }
                builder.count_places(average.taps())?;
                average.quantise(builder, &self.name, self.shape, target, clamped)?
            }
            SumsKind::Pair(pair) => pair.quantise(builder, &self.name, target, &finish)?,
        };
        let map = builder.operation(&self.name, kind, self.shape, finish);
        self.largest(builder, map)
    }

    /// The pools of the quantised map.
    fn largest(&self, builder: &mut Builder, map: MapId) -> Result<MapId, String> {
        self.pools.iter().try_fold(map, |map, pool| {
            let view = pool.view.with_parts(Rc::new([CodePart::Map(map)]));
            pool::largest(builder, &pool.name, &view, pool.window, &pool.dims)
        })
    }

    /// Codes of integer sums that the runtime goes on with in floats: of one layer whose
    /// rule gives the same codes, or of two. `None` where there are none.
    fn quantise_reals(
        &self,
        builder: &mut Builder,
        products: &Products,
        to: &Quantiser,
        finish: &Finish,
    ) -> Result<Option<MapId>, String> {
        let layer = products.quantise(&self.name, to, true)?;
        let outputs = layer.bias.len();
        builder.count_evaluations(real_sums::EVALUATIONS * outputs)?;
        let channel = |output: usize| real_sums::Channel {
            sums: {
                let below = -(layer.input_zero_point as i64);
                let weights = layer.of_channel(output).iter().map(|&w| w as i64);
                network::products(weights, (below, below + 255))
            },
            scale: products.scales[output],
            bias: products.bias.as_ref().map(|bias| bias.reals[output]),
            to,
            finish,
        };
        let alike = |output: usize| channel(output).rule(layer.bias[output]).is_some();
        if (0..outputs).all(alike) {
            let kind = Kind::Convolution(layer);
            return Ok(Some(builder.operation(
                &self.name,
                kind,
                self.shape,
                finish.clone(),
            )));
        }
        let pairs: Option<Vec<real_sums::Pair>> =
            (0..outputs).map(|output| channel(output).pair()).collect();
        let Some(pairs) = pairs else {
            return Ok(None);
        };
        builder.count_weights(layer.weights.len())?;
        let parts = [0, 1].map(|part| {
            let of = |output: usize| &pairs[output].rules[part];
            let layer = Convolution {
                bias: (0..outputs).map(|output| of(output).bias).collect(),
                scales: (0..outputs).map(|output| of(output).scale).collect(),
                output_zero_points: (0..outputs).map(|output| of(output).zero_point).collect(),
                ..layer.clone()
            };
            let kind = Kind::Convolution(layer);
            let codes = builder.operation(&self.name, kind, self.shape, finish.clone());
            let kind = Kind::ChannelTables {
                input: codes,
                tables: pairs.iter().map(|pair| pair.tables[part].clone()).collect(),
            };
            builder.operation(&self.name, kind, self.shape, Finish::default())
        });
        let codes: [i32; 256] = std::array::from_fn(|code| code as i32);
        let kind = Kind::Add {
            inputs: parts,
            tables: Rc::new([codes, codes]),
            fraction_bits: 0,
            output_zero_point: 0,
        };
        let map = builder.operation(&self.name, kind, self.shape, Finish::default());
        Ok(Some(map))
    }

    /// Where the runtime leaves its integer kernels.
    fn note(&self, products: &Products, target: &Target, clamped: bool) -> Option<String> {
        let reason = if clamped {
            "its clamp is narrower than the range of its output's codes"
        } else if products.code != Some(target.code) {
            "its input and output are no uint8 tensors with one reader each (quantise activations to uint8)"
        } else if products.goes_on_in_reals(clamped) {
            "it is a MatMul with a bias that is a real number"
        } else {
            return None;
        };
        Some(format!(
            "`{}`: {reason}, so ONNX Runtime computes the layer in floating point; codes next to a rounding tie may differ",
            self.name
        ))
    }
}

impl Products {
    /// Whether there is something between the sums and QuantizeLinear for which the runtime
    /// makes them real numbers.
    fn goes_on_in_reals(&self, clamped: bool) -> bool {
        self.becomes_real && (clamped || self.bias.is_some())
    }

    /// `in_floats`: the runtime leaves its integer kernels.
    fn quantise(&self, name: &str, to: &Quantiser, in_floats: bool) -> Result<Convolution, String> {
        let scales: Vec<f32> = self.scales.iter().map(|scale| scale / to.scale).collect();
        check_scales(name, &scales)?;
        Ok(Convolution {
            input: self.input,
            window: self.window,
            groups: self.groups,
            weights: self.weights.clone(),
            bias: match &self.bias {
                Some(Bias {
                    rescaled: Some(codes),
                    ..
                }) if in_floats => codes.clone(),
                Some(bias) => bias.codes.clone(),
                None => vec![0; scales.len()],
            },
            scales,
            input_zero_point: self.input_zero_point,
            output_zero_points: vec![to.zero_point; self.scales.len()],
            wraps: false,
        })
    }
}

pub fn check_scales(name: &str, scales: &[f32]) -> Result<(), String> {
    match scales.iter().position(|s| !s.is_finite() || *s <= 0.0) {
        None => Ok(()),
        Some(channel) => Err(format!(
            "the scales of `{name}` leave the range of float32 in channel {channel}"
        )),
    }
}
