//! Rounds an integer to the 24 significant bits of an f32, half to even: what IEEE
//! 754 says of the conversion of an integer to f32.
//!
//! ```text
//!  value ──┬──────────────────► + ──► clear low bits ──► rounded
//!          ├─► excess bits ─►───┘           ▲
//!          │        └───────────────────────┘
//!          └─► sign ───────────────────────────────────► negative
//! ```
//! Combinational. Without logic for a `W` of 24, whose magnitudes all fit.
//!
//! `value`: two's complement. `rounded`: the low `W` bits of the two's-complement
//! result; `negative` is its sign, which those bits alone don't tell: 2^31 - 1 rounds
//! to 2^31.

use quern_isa::MANTISSA_BITS;
use rust_hdl::prelude::*;

/// A leaf: the units of a kernel can't depend on `W`.
#[derive(LogicBlock)]
pub struct RoundSignificand<const W: usize> {
    pub value: Signal<In, Bits<W>>,
    pub rounded: Signal<Out, Bits<W>>,
    pub negative: Signal<Out, Bit>,
}

/// Bits of the largest magnitude that needs no rounding.
const SIGNIFICANT: usize = MANTISSA_BITS as usize;

impl<const W: usize> Default for RoundSignificand<W> {
    fn default() -> Self {
        const { assert!(W >= SIGNIFICANT && W <= 32) }
        Self {
            value: Default::default(),
            rounded: Default::default(),
            negative: Default::default(),
        }
    }
}

impl<const W: usize> Logic for RoundSignificand<W> {
    crate::unit!("Rounds an integer to the 24 significant bits of an f32, half to even.");

    fn update(&mut self) {
        let unused = 64 - W;
        let value = ((self.value.val().to_u64() << unused) as i64) >> unused;
        // One bit less than the magnitude has only at a negative power of two, which
        // is exact all the same.
        let bits_used = 64 - (value ^ (value >> 63)).leading_zeros() as usize;
        let rounded = match bits_used.saturating_sub(SIGNIFICANT) {
            0 => value,
            excess => {
                let odd = (value >> excess) & 1;
                ((value + (1 << (excess - 1)) - 1 + odd) >> excess) << excess
            }
        };
        self.rounded.next = bits(rounded as u64 & ((1u64 << W) - 1));
        self.negative.next = value < 0;
    }

    fn connect(&mut self) {
        self.rounded.connect();
        self.negative.connect();
    }

    fn hdl(&self) -> Verilog {
        let sign = W - 1;
        if W == SIGNIFICANT {
            return Verilog::Custom(format!(
                "always @(*) begin\n   rounded = value;\n   negative = value[{sign}];\nend\n"
            ));
        }
        // Bit `i` set (or, in a negative number, clear) makes the excess at least
        // i - 23 bits; the highest such bit comes last and decides.
        let levels: String = (SIGNIFICANT..sign)
            .map(|i| {
                let excess = i - SIGNIFICANT + 1;
                format!(
                    "   if (value[{i}] != value[{sign}]) begin\n      \
                     dropped = {mask};\n      odd = value[{excess}];\n   end\n",
                    mask = (1u32 << excess) - 1,
                )
            })
            .collect();
        Verilog::Custom(format!(
            "\
reg [{sign}:0] dropped;
reg odd;

always @(*) begin
   dropped = 0;
   odd = 0;
{levels}   rounded = (value + (dropped >> 1) + {{{{{sign}{{1'b0}}}}, odd}}) & ~dropped;
   negative = value[{sign}];
end
"
        ))
    }
}
