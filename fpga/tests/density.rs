//! The array of inferred multipliers is the array: the comparison of their cells means
//! something.

mod icarus;

use quern_fpga::density::{array, array_ports, inferred_array};
use quern_hdl::verilog::{Direction, Port};
use std::fmt::Write as _;

const CYCLES: usize = 3000;

/// Drives both with the same random operands, and compares their sums once every lane has
/// had a weight.
fn testbench() -> String {
    let ports = array_ports();
    let is_sum = |port: &&Port| port.direction == Direction::Output;
    let (sums, operands): (Vec<&Port>, Vec<&Port>) = ports.iter().partition(is_sum);
    let mut text = "module testbench;\n  integer i, compared = 0, errors = 0;\n".to_owned();
    let (mut drive, mut check) = (String::new(), String::new());
    let connect = |prefix: &str| {
        let names = ports.iter().map(|port| match port.direction {
            Direction::Input => format!(".{0}({0})", port.name),
            Direction::Output => format!(".{0}({prefix}_{0})", port.name),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    for Port { name, bits, .. } in &operands {
        let _ = writeln!(text, "  reg [{}:0] {name} = 0;", bits - 1);
        match name.as_str() {
            "clock" => {}
            // Often enough that every tile is used and none is used alone.
            "load" => drive += "    load = i < 20 || $random % 8 == 0;\n",
            _ => {
                let _ = writeln!(drive, "    {name} = $random;");
            }
        }
    }
    for Port { name, bits, .. } in &sums {
        let msb = bits - 1;
        let _ = writeln!(
            text,
            "  wire [{msb}:0] lanes_{name}, inferred_{name};\n  reg [{msb}:0] {name}_0, {name}_1;\n  \
             always @(posedge clock) begin {name}_0 <= inferred_{name}; {name}_1 <= {name}_0; end"
        );
        let _ = writeln!(
            check,
            "    if (i > 40) begin compared = compared + 1; \
             if (lanes_{name} !== {name}_1) errors = errors + 1; end"
        );
    }
    let _ = write!(
        text,
        "  array lanes({});\n  inferred inferred({});
  initial begin
    for (i = 0; i < {CYCLES}; i = i + 1) begin
{drive}    #1;
{check}    clock = 1; #1 clock = 0; #1;
    end
    $display(\"compared %0d errors %0d\", compared, errors);
  end
endmodule
",
        connect("lanes"),
        connect("inferred"),
    );

    text
}

#[test]
fn an_array_of_inferred_multipliers_gives_the_sums_of_the_array() {
    let inferred = inferred_array().replace("module array(", "module inferred(");
    let compared = 4 * (CYCLES - 41);
    let [right, wrong] = [
        inferred.clone(),
        inferred.replace("total_0_0 + product_1_0", "total_0_0 - product_1_0"),
    ]
    .map(|inferred| {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        file("array.v", &array().unwrap()).unwrap();
        file("inferred.v", &inferred).unwrap();
        file("testbench.v", &testbench()).unwrap();
        icarus::run(folder.path(), &["array.v", "inferred.v", "testbench.v"])
    });
    assert_eq!(right, format!("compared {compared} errors 0\n"));
    assert!(!wrong.ends_with(" errors 0\n"), "{wrong}");
}
