//! Images read back: the model of the block RAM against Yosys's, and what is no image.

mod icarus;

use quern_fpga::cache::Cache;
use quern_fpga::{decode, Board};
use std::fmt::Write as _;

/// Both models side by side in every pair of modes, with the same random contents and
/// stimuli; every difference is printed.
fn bench() -> String {
    let mut text = String::from(
        "
module pair(input clock, input [63:0] random);
  parameter integer R = 0;
  parameter integer W = 0;
  wire [15:0] ours, theirs;
  reg started = 0;
",
    );
    for (instance, module, data) in [
        ("one", "ram_model", "ours"),
        ("two", "SB_RAM40_4K", "theirs"),
    ] {
        let _ = write!(text, "  {module} #(.READ_MODE(R), .WRITE_MODE(W)");
        for (index, digit) in "0123456789ABCDEF".chars().enumerate() {
            let word = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(index as u64 + 1);
            let _ = write!(text, ", .INIT_{digit}({{4{{64'h{word:016x}}}}})");
        }
        let _ = writeln!(
            text,
            ") {instance}(.RDATA({data}), .RCLK(clock), .RCLKE(random[0] | random[1]), \
             .RE(random[2] | random[3]), .RADDR({{random[14:12], 4'd0, random[11:8]}}), \
             .WCLK(clock), .WCLKE(random[4] | random[5]), .WE(random[6] | random[7]), \
             .WADDR({{random[22:20], 4'd0, random[19:16]}}), .MASK(random[39:24]), \
             .WDATA(random[55:40]));"
        );
    }
    text.push_str(
        "  always @(negedge clock) begin
    if ((random[0] | random[1]) & (random[2] | random[3])) started <= 1;
    if (started && ours !== theirs)
      $display(\"modes %0d %0d: %h, not %h\", R, W, ours, theirs);
  end
endmodule
module test;
  reg clock = 0;
  reg [63:0] random = 0;
  integer i;
  genvar r, w;
  generate
    for (r = 0; r < 4; r = r + 1) begin : reads
      for (w = 0; w < 4; w = w + 1) begin : writes
        pair #(.R(r), .W(w)) pair(.clock(clock), .random(random));
      end
    end
  endgenerate
  initial begin
    for (i = 0; i < 5000; i = i + 1) begin
      random = {$random, $random};
      #1 clock = 1;
      #1 clock = 0;
      #1;
    end
    $display(\"done\");
  end
endmodule
",
    );
    text
}

#[test]
fn the_block_ram_is_that_of_yosys_in_every_mode() {
    let folder = tempfile::tempdir().unwrap();
    let model = decode::RAM_MODEL.replace("module SB_RAM40_4K", "module ram_model");
    std::fs::write(folder.path().join("test.v"), bench() + &model).unwrap();
    let printed = icarus::run_cells(folder.path(), &["-s", "test", "test.v"]);
    assert_eq!(printed, "done\n");
}

#[test]
fn what_is_no_image_is_an_error() {
    for bytes in [&b""[..], &[0; 135_100], b"no image"] {
        let decoded = decode::decode(bytes, Board::default(), &Cache::none());
        assert!(decoded.is_err(), "{} bytes", bytes.len());
    }
}
