//! The meaning of operators: what each makes of the values it reads. One file per
//! family.

pub mod dense;
pub mod quantise;
pub mod shape;
pub mod unary;

use crate::functions::Function;
use crate::graph::{Batch, Data, Node, Tensor};
use crate::network::{CodeType, InputKind, Layer, Quantiser};
use crate::passes::import::check_sample;
use dense::Sums;
use std::collections::HashMap;
use std::rc::Rc;

/// What is known of a tensor.
#[derive(Debug, Clone)]
pub enum Value {
    /// It depends on a node that has been refused.
    Failed,
    Constant(Rc<Tensor>),
    Scaled(Rc<Scaled>),
    Activation(Activation),
}

/// A constant of integers behind DequantizeLinear: weights or a bias.
#[derive(Debug, Clone)]
pub struct Scaled {
    pub tensor: Rc<Tensor>,
    /// One, or one per index of `axis`; positive and finite.
    pub scales: Vec<f32>,
    /// As many as scales.
    pub zero_points: Vec<i32>,
    pub axis: Option<usize>,
}

/// A tensor with a batch axis, computed from the model's input.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Dimensions after the batch axis.
    pub sample: Vec<usize>,
    pub state: State,
}

/// How far an activation has come from integers to integers.
#[derive(Debug, Clone)]
pub enum State {
    /// The model's real input, not yet quantised.
    Input,
    Codes(CodeType),
    /// Dequantised, then functions applied.
    Real {
        quantiser: Quantiser,
        functions: Vec<Function>,
    },
    /// Dense layer whose output is not yet quantised.
    Sums(Rc<Sums>),
}

/// What operators read and add to.
pub struct Context {
    pub batch: Batch,
    pub values: HashMap<String, Value>,
    pub input: Option<InputKind>,
    pub layers: Vec<Layer>,
    /// Weights of all layers so far.
    pub weights: usize,
    pub notes: Vec<String>,
}

/// Functions between two quantisers: more are no real network, and would make a
/// table cost more than its 256 entries are worth.
const MAX_FUNCTIONS: usize = 64;

/// The value of a node's first output. Inputs that failed give `Failed` without
/// another complaint.
pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    type Rule = fn(&mut Context, &Node) -> Result<Value, String>;
    let rule: Rule = match node.operator.as_str() {
        "QuantizeLinear" => quantise::quantise,
        "DequantizeLinear" => quantise::dequantise,
        "MatMul" => dense::matmul,
        "Gemm" => dense::gemm,
        "Add" => dense::add,
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Identity" | "Dropout" => shape::evaluate,
        operator if unary::is_unary(operator) => unary::evaluate,
        _ => return Err("the operator is not supported".to_string()),
    };
    let failed = |name: &String| matches!(context.values.get(name), Some(Value::Failed));
    if node.inputs.iter().any(failed) {
        return Ok(Value::Failed);
    }
    let value = rule(context, node)?;
    if let Value::Activation(Activation { sample, state }) = &value {
        check_sample(sample)?;
        match state {
            State::Real { functions, .. } if functions.len() > MAX_FUNCTIONS => {
                return Err(format!(
                    "it is one of more than {MAX_FUNCTIONS} functions in a row"
                ))
            }
            _ => {}
        }
    }
    Ok(value)
}

impl Context {
    pub fn required(&self, node: &Node, index: usize) -> Result<&Value, String> {
        let name = node
            .input(index)
            .ok_or_else(|| format!("input {index} is missing"))?;
        self.values
            .get(name)
            .ok_or_else(|| format!("it reads `{name}`, which has no value"))
    }

    pub fn activation(&self, node: &Node, index: usize) -> Result<&Activation, String> {
        match self.required(node, index)? {
            Value::Activation(activation) => Ok(activation),
            _ => Err(format!(
                "input {index} must be computed from the model's input, and is a constant"
            )),
        }
    }

    /// A constant input; `None` when it is left out.
    pub fn constant(&self, node: &Node, index: usize) -> Result<Option<Rc<Tensor>>, String> {
        match node.input(index) {
            None => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(Value::Constant(tensor)) => Ok(Some(tensor.clone())),
                _ => Err(format!("input {index} (`{name}`) must be a constant")),
            },
        }
    }
}

/// The one element of a float constant.
pub fn float_scalar(tensor: &Tensor) -> Result<f32, String> {
    match &tensor.data {
        Data::F32(values) if values.len() == 1 => Ok(values[0]),
        data => Err(format!(
            "must be one float32, and is {} of shape {:?}",
            data.type_name(),
            tensor.shape
        )),
    }
}
