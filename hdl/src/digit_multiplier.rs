//! Multiplies a stream of digits, lowest first, by a constant: `Q` bits of a
//! two's-complement value come in per cycle, `Q` bits of the product go out, and after
//! the last digit the upper part of the product stands.
//!
//! ```text
//!  digit, previous ──► recode ─┬─► [±m] ──► + ──► ... ──► [digit × m]
//!  multiplier ───────────┴─────┴─► [±m] ────┘                  ▼
//!                                     first clears ─► [high] ─► +
//!                                                       ▲       ├──► low bits ─► [fraction]
//!                                                       └───────┴──► [upper, at last]
//!                                                                        ├─► whole, half
//!                                            out_of_range, close ◄─ [ ] ◄┘
//! ```
//! One digit per cycle. The digits of a value come in consecutive cycles, marked by
//! `first` and `last`; the next value may follow at once. The digit of cycle t gives
//! `fraction` in cycle t+3. A `last` in cycle t gives the upper part of the product from
//! t+3 on, `out_of_range` and `close` from t+4 on, until the next one's.
//!
//! Each two bits are recoded, with the bit before them, to a multiple -2, -1, 0, 1 or
//! 2 of the multiplier (A. D. Booth, 1951; O. L. MacSorley, 1961). A multiple is one
//! logic cell per bit on iCE40, as is its addition: no more than the two
//! conditional-add rows it replaces. A digit's multiples are added up before they meet
//! what is left of the digits before: only one addition is in the loop.
//!
//! `digit`: bits of a two's-complement value; `previous`: the bit below them, 0 for
//! the first. `multiplier`: unsigned, `M = 23 + Q` bits. `fraction`: low bits of the
//! product. Of the upper part, two's complement, the lowest
//! `Q * idle_steps(Q)` bits still are fraction: `half` is the highest of them, and
//! `close` says that all others are its opposite. `whole`: the nine bits above;
//! `out_of_range`: nine bits don't hold all that is above.

use quern_isa::numerics::idle_steps;
use rust_hdl::prelude::*;

/// A leaf: its sums have widths of their own, some beyond the 32 bits that RustHDL
/// simulates fast.
#[derive(LogicBlock)]
pub struct DigitMultiplier<const Q: usize, const M: usize> {
    pub clock: Signal<In, Clock>,
    pub digit: Signal<In, Bits<Q>>,
    pub previous: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub multiplier: Signal<In, Bits<M>>,
    pub fraction: Signal<Out, Bits<Q>>,
    pub whole: Signal<Out, Bits<9>>,
    pub out_of_range: Signal<Out, Bit>,
    pub half: Signal<Out, Bit>,
    pub close: Signal<Out, Bit>,
    _state: State,
}

/// The registers between input and output.
#[derive(Default)]
struct State {
    /// The digit's multiple of the multiplier: in parts, and added up.
    parts: i64,
    product: i64,
    first: bool,
    last: [bool; 2],
    high: i64,
    upper: i64,
}

impl<const Q: usize, const M: usize> Default for DigitMultiplier<Q, M> {
    fn default() -> Self {
        const { assert!(Q % 2 == 0 && Q >= 4 && Q <= 8 && M == 23 + Q) }
        Self {
            clock: Default::default(),
            digit: Default::default(),
            previous: Default::default(),
            first: Default::default(),
            last: Default::default(),
            multiplier: Default::default(),
            fraction: Default::default(),
            whole: Default::default(),
            out_of_range: Default::default(),
            half: Default::default(),
            close: Default::default(),
            _state: Default::default(),
        }
    }
}

impl<const Q: usize, const M: usize> Logic for DigitMultiplier<Q, M> {
    crate::unit!("Multiplies digits of a two's-complement value, lowest first, by a constant.");

    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let State {
            parts,
            product,
            first,
            last,
            high,
            upper,
        } = &mut self._state;

        let point = fraction_bits(Q);
        let half = |upper: i64| (upper >> (point - 1)) & 1;
        let below_half = *upper & ((1 << (point - 1)) - 1);
        self.out_of_range.next = !(-256..256).contains(&(*upper >> point));
        self.close.next = below_half == (1 - half(*upper)) * ((1 << (point - 1)) - 1);

        let sum = *high + *product;
        self.fraction.next = bits(sum as u64 & ((1 << Q) - 1));
        if last[1] {
            *upper = sum >> Q;
        }
        self.whole.next = bits((*upper >> point) as u64 & 0x1ff);
        self.half.next = half(*upper) == 1;

        *high = match *first {
            true => 0,
            false => sum >> Q,
        };
        *first = self.first.val();
        *last = [self.last.val(), last[0]];
        *product = *parts;
        // The highest bit of a digit counts negative; as the bit before the next
        // digit it makes up for that.
        let unused = 64 - Q;
        let digit = ((self.digit.val().to_u64() << unused) as i64) >> unused;
        *parts = (digit + self.previous.val() as i64) * self.multiplier.val().to_u64() as i64;
    }

    fn connect(&mut self) {
        self.fraction.connect();
        self.whole.connect();
        self.out_of_range.connect();
        self.half.connect();
        self.close.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(verilog(Q, M))
    }
}

/// Bits of the product's fraction that are left above the last digit.
const fn fraction_bits(digit_bits: usize) -> usize {
    digit_bits * idle_steps(digit_bits as u32) as usize
}

