
// Stands in for the iCE40's PLL in a simulator whose clock is the PLL's output. Those of
// its parameters and ports that an image decoded from its bits names, too.
module SB_PLL40_CORE #(
  parameter FEEDBACK_PATH = "SIMPLE",
  parameter DELAY_ADJUSTMENT_MODE_FEEDBACK = "FIXED",
  parameter DELAY_ADJUSTMENT_MODE_RELATIVE = "FIXED",
  parameter PLLOUT_SELECT = "GENCLK",
  parameter SHIFTREG_DIV_MODE = 0,
  parameter [3:0] FDA_FEEDBACK = 0,
  parameter [3:0] FDA_RELATIVE = 0,
  parameter [3:0] DIVR = 0,
  parameter [6:0] DIVF = 0,
  parameter [2:0] DIVQ = 0,
  parameter [2:0] FILTER_RANGE = 0,
  parameter ENABLE_ICEGATE = 0,
  parameter TEST_MODE = 0
) (
  input REFERENCECLK,
  output PLLOUTCORE,
  output PLLOUTGLOBAL,
  input EXTFEEDBACK,
  input [7:0] DYNAMICDELAY,
  output LOCK,
  input BYPASS,
  input RESETB,
  input LATCHINPUTVALUE,
  output SDO,
  input SDI,
  input SCLK
);
  assign PLLOUTCORE = REFERENCECLK;
  assign PLLOUTGLOBAL = REFERENCECLK;
  assign LOCK = RESETB | BYPASS;
  assign SDO = 1'b0;
endmodule
