//! What the model computes, free of ONNX: operations on feature maps of 8-bit codes,
//! and what the host does at the two ends.
//!
//! ```text
//!  host: quantise ─► map ─► operation ─► map ─► … ─► map ─► host: dequantise, ...
//!                              ▲ reads one map or several, writes one of its own
//! ```
//!
//! Codes are **stored** as the accelerator stores them, unsigned: an int8 code `q`
//! as `q + 128`, a uint8 code as itself.
//!
//! A **feature map** is `height` × `width` pixels of `channels` codes for each sample,
//! channels-last: element `(y, x, c)` has index `(y * width + x) * channels + c`.
//! A vector is a map of one pixel, a matrix one of a single row of pixels.

use crate::functions::Function;
use crate::graph::Batch;
use crate::pairs::PairOperator;
use crate::table::Table;
use quern_isa::{HostMap, HostWindow, HostWork};
use std::collections::BTreeSet;
use std::rc::Rc;

#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub input: InputEdge,
    /// The feature maps; a [`MapId`] is a place in this list.
    pub maps: Vec<Map>,
    /// In topological order. Each map but the input's is written by exactly one.
    pub operations: Vec<Operation>,
    pub output: OutputEdge,
    /// What a reader of the results should know: where ONNX Runtime itself
    /// computes in floating point and may differ.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub usize);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub name: String,
    pub shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Shape {
    /// Elements of one sample.
    pub fn elements(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// In host memory from some byte on, a pixel every `row_bytes`.
    pub fn on_host(&self, offset: u32, row_bytes: usize) -> HostMap {
        HostMap {
            offset,
            height: self.height as u32,
            width: self.width as u32,
            channels: self.channels as u32,
            row_bytes: row_bytes as u32,
        }
    }
}

/// One step: reads maps, writes the map `output`.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Of the node it is made of, or of the first of several.
    pub name: String,
    pub kind: Kind,
    pub output: MapId,
    /// What becomes of each value the kind computes.
    pub finish: Finish,
}

/// After rounding and zero point: clamp to bounds, then the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Bounds of the code, as stored.
    pub low: u8,
    pub high: u8,
    /// Applied after the bounds.
    pub table: Option<Table>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Every product of activations and weights: convolutions of any number of groups,
    /// depthwise ones among them, and dense layers.
    Convolution(Convolution),
    /// The largest stored code of a window; elements outside the map don't count.
    MaxPool { input: MapId, window: Window },
    /// The sum of a window, requantised; elements outside the map don't count.
    AveragePool(AveragePool),
    /// `round_half_even((tables[0][a] + tables[1][b]) * 2^-fraction_bits) +
    /// output_zero_point`, of maps of one shape. The inputs' zero points are in the
    /// tables, the output's only where it is added before rounding.
    Add {
        inputs: [MapId; 2],
        tables: Rc<[[i32; 256]; 2]>,
        fraction_bits: u32,
        /// As stored; mostly 0.
        output_zero_point: u8,
    },
    /// `requantise((a - zero_points[0]) * (b - zero_points[1]))`, of maps of one shape.
    Multiply {
        inputs: [MapId; 2],
        /// As stored.
        zero_points: [u8; 2],
        scale: f32,
        /// As stored.
        output_zero_point: u8,
        /// Ties go to the even code instead of the even product: the zero point is added
        /// before rounding.
        even_code: bool,
    },
    /// The input's code itself, for what `finish` does to it.
    Elementwise { input: MapId },
    /// The input's code through a table of its channel, before `finish`.
    ChannelTables { input: MapId, tables: Vec<Table> },
    /// Codes moved about: element `i` of the output is `sources[i]`.
    Rearrange {
        inputs: Vec<MapId>,
        sources: Rc<[Source]>,
    },
    /// What the host computes between two pieces of the program.
    Host {
        inputs: Vec<MapId>,
        work: Rc<HostWork>,
        /// Why it is not the accelerator.
        reason: String,
    },
    /// The same codes in every run.
    Constant { codes: Rc<[u8]> },
}

/// Where [`Kind::Rearrange`] takes an element from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Element `element` of `inputs[input]`.
    Element { input: u16, element: u32 },
    /// A stored code.
    Code(u8),
}

/// Where the kernel of a convolution or pool stands: output pixel `(y, x)` and tap
/// `(i, j)` meet at input pixel `(y * stride[0] + i * dilation[0] - padding[0],
/// x * stride[1] + j * dilation[1] - padding[1])`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Pixels before the first row and column. What follows after the last is given by
    /// the shapes.
    pub padding: [usize; 2],
}

