
// Stands in for the iCE40's block RAM: 256 words of 16 bits, or 2^MODE times as many of
// 16 / 2^MODE bits, which lie 2^MODE bits apart in those words and on the ports.
module SB_RAM40_4K #(
  parameter integer READ_MODE = 0,
  parameter integer WRITE_MODE = 0,
  parameter [255:0] INIT_0 = 0,
  parameter [255:0] INIT_1 = 0,
  parameter [255:0] INIT_2 = 0,
  parameter [255:0] INIT_3 = 0,
  parameter [255:0] INIT_4 = 0,
  parameter [255:0] INIT_5 = 0,
  parameter [255:0] INIT_6 = 0,
  parameter [255:0] INIT_7 = 0,
  parameter [255:0] INIT_8 = 0,
  parameter [255:0] INIT_9 = 0,
  parameter [255:0] INIT_A = 0,
  parameter [255:0] INIT_B = 0,
  parameter [255:0] INIT_C = 0,
  parameter [255:0] INIT_D = 0,
  parameter [255:0] INIT_E = 0,
  parameter [255:0] INIT_F = 0
) (
  output reg [15:0] RDATA,
  input RCLK,
  input RCLKE,
  input RE,
  input [10:0] RADDR,
  input WCLK,
  input WCLKE,
  input WE,
  input [10:0] WADDR,
  input [15:0] MASK,
  input [15:0] WDATA
);
  localparam integer READ_STEP = 1 << READ_MODE;
  localparam integer WRITE_STEP = 1 << WRITE_MODE;
  localparam integer READ_PIN = READ_MODE == 0 ? 0 : READ_STEP / 2 - 1;
  localparam integer WRITE_PIN = WRITE_MODE == 0 ? 0 : WRITE_STEP / 2 - 1;
  localparam [4095:0] INIT = {
    INIT_F, INIT_E, INIT_D, INIT_C, INIT_B, INIT_A, INIT_9, INIT_8,
    INIT_7, INIT_6, INIT_5, INIT_4, INIT_3, INIT_2, INIT_1, INIT_0
  };
  reg [15:0] memory [0:255];
  reg [15:0] written, read;
  reg [2:0] write_place, read_place;
  integer i, j, k;

  initial for (i = 0; i < 256; i = i + 1) memory[i] = INIT[16 * i +: 16];

  always @(posedge WCLK)
    if (WE && WCLKE) begin
      written = memory[WADDR[7:0]];
      write_place = WADDR[10:8] & (WRITE_STEP - 1);
      for (j = 0; j < 16; j = j + WRITE_STEP)
        if (WRITE_MODE != 0 || !MASK[j]) written[j + write_place] = WDATA[j + WRITE_PIN];
      memory[WADDR[7:0]] <= written;
    end

  always @(posedge RCLK)
    if (RE && RCLKE) begin
      read = memory[RADDR[7:0]];
      read_place = RADDR[10:8] & (READ_STEP - 1);
      for (k = 0; k < 16; k = k + 1)
        RDATA[k] <= k % READ_STEP == READ_PIN && read[k - READ_PIN + read_place];
    end
endmodule
