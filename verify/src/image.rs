//! A unit's Verilog against what is really in its FPGA image.
//!
//! ```text
//!  unit ─► export ─► synthesis ─► nextpnr ─► icepack ─► image
//!            │                                            │ iceunpack, icebox_vlog
//!            └───────────────► equal? ◄────── Verilog ◄───┘
//! ```
//! The image is decoded from its bits alone: what comes back has no names but those of the
//! balls. As a control one bit of a look-up table is flipped in the unpacked image; the
//! comparison must see it.

use crate::check::Obstacle;
use crate::equivalence::{compare, Side, Verdict};
use crate::tool::Tool;
use quern_fpga::pins::{DEVICE, PACKAGE};
use quern_fpga::synthesis;
use quern_hdl::verilog::{Direction, Port, Verilog};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const NEXTPNR: Tool = Tool {
    program: "nextpnr-ice40",
    package: "apt-get install nextpnr-ice40",
};
const ICEPACK: Tool = icestorm("icepack");
const ICEUNPACK: Tool = icestorm("iceunpack");
const ICEBOX_VLOG: Tool = icestorm("icebox_vlog");

const fn icestorm(program: &'static str) -> Tool {
    Tool {
        program,
        package: "apt-get install fpga-icestorm",
    }
}

const PATIENCE: Duration = Duration::from_secs(600);

/// The balls of the board's package; the first one can drive a clock net.
#[rustfmt::skip]
const BALLS: [&str; 95] = [
    "P7", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A10", "A11", "A12", "B1", "B14", "C1", "C3",
    "C4", "C5", "C6", "C7", "C9", "C10", "C11", "C12", "C14", "D1", "D3", "D4", "D5", "D6", "D7",
    "D9", "D10", "D11", "D12", "D14", "E1", "E4", "E11", "E12", "E14", "F3", "F4", "F11", "F12",
    "F14", "G1", "G3", "G4", "G11", "G12", "G14", "H1", "H3", "H4", "H11", "H12", "J1", "J3",
    "J11", "J12", "K3", "K4", "K11", "K12", "K14", "L1", "L4", "L5", "L6", "L8", "L9", "L12",
    "L14", "M1", "M3", "M4", "M6", "M7", "M9", "M11", "M12", "N1", "N14", "P1", "P2", "P3", "P4",
    "P5", "P8", "P9", "P10", "P11", "P12", "P13", "P14",
];

/// Look-up tables in which a bit is flipped until one is seen. A flipped bit that no
/// reachable state reads is no fault.
const FLIPS: usize = 4;

/// What came of one unit.
pub struct Comparison {
    pub verdict: Verdict,
    /// The flipped bit, and whether it was seen.
    pub control: (String, bool),
    pub look_up_tables: usize,
}

/// Builds an image of a unit (exported with top module `dut`) by itself and compares.
pub fn check(unit: &Verilog) -> Result<Comparison, Obstacle> {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    let top = wrapper(unit)?;
    let source = format!("{}\n{}", unit.text, top.verilog);
    std::fs::write(path.join("source.v"), &source)?;
    synthesis::map(&source, "top", path).map_err(|error| Obstacle::Other(error.to_string()))?;
    std::fs::write(path.join("balls.pcf"), &top.balls)?;
    #[rustfmt::skip]
    NEXTPNR.run(
        &[&format!("--{DEVICE}"), "--package", PACKAGE, "--json", synthesis::NETLIST, "--pcf", "balls.pcf",
          "--asc", "routed.asc", "--seed", "1", "-q"],
        path,
        PATIENCE,
    )?;
    ICEPACK.run(&["routed.asc", "image.bin"], path, PATIENCE)?;
    ICEUNPACK.run(&["image.bin", "image.asc"], path, PATIENCE)?;
    let decoded = decode(path, "image")?;
    let verdict = compare_with(path, "image")?;
    let tables = tables(&decoded);
    let bits = std::fs::read_to_string(path.join("image.asc"))?;
    let mut control = ("no look-up table to flip a bit in".to_owned(), false);
    for table in tables.iter().take(FLIPS) {
        let flipped = flip(&bits, table)
            .ok_or_else(|| Obstacle::Other(format!("no bits of the table at {table:?}")))?;
        std::fs::write(path.join("flipped.asc"), flipped)?;
        decode(path, "flipped")?;
        let seen = compare_with(path, "flipped")? == Verdict::Different;
        let Table { x, y, cell } = table;
        control = (
            format!("entry 0 of the look-up table {cell} in tile {x}, {y} flipped in the image"),
            seen,
        );
        if seen {
            break;
        }
    }
    Ok(Comparison {
        verdict,
        control,
        look_up_tables: tables.len(),
    })
}

