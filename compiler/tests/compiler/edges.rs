//! What the host feeds and gets back.

use crate::golden::{Network, Sizes};
use crate::model::{fixed, value, Code, Model};
use prost::Message;
use quern_compiler::onnx::{data_type, ModelProto};
use quern_compiler::{compile, Array, CompileError, Compiled, InputError, Options, Values};
use quern_isa::{Config, Reference, CONFIGS, CU, TINY};

fn compiled(model: &[u8], config: Config) -> Compiled {
    compile(model, &config, &Options::default()).unwrap()
}

fn run(compiled: &Compiled, input: &Array) -> Array {
    let mut machine = Reference::new(compiled.program.config);
    compiled.run(&mut machine, input, |_, _| ()).unwrap()
}

/// float32 in, codes, float32 out, and nothing between.
fn through(input: Code, shape: &[usize]) -> Vec<u8> {
    let mut model = Model::new(data_type::FLOAT, shape);
    model.quantiser("x", input);
    model.quantise("x", "x", "codes");
    model.dequantise("codes", "x", "y");
    model.finish("y")
}

#[test]
fn real_inputs_are_rounded_half_to_even_and_saturated() {
    let code = Code::i8(0.5, 3);
    let reals = [
        0.0,
        0.25,
        0.75,
        -0.25,
        -0.75,
        61.9,
        62.3,
        1e30,
        -65.6,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let codes = [3, 3, 5, 3, 1, 127, 127, 127, -128, -128, -128];
    let input = Array {
        shape: vec![1, reals.len()],
        values: Values::F32(reals.to_vec()),
    };
    for config in CONFIGS {
        let output = run(&compiled(&through(code, &[reals.len()]), config), &input);
        let expected = codes.map(|q: i32| (q - 3) as f32 * 0.5);
        assert_eq!(
            output.values,
            Values::F32(expected.to_vec()),
            "{}",
            config.name
        );
        assert_eq!(output.shape, input.shape);
    }
}

#[test]
fn samples_run_batch_by_batch_and_keep_their_shape() {
    let sample = [2, 3, 5];
    let reals: Vec<f32> = (0..7 * 30).map(|i| (i % 256) as f32).collect();
    let input = Array {
        shape: vec![7, 2, 3, 5],
        values: Values::F32(reals.clone()),
    };
    let options = Options {
        batch: Some(3),
        name: None,
    };
    let compiled = compile(&through(Code::u8(1.0, 0), &sample), &TINY, &options).unwrap();
    let mut done = Vec::new();
    let mut machine = Reference::new(TINY);
    let output = compiled.run(&mut machine, &input, |_, samples| done.push(samples));
    assert_eq!(output.unwrap(), input);
    assert_eq!(done, [3, 6, 7]);
}

#[test]
fn functions_behind_the_last_quantiser_run_on_the_host() {
    let mut model = Model::new(data_type::FLOAT, &[4]);
    model.quantiser("x", Code::i8(0.5, 0));
    model.quantise("x", "x", "codes");
    model.dequantise("codes", "x", "real");
    model.node("Relu", &["real"], "y");
    let input = Array {
        shape: vec![1, 4],
        values: Values::F32(vec![-3.0, -0.5, 0.5, 3.0]),
    };
    let output = run(&compiled(&model.finish("y"), CU), &input);
    assert_eq!(output.values, Values::F32(vec![0.0, 0.0, 0.5, 3.0]));
}

#[test]
fn arrays_that_are_no_input_are_refused_by_name() {
    let compiled = compiled(&through(Code::u8(1.0, 0), &[2, 3]), CU);
    let floats = |shape: &[usize], count| Array {
        shape: shape.to_vec(),
        values: Values::F32(vec![0.0; count]),
    };
    let text = |array: &Array| compiled.check_input(array).unwrap_err().to_string();
    assert_eq!(
        text(&floats(&[5, 3, 2], 30)),
        "the model's input `x` has shape [samples, 2, 3], this array has [5, 3, 2]"
    );
    assert_eq!(
        text(&Array {
            shape: vec![1, 2, 3],
            values: Values::I8(vec![0; 6]),
        }),
        "the model's input `x` is float32, this array is int8"
    );
    assert_eq!(
        compiled.check_input(&floats(&[2, 2, 3], 11)),
        Err(InputError::Length {
            shape: vec![2, 2, 3],
            values: 11
        })
    );
    assert_eq!(
        compiled.check_input(&floats(&[0, 2, 3], 0)),
        Err(InputError::Empty)
    );
    assert_eq!(compiled.check_input(&floats(&[4, 2, 3], 24)), Ok(4));
}

#[test]
fn a_fixed_batch_wants_multiples_of_it() {
    let network = Network::random(
        1,
        &[Sizes {
            inputs: 6,
            outputs: 4,
            weight: 9,
        }],
        1,
    );
    let mut proto = ModelProto::decode(network.model().as_slice()).unwrap();
    let graph = proto.graph.as_mut().unwrap();
    let element = network.input.data_type();
    graph.input = vec![value("x", element, vec![fixed(3), fixed(6)])];
    let compiled = compiled(&proto.encode_to_vec(), TINY);
    network.check_compiled(&compiled, 6, 5);
    let input = Array {
        shape: vec![4, 6],
        values: match network.input.signed {
            true => Values::I8(vec![0; 24]),
            false => Values::U8(vec![0; 24]),
        },
    };
    assert_eq!(
        compiled.check_input(&input).unwrap_err().to_string(),
        "`x` takes 3 samples at a time, and 4 are no multiple of it"
    );
}

#[test]
fn reports_are_serialisable_and_add_up() {
    let sizes = [(20, 30), (30, 7)].map(|(inputs, outputs)| Sizes {
        inputs,
        outputs,
        weight: 40,
    });
    let network = Network::random(1, &sizes, 8);
    let compiled = compiled(&network.model(), TINY);
    let report = &compiled.report;
    assert_eq!(report.totals.macs_per_sample, 20 * 30 + 30 * 7);
    assert_eq!(
        report.totals.literal_bytes,
        compiled.program.literal_bytes()
    );
    let region = compiled.program.input;
    assert_eq!(
        report.totals.bytes_in - report.totals.literal_bytes,
        region.bytes(&TINY),
        "everything stays on chip, so only the input comes from the host"
    );
    assert_eq!(
        report.totals.bytes_out,
        compiled.program.output.bytes(&TINY)
    );
    // 30 outputs in columns of 4, all at once.
    assert_eq!(report.layers[0].column_tiles, [8, 8]);
}

#[test]
fn a_batch_out_of_range_is_refused() {
    for batch in [0, 1 << 40] {
        let options = Options {
            batch: Some(batch),
            name: None,
        };
        let error = compile(&through(Code::u8(1.0, 0), &[3]), &TINY, &options).unwrap_err();
        assert!(matches!(&error, CompileError::Model(problems) if problems.len() == 1));
        assert!(error
            .to_string()
            .contains(&format!("a batch of {batch} samples")));
    }
}
