//! Constants that are computed by nodes: the network is the one of the plain model.

use crate::model::{int_attribute, Code, Model};
use prost::Message;
use quern_compiler::onnx::{attribute_type, data_type, AttributeProto, ModelProto, TensorProto};
use quern_compiler::{network_of, Network};

const WEIGHTS: [i8; 12] = [1, -2, 3, 4, -5, 6, 7, -8, 9, 10, -127, 12];

/// A dense layer of 4 inputs and 3 outputs; `weights` adds what makes `w_real`.
fn network(weights: impl Fn(&mut Model)) -> Network {
    let mut model = Model::new(data_type::UINT8, &[4]);
    model.quantiser("x", Code::u8(0.5, 7));
    model.quantiser("y", Code::i8(9.0, 0));
    weights(&mut model);
    model.dequantise("x", "x", "real");
    model.node("MatMul", &["real", "w_real"], "sum");
    model.quantise("sum", "y", "y");
    network_of(&model.finish("y")).unwrap()
}

fn plain() -> Network {
    network(|model| {
        model.i8s("w", &[4, 3], &WEIGHTS);
        model.quantiser("w", Code::i8(0.25, 0));
        model.dequantise("w", "w", "w_real");
    })
}

#[test]
fn transposed_weights_are_transposed_at_compile_time() {
    let transposed: Vec<i8> = (0..12).map(|i| WEIGHTS[i % 4 * 3 + i / 4]).collect();
    let folded = network(|model| {
        model.i8s("t", &[3, 4], &transposed);
        model.node("Transpose", &["t"], "w");
        model.quantiser("w", Code::i8(0.25, 0));
        model.dequantise("w", "w", "w_real");
    });
    assert_eq!(folded, plain());
}

#[test]
fn real_weights_are_quantised_at_compile_time() {
    // Per output channel, with three scales of the same value.
    let reals: Vec<f32> = WEIGHTS.iter().map(|&w| w as f32 * 0.25 + 0.1).collect();
    let folded = network(|model| {
        model.floats("r", &[4, 3], &reals);
        model.floats("w_scale", &[3], &[0.25; 3]);
        model.i8s("w_zero", &[3], &[0; 3]);
        for (operator, from, to) in [
            ("QuantizeLinear", "r", "w"),
            ("DequantizeLinear", "w", "w_real"),
        ] {
            let node = model.node(operator, &[from, "w_scale", "w_zero"], to);
            node.attribute.push(int_attribute("axis", -1));
        }
    });
    assert_eq!(folded, plain());
}

#[test]
fn constant_nodes_and_reshaped_constants_are_constants() {
    let folded = network(|model| {
        let raw = WEIGHTS.iter().map(|&w| w as u8).collect();
        let tensor = TensorProto {
            dims: vec![12],
            data_type: data_type::INT8,
            raw_data: Some(raw),
            ..Default::default()
        };
        model
            .node("Constant", &[], "flat")
            .attribute
            .push(AttributeProto {
                name: "value".to_string(),
                t: Some(tensor),
                r#type: attribute_type::TENSOR,
                ..Default::default()
            });
        model.i64s("shape", &[4, -1]);
        model.node("Reshape", &["flat", "shape"], "w");
        model.quantiser("w", Code::i8(0.25, 0));
        model.dequantise("w", "w", "w_real");
    });
    assert_eq!(folded, plain());
}

#[test]
fn unsigned_weights_around_128_are_the_signed_ones() {
    let folded = network(|model| {
        let shifted: Vec<u8> = WEIGHTS.iter().map(|&w| (w as i32 + 128) as u8).collect();
        model.u8s("w", &[4, 3], &shifted);
        model.quantiser("w", Code::u8(0.25, 128));
        model.dequantise("w", "w", "w_real");
    });
    assert_eq!(folded, plain());
}

#[test]
fn what_the_output_does_not_need_is_ignored() {
    let folded = network(|model| {
        model.node("Unknown", &["x"], "unused");
        model.node("Transpose", &["unused"], "unused_too");
        model.i8s("w", &[4, 3], &WEIGHTS);
        model.quantiser("w", Code::i8(0.25, 0));
        model.dequantise("w", "w", "w_real");
    });
    assert_eq!(folded, plain());
}

#[test]
fn nodes_may_come_in_any_order() {
    let mut model = Model::new(data_type::UINT8, &[4]);
    model.quantiser("x", Code::u8(0.5, 7));
    model.dequantise("x", "x", "real");
    model.node("Relu", &["real"], "relu");
    model.quantise("relu", "x", "y");
    let bytes = model.finish("y");
    let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
    proto.graph.as_mut().unwrap().node.reverse();
    let network = |bytes: &[u8]| network_of(bytes).unwrap();
    assert_eq!(network(&proto.encode_to_vec()), network(&bytes));
}
