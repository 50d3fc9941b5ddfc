//! What the exporter makes of RustHDL's hazards: the smallest block with each, through
//! the exporter and both Verilog simulators.

use quern_lint::hazards::{self, Hazard, Visitor};
use quern_lint::Rule;
use quern_testbench::cosim::{CosimError, Recorder};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The exported Verilog does what the simulator does.
    Closed,
    /// Nothing is exported; the error says what to write instead.
    Refused,
    /// The gap is there: only the lint sees it.
    Open,
}

#[derive(Default)]
struct Verdicts(BTreeMap<&'static str, (Rule, Verdict)>);

impl Visitor for Verdicts {
    fn visit<H: Hazard>(&mut self) {
        let mut unit = match H::CLOCK {
            Some(clock) => Recorder::clocked(H::default(), clock),
            None => Recorder::combinational(H::default()),
        }
        .in_both_simulators();
        let mut bits = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..64 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            unit.drive(bits);
            unit.cycle();
        }
        let verdict = match unit.replay() {
            Ok(_) => Verdict::Closed,
            Err(CosimError::Export(_)) => Verdict::Refused,
            Err(CosimError::Mismatch(mismatch)) => {
                std::fs::remove_dir_all(mismatch.directory).unwrap();
                Verdict::Open
            }
            Err(other) => panic!("{}: {other}", H::CODE),
        };
        self.0.insert(H::CODE, (H::RULE, verdict));
    }
}

#[test]
fn the_exporter_closes_or_refuses_what_it_says_it_does() {
    let mut verdicts = Verdicts::default();
    hazards::visit_all(&mut verdicts);
    let codes = |wanted: Verdict| -> Vec<&str> {
        let all = verdicts.0.iter();
        all.filter(|(_, (_, verdict))| *verdict == wanted)
            .map(|(code, _)| *code)
            .collect()
    };
    assert_eq!(
        codes(Verdict::Closed),
        [
            "!a == 0xF0",
            "(a + 1) == b",
            "(a + 3) >> 1",
            "a & 4 == b",
            "a field called `case`",
            "bit_cast::<16, 8>(a + b)",
            "bit_cast::<16, 8>(a << 4)",
            "if i == 0 {..} else {g[i - 1]..}",
            "match over three variants in two bits",
            "s < 0.into()",
            "s.next = 200.into() in Signed<8>",
        ]
    );
    assert_eq!(
        codes(Verdict::Refused),
        [
            "(a + b) * b on Signed<16>",
            "(a + b).get_bits::<4>(4)",
            "a.get_bits::<8>(4) of 8 bits",
            "an enumeration of one variant",
            "bit_cast::<16, 32>((a * b) >> 16)",
            "g[N - 1]",
            "if on { y.next = a }",
            "signed_bit_cast::<40, 32>(a * b)",
            "y.next = N.into()",
            "y.next = r.d.val() before r.d.next = ...",
            "y.next = t.val() before t.next = ...",
        ]
    );
    let open: BTreeSet<Rule> = verdicts
        .0
        .values()
        .filter(|(_, verdict)| *verdict == Verdict::Open)
        .map(|(rule, _)| *rule)
        .collect();
    assert_eq!(
        open,
        BTreeSet::from([
            Rule::DroppedGuard,
            Rule::UninitialisedMemory,
            Rule::ClockThroughBlock,
            Rule::ForeignText,
        ])
    );
}
