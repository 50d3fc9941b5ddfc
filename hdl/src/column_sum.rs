//! Adds up what the lanes of a column leave: their high bytes, and the low product
//! bits that no later lane takes in.
//!
//! ```text
//!  high[0] ──► [p0] ──► + ──► [p1] ──► + ──► ... ──► + ──► [p(R-2)] ──► + ──► sum
//!                       ▲              ▲             ▲                  ▲
//!                    high[1]        high[2]      high[R-2], carry    high[R-1]
//!
//!  low_0 ──► [ ] ──► + ──────────────────────────────carry, [ ]──────► lower bits
//!                    ▲ low_1                                     ▲ low_2
//! ```
//! Pipelined, one sum per cycle. `high[r]` of a sum comes r cycles after `high[0]`,
//! just as the skewed lanes bring it. `low_0` comes R-3 cycles after `high[0]`,
//! `low_1` R-2, `low_2` R-1 (together with the last `high`), and one cycle after that
//! `sum = 256*Σ high + low_0 + 8*low_1 + 64*low_2`, so R cycles after `high[0]`.
//!
//! `high`, `sum`: two's complement; `low_0` 8 bits, `low_1` 5 bits of weight 8,
//! `low_2` 2 bits of weight 64, all unsigned. `H = 16 + log2 R` bits hold every sum
//! of R products.
//!
//! A leaf, because each partial sum is as wide as its lanes need and no wider, which
//! RustHDL's arrays of equal signals can't say; on iCE40 that is a logic cell for
//! each bit saved.

use rust_hdl::prelude::*;

#[derive(LogicBlock)]
pub struct ColumnSum<const R: usize, const H: usize> {
    pub clock: Signal<In, Clock>,
    pub high: [Signal<In, Bits<8>>; R],
    pub low_0: Signal<In, Bits<8>>,
    pub low_1: Signal<In, Bits<5>>,
    pub low_2: Signal<In, Bits<2>>,
    pub sum: Signal<Out, Bits<H>>,
    _registers: SumRegisters<R>,
}

impl<const R: usize, const H: usize> Default for ColumnSum<R, H> {
    fn default() -> Self {
        const { assert!(R >= 4 && H == 16 + clog2(R)) }
        Self {
            clock: Default::default(),
            high: std::array::from_fn(|_| Default::default()),
            low_0: Default::default(),
            low_1: Default::default(),
            low_2: Default::default(),
            sum: Default::default(),
            _registers: Default::default(),
        }
    }
}

impl<const R: usize, const H: usize> Logic for ColumnSum<R, H> {
    crate::unit!("Adds the high bytes of a column's lanes and their last low product bits.");

    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let sum = self._registers.advance(
            std::array::from_fn(|r| self.high[r].val().to_u32() as u8 as i8 as i32),
            self.low_0.val().to_u32() as i32,
            self.low_1.val().to_u32() as i32,
            self.low_2.val().to_u32() as i32,
        );
        self.sum.next = bits(sum as LiteralType & ((1 << H) - 1));
    }

    fn connect(&mut self) {
        self.sum.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(verilog(R, H))
    }
}

/// The registers between inputs and sum, as integers.
pub(crate) struct SumRegisters<const R: usize> {
    partial: [i32; R],
    held_low_0: i32,
    held_low: i32,
}

impl<const R: usize> SumRegisters<R> {
    /// One clock edge. Returns the new sum.
    pub fn advance(&mut self, high: [i32; R], low_0: i32, low_1: i32, low_2: i32) -> i32 {
        let sum = (self.partial[R - 2] + high[R - 1]) * 256 + self.held_low + low_2 * 64;
        let low = self.held_low_0 + low_1 * 8;
        for r in (1..R - 1).rev() {
            self.partial[r] = self.partial[r - 1] + high[r];
        }
        self.partial[0] = high[0];
        self.partial[R - 2] += low >> 8;
        self.held_low = low & 0xff;
        self.held_low_0 = low_0;
        sum
    }
}

impl<const R: usize> Default for SumRegisters<R> {
    fn default() -> Self {
        SumRegisters {
            partial: [0; R],
            held_low_0: 0,
            held_low: 0,
        }
    }
}

/// Bits of the partial sum of lanes 0 to r: r+1 numbers of 8 bits.
fn partial_bits(r: usize) -> usize {
    8 + clog2(r + 1)
}

/// `signal` of `from` bits as a two's-complement number of `to` bits.
fn extended(signal: &str, from: usize, to: usize) -> String {
    match to - from {
        0 => signal.to_owned(),
        1 => format!("{{{signal}[{msb}], {signal}}}", msb = from - 1),
        more => format!(
            "{{{{{more}{{{signal}[{msb}]}}}}, {signal}}}",
            msb = from - 1
        ),
    }
}

fn verilog(lanes: usize, sum_bits: usize) -> String {
    let last = lanes - 2;
    let mut registers = String::new();
    let mut reset = String::new();
    let mut chain = String::from("   partial_0 <= high$0;\n");
    for r in 0..=last {
        registers += &format!("reg [{}:0] partial_{r};\n", partial_bits(r) - 1);
        reset += &format!("   partial_{r} = 0;\n");
    }
    for r in 1..last {
        let width = partial_bits(r);
        chain += &format!(
            "   partial_{r} <= {} + {};\n",
            extended(&format!("partial_{}", r - 1), partial_bits(r - 1), width),
            extended(&format!("high${r}"), 8, width),
        );
    }
    // The last partial sum takes in the carry of the low bits. Written as one
    // addition with a bit below: iCE40 then spends one adder, not two.
    let width = partial_bits(last);
    let upper = sum_bits - 6;
    format!(
        "\
{registers}reg [7:0] held_low_0;
reg [7:0] held_low;
wire [5:0] low = {{1'b0, held_low_0[7:3]}} + {{1'b0, low_1}};
wire [{last_msb}:0] last_partial;
wire unused_lsb;
assign {{last_partial, unused_lsb}} = {{{last_chain}, 1'b1}} + {{{last_high}, low[5]}};
wire [{upper_msb}:0] upper = {{{upper_partial}, held_low[7:6]}} + {{{upper_high}, low_2}};

initial begin
{reset}   held_low_0 = 0;
   held_low = 0;
   sum = 0;
end

always @(posedge clock) begin
{chain}   partial_{last} <= last_partial;
   held_low_0 <= low_0;
   held_low <= {{low[4:0], held_low_0[2:0]}};
   sum <= {{upper, held_low[5:0]}};
end
",
        last_chain = extended(
            &format!("partial_{}", last - 1),
            partial_bits(last - 1),
            width
        ),
        last_high = extended(&format!("high${last}"), 8, width),
        last_msb = width - 1,
        upper_msb = upper - 1,
        upper_partial = extended(&format!("partial_{last}"), width, upper - 2),
        upper_high = extended(&format!("high${}", lanes - 1), 8, upper - 2),
    )
}
