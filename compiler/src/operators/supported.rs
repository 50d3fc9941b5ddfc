//! The operators the compiler knows: the one table from which both their rules and
//! `docs/operators.md` come.

use super::{
    arithmetic, convolution, dense, host, movement, pool, qlinear, quantise, shapes, unary,
};
use super::{Context, Value};
use crate::graph::Node;

/// One operator.
pub struct Operator {
    /// With its domain in front where that is not the default one.
    pub name: &'static str,
    /// What it makes of its inputs.
    pub(super) rule: Rule,
    /// Attributes and limits.
    pub limits: &'static str,
    /// What it becomes in a [`Network`](crate::Network).
    pub becomes: &'static str,
}

type Rule = fn(&mut Context, &Node) -> Result<Value, String>;

pub fn supported(name: &str) -> Option<&'static Operator> {
    SUPPORTED.iter().find(|operator| operator.name == name)
}

const fn row(
    name: &'static str,
    rule: Rule,
    limits: &'static str,
    becomes: &'static str,
) -> Operator {
    Operator {
        name,
        rule,
        limits,
        becomes,
    }
}

const TABLE: &str = "table of 256 codes, per channel where constants differ";
const TABLE_OR_HOST: &str =
    "table of 256 codes, per channel where constants differ; of two tensors the host";
const VIEW: &str =
    "another view of the same map; codes are moved once, where an operation wants them otherwise";
const CONVOLUTION: &str = "`Convolution`";