impl Window {
    /// The numbers of elements inside the input that the windows of the outputs have.
    pub fn counts(&self, input: Shape, output: Shape) -> Vec<usize> {
        let of = |axis: usize, size: usize, outputs: usize| -> BTreeSet<usize> {
            let inside = |output: usize| {
                let start = (output * self.stride[axis]) as i64 - self.padding[axis] as i64;
                let place = |tap: &usize| start + (tap * self.dilation[axis]) as i64;
                let taps = 0..self.kernel[axis];
                taps.filter(|tap| (0..size as i64).contains(&place(tap)))
                    .count()
            };
            (0..outputs).map(inside).collect()
        };
        let rows = of(0, input.height, output.height);
        let columns = of(1, input.width, output.width);
        let counts: BTreeSet<usize> = rows
            .iter()
            .flat_map(|rows| columns.iter().map(move |columns| rows * columns))
            .collect();
        counts.into_iter().collect()
    }

    /// As the host's work has it.
    pub fn on_host(&self) -> HostWindow {
        let pair = |sizes: [usize; 2]| sizes.map(|size| size as u32);
        HostWindow {
            kernel: pair(self.kernel),
            stride: pair(self.stride),
            dilation: pair(self.dilation),
            padding: pair(self.padding),
        }
    }

    /// A single tap.
    pub const POINT: Window = Window {
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [0, 0],
    };
}

/// `requantise(bias[m] + sum of (code - input_zero_point) * weight, scales[m])`, with sums that
/// wrap at 32 bits; elements outside the map count as zero points.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    pub input: MapId,
    pub window: Window,
    /// Input and output channels are divided into as many groups; outputs see the
    /// inputs of their own group.
    pub groups: usize,
    /// `[output channel][tap row][tap column][input channel of the group]`, signed,
    /// zero point 0.
    pub weights: Rc<[i8]>,
    /// The model's bias, in units of `input scale * weight scale`, per output channel.
    pub bias: Vec<i32>,
    /// Multiplier per output channel: `f32(f32(input scale * weight scale) / output scale)`.
    pub scales: Vec<f32>,
    /// As stored.
    pub input_zero_point: u8,
    /// As stored, per output channel.
    pub output_zero_points: Vec<u8>,
    /// Sums may leave the accumulators: the runtime's do likewise, or what reads the codes knows
    /// where they have.
    pub wraps: bool,
}

impl Convolution {
    /// The weights of an output channel.
    pub fn of_channel(&self, channel: usize) -> &[i8] {
        let size = self.weights.len() / self.bias.len();
        &self.weights[channel * size..][..size]
    }
}

/// Lowest and highest sum of weights times numbers of a range, each any of them.
pub fn products(weights: impl Iterator<Item = i64>, (lowest, highest): (i64, i64)) -> (i64, i64) {
    weights.fold((0, 0), |(low, high), weight| {
        let (a, b) = (weight * lowest, weight * highest);
        (low + a.min(b), high + a.max(b))
    })
}

