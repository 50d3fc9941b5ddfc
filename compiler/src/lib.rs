//! Quern's compiler: a quantised ONNX model in, a program for the accelerator out.
//!
//! ```text
//!  model.onnx ─import─► Graph ─fold─► Graph ─fuse─► Network ─tile─► Plan ─emit─► Program
//!                                                      └─prove─► biases, scales ──┘
//!  host:  input ─quantise─► host memory ─► machine ─► host memory ─dequantise─► output
//! ```
//!
//! # What it compiles
//! Chains of dense layers in QDQ form (QuantizeLinear and DequantizeLinear around
//! every layer), operator set 13 or newer, with one input and one output, activations
//! in int8 or uint8, and a batch axis in front that may be symbolic.
//!
//! | operator | as |
//! |---|---|
//! | QuantizeLinear, DequantizeLinear | per tensor on activations; per tensor or per channel on weights and biases |
//! | MatMul | activations of rank 2 and more times a constant matrix |
//! | Gemm | transA = 0, alpha = beta = 1, transB 0 or 1, bias |
//! | Add | of a bias straight after MatMul |
//! | Relu, Clip | between a dense layer and its QuantizeLinear: bounds of the code |
//! | Relu, Clip, LeakyRelu, Sigmoid, Tanh, HardSigmoid, HardSwish, Elu, Gelu, Abs, Neg, Sqrt, Exp, Softplus, Erf | between DequantizeLinear and QuantizeLinear, several in a row: the 256-entry table |
//! | Flatten, Reshape, Squeeze, Unsqueeze, Identity, Dropout | regrouping that leaves the batch axis in front |
//! | Constant, Transpose, QuantizeLinear, Reshape, ... of constants | computed at compile time |
//!
//! Weights are int8 or uint8; a zero point other than 0 is subtracted where the
//! difference fits int8. Biases are int32 with scale `input scale * weight scale`, or
//! float32, which are quantised to that as ONNX Runtime does.
//!
//! Everything else is refused with [`CompileError::Model`], which lists all offending
//! nodes. Layers of any size compile for every configuration: what does not fit is
//! cut into tiles and streamed.
//!
//! # What it promises
//! Codes are those of ONNX Runtime's integer kernels (`QGemm`, `QLinearMatMul`) and of
//! its float kernels for functions of one element. Where the runtime itself leaves its
//! integer kernels, [`Report::notes`] says so. No sum leaves the accumulators: this is
//! proven for the model's weights, or the layer is refused.

mod array;
mod diagnostic;
mod edge;
mod functions;
mod graph;
mod listing;
mod network;
pub mod onnx;
mod operators;
mod passes;
mod report;
mod table;

pub use array::{Array, Values};
pub use diagnostic::{CompileError, Problem};
pub use edge::InputError;
pub use report::{LayerReport, Report, Totals};

use edge::Layout;
use miette::Diagnostic;
use network::{InputEdge, Layer, OutputEdge};
use quern_isa::{Config, Machine, MachineError, Program, Run};
use std::ops::Range;
use thiserror::Error;

/// Most samples of one run.
const MAX_BATCH: usize = 1 << 16;

/// Choices of the one who compiles.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Samples in one run of the program. By default the largest number up to 16
    /// that keeps the whole network on chip, or 1.
    pub batch: Option<usize>,
    /// What to call the model; by default the name of its graph.
    pub name: Option<String>,
}

/// A model compiled for one configuration.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub program: Program,
    pub report: Report,
    input: InputEdge,
    output: OutputEdge,
    input_layout: Layout,
    output_layout: Layout,
}

