//! Constrained-random programs, and programs that are none.
//!
//! Each test runs [`SEEDS`] programs of its own; `QUERN_SEEDS=100000` runs more, and
//! `QUERN_FIRST_SEED` begins elsewhere. Tests are independent, so that
//! `cargo nextest run -p quern-testbench --test programs --partition hash:1/8` is an
//! eighth of them. A seed that fails is printed with what is left of its program.

use quern_isa::{
    Activate, Config, Inspect, Instruction, Matrix, Pattern, Space, Target, ASIC16, CU, TINY,
};
use quern_testbench::programs::coverage::Bins;
use quern_testbench::programs::{
    agree, campaign, malformed, Campaign, Ended, Gaps, Random, Recipe, Writer,
};
use quern_testbench::rtl::Rtl;
use quern_testbench::verilator::{Model, Supply, Verilator};

const SEEDS: u64 = 100;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Seeds of the `part`-th test.
fn seeds(part: u64, usual: u64) -> impl Iterator<Item = u64> {
    let count = number("QUERN_SEEDS").unwrap_or(usual);
    let first = number("QUERN_FIRST_SEED").unwrap_or(0) + (part << 40);
    first..first + count
}

fn on_verilator(config: &Config, part: u64) {
    let mut bins = Bins::new(config);
    let supply = Supply::of(&Model::of(config).unwrap()).unwrap();
    let result = campaign(
        config,
        seeds(part, SEEDS),
        &mut |pacing| supply.paced(0, pacing),
        &mut bins,
    );
    report(config, result, &bins);
}

fn on_rtl(config: &Config, part: u64, usual: u64) {
    let mut bins = Bins::new(config);
    let result = campaign(
        config,
        seeds(part, usual),
        &mut |pacing| {
            let mut core = Rtl::new(config).map_err(|error| error.to_string())?;
            core.set_pacing(pacing);
            Ok(Box::new(core) as Box<dyn Inspect>)
        },
        &mut bins,
    );
    report(config, result, &bins);
}

fn report(config: &Config, result: Result<Campaign, Ended>, bins: &Bins) {
    let Campaign { programs, cycles } = result.unwrap_or_else(|ended| panic!("{ended}"));
    let (met, all) = bins.figures();
    println!(
        "{}: {programs} programs, {cycles} cycles, {met} of {all} bins; open: {:?}",
        config.name,
        bins.open()
    );
}

macro_rules! campaigns {
    ($($name:ident: $run:expr;)*) => {
        $(#[test]
        fn $name() {
            $run
        })*
    };
}

campaigns! {
    programs_on_tiny_0: on_verilator(&TINY, 0);
    programs_on_tiny_1: on_verilator(&TINY, 1);
    programs_on_cu_0: on_verilator(&CU, 2);
    programs_on_cu_1: on_verilator(&CU, 3);
    programs_on_asic16_0: on_verilator(&ASIC16, 4);
    programs_on_asic16_1: on_verilator(&ASIC16, 5);
    programs_on_tiny_in_rust_hdl: on_rtl(&TINY, 6, 6);
}

#[test]
fn a_seeded_fault_is_found_and_shrunk() {
    let model = Model::of(&TINY).unwrap().with_fault();
    let supply = Supply::of(&model).unwrap();
    let mut bins = Bins::new(&TINY);
    let ended = campaign(
        &TINY,
        0..1000,
        &mut |pacing| supply.paced(0, pacing),
        &mut bins,
    )
    .unwrap_err();
    let Ended::Failure(failure) = ended else {
        panic!("{ended}");
    };
    println!("{failure}");
    let text = failure.to_string();
    assert!(text.contains("combine: Maximum"), "{text}");
    let left = failure.smallest.steps.len();
    assert!(left <= 6, "{left} steps are left");
}

fn malformed_on(config: &Config, every: usize, truncated: usize) {
    let mut core = Verilator::new(config).unwrap();
    let faults: Vec<_> = malformed::faults(config)
        .into_iter()
        .step_by(every)
        .collect();
    let checked = malformed::check(
        &mut core,
        Verilator::ports,
        &mut Random(7),
        &faults,
        truncated,
    );
    let streams = checked.unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(streams, faults.len() + truncated);
}

#[test]
fn illegal_and_truncated_programs_end_in_a_defined_state_on_tiny() {
    malformed_on(&TINY, 1, 100);
}

#[test]
fn illegal_and_truncated_programs_end_in_a_defined_state_on_cu() {
    malformed_on(&CU, 7, 20);
}

#[test]
fn illegal_and_truncated_programs_end_in_a_defined_state_on_asic16() {
    malformed_on(&ASIC16, 7, 20);
}

/// Two positions and four rows of weights a pass: requests of the activation unit before both
/// positions of one pass, and none in the next, bring the second position's sums within two
/// cycles of each other. Without the register that the accumulators have for that, some do not
/// count.
#[test]
fn sums_of_short_passes_survive_requests_on_tiny() {
    let sound = Model::of(&TINY).unwrap();
    let faulty = sound
        .clone()
        .changed("rewritten_q <= ", "rewritten_q <= 1'b0 & ");
    let [sound, faulty] = [sound, faulty].map(|model| Supply::of(&model).unwrap());
    let mut lost = 0;
    // Each time the requests come a cycle later.
    for beats in 1..=24 {
        let recipe = activate_beside_short_passes(beats);
        let agrees = |supply: &Supply| {
            let mut core = supply.power(0).unwrap();
            agree(&mut core, &recipe, Gaps::None).map_err(|disagreement| disagreement.to_string())
        };
        agrees(&sound).unwrap_or_else(|problem| panic!("{beats} beats between: {problem}"));
        lost += usize::from(agrees(&faulty).is_err());
    }
    assert!(lost > 0, "no sums came that close");
}

fn activate_beside_short_passes(beats: usize) -> Recipe {
    let mut writer = Writer::new(&TINY);
    let (inner, outer) = (5, 5);
    let rows = TINY.lanes * usize::from(inner * outer);
    writer.load(Space::Activations, 0, &[1; 32 * TINY.lanes]);
    writer.load(Space::Weights, 0, &vec![1; TINY.columns * rows]);
    writer.instruction(Instruction::Pattern(Pattern {
        x_count: 2,
        x_stride: 1,
        y_count: 1,
        y_stride: 0,
        inner_stride: 1,
        outer_stride: 5,
    }));
    writer.instruction(Instruction::Target(Target {
        x_count: 9,
        x_stride: 0,
        y_count: 1,
        y_stride: 0,
        low: 0,
        high: 255,
    }));
    writer.instruction(Instruction::Matrix(Matrix {
        accumulate: false,
        accumulator: 0,
        activation: 0,
        weight: 0,
        inner,
        outer,
    }));
    writer.load(Space::Table, 0, &vec![0; beats]);
    writer.instruction(Instruction::Activate(Activate {
        table: false,
        accumulator: 2,
        activation: 200,
        parameter: 0,
        columns: 1,
        lane: 0,
    }));
    writer.recipe()
}
