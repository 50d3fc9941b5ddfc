//! An image read back: Verilog of what its bits do, for a simulator.
//!
//! ```text
//!  quern.bin ─iceunpack─► image.asc ─icebox_vlog─► look-up tables, flip-flops, RAMs, PLL
//!                          board's pins ─┘
//! ```
//! Nothing of the design that the image was made from is used, so what is simulated is what
//! would be flashed.

use crate::cache::{self, Cache, Key};
use crate::error::BuildError;
use crate::image;
use crate::pins::{self, Board, CLOCK_HZ, PACKAGE};
use crate::tool::{Tool, ToolError, ToolVersion};
use crate::top::{MODULE, PLL_MODEL, SHARED, SHARED_DRIVE, SHARED_OUT};
use crate::Pll;
use std::fs;
use std::path::Path;

const ICEUNPACK: Tool = Tool {
    program: "iceunpack",
    package: "fpga-icestorm",
    version_argument: None,
};
const ICEBOX_VLOG: Tool = Tool {
    program: "icebox_vlog",
    package: "fpga-icestorm",
    version_argument: None,
};

/// A block RAM.
pub const RAM_MODEL: &str = include_str!("ram_model.v");

const PACKED: &str = "image.bin";
const UNPACKED: &str = "image.asc";
const PLACES: &str = "pins.pcf";
const VERILOG: &str = "image.v";

/// An image as a simulator takes it.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// With the ports of the design's top module, and models of the iCE40's parts.
    pub verilog: String,
    /// The clock that the image's PLL makes of the board's.
    pub clock_hz: u64,
}

/// Decodes a packed image for this board.
pub fn decode(image: &[u8], board: Board, cache: &Cache) -> Result<Decoded, BuildError> {
    let folder = tempfile::tempdir().map_err(BuildError::io("creating", Path::new("a folder")))?;
    let folder = folder.path();
    let packed = folder.join(PACKED);
    fs::write(&packed, image).map_err(BuildError::io("writing", &packed))?;
    let places = pins::places(board);
    image::write(folder, PLACES, &places)?;
    let tools: Vec<ToolVersion> = [ICEUNPACK, ICEBOX_VLOG]
        .iter()
        .map(Tool::version)
        .collect::<Result<_, ToolError>>()?;
    let digest = cache::digest(image);
    let mut inputs = vec![("image", digest.as_str()), ("places", places.as_str())];
    inputs.extend(tools.iter().map(|tool| (tool.program, &*tool.version)));
    let key = Key::new("decoded", &inputs);
    cache.step(&key, &[VERILOG], folder, || {
        let step = "unpacking the image";
        ICEUNPACK.run(&[PACKED, UNPACKED], folder, "iceunpack.log", step)?;
        // Its messages are the Verilog.
        let arguments = ["-s", "-c", "-d", PACKAGE, "-n", MODULE, "-p", PLACES];
        let arguments = [&arguments[..], &[UNPACKED]].concat();
        let step = "reading the image's logic";
        ICEBOX_VLOG.run(&arguments, folder, VERILOG, step)?;
        Ok(())
    })?;
    let path = folder.join(VERILOG);
    let verilog = fs::read_to_string(&path).map_err(BuildError::io("reading", &path))?;
    let verilog = split_shared(&verilog).ok_or(BuildError::Format { file: VERILOG })?;
    let verilog = separate_ports(&verilog).ok_or(BuildError::Format { file: VERILOG })?;
    let verilog: String = verilog.lines().map(without_branches).collect();
    let clock_hz = clock_hz(&verilog).ok_or(BuildError::Format { file: VERILOG })?;
    Ok(Decoded {
        verilog: verilog + PLL_MODEL + RAM_MODEL,
        clock_hz,
    })
}

