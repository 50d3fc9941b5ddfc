//! The model as the compiler's passes see it: nodes in topological order, constants
//! decoded and checked, one input and one output.

use crate::diagnostic::Problem;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

#[derive(Debug, Clone)]
pub struct Graph {
    pub name: String,
    /// Version of the operator set.
    pub opset: i64,
    /// In topological order.
    pub nodes: Vec<Node>,
    pub constants: HashMap<String, Rc<Tensor>>,
    pub input: Input,
    pub output: String,
}

/// The tensor the host feeds.
#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    /// One of `onnx::data_type`.
    pub data_type: i32,
    pub batch: Batch,
    /// Dimensions after the batch axis.
    pub sample: Vec<usize>,
}

/// The leading dimension of every activation tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// Symbolic in the model: any number of samples.
    Any,
    Fixed(usize),
}

#[derive(Debug, Clone)]
pub struct Node {
    /// The node's name, or its first output's when it has none.
    pub name: String,
    pub operator: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: BTreeMap<String, Attribute>,
}

#[derive(Debug, Clone)]
pub enum Attribute {
    Float(f32),
    Int(i64),
    String(String),
    Tensor(Rc<Tensor>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// A kind that no supported operator has.
    Other,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    F32(Vec<f32>),
    /// Shared: this is the type of weights, which are most of a model.
    I8(Rc<[i8]>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    /// A type that no supported operator takes, by name.
    Other(String),
}

impl Data {
    pub fn type_name(&self) -> &str {
        match self {
            Data::F32(_) => "float32",
            Data::I8(_) => "int8",
            Data::U8(_) => "uint8",
            Data::I32(_) => "int32",
            Data::I64(_) => "int64",
            Data::Other(name) => name,
        }
    }
}

impl Node {
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem {
            name: self.name.clone(),
            operator: Some(self.operator.clone()),
            reason: reason.into(),
        }
    }

    /// Name of an input; `None` when it is left out.
    pub fn input(&self, index: usize) -> Option<&str> {
        let name = self.inputs.get(index)?;
        (!name.is_empty()).then_some(name)
    }

    pub fn float(&self, name: &str, default: f32) -> Result<f32, String> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(_) => Err(format!("attribute `{name}` is not a float")),
        }
    }

    pub fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(_) => Err(format!("attribute `{name}` is not an integer")),
        }
    }

    pub fn string<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, String> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::String(value)) => Ok(value),
            Some(_) => Err(format!("attribute `{name}` is not a string")),
        }
    }

    pub fn ints(&self, name: &str) -> Result<Option<&[i64]>, String> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(format!("attribute `{name}` is not a list of integers")),
        }
    }
}

/// An axis counted from the front, from one that may count from the back.
pub fn normalise_axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_front = if axis < 0 {
        axis.saturating_add(rank as i64)
    } else {
        axis
    };
    match usize::try_from(from_front) {
        Ok(index) if index < rank => Ok(index),
        _ => Err(format!("axis {axis} is outside a tensor of rank {rank}")),
    }
}
