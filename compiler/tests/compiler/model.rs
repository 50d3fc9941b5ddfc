//! Builds small ONNX models.

use prost::Message;
use quern_compiler::onnx::{
    attribute_type, data_type, AttributeProto, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};

/// A model under construction. Names are given by the caller, so that tests can
/// refer to them.
#[derive(Clone)]
pub struct Model {
    pub proto: ModelProto,
}

impl Model {
    /// With a batch axis called `batch` and one input `x`.
    pub fn new(data_type: i32, sample: &[usize]) -> Model {
        let mut dims = vec![symbolic("batch")];
        dims.extend(sample.iter().map(|&n| fixed(n)));
        Model {
            proto: ModelProto {
                ir_version: 8,
                opset_import: vec![OperatorSetIdProto {
                    domain: String::new(),
                    version: 20,
                }],
                graph: Some(GraphProto {
                    name: "test".to_string(),
                    input: vec![value("x", data_type, dims)],
                    ..Default::default()
                }),
            },
        }
    }

    pub fn graph(&mut self) -> &mut GraphProto {
        self.proto.graph.as_mut().unwrap()
    }

    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str) -> &mut NodeProto {
        let graph = self.graph();
        graph.node.push(NodeProto {
            name: format!("{output}_node"),
            op_type: operator.to_string(),
            input: inputs.iter().map(|name| name.to_string()).collect(),
            output: vec![output.to_string()],
            ..Default::default()
        });
        graph.node.last_mut().unwrap()
    }

    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.tensor(TensorProto {
            float_data: values.to_vec(),
            ..header(name, dims, data_type::FLOAT)
        });
    }

    pub fn i8s(&mut self, name: &str, dims: &[usize], values: &[i8]) {
        self.tensor(TensorProto {
            raw_data: Some(values.iter().map(|&value| value as u8).collect()),
            ..header(name, dims, data_type::INT8)
        });
    }

    pub fn u8s(&mut self, name: &str, dims: &[usize], values: &[u8]) {
        self.tensor(TensorProto {
            int32_data: values.iter().map(|&value| value as i32).collect(),
            ..header(name, dims, data_type::UINT8)
        });
    }

    pub fn i32s(&mut self, name: &str, dims: &[usize], values: &[i32]) {
        self.tensor(TensorProto {
            raw_data: Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            ..header(name, dims, data_type::INT32)
        });
    }

    pub fn i64s(&mut self, name: &str, values: &[i64]) {
        self.tensor(TensorProto {
            int64_data: values.to_vec(),
            ..header(name, &[values.len()], data_type::INT64)
        });
    }

    fn tensor(&mut self, tensor: TensorProto) {
        self.graph().initializer.push(tensor);
    }

    /// Scale and zero point named `{name}_scale` and `{name}_zero`.
    pub fn quantiser(&mut self, name: &str, code: Code) {
        self.floats(&format!("{name}_scale"), &[], &[code.scale]);
        let zero = format!("{name}_zero");
        match code.signed {
            true => self.i8s(&zero, &[], &[code.zero_point as i8]),
            false => self.u8s(&zero, &[], &[code.zero_point as u8]),
        }
    }

    pub fn quantise(&mut self, input: &str, quantiser: &str, output: &str) {
        let (scale, zero) = (format!("{quantiser}_scale"), format!("{quantiser}_zero"));
        self.node("QuantizeLinear", &[input, &scale, &zero], output);
    }

    pub fn dequantise(&mut self, input: &str, quantiser: &str, output: &str) {
        let (scale, zero) = (format!("{quantiser}_scale"), format!("{quantiser}_zero"));
        self.node("DequantizeLinear", &[input, &scale, &zero], output);
    }

    /// The model's file, with `output` as its output.
    pub fn finish(&self, output: &str) -> Vec<u8> {
        let mut proto = self.proto.clone();
        let graph = proto.graph.as_mut().unwrap();
        graph.output = vec![value(output, data_type::FLOAT, vec![])];
        proto.encode_to_vec()
    }
}

/// Per-tensor quantisation in the model's own terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Code {
    pub scale: f32,
    pub zero_point: i32,
    pub signed: bool,
}

impl Code {
    pub fn i8(scale: f32, zero_point: i32) -> Code {
        Code {
            scale,
            zero_point,
            signed: true,
        }
    }

    pub fn u8(scale: f32, zero_point: i32) -> Code {
        Code {
            scale,
            zero_point,
            signed: false,
        }
    }

    pub fn range(&self) -> std::ops::RangeInclusive<i32> {
        match self.signed {
            true => -128..=127,
            false => 0..=255,
        }
    }

    pub fn data_type(&self) -> i32 {
        match self.signed {
            true => data_type::INT8,
            false => data_type::UINT8,
        }
    }
}

pub fn float_attribute(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        f: value,
        r#type: attribute_type::FLOAT,
        ..Default::default()
    }
}

pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        i: value,
        r#type: attribute_type::INT,
        ..Default::default()
    }
}

pub fn ints_attribute(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        ints: values.to_vec(),
        r#type: attribute_type::INTS,
        ..Default::default()
    }
}

pub fn string_attribute(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        s: value.as_bytes().to_vec(),
        r#type: attribute_type::STRING,
        ..Default::default()
    }
}

pub fn value(name: &str, elem_type: i32, dim: Vec<Dimension>) -> ValueInfoProto {
    ValueInfoProto {
        name: name.to_string(),
        r#type: Some(TypeProto {
            tensor_type: Some(TypeProtoTensor {
                elem_type,
                shape: Some(TensorShapeProto { dim }),
            }),
        }),
    }
}

pub fn fixed(n: usize) -> Dimension {
    Dimension {
        dim_value: Some(n as i64),
        dim_param: None,
    }
}

pub fn symbolic(name: &str) -> Dimension {
    Dimension {
        dim_value: None,
        dim_param: Some(name.to_string()),
    }
}

fn header(name: &str, dims: &[usize], data_type: i32) -> TensorProto {
    TensorProto {
        name: name.to_string(),
        dims: dims.iter().map(|&n| n as i64).collect(),
        data_type,
        ..Default::default()
    }
}
