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
//!
//! **Memories** as flip-flops are more than `scorr` is done with in a minute. If both sides
//! name theirs alike, [`compare_abstracted`] keeps of each memory one word, whose address
//! is any; whatever else is read is a free input, the same on both sides. That shows
//! equality: where two designs differ first, they have read alike before, and now either
//! read two words (let one be the word that is kept) or one that they have written
//! differently (let it be that one). A difference may be due to the free inputs, so one is
//! then looked for between the whole designs.

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
    let decide = format!("scorr; dc2; pdr -T {}", seconds(limit));
    run(&gold, &gate, "", &decide, folder, limit)
}

/// As [`compare`], where the memories of both sides have the same names.
pub fn compare_abstracted(
    gold: Side,
    gate: Side,
    folder: &Path,
    limit: Duration,
) -> Result<Verdict, Obstacle> {
    std::fs::write(folder.join("one_word.v"), ONE_WORD)?;
    let abstracted = format!(
        "tee -q -o {MEMORIES} select -list t:$mem_v2\ntechmap -autoproc -map one_word.v t:$mem_v2\n\
         setundef -undriven -expose\n"
    );
    let decide = format!("scorr; dc2; pdr -T {}", seconds(limit));
    let verdict = run(&gold, &gate, &abstracted, &decide, folder, limit)?;
    let memories = std::fs::read_to_string(folder.join(MEMORIES)).unwrap_or_default();
    if verdict == Verdict::Equal || memories.trim().is_empty() {
        return Ok(verdict);
    }
    let search = format!("bmc3 -T {}", seconds(limit));
    run(&gold, &gate, "", &search, folder, limit)
}

/// What has been abstracted is listed there.
const MEMORIES: &str = "memories.txt";

/// For Yosys' `techmap`: of a memory one word, at the address that `chosen` has in the
/// first cycle. Memories with other start values than zero stay as they are.
const ONE_WORD: &str = include_str!("equivalence/one_word.v");

fn seconds(limit: Duration) -> u64 {
    limit.as_secs().max(1)
}

fn run(
    gold: &Side,
    gate: &Side,
    prepare: &str,
    decide: &str,
    folder: &Path,
    limit: Duration,
) -> Result<Verdict, Obstacle> {
    let side = |side: &Side, name: &str| {
        format!(
            "{}\nprep -nordff -flatten -top {}\n{prepare}rename {} {name}\ndesign -stash {name}\n",
            side.read, side.top, side.top
        )
    };
    let script = format!(
        "{}{}design -copy-from gold -as gold gold\ndesign -copy-from gate -as gate gate\n\
         miter -equiv -flatten gold gate miter\nhierarchy -top miter\nopt -full\nmemory_map\n\
         techmap\nopt -fast\ndffunmap\nabc -g AND -fast\nopt_clean\nsetundef -zero -init\n\
         write_aiger -zinit miter.aig\n",
        side(gold, "gold"),
        side(gate, "gate"),
    );
    std::fs::write(folder.join("miter.ys"), script)?;
    match YOSYS.try_run(&["-q", "miter.ys"], folder, limit)? {
        None => return Ok(Verdict::Undecided),
        Some(ended) if !ended.success => return Err(Obstacle::Other(ended.text)),
        Some(_) => {}
    }
    let commands = format!("read_aiger miter.aig; {decide}");
    let Some(ended) = ABC.try_run(&["-c", &commands], folder, limit * 2)? else {
        return Ok(Verdict::Undecided);
    };
    let says = |text: &str| ended.text.contains(text);
    if says("Property proved") {
        Ok(Verdict::Equal)
    } else if says("was asserted in frame") {
        Ok(Verdict::Different)
    } else if says("UNDECIDED") || says("timeout") || says("No output asserted") {
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
        compare_by(compare, gold, gate)
    }

    type Compare = fn(Side, Side, &Path, Duration) -> Result<Verdict, Obstacle>;

    fn compare_by(compare: Compare, gold: &str, gate: &str) -> Verdict {
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

    /// A memory with two enables, whose read address may be any expression.
    fn memory(write: &str, address: &str) -> String {
        format!(
            "module top(input clock, input [7:0] a, b, input [15:0] d, input [1:0] e, output [15:0] y);
             reg [15:0] mem [0:255]; reg [15:0] word; assign y = word; integer i;
             initial for (i = 0; i < 256; i = i + 1) mem[i] = 0;
             always @(posedge clock) begin
                 if (e[0]) mem[a][7:0] <= d[7:0];
                 if ({write}) mem[a][15:8] <= d[15:8];
                 word <= mem[{address}];
             end endmodule"
        )
    }

    #[test]
    fn one_word_of_a_memory_shows_equality_and_hides_no_difference() {
        let compare = |gold: &str, gate: &str| compare_by(compare_abstracted, gold, gate);
        let plain = memory("e[1]", "b");
        let alike = memory("!(!e[1])", "(b ^ a) ^ a");
        assert_eq!(compare(&plain, &alike), Verdict::Equal);
        for different in [
            memory("e[1] && a != 8'd77", "b"),
            memory("e[1]", "b == 8'd200 ? 8'd201 : b"),
            memory("e[1] || d == 16'habcd", "b"),
        ] {
            assert_eq!(
                compare(&plain, &different),
                Verdict::Different,
                "{different}"
            );
        }
    }
}
