//! The technology map against arithmetic: all operands of each stage and of the
//! whole multiplier, in the cells' own simulation models.

mod icarus;

use quern_fpga::mapping::{self, Stage, MULTIPLIER, STAGES};
use quern_fpga::synthesis;

/// Compares a stage with arithmetic for all operands. `x_is_zero` tries the variant
/// that the map uses where x is constant 0.
fn stage_testbench(stage: &Stage, x_is_zero: bool) -> String {
    let Stage {
        module,
        rows,
        signed,
    } = *stage;
    let top_weight = match signed {
        true => -(1i32 << (rows - 1)),
        false => 1 << (rows - 1),
    };
    let parameters = match x_is_zero {
        true => "#(._TECHMAP_CONSTMSK_x_(8'hff), ._TECHMAP_CONSTVAL_x_(8'h00))",
        false => "",
    };
    format!(
        "
module testbench;
  reg [7:0] x, a; reg [{w_msb}:0] w; wire [8:0] y; wire [{low_msb}:0] low;
  {module} {parameters} dut(.x(x), .a(a), .w(w), .y(y), .low(low));
  integer i, j, k, golden, errors = 0, compared = 0;
  initial begin
    for (i = 0; i < {x_values}; i = i + 1)
      for (j = 0; j < 256; j = j + 1)
        for (k = 0; k < {w_values}; k = k + 1) begin
          x = i; a = j; w = k; #1;
          golden = i + j * ((k % {half}) + (k / {half}) * {top_weight});
          compared = compared + 1;
          if ({{y, low}} !== golden[{sum_msb}:0]) begin
            errors = errors + 1;
            if (errors < 5) $display(\"x %0d a %0d w %0d: %b\", i, j, k, {{y, low}});
          end
        end
    $display(\"compared %0d errors %0d\", compared, errors);
  end
endmodule
",
        w_msb = rows - 1,
        low_msb = rows - 2,
        x_values = if x_is_zero { 1 } else { 256 },
        w_values = 1 << rows,
        half = 1 << (rows - 1),
        sum_msb = 9 + rows - 2,
    )
}

#[test]
fn every_mapped_stage_is_right_for_all_operands() {
    std::thread::scope(|scope| {
        for stage in &STAGES {
            for x_is_zero in [false, true] {
                scope.spawn(move || simulate_stage(stage, x_is_zero));
            }
        }
    });
}

fn simulate_stage(stage: &Stage, x_is_zero: bool) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    file("mapping.v", &mapping::techmap()).unwrap();
    file("testbench.v", &stage_testbench(stage, x_is_zero)).unwrap();
    let printed = icarus::run_cells(folder.path(), &["mapping.v", "testbench.v"]);
    let x_values = if x_is_zero { 1 } else { 256 };
    let vectors = (x_values * 256) << stage.rows;
    let golden = format!("compared {vectors} errors 0\n");
    assert_eq!(printed, golden, "{stage:?}, x is zero: {x_is_zero}");
}

/// Streams all activations through the mapped multiplier, for every weight.
const MULTIPLIER_TESTBENCH: &str = "
module testbench;
  reg clock = 0, load = 0;
  reg [7:0] a0 = 0, a1 = 0, a2 = 0, w = 0;
  wire [7:0] high; wire [1:0] low_2; wire [2:0] low_1, low_0;
  multiplier dut(.clock(clock), .load(load), .activation_0(a0), .activation_1(a1),
    .activation_2(a2), .weight(w), .high(high), .low_2(low_2), .low_1(low_1), .low_0(low_0));
  integer i, j, golden, errors = 0, compared = 0;
  reg [2:0] low_1_held, low_0_held, low_0_held_longer;
  wire signed [15:0] product = {high, low_2, low_1_held, low_0_held_longer};
  task tick; begin
    #1 clock = 1;
    // Low bits are out before high ones.
    low_0_held_longer = low_0_held; low_0_held = low_0; low_1_held = low_1;
    a2 <= a1; a1 <= a0;
    #1 clock = 0;
  end endtask
  initial begin
    for (i = -128; i < 128; i = i + 1) begin
      w = i; load = 1; tick; load = 0; w = ~w;
      for (j = 0; j < 256 + 3; j = j + 1) begin
        a0 = j; tick;
        if (j >= 2 && j < 258) begin
          #1 golden = (j - 2) * i;
          compared = compared + 1;
          if (product !== golden[15:0]) begin
            errors = errors + 1;
            if (errors < 5) $display(\"%0d * %0d: %0d\", j - 2, i, product);
          end
        end
      end
    end
    $display(\"compared %0d errors %0d\", compared, errors);
  end
endmodule
";

#[test]
fn the_mapped_multiplier_takes_at_most_85_lut4_and_is_right_for_all_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let verilog = mapping::multiplier().unwrap();
    let cells = synthesis::map(&verilog, MULTIPLIER, folder.path()).unwrap();
    // Every stage went through the map.
    assert_eq!(cells.of("ICESTORM_LC"), 4, "{cells:?}");
    assert!(cells.lut4s() <= 85, "{} LUT4: {cells:?}", cells.lut4s());
    println!("{} LUT4: {cells:?}", cells.lut4s());

    let testbench = folder.path().join("testbench.v");
    std::fs::write(testbench, MULTIPLIER_TESTBENCH).unwrap();
    let netlist = synthesis::NETLIST_VERILOG;
    let printed = icarus::run_cells(folder.path(), &[netlist, "testbench.v"]);
    assert_eq!(printed, "compared 65536 errors 0\n");
}
