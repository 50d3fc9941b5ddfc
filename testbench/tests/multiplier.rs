//! The multiplier: rows, stages and the lane they make.

use proptest::prelude::*;
use quern_hdl::{
    ConditionalAdd, ConditionalSubtract, Lane, LoadableAdd, MultiplierRows2Signed, MultiplierRows3,
    MultiplierStage2Signed, MultiplierStage3,
};
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

/// Every operand of a 9-bit row whose top bits are zero, as they are in the array.
fn row_operands() -> impl Iterator<Item = (u64, u64, bool)> {
    (0..256).flat_map(|x| (0..256).flat_map(move |a| [(x, a, false), (x, a, true)]))
}

#[test]
fn conditional_add_is_right_for_all_operands() {
    let mut row = Recorder::combinational(ConditionalAdd::<9>::default());
    for (x, a, select) in row_operands() {
        row.x.next = bits(x);
        row.a.next = bits(a);
        row.select.next = select;
        row.cycle();
        let expected = if select { x + a } else { x };
        assert_eq!(row.y.val(), bits(expected), "x={x} a={a} select={select}");
    }
    row.replay().unwrap();
}

#[test]
fn conditional_subtract_is_right_for_all_operands() {
    let mut row = Recorder::combinational(ConditionalSubtract::<9>::default());
    for (x, a, select) in row_operands() {
        row.x.next = bits(x);
        row.a.next = bits(a);
        row.select.next = select;
        row.cycle();
        let expected = if select { x.wrapping_sub(a) & 0x1ff } else { x };
        assert_eq!(row.y.val(), bits(expected), "x={x} a={a} select={select}");
    }
    row.replay().unwrap();
}

#[test]
fn stage_of_three_rows_is_right_for_all_operands_in_rows_native_and_verilog() {
    let mut native = Recorder::combinational(MultiplierStage3::default());
    let mut rows = MultiplierRows3::default();
    rows.connect_all();
    for operands in 0..1u64 << 19 {
        let (w, a, x) = (operands >> 16, operands >> 8 & 0xff, operands & 0xff);
        native.x.next = bits(x);
        native.a.next = bits(a);
        native.w.next = bits(w);
        native.cycle();
        rows.x.next = bits(x);
        rows.a.next = bits(a);
        rows.w.next = bits(w);
        settle(&mut rows);
        let expected = x + a * w;
        let found = native.y.val().to_u64() * 4 + native.low.val().to_u64();
        assert_eq!(found, expected, "native: x={x} a={a} w={w}");
        let found = rows.y.val().to_u64() * 4 + rows.low.val().to_u64();
        assert_eq!(found, expected, "rows: x={x} a={a} w={w}");
    }
    // The Verilog is that of the rows.
    native.replay().unwrap();
}

#[test]
fn signed_stage_is_right_for_all_operands_in_rows_native_and_verilog() {
    let mut native = Recorder::combinational(MultiplierStage2Signed::default());
    let mut rows = MultiplierRows2Signed::default();
    rows.connect_all();
    for operands in 0..1u64 << 18 {
        let (w, a, x) = (operands >> 16, operands >> 8 & 0xff, operands & 0xff);
        native.x.next = bits(x);
        native.a.next = bits(a);
        native.w.next = bits(w);
        native.cycle();
        rows.x.next = bits(x);
        rows.a.next = bits(a);
        rows.w.next = bits(w);
        settle(&mut rows);
        let weight = [0, 1, -2, -1][w as usize];
        let expected = x as i64 + a as i64 * weight;
        let value = |y: Bits<9>, low: Bits<1>| {
            let y = y.to_u64() as i64;
            (y - (y >> 8 << 9)) * 2 + low.to_u64() as i64
        };
        let found = value(native.y.val(), native.low.val());
        assert_eq!(found, expected, "native: x={x} a={a} w={w}");
        let found = value(rows.y.val(), rows.low.val());
        assert_eq!(found, expected, "rows: x={x} a={a} w={w}");
    }
    native.replay().unwrap();
}

