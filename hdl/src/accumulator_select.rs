//! Picks one of the accumulators of a word: `selected = value[column]`.
//!
//! ```text
//!  value[1:0] ──► pick ─► value[3:2] ──► pick ─► ... ──► pick ──► selected
//!                  ▲                      ▲               ▲
//!  column ─────────┴──────────────────────┴───────────────┘
//! ```
//! Combinational; a `column` of `C` or more selects nothing meaningful.
//!
//! A link of the chain hands on what it gets, or, when the column is one of its own
//! two, takes what it gets for the lowest bit of the column and picks by that: the
//! first link has put it there. Each link has four inputs per bit, so that iCE40
//! spends one look-up table on two columns, where a tree of multiplexers spends one
//! on each.
//!
//! `value`, `selected`: `W` bits of any format.

use rust_hdl::prelude::*;

/// A leaf: RustHDL can't index an array of signals by a signal.
#[derive(LogicBlock)]
pub struct AccumulatorSelect<const C: usize, const W: usize> {
    pub value: [Signal<In, Bits<W>>; C],
    pub column: Signal<In, Bits<5>>,
    pub selected: Signal<Out, Bits<W>>,
}

impl<const C: usize, const W: usize> Default for AccumulatorSelect<C, W> {
    fn default() -> Self {
        const { assert!(C % 2 == 0 && C <= 32) }
        Self {
            value: std::array::from_fn(|_| Default::default()),
            column: Default::default(),
            selected: Default::default(),
        }
    }
}

impl<const C: usize, const W: usize> Logic for AccumulatorSelect<C, W> {
    crate::unit!("Picks one of the accumulators of a word.");

    fn update(&mut self) {
        let column = self.column.val().index();
        self.selected.next = match self.value.get(column) {
            Some(value) => value.val(),
            // No link picks: the lowest bit of the column comes through.
            None if column % 2 == 1 => !Bits::<W>::default(),
            None => Bits::default(),
        };
    }

    fn connect(&mut self) {
        self.selected.connect();
    }

    fn hdl(&self) -> Verilog {
        let links: String = (0..C / 2)
            .map(|pair| {
                let (even, odd) = (
                    format!("value${}", 2 * pair),
                    format!("value${}", 2 * pair + 1),
                );
                match pair {
                    0 => format!(
                        "   selected = {{{W}{{column[0]}}}};\n   \
                         if (column[4:1] == 0) selected = column[0] ? {odd} : {even};\n"
                    ),
                    _ => format!(
                        "   if (column[4:1] == {pair}) \
                         selected = (selected & {odd}) | (~selected & {even});\n"
                    ),
                }
            })
            .collect();
        Verilog::Custom(format!("always @(*) begin\n{links}end\n"))
    }
}
