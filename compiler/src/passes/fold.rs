//! Computes what depends on constants alone, and drops what the output does not
//! depend on.
//!
//! DequantizeLinear of a constant stays: the pair of integers and scale is what the
//! next pass wants to see.

use crate::graph::{Attribute, Data, Graph, Node, Tensor};
use crate::operators::{movement, quantise, shapes};
use std::collections::HashSet;
use std::rc::Rc;

/// Elements that folding may make, times those the model has: a chain of many nodes
/// behind one large constant must not take all memory.
const GROWTH: usize = 8;

pub fn fold(graph: &mut Graph) {
    let count = |tensor: &Tensor| tensor.shape.iter().product::<usize>();
    let given: usize = graph.constants.values().map(|tensor| count(tensor)).sum();
    let mut budget = given.saturating_mul(GROWTH).saturating_add(1024);
    let nodes = std::mem::take(&mut graph.nodes);
    for node in nodes {
        // What the file itself holds costs nothing.
        let free = node.operator == "Constant";
        match constant(graph, &node) {
            Some(value) if free => {
                budget = budget.saturating_add(count(&value).saturating_mul(GROWTH));
                graph.constants.insert(node.outputs[0].clone(), value);
            }
            Some(value) if count(&value) <= budget => {
                budget -= count(&value);
                graph.constants.insert(node.outputs[0].clone(), value);
            }
            _ => graph.nodes.push(node),
        }
    }
    drop_dead(graph);
}

/// The value of a node that has one result and depends on constants alone. Nodes it
/// can't compute are left for the next pass to complain about.
fn constant(graph: &Graph, node: &Node) -> Option<Rc<Tensor>> {
    if node.outputs.len() != 1 {
        return None;
    }
    if node.operator == "Constant" {
        return constant_node(node);
    }
    let inputs: Vec<Option<Rc<Tensor>>> = node
        .inputs
        .iter()
        .map(|name| match name.is_empty() {
            true => Some(None),
            false => graph.constants.get(name).cloned().map(Some),
        })
        .collect::<Option<_>>()?;
    let first = inputs.first()?.clone()?;
    match node.operator.as_str() {
        "Identity" => Some(first),
        "Transpose" => movement::transposed(node, &first).ok().map(Rc::new),
        "QuantizeLinear" => quantise::constant(node, &inputs).map(Rc::new),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let shape = shapes::of_constant(node, &first.shape, &inputs)?;
            let data = first.data.clone();
            Some(Rc::new(Tensor { shape, data }))
        }
        _ => None,
    }
}

fn constant_node(node: &Node) -> Option<Rc<Tensor>> {
    let scalar = |data| Tensor {
        shape: vec![],
        data,
    };
    let list = |length, data| Tensor {
        shape: vec![length],
        data,
    };
    let (name, attribute) = node.attributes.first_key_value()?;
    Some(match (name.as_str(), attribute) {
        ("value", Attribute::Tensor(tensor)) => tensor.clone(),
        ("value_float", Attribute::Float(value)) => Rc::new(scalar(Data::F32(vec![*value]))),
        ("value_int", Attribute::Int(value)) => Rc::new(scalar(Data::I64(vec![*value]))),
        ("value_floats", Attribute::Floats(values)) => {
            Rc::new(list(values.len(), Data::F32(values.clone())))
        }
        ("value_ints", Attribute::Ints(values)) => {
            Rc::new(list(values.len(), Data::I64(values.clone())))
        }
        _ => return None,
    })
}

fn drop_dead(graph: &mut Graph) {
    let mut live: HashSet<&str> = HashSet::from([graph.output.as_str()]);
    let mut keep = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|name| live.contains(name.as_str())) {
            keep[index] = true;
            live.extend(node.inputs.iter().map(String::as_str));
        }
    }
    let mut keep = keep.into_iter();
    graph.nodes.retain(|_| keep.next() == Some(true));
}