#[test]
fn multiplier_is_right_for_all_65536_pairs() {
    let samples: Vec<Sample> = (0..=255u8)
        .flat_map(|weight| {
            (0..=255u8).map(move |activation| Sample {
                x: 0,
                activation,
                weight: (activation == 0).then_some(weight as i8),
            })
        })
        .collect();
    run_lane(&samples).replay().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn lane_multiplies_and_adds_while_weights_change_at_any_time(
        samples in prop::collection::vec(sample(), 1..400)
    ) {
        run_lane(&samples).replay().unwrap();
    }

    #[test]
    fn loadable_add_adds_or_loads(
        operands in prop::collection::vec((any::<u32>(), any::<u32>(), any::<bool>()), 1..1000)
    ) {
        let mut adder = Recorder::combinational(LoadableAdd::<24>::default());
        for (x, a, load) in operands {
            let (x, a) = (x & 0xff_ffff, a & 0xff_ffff);
            adder.x.next = bits(x as u64);
            adder.a.next = bits(a as u64);
            adder.load.next = load;
            adder.cycle();
            let expected = if load { a } else { (x + a) & 0xff_ffff };
            prop_assert_eq!(adder.y.val().to_u32(), expected);
        }
        adder.replay().unwrap();
    }
}

/// What enters a lane in one cycle. A new weight counts from this activation on.
#[derive(Debug, Clone)]
struct Sample {
    x: u8,
    activation: u8,
    weight: Option<i8>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let byte = || prop_oneof![Just(0u8), Just(255), any::<u8>(), any::<u8>()];
    let weight = prop_oneof![Just(-128i8), Just(127), any::<i8>(), any::<i8>()];
    (byte(), byte(), prop::option::of(weight)).prop_map(|(x, activation, weight)| Sample {
        x,
        activation,
        weight,
    })
}

/// Runs samples in consecutive cycles and checks every product.
fn run_lane(samples: &[Sample]) -> Recorder<Lane> {
    let mut lane = Recorder::clocked(Lane::default(), |lane| &mut lane.clock);
    let mut weight = 0;
    let products: Vec<i32> = samples
        .iter()
        .map(|sample| {
            weight = sample.weight.unwrap_or(weight);
            sample.x as i32 + sample.activation as i32 * weight as i32
        })
        .collect();
    // Low bits come out earlier than high ones: keep them until the product is whole.
    let mut low_0 = Vec::new();
    let mut low_1 = Vec::new();
    let at = |cycle: usize, delay: usize| cycle.checked_sub(delay).and_then(|i| samples.get(i));
    // A weight is loaded in the cycle before its first activation: time runs one
    // cycle ahead of the samples.
    for cycle in 0..samples.len() + 4 {
        let load = |stage| at(cycle, stage).and_then(|sample| sample.weight);
        let piece = |stage: usize| load(stage).unwrap_or(0x5a) as u8 as u64 >> (3 * stage);
        let activation =
            |stage: usize| at(cycle, stage + 1).map_or(0xa5, |sample| sample.activation);
        lane.load_0.next = load(0).is_some();
        lane.load_1.next = load(1).is_some();
        lane.load_2.next = load(2).is_some();
        lane.weight_0.next = bits(piece(0) & 7);
        lane.weight_1.next = bits(piece(1) & 7);
        lane.weight_2.next = bits(piece(2) & 3);
        lane.x.next = bits(at(cycle, 1).map_or(0x3c, |sample| sample.x) as u64);
        lane.activation_0.next = bits(activation(0) as u64);
        lane.activation_1.next = bits(activation(1) as u64);
        lane.activation_2.next = bits(activation(2) as u64);
        lane.cycle();
        low_0.push(lane.low_0.val().to_u32() as i32);
        low_1.push(lane.low_1.val().to_u32() as i32);
        if let Some(sample) = cycle.checked_sub(3).filter(|&i| i < products.len()) {
            let high = lane.high.val().to_u32() as u8 as i8 as i32;
            let low_2 = lane.low_2.val().to_u32() as i32;
            let found = 256 * high + 64 * low_2 + 8 * low_1[cycle - 1] + low_0[cycle - 2];
            assert_eq!(
                found, products[sample],
                "sample {sample}: {:?}",
                samples[sample]
            );
        }
    }
    lane
}

fn settle(block: &mut impl Block) {
    assert!(simulate(block, 100), "the block does not settle");
}
