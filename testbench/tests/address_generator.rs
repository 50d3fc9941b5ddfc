//! The address generator against the order of `matrix` and `vector`, step by step, in
//! RustHDL and as exported Verilog.

use proptest::prelude::*;
use quern_hdl::AddressGenerator;
use quern_isa::Pattern;
use quern_testbench::cosim::Recorder;
use rust_hdl::prelude::*;

/// Address bits.
const A: usize = 8;

#[derive(Debug, Clone)]
struct Walk {
    pattern: Pattern,
    positions_outer: bool,
    base: u16,
    inner: u16,
    outer: u16,
    /// Passes over the taps of a position.
    columns: usize,
}

/// A step of a walk: its word, and whether its position, its tap and its column are
/// the last.
type Step = (u64, bool, bool, bool);

impl Walk {
    fn steps(&self) -> Vec<Step> {
        let positions: Vec<u16> = self.pattern.offsets().collect();
        let taps: Vec<u16> = self.pattern.taps(self.inner, self.outer).collect();
        let step = |position: usize, tap: usize, column: usize| {
            let offset = positions[position].wrapping_add(taps[tap]);
            let word = self.base.wrapping_add(offset) as u64 % (1 << A);
            (
                word,
                position + 1 == positions.len(),
                tap + 1 == taps.len(),
                column + 1 == self.columns,
            )
        };
        let (positions, taps) = (positions.len(), taps.len());
        match self.positions_outer {
            true => (0..positions)
                .flat_map(|position| (0..self.columns).map(move |column| (position, column)))
                .flat_map(|(position, column)| (0..taps).map(move |tap| (position, column, tap)))
                .map(|(position, column, tap)| step(position, tap, column))
                .collect(),
            false => (0..taps)
                .flat_map(|tap| (0..positions).map(move |position| (position, tap)))
                .map(|(position, tap)| step(position, tap, 0))
                .collect(),
        }
    }
}

fn walks() -> impl Strategy<Value = Walk> {
    // Counts of 2^A among them: the field's other bits are zero.
    let count = || prop_oneof![8 => 1u16..5, 1 => Just(1), 1 => 5u16..20];
    let sizes = prop_oneof![
        20 => (count(), count(), 1u16..4, 1u16..4, 1usize..4),
        1 => Just((1 << A, 1, 1, 2, 1)),
        1 => Just((1, 1 << A, 2, 1, 1)),
        1 => Just((1, 2, 1 << A, 1, 1)),
        1 => Just((2, 1, 1, 256, 1)),
    ];
    (sizes, any::<[u16; 4]>(), any::<(bool, u16)>()).prop_map(
        |(sizes, strides, (positions_outer, base))| {
            let (x_count, y_count, inner, outer, columns) = sizes;
            let [x_stride, y_stride, inner_stride, outer_stride] = strides;
            Walk {
                pattern: Pattern {
                    x_count,
                    x_stride,
                    y_count,
                    y_stride,
                    inner_stride,
                    outer_stride,
                },
                positions_outer,
                base,
                inner,
                outer,
                columns,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn address_generator_takes_every_step_in_order(
        walks in prop::collection::vec((walks(), any::<bool>()), 1..20),
        pauses in prop::collection::vec(0u8..3, 64),
    ) {
        run(&walks, &pauses);
    }
}

/// Each walk has its own pattern, or goes over that of the one before; some go on into
/// a second round.
fn run(walks: &[(Walk, bool)], pauses: &[u8]) {
    let mut unit = Recorder::clocked(AddressGenerator::<A>::default(), |unit| &mut unit.clock);
    let mut pauses = pauses.iter().cycle();
    for (walk, again) in walks {
        let Pattern {
            x_count,
            x_stride,
            y_count,
            y_stride,
            inner_stride,
            outer_stride,
        } = walk.pattern;
        let field = |value: u16| bits::<A>(value as u64 % (1 << A));
        unit.write.next = true;
        unit.x_count.next = field(x_count);
        unit.x_stride.next = field(x_stride);
        unit.y_count.next = field(y_count);
        unit.y_stride.next = field(y_stride);
        unit.inner_stride.next = field(inner_stride);
        unit.outer_stride.next = field(outer_stride);
        unit.cycle();
        unit.write.next = false;
        unit.start.next = true;
        unit.positions_outer.next = walk.positions_outer;
        unit.base.next = field(walk.base);
        unit.inner.next = field(walk.inner);
        unit.outer.next = bits(walk.outer as u64 % 256);
        unit.cycle();
        unit.start.next = false;
        // From now on the fields are another instruction's.
        unit.x_count.next = field(!x_count);
        unit.y_stride.next = field(!y_stride);
        unit.inner_stride.next = field(!inner_stride);
        unit.base.next = field(!walk.base);
        unit.inner.next = field(!walk.inner);
        unit.outer.next = bits(!walk.outer as u64 % 256);
        unit.positions_outer.next = !walk.positions_outer;
        unit.cycle();

        let mut steps = walk.steps();
        if *again {
            steps.extend_from_within(..);
        }
        for (index, &(word, last_position, last_tap, last_column)) in steps.iter().enumerate() {
            unit.advance.next = false;
            unit.repeat.next = last_tap && !last_column;
            let pause = *pauses.next().unwrap();
            for advance in (0..=pause).map(|cycle| cycle == pause) {
                unit.advance.next = advance;
                unit.next_word.next = index % 3 == 1;
                unit.settle();
                let word = (word + (index % 3 == 1) as u64) % (1 << A);
                assert_eq!(unit.address.val(), bits(word), "step {index} of {walk:?}");
                assert_eq!(
                    unit.last_position.val(),
                    last_position,
                    "step {index} of {walk:?}"
                );
                assert_eq!(unit.last_tap.val(), last_tap, "step {index} of {walk:?}");
                unit.cycle();
            }
            unit.advance.next = false;
        }
    }
    unit.replay().unwrap();
}
