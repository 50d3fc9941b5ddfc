//! What models become: which operations, which of them move codes, and what is noted.

use crate::corpus;
use crate::model::{int_attribute, ints_attribute, Code, Model};
use quern_compiler::network::{Kind, Window};
use quern_compiler::onnx::data_type;
use quern_compiler::{compile, network_of, Network, Options};
use quern_isa::CONFIGS;
use std::time::{Duration, Instant};

fn kinds(network: &Network) -> Vec<&'static str> {
    let operations = network.operations.iter();
    operations.map(|operation| operation.kind.name()).collect()
}

/// A model of float32 images of 3 x 4 x 5, quantised to `real`.
fn image() -> Model {
    let mut model = Model::new(data_type::FLOAT, &[3, 4, 5]);
    model.quantiser("q", Code::u8(0.03, 120));
    model.quantise("x", "q", "codes");
    model.dequantise("codes", "q", "real");
    model
}

/// Appends a convolution of `channels` to as many, quantised and dequantised again.
fn convolve(model: &mut Model, input: &str, channels: usize, output: &str) {
    let name = |part: &str| format!("{output}_{part}");
    let count = channels * channels * 9;
    let weights: Vec<i8> = (0..count).map(|i| (i % 100) as i8).collect();
    model.i8s(&name("w"), &[channels, channels, 3, 3], &weights);
    model.floats(&name("s"), &[], &[0.01]);
    model.node("DequantizeLinear", &[&name("w"), &name("s")], &name("r"));
    let node = model.node("Conv", &[input, &name("r")], &name("sum"));
    node.attribute.push(ints_attribute("pads", &[1; 4]));
    model.quantiser(output, Code::u8(0.3, 100));
    model.quantise(&name("sum"), output, &name("codes"));
    model.dequantise(&name("codes"), output, output);
}

#[test]
fn a_dense_layer_behind_a_flattened_map_reads_the_map_itself() {
    let network = network_of(&corpus::model("DynamicReshape")).unwrap();
    assert_eq!(kinds(&network), ["convolution", "convolution"]);
    let Kind::Convolution(dense) = &network.operations[1].kind else {
        panic!("a convolution");
    };
    assert_eq!(
        dense.window,
        Window {
            kernel: [3, 5],
            ..Window::POINT
        }
    );
}

#[test]
fn the_host_writes_the_input_as_its_first_reader_wants_it() {
    // Channels last already, in spite of the Transpose.
    let network = network_of(&corpus::model("ChannelsLastInput")).unwrap();
    assert_eq!(kinds(&network), ["convolution"]);
    assert!(network.input.elements.iter().copied().eq(0..90));
    assert!(network.output.elements.iter().copied().eq(0..150));
    // Channels first: the host transposes.
    let mut model = image();
    convolve(&mut model, "real", 3, "y");
    let network = network_of(&model.finish("y")).unwrap();
    assert_eq!(kinds(&network), ["convolution"]);
    assert_eq!(network.input.elements[..3], [0, 3, 6]);
}

#[test]
fn movements_in_a_row_move_codes_once() {
    let network = network_of(&corpus::model("CodesMoved")).unwrap();
    assert_eq!(kinds(&network), ["max pool", "rearrange"]);
}

#[test]
fn a_table_joins_the_operation_before_it_when_nothing_else_reads_that() {
    let model = |with_branch: bool| {
        let mut model = image();
        convolve(&mut model, "real", 3, "a");
        model.node("Sigmoid", &["a"], "s");
        model.quantiser("b", Code::u8(0.004, 0));
        model.quantise("s", "b", "b_codes");
        model.dequantise("b_codes", "b", "b");
        if with_branch {
            let node = model.node("Concat", &["a", "b"], "joined");
            node.attribute.push(int_attribute("axis", 1));
            model.quantise("joined", "a", "y");
            return network_of(&model.finish("y")).unwrap();
        }
        network_of(&model.finish("b")).unwrap()
    };
    let joined = model(false);
    assert_eq!(kinds(&joined), ["convolution"]);
    assert!(joined.operations[0].finish.table.is_some());
    let branching = model(true);
    assert_eq!(
        kinds(&branching),
        ["convolution", "elementwise", "rearrange"]
    );
    assert!(branching.operations[0].finish.table.is_none());
}

#[test]
fn what_a_split_does_not_hand_on_costs_nothing() {
    let mut model = image();
    let node = model.node("Split", &["real"], "first");
    node.output.push("second".to_string());
    node.attribute.push(int_attribute("axis", 2));
    model.node("Sqrt", &["first"], "unused");
    model.quantise("second", "q", "y");
    let network = network_of(&model.finish("y")).unwrap();
    assert_eq!(kinds(&network), [""; 0]);
    assert_eq!(network.maps.len(), 1);
    assert_eq!(network.output.elements[..3], [10, 11, 12]);
}

