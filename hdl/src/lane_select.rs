//! Brings the bytes of a word to the vector lanes.
//!
//! ```text
//!  word[R] ──► word[lane] ──► byte[0]
//!         └──► word[i] ─────► byte[i]
//! ```
//! Combinational. Vector lane 0 gets any lane of the word; the others, if there are
//! any, their own: they take part only in whole words, where `lane` is 0.
//!
//! Lane 0's byte comes through a chain of links for two lanes each. A link hands on what
//! it gets, or, when the lane is one of its two, takes what it gets for the lowest bit
//! of `lane`, which the first link has put there, and picks by that: four inputs, one
//! look-up table on iCE40 for two lanes of a bit, where a tree of multiplexers spends
//! one on each.

use rust_hdl::prelude::*;

/// A leaf: RustHDL can't index an array of signals by a signal. `R` lanes, a power of
/// two; `V` vector lanes: 1 or `R`.
#[derive(LogicBlock)]
pub struct LaneSelect<const R: usize, const V: usize> {
    pub word: [Signal<In, Bits<8>>; R],
    pub lane: Signal<In, Bits<5>>,
    pub byte: [Signal<Out, Bits<8>>; V],
}

impl<const R: usize, const V: usize> Default for LaneSelect<R, V> {
    fn default() -> Self {
        const { assert!(R.is_power_of_two() && R <= 32 && (V == 1 || V == R)) }
        Self {
            word: std::array::from_fn(|_| Default::default()),
            lane: Default::default(),
            byte: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl<const R: usize, const V: usize> Logic for LaneSelect<R, V> {
    crate::unit!("Brings the bytes of a word to the vector lanes.");

    fn update(&mut self) {
        self.byte[0].next = self.word[self.lane.val().index() % R].val();
        for i in 1..V {
            self.byte[i].next = self.word[i].val();
        }
    }

    fn connect(&mut self) {
        self.byte.iter_mut().for_each(Logic::connect);
    }

    fn hdl(&self) -> Verilog {
        let top = R.ilog2() - 1;
        let links: String = (0..R / 2)
            .map(|pair| {
                let selected = match R {
                    2 => "1".to_owned(),
                    _ => format!("lane[{top}:1] == {pair}"),
                };
                format!(
                    "   if ({selected}) byte$0 = \
                     (byte$0 & word${odd}) | (~byte$0 & word${even});\n",
                    odd = 2 * pair + 1,
                    even = 2 * pair,
                )
            })
            .collect();
        let others: String = (1..V)
            .map(|i| format!("   byte${i} = word${i};\n"))
            .collect();
        Verilog::Custom(format!(
            "\
always @(*) begin
   byte$0 = {{8{{lane[0]}}}};
{links}{others}end
"
        ))
    }
}
