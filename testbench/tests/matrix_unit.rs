//! The matrix unit and its columns against plain dot products.

use proptest::prelude::*;
use quern_hdl::matrix_unit::latency;
use quern_hdl::{Bytes, Column, ColumnSum, LaneChain, LoadToken, LoadTokenRegisters, MatrixUnit};
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn tiny_matrix_unit_equals_dot_products(passes in passes(4, 4, 12)) {
        run::<4, 4, 18>(&passes).replay().unwrap();
    }

    #[test]
    fn cu_matrix_unit_equals_dot_products(passes in passes(8, 4, 12)) {
        run::<8, 4, 19>(&passes).replay().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2))]

    #[test]
    fn asic16_matrix_unit_equals_dot_products(passes in passes(16, 16, 4)) {
        run::<16, 16, 20>(&passes).replay().unwrap();
    }
}

#[test]
fn extreme_operands_do_not_overflow() {
    for activation in [0, 255] {
        for weight in [-128, 127] {
            let pass = Pass {
                tile: vec![vec![weight; 4]; 8],
                words: vec![vec![activation; 8]; 3],
                pause: 0,
            };
            run::<8, 4, 19>(&[pass.clone(), pass]);
        }
    }
}

#[test]
fn tiles_switch_every_r_cycles_without_a_gap() {
    let pass = |k: usize| Pass {
        tile: (0..8)
            .map(|r| {
                (0..4)
                    .map(|c| if (r + c + k) % 2 == 0 { -128 } else { 127 })
                    .collect()
            })
            .collect(),
        words: (0..8)
            .map(|n| vec![if (n + k) % 2 == 0 { 255 } else { 1 }; 8])
            .collect(),
        pause: 0,
    };
    let passes: Vec<Pass> = (0..20).map(pass).collect();
    run::<8, 4, 19>(&passes).replay().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn column_sum_adds_what_the_lanes_leave(
        cycles in prop::collection::vec(
            (prop::collection::vec(byte(), 8), byte(), 0u8..32, 0u8..4), 10..300)
    ) {
        let mut unit = Recorder::clocked(ColumnSum::<8, 19>::default(), |unit| &mut unit.clock);
        for (t, (high, low_0, low_1, low_2)) in cycles.iter().enumerate() {
            for (port, &value) in unit.high.iter_mut().zip(high) {
                port.next = bits(value as u64);
            }
            unit.low_0.next = bits(*low_0 as u64);
            unit.low_1.next = bits(*low_1 as u64);
            unit.low_2.next = bits(*low_2 as u64);
            unit.cycle();
            // The sum that began 7 cycles ago is out after this edge.
            if let Some(start) = t.checked_sub(7) {
                let high: i32 = (0..8).map(|r| cycles[start + r].0[r] as i8 as i32).sum();
                let low = cycles[start + 5].1 as i32
                    + 8 * cycles[start + 6].2 as i32
                    + 64 * cycles[start + 7].3 as i32;
                prop_assert_eq!(signed(unit.sum.val()), 256 * high + low);
            }
        }
        unit.replay().unwrap();
    }
}

/// Drives two blocks with the same ports alike.
macro_rules! drive {
    ($cycle:expr, $($unit:expr),+) => {$(
        $unit.activation_0.next = Bytes($cycle.0[0]);
        $unit.activation_1.next = Bytes($cycle.0[1]);
        $unit.activation_2.next = Bytes($cycle.0[2]);
        $unit.weight.next = bits($cycle.1 as u64);
        $unit.load_0.next = bits($cycle.2[0] as u64);
        $unit.load_1.next = bits($cycle.2[1] as u64);
        $unit.load_2.next = bits($cycle.2[2] as u64);
    )+};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Whatever comes in, sense or nonsense: the sums are those of the parts in every
    /// cycle, in RustHDL and (the export being that of the parts) in Verilog.
    #[test]
    fn native_column_equals_its_parts(
        cycles in prop::collection::vec(
            (
                prop::array::uniform3(prop::array::uniform8(byte())),
                byte(),
                prop::array::uniform3(prop_oneof![Just(0u8), any::<u8>()]),
            ),
            1..300,
        )
    ) {
        let mut native = Recorder::clocked(Column::<8, 19>::default(), |unit| &mut unit.clock);
        let mut parts = LaneChain::<8, 19>::default();
        parts.connect_all();
        for cycle in &cycles {
            drive!(cycle, native, parts);
            native.cycle();
            for clock in [false, true] {
                parts.clock.next = clock.into();
                settle(&mut parts);
            }
            prop_assert_eq!(native.sum.val(), parts.sum.val());
        }
        native.replay().unwrap();
    }
}

