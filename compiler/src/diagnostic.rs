//! What is wrong with a model, all of it at once.

use miette::Diagnostic;
use std::fmt;
use thiserror::Error;

/// One thing that keeps a model from being compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the node (or of its first output when it has none), or of the
    /// tensor when no node is to blame.
    pub name: String,
    /// Operator of the node; `None` for tensors.
    pub operator: Option<String>,
    /// The reason and the way out.
    pub reason: String,
}

impl Problem {
    pub fn tensor(name: &str, reason: impl Into<String>) -> Problem {
        Problem {
            name: name.to_string(),
            operator: None,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.operator {
            Some(operator) => write!(f, "`{}` ({operator}): {}", self.name, self.reason),
            None => write!(f, "`{}`: {}", self.name, self.reason),
        }
    }
}

/// Why there is no program.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum CompileError {
    /// The bytes are no ONNX model.
    #[error("this is not a readable ONNX model: {0}")]
    #[diagnostic(
        code(quern::compile::file),
        help("the file may be cut short, damaged or of another format")
    )]
    File(String),

    /// The model is readable, and these parts of it can't be compiled.
    #[error("{}", list(.0))]
    #[diagnostic(
        code(quern::compile::model),
        help("quern compiles networks of 8-bit tensors, as onnxruntime's quantize_static writes them with QuantFormat.QDQ or QOperator; docs/operators.md lists the operators and their limits")
    )]
    Model(Vec<Problem>),
}

impl CompileError {
    pub fn problems(&self) -> &[Problem] {
        match self {
            CompileError::File(_) => &[],
            CompileError::Model(problems) => problems,
        }
    }
}

fn list(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "the model cannot be compiled:".to_string(),
        n => format!("the model cannot be compiled, for {n} reasons:"),
    };
    for problem in problems {
        text += &format!("\n  {problem}");
    }
    text
}