/// Makes of the port that both sides drive the three that a simulator has
/// ([`crate::top::simulated`]).
fn split_shared(verilog: &str) -> Option<String> {
    let (before, rest) = verilog.split_once(&format!("inout {SHARED}"))?;
    let (between, rest) = rest.split_once(&format!("\nassign {SHARED} = "))?;
    let (driver, rest) = rest.split_once(";\n")?;
    let (driver, floating) = driver.rsplit_once(" : ")?;
    let (drive, out) = driver.split_once(" ? ").filter(|_| floating == "1'bz")?;
    Some(format!(
        "{before}input {SHARED}, output {SHARED_OUT}, output {SHARED_DRIVE}{between}\n\
         wire {SHARED_OUT};\nwire {SHARED_DRIVE};\n\
         assign {SHARED_OUT} = {out};\nassign {SHARED_DRIVE} = {drive};\n{rest}"
    ))
}

/// Moves the directions of the ports out of the module's head: `icebox_vlog` declares the
/// ports again as wires or registers, which is only allowed then.
fn separate_ports(verilog: &str) -> Option<String> {
    let (before, rest) = verilog.split_once(&format!("module {MODULE} ("))?;
    let (head, body) = rest.split_once(");\n")?;
    let declarations = head.split(", ").map(str::trim_end);
    let names: Option<Vec<&str>> = declarations
        .clone()
        .map(|declaration| declaration.split(' ').next_back())
        .collect();
    let names = names?.join(" , ");
    let declarations: String = declarations.map(|port| format!("{port} ;\n")).collect();
    Some(format!(
        "{before}module {MODULE} ({names} );\n{declarations}{body}"
    ))
}

/// Writes a look-up table, which is a tree of choices, with and, or and exclusive or: as
/// choices it would be compiled to jumps that nobody can predict.
fn without_branches(line: &str) -> String {
    let plain = || format!("{line}\n");
    let Some((target, table)) = line.split_once(" = /* LUT").filter(|_| line.contains('?')) else {
        return plain();
    };
    let Some((place, tree)) = table.split_once("*/ ") else {
        return plain();
    };
    match logic(tree) {
        Some((expression, ";")) => format!("{target} = /* LUT{place}*/ {expression};\n"),
        _ => plain(),
    }
}

/// Reads a value or `(CONDITION ? TREE : TREE)`; also returns what follows.
fn logic(tree: &str) -> Option<(String, &str)> {
    let Some(inside) = tree.strip_prefix('(') else {
        let end = tree.find([' ', ')', ';']).unwrap_or(tree.len());
        let (value, rest) = tree.split_at(end);
        // The end of an escaped name is a space.
        let escaped = value.trim_start_matches('!').starts_with('\\');
        return match escaped {
            true => Some((format!("{value} "), rest.strip_prefix(' ')?)),
            false => Some((value.to_owned(), rest)),
        };
    };
    let (condition, rest) = logic(inside)?;
    let (one, rest) = logic(rest.strip_prefix(" ? ")?)?;
    let (zero, rest) = logic(rest.strip_prefix(" : ")?)?;
    let rest = rest.strip_prefix(')')?;
    let text = match (&*one, &*zero) {
        (same, other) if same == other => one,
        ("1'b1", "1'b0") => condition,
        ("1'b0", "1'b1") => format!("(!{condition})"),
        ("1'b1", _) => format!("({condition} | {zero})"),
        ("1'b0", _) => format!("(!{condition} & {zero})"),
        (_, "1'b0") => format!("({condition} & {one})"),
        (_, "1'b1") => format!("(!{condition} | {one})"),
        _ if one == format!("!{zero}") => format!("({condition} ^ {zero})"),
        _ if zero == format!("!{one}") => format!("(!{condition} ^ {one})"),
        _ => format!("(({condition} & {one}) | (!{condition} & {zero}))"),
    };
    Some((text, rest))
}

