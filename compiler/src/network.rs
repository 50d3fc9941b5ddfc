//! What the model computes, free of ONNX: a chain of layers on 8-bit codes, and
//! what the host does at its two ends.
//!
//! Codes are **stored** as the accelerator stores them, unsigned: an int8 code `q`
//! as `q + 128`, a uint8 code as itself.

use crate::functions::Function;
use crate::graph::Batch;
use crate::table::Table;
use std::rc::Rc;

#[derive(Debug, Clone)]
pub struct Network {
    pub input: InputEdge,
    /// At least one.
    pub layers: Vec<Layer>,
    pub output: OutputEdge,
    /// What a reader of the results should know: where ONNX Runtime itself
    /// computes in floating point and may differ.
    pub notes: Vec<String>,
}

/// Type of an 8-bit tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeType {
    I8,
    U8,
}

impl CodeType {
    /// What is added to a code to store it.
    pub fn offset(self) -> i32 {
        match self {
            CodeType::I8 => 128,
            CodeType::U8 => 0,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            CodeType::I8 => "int8",
            CodeType::U8 => "uint8",
        }
    }
}

/// Per-tensor quantisation: `x = (q - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiser {
    pub scale: f32,
    /// As stored.
    pub zero_point: u8,
    pub code: CodeType,
}

impl Quantiser {
    /// MLAS `QuantizeLinear`: divide, clamp, round half to even, add the zero
    /// point. NaN becomes the lowest code.
    pub fn quantise(&self, x: f32) -> u8 {
        let low = -(self.zero_point as f32);
        let high = 255.0 + low;
        let clamped = (x / self.scale).max(low).min(high);
        (clamped.round_ties_even() as i32 + self.zero_point as i32) as u8
    }

    pub fn dequantise(&self, stored: u8) -> f32 {
        (stored as i32 - self.zero_point as i32) as f32 * self.scale
    }
}

#[derive(Debug, Clone)]
pub struct InputEdge {
    pub name: String,
    pub batch: Batch,
    /// Dimensions after the batch axis.
    pub sample: Vec<usize>,
    pub kind: InputKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InputKind {
    /// Real numbers, quantised by the host.
    Real(Quantiser),
    Codes(CodeType),
}

#[derive(Debug, Clone)]
pub struct OutputEdge {
    /// Dimensions after the batch axis.
    pub sample: Vec<usize>,
    pub kind: OutputKind,
}

#[derive(Debug, Clone)]
pub enum OutputKind {
    /// The real number of each stored code.
    Real(Box<[f32; 256]>),
    Codes(CodeType),
}

impl OutputKind {
    /// Dequantises, then applies functions, as the host does.
    pub fn real(quantiser: &Quantiser, functions: &[Function]) -> OutputKind {
        let value = |stored: usize| {
            functions
                .iter()
                .fold(quantiser.dequantise(stored as u8), |x, f| f.apply(x))
        };
        OutputKind::Real(Box::new(std::array::from_fn(value)))
    }
}

/// One step of the chain. Each sample is `positions` rows of `inputs` codes in and
/// `positions` rows of `outputs` codes out.
#[derive(Debug, Clone)]
pub struct Layer {
    pub name: String,
    pub kind: LayerKind,
    pub positions: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Bounds of the requantised code.
    pub low: u8,
    pub high: u8,
    /// Applied after the bounds.
    pub table: Option<Table>,
}

#[derive(Debug, Clone)]
pub enum LayerKind {
    Dense(Dense),
    /// Each output is its own input, through the bounds and the table.
    Elementwise,
}

impl Layer {
    pub fn elementwise(name: &str, elements: usize) -> Layer {
        Layer {
            name: name.to_string(),
            kind: LayerKind::Elementwise,
            positions: 1,
            inputs: elements,
            outputs: elements,
            low: 0,
            high: 255,
            table: None,
        }
    }

    /// Lowest and highest stored code that can come out.
    pub fn output_range(&self) -> (u8, u8) {
        match &self.table {
            None => (self.low, self.high),
            Some(table) => table.range(self.low, self.high),
        }
    }

    /// Appends a function of codes, as bounds where that is all it does.
    pub fn then(&mut self, next: &Table) {
        let whole = match &self.table {
            None => next.clone(),
            Some(table) => table.then(next),
        };
        match whole.as_bounds(self.low, self.high) {
            Some((low, high)) => {
                (self.low, self.high) = (low, high);
                self.table = None;
            }
            None => self.table = Some(whole),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Dense {
    pub weights: Weights,
    /// The model's bias, in units of `input scale * weight scale`.
    pub bias: Vec<i32>,
    /// Multiplier per output: `f32(f32(input scale * weight scale) / output scale)`.
    pub scales: Vec<f32>,
    /// As stored.
    pub input_zero_point: u8,
    /// As stored.
    pub output_zero_point: u8,
}

/// Signed weights with zero point 0, in the order the model has them.
#[derive(Debug, Clone)]
pub struct Weights {
    pub data: Rc<[i8]>,
    pub input_stride: usize,
    pub output_stride: usize,
}

impl Weights {
    #[inline]
    pub fn get(&self, input: usize, output: usize) -> i8 {
        self.data[input * self.input_stride + output * self.output_stride]
    }
}
