//! How the multiplier's rows lie in the iCE40's logic cells: a Yosys technology map
//! for the stage modules of `quern_hdl` ([`quern_hdl::MultiplierStage3`],
//! [`quern_hdl::MultiplierStage2Signed`]).
//!
//! ```text
//!         row 0                         row 1
//!  ┌─────┬─ … ─┬─────┬───────┐  ┌─────┬─ … ─┬─────┬───────┐
//!  │bit 0│     │bit 7│ bit 8 │  │bit 0│     │bit 7│ bit 8 │     one logic cell each
//!  │ ──carry─────► ──│─► 0 ──│──│─► ──carry─────► ──│─►     │     one carry chain
//!  └─────┴─ … ─┴─────┴───────┘  └─────┴─ … ─┴─────┴───────┘
//! ```
//! The portable Verilog says `y = w ? x + a : x`, row by row, and would be mapped to
//! 182 look-up tables per multiplier by Yosys alone. Here it is 71 or 72, because:
//!
//! - A row bit is one logic cell. The look-up table in front of the carry chain has
//!   a spare input, and the select `w` uses it.
//! - The rows of a stage share one carry chain. nextpnr begins every chain at a tile
//!   boundary (8 cells), so nine-cell chains would waste most of every second tile,
//!   and tiles run out before cells do.
//! - Bit 8 of a row is `w & carry`. Between two rows it is a raw `ICESTORM_LC`: its
//!   carry inputs are left unconnected, which the iCE40 reads as 0, so it passes on a
//!   carry of 0 whatever comes in. (`SB_CARRY` with constant inputs would be
//!   optimised away and split the chain.)
//! - The row before the sign row stores the inverse `nx` of what it hands on. Then
//!   `x - a` is `!(nx + a)`, and the sign row is an adding row with inverted output.
//! - Lane 0 starts from `x = 0`: its first row needs no adder.
//!
//! The map is a plain Verilog file, and it is simulated as such: its tests compare
//! each stage with its arithmetic for all operands.

use quern_hdl::verilog::{self, ExportError};
use quern_hdl::Lane;
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Bits of `x` and `a`.
const OPERAND_BITS: usize = 8;

/// A stage module that is mapped here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The module's name in the exported Verilog.
    pub module: &'static str,
    /// Rows, that is bits of `w`.
    pub rows: usize,
    /// Whether the last row subtracts.
    pub signed: bool,
}

/// Every stage module. The synthesis treats them as black boxes and maps them last.
pub const STAGES: [Stage; 2] = [
    Stage {
        module: "multiplier_stage_3",
        rows: 3,
        signed: false,
    },
    Stage {
        module: "multiplier_stage_2_signed",
        rows: 2,
        signed: true,
    },
];

/// The map, for Yosys' `techmap -map`.
pub fn techmap() -> String {
    let modules: Vec<String> = STAGES.iter().map(Stage::techmap).collect();
    modules.join("\n")
}

/// The module of [`multiplier`].
pub const MULTIPLIER: &str = "multiplier";

/// A lane by itself as an 8 × 8 multiplier, as Verilog: `product` is
/// `activation_0 * weight`, three cycles later, where `activation` is given again on
/// `activation_1` and `activation_2` one and two cycles later, and the weight was
/// loaded before.
pub fn multiplier() -> Result<String, ExportError> {
    let mut lane = Lane::default();
    lane.connect_all();
    let lane = verilog::export(&lane, "lane")?.text;
    Ok(format!(
        "{lane}
module {MULTIPLIER}(
  input clock,
  input load,
  input [7:0] activation_0,
  input [7:0] activation_1,
  input [7:0] activation_2,
  input [7:0] weight,
  output [7:0] high,
  output [1:0] low_2,
  output [2:0] low_1,
  output [2:0] low_0
);
  lane lane(
    .clock(clock),
    .x(8'd0),
    .activation_0(activation_0),
    .activation_1(activation_1),
    .activation_2(activation_2),
    .weight_0(weight[2:0]),
    .weight_1(weight[5:3]),
    .weight_2(weight[7:6]),
    .load_0(load),
    .load_1(load),
    .load_2(load),
    .high(high),
    .low_2(low_2),
    .low_1(low_1),
    .low_0(low_0)
  );
endmodule
"
    ))
}

impl Stage {
    /// What the row at `index` does.
    fn row(&self, index: usize) -> Row {
        match self.rows - index {
            1 if self.signed => Row::Subtract,
            2 if self.signed => Row::AddInverted,
            _ => Row::Add,
        }
    }

    /// The stage's module, mapped. Ports as in `quern_hdl`: `x`, `a`, `w` in, `y`,
    /// `low` out, `2^(rows-1) * y + low = x + a * w`.
    fn techmap(&self) -> String {
        let Stage { module, rows, .. } = *self;
        let general = self.cells(Start::FromX);
        let from_zero = self.cells(Start::FromZero);
        let low: Vec<String> = (0..rows - 1)
            .rev()
            .map(|row| format!("y{row}[0]"))
            .collect();
        let wires: String = (0..rows)
            .map(|row| format!("  wire [8:0] y{row};\n  wire [9:0] c{row};\n"))
            .collect();
        format!(
            "\
module {module}(
  input [7:0] x,
  input [7:0] a,
  input [{w_msb}:0] w,
  output [8:0] y,
  output [{low_msb}:0] low
);
  // Set by techmap: which bits of x are constant, and their values.
  parameter [7:0] _TECHMAP_CONSTMSK_x_ = 0;
  parameter [7:0] _TECHMAP_CONSTVAL_x_ = 0;
{wires}  generate
  if (_TECHMAP_CONSTMSK_x_ == 8'hff && _TECHMAP_CONSTVAL_x_ == 8'h00) begin : from_zero
{from_zero}  end else begin : from_x
{general}  end
  endgenerate
  assign y = y{last};
  assign low = {{{low}}};
endmodule
",
            w_msb = rows - 1,
            low_msb = rows - 2,
            last = rows - 1,
            low = low.join(", "),
        )
    }

    fn cells(&self, start: Start) -> String {
        let mut text = String::new();
        let mut chained = false;
        for row in 0..self.rows {
            if row == 0 && start == Start::FromZero && self.row(0) == Row::Add {
                text += &zero_row(row);
                continue;
            }
            let carry_in = match chained {
                true => format!("c{}[9]", row - 1),
                false => "1'b0".to_owned(),
            };
            let _ = writeln!(text, "    assign c{row}[0] = {carry_in};");
            for bit in 0..OPERAND_BITS {
                text += &row_cell(self.row(row), row, bit);
            }
            text += &match row + 1 < self.rows {
                true => joint_cell(self.row(row), row),
                false => top_cell(self.row(row), row),
            };
            chained = true;
        }
        text
    }
}

