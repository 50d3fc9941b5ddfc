//! Functions of one element.

use super::{float_scalar, Context, Value};
use crate::functions::Function;
use crate::graph::Node;
use std::rc::Rc;

pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    let function = function(context, node)?;
    match context.required(node, 0)?.clone() {
        Value::Real(real) => {
            let real = real.then(&mut context.builder, function)?;
            Ok(Value::Real(real))
        }
        Value::Sums(view, sums) => {
            let sums = sums.then(function).ok_or_else(|| sums.follows())?;
            Ok(Value::Sums(view, Rc::new(sums)))
        }
        Value::Codes(_) => Err("its input is integers; put DequantizeLinear before it".to_string()),
        Value::Host(_) => Err("it follows a function that the host computes".to_string()),
        _ => Err("input 0 must be computed from the model's input, and is a constant".to_string()),
    }
}

fn function(context: &Context, node: &Node) -> Result<Function, String> {
    Ok(match node.operator.as_str() {
        "Relu" => Function::Relu,
        "Clip" => Function::Clip {
            low: bound(context, node, 1)?.unwrap_or(f32::MIN),
            high: bound(context, node, 2)?.unwrap_or(f32::MAX),
        },
        "LeakyRelu" => Function::LeakyRelu {
            alpha: finite(node, "alpha", 0.01)?,
        },
        "Sigmoid" => Function::Sigmoid,
        "Tanh" => Function::Tanh,
        "HardSigmoid" => Function::HardSigmoid {
            alpha: finite(node, "alpha", 0.2)?,
            beta: finite(node, "beta", 0.5)?,
        },
        "HardSwish" => Function::HardSwish,
        "Elu" => Function::Elu {
            alpha: finite(node, "alpha", 1.0)?,
        },
        "Gelu" => match node.string("approximate", "none")? {
            "none" => Function::Gelu,
            "tanh" => Function::GeluTanh,
            other => return Err(format!("unknown approximation `{other}`")),
        },
        "Abs" => Function::Abs,
        "Neg" => Function::Neg,
        "Sqrt" => Function::Sqrt,
        "Exp" => Function::Exp,
        "Softplus" => Function::Softplus,
        "Erf" => Function::Erf,
        "Selu" => Function::Selu {
            alpha: finite(node, "alpha", 1.673_263_2)?,
            gamma: finite(node, "gamma", 1.050_701)?,
        },
        "Celu" => Function::Celu {
            alpha: finite(node, "alpha", 1.0)?,
        },
        "Softsign" => Function::Softsign,
        "ThresholdedRelu" => Function::ThresholdedRelu {
            alpha: finite(node, "alpha", 1.0)?,
        },
        "Mish" => Function::Mish,
        "Reciprocal" => Function::Reciprocal,
        "Floor" => Function::Floor,
        "Ceil" => Function::Ceil,
        "Round" => Function::Round,
        "Sign" => Function::Sign,
        "Log" => Function::Log,
        other => return Err(format!("`{other}` is no function of one element")),
    })
}

fn bound(context: &Context, node: &Node, index: usize) -> Result<Option<f32>, String> {
    let Some(tensor) = context.constant(node, index)? else {
        return Ok(None);
    };
    match float_scalar(&tensor).map_err(|reason| format!("a bound {reason}"))? {
        bound if bound.is_nan() => Err("a bound is NaN".to_string()),
        bound => Ok(Some(bound)),
    }
}

pub fn finite(node: &Node, name: &str, default: f32) -> Result<f32, String> {
    match node.float(name, default)? {
        value if value.is_finite() => Ok(value),
        value => Err(format!("attribute `{name}` is {value}")),
    }
}
