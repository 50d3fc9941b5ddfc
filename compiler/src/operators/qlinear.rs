//! Operators that take and give codes, with scales and zero points among their inputs
//! (QOperator form): dequantise, the same rules as of the plain operators, quantise.

use super::arithmetic::combine;
use super::convolution::convolve;
use super::dense;
use super::quantise::{per_tensor, quantise_value, scaled};
use super::{concatenate, host, pool, Context, Quantised, Real, Value};
use crate::functions::Function;
use crate::graph::Node;
use crate::pairs::{PairOperator, Target};
use std::rc::Rc;

pub fn conv(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = quantised(context, node, 0)?;
    let weights = weights(context, node, 3, 0)?;
    let bias = optional(context, node, 8)?;
    let sums = convolve(context, node, &input, &weights, bias.as_ref())?;
    requantise(context, node, sums, 6)
}

pub fn matmul(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = quantised(context, node, 0)?;
    let weights = weights(context, node, 3, 1)?;
    let sums = dense::multiply(context, node, &input, &weights)?;
    requantise(context, node, sums, 6)
}

pub fn gemm(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = quantised(context, node, 0)?;
    let transposed = node.int("transB", 0)? != 0;
    let weights = weights(context, node, 3, 1 - transposed as usize)?;
    let bias = optional(context, node, 6)?;
    let sums = dense::affine(context, node, &input, &weights, bias.as_ref())?;
    match node.input(7) {
        Some(_) => requantise(context, node, sums, 7),
        None => Ok(sums),
    }
}

pub fn arithmetic(context: &mut Context, node: &Node) -> Result<Value, String> {
    let operator = match node.operator.as_str() {
        "com.microsoft.QLinearAdd" => PairOperator::Add,
        _ => PairOperator::Multiply,
    };
    let operands = [operand(context, node, 0)?, operand(context, node, 3)?];
    let result = combine(context, node, operator, operands)?;
    requantise(context, node, result, 6)
}

pub fn unary(context: &mut Context, node: &Node) -> Result<Value, String> {
    let function = match node.operator.as_str() {
        "com.microsoft.QLinearSigmoid" => Function::Sigmoid,
        _ => Function::LeakyRelu {
            alpha: super::unary::finite(node, "alpha", 0.01)?,
        },
    };
    let input = real(context, node, 0)?;
    let result = input.then(&mut context.builder, function)?;
    requantise(context, node, Value::Real(result), 3)
}

pub fn average(context: &mut Context, node: &Node) -> Result<Value, String> {
    if node.int("channels_last", 0)? != 0 {
        return Err("channels_last is set; only channels in front are supported".to_string());
    }
    let input = quantised(context, node, 0)?;
    let sums = match node.operator.as_str() {
        "com.microsoft.QLinearGlobalAveragePool" => pool::global_mean(context, node, &input)?,
        _ => pool::window_mean(context, node, &input)?,
    };
    requantise(context, node, sums, 3)
}

pub fn softmax(context: &mut Context, node: &Node) -> Result<Value, String> {
    let input = real(context, node, 0)?;
    let hosted = host::softmax_of(node, Value::Real(input))?;
    requantise(context, node, hosted, 3)
}

/// Output scale and zero point, then each input with its own.
pub fn concat(context: &mut Context, node: &Node) -> Result<Value, String> {
    let count = node.inputs.len().saturating_sub(2);
    if count == 0 || count % 3 != 0 {
        return Err(format!("it has {} inputs", node.inputs.len()));
    }
    let views = (2..2 + count)
        .step_by(3)
        .map(|index| Ok(real(context, node, index)?.view))
        .collect::<Result<Vec<_>, String>>()?;
    let axis = node.int("axis", 1)?;
    let axis = super::movement::sample_axis(axis, &views[0].dims)?;
    let view = concatenate(&mut context.builder, &views, axis)?;
    requantise(context, node, Value::Real(Real { view, code: None }), 0)
}

/// Codes, and their scale and zero point in the two inputs behind them.
fn real(context: &mut Context, node: &Node, index: usize) -> Result<Real, String> {
    let target = target(context, node, index + 1)?;
    match context.required(node, index)? {
        Value::Codes(codes) if codes.code == target.quantiser.code => {
            let view = codes.view.clone();
            context.builder.count_evaluations(256 * view.parts.len())?;
            Ok(Real::of_codes(&view, target.quantiser, Some(target.code)))
        }
        Value::Codes(codes) => Err(format!(
            "input {index} is {} and its zero point {}",
            codes.code.name(),
            target.quantiser.code.name()
        )),
        _ => Err(format!(
            "input {index} must be integers computed from the model's input"
        )),
    }
}

fn quantised(context: &mut Context, node: &Node, index: usize) -> Result<Quantised, String> {
    real(context, node, index)?.quantised(&mut context.builder, &node.name)
}

/// A tensor or a constant.
fn operand(context: &mut Context, node: &Node, index: usize) -> Result<Value, String> {
    match context.required(node, index)? {
        Value::Constant(_) => {
            let mut constant = weights(context, node, index, 0)?;
            // Its own type: nothing is converted in this form.
            Rc::make_mut(&mut constant).converted = false;
            Ok(Value::Scaled(constant))
        }
        _ => Ok(Value::Real(real(context, node, index)?)),
    }
}

/// A constant with scales on an axis.
fn weights(
    context: &Context,
    node: &Node,
    index: usize,
    axis: usize,
) -> Result<Rc<super::Scaled>, String> {
    let tensor = context
        .constant(node, index)?
        .ok_or_else(|| format!("input {index} is missing"))?;
    let scale = context
        .constant(node, index + 1)?
        .ok_or_else(|| format!("input {}, the scale, is missing", index + 1))?;
    let zero_point = context.constant(node, index + 2)?;
    let scaled = scaled(tensor, &scale, zero_point.as_deref(), axis as i64)?;
    Ok(Rc::new(scaled))
}

fn optional(context: &Context, node: &Node, index: usize) -> Result<Option<Value>, String> {
    match node.input(index) {
        None => Ok(None),
        Some(_) => Ok(Some(context.required(node, index)?.clone())),
    }
}

/// The scale at an input, and the zero point behind it.
fn target(context: &Context, node: &Node, index: usize) -> Result<Target, String> {
    let scale = context
        .constant(node, index)?
        .ok_or_else(|| format!("input {index}, a scale, is missing"))?;
    let zero_point = context.constant(node, index + 1)?;
    let quantiser = per_tensor(node, &scale, zero_point.as_deref())?;
    Ok(Target {
        quantiser,
        code: quantiser.code,
    })
}

fn requantise(
    context: &mut Context,
    node: &Node,
    value: Value,
    index: usize,
) -> Result<Value, String> {
    let target = target(context, node, index)?;
    quantise_value(context, &node.name, value, &target)
}
