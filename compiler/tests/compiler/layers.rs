//! Dense layers of every size on every configuration.

use crate::golden::{Dense, Network, Sizes};
use crate::model::Code;
use proptest::prelude::*;
use quern_compiler::{compile, Options};
use quern_isa::{Config, ASIC16, CONFIGS, CU, TINY};

fn sizes(channels: &[usize], weight: i32) -> Vec<Sizes> {
    channels
        .windows(2)
        .map(|pair| Sizes {
            inputs: pair[0],
            outputs: pair[1],
            weight,
        })
        .collect()
}

/// Sizes at and around the edges of words and tiles.
fn awkward() -> impl Strategy<Value = usize> {
    prop_oneof![
        prop::sample::select(vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48]),
        1usize..70,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn networks_of_any_size_equal_integers(
        channels in prop::collection::vec(awkward(), 2..5),
        config in prop::sample::select(CONFIGS.to_vec()),
        batch in prop_oneof![Just(None), (1usize..9).prop_map(Some)],
        samples in 1usize..12,
        seed: u64,
    ) {
        Network::random(1, &sizes(&channels, 127), seed).check(config, batch, samples, seed);
    }

    #[test]
    fn networks_on_many_positions_equal_integers(
        channels in prop::collection::vec(awkward(), 2..4),
        positions in 2usize..30,
        config in prop::sample::select(CONFIGS.to_vec()),
        batch in prop_oneof![Just(None), (1usize..5).prop_map(Some)],
        seed: u64,
    ) {
        Network::random(positions, &sizes(&channels, 127), seed).check(config, batch, 5, seed);
    }

    /// Rows that begin inside a word of the layer before, or end inside one.
    #[test]
    fn regrouping_across_words_equals_integers(
        small in 1usize..13,
        factors in (1usize..5, 1usize..5, 1usize..4),
        ends in (awkward(), awkward()),
        config in prop::sample::select(CONFIGS.to_vec()),
        batch in prop_oneof![Just(None), (1usize..4).prop_map(Some)],
        seed: u64,
    ) {
        let (a, b, rows) = factors;
        // rows * b rows of small * a channels become rows * a rows of small * b, then one.
        let layers = [
            Sizes { inputs: ends.0, outputs: small * a, weight: 127 },
            Sizes { inputs: small * b, outputs: 3, weight: 127 },
            Sizes { inputs: rows * a * 3, outputs: ends.1, weight: 127 },
        ];
        Network::random(rows * b, &layers, seed).check(config, batch, 4, seed);
    }
}

#[test]
fn layers_beyond_every_memory_equal_integers() {
    // Inputs and outputs larger than the activation memory, more outputs than
    // accumulators and parameters hold, more inputs than the weight buffer.
    let cases: [(Config, &[&[usize]], i32); 3] = [
        (
            TINY,
            &[
                &[1025, 3],
                &[3, 1100],
                &[1500, 70, 1300],
                &[2100, 2100, 5],
                &[600, 600, 600],
            ],
            127,
        ),
        (
            CU,
            &[
                &[4097, 7],
                &[5, 4200],
                &[4500, 100, 4300],
                &[4100, 4100],
                &[2500, 2501, 2500],
            ],
            5,
        ),
        (
            ASIC16,
            &[&[131_073, 2], &[2, 132_000], &[70_000, 17, 70_001]],
            9,
        ),
    ];
    for (config, networks, weight) in cases {
        for (index, channels) in networks.iter().enumerate() {
            let network = Network::random(1, &sizes(channels, weight), index as u64);
            for batch in [Some(1), Some(3)] {
                network.check(config, batch, 4, index as u64);
            }
        }
    }
}

#[test]
fn what_fits_stays_on_chip_and_what_does_not_is_spilled() {
    let places = |config, channels: &[usize], batch| {
        let network = Network::random(1, &sizes(channels, 3), 1);
        let report = network.check(config, Some(batch), 2, 1);
        let maps = report.maps.iter();
        maps.map(|map| map.place).collect::<Vec<_>>()
    };
    // The input and the output pass through host memory.
    assert_eq!(places(TINY, &[64, 32, 10], 4)[1], "chip");
    let large = places(TINY, &[600, 1100, 600], 1);
    assert_eq!(large[1], "host", "1,100 bytes of 1,024");
    let batch = places(CU, &[64, 2048, 64], 16);
    assert_eq!(batch[1], "host", "32,768 bytes of 4,096");
}

