//! Models that can't be compiled: one diagnostic that names every offending node.

use crate::model::{fixed, float_attribute, int_attribute, symbolic, value, Code, Model};
use prost::Message;
use quern_compiler::network_of;
use quern_compiler::onnx::{data_type, ModelProto};

fn refusal(model: &[u8]) -> String {
    let error = network_of(model).unwrap_err();
    let text = error.to_string();
    let (head, list) = text.split_once(":\n").expect("a list of problems");
    assert!(head.starts_with("the model cannot be compiled"), "{head}");
    list.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// A dense layer of 4 inputs and 3 outputs up to `sum`, to be varied.
fn dense() -> Model {
    let mut model = Model::new(data_type::UINT8, &[4]);
    model.quantiser("x", Code::u8(0.5, 0));
    model.dequantise("x", "x", "real");
    model.i8s("w", &[4, 3], &[1, -2, 3, 4, -5, 6, 7, -8, 9, 10, -11, 12]);
    model.floats("w_scale", &[], &[0.25]);
    model.node("DequantizeLinear", &["w", "w_scale"], "w_real");
    model.node("MatMul", &["real", "w_real"], "sum");
    model.quantiser("y", Code::i8(1.0, 0));
    model
}

#[test]
fn all_offending_nodes_are_listed_with_operator_and_reason() {
    let mut model = Model::new(data_type::FLOAT, &[1, 8, 8]);
    model.quantiser("x", Code::i8(0.0, 0));
    model.quantise("x", "x", "codes");
    model.floats("kernel", &[1, 1, 3, 3], &[0.0; 9]);
    model.node("Conv", &["x", "kernel"], "image");
    model.node("MaxPool", &["x"], "pooled");
    model.node("TopK", &["image"], "best");
    model.node("Concat", &["pooled", "best", "other"], "y");
    model.node("LSTM", &["x"], "other");
    assert_eq!(refusal(&model.finish("y")).lines().count(), 4);
    insta::assert_snapshot!(refusal(&model.finish("y")));
}

#[test]
fn sums_that_are_never_quantised_are_refused() {
    let text = refusal(&dense().finish("sum"));
    assert_eq!(
        text,
        "`sum`: the result of `sum_node` is never quantised; end the model with QuantizeLinear and DequantizeLinear"
    );
}

#[test]
fn a_function_of_unquantised_sums_is_refused_with_the_way_out() {
    let mut model = dense();
    model.node("Sigmoid", &["sum"], "s");
    model.quantise("s", "y", "y");
    assert_eq!(
        refusal(&model.finish("y")),
        "`s_node` (Sigmoid): it follows `sum_node` in floating point; the accelerator applies functions to 8-bit codes: put QuantizeLinear and DequantizeLinear between them"
    );
}

#[test]
fn sums_of_more_than_two_tensors_are_refused_with_the_way_out() {
    let mut model = dense();
    model.quantise("sum", "y", "a");
    for (codes, real) in [("a", "b"), ("a", "c")] {
        model.dequantise(codes, "y", real);
    }
    model.node("Neg", &["c"], "negated");
    model.quantise("negated", "x", "d");
    model.dequantise("d", "x", "e");
    model.node("Add", &["b", "e"], "two");
    model.node("Add", &["two", "b"], "three");
    model.quantise("three", "y", "z");
    assert_eq!(
        refusal(&model.finish("z")),
        "`three_node` (Add): it follows `two_node` in floating point; the accelerator applies functions to 8-bit codes: put QuantizeLinear and DequantizeLinear between them"
    );
}

#[test]
fn weights_that_do_not_fit_the_input_are_refused() {
    let mut model = dense();
    model
        .graph()
        .initializer
        .retain(|tensor| tensor.name != "w");
    model.i8s("w", &[5, 3], &[0; 15]);
    model.quantise("sum", "y", "y");
    assert_eq!(
        refusal(&model.finish("y")),
        "`sum_node` (MatMul): its input has 4 channels, its weights expect 5"
    );
}

#[test]
fn gemm_with_other_factors_or_layouts_is_refused() {
    for (attribute, reason) in [
        (float_attribute("alpha", 0.5), "alpha is 0.5"),
        (float_attribute("beta", 2.0), "beta is 2"),
        (int_attribute("transA", 1), "transA is set"),
        (
            int_attribute("transB", 1),
            "its input has 4 channels, its weights expect 3",
        ),
    ] {
        let mut model = dense();
        let node = model.graph().node.last_mut().unwrap();
        node.op_type = "Gemm".to_string();
        node.attribute.push(attribute);
        model.quantise("sum", "y", "y");
        let text = refusal(&model.finish("y"));
        assert!(
            text.starts_with(&format!("`sum_node` (Gemm): {reason}")),
            "{text}"
        );
    }
}

#[test]
fn scales_must_be_positive_and_finite() {
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mut model = dense();
        model.floats("bad_scale", &[], &[scale]);
        model.node("QuantizeLinear", &["sum", "bad_scale"], "y");
        assert_eq!(
            refusal(&model.finish("y")),
            format!(
                "`y_node` (QuantizeLinear): the scale is {scale}; it must be positive and finite"
            )
        );
    }
}

#[test]
fn dynamic_dimensions_but_the_batch_are_refused_by_name() {
    let mut model = dense();
    model.quantise("sum", "y", "y");
    let mut proto = ModelProto::decode(model.finish("y").as_slice()).unwrap();
    let dims = vec![symbolic("batch"), symbolic("tokens"), fixed(4)];
    proto.graph.as_mut().unwrap().input = vec![value("x", data_type::UINT8, dims)];
    assert_eq!(
        refusal(&proto.encode_to_vec()),
        "`x`: dimension 1 (`tokens`) is not fixed; only the first one, the batch, may be"
    );
}

#[test]
fn old_operator_sets_are_refused() {
    let mut model = dense();
    model.quantise("sum", "y", "y");
    model.proto.opset_import[0].version = 12;
    let text = refusal(&model.finish("y"));
    assert!(
        text.starts_with("`opset_import`: operator set 12 is too old"),
        "{text}"
    );
}

#[test]
fn reshapes_that_mix_samples_are_refused() {
    for (target, reason) in [
        (vec![1, -1], "it does not keep the batch axis"),
        (vec![-1, 2], "it regroups 4 elements of a sample as [-1, 2]"),
        (vec![0, 3], "it regroups 4 elements"),
        (vec![-1, -1], "the shape [-1, -1] has more than one -1"),
        (vec![0, -3], "the shape [0, -3] has a dimension of -3"),
        (vec![], "it reshapes to a scalar"),
    ] {
        let mut model = Model::new(data_type::UINT8, &[2, 2]);
        model.i64s("shape", &target);
        model.node("Reshape", &["x", "shape"], "y");
        let text = refusal(&model.finish("y"));
        assert!(
            text.starts_with(&format!("`y_node` (Reshape): {reason}")),
            "{text}"
        );
    }
}

#[test]
fn missing_and_doubled_tensors_are_named() {
    let mut model = dense();
    model.node("QuantizeLinear", &["nowhere", "y_scale"], "sum");
    let text = refusal(&model.finish("end"));
    assert_eq!(
        text,
        "`sum_node` (QuantizeLinear): its output `sum` is also made elsewhere\n`sum_node` (QuantizeLinear): it reads `nowhere`, which nothing makes\n`end`: it is the model's output, and nothing makes it"
    );
}
