//! Brings the bytes of a word to the vector lanes.
//!
//! ```text
//!  word[R] ──► word[lane] ──► byte[0]
//!         └──► word[i] ─────► byte[i]
//! ```
//! Combinational. Vector lane 0 gets any lane of the word; the others, if there are
//! any, their own: they take part only in whole words, where `lane` is 0.

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
        let words: Vec<String> = (0..R).rev().map(|i| format!("word${i}")).collect();
        let others: String = (1..V)
            .map(|i| format!("   byte${i} = word${i};\n"))
            .collect();
        Verilog::Custom(format!(
            "\
wire [{msb}:0] all = {{{words}}};

always @(*) begin
   byte$0 = all[{{lane[{top}:0], 3'b000}} +: 8];
{others}end
",
            msb = 8 * R - 1,
            words = words.join(", "),
            top = R.ilog2() - 1,
        ))
    }
}
