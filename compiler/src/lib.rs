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
mod builder;
mod diagnostic;
mod evaluate;
mod functions;
mod graph;
mod host;
pub mod network;
pub mod onnx;
mod operators;
mod pairs;
mod passes;
mod table;
mod view;

pub use array::{Array, Values};
pub use diagnostic::{CompileError, Problem};
pub use network::Network;

/// The front end: an ONNX model as operations on feature maps.
pub fn network_of(model: &[u8]) -> Result<Network, CompileError> {
    let mut graph = passes::import::import(model)?;
    passes::fold::fold(&mut graph);
    passes::merge::merge(&mut graph);
    let mut network = passes::lower::lower(&graph).map_err(CompileError::Model)?;
    passes::join::join(&mut network);
    passes::place::place(&mut network);
    passes::prune::prune(&mut network);
    Ok(network)
}