#[test]
fn the_same_rearrangement_is_made_once() {
    let mut model = image();
    convolve(&mut model, "real", 3, "a");
    let node = model.node("Transpose", &["a"], "turned");
    node.attribute.push(ints_attribute("perm", &[0, 1, 3, 2]));
    model.quantise("turned", "a", "t_codes");
    for name in ["t1", "t2"] {
        model.dequantise("t_codes", "a", name);
    }
    convolve(&mut model, "t1", 3, "b");
    convolve(&mut model, "t2", 3, "c");
    model.node("Add", &["b", "c"], "sum");
    model.quantise("sum", "a", "y");
    let network = network_of(&model.finish("y")).unwrap();
    let expected = [
        "convolution",
        "rearrange",
        "convolution",
        "convolution",
        "add",
    ];
    assert_eq!(kinds(&network), expected);
}

#[test]
fn constants_of_pixels_are_a_map_of_their_own() {
    let network = network_of(&corpus::model("PositionConstants")).unwrap();
    assert_eq!(kinds(&network), ["constant", "add"]);
}

#[test]
fn constants_of_channels_are_tables() {
    let network = network_of(&corpus::model("ChannelAffine")).unwrap();
    assert_eq!(kinds(&network), ["channel tables"]);
}

#[test]
fn where_onnxruntime_leaves_its_integer_kernels_a_note_says_so() {
    let notes = |input: Code, sample: &[usize], clip: Option<f32>, real_output: bool| {
        let mut model = Model::new(data_type::FLOAT, sample);
        if input.signed {
            model = Model::new(data_type::INT8, sample);
            model.dequantise("x", "q", "real");
        } else {
            model.quantise("x", "q", "codes");
            model.dequantise("codes", "q", "real");
        }
        model.quantiser("q", input);
        model.i8s("w", &[4, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
        model.floats("w_scale", &[], &[0.25]);
        model.node("DequantizeLinear", &["w", "w_scale"], "w_real");
        model.node("MatMul", &["real", "w_real"], "product");
        model.floats("b", &[2], &[1.0, 2.0]);
        model.node("Add", &["product", "b"], "sum");
        model.floats("high", &[], &[clip.unwrap_or(1e9)]);
        model.node("Clip", &["sum", "", "high"], "clipped");
        model.quantise("clipped", "q", "y_codes");
        if !real_output {
            return network_of(&model.finish("y_codes")).unwrap().notes;
        }
        model.dequantise("y_codes", "q", "y");
        network_of(&model.finish("y")).unwrap().notes
    };
    let (unsigned, signed) = (Code::u8(1.0, 0), Code::i8(1.0, 0));
    let only = |notes: Vec<String>, reason: &str| {
        assert!(notes.len() == 1 && notes[0].contains(reason), "{notes:?}");
    };
    only(
        notes(unsigned, &[4], Some(20.0), true),
        "its clamp is narrower",
    );
    only(notes(signed, &[4], None, true), "no uint8 tensors");
    // int8 codes from end to end stay in the integer kernels.
    for (input, real_output) in [(unsigned, true), (signed, false)] {
        assert_eq!(notes(input, &[4], None, real_output), Vec::<String>::new());
    }
    // So do sums of integers to which a real bias is added.
    assert_eq!(notes(unsigned, &[3, 4], None, true), Vec::<String>::new());
}

/// MatMulIntegerToFloat: where no integer bias gives the codes of the real one, two layers
/// and a table for each channel do.
#[test]
fn a_real_bias_of_integer_sums_is_exact() {
    let model = |bias: &[f32; 2]| {
        let quantiser = Code::u8(0.3712, 100);
        let mut model = Model::new(data_type::FLOAT, &[3, 4]);
        model.quantise("x", "q", "codes");
        model.dequantise("codes", "q", "real");
        model.quantiser("q", Code::u8(0.1, 3));
        model.i8s("w", &[4, 2], &[1, -2, 3, 4, 50, -6, 7, 8]);
        model.floats("w_scale", &[], &[0.25]);
        model.node("DequantizeLinear", &["w", "w_scale"], "w_real");
        model.node("MatMul", &["real", "w_real"], "product");
        model.floats("b", &[2], bias);
        model.node("Add", &["product", "b"], "sum");
        model.quantiser("p", quantiser);
        model.quantise("sum", "p", "y_codes");
        model.dequantise("y_codes", "p", "y");
        network_of(&model.finish("y")).unwrap()
    };
    // In units of 0.025: 40 and 80, or nothing whole.
    assert_eq!(kinds(&model(&[1.0, 2.0])), ["convolution"]);
    let network = model(&[1.0123, 2.0123]);
    let both = ["convolution", "channel tables"];
    assert_eq!(kinds(&network), [&both[..], &both, &["add"]].concat());
    let mut fractional = 0;
    for draw in 0..2000u32 {
        let code = |place: u32| (draw.wrapping_mul(40_503 + 1_234_567 * place) >> 11) as u8;
        let codes: Vec<u8> = (0..12).map(code).collect();
        let actual = network.evaluate(&codes);
        for (row, outputs) in codes.chunks(4).zip(actual.chunks(2)) {
            let weights = [[1, 3, 50, 7], [-2, 4, -6, 8]];
            for (output, (weights, bias)) in weights.iter().zip([1.0123f32, 2.0123]).enumerate() {
                let products = row.iter().zip(weights).map(|(&u, w)| (u as i32 - 3) * w);
                let sum: i32 = products.sum();
                let code =
                    |real: f32| (real / 0.3712).round_ties_even().clamp(-100.0, 155.0) + 100.0;
                let scale = 0.1f32 * 0.25;
                let expected = code(sum as f32 * scale + bias);
                let integer = (bias / scale).round() * scale;
                fractional += (code(sum as f32 * scale + integer) != expected) as usize;
                assert_eq!(outputs[output] as f32, expected, "{codes:?}");
            }
        }
    }
    assert!(fractional > 0, "an integer bias would do");
}

/// Input scale times weight scale is 1/8; the bias's own scale is twice that.
#[test]
fn integers_of_a_bias_are_taken_as_they_are_unless_the_runtime_computes_in_floats() {
    let bias = |clip: f32| {
        let mut model = Model::new(data_type::FLOAT, &[4]);
        model.quantiser("q", Code::u8(0.5, 0));
        model.quantise("x", "q", "codes");
        model.dequantise("codes", "q", "real");
        model.i8s("w", &[4, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
        model.floats("w_scale", &[], &[0.25]);
        model.node("DequantizeLinear", &["w", "w_scale"], "w_real");
        model.i32s("b", &[2], &[10, -20]);
        model.floats("b_scale", &[], &[0.25]);
        model.node("DequantizeLinear", &["b", "b_scale"], "b_real");
        model.node("Gemm", &["real", "w_real", "b_real"], "sum");
        model.floats("high", &[], &[clip]);
        model.node("Clip", &["sum", "", "high"], "clipped");
        model.quantise("clipped", "q", "y_codes");
        model.dequantise("y_codes", "q", "y");
        let network = network_of(&model.finish("y")).unwrap();
        match &network.operations[0].kind {
            Kind::Convolution(convolution) => convolution.bias.clone(),
            kind => panic!("{}", kind.name()),
        }
    };
    assert_eq!(bias(1e9), [10, -20]);
    assert_eq!(bias(20.0), [20, -40]);
}

/// Means of windows of a float image, from one scale to another.
fn pooled(from: Code, to: Code, kernel: [i64; 2]) -> Network {
    let mut model = Model::new(data_type::FLOAT, &[3, 4, 5]);
    model.quantiser("from", from);
    model.quantiser("to", to);
    model.quantise("x", "from", "codes");
    model.dequantise("codes", "from", "real");
    let node = model.node("AveragePool", &["real"], "mean");
    node.attribute.push(ints_attribute("kernel_shape", &kernel));
    model.quantise("mean", "to", "mean_codes");
    model.dequantise("mean_codes", "to", "y");
    network_of(&model.finish("y")).unwrap()
}

#[test]
fn means_are_the_hosts_where_the_order_of_float_additions_may_count() {
    let kind = |scale: f32, zero_point, kernel| {
        let code = Code::u8(scale, zero_point);
        kinds(&pooled(code, code, kernel))
    };
    // Nine elements of one scale never mean a tie; two do, but for a scale of few bits
    // all sums are exact.
    assert_eq!(kind(0.03, 120, [3, 3]), ["average pool"]);
    assert_eq!(kind(0.03, 120, [1, 2]), ["average pool on the host"]);
    assert_eq!(kind(0.03125, 120, [1, 2]), ["average pool"]);
}

#[test]
fn functions_of_two_tensors_that_are_no_sums_are_the_hosts() {
    let kind = |operator: &str| {
        let mut model = image();
        model.quantiser("other", Code::u8(0.05, 7));
        convolve(&mut model, "real", 3, "convolved");
        model.node(operator, &["real", "convolved"], "result");
        model.quantise("result", "other", "result_codes");
        model.dequantise("result_codes", "other", "y");
        let network = network_of(&model.finish("y")).unwrap();
        kinds(&network).pop().unwrap()
    };
    assert_eq!(kind("Add"), "add");
    assert_eq!(kind("Max"), "pairs on the host");
    assert_eq!(kind("Div"), "pairs on the host");
}

#[test]
fn a_network_of_a_hundred_layers_compiles_in_ten_seconds() {
    let mut model = Model::new(data_type::FLOAT, &[16, 32, 32]);
    model.quantiser("q", Code::u8(0.03, 120));
    model.quantise("x", "q", "codes");
    model.dequantise("codes", "q", "layer0");
    for layer in 0..100 {
        let (from, to) = (format!("layer{layer}"), format!("layer{}", layer + 1));
        convolve(&mut model, &from, 16, &to);
    }
    let model = model.finish("layer100");
    for config in CONFIGS {
        let begun = Instant::now();
        let compiled = compile(&model, &config, &Options::default()).unwrap();
        assert_eq!(compiled.report.layers.len(), 100);
        let taken = begun.elapsed();
        println!("{}: {taken:?}", config.name);
        assert!(
            taken < Duration::from_secs(10),
            "{}: {taken:?}",
            config.name
        );
    }
}
