//! Whether two designs with the same ports behave alike, in every cycle from power-up on.
//!
//! ```text
//!  gold ──┐
//!         ├─► Yosys: miter, and-inverter graph ──► ABC: scorr; dc2; pdr ──► verdict
//!  gate ──┘
//! ```
//! `scorr` merges registers and nodes that correspond, which is nearly everything when two
//! forms of one design are compared; `pdr` (A. R. Bradley's IC3) decides what is left,
//! without a bound. Registers and memories without a defined start begin as zero on both
//! sides.

use crate::check::Obstacle;
use crate::tool::{Tool, YOSYS};
use std::path::Path;
use std::time::Duration;

pub const ABC: Tool = Tool {
    program: "yosys-abc",
    package: "apt-get install yosys",
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Equal,
    Different,
    /// Not within the time.
    Undecided,
}

/// One side: how Yosys reads it, and its top module.
pub struct Side<'a> {
    pub read: &'a str,
    pub top: &'a str,
}

/// Compares in `folder`, where the files that the sides read are.
pub fn compare(
    gold: Side,
    gate: Side,
    folder: &Path,
    limit: Duration,
) -> Result<Verdict, Obstacle> {
    let side = |side: &Side, name: &str| {
        format!(
            "{}\nprep -flatten -top {}\nrename {} {name}\ndesign -stash {name}\n",
            side.read, side.top, side.top
        )
    };
    let script = format!(
        "{}{}design -copy-from gold -as gold gold\ndesign -copy-from gate -as gate gate\n\
         miter -equiv -flatten gold gate miter\nhierarchy -top miter\nopt -full\nmemory_map\n\
         techmap\nopt -fast\ndffunmap\nabc -g AND -fast\nopt_clean\nwrite_aiger -zinit miter.aig\n",
        side(&gold, "gold"),
        side(&gate, "gate"),
    );
    std::fs::write(folder.join("miter.ys"), script)?;
    match YOSYS.try_run(&["-q", "miter.ys"], folder, limit)? {
        None => return Ok(Verdict::Undecided),
        Some(ended) if !ended.success => return Err(Obstacle::Other(ended.text)),
        Some(_) => {}
    }
    let seconds = limit.as_secs().max(1);
    let commands = format!("read_aiger miter.aig; scorr; dc2; pdr -T {seconds}");
    let Some(ended) = ABC.try_run(&["-c", &commands], folder, limit * 2)? else {
        return Ok(Verdict::Undecided);
    };
    let says = |text: &str| ended.text.contains(text);
    if says("Property proved") {
        Ok(Verdict::Equal)
    } else if says("was asserted in frame") {
        Ok(Verdict::Different)
    } else if says("UNDECIDED") || says("timeout") {
        Ok(Verdict::Undecided)
    } else {
        Err(Obstacle::Other(format!(
            "ABC gave no verdict:\n{}",
            ended.text
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn compare_texts(gold: &str, gate: &str) -> Verdict {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gold.v"), gold).unwrap();
        std::fs::write(folder.path().join("gate.v"), gate).unwrap();
        let side = |read| Side { read, top: "top" };
        compare(
            side("read_verilog gold.v"),
            side("read_verilog gate.v"),
            folder.path(),
            LIMIT,
        )
        .unwrap()
    }

    fn counter(next: &str) -> String {
        format!(
            "module top(input clock, output [3:0] y); reg [3:0] q = 0; assign y = q;
             always @(posedge clock) q <= {next}; endmodule"
        )
    }

    #[test]
    fn forms_of_one_counter_are_equal_and_a_late_difference_is_found() {
        let plain = counter("q + 4'd1");
        assert_eq!(compare_texts(&plain, &counter("q - 4'd15")), Verdict::Equal);
        let late = counter("q == 4'd14 ? 4'd0 : q + 4'd1");
        assert_eq!(compare_texts(&plain, &late), Verdict::Different);
    }
}
