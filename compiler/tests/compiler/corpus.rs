//! Small models of every operator, against ONNX Runtime's answers, bit for bit.

use quern_compiler::{network_of, Array, Values};
use std::path::Path;

/// Per line: the model's name, an input and the output that onnxruntime 1.32 gives (CPU
/// provider, x86-64 with AVX-512), written by `scripts/corpus.py`.
const ANSWERS: &str = include_str!("../corpus/answers.txt");

pub fn model(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    std::fs::read(folder.join(format!("{name}.onnx"))).expect("a model of the corpus")
}

fn array(text: &str) -> Array {
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, shape, hex] = words[..] else {
        panic!("{text}");
    };
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let words = bytes.chunks_exact(4);
    Array {
        shape: shape.split('x').map(|n| n.parse().unwrap()).collect(),
        values: match kind {
            "uint8" => Values::U8(bytes),
            "int8" => Values::I8(bytes.into_iter().map(|byte| byte as i8).collect()),
            "float32" => Values::F32(
                words
                    .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
                    .collect(),
            ),
            "int64" => Values::I64(
                bytes
                    .chunks_exact(8)
                    .map(|word| i64::from_le_bytes(word.try_into().unwrap()))
                    .collect(),
            ),
            _ => panic!("{kind}"),
        },
    }
}

#[test]
fn every_operator_equals_onnxruntime() {
    let lines: Vec<&str> = ANSWERS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(lines.len() >= 80, "{} models", lines.len());
    let differs = |line: &&str| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [name, input, expected] = parts[..] else {
            panic!("{line}");
        };
        let network = network_of(&model(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let equal = network.run(&array(input)) == array(expected);
        (!equal).then(|| name.to_string())
    };
    let differing: Vec<String> = lines.iter().filter_map(differs).collect();
    assert_eq!(differing, Vec::<String>::new());
}