#[test]
fn native_load_token_equals_its_parts() {
    let mut native = Recorder::clocked(LoadToken::<8>::default(), |unit| &mut unit.clock);
    let mut parts = LoadTokenRegisters::<8>::default();
    parts.connect_all();
    // All patterns of R+1 neighbours.
    for cycle in 0..9 << 9 {
        let (pattern, bit) = (cycle / 9, cycle % 9);
        let load = pattern >> bit & 1 != 0;
        native.load.next = load;
        parts.load.next = load;
        native.settle();
        parts.clock.next = false.into();
        settle(&mut parts);
        assert_eq!(native.stage_0.val(), parts.stage_0.val(), "cycle {cycle}");
        native.cycle();
        parts.clock.next = true.into();
        settle(&mut parts);
        assert_eq!(native.stage_0.val(), parts.stage_0.val(), "cycle {cycle}");
        assert_eq!(native.stage_1.val(), parts.stage_1.val(), "cycle {cycle}");
        assert_eq!(native.stage_2.val(), parts.stage_2.val(), "cycle {cycle}");
    }
    native.replay().unwrap();
}

/// One tile and the words that meet it.
#[derive(Debug, Clone)]
struct Pass {
    /// `tile[r][c]`
    tile: Vec<Vec<i8>>,
    /// `words[n][r]`
    words: Vec<Vec<u8>>,
    /// Idle cycles after the pass.
    pause: usize,
}

fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0u8), Just(255), any::<u8>(), any::<u8>()]
}

fn passes(lanes: usize, columns: usize, most: usize) -> impl Strategy<Value = Vec<Pass>> {
    let weight = prop_oneof![Just(-128i8), Just(127), any::<i8>(), any::<i8>()];
    let tile = prop::collection::vec(prop::collection::vec(weight, columns), lanes);
    let word = || prop::collection::vec(byte(), lanes);
    let words = prop_oneof![
        prop::collection::vec(word(), 1..2),
        prop::collection::vec(word(), 1..lanes + 3),
        prop::collection::vec(word(), 30..100),
    ];
    let pass = (tile, words, prop_oneof![Just(0usize), 0usize..20])
        .prop_map(|(tile, words, pause)| Pass { tile, words, pause });
    prop::collection::vec(pass, 1..=most)
}

/// Runs passes one after the other, each as soon as the array takes it, and checks
/// every sum in its cycle.
fn run<const R: usize, const C: usize, const H: usize>(
    passes: &[Pass],
) -> Recorder<MatrixUnit<R, C, H>> {
    let mut starts = Vec::new();
    let mut end = 0;
    for pass in passes {
        starts.push(end);
        end += pass.words.len().max(R) + pass.pause;
    }
    let latency = latency(R) as usize;
    let cycles = end + latency + 2;
    // What is not used is noise: it must not matter.
    let noise = |cycle: usize, port: usize| (cycle * 151 + port * 37 + cycle * port) as u8;
    let mut activation: Vec<Vec<u8>> = (0..cycles)
        .map(|cycle| (0..R).map(|r| noise(cycle, r)).collect())
        .collect();
    let mut weight_row: Vec<Vec<u8>> = (0..cycles)
        .map(|cycle| (0..C).map(|c| noise(cycle, c + 64)).collect())
        .collect();
    let mut expected: Vec<Option<Vec<i32>>> = vec![None; cycles];
    for (pass, &start) in passes.iter().zip(&starts) {
        for (r, row) in pass.tile.iter().enumerate() {
            weight_row[start + r] = row.iter().map(|&weight| weight as u8).collect();
        }
        for (n, word) in pass.words.iter().enumerate() {
            for (r, &byte) in word.iter().enumerate() {
                activation[start + 1 + n + r][r] = byte;
            }
            expected[start + 1 + n + latency] = Some(dot_products(word, &pass.tile));
        }
    }

    let mut unit = Recorder::clocked(MatrixUnit::<R, C, H>::default(), |unit| &mut unit.clock);
    for cycle in 0..cycles {
        if let Some(expected) = &expected[cycle] {
            let found: Vec<i32> = unit.sum.iter().map(|sum| signed(sum.val())).collect();
            assert_eq!(&found, expected, "sums in cycle {cycle}");
        }
        unit.load.next = starts.contains(&cycle);
        for (port, &byte) in unit.activation.iter_mut().zip(&activation[cycle]) {
            port.next = bits(byte as u64);
        }
        for (port, &byte) in unit.weight_row.iter_mut().zip(&weight_row[cycle]) {
            port.next = bits(byte as u64);
        }
        unit.cycle();
    }
    unit
}

fn settle(block: &mut impl Block) {
    assert!(simulate(block, 100), "the block does not settle");
}

fn dot_products(word: &[u8], tile: &[Vec<i8>]) -> Vec<i32> {
    let columns = tile[0].len();
    (0..columns)
        .map(|c| {
            word.iter()
                .zip(tile)
                .map(|(&a, row)| a as i32 * row[c] as i32)
                .sum()
        })
        .collect()
}

fn signed<const N: usize>(value: Bits<N>) -> i32 {
    let unused = 32 - N;
    (value.to_u32() << unused) as i32 >> unused
}
