//! ONNX bytes to a checked [`Graph`]: everything that has to hold before operators
//! are looked at.

use crate::diagnostic::{CompileError, Problem};
use crate::graph::{Attribute, Batch, Data, Graph, Input, Node, Tensor};
use crate::onnx::{
    attribute_type, data_type, AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto,
    ValueInfoProto, EXTERNAL,
};
use prost::Message;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

/// First operator set in which QuantizeLinear and DequantizeLinear take an axis.
const FIRST_OPSET: i64 = 13;

/// Elements of one constant: beyond it sizes no longer fit the 32-bit lengths of a
/// program.
const MAX_ELEMENTS: usize = 1 << 31;

/// Elements of one sample of an activation. Unlike a constant it takes no bytes of
/// the file, so a small file must not ask for a large program.
const MAX_SAMPLE_ELEMENTS: usize = 1 << 24;

/// Axes of a tensor.
const MAX_RANK: usize = 16;

pub fn import(bytes: &[u8]) -> Result<Graph, CompileError> {
    let model = ModelProto::decode(bytes).map_err(|error| CompileError::File(error.to_string()))?;
    let opset = model
        .opset_import
        .iter()
        .find(|set| is_default_domain(&set.domain))
        .map(|set| set.version);
    let Some(graph) = model.graph else {
        return Err(CompileError::File("it holds no graph".to_string()));
    };
    let mut importer = Importer::default();
    importer.check_opset(opset);
    let imported = importer.graph(graph);
    match imported {
        Some(graph) if importer.problems.is_empty() => Ok(graph),
        _ => Err(CompileError::Model(importer.problems)),
    }
}

fn is_default_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

#[derive(Default)]
struct Importer {
    opset: i64,
    problems: Vec<Problem>,
}

impl Importer {
    fn check_opset(&mut self, opset: Option<i64>) {
        let problem = match opset {
            Some(version) if version >= FIRST_OPSET => {
                self.opset = version;
                return;
            }
            Some(version) => format!(
                "operator set {version} is too old; convert the model to {FIRST_OPSET} or newer with onnx.version_converter"
            ),
            None => "it names no version of the default operator set".to_string(),
        };
        self.problems.push(Problem::tensor("opset_import", problem));
    }

    fn graph(&mut self, proto: GraphProto) -> Option<Graph> {
        let constants = self.constants(proto.initializer);
        let input = self.input(&proto.input, &constants);
        let output = self.output(&proto.output);
        let nodes: Vec<Node> = proto
            .node
            .into_iter()
            .filter_map(|node| self.node(node))
            .collect();
        self.check_names(&nodes, &constants, &proto.input, output.as_deref());
        let nodes = self.sort(nodes);
        Some(Graph {
            name: proto.name,
            opset: self.opset,
            nodes,
            constants,
            input: input?,
            output: output?,
        })
    }

    fn constants(&mut self, initializers: Vec<TensorProto>) -> HashMap<String, Rc<Tensor>> {
        let mut constants = HashMap::new();
        for mut proto in initializers {
            let name = std::mem::take(&mut proto.name);
            match tensor(proto) {
                Err(reason) => self.problems.push(Problem::tensor(&name, reason)),
                Ok(value) => {
                    if constants.insert(name.clone(), Rc::new(value)).is_some() {
                        let reason = "two initializers have this name";
                        self.problems.push(Problem::tensor(&name, reason));
                    }
                }
            }
        }
        constants
    }

    fn input(
        &mut self,
        inputs: &[ValueInfoProto],
        constants: &HashMap<String, Rc<Tensor>>,
    ) -> Option<Input> {
        let fed: Vec<&ValueInfoProto> = inputs
            .iter()
            .filter(|input| !constants.contains_key(&input.name))
            .collect();
        let [input] = fed[..] else {
            let names: Vec<&str> = fed.iter().map(|input| input.name.as_str()).collect();
            let reason = match names.len() {
                0 => "the model has none; it needs exactly one".to_string(),
                n => format!(
                    "the model has {n} ({}); only one is supported",
                    names.join(", ")
                ),
            };
            self.problems.push(Problem::tensor("graph input", reason));
            return None;
        };
        match input_type(input) {
            Ok(input) => Some(input),
            Err(reason) => {
                self.problems.push(Problem::tensor(&input.name, reason));
                None
            }
        }
    }

    fn output(&mut self, outputs: &[ValueInfoProto]) -> Option<String> {
        match outputs {
            [output] => Some(output.name.clone()),
            _ => {
                let reason = format!("the model has {}; exactly one is supported", outputs.len());
                self.problems.push(Problem::tensor("graph output", reason));
                None
            }
        }
    }

