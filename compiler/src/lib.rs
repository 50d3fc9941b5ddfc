//! Quern's compiler: a quantised ONNX model in, a program for the accelerator out.
//!
//! ```text
//!  model.onnx ─import─► Graph ─fold─► Graph ─fuse─► Network ─tile─► Plan ─emit─► Program
//!                                                      └─prove─► biases, scales ──┘
//!  host:  input ─quantise─► host memory ─► machine ─► host memory ─dequantise─► output
//! ```
//!
//! # What it compiles
//! Networks of int8 and uint8 tensors in QDQ form (QuantizeLinear and DequantizeLinear
//! around the operators) and in QOperator form (QLinearConv, ...), operator set 13 or
//! newer, with one input and one output and a batch axis in front that may be
//! symbolic. [`OPERATORS`] lists the operators, `docs/operators.md` says how each is
//! mapped.
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
pub use operators::supported::{Operator, SUPPORTED as OPERATORS};

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