/// Why a compiled model gave no output.
#[derive(Debug, Error, Diagnostic)]
pub enum RunError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// Compiles an ONNX model.
pub fn compile(model: &[u8], config: &Config, options: &Options) -> Result<Compiled, CompileError> {
    assert_eq!(
        config.lanes % config.stream_bytes,
        0,
        "host memory holds activation words without padding"
    );
    let mut graph = passes::import::import(model)?;
    passes::fold::fold(&mut graph);
    let network = passes::fuse::fuse(&graph).map_err(CompileError::Model)?;
    if let Some(batch) = options
        .batch
        .filter(|batch| !(1..=MAX_BATCH).contains(batch))
    {
        let reason =
            format!("a batch of {batch} samples was asked for; it must be 1 to {MAX_BATCH}");
        let problem = Problem::tensor(&network.input.name, reason);
        return Err(CompileError::Model(vec![problem]));
    }
    let parameters = passes::prove::prove(&network, config).map_err(CompileError::Model)?;
    let plan = passes::tile::tile(&network, config, options.batch).map_err(CompileError::Model)?;
    let emitted = passes::emit::emit(&network, config, &plan, &parameters);
    let name = options.name.as_deref().unwrap_or(&graph.name);
    let report = report::report(
        name,
        &network,
        config,
        &plan,
        &emitted.program,
        &emitted.layers,
    );
    let layouts = layouts(&network.layers, &emitted.program);
    Ok(Compiled {
        program: emitted.program,
        report,
        input: network.input,
        output: network.output,
        input_layout: layouts.0,
        output_layout: layouts.1,
    })
}

/// Layouts of input and output: rows as the first dense layer reads them and as the
/// last layer writes them.
fn layouts(layers: &[Layer], program: &Program) -> (Layout, Layout) {
    let is_dense = |layer: &&Layer| matches!(layer.kind, network::LayerKind::Dense(_));
    let first = layers.iter().find(is_dense).unwrap_or(&layers[0]);
    let last = &layers[layers.len() - 1];
    let input = Layout {
        region: program.input,
        channels: first.inputs,
    };
    let output = Layout {
        region: program.output,
        channels: last.outputs,
    };
    (input, output)
}

impl Compiled {
    /// Samples in one run of the program.
    pub fn batch(&self) -> usize {
        self.program.input.samples as usize
    }

    /// Number of samples of an array that fits the model's input.
    pub fn check_input(&self, input: &Array) -> Result<usize, InputError> {
        edge::check(&self.input, input)
    }

    /// Host memory for a run on some samples of `input`, at most
    /// [`batch`](Self::batch) of them; what is missing to a whole batch is zeros.
    ///
    /// # Panics
    /// When there are more samples than that, or they are outside the array.
    pub fn quantise_input(
        &self,
        input: &Array,
        samples: Range<usize>,
    ) -> Result<Vec<u8>, InputError> {
        let available = self.check_input(input)?;
        assert!(
            samples.len() <= self.batch() && samples.end <= available,
            "samples {samples:?} of {available} in a batch of {}",
            self.batch()
        );
        let mut host = vec![0; self.program.host_bytes as usize];
        edge::write(
            &self.input,
            &self.input_layout,
            &self.program.config,
            input,
            samples,
            &mut host,
        );
        Ok(host)
    }

    /// The model's output for the first samples of a run, in the type and shape in
    /// which ONNX Runtime returns it.
    pub fn dequantise_output(&self, host: &[u8], samples: usize) -> Array {
        edge::read(
            &self.output,
            &self.output_layout,
            &self.program.config,
            host,
            samples,
        )
    }

    /// Runs all samples of an array, batch by batch; `after` sees each run and how
    /// many samples are done.
    pub fn run(
        &self,
        machine: &mut dyn Machine,
        input: &Array,
        mut after: impl FnMut(&Run, usize),
    ) -> Result<Array, RunError> {
        let samples = self.check_input(input)?;
        let mut output: Option<Array> = None;
        for start in (0..samples).step_by(self.batch()) {
            let end = samples.min(start + self.batch());
            let mut host = self.quantise_input(input, start..end)?;
            let run = machine.run(&self.program, &mut host)?;
            after(&run, end);
            let part = self.dequantise_output(&host, end - start);
            match &mut output {
                None => output = Some(part),
                Some(output) => output.append(part),
            }
        }
        output.ok_or(RunError::Input(InputError::Empty))
    }

    /// The program in readable form.
    pub fn listing(&self) -> String {
        listing::listing(&self.program, &self.report)
    }
}