/// `requantise(sum of (code - input_zero_point), scales[n])` with `n` the number of
/// elements of the window that are inside the map.
#[derive(Debug, Clone, PartialEq)]
pub struct AveragePool {
    pub input: MapId,
    pub window: Window,
    /// One for each number of elements, 0 to the kernel's size; 1.0 where that number
    /// does not occur.
    pub scales: Vec<f32>,
    /// As stored.
    pub input_zero_point: u8,
    /// As stored.
    pub output_zero_point: u8,
    /// Ties go to the even code instead of the even mean: the zero point is added
    /// before rounding.
    pub even_code: bool,
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

#[derive(Debug, Clone, PartialEq)]
pub struct InputEdge {
    pub name: String,
    pub batch: Batch,
    /// Dimensions after the batch axis.
    pub sample: Vec<usize>,
    pub kind: InputKind,
    pub map: MapId,
    /// The map's element for each of the sample's elements.
    pub elements: Rc<[u32]>,
    /// What the host does to real numbers before it quantises them.
    pub preparation: Preparation,
}

impl InputEdge {
    /// The stored code of a real number: element `index` of a sample.
    pub fn code(&self, quantiser: &Quantiser, index: usize, x: f32) -> u8 {
        quantiser.quantise(self.preparation.apply(index, x))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InputKind {
    /// Real numbers, quantised by the host.
    Real(Quantiser),
    Codes(CodeType),
}

/// Functions of each element of a sample, in f32.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preparation {
    /// In order; several lists where channels have constants of their own.
    pub lists: Vec<Rc<[RealFunction]>>,
    /// Which list each of the sample's elements has.
    pub list_of: Vec<u16>,
}

impl Preparation {
    pub fn apply(&self, index: usize, x: f32) -> f32 {
        match self.list_of.get(index) {
            None => x,
            Some(&list) => self.lists[list as usize]
                .iter()
                .fold(x, |x, function| function.apply(x)),
        }
    }
}

/// A function of one real number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RealFunction {
    Unary(Function),
    /// A constant as second operand, or as first.
    Pair {
        operator: PairOperator,
        constant: f32,
        constant_first: bool,
    },
}

impl RealFunction {
    pub fn apply(self, x: f32) -> f32 {
        match self {
            RealFunction::Unary(function) => function.apply(x),
            RealFunction::Pair {
                operator,
                constant,
                constant_first: false,
            } => operator.apply(x, constant),
            RealFunction::Pair {
                operator, constant, ..
            } => operator.apply(constant, x),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct OutputEdge {
    /// Dimensions after the batch axis, before `functions`.
    pub sample: Vec<usize>,
    pub kind: OutputKind,
    pub map: MapId,
    /// The map's element for each of the sample's elements.
    pub elements: Rc<[u32]>,
    /// What the host computes of the output, in order.
    pub functions: Vec<HostFunction>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum OutputKind {
    /// The real number of each stored code.
    Real(Box<[f32; 256]>),
    Codes(CodeType),
}

/// A node at the end of the model that the host computes. Axes count the batch axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFunction {
    Softmax { axis: usize },
    ArgMax { axis: usize, keep: bool, last: bool },
}

impl OutputKind {
    /// Dequantises, as the host does.
    pub fn real(quantiser: &Quantiser) -> OutputKind {
        let value = |stored: usize| quantiser.dequantise(stored as u8);
        OutputKind::Real(Box::new(std::array::from_fn(value)))
    }
}

impl Default for Finish {
    /// The code as it is.
    fn default() -> Self {
        Finish {
            low: 0,
            high: 255,
            table: None,
        }
    }
}

impl Finish {
    /// Lowest and highest stored code that can come out.
    pub fn range(&self) -> (u8, u8) {
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

    /// Appends what another operation would do to the codes.
    pub fn append(&mut self, next: &Finish) {
        self.then(&Table::from_fn(|code| next.apply(code)));
    }

    pub fn apply(&self, code: u8) -> u8 {
        let code = code.max(self.low).min(self.high);
        match &self.table {
            None => code,
            Some(table) => table.0[code as usize],
        }
    }
}

impl Kind {
    /// The maps it reads.
    pub fn inputs(&self) -> Vec<MapId> {
        match self {
            Kind::Convolution(Convolution { input, .. })
            | Kind::AveragePool(AveragePool { input, .. })
            | Kind::MaxPool { input, .. }
            | Kind::Elementwise { input }
            | Kind::ChannelTables { input, .. } => vec![*input],
            Kind::Add { inputs, .. } | Kind::Multiply { inputs, .. } => inputs.to_vec(),
            Kind::Rearrange { inputs, .. } | Kind::Host { inputs, .. } => inputs.clone(),
            Kind::Constant { .. } => vec![],
        }
    }

    pub fn inputs_mut(&mut self) -> Vec<&mut MapId> {
        match self {
            Kind::Convolution(Convolution { input, .. })
            | Kind::AveragePool(AveragePool { input, .. })
            | Kind::MaxPool { input, .. }
            | Kind::Elementwise { input }
            | Kind::ChannelTables { input, .. } => vec![input],
            Kind::Add { inputs, .. } | Kind::Multiply { inputs, .. } => inputs.iter_mut().collect(),
            Kind::Rearrange { inputs, .. } | Kind::Host { inputs, .. } => {
                inputs.iter_mut().collect()
            }
            Kind::Constant { .. } => vec![],
        }
    }

    /// For reports and listings.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Convolution(_) => "convolution",
            Kind::MaxPool { .. } => "max pool",
            Kind::AveragePool(_) => "average pool",
            Kind::Add { .. } => "add",
            Kind::Multiply { .. } => "multiply",
            Kind::Elementwise { .. } => "elementwise",
            Kind::ChannelTables { .. } => "channel tables",
            Kind::Rearrange { .. } => "rearrange",
            Kind::Host { work, .. } => work.name(),
            Kind::Constant { .. } => "constant",
        }
    }
}
