//! The whole core in Icarus and from an unknown start.

use quern_hdl::verilog;
use quern_isa::{Machine, Reference, ASIC16, CONFIGS, TINY};
use quern_testbench::icarus::{self, without_start_values, IcarusError};
use quern_testbench::programs::coverage::Bins;
use quern_testbench::programs::{campaign, random_recipe, Gaps, Random, Recipe};
use quern_testbench::verilator::{Model, Supply};

fn reference(recipe: &Recipe) -> (Vec<u8>, quern_isa::Counters) {
    let program = recipe.program();
    let mut host = vec![0; program.host_bytes as usize];
    let run = Reference::new(recipe.config)
        .run(&program, &mut host)
        .unwrap();
    (host, run.counters)
}

#[test]
fn the_core_does_in_icarus_what_the_reference_does_without_unknown_outputs() {
    let verilog = verilog::core(&TINY).unwrap();
    let mut unknown = verilog.clone();
    unknown.text = without_start_values(&verilog.text);
    for (seed, gaps) in (0..).zip(Gaps::ALL) {
        let recipe = random_recipe(&TINY, &mut Random(seed), 12).sent_only();
        let (host, counters) = reference(&recipe);
        for verilog in [&verilog, &unknown] {
            let run = icarus::run(verilog, &recipe, gaps, true)
                .unwrap_or_else(|error| panic!("seed {seed}, {gaps:?}: {error}"));
            assert_eq!(run.output, host, "seed {seed}, {gaps:?}");
            assert_eq!(run.counters.matrix_cycles, counters.matrix_cycles);
            if gaps == Gaps::None {
                assert_eq!(run.counters, counters);
            }
        }
    }
}

/// What the check is for: without reset, an output is unknown.
#[test]
fn an_unknown_output_is_seen() {
    let mut verilog = verilog::core(&TINY).unwrap();
    verilog.text = without_start_values(&verilog.text);
    let recipe = random_recipe(&TINY, &mut Random(1), 3).sent_only();
    let result = icarus::run(&verilog, &recipe, Gaps::None, false);
    assert!(
        matches!(result, Err(IcarusError::Unknown { .. })),
        "{result:?}"
    );
}

/// Icarus takes the other branch of an `if` whose condition is unknown, and hides what
/// depends on it. Verilator with random start values does not.
#[test]
fn a_random_start_changes_nothing() {
    for config in [&TINY, &ASIC16] {
        let mut model = Model::of(config).unwrap();
        model.verilog.text = without_start_values(&model.verilog.text);
        model.random_start = true;
        let supply = Supply::of(&model).unwrap();
        let mut start = 0;
        let mut bins = Bins::new(config);
        let done = campaign(
            config,
            1 << 50..(1 << 50) + 20,
            &mut |pacing| {
                start += 1;
                supply.paced(start, pacing)
            },
            &mut bins,
        );
        let done = done.unwrap_or_else(|ended| panic!("{ended}"));
        assert_eq!(done.programs, 20);
    }
}

#[test]
fn every_configuration_loses_all_its_start_values() {
    for config in &CONFIGS {
        let text = verilog::core(config).unwrap().text;
        assert!(text.contains("initial begin"));
        assert!(!without_start_values(&text).contains("initial begin"));
    }
}
