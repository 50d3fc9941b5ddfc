//! Graph to [`Network`]: follows values from the model's input to its output, and
//! turns each path from integers to integers into a layer, its bounds or its table.
//!
//! ```text
//!  codes ─DequantizeLinear─► MatMul ─► Add ─► Relu ─QuantizeLinear─► codes    one dense layer
//!  codes ─DequantizeLinear─► Sigmoid ─QuantizeLinear─► codes                 its table
//! ```
//!
//! All nodes are looked at before anything is reported.

use crate::diagnostic::Problem;
use crate::graph::{Graph, Input};
use crate::network::{
    CodeType, InputEdge, InputKind, Layer, LayerKind, Network, OutputEdge, OutputKind,
};
use crate::onnx::data_type;
use crate::operators::{evaluate, Activation, Context, State, Value};
use std::collections::HashMap;

pub fn fuse(graph: &Graph) -> Result<Network, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut context = Context {
        batch: graph.input.batch,
        values: HashMap::new(),
        input: integer_input(&graph.input).map(InputKind::Codes),
        layers: Vec::new(),
        weights: 0,
        notes: Vec::new(),
    };
    for (name, tensor) in &graph.constants {
        let value = Value::Constant(tensor.clone());
        context.values.insert(name.clone(), value);
    }
    let readers = count_readers(graph);
    let name = graph.input.name.clone();
    let value = match branches(&readers, &name) {
        Some(reason) => {
            problems.push(Problem::tensor(&name, reason));
            Value::Failed
        }
        None => Value::Activation(Activation {
            sample: graph.input.sample.clone(),
            state: integer_input(&graph.input).map_or(State::Input, State::Codes),
        }),
    };
    context.values.insert(name, value);

    for node in &graph.nodes {
        let value = evaluate(&mut context, node).and_then(|value| {
            let made = node.outputs.first().map_or("", String::as_str);
            match (&value, branches(&readers, made)) {
                (Value::Activation(_), Some(reason)) => Err(reason),
                _ => Ok(value),
            }
        });
        let value = value.unwrap_or_else(|reason| {
            problems.push(node.problem(reason));
            Value::Failed
        });
        for (index, name) in node.outputs.iter().enumerate() {
            let value = if index == 0 {
                value.clone()
            } else {
                Value::Failed
            };
            if index > 0 && readers.contains_key(name.as_str()) {
                let reason = format!("its further output `{name}` is used, which is not supported");
                problems.push(node.problem(reason));
            }
            context.values.insert(name.clone(), value);
        }
    }

    let output = match output(graph, &context) {
        Ok(output) => output,
        Err(reason) => {
            problems.extend(reason.map(|reason| Problem::tensor(&graph.output, reason)));
            None
        }
    };
    match (output, context.input) {
        (Some(output), Some(kind)) if problems.is_empty() => {
            Ok(network(graph, context, kind, output))
        }
        _ => Err(problems),
    }
}

fn integer_input(input: &Input) -> Option<CodeType> {
    match input.data_type {
        data_type::INT8 => Some(CodeType::I8),
        data_type::UINT8 => Some(CodeType::U8),
        _ => None,
    }
}

/// How often each tensor is read; the model's output counts as a reader.
fn count_readers(graph: &Graph) -> HashMap<&str, usize> {
    let mut readers = HashMap::from([(graph.output.as_str(), 1)]);
    for name in graph.nodes.iter().flat_map(|node| &node.inputs) {
        *readers.entry(name.as_str()).or_default() += 1;
    }
    readers
}

fn branches(readers: &HashMap<&str, usize>, name: &str) -> Option<String> {
    match readers.get(name) {
        Some(&count) if count > 1 && !name.is_empty() => Some(format!(
            "its result `{name}` is used {count} times; only chains of layers are supported"
        )),
        _ => None,
    }
}

/// The output edge. `Err(None)` when a problem has been reported already.
fn output(graph: &Graph, context: &Context) -> Result<Option<OutputEdge>, Option<String>> {
    let Activation { sample, state } = match context.values.get(&graph.output) {
        Some(Value::Activation(activation)) => activation,
        Some(Value::Failed) => return Err(None),
        _ => return Err(Some("the model's output is a constant".to_string())),
    };
    let kind = match state {
        State::Codes(code) => OutputKind::Codes(*code),
        State::Real {
            quantiser,
            functions,
        } => OutputKind::real(quantiser, functions),
        State::Input => return Err(Some("the model quantises nothing".to_string())),
        State::Sums(sums) => {
            return Err(Some(format!(
                "the result of `{}` is never quantised; end the model with QuantizeLinear and DequantizeLinear",
                sums.name
            )))
        }
    };
    Ok(Some(OutputEdge {
        sample: sample.clone(),
        kind,
    }))
}

fn network(graph: &Graph, context: Context, kind: InputKind, output: OutputEdge) -> Network {
    let Context {
        mut layers,
        mut notes,
        ..
    } = context;
    // It turns int8 tensors into uint8 where it may, but not the model's own input.
    if let (
        InputKind::Codes(CodeType::I8),
        Some(Layer {
            kind: LayerKind::Dense(_),
            name,
            ..
        }),
    ) = (kind, layers.first())
    {
        notes.push(format!(
            "`{name}`: on x86 ONNX Runtime computes a dense layer of the model's own int8 input in floating point; codes next to a rounding tie may differ"
        ));
    }
    if layers.is_empty() {
        let elements = graph.input.sample.iter().product();
        layers.push(Layer::elementwise(&graph.input.name, elements));
    }
    Network {
        input: InputEdge {
            name: graph.input.name.clone(),
            batch: graph.input.batch,
            sample: graph.input.sample.clone(),
            kind,
        },
        layers,
        output,
        notes,
    }
}