    fn node(&mut self, proto: NodeProto) -> Option<Node> {
        let name = match proto.name.is_empty() {
            false => proto.name.clone(),
            true => proto.output.first().cloned().unwrap_or_default(),
        };
        let mut node = Node {
            name,
            operator: proto.op_type,
            inputs: proto.input,
            outputs: proto.output,
            attributes: Default::default(),
        };
        // The runtime's own operators keep their domain in the name, but for those
        // that mean the same as the standard ones.
        const SAME: [&str; 3] = ["QuantizeLinear", "DequantizeLinear", "Gelu"];
        let same = proto.domain == "com.microsoft" && SAME.contains(&node.operator.as_str());
        if !is_default_domain(&proto.domain) && !same {
            node.operator = format!("{}.{}", proto.domain, node.operator);
        }
        for attribute in proto.attribute {
            let key = attribute.name.clone();
            match convert_attribute(attribute) {
                Ok(value) => {
                    if node.attributes.insert(key.clone(), value).is_some() {
                        let reason = format!("attribute `{key}` is given twice");
                        self.problems.push(node.problem(reason));
                    }
                }
                Err(reason) => {
                    let reason = format!("attribute `{key}`: {reason}");
                    self.problems.push(node.problem(reason));
                }
            }
        }
        Some(node)
    }

    /// Every tensor is made once, and every tensor that is read is made.
    fn check_names(
        &mut self,
        nodes: &[Node],
        constants: &HashMap<String, Rc<Tensor>>,
        inputs: &[ValueInfoProto],
        output: Option<&str>,
    ) {
        let mut made: HashSet<&str> = constants.keys().map(String::as_str).collect();
        let mut inputs_seen = HashSet::new();
        for input in inputs {
            if !inputs_seen.insert(input.name.as_str()) {
                let reason = "two graph inputs have this name";
                self.problems.push(Problem::tensor(&input.name, reason));
            }
            made.insert(&input.name);
        }
        for node in nodes {
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !made.insert(name) {
                    let reason = format!("its output `{name}` is also made elsewhere");
                    self.problems.push(node.problem(reason));
                }
            }
        }
        for node in nodes {
            for name in node.inputs.iter().filter(|name| !name.is_empty()) {
                if !made.contains(name.as_str()) {
                    let reason = format!("it reads `{name}`, which nothing makes");
                    self.problems.push(node.problem(reason));
                }
            }
        }
        if let Some(output) = output.filter(|output| !made.contains(output)) {
            let reason = "it is the model's output, and nothing makes it";
            self.problems.push(Problem::tensor(output, reason));
        }
    }

    /// Topological order; nodes of a cycle, and those behind it, are refused.
    fn sort(&mut self, nodes: Vec<Node>) -> Vec<Node> {
        let maker: HashMap<&str, usize> = nodes
            .iter()
            .enumerate()
            .flat_map(|(i, node)| node.outputs.iter().map(move |name| (name.as_str(), i)))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        let sources: Vec<BTreeSet<usize>> = nodes
            .iter()
            .map(|node| {
                let made = node
                    .inputs
                    .iter()
                    .filter_map(|name| maker.get(name.as_str()));
                made.copied().collect()
            })
            .collect();
        let mut readers = vec![Vec::new(); nodes.len()];
        let mut pending: Vec<usize> = sources.iter().map(BTreeSet::len).collect();
        for (reader, sources) in sources.iter().enumerate() {
            sources
                .iter()
                .for_each(|&source| readers[source].push(reader));
        }
        let mut ready: VecDeque<usize> = (0..nodes.len()).filter(|&i| pending[i] == 0).collect();
        let mut order = Vec::with_capacity(nodes.len());
        while let Some(index) = ready.pop_front() {
            order.push(index);
            for &reader in &readers[index] {
                pending[reader] -= 1;
                if pending[reader] == 0 {
                    ready.push_back(reader);
                }
            }
        }
        for (node, _) in nodes
            .iter()
            .zip(&pending)
            .filter(|(_, &pending)| pending > 0)
        {
            let reason = "it depends on itself: the graph has a cycle";
            self.problems.push(node.problem(reason));
        }
        let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
        order
            .iter()
            .filter_map(|&index| nodes[index].take())
            .collect()
    }
}

/// Type and shape of the model's input.
fn input_type(proto: &ValueInfoProto) -> Result<Input, String> {
    let tensor = proto
        .r#type
        .as_ref()
        .and_then(|value| value.tensor_type.as_ref())
        .ok_or("it is not a tensor")?;
    let supported = [data_type::FLOAT, data_type::INT8, data_type::UINT8];
    if !supported.contains(&tensor.elem_type) {
        return Err(format!(
            "its type is {}; float32, int8 and uint8 are supported",
            data_type::name(tensor.elem_type)
        ));
    }
    let dims = match &tensor.shape {
        Some(shape) if !shape.dim.is_empty() => &shape.dim,
        _ => return Err("it has no batch axis: its shape is unknown or a scalar's".to_string()),
    };
    let batch = match dims[0].dim_value {
        None => Batch::Any,
        Some(n) if n > 0 && n as u64 <= MAX_ELEMENTS as u64 => Batch::Fixed(n as usize),
        Some(n) => return Err(format!("its batch dimension is {n}")),
    };
    let mut sample = Vec::new();
    for (axis, dim) in dims.iter().enumerate().skip(1) {
        match (dim.dim_value, &dim.dim_param) {
            (Some(n), _) if n > 0 => sample.push(n as usize),
            (Some(n), _) => return Err(format!("dimension {axis} is {n}")),
            (None, name) => {
                let name = name.as_deref().unwrap_or("?");
                return Err(format!(
                    "dimension {axis} (`{name}`) is not fixed; only the first one, the batch, may be"
                ));
            }
        }
    }
    check_sample(&sample)?;
    Ok(Input {
        name: proto.name.clone(),
        data_type: tensor.elem_type,
        batch,
        sample,
    })
}

