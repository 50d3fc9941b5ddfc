//! Operations whose results are not yet quantised: what QuantizeLinear makes an
//! [`Operation`](crate::network::Operation) of.

use super::arithmetic::Pair;
use super::pool::{self, Average};
use crate::builder::{Builder, CodePart};
use crate::functions::Function;
use crate::network::{CodeType, Convolution, Finish, Kind, MapId, Quantiser, Shape, Window};
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
    /// A bias that the runtime adds in floating point.
    pub separate_bias: bool,
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
        let mut map = builder.operation(&self.name, kind, self.shape, finish);
        for pool in &self.pools {
            let view = pool.view.with_parts(Rc::new([CodePart::Map(map)]));
            map = pool::largest(builder, &pool.name, &view, pool.window, &pool.dims)?;
        }
        Ok(map)
    }

    /// Where the runtime leaves its integer kernels.
    fn note(&self, products: &Products, target: &Target, clamped: bool) -> Option<String> {
        let reason = if clamped {
            "its clamp is narrower than the range of its output's codes"
        } else if products.code != Some(target.code) {
            "its input and output are no uint8 tensors with one reader each (quantise activations to uint8)"
        } else if products.separate_bias {
            "it is a MatMul of rank 3 or more with a bias"
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
            output_zero_point: to.zero_point,
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
