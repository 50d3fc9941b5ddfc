//! Small networks beside their programs: one for each thing a pass decides.

use crate::golden::{Dense, Network};
use crate::model::{Code, Model};
use quern_compiler::{compile, Options};
use quern_isa::{Config, ASIC16, CU, TINY};

fn listing(model: &[u8], config: Config, batch: usize) -> String {
    let options = Options {
        batch: Some(batch),
        name: None,
    };
    compile(model, &config, &options).unwrap().listing()
}

/// Layers whose weights count up, so that their bytes can be read.
fn network(
    positions: usize,
    channels: &[(usize, usize)],
    function: Option<&'static str>,
) -> Network {
    let layers = channels.iter().map(|&(inputs, outputs)| Dense {
        inputs,
        outputs,
        weights: (0..inputs * outputs).map(|i| (i % 100) as i8).collect(),
        weight_scales: vec![0.5; outputs],
        bias: (0..outputs as i32).collect(),
        output: Code::i8(64.0, -1),
        gemm: true,
        function,
    });
    Network {
        positions,
        input: Code::i8(1.0, 0),
        layers: layers.collect(),
    }
}

#[test]
fn two_layers_stay_on_chip() {
    let network = network(1, &[(6, 5), (5, 3)], None);
    network.check(TINY, Some(2), 2, 0);
    insta::assert_snapshot!(listing(&network.model(), TINY, 2));
}

#[test]
fn relu_becomes_a_bound() {
    insta::assert_snapshot!(listing(&network(1, &[(8, 6)], Some("Relu")).model(), CU, 1));
}

#[test]
fn other_functions_become_the_table() {
    insta::assert_snapshot!(listing(
        &network(1, &[(16, 16)], Some("Abs")).model(),
        ASIC16,
        1
    ));
}

#[test]
fn a_function_of_the_input_is_a_diagonal_tile() {
    let code = Code::u8(0.1, 0);
    let mut model = Model::new(code.data_type(), &[20]);
    model.quantiser("x", code);
    model.dequantise("x", "x", "real");
    model.node("Sqrt", &["real"], "root");
    model.quantise("root", "x", "y");
    insta::assert_snapshot!(listing(&model.finish("y"), CU, 2));
}

#[test]
fn wide_layers_are_tiled_and_spilled() {
    insta::assert_snapshot!(listing(&network(1, &[(1030, 3)], None).model(), TINY, 1));
}

#[test]
fn rows_are_regrouped_on_the_way_out() {
    // Three rows of two channels become one row of six.
    let network = network(3, &[(4, 2), (6, 2)], None);
    network.check(TINY, Some(2), 2, 0);
    insta::assert_snapshot!(listing(&network.model(), TINY, 2));
}
