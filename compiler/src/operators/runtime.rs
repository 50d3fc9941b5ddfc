//! In which integers ONNX Runtime computes: what decides whether its optimiser fuses
//! quantisers and operators into an integer kernel.
//!
//! The runtime turns an int8 tensor into uint8 where QuantizeLinear has one reader, a
//! DequantizeLinear that has one reader in turn. (One with more readers is copied for
//! each of them first.) The integer kernels want tensors of one type, so that int8
//! tensors that branch make their neighbours compute in floating point.

use crate::graph::{Data, Graph, Node};
use crate::network::CodeType;
use std::collections::{HashMap, HashSet};

/// The types of tensors of a graph in the runtime.
#[derive(Debug, Default)]
pub struct Runtime {
    /// int8 tensors, by name, that become uint8.
    converted: HashSet<String>,
}

impl Runtime {
    pub fn new(graph: &Graph) -> Runtime {
        let mut readers: HashMap<&str, Vec<&Node>> = HashMap::new();
        for node in &graph.nodes {
            for name in &node.inputs {
                readers.entry(name).or_default().push(node);
            }
        }
        let count = |name: &str| {
            let nodes = readers.get(name).map_or(0, Vec::len);
            nodes + (graph.output == name) as usize
        };
        let converted = graph
            .nodes
            .iter()
            .filter(|node| node.operator == "QuantizeLinear")
            .filter_map(|node| node.outputs.first())
            .filter(|&name| {
                let reader = readers.get(name.as_str()).and_then(|nodes| nodes.first());
                count(name) == 1
                    && reader.is_some_and(|reader| {
                        reader.operator == "DequantizeLinear"
                            && reader.outputs.first().is_some_and(|real| count(real) == 1)
                    })
            });
        Runtime {
            converted: converted.cloned().collect(),
        }
    }

    /// The type of a tensor of codes.
    pub fn code(&self, name: &str, code: CodeType) -> CodeType {
        match self.converted.contains(name) {
            true => CodeType::U8,
            false => code,
        }
    }
}

/// The type of a constant of codes: where all int8 codes are small the runtime takes
/// them for weights that need no conversion.
pub fn constant_code(data: &Data) -> Option<CodeType> {
    match data {
        Data::U8(_) => Some(CodeType::U8),
        Data::I8(codes) => match codes.iter().any(|code| !(-64..64).contains(code)) {
            true => Some(CodeType::U8),
            false => Some(CodeType::I8),
        },
        _ => None,
    }
}
