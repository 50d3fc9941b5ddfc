//! Functions of one element, against codes measured from ONNX Runtime.

use crate::model::{float_attribute, string_attribute, Code, Model};
use quern_compiler::network::Kind;
use quern_compiler::{network_of, Array, Network, Values};

/// Per line: operator, attributes or bounds, input and output quantiser, and the 256
/// output codes that onnxruntime 1.32 (CPU provider, x86-64 with FMA) gives for all
/// input codes in ascending order.
const MEASURED: &str = include_str!("functions.txt");

#[derive(Debug)]
struct Case {
    operator: String,
    attributes: Vec<(String, String)>,
    from: Code,
    to: Code,
    codes: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let lines = MEASURED.lines().filter(|line| !line.starts_with('#'));
    let cases: Vec<Case> = lines.map(parse).collect();
    assert!(cases.len() >= 32, "{} cases", cases.len());
    cases
}

fn parse(line: &str) -> Case {
    let fields: Vec<&str> = line.split(" | ").collect();
    let [head, from, to, codes] = fields[..] else {
        panic!("{line}");
    };
    let mut words = head.split(' ');
    let operator = words.next().unwrap().to_string();
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').unwrap();
        (name.to_string(), value.to_string())
    };
    let quantiser = |text: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        let scale = f32::from_bits(u32::from_str_radix(words[1], 16).unwrap());
        let zero_point = words[2].parse().unwrap();
        match words[0] {
            "int8" => Code::i8(scale, zero_point),
            _ => Code::u8(scale, zero_point),
        }
    };
    let codes = codes.as_bytes().chunks_exact(2);
    Case {
        operator,
        attributes: words.map(pair).collect(),
        from: quantiser(from),
        to: quantiser(to),
        codes: codes
            .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap())
            .collect(),
    }
}

impl Case {
    /// Appends the function of `input` to a model.
    fn node(&self, model: &mut Model, input: &str, output: &str) {
        let mut inputs = vec![input.to_string()];
        let mut attributes = Vec::new();
        for (name, value) in &self.attributes {
            let number = || f32::from_bits(u32::from_str_radix(value, 16).unwrap());
            match name.as_str() {
                "min" | "max" => {
                    let constant = format!("{output}_{name}");
                    model.floats(&constant, &[], &[number()]);
                    inputs.push(constant);
                }
                "approximate" => attributes.push(string_attribute(name, value)),
                _ => attributes.push(float_attribute(name, number())),
            }
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        model.node(&self.operator, &inputs, output).attribute = attributes;
    }

    fn model(&self) -> Vec<u8> {
        let mut model = Model::new(self.from.data_type(), &[256]);
        model.quantiser("x", self.from);
        model.quantiser("y", self.to);
        model.dequantise("x", "x", "real");
        self.node(&mut model, "real", "function");
        model.quantise("function", "y", "y");
        model.finish("y")
    }
}

/// All codes of a type in ascending order.
fn all_codes(code: Code) -> Array {
    let values = match code.signed {
        true => Values::I8((-128..=127).collect()),
        false => Values::U8((0..=255).collect()),
    };
    Array {
        shape: vec![1, 256],
        values,
    }
}

fn bytes(array: &Array) -> Vec<u8> {
    match &array.values {
        Values::I8(values) => values.iter().map(|&value| value as u8).collect(),
        Values::U8(values) => values.clone(),
        Values::F32(_) | Values::I64(_) => panic!("codes expected"),
    }
}

fn network(model: &[u8]) -> Network {
    network_of(model).unwrap()
}

#[test]
fn functions_equal_onnxruntime_for_all_codes() {
    for case in cases() {
        let output = network(&case.model()).run(&all_codes(case.from));
        assert_eq!(bytes(&output), case.codes, "{case:?}");
    }
}

#[test]
fn functions_in_a_row_compose() {
    // Neg twice through quantisers of the same scale is the identity but for -128.
    let code = Code::i8(0.1, 0);
    let mut model = Model::new(code.data_type(), &[256]);
    model.quantiser("x", code);
    let mut codes = "x".to_string();
    for step in ["a", "b"] {
        let name = |part: &str| format!("{part}_{step}");
        model.dequantise(&codes, "x", &name("real"));
        model.node("Neg", &[&name("real")], &name("neg"));
        model.quantise(&name("neg"), "x", &name("codes"));
        codes = name("codes");
    }
    let network = network(&model.finish(&codes));
    assert_eq!(network.operations.len(), 1);
    let output = network.run(&all_codes(code));
    let expected: Vec<i8> = (-128..=127).map(|q: i8| q.max(-127)).collect();
    assert_eq!(output.values, Values::I8(expected));
}

#[test]
fn a_relu_of_codes_is_a_bound_and_needs_no_table() {
    let code = Code::i8(0.1, -20);
    let mut model = Model::new(code.data_type(), &[256]);
    model.quantiser("x", code);
    model.dequantise("x", "x", "real");
    model.node("Relu", &["real"], "relu");
    model.quantise("relu", "x", "y");
    let network = network(&model.finish("y"));
    assert!(matches!(
        network.operations[0].kind,
        Kind::Elementwise { .. }
    ));
    assert!(network.operations[0].finish.table.is_none());
    let output = network.run(&all_codes(code));
    let expected: Vec<i8> = (-128..=127).map(|q: i8| q.max(-20)).collect();
    assert_eq!(output.values, Values::I8(expected));
}