/// Refuses activations of a size that no real network has.
pub fn check_sample(sample: &[usize]) -> Result<(), String> {
    match elements(sample) {
        Ok(count) if count <= MAX_SAMPLE_ELEMENTS => Ok(()),
        _ => Err(format!(
            "a sample has more than {MAX_SAMPLE_ELEMENTS} elements"
        )),
    }
}

/// Product of dimensions, within bounds.
pub fn elements(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > MAX_RANK {
        return Err(format!("it has {} axes", shape.len()));
    }
    shape
        .iter()
        .try_fold(1usize, |product, &n| product.checked_mul(n))
        .filter(|&product| product <= MAX_ELEMENTS)
        .ok_or_else(|| format!("shape {shape:?} is too large"))
}

fn convert_attribute(proto: AttributeProto) -> Result<Attribute, String> {
    Ok(match proto.r#type {
        attribute_type::FLOAT => Attribute::Float(proto.f),
        attribute_type::INT => Attribute::Int(proto.i),
        attribute_type::STRING => Attribute::String(String::from_utf8_lossy(&proto.s).into_owned()),
        attribute_type::FLOATS => Attribute::Floats(proto.floats),
        attribute_type::INTS => Attribute::Ints(proto.ints),
        attribute_type::TENSOR => {
            let value = proto.t.ok_or("it holds no tensor")?;
            Attribute::Tensor(Rc::new(tensor(value)?))
        }
        _ => Attribute::Other,
    })
}

/// A constant in any of the forms the format has for it.
fn tensor(proto: TensorProto) -> Result<Tensor, String> {
    if proto.data_location == EXTERNAL {
        return Err(
            "its data are in another file; save the model with its data inside (onnx.save_model(..., save_as_external_data=False))"
                .to_string(),
        );
    }
    let shape = proto
        .dims
        .iter()
        .map(|&n| usize::try_from(n).map_err(|_| format!("it has a dimension of {n}")))
        .collect::<Result<Vec<usize>, String>>()?;
    let count = elements(&shape)?;
    let raw = proto.raw_data.as_deref();
    let narrow = |what: &str| format!("a value does not fit {what}");
    let data = match proto.data_type {
        data_type::FLOAT => Data::F32(match raw {
            Some(bytes) => from_raw(bytes, f32::from_le_bytes)?,
            None => proto.float_data,
        }),
        data_type::INT8 => Data::I8(match raw {
            Some(bytes) => bytes.iter().map(|&byte| byte as i8).collect(),
            None => narrowed(&proto.int32_data)
                .ok_or_else(|| narrow("int8"))?
                .into(),
        }),
        data_type::UINT8 => Data::U8(match raw {
            Some(bytes) => bytes.to_vec(),
            None => narrowed(&proto.int32_data).ok_or_else(|| narrow("uint8"))?,
        }),
        data_type::INT32 => Data::I32(match raw {
            Some(bytes) => from_raw(bytes, i32::from_le_bytes)?,
            None => proto.int32_data,
        }),
        data_type::INT64 => Data::I64(match raw {
            Some(bytes) => from_raw(bytes, i64::from_le_bytes)?,
            None => proto.int64_data,
        }),
        other => {
            return Ok(Tensor {
                shape,
                data: Data::Other(data_type::name(other)),
            })
        }
    };
    let actual = match &data {
        Data::F32(values) => values.len(),
        Data::I8(values) => values.len(),
        Data::U8(values) => values.len(),
        Data::I32(values) => values.len(),
        Data::I64(values) => values.len(),
        Data::Other(_) => count,
    };
    if actual != count {
        return Err(format!(
            "its shape {shape:?} has {count} elements, its data {actual}"
        ));
    }
    Ok(Tensor { shape, data })
}

fn from_raw<T, const N: usize>(bytes: &[u8], read: fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    if bytes.len() % N != 0 {
        return Err(format!(
            "its {} bytes of data are not a whole number of elements",
            bytes.len()
        ));
    }
    let element = |chunk: &[u8]| read(std::array::from_fn(|i| chunk[i]));
    Ok(bytes.chunks_exact(N).map(element).collect())
}

fn narrowed<T: TryFrom<i32>>(values: &[i32]) -> Option<Vec<T>> {
    values
        .iter()
        .map(|&value| T::try_from(value).ok())
        .collect()
}