/// Where the first row's `x` comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    FromX,
    FromZero,
}

/// What a row computes, and in which form it hands it on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// `w ? x + a : x`
    Add,
    /// The same, with bits 8:1 inverted.
    AddInverted,
    /// `w ? x - a : x`, from the inverse of x.
    Subtract,
}

/// A row's bit 0 to 7: a carry and the look-up table beside it.
fn row_cell(kind: Row, row: usize, bit: usize) -> String {
    let x = match row {
        0 => format!("x[{bit}]"),
        _ => format!("y{}[{}]", row - 1, bit + 1),
    };
    // Bit 0 is a bit of the product and never inverted, except where the row's own
    // input is.
    let inverts = match kind {
        Row::Add => false,
        Row::AddInverted => bit > 0,
        Row::Subtract => true,
    };
    let init = lut_init(|select, x, a, carry| {
        let sum = if select { x ^ a ^ carry } else { x };
        sum ^ inverts
    });
    format!(
        "    SB_CARRY carry_{row}_{bit}(.I0({x}), .I1(a[{bit}]), .CI(c{row}[{bit}]), .CO(c{row}[{next}]));
    SB_LUT4 #(.LUT_INIT({init})) bit_{row}_{bit}(.I0(w[{row}]), .I1({x}), .I2(a[{bit}]), .I3(c{row}[{bit}]), .O(y{row}[{bit}]));
",
        next = bit + 1,
    )
}

/// Bit 8 of the last row: `w & carry`, whether the row adds or subtracts.
fn top_cell(kind: Row, row: usize) -> String {
    let init = top_init(kind);
    format!(
        "    SB_LUT4 #(.LUT_INIT({init})) bit_{row}_8(.I0(w[{row}]), .I1(1'b0), .I2(1'b0), .I3(c{row}[8]), .O(y{row}[8]));\n"
    )
}

/// Bit 8 of a row that is followed by another: the same, and a carry of 0 for the
/// next row.
fn joint_cell(kind: Row, row: usize) -> String {
    let init = top_init(kind);
    format!(
        "    ICESTORM_LC #(.LUT_INIT({init}), .CARRY_ENABLE(1'b1), .DFF_ENABLE(1'b0)) bit_{row}_8(.I0(w[{row}]), .I3(c{row}[8]), .CIN(c{row}[8]), .O(y{row}[8]), .COUT(c{row}[9]));\n"
    )
}

fn top_init(kind: Row) -> String {
    lut_init(|select, _, _, carry| (select & carry) ^ (kind == Row::AddInverted))
}

/// A row that starts from zero: `w & a`, no carry.
fn zero_row(row: usize) -> String {
    let init = lut_init(|select, _, a, _| select & a);
    let mut text = format!("    assign y{row}[8] = 1'b0;\n");
    for bit in 0..OPERAND_BITS {
        let _ = writeln!(
            text,
            "    SB_LUT4 #(.LUT_INIT({init})) bit_{row}_{bit}(.I0(w[{row}]), .I1(1'b0), .I2(a[{bit}]), .I3(1'b0), .O(y{row}[{bit}]));"
        );
    }
    text
}

/// The look-up table of a function of (I0, I1, I2, I3).
fn lut_init(function: impl Fn(bool, bool, bool, bool) -> bool) -> String {
    let init: u16 = (0..16u16)
        .filter(|entry| {
            let input = |i: u16| entry >> i & 1 == 1;
            function(input(0), input(1), input(2), input(3))
        })
        .fold(0, |init, entry| init | 1 << entry);
    format!("16'h{init:04x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_up_tables_are_indexed_with_i3_as_the_highest_bit() {
        assert_eq!(lut_init(|i0, _, _, _| i0), "16'haaaa");
        assert_eq!(lut_init(|_, _, _, i3| i3), "16'hff00");
        assert_eq!(lut_init(|i0, i1, i2, i3| i0 & i1 & i2 & i3), "16'h8000");
    }

    #[test]
    fn a_stage_takes_nine_cells_per_row() {
        for stage in STAGES {
            let cells = stage.cells(Start::FromX);
            let count = |kind: &str| cells.matches(kind).count();
            assert_eq!(count("SB_CARRY"), 8 * stage.rows);
            assert_eq!(count("SB_LUT4") + count("ICESTORM_LC"), 9 * stage.rows);
            assert_eq!(count("ICESTORM_LC"), stage.rows - 1);
        }
    }
}
