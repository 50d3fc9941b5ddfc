//! Files that are damaged, cut short or made to harm: an error, never a panic, and
//! never much time or memory.

use crate::corpus;
use crate::model::{int_attribute, ints_attribute, Code, Model};
use proptest::prelude::*;
use prost::Message;
use quern_compiler::onnx::{data_type, AttributeProto, ModelProto, TensorProto};
use quern_compiler::{network_of, CompileError};
use std::time::{Duration, Instant};

fn valid() -> Vec<u8> {
    corpus::model("Residual")
}

fn problems(model: &[u8]) -> String {
    let started = Instant::now();
    let error = network_of(model).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(60));
    error.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn damaged_models_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        insert in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<[u8; 3]>())),
    ) {
        let mut bytes = valid();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some((place, extra)) = insert {
            let place = place.index(bytes.len());
            bytes.splice(place..place, extra);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(network) = network_of(&bytes) {
            let input = network.input.elements.len();
            let output = network.evaluate(&vec![7; input]);
            prop_assert!(network.output.elements.iter().all(|&e| (e as usize) < output.len()));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = network_of(&bytes);
    }

    /// Values in the places where the compiler computes with them.
    #[test]
    fn wild_constants_never_panic(
        dims in prop::collection::vec(prop_oneof![any::<i64>(), -2i64..5], 0..4),
        data_type in -1i32..20,
        scale in prop_oneof![any::<f32>(), prop::sample::select(vec![0.0, -1.0, f32::NAN, f32::INFINITY, 1e-45, f32::MAX])],
        which: prop::sample::Index,
        axis in prop_oneof![any::<i64>(), -3i64..3],
    ) {
        let mut proto = ModelProto::decode(valid().as_slice()).unwrap();
        let graph = proto.graph.as_mut().unwrap();
        let index = which.index(graph.initializer.len());
        let tensor = &mut graph.initializer[index];
        match data_type {
            data_type::FLOAT if !tensor.float_data.is_empty() => tensor.float_data[0] = scale,
            _ => {
                tensor.dims = dims;
                tensor.data_type = data_type;
            }
        }
        let node = which.index(graph.node.len());
        graph.node[node].attribute = vec![int_attribute("axis", axis)];
        let _ = network_of(&proto.encode_to_vec());
    }
}

#[test]
fn truncated_models_are_refused_at_every_length() {
    // With one operator set, which stands at the end of the file.
    let mut proto = ModelProto::decode(valid().as_slice()).unwrap();
    proto.opset_import.retain(|set| set.domain.is_empty());
    let bytes = proto.encode_to_vec();
    for length in 0..bytes.len() {
        let result = network_of(&bytes[..length]);
        assert!(
            result.is_err(),
            "{length} of {} bytes compiled",
            bytes.len()
        );
    }
}

#[test]
fn a_cycle_is_named() {
    let mut model = Model::new(data_type::FLOAT, &[3]);
    model.node("Relu", &["b"], "a");
    model.node("Relu", &["a"], "b");
    let text = problems(&model.finish("b"));
    assert!(
        text.contains("`a_node` (Relu): it depends on itself"),
        "{text}"
    );
    assert!(
        text.contains("`b_node` (Relu): it depends on itself"),
        "{text}"
    );
}

#[test]
fn a_small_file_cannot_ask_for_large_memory() {
    let mut model = Model::new(data_type::UINT8, &[1 << 20, 1 << 20]);
    let text = problems(&model.finish("x"));
    assert!(
        text.contains("`x`: a sample has more than 16777216 elements"),
        "{text}"
    );
    model = Model::new(data_type::UINT8, &[4]);
    model.graph().initializer.push(TensorProto {
        name: "w".to_string(),
        dims: vec![1 << 40, 1 << 40],
        data_type: data_type::INT8,
        raw_data: Some(vec![]),
        ..Default::default()
    });
    let text = problems(&model.finish("x"));
    assert!(
        text.contains("`w`: shape [1099511627776, 1099511627776] is too large"),
        "{text}"
    );
}

#[test]
fn long_chains_of_cheap_nodes_do_not_multiply_memory() {
    // Each of these nodes would copy a megabyte.
    let mut model = Model::new(data_type::UINT8, &[4]);
    model.i8s("w0", &[1000, 1000], &vec![1; 1_000_000]);
    for step in 0..20_000 {
        model.node(
            "Transpose",
            &[&format!("w{step}")],
            &format!("w{}", step + 1),
        );
    }
    model.quantiser("x", Code::u8(1.0, 0));
    model.dequantise("w20000", "x", "real");
    assert!(problems(&model.finish("real")).contains("(Transpose)"));
}

#[test]
fn functions_of_many_channels_do_not_multiply_time() {
    // Each of these nodes would compute a function for each of 4,096 channels.
    let mut model = Model::new(data_type::UINT8, &[4096]);
    model.quantiser("x", Code::u8(1.0, 0));
    model.dequantise("x", "x", "real");
    let slopes: Vec<f32> = (0..4096).map(|i| i as f32).collect();
    model.floats("slopes", &[4096], &slopes);
    model.node("PRelu", &["real", "slopes"], "r0");
    for step in 0..2000 {
        model.node("Tanh", &[&format!("r{step}")], &format!("r{}", step + 1));
    }
    let text = problems(&model.finish("r2000"));
    assert!(text.contains("function values; at most"), "{text}");
}

#[test]
fn movements_of_large_tensors_do_not_multiply_memory() {
    let mut model = Model::new(data_type::UINT8, &[1 << 12, 1 << 11]);
    let mut last = "x".to_string();
    for step in 0..1000 {
        let name = format!("t{step}");
        let node = model.node("Transpose", &[&last], &name);
        node.attribute.push(ints_attribute("perm", &[0, 2, 1]));
        last = name;
    }
    let text = problems(&model.finish(&last));
    assert!(text.contains("moved elements; at most"), "{text}");
}

#[test]
fn windows_of_any_size_are_refused_before_they_are_made() {
    let mut model = Model::new(data_type::UINT8, &[1, 4, 4]);
    model.quantiser("x", Code::u8(1.0, 0));
    model.dequantise("x", "x", "real");
    let big = (1 << 24) - 1;
    let node = model.node("AveragePool", &["real"], "mean");
    node.attribute
        .push(ints_attribute("kernel_shape", &[big, big]));
    node.attribute.push(ints_attribute("pads", &[big; 4]));
    model.quantise("mean", "x", "y");
    let text = problems(&model.finish("y"));
    assert!(
        text.contains("a sample has more than 16777216 elements"),
        "{text}"
    );
}

#[test]
fn shared_weights_cannot_make_an_endless_program() {
    let mut model = Model::new(data_type::UINT8, &[2000]);
    model.quantiser("x", Code::u8(1.0, 0));
    model.i8s("w", &[2000, 2000], &vec![1; 4_000_000]);
    model.floats("w_scale", &[], &[1.0]);
    model.node("DequantizeLinear", &["w", "w_scale"], "w_real");
    let mut codes = "x".to_string();
    for step in 0..400 {
        let name = |part: &str| format!("{part}{step}");
        model.dequantise(&codes, "x", &name("real"));
        model.node("MatMul", &[&name("real"), "w_real"], &name("sum"));
        model.quantise(&name("sum"), "x", &name("codes"));
        codes = name("codes");
    }
    let text = problems(&model.finish(&codes));
    assert!(
        text.contains("weights; at most 1073741824 fit a program"),
        "{text}"
    );
}

#[test]
fn data_outside_the_file_are_refused() {
    let mut model = Model::new(data_type::UINT8, &[4]);
    model.i8s("w", &[2], &[1, 2]);
    model.graph().initializer[0].data_location = 1;
    let text = problems(&model.finish("x"));
    assert!(text.contains("`w`: its data are in another file"), "{text}");
}

#[test]
fn attributes_of_the_wrong_kind_are_refused() {
    let mut proto = ModelProto::decode(valid().as_slice()).unwrap();
    for node in &mut proto.graph.as_mut().unwrap().node {
        node.attribute.push(AttributeProto {
            name: "block_size".to_string(),
            r#type: 3,
            ..Default::default()
        });
    }
    let error = network_of(&proto.encode_to_vec()).unwrap_err();
    let CompileError::Model(problems) = error else {
        panic!("{error}");
    };
    assert!(problems
        .iter()
        .all(|problem| problem.reason == "attribute `block_size` is not an integer"));
}
