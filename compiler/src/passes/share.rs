//! Nodes that compute the same become one, as ONNX Runtime's optimiser makes them: how many
//! readers a tensor has decides in which integers it computes.
//!
//! ```text
//!  x ─┬─► QuantizeLinear ─► a        becomes      x ─► QuantizeLinear ─┬─► a
//!     └─► QuantizeLinear ─► b                                          └─► b
//! ```

use crate::graph::{Attribute, Graph, Node};
use std::collections::HashMap;

pub fn share(graph: &mut Graph) {
    let mut first: HashMap<String, Vec<String>> = HashMap::new();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let nodes = std::mem::take(&mut graph.nodes);
    for mut node in nodes {
        for name in &mut node.inputs {
            if let Some(shared) = renamed.get(name) {
                *name = shared.clone();
            }
        }
        let key = key(graph, &node).filter(|_| !node.outputs.contains(&graph.output));
        match key.map(|key| (first.get(&key), key)) {
            Some((Some(outputs), _)) if outputs.len() == node.outputs.len() => {
                renamed.extend(node.outputs.into_iter().zip(outputs.iter().cloned()));
            }
            Some((None, key)) => {
                first.insert(key, node.outputs.clone());
                graph.nodes.push(node);
            }
            _ => graph.nodes.push(node),
        }
    }
}

/// The same for nodes that compute the same. None where it would be long.
fn key(graph: &Graph, node: &Node) -> Option<String> {
    let input = |name: &String| match graph.constants.get(name) {
        // Scales and zero points have names of their own for each reader.
        Some(tensor) if tensor.shape.iter().product::<usize>() == 1 => format!("{tensor:?}"),
        _ => format!("`{name}`"),
    };
    let inputs: Vec<String> = node.inputs.iter().map(input).collect();
    let is_long = |attribute: &Attribute| matches!(attribute, Attribute::Tensor(_));
    let long = node.attributes.values().any(is_long);
    (!long).then(|| format!("{} {inputs:?} {:?}", node.operator, node.attributes))
}