/// Low bits of the first two multiples that are added up before their registers. Without
/// them the way from there through two additions is shorter.
const EARLY: usize = 6;

/// Widths: with `m` below 2^M, a multiple is at most 2m in size, what a digit's multiples
/// have added up to, counted in the last one, 8/3 m (the bound of x = x / 4 + 2m), and
/// `high` 2/3 m (the fixed point of x = (x + 2m) / 4).
fn verilog(digit_bits: usize, multiplier_bits: usize) -> String {
    let high = multiplier_bits + 1;
    let multiple = multiplier_bits + 2;
    let msb = multiple - 1;
    let sum = multiplier_bits + 3;
    let total = high + digit_bits;
    let pairs = digit_bits / 2;
    let point = fraction_bits(digit_bits);

    let mut declarations = String::new();
    let mut recoded = String::new();
    let mut initial = String::new();
    for i in 0..pairs {
        let (bottom, top) = (2 * i, 2 * i + 2);
        // What of it is not added up early.
        let low = match i {
            0 => EARLY + 2,
            1 => EARLY,
            _ => 0,
        };
        declarations += &format!(
            "\
wire [2:0] bits_{i} = window[{top}:{bottom}];
wire zero_{i} = bits_{i} == 3'b000 || bits_{i} == 3'b111;
wire twice_{i} = bits_{i} == 3'b011 || bits_{i} == 3'b100;
wire [{msb}:0] chosen_{i} = (twice_{i} ? {{1'b0, multiplier, 1'b0}} : {{2'b00, multiplier}})
   ^ {{{multiple}{{window[{top}]}}}};
reg [{msb}:{low}] multiple_{i};
"
        );
        recoded += &format!(
            "   if (zero_{i}) multiple_{i} <= 0;
   else multiple_{i} <= chosen_{i}[{msb}:{low}];
"
        );
        initial += &format!("   multiple_{i} = 0;\n");
        // The bit below a sum brings in the one that makes a complement a negative:
        // iCE40 then spends one adder, not two. That of multiple 0 waits for the loop's.
        if i != 1 {
            declarations += &format!("reg negative_{i};\n");
            recoded += &format!("   negative_{i} <= window[{top}] & ~zero_{i};\n");
            initial += &format!("   negative_{i} = 0;\n");
        }
        declarations += &match i {
            0 => "reg [1:0] lowest;\n".to_owned(),
            1 => format!(
                "\
reg [{EARLY}:0] early;
wire [{rest}:0] sum_rest = {{{{3{{multiple_0[{msb}]}}}}, multiple_0, 1'b1}}
   + {{multiple_1[{msb}], multiple_1, early[{EARLY}]}};
wire [{sum}:0] sum_1 = {{sum_rest[{rest}:1], early[{early_msb}:0], 1'b0}};
",
                rest = sum - EARLY,
                early_msb = EARLY - 1,
            ),
            _ => format!(
                "\
wire [{sum}:0] sum_{i} = {{{{2{{sum_{before}[{sum}]}}}}, sum_{before}[{sum}:3], 1'b1}}
   + {{multiple_{i}[{msb}], multiple_{i}, negative_{i}}};
",
                before = i - 1,
            ),
        };
    }
    let gated = |i: usize, msb: usize, low: usize| {
        format!(
            "chosen_{i}[{msb}:{low}] & {{{}{{~zero_{i}}}}}",
            msb + 1 - low
        )
    };
    recoded += &format!(
        "   lowest <= {};
   early <= {{1'b0, {}}} + {{1'b0, {}}} + {{{EARLY}'d0, window[4] & ~zero_1}};
",
        gated(0, 1, 0),
        gated(0, EARLY + 1, 2),
        gated(1, EARLY - 1, 0),
    );
    initial += "   lowest = 0;\n   early = 0;\n";
    let last = pairs - 1;
    let low: String = (1..last).rev().map(|i| format!(", sum_{i}[2:1]")).collect();
    format!(
        "\
wire [{digit_bits}:0] window = {{digit, previous}};
reg [{total_msb}:0] product;
reg negative;
reg begins;
reg [1:0] finished;
reg [{high_msb}:0] high;
reg [{high_msb}:0] upper;
{declarations}wire [{total}:0] total = {{{{{digit_bits}{{high[{high_msb}]}}}}, high, 1'b1}} + {{product, negative}};

always @(posedge clock) begin
{recoded}   product <= {{sum_{last}[{sum}:1]{low}, lowest}};
   negative <= negative_0;
   begins <= first;
   if (begins) high <= 0;
   else high <= total[{total}:{above_digit}];
   fraction <= total[{digit_bits}:1];
   finished <= {{finished[0], last}};
   if (finished[1]) upper <= total[{total}:{above_digit}];
   out_of_range <= upper[{high_msb}:{whole_msb}] != {{{extension}{{upper[{high_msb}]}}}};
   close <= upper[{half_low}:0] == {{{half}{{~upper[{half}]}}}};
end

always @(*) begin
   whole = upper[{whole_msb}:{point}];
   half = upper[{half}];
end

initial begin
{initial}   product = 0;
   negative = 0;
   begins = 0;
   high = 0;
   upper = 0;
   finished = 0;
   fraction = 0;
   out_of_range = 0;
   close = 0;
end
",
        total_msb = total - 1,
        above_digit = digit_bits + 1,
        high_msb = high - 1,
        whole_msb = point + 8,
        half = point - 1,
        half_low = point - 2,
        extension = high - point - 8,
    )
}
