//! Two pairs of quantisers in a row become one, with the scale and zero point that ONNX
//! Runtime's optimiser gives it (`DoubleQDQPairsRemover`).
//!
//! ```text
//!  Q(s1) ─► DQ(s1) ─► Q(s2) ─► DQ(s2)      becomes      Q(s) ─► DQ(s)
//! ```

use crate::graph::{Data, Graph, Node, Tensor};
use std::collections::HashMap;
use std::rc::Rc;

pub fn merge(graph: &mut Graph) {
    remove_aliases(graph);
    let mut readers: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        for name in &node.inputs {
            readers.entry(name.clone()).or_default().push(index);
        }
    }
    readers
        .entry(graph.output.clone())
        .or_default()
        .push(usize::MAX);
    let mut removed = vec![false; graph.nodes.len()];
    for first in 0..graph.nodes.len() {
        if removed[first] {
            continue;
        }
        while let Some((dequantise, quantise, ends)) = pairs(graph, &readers, first) {
            let of = |node: usize| parameters(graph, &graph.nodes[node]);
            let [Some(a), Some(after), Some(b)] = [first, dequantise, quantise].map(of) else {
                break;
            };
            let ended = ends.iter().all(|&end| of(end).as_ref() == Some(&b));
            if a != after || !ended || a.signed != b.signed {
                break;
            }
            let (scale, zero_point) = merged(&a, &b);
            let name = |part: &str| format!("{}/merged_{part}", graph.nodes[quantise].name);
            let (scale_name, zero_name) =
                (unused(graph, name("scale")), unused(graph, name("zero")));
            graph.constants.insert(scale_name.clone(), Rc::new(scale));
            graph
                .constants
                .insert(zero_name.clone(), Rc::new(zero_point));
            let codes = graph.nodes[first].outputs[0].clone();
            for &node in ends.iter().chain([&first]) {
                let inputs = &mut graph.nodes[node].inputs;
                inputs[1] = scale_name.clone();
                inputs[2] = zero_name.clone();
            }
            for &end in &ends {
                graph.nodes[end].inputs[0] = codes.clone();
            }
            readers.insert(codes, ends);
            (removed[dequantise], removed[quantise]) = (true, true);
        }
    }
    let mut removed = removed.into_iter();
    graph.nodes.retain(|_| removed.next() == Some(false));
}

/// Readers of Identity and Dropout read what those read.
fn remove_aliases(graph: &mut Graph) {
    let mut aliases: HashMap<String, String> = HashMap::new();
    for node in &mut graph.nodes {
        for name in &mut node.inputs {
            if let Some(source) = aliases.get(name) {
                *name = source.clone();
            }
        }
        let alias = match node.operator.as_str() {
            "Identity" => node.inputs.len() == 1,
            // The runtime keeps one whose ratio is computed, be it of constants.
            "Dropout" => match &node.inputs[..] {
                [_] => true,
                [_, ratio] => ratio.is_empty() || graph.constants.contains_key(ratio),
                _ => false,
            },
            _ => false,
        };
        if let (true, [source, ..], Some(output)) = (alias, &node.inputs[..], node.outputs.first())
        {
            aliases.insert(output.clone(), source.clone());
        }
    }
    let output = graph.output.clone();
    graph
        .nodes
        .retain(|node| !matches!(node.outputs.first(), Some(name) if aliases.contains_key(name) && *name != output));
}

/// The nodes behind a QuantizeLinear, each the only reader of the one before, and the
/// DequantizeLinears at the end.
fn pairs(
    graph: &Graph,
    readers: &HashMap<String, Vec<usize>>,
    first: usize,
) -> Option<(usize, usize, Vec<usize>)> {
    let all_are = |index: usize, operator: &str| {
        let readers = readers.get(graph.nodes[index].outputs.first()?)?;
        let is = |&reader: &usize| reader != usize::MAX && graph.nodes[reader].operator == operator;
        readers.iter().all(is).then_some(readers)
    };
    let only = |index: usize, operator: &str| match all_are(index, operator)?[..] {
        [reader] => Some(reader),
        _ => None,
    };
    if graph.nodes[first].operator != "QuantizeLinear" {
        return None;
    }
    let dequantise = only(first, "DequantizeLinear")?;
    let quantise = only(dequantise, "QuantizeLinear")?;
    let ends = all_are(quantise, "DequantizeLinear")?;
    Some((dequantise, quantise, ends.clone()))
}

/// Scale, zero point, and the range of the codes' type.
#[derive(PartialEq)]
struct Parameters {
    scale: f32,
    zero_point: f32,
    signed: bool,
}

fn parameters(graph: &Graph, node: &Node) -> Option<Parameters> {
    let constant = |index: usize| graph.constants.get(node.input(index)?);
    let (scale, zero_point) = (constant(1)?, constant(2)?);
    let Data::F32(scales) = &scale.data else {
        return None;
    };
    let (&[scale], signed) = (&scales[..], matches!(zero_point.data, Data::I8(_))) else {
        return None;
    };
    let zero_point = match &zero_point.data {
        Data::I8(values) if values.len() == 1 => values[0] as f32,
        Data::U8(values) if values.len() == 1 => values[0] as f32,
        _ => return None,
    };
    Some(Parameters {
        scale,
        zero_point,
        signed,
    })
}

/// The quantiser of the range that both have.
fn merged(a: &Parameters, b: &Parameters) -> (Tensor, Tensor) {
    let (lowest, highest) = match a.signed {
        true => (-128.0, 127.0),
        false => (0.0, 255.0),
    };
    let end = |code: f32, of: &Parameters| (code - of.zero_point) * of.scale;
    let low = end(lowest, a).max(end(lowest, b));
    let high = end(highest, a).min(end(highest, b));
    let (scale, zero_point) = match (a.scale, a.zero_point) == (b.scale, b.zero_point) {
        true => (a.scale, a.zero_point),
        false => {
            let scale = (high - low) / 255.0;
            (scale, (lowest - low / scale).round())
        }
    };
    let scalar = |data| Tensor {
        shape: vec![],
        data,
    };
    let zero_point = match a.signed {
        true => Data::I8(Rc::new([zero_point as i8])),
        false => Data::U8(vec![zero_point as u8]),
    };
    (scalar(Data::F32(vec![scale])), scalar(zero_point))
}

/// A name that no constant has yet.
fn unused(graph: &Graph, name: String) -> String {
    let mut name = name;
    while graph.constants.contains_key(&name) {
        name.push('_');
    }
    name
}