#[test]
fn weights_are_streamed_once_for_the_whole_batch() {
    let network = Network::random(1, &sizes(&[200, 100, 100], 50), 3);
    let weights = 200 * 100 + 100 * 100;
    let bytes = |batch| network.check(ASIC16, Some(batch), 16, 3).totals.bytes_in;
    // Rows are padded to whole tiles.
    let padded = 208 * 112 + 112 * 112;
    assert!(bytes(1) > padded && bytes(16) > padded && padded > weights);
    // The input may come twice, to be worked on in two parts; that is far less than the
    // weights for another sample.
    let activations = 2 * 16 * 208;
    assert!(
        bytes(16) < bytes(1) + activations,
        "{} against {}",
        bytes(16),
        bytes(1)
    );
}

#[test]
fn the_default_batch_is_the_largest_up_to_16_that_stays_on_chip() {
    let batch = |config, channels: &[usize]| {
        let network = Network::random(1, &sizes(channels, 3), 1);
        network.check(config, None, 1, 1).batch
    };
    assert_eq!(batch(ASIC16, &[64, 32, 10]), 16);
    // 16 + 8 words a sample, of 256.
    assert_eq!(batch(TINY, &[64, 32, 10]), 10);
    assert_eq!(batch(TINY, &[512, 512]), 1);
    assert_eq!(batch(TINY, &[5000, 10]), 1);
}

/// One output whose largest sum is `127 * 255 * (inputs - 1) + last * 255 + bias`, with
/// codes that are not at their bounds there.
fn single(weights: Vec<i8>, bias: i32) -> Network {
    Network {
        positions: 1,
        input: Code::u8(0.1, 0),
        layers: vec![Dense {
            inputs: weights.len(),
            outputs: 1,
            weights,
            weight_scales: vec![0.5],
            bias: vec![bias],
            output: Code::i8(4000.0, 0),
            gemm: true,
            function: None,
        }],
    }
}

/// What a compiled network leaves to the host.
fn host(network: &Network, config: Config) -> Vec<String> {
    let compiled = compile(&network.model(), &config, &Options::default()).unwrap();
    network.check_compiled(&compiled, 3, 0);
    compiled.report.host
}

#[test]
fn the_largest_sum_that_fits_is_on_chip_and_one_more_on_the_host() {
    // 127 * 255 * 259 = 8,387,715, and 2^23 - 1 - 8,387,715 = 892.
    let weights = vec![127; 259];
    assert!(host(&single(weights.clone(), 892), CU).is_empty());
    assert_eq!(
        host(&single(weights.clone(), 893), CU),
        ["`sum0_node`, convolution on the host: its sums can reach 0..8388608, beyond the 24 bits of `cu`'s accumulators, where its codes still change"]
    );
    assert!(host(&single(weights, 893), TINY).is_empty());
    // The same at the other end: -2^23 fits.
    let weights = vec![-127; 259];
    assert!(host(&single(weights.clone(), -893), CU).is_empty());
    assert_eq!(host(&single(weights, -894), CU).len(), 1);
}

#[test]
fn a_relu_before_it_tightens_the_proof() {
    // Inputs of the second layer are at least their zero point after Relu, so its
    // sums keep their sign; without Relu they reach twice as far.
    let network = |function, bias| {
        let mut network = Network::random(1, &sizes(&[8, 400, 1], 1), 9);
        network.layers[0].output = Code::i8(0.5, 0);
        network.layers[0].function = function;
        network.layers[1].weights = (0..400).map(|i| if i % 2 == 0 { 127 } else { 0 }).collect();
        network.layers[1].bias = vec![bias];
        network.layers[1].output = Code::i8(500.0, 0);
        network
    };
    // 200 * 127 * 127 + 5,200,000 = 8,425,800 does not fit either way; 200 * 127 * -128
    // does, so only the low end tells them apart.
    assert!(host(&network(None, -5_200_000), CU)[0].contains(" -8451200.."));
    assert!(host(&network(Some("Relu"), -5_200_000), CU).is_empty());
    assert_eq!(host(&network(Some("Relu"), 5_200_000), CU).len(), 1);
}

#[test]
fn compiling_is_quick_for_large_layers() {
    let network = Network::random(1, &sizes(&[3000, 3000, 3000], 20), 4);
    let model = network.model();
    for config in [TINY, ASIC16] {
        let compiled = compile(&model, &config, &Options::default()).unwrap();
        assert_eq!(compiled.report.totals.macs_per_sample, 18_000_000);
        assert!(compiled.program.literal_bytes() >= 18_000_000);
    }
}
