//! Functions of one element.

use super::{float_scalar, Activation, Context, State, Value};
use crate::functions::Function;
use crate::graph::Node;

pub fn is_unary(operator: &str) -> bool {
    matches!(
        operator,
        "Relu"
            | "Clip"
            | "LeakyRelu"
            | "Sigmoid"
            | "Tanh"
            | "HardSigmoid"
            | "HardSwish"
            | "Elu"
            | "Gelu"
            | "Abs"
            | "Neg"
            | "Sqrt"
            | "Exp"
            | "Softplus"
            | "Erf"
    )
}

pub fn evaluate(context: &mut Context, node: &Node) -> Result<Value, String> {
    let function = function(context, node)?;
    let Activation { sample, state } = context.activation(node, 0)?.clone();
    let state = match state {
        State::Real {
            quantiser,
            mut functions,
        } => {
            functions.push(function);
            State::Real {
                quantiser,
                functions,
            }
        }
        // Clamping commutes with requantisation: it becomes bounds of the code.
        State::Sums(sums) if matches!(function, Function::Relu | Function::Clip { .. }) => {
            State::Sums(sums.clamped(function).into())
        }
        State::Sums(sums) => {
            return Err(format!(
                "it follows `{}` in floating point; the accelerator applies functions to 8-bit codes: put QuantizeLinear and DequantizeLinear between them",
                sums.name
            ))
        }
        State::Codes(_) => {
            return Err("its input is integers; put DequantizeLinear before it".to_string())
        }
        State::Input => {
            return Err(
                "it is applied to the model's input before quantisation; put QuantizeLinear and DequantizeLinear before it"
                    .to_string(),
            )
        }
    };
    Ok(Value::Activation(Activation { sample, state }))
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

fn finite(node: &Node, name: &str, default: f32) -> Result<f32, String> {
    match node.float(name, default)? {
        value if value.is_finite() => Ok(value),
        value => Err(format!("attribute `{name}` is {value}")),
    }
}