/// From bits back to Verilog.
fn decode(folder: &Path, name: &str) -> Result<String, Obstacle> {
    let asc = format!("{name}.asc");
    let arguments = ["-S", "-d", PACKAGE, "-p", "balls.pcf", &asc];
    let text = ICEBOX_VLOG.run(&arguments, folder, PATIENCE)?;
    std::fs::write(folder.join(format!("{name}.v")), &text)?;
    Ok(text)
}

fn compare_with(folder: &Path, name: &str) -> Result<Verdict, Obstacle> {
    let gold = Side {
        read: "read_verilog source.v",
        top: "top",
    };
    let gate = Side {
        read: &format!("read_verilog {name}.v"),
        top: "chip",
    };
    compare(gold, gate, folder, PATIENCE)
}

/// A module `top` with one-bit ports, and their balls.
struct Top {
    verilog: String,
    balls: String,
}

fn wrapper(unit: &Verilog) -> Result<Top, Obstacle> {
    let bits: usize = unit.ports.iter().map(|port| port.bits).sum();
    if bits > BALLS.len() {
        return Err(Obstacle::Other(format!(
            "the unit has {bits} port bits, and the package {} balls",
            BALLS.len()
        )));
    }
    let mut free = 0..;
    let mut ports = Vec::new();
    let mut connections = Vec::new();
    let mut balls = String::new();
    for Port {
        name,
        direction,
        bits,
        ..
    } in &unit.ports
    {
        let kind = match direction {
            Direction::Input => "input",
            Direction::Output => "output",
        };
        let pins: Vec<String> = free
            .by_ref()
            .take(*bits)
            .map(|pin| format!("p{pin}"))
            .collect();
        for pin in &pins {
            ports.push(format!("{kind} {pin}"));
        }
        // Highest bit first.
        let signals: Vec<&str> = pins.iter().rev().map(String::as_str).collect();
        connections.push(format!(".{name}({{{}}})", signals.join(", ")));
    }
    for (pin, ball) in (0..bits).zip(BALLS) {
        let _ = writeln!(balls, "set_io p{pin} {ball}");
    }
    Ok(Top {
        verilog: format!(
            "module top({});\n  dut dut({});\nendmodule\n",
            ports.join(", "),
            connections.join(", ")
        ),
        balls,
    })
}

/// A look-up table that an image uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Table {
    x: usize,
    y: usize,
    cell: usize,
}

/// `icebox_vlog` says where each is: `/* LUT   11 32  7 */`.
fn tables(decoded: &str) -> Vec<Table> {
    decoded
        .lines()
        .filter_map(|line| {
            let place = line.split_once("/* LUT")?.1.split_once("*/")?.0;
            let mut numbers = place.split_whitespace().map(|number| number.parse().ok());
            Some(Table {
                x: numbers.next()??,
                y: numbers.next()??,
                cell: numbers.next()??,
            })
        })
        .collect()
}

/// Inverts entry 0 of a look-up table. A cell has two rows of its tile, from column 36
/// on; entry 0 is the fifth bit there (Project IceStorm, `get_lutff_lut_bits`).
fn flip(asc: &str, table: &Table) -> Option<String> {
    let header = format!(".logic_tile {} {}", table.x, table.y);
    let begin = asc.lines().position(|line| line == header)?;
    let row = begin + 1 + 2 * table.cell;
    let mut lines: Vec<String> = asc.lines().map(str::to_owned).collect();
    let column = 36 + 4;
    let inverse = match lines.get(row)?.get(column..=column)? {
        "0" => "1",
        _ => "0",
    };
    lines[row].replace_range(column..=column, inverse);
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_changes_one_bit_of_the_named_table() {
        let row = "0".repeat(54);
        let tile = |x: usize| format!(".logic_tile {x} 2\n{}", format!("{row}\n").repeat(16));
        let asc = tile(1) + &tile(2);
        let table = Table {
            x: 2,
            y: 2,
            cell: 3,
        };
        let flipped = flip(&asc, &table).unwrap();
        let differing: Vec<(usize, usize)> = asc
            .lines()
            .zip(flipped.lines())
            .enumerate()
            .flat_map(|(line, (a, b))| {
                let columns = a.bytes().zip(b.bytes()).enumerate();
                let differ = columns.filter(|(_, (a, b))| a != b);
                differ
                    .map(move |(column, _)| (line, column))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(differing, [(17 + 1 + 6, 40)]);
    }

    #[test]
    fn used_tables_are_found_in_the_decoded_verilog() {
        let decoded = "assign n22 = /* LUT   11 32  7 */ (a ? 1'b0 : b);\n/* FF 11 32  7 */ x\n";
        let table = Table {
            x: 11,
            y: 32,
            cell: 7,
        };
        assert_eq!(tables(decoded), [table]);
    }
}
