//! Combines the bytes of an output's taps to a value: one lane of `vector`.
//!
//! ```text
//!                    entry ─────────────────┐
//!  tap_byte ► [ ] ──────────────────────────┼─► pick ─► [addend] ─► first, or + ─► [value]
//!              ├─► − zero_point ─► [factor] ─► ±1, 0                     ▲            │
//!              │                    ×2 a cycle  ▲                        └────────────┘
//!              └─► [digits] ────────────────────┘
//! ```
//! `tap_byte` in cycle t with `tap`, `first` and the mode in cycle t+1, when `entry`
//! stands that was looked up for the byte, gives `value` in cycle t+3; a tap a cycle. The
//! mode: none (sum), `maximum`, `lookup` or `product`.
//!
//! A product's two taps are followed by 8 cycles of `multiply` from cycle t+2 of the
//! second on, each with a bit of `zero_points[1]` in `zero_point_bit`, the lowest
//! first; `value` stands two cycles after the last.
//!
//! The addend has a register of its own, because memory and adder are slow.
//!
//! `tap_byte`, `zero_point`: unsigned. `entry`, `value`: two's complement, modulo 2^W.

use rust_hdl::prelude::*;

/// A leaf: the adder takes a bit below the lowest, and its operands are shifted and
/// widened.
#[derive(LogicBlock)]
pub struct Combine<const W: usize> {
    pub clock: Signal<In, Clock>,
    pub tap_byte: Signal<In, Bits<8>>,
    pub entry: Signal<In, Bits<W>>,
    pub tap: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub maximum: Signal<In, Bit>,
    pub lookup: Signal<In, Bit>,
    pub product: Signal<In, Bit>,
    pub multiply: Signal<In, Bit>,
    pub zero_point: Signal<In, Bits<8>>,
    pub zero_point_bit: Signal<In, Bit>,
    pub value: Signal<Out, Bits<W>>,
    _state: State,
}

#[derive(Default)]
struct State {
    byte: u8,
    update: Update,
    value: i64,
    /// First byte less its zero point.
    factor: i64,
    /// What is left of the second byte.
    digits: u8,
}

/// What becomes of the value in the next cycle.
#[derive(Default, Clone, Copy)]
enum Update {
    #[default]
    Keep,
    Replace(i64),
    Add(i64),
    Maximum(u8),
}

impl<const W: usize> Default for Combine<W> {
    fn default() -> Self {
        const { assert!(W >= 18 && W <= 32) }
        Self {
            clock: Default::default(),
            tap_byte: Default::default(),
            entry: Default::default(),
            tap: Default::default(),
            first: Default::default(),
            maximum: Default::default(),
            lookup: Default::default(),
            product: Default::default(),
            multiply: Default::default(),
            zero_point: Default::default(),
            zero_point_bit: Default::default(),
            value: Default::default(),
            _state: Default::default(),
        }
    }
}

impl<const W: usize> Logic for Combine<W> {
    crate::unit!("Combines the bytes of an output's taps to a value.");

    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let state = &mut self._state;
        match state.update {
            Update::Keep => {}
            Update::Replace(value) => state.value = value,
            Update::Add(addend) => state.value += addend,
            Update::Maximum(byte) if byte > state.value as u8 => state.value = byte as i64,
            Update::Maximum(_) => {}
        }
        state.value &= (1 << W) - 1;
        let byte = state.byte;
        let first = self.first.val();
        state.update = Update::Keep;
        if self.multiply.val() {
            let digit = (state.digits & 1) as i64 - self.zero_point_bit.val() as i64;
            state.update = Update::Add(digit * state.factor);
            state.factor *= 2;
            state.digits >>= 1;
        } else if self.tap.val() {
            let addend = match self.lookup.val() {
                true => self.entry.val().to_u64() as i64,
                false => byte as i64,
            };
            state.update = match (self.product.val(), first, self.maximum.val()) {
                (true, ..) => Update::Replace(0),
                (_, true, _) => Update::Replace(addend),
                (_, _, true) => Update::Maximum(byte),
                _ => Update::Add(addend),
            };
            if self.product.val() {
                state.digits = byte;
                if first {
                    state.factor = byte as i64 - self.zero_point.val().to_u64() as i64;
                }
            }
        }
        state.byte = self.tap_byte.val().to_u64() as u8;
        self.value.next = bits(state.value as u64);
    }

    fn connect(&mut self) {
        self.value.connect();
    }

    fn hdl(&self) -> Verilog {
        let msb = W - 1;
        Verilog::Custom(format!(
            "\
reg [7:0] held;
reg [16:0] factor;
reg [7:0] digits;
wire [8:0] difference = {{1'b0, held}} - {{1'b0, zero_point}};
wire plus = multiply & digits[0] & ~zero_point_bit;
wire minus = multiply & ~digits[0] & zero_point_bit;
reg [{msb}:0] addend;
reg complement, update, whatever, replace;
wire greater = addend[7:0] > value[7:0];
wire [{msb}:0] added = lookup ? entry : {{{{{upper}{{1'b0}}}}, held & {{8{{~product}}}}}};
wire [{msb}:0] multiple = {{{{{sign}{{factor[16]}}}}, factor}} & {{{W}{{plus | minus}}}};
// The bit below brings in the one that makes a complement a negative.
wire [{W}:0] sum = {{value, 1'b1}} + {{addend, complement}};

always @(posedge clock) begin
   held <= tap_byte;
   addend <= (added | multiple) ^ {{{W}{{minus}}}};
   complement <= minus;
   update <= multiply | tap;
   whatever <= multiply | ~maximum | first;
   replace <= ~multiply & (first | maximum | product);
   if (update & (whatever | greater))
      value <= replace ? addend : sum[{W}:1];
   if (multiply | (tap & first))
      factor <= multiply ? {{factor[15:0], 1'b0}} : {{{{8{{difference[8]}}}}, difference}};
   digits <= multiply ? {{1'b0, digits[7:1]}} : held;
end

initial begin
   held = 0;
   addend = 0;
   complement = 0;
   update = 0;
   whatever = 0;
   replace = 0;
   factor = 0;
   digits = 0;
   value = 0;
end
",
            upper = W - 8,
            sign = W - 17,
        ))
    }
}
