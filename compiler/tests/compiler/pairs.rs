//! Sums and products of two tensors, on all 65,536 pairs of codes, against ONNX
//! Runtime's own formulas in f32.

use crate::model::{Code, Model};
use crate::numbers::Numbers;
use quern_compiler::{network_of, Array, Network, Values};

/// Three quantisers of one type.
type Quantisers = [Code; 3];

fn quantisers(numbers: &mut Numbers, signed: bool) -> Quantisers {
    [0.03, 0.05, 0.06].map(|about: f32| {
        let scale = about * (0.5 + numbers.unit());
        match signed {
            true => Code::i8(scale, numbers.range(-128, 127)),
            false => Code::u8(scale, numbers.range(0, 255)),
        }
    })
}

/// The operator of both halves of a vector of 131,072 codes.
fn network(operator: &str, quantisers: &Quantisers) -> Network {
    let mut model = Model::new(quantisers[0].data_type(), &[2, 1 << 16]);
    for (name, code) in ["a", "b", "c"].iter().zip(quantisers) {
        model.quantiser(name, *code);
    }
    let node = model.node("Split", &["x"], "first");
    node.output.push("second".to_string());
    node.attribute.push(crate::model::int_attribute("axis", 1));
    let inputs = [
        "first", "a_scale", "a_zero", "second", "b_scale", "b_zero", "c_scale", "c_zero",
    ];
    model.node(operator, &inputs, "y").domain = "com.microsoft".to_string();
    network_of(&model.finish("y")).unwrap()
}

fn all_pairs(signed: bool) -> Array {
    let code = |index: usize| match index >> 16 {
        0 => (index >> 8) as u8,
        _ => index as u8,
    };
    let codes = (0..1 << 17).map(code);
    Array {
        shape: vec![1, 2, 1 << 16],
        values: match signed {
            true => Values::I8(codes.map(|code| (code ^ 0x80) as i8).collect()),
            false => Values::U8(codes.collect()),
        },
    }
}

/// The number of pairs on which a network differs from a formula of codes.
fn differing(
    network: &Network,
    [a, b, c]: &Quantisers,
    formula: impl Fn([f32; 2], [&Code; 3]) -> f32,
) -> usize {
    let output: Vec<i32> = match network.run(&all_pairs(c.signed)).values {
        Values::I8(codes) => codes.into_iter().map(i32::from).collect(),
        Values::U8(codes) => codes.into_iter().map(i32::from).collect(),
        values => panic!("{}", values.type_name()),
    };
    let (low, high) = (*c.range().start(), *c.range().end());
    let differs = |pair: &usize| {
        let codes = [pair >> 8, pair & 255].map(|code| (code as i32 + low) as f32);
        let real = formula(codes, [a, b, c]);
        let expected = (real.round_ties_even() as i32).clamp(low, high);
        output[*pair] != expected
    };
    (0..1 << 16).filter(differs).count()
}

#[test]
fn sums_equal_qlinearadd_for_all_pairs_of_codes() {
    for seed in 0..12 {
        let quantisers = quantisers(&mut Numbers(seed), seed % 2 == 0);
        let network = network("QLinearAdd", &quantisers);
        assert_eq!(network.notes, Vec::<String>::new(), "seed {seed}");
        let wrong = differing(&network, &quantisers, |[x, y], [a, b, c]| {
            let (ra, rb) = (a.scale / c.scale, b.scale / c.scale);
            let (za, zb, zc) = (
                a.zero_point as f32,
                b.zero_point as f32,
                c.zero_point as f32,
            );
            let fixed = zc - ra.mul_add(za, rb * zb);
            x.mul_add(ra, y.mul_add(rb, fixed))
        });
        assert_eq!(wrong, 0, "seed {seed}");
    }
}

#[test]
fn products_equal_qlinearmul_for_all_pairs_of_codes() {
    for seed in 0..12 {
        let quantisers = quantisers(&mut Numbers(seed), seed % 2 == 0);
        let network = network("QLinearMul", &quantisers);
        let wrong = differing(&network, &quantisers, |[x, y], [a, b, c]| {
            let scale = (a.scale * b.scale) / c.scale;
            let product = (x - a.zero_point as f32) * (y - b.zero_point as f32);
            product * scale + c.zero_point as f32
        });
        assert_eq!(network.notes, Vec::<String>::new(), "seed {seed}");
        assert_eq!(wrong, 0, "seed {seed}");
    }
}