/// Of the PLL's settings, if there is one; none if they are not such as the build makes.
fn clock_hz(verilog: &str) -> Option<u64> {
    let Some((_, pll)) = verilog.split_once("SB_PLL40_CORE #(") else {
        return Some(CLOCK_HZ);
    };
    let (settings, _) = pll.split_once(';')?;
    if !settings.contains(".FEEDBACK_PATH(\"SIMPLE\")") {
        return None;
    }
    let number = |name: &str| {
        let (_, rest) = settings.split_once(&format!(".{name}("))?;
        let (value, _) = rest.split_once(')')?;
        let (_, digits) = value.split_once("'b")?;
        u64::from_str_radix(digits, 2).ok()
    };
    let pll = Pll::new(CLOCK_HZ, number("DIVR")?, number("DIVF")?, number("DIVQ")?);
    Some(pll.output_hz())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_table_of_choices_becomes_logic() {
        let line = |tree: &str| format!("assign n1  = /* LUT  1  6  3 */ {tree};");
        for (tree, expected) in [
            ("(a ? b : c)", "((a & b) | (!a & c))"),
            ("(a ? (b ? 1'b0 : !c) : 1'b1)", "(!a | (!b & !c))"),
            (
                "(a ? (b ? !c : c) : (b ? c : !c))",
                "((a & (b ^ c)) | (!a & (!b ^ c)))",
            ),
            (
                "(\\x[1]  ? !\\x[1]  : b)",
                "((\\x[1]  & !\\x[1] ) | (!\\x[1]  & b))",
            ),
            ("(a ? 1'b1 : 1'b0)", "a"),
        ] {
            assert_eq!(without_branches(&line(tree)), line(expected) + "\n");
        }
        for tree in ["!a", "(a & b)", "(a ? b)", "(a ? b : c) + (a ? b : c)"] {
            assert_eq!(without_branches(&line(tree)), line(tree) + "\n");
        }
    }

    #[test]
    fn a_shared_port_becomes_three() {
        let verilog = "module m (input rx, inout flash_data0);\n\nwire flash_data0;\n\
                       assign flash_data0 = n1 ? n2 : 1'bz;\nassign n3 = flash_data0;\n";
        let expected = "module m (input rx, input flash_data0, output flash_data0_out, \
                        output flash_data0_drive);\n\nwire flash_data0;\n\
                        wire flash_data0_out;\nwire flash_data0_drive;\n\
                        assign flash_data0_out = n2;\nassign flash_data0_drive = n1;\n\
                        assign n3 = flash_data0;\n";
        assert_eq!(split_shared(verilog).as_deref(), Some(expected));
        assert_eq!(split_shared("module m (output flash_data0);\n"), None);
        let always = verilog.replace("n1 ? n2 : 1'bz", "n2");
        assert_eq!(split_shared(&always), None);
    }

    #[test]
    fn ports_are_declared_behind_the_head() {
        let verilog = format!("\nmodule {MODULE} (input rx, output [7:0] \\leds );\nwire rx;\n");
        let expected = format!(
            "\nmodule {MODULE} (rx , \\leds );\ninput rx ;\noutput [7:0] \\leds ;\nwire rx;\n"
        );
        assert_eq!(separate_ports(&verilog), Some(expected));
        assert_eq!(separate_ports("module other (input rx);\n"), None);
    }

    #[test]
    fn the_clock_is_that_of_the_pll() {
        let instance = |path: &str| {
            format!(
                "SB_PLL40_CORE #(\n  .FEEDBACK_PATH(\"{path}\"),\n  .DIVR(4'b0100),\n  \
                 .DIVF(7'b0011011),\n  .DIVQ(3'b011)\n) PLL_16_33 ();\n"
            )
        };
        assert_eq!(clock_hz("module top();"), Some(CLOCK_HZ));
        assert_eq!(clock_hz(&instance("SIMPLE")), Some(70_000_000));
        assert_eq!(clock_hz(&instance("DELAY")), None);
        assert_eq!(clock_hz("SB_PLL40_CORE #("), None);
    }
}
