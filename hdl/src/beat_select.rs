//! The bytes of one output beat.
//!
//! ```text
//!  lane[R], place ─► lanes of this beat ──┐
//!  sum, part ──────► byte `part` of it ───┼─► source ─► beat[S]
//!  counter ────────► its low byte ────────┘
//! ```
//! Combinational. With S = 1 a beat is one byte: the lane that `place` points at, byte
//! `part` of `sum`, or the low byte of `counter`. With S = 16 it is the whole word of
//! lanes, or 4 bytes of `sum` or `counter`, padded with zeros.
//!
//! `place`: one-hot. `sum`: a sign-extended accumulator. `source`: as
//! `quern_isa::Source`.

use quern_isa::Source;
use rust_hdl::prelude::*;

/// A leaf, because which lane goes to which byte of which beat depends on S by
/// indices that RustHDL can't compute.
#[derive(LogicBlock)]
pub struct BeatSelect<const R: usize, const S: usize> {
    pub lane: [Signal<In, Bits<8>>; R],
    pub place: Signal<In, Bits<16>>,
    pub sum: Signal<In, Bits<32>>,
    pub part: Signal<In, Bits<2>>,
    pub counter: Signal<In, Bits<32>>,
    pub source: Signal<In, Bits<2>>,
    pub beat: [Signal<Out, Bits<8>>; S],
}

impl<const R: usize, const S: usize> Default for BeatSelect<R, S> {
    fn default() -> Self {
        const { assert!(S == 1 || S >= 4, "a sum is one beat or four") }
        const { assert!(S == 1 || S >= R, "a word of lanes is one beat or R") }
        Self {
            lane: std::array::from_fn(|_| Default::default()),
            place: Default::default(),
            sum: Default::default(),
            part: Default::default(),
            counter: Default::default(),
            source: Default::default(),
            beat: std::array::from_fn(|_| Default::default()),
        }
    }
}

const ACTIVATIONS: u64 = Source::Activations as u64;
const ACCUMULATORS: u64 = Source::Accumulators as u64;

impl<const R: usize, const S: usize> Logic for BeatSelect<R, S> {
    crate::unit!("The bytes of one output beat.");

    fn update(&mut self) {
        let source = self.source.val().to_u64();
        let word = match (source, S) {
            (ACCUMULATORS, 1) => self.sum.val().to_u32() >> (8 * self.part.val().to_u32()),
            (ACCUMULATORS, _) => self.sum.val().to_u32(),
            _ => self.counter.val().to_u32(),
        };
        for (j, beat) in self.beat.iter_mut().enumerate() {
            let code = match (source, S) {
                (ACTIVATIONS, 1) => (0..R)
                    .filter(|&lane| self.place.val().get_bit(lane))
                    .fold(0, |code, lane| code | self.lane[lane].val().to_u8()),
                (ACTIVATIONS, _) => self.lane.get(j).map_or(0, |lane| lane.val().to_u8()),
                _ => (word as u64 >> (8 * j).min(63)) as u8,
            };
            beat.next = code.to_bits();
        }
    }

    fn connect(&mut self) {
        self.beat.iter_mut().for_each(Logic::connect);
    }

    fn hdl(&self) -> Verilog {
        let gated: Vec<String> = (0..R)
            .map(|r| format!("({{8{{place[{r}]}}}} & lane${r})"))
            .collect();
        let lines: String = match S {
            1 => format!(
                "   case (source)\n      {ACTIVATIONS}: beat$0 = {};\n      \
                 {ACCUMULATORS}: beat$0 = sum[8*part +: 8];\n      \
                 default: beat$0 = counter[7:0];\n   endcase\n",
                gated.join("\n         | ")
            ),
            _ => (0..S)
                .map(|j| {
                    let lane = if j < R { format!("lane${j}") } else { "8'd0".into() };
                    let part = |word: &str| match j < 4 {
                        true => format!("{word}[{}:{}]", 8 * j + 7, 8 * j),
                        false => "8'd0".into(),
                    };
                    format!(
                        "   case (source)\n      {ACTIVATIONS}: beat${j} = {lane};\n      \
                         {ACCUMULATORS}: beat${j} = {};\n      default: beat${j} = {};\n   endcase\n",
                        part("sum"),
                        part("counter")
                    )
                })
                .collect(),
        };
        Verilog::Custom(format!("always @(*) begin\n{lines}end\n"))
    }
}