/// In the order of the document.
pub const SUPPORTED: &[Operator] = &[
    row(
        "QuantizeLinear",
        quantise::quantise,
        "activations per tensor, constants per tensor or per axis; int8 and uint8",
        "the end of an operation or a table; of the model's input, the host",
    ),
    row(
        "DequantizeLinear",
        quantise::dequantise,
        "activations per tensor, constants per tensor or per axis; no blocks",
        "what a code stands for; at the model's end, the host",
    ),
    row(
        "Conv",
        convolution::conv,
        "1-D and 2-D; kernel, strides, dilations, pads, auto_pad, group; constant weights, int8 or uint8 of any zero point (where weights less their zero point do not fit int8 the input is read twice); bias int32 at scale input times weight, or float32",
        CONVOLUTION,
    ),
    row(
        "MatMul",
        dense::matmul,
        "an activation of rank 2 and more times a constant matrix",
        "`Convolution` of one tap, or of as many as a flattened map has pixels",
    ),
    row(
        "Gemm",
        dense::gemm,
        "transA = 0, alpha = beta = 1, transB 0 or 1, bias",
        "as MatMul",
    ),
    row("Add", arithmetic::evaluate, PAIR, "`Add` of two tensors, a bias, or a table; the host where no tables add up to it"),
    row("Sub", arithmetic::evaluate, PAIR, "`Add` of two tensors, or a table; the host where no tables add up to it"),
    row("Mul", arithmetic::evaluate, PAIR, "`Multiply` of two tensors, or a table; the host where no product of integers equals it"),
    row("Div", arithmetic::evaluate, PAIR, TABLE_OR_HOST),
    row("Pow", arithmetic::evaluate, ONE, TABLE),
    row("Min", arithmetic::evaluate, PAIR, TABLE_OR_HOST),
    row("Max", arithmetic::evaluate, PAIR, TABLE_OR_HOST),
    row("PRelu", arithmetic::evaluate, PAIR, TABLE_OR_HOST),
    row(
        "BatchNormalization",
        arithmetic::normalise,
        "for inference, behind DequantizeLinear; behind Conv fold it into the weights",
        TABLE,
    ),
    row("MaxPool", pool::max, "as Conv, ceil_mode; 1-D and 2-D; one output", "`MaxPool`"),
    row("GlobalMaxPool", pool::max, "1-D and 2-D", "`MaxPool` of the whole map"),
    row(
        "AveragePool",
        pool::average,
        "as Conv, ceil_mode, count_include_pad; 1-D and 2-D",
        "`AveragePool`; the host where the order of float additions counts",
    ),
    row("GlobalAveragePool", pool::global_average, "1-D and 2-D", "`AveragePool` of the whole map"),
    row(
        "ReduceMean",
        pool::reduce_mean,
        "all axes but the batch and one; axes as attribute or constant input",
        "`AveragePool` of the whole map",
    ),
    row(
        "ReduceMax",
        pool::reduce_max,
        "as ReduceMean",
        "`MaxPool` of the whole map",
    ),
    row("Relu", unary::evaluate, "", "bounds of the code, or the table"),
    row("Clip", unary::evaluate, "constant bounds", "bounds of the code, or the table"),
    row("LeakyRelu", unary::evaluate, ELEMENTWISE, TABLE),
    row("Sigmoid", unary::evaluate, ELEMENTWISE, TABLE),
    row("Tanh", unary::evaluate, ELEMENTWISE, TABLE),
    row("HardSigmoid", unary::evaluate, ELEMENTWISE, TABLE),
    row("HardSwish", unary::evaluate, ELEMENTWISE, TABLE),
    row("Elu", unary::evaluate, ELEMENTWISE, TABLE),
    row("Gelu", unary::evaluate, ELEMENTWISE, TABLE),
    row("Abs", unary::evaluate, ELEMENTWISE, TABLE),
    row("Neg", unary::evaluate, ELEMENTWISE, TABLE),
    row("Sqrt", unary::evaluate, ELEMENTWISE, TABLE),
    row("Exp", unary::evaluate, ELEMENTWISE, TABLE),
    row("Softplus", unary::evaluate, ELEMENTWISE, TABLE),
    row("Erf", unary::evaluate, ELEMENTWISE, TABLE),
    row("Selu", unary::evaluate, ELEMENTWISE, TABLE),
    row("Celu", unary::evaluate, ELEMENTWISE, TABLE),
    row("Softsign", unary::evaluate, ELEMENTWISE, TABLE),
    row("ThresholdedRelu", unary::evaluate, ELEMENTWISE, TABLE),
    row("Mish", unary::evaluate, ELEMENTWISE, TABLE),
    row("Reciprocal", unary::evaluate, ELEMENTWISE, TABLE),
    row("Floor", unary::evaluate, ELEMENTWISE, TABLE),
    row("Ceil", unary::evaluate, ELEMENTWISE, TABLE),
    row("Round", unary::evaluate, ELEMENTWISE, TABLE),
    row("Sign", unary::evaluate, ELEMENTWISE, TABLE),
    row("Log", unary::evaluate, ELEMENTWISE, TABLE),
    row("Identity", movement::evaluate, "", VIEW),
    row("Dropout", movement::evaluate, "no training mode", VIEW),
    row("Cast", movement::evaluate, "of shapes, or float32 to float32", VIEW),
    row("Reshape", movement::evaluate, BATCH_STAYS, VIEW),
    row("Flatten", movement::evaluate, BATCH_STAYS, VIEW),
    row("Squeeze", movement::evaluate, "axes named; the batch stays", VIEW),
    row("Unsqueeze", movement::evaluate, BATCH_STAYS, VIEW),
    row("Transpose", movement::evaluate, BATCH_STAYS, VIEW),
    row("Slice", movement::evaluate, "constant, not of the batch", VIEW),
    row("Gather", movement::evaluate, "constant scalar or vector of indices, not of the batch", VIEW),
    row("Expand", movement::evaluate, BATCH_STAYS, VIEW),
    row("Resize", movement::evaluate, "nearest; scales or sizes for all axes", VIEW),
    row("DepthToSpace", movement::evaluate, "DCR and CRD", VIEW),
    row("SpaceToDepth", movement::evaluate, "", VIEW),
    row("Pad", movement::pad, "constant, reflect, edge, wrap; not of the batch", VIEW),
    row("Split", movement::split, "not of the batch", VIEW),
    row("Concat", movement::concat, "not of the batch; tensors computed from the input", VIEW),
    row("Shape", shapes::shape, "", "integers known to the compiler, but for the batch"),
    row(
        "Softmax",
        host::softmax,
        "between quantisers of the last axis or of the channels; at the end any axis but the batch's",
        "`Softmax`, or the host at the end",
    ),
    row("ArgMax", host::argmax, "at the end; any axis but the batch's", "the host"),
    row("QLinearConv", qlinear::conv, "as Conv", CONVOLUTION),
    row("QLinearMatMul", qlinear::matmul, "as MatMul", "as MatMul"),
    row("com.microsoft.QGemm", qlinear::gemm, "as Gemm", "as MatMul"),
    row("com.microsoft.QLinearAdd", qlinear::arithmetic, PAIR, "`Add`, or a table"),
    row("com.microsoft.QLinearMul", qlinear::arithmetic, PAIR, "`Multiply`, or a table"),
    row("com.microsoft.QLinearSigmoid", qlinear::unary, "", TABLE),
    row("com.microsoft.QLinearLeakyRelu", qlinear::unary, "", TABLE),
    row(
        "com.microsoft.QLinearAveragePool",
        qlinear::average,
        "as AveragePool; channels_last = 0",
        "`AveragePool`; the host where the order of float additions counts",
    ),
    row(
        "com.microsoft.QLinearGlobalAveragePool",
        qlinear::average,
        "as GlobalAveragePool; channels_last = 0",
        "`AveragePool` of the whole map",
    ),
    row("com.microsoft.QLinearConcat", qlinear::concat, "as Concat", "a table per input; as Concat"),
    row(
        "com.microsoft.QLinearSoftmax",
        qlinear::softmax,
        "of the last axis or of the channels",
        "`Softmax`",
    ),
];

const PAIR: &str = "two tensors, or a tensor and a constant, with broadcasting but of the batch; each operand has its own scale";
const ONE: &str = "a tensor and a constant, or functions of one tensor";
const ELEMENTWISE: &str = "between DequantizeLinear and QuantizeLinear, several in a row";
const BATCH_STAYS: &str = "the batch stays in front";
