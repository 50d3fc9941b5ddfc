//! From Verilog to a netlist of iCE40 cells, with the stages of the multiplier mapped
//! by [`crate::mapping`].
//!
//! ```text
//!  design.v ──► Yosys: stages as black boxes ──► synth_ice40 ──► techmap stages
//!                                                                    │
//!                                     netlist.json ◄── flatten ◄─────┘
//! ```
//! The stages stay black boxes until everything else is mapped, because Yosys would
//! otherwise take their rows apart.

use crate::error::BuildError;
use crate::mapping;
use crate::tool::YOSYS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Flip-flops that share an enable with fewer than this many others get their enable
/// by a multiplexer in the look-up table.
///
/// A tile of eight logic cells has one enable, so a register of a few bits with an
/// enable of its own makes the rest of its tile unusable for most other flip-flops.
/// With joined carry chains in most tiles the placer then finds no legal place for
/// every cell: at 86 % of the cells used it ran without end when this was not set,
/// and placed 88 and 90 % in under a minute when it was.
const LEAST_SHARED_ENABLE: u32 = 12;

/// Names of the files in the working folder.
pub const DESIGN: &str = "design.v";
pub const MAPPING: &str = "mapping.v";
pub const NETLIST: &str = "netlist.json";
pub const NETLIST_VERILOG: &str = "netlist.v";
const SCRIPT: &str = "synthesis.ys";
pub const LOG: &str = "yosys.log";

/// Maps a design to iCE40 cells in `folder`, where the files named above stay.
pub fn map(verilog: &str, top: &str, folder: &Path) -> Result<CellCounts, BuildError> {
    for (file, text) in inputs(verilog, top) {
        let path = folder.join(file);
        fs::write(&path, text).map_err(BuildError::io("writing", &path))?;
    }
    let arguments = ["-q", "-l", LOG, "-s", SCRIPT];
    YOSYS.run(&arguments, folder, "yosys.err", "mapping to iCE40 cells")?;
    counts(folder, top)
}

/// The files that Yosys reads: all that the netlist depends on, but for Yosys itself.
pub fn inputs(verilog: &str, top: &str) -> [(&'static str, String); 3] {
    [
        (DESIGN, verilog.to_owned()),
        (MAPPING, mapping::techmap()),
        (SCRIPT, script(top)),
    ]
}

/// What the netlist in `folder` takes.
pub fn counts(folder: &Path, top: &str) -> Result<CellCounts, BuildError> {
    let path = folder.join(NETLIST);
    let netlist = fs::read_to_string(&path).map_err(BuildError::io("reading", &path))?;
    CellCounts::of_netlist(&netlist, top).ok_or(BuildError::Format { file: NETLIST })
}

/// The Yosys script that reads [`DESIGN`] and [`MAPPING`] and writes [`NETLIST`] and
/// [`NETLIST_VERILOG`].
fn script(top: &str) -> String {
    let stages: Vec<&str> = mapping::STAGES.iter().map(|stage| stage.module).collect();
    format!(
        "\
read_verilog {DESIGN}
blackbox {stages}
synth_ice40 -top {top} -device hx -abc9 -dffe_min_ce_use {LEAST_SHARED_ENABLE}
techmap -map {MAPPING}
flatten
opt_clean -purge
check -assert
stat
write_json {NETLIST}
write_verilog -noattr {NETLIST_VERILOG}
",
        stages = stages.join(" "),
    )
}

/// How many cells of each type a netlist has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CellCounts(BTreeMap<String, usize>);

impl CellCounts {
    /// Counts the cells of module `top` in the JSON that Yosys wrote; none if it has
    /// another form.
    pub fn of_netlist(json: &str, top: &str) -> Option<CellCounts> {
        let netlist: Value = serde_json::from_str(json).ok()?;
        let cells = netlist
            .get("modules")?
            .get(top)?
            .get("cells")?
            .as_object()?;
        let mut counts = BTreeMap::new();
        for cell in cells.values() {
            let kind = cell.get("type")?.as_str()?;
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
        Some(CellCounts(counts))
    }

    pub fn of(&self, kind: &str) -> usize {
        self.0.get(kind).copied().unwrap_or(0)
    }

    /// Look-up tables with four inputs: also those written as raw logic cells.
    pub fn lut4s(&self) -> usize {
        self.of("SB_LUT4") + self.of("ICESTORM_LC")
    }

    pub fn flip_flops(&self) -> usize {
        let dff = |(kind, count): (&String, &usize)| kind.starts_with("SB_DFF").then_some(*count);
        self.0.iter().filter_map(dff).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted_by_type() {
        let json = r#"{"modules": {"top": {"cells": {
            "a": {"type": "SB_LUT4"}, "b": {"type": "SB_LUT4"}, "c": {"type": "ICESTORM_LC"},
            "d": {"type": "SB_DFF"}, "e": {"type": "SB_DFFESR"}}}}}"#;
        let counts = CellCounts::of_netlist(json, "top").unwrap();
        assert_eq!((counts.lut4s(), counts.flip_flops()), (3, 2));
        assert_eq!(CellCounts::of_netlist(json, "other"), None);
        assert_eq!(CellCounts::of_netlist("{", "top"), None);
    }
}
