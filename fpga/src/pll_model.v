
// Stands in for the iCE40's PLL in a simulator whose clock is the PLL's output.
module SB_PLL40_CORE #(
  parameter FEEDBACK_PATH = "SIMPLE",
  parameter [3:0] DIVR = 0,
  parameter [6:0] DIVF = 0,
  parameter [2:0] DIVQ = 0,
  parameter [2:0] FILTER_RANGE = 0
) (
  input REFERENCECLK,
  input RESETB,
  input BYPASS,
  output PLLOUTGLOBAL,
  output LOCK
);
  assign PLLOUTGLOBAL = REFERENCECLK;
  assign LOCK = RESETB | BYPASS;
endmodule
