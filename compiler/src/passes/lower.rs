//! Graph to [`Network`]: follows values from the model's input to its output, and
//! turns each path from codes to codes into an operation.
//!
//! ```text
//!  codes ─DequantizeLinear─► Conv ─► Relu ─QuantizeLinear─► codes     one convolution and its bounds
//!  codes ─DequantizeLinear─► Sigmoid ─QuantizeLinear─► codes          one table
//!  codes ─DequantizeLinear─► Transpose ─QuantizeLinear─► codes        nothing: another view
//! ```
//!
//! All nodes are looked at before anything is reported. What is made here is plain,
//! one operation for each table and view; the passes behind this one join them.

use crate::builder::{Builder, CodePart};
use crate::diagnostic::Problem;
use crate::graph::{Graph, Input};
use crate::network::{
    CodeType, InputEdge, InputKind, MapId, Network, OutputEdge, OutputKind, Preparation, Shape,
};
use crate::onnx::data_type;
use crate::operators::arithmetic::natural;
use crate::operators::runtime::Runtime;
use crate::operators::{evaluate, Context, Hosted, Real, RealPart, Value};
use crate::view::View;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub fn lower(graph: &Graph) -> Result<Network, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut builder = Builder::default();
    let sample = &graph.input.sample;
    let shape = Shape {
        height: 1,
        width: 1,
        channels: sample.iter().product(),
    };
    let input_map = builder.map(&graph.input.name, shape);
    let mut context = Context {
        batch: graph.input.batch,
        opset: graph.opset,
        runtime: Runtime::new(graph),
        values: HashMap::new(),
        input: integer_input(&graph.input).map(InputKind::Codes),
        preparation: Preparation::default(),
        input_map,
        builder,
    };
    for (name, tensor) in &graph.constants {
        let value = Value::Constant(tensor.clone());
        context.values.insert(name.clone(), value);
    }
    let value = match integer_input(&graph.input) {
        None => Value::Real(Real {
            view: View::rows(sample.clone(), RealPart::Input(Rc::new([]))),
            code: None,
        }),
        Some(code) => Value::Codes(crate::builder::Codes {
            view: View::rows(sample.clone(), CodePart::Map(input_map)),
            code,
        }),
    };
    context.values.insert(graph.input.name.clone(), value);
    let read: HashSet<&str> = graph
        .nodes
        .iter()
        .flat_map(|node| &node.inputs)
        .chain([&graph.output])
        .map(String::as_str)
        .collect();
    for node in &graph.nodes {
        let value = evaluate(&mut context, node).unwrap_or_else(|reason| {
            problems.push(node.problem(reason));
            Value::Failed
        });
        let values = match value {
            Value::Several(values) => values,
            value => vec![value],
        };
        let failed = matches!(values[..], [Value::Failed]);
        for (index, name) in node.outputs.iter().enumerate() {
            let value = values.get(index).cloned().unwrap_or_else(|| {
                if !failed && read.contains(name.as_str()) {
                    let reason =
                        format!("its further output `{name}` is used, which is not supported");
                    problems.push(node.problem(reason));
                }
                Value::Failed
            });
            context.values.insert(name.clone(), value);
        }
    }
    let output = output(graph, &mut context).unwrap_or_else(|reason| {
        problems.extend(reason.map(|reason| Problem::tensor(&graph.output, reason)));
        None
    });
    match (output, context.input) {
        (Some(output), Some(kind)) if problems.is_empty() => Ok(Network {
            input: InputEdge {
                name: graph.input.name.clone(),
                batch: graph.input.batch,
                sample: sample.clone(),
                kind,
                map: input_map,
                elements: (0..shape.elements() as u32).collect(),
                preparation: context.preparation,
            },
            notes: context.builder.notes,
            maps: context.builder.maps,
            operations: context.builder.operations,
            output,
        }),
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

/// The output edge. `Err(None)` when a problem has been reported already.
fn output(graph: &Graph, context: &mut Context) -> Result<Option<OutputEdge>, Option<String>> {
    let value = context.values.get(&graph.output).cloned();
    let hosted = match value {
        Some(Value::Host(hosted)) => hosted,
        Some(value) => Hosted {
            dims: value.dims().unwrap_or_default().to_vec(),
            source: Box::new(value),
            functions: vec![],
        },
        None => return Err(Some("it is computed from nothing".to_string())),
    };
    let (view, kind) = match *hosted.source {
        Value::Failed => return Err(None),
        Value::Codes(codes) => (codes.view, OutputKind::Codes(codes.code)),
        Value::Real(real) => real_output(context, &graph.output, &real).map_err(Some)?,
        Value::Sums(_, sums) => {
            return Err(Some(format!(
                "the result of `{}` is never quantised; end the model with QuantizeLinear and DequantizeLinear",
                sums.name
            )))
        }
        _ => return Err(Some("the model's output is a constant".to_string())),
    };
    let sample = view.dims.clone();
    let (map, elements) = edge(context, &graph.output, &view).map_err(Some)?;
    Ok(Some(OutputEdge {
        sample,
        kind,
        map,
        elements,
        functions: hosted.functions,
    }))
}

/// Real numbers of the output as codes and the number of each code.
fn real_output(
    context: &mut Context,
    name: &str,
    real: &Real,
) -> Result<(View<CodePart>, OutputKind), String> {
    if let [RealPart::Map(map)] = &real.view.parts[..] {
        let view = real.view.with_parts(Rc::new([CodePart::Map(map.map)]));
        return Ok((view, OutputKind::Real(Box::new(*map.values))));
    }
    if real
        .view
        .parts
        .iter()
        .any(|part| matches!(part, RealPart::Input(_)))
    {
        return Err("the model quantises nothing".to_string());
    }
    let quantised = real.quantised(&mut context.builder, name)?;
    let kind = OutputKind::real(&quantised.quantiser);
    Ok((quantised.view, kind))
}

/// The one map that a view lies in, and the element of each of its elements.
fn edge(
    context: &mut Context,
    name: &str,
    view: &View<CodePart>,
) -> Result<(MapId, Rc<[u32]>), String> {
    context.builder.count_places(view.len())?;
    if let [CodePart::Map(map)] = view.parts[..] {
        return Ok((map, view.places().map(|place| place.element).collect()));
    }
    let (order, shape) = natural(&view.dims)?;
    let map = context.builder.arranged(name, view, &order, shape)?;
    let elements = (0..view.len()).map(|index| order.element(index) as u32);
    Ok((map, elements.collect()))
}
