//! Takes a word of the parameter memory apart.
//!
//! ```text
//!  byte     0 .. W/8-1    4 bytes      1 byte   1 byte
//!  word ──►    bias     multiplier     steps   zero_point
//! ```
//! Combinational; wiring only. The layout is that of
//! [`ChannelParameters`](quern_isa::ChannelParameters), little-endian.
//!
//! `bias`: two's complement. `multiplier`: unsigned, the low `M = 23 + Q` bits.
//! `steps`: the low four bits. `zero_point`: offset binary.

use rust_hdl::prelude::*;

/// A leaf: RustHDL has no concatenation. `L` is `W / 8 + 6`.
#[derive(LogicBlock)]
pub struct ParameterFields<const L: usize, const W: usize, const M: usize> {
    pub word: [Signal<In, Bits<8>>; L],
    pub bias: Signal<Out, Bits<W>>,
    pub multiplier: Signal<Out, Bits<M>>,
    pub steps: Signal<Out, Bits<4>>,
    pub zero_point: Signal<Out, Bits<8>>,
}

impl<const L: usize, const W: usize, const M: usize> Default for ParameterFields<L, W, M> {
    fn default() -> Self {
        const { assert!(W % 8 == 0 && L == W / 8 + 6 && M <= 32) }
        Self {
            word: std::array::from_fn(|_| Default::default()),
            bias: Default::default(),
            multiplier: Default::default(),
            steps: Default::default(),
            zero_point: Default::default(),
        }
    }
}

impl<const L: usize, const W: usize, const M: usize> Logic for ParameterFields<L, W, M> {
    crate::unit!("Takes a word of the parameter memory apart.");

    fn update(&mut self) {
        let little_endian = |from: usize, to: usize| {
            self.word[from..to]
                .iter()
                .rev()
                .fold(0u64, |value, byte| value << 8 | byte.val().to_u64())
        };
        let bias = little_endian(0, W / 8);
        let multiplier = little_endian(W / 8, W / 8 + 4) & ((1 << M) - 1);
        self.bias.next = bits(bias);
        self.multiplier.next = bits(multiplier);
        self.steps.next = bits(self.word[L - 2].val().to_u64() & 15);
        self.zero_point.next = self.word[L - 1].val();
    }

    fn connect(&mut self) {
        self.bias.connect();
        self.multiplier.connect();
        self.steps.connect();
        self.zero_point.connect();
    }

    fn hdl(&self) -> Verilog {
        let bytes = |range: std::ops::Range<usize>| {
            let names: Vec<String> = range.rev().map(|i| format!("word${i}")).collect();
            names.join(", ")
        };
        let first = W / 8;
        // The highest byte of the multiplier may be used in part, or not at all.
        let whole = M / 8;
        let part = match M % 8 {
            0 => String::new(),
            bits => format!("word${}[{}:0], ", first + whole, bits - 1),
        };
        Verilog::Custom(format!(
            "\
always @(*) begin
   bias = {{{bias}}};
   multiplier = {{{part}{multiplier}}};
   steps = word${steps}[3:0];
   zero_point = word${zero_point};
end
",
            bias = bytes(0..first),
            multiplier = bytes(first..first + whole),
            steps = L - 2,
            zero_point = L - 1,
        ))
    }
}
