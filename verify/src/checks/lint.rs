//! RustHDL against Verilog, statically: every block of every configuration.

use crate::check::{Check, Evidence, Figures, Group, Obstacle, Outcome, Session};
use quern_fpga::BoardCore;
use quern_hdl::verilog::unit_of;
use quern_hdl::{Asic16, Cu, Tiny};
use quern_isa::link::Identity;
use quern_isa::CU;
use quern_lint::hazards::{self, Hazard, Visitor};
use quern_lint::{lint, lint_named, source, Finding, Review, Rule, Waiver};
use rust_hdl::prelude::Block;
use std::path::Path;

pub fn all() -> Vec<Check> {
    vec![Check::new(
        Group::Lint,
        "lint.blocks",
        "no block of any configuration says in RustHDL what Verilog understands otherwise",
        run,
    )]
}

/// Source folders with kernels.
const SOURCES: [&str; 2] = ["hdl/src", "fpga/src"];

/// What the lint reports, and why each is right. The exporter's part is shown by
/// `testbench/tests/hazards.rs`, which sends the smallest block with each hazard
/// through it; of the leaves every one is replayed against its text.
pub const WAIVERS: &[Waiver] = &[
    Waiver {
        rule: Rule::Keyword,
        block: "*",
        expression: "*",
        reason: "the exporter puts a `_` behind reserved words \
                 (`testbench/tests/hazards.rs#the_exporter_closes_or_refuses_what_it_says_it_does`)",
    },
    leaf(
        "stream_unpack_*",
        "wiring alone; `testbench/tests/control.rs#stream_wiring_keeps_bytes_in_order`",
    ),
    leaf(
        "stream_pack_*",
        "wiring alone; `testbench/tests/control.rs#stream_wiring_keeps_bytes_in_order`",
    ),
    leaf(
        "memory_*",
        "RustHDL's memory has no lanes; `testbench/tests/memories.rs#memory_of_many_lanes_reads_what_was_written`",
    ),
    leaf(
        "parameter_memory_*",
        "as memory; `testbench/tests/memories.rs#parameters_are_read_as_they_were_encoded`",
    ),
    leaf(
        "lookup_memory_*",
        "as memory; `testbench/tests/memories.rs#every_lane_looks_up_its_own_entry`",
    ),
    leaf(
        "column_sum_*",
        "registers of many widths; `testbench/tests/matrix_unit.rs#column_sum_adds_what_the_lanes_leave`",
    ),
    leaf(
        "pack_bytes_*",
        "wiring alone; `testbench/tests/matrix_unit.rs#cu_matrix_unit_equals_dot_products`",
    ),
    leaf(
        "lane_select_*",
        "a shift by a signal; `testbench/tests/activation_unit.rs#outputs_are_what_the_instruction_says_on_asic16`",
    ),
    leaf(
        "lane_write_*",
        "a shift by a signal; `testbench/tests/activation_unit.rs#outputs_are_what_the_instruction_says_on_asic16`",
    ),
    leaf(
        "combine_*",
        "signed arithmetic; `testbench/tests/activation_unit.rs#outputs_are_what_the_instruction_says_on_cu`",
    ),
    leaf(
        "round_significand_*",
        "a priority over 32 bits; `testbench/tests/requantise.rs#significands_round_as_ieee_754_says`",
    ),
    leaf(
        "digit_multiplier_*",
        "signed arithmetic; `testbench/tests/requantise.rs#digits_times_a_multiplier_give_the_exact_product`",
    ),
    leaf(
        "identity_rom",
        "a table; `fpga/tests/board_core.rs#the_driver_runs_a_program_at_the_pins_and_gets_what_the_reference_stores`",
    ),
    leaf(
        "beat_select_*",
        "a selection by a signal; `testbench/tests/control.rs#beat_select_takes_the_right_bytes`",
    ),
];

const fn leaf(block: &'static str, reason: &'static str) -> Waiver {
    Waiver {
        rule: Rule::ForeignText,
        block,
        expression: "*",
        reason,
    }
}

/// All findings, in the blocks of every configuration and of the board, and in the
/// sources under `root`.
pub fn review(root: &Path) -> Result<(Review, Vec<(String, String)>), Obstacle> {
    let unit = |block: &dyn Block| unit_of(block).map(|unit| unit.name);
    // The blocks are the same whatever the board says of itself.
    let identity = Identity::new(&CU, 0, CU.clock_hz as u32, 70);
    let designs: [(&str, Box<dyn Block>); 4] = [
        ("tiny", Box::new(Tiny::tiny())),
        ("cu", Box::new(Cu::cu())),
        ("asic16", Box::new(Asic16::asic16())),
        ("board", Box::new(BoardCore::new(&identity))),
    ];
    let mut findings: Vec<Finding> = Vec::new();
    let mut looked_at = Vec::new();
    for (name, block) in designs {
        findings.extend(lint_named(&*block, name, &unit));
        let (blocks, kinds) = quern_lint::count(&*block, &unit);
        looked_at.push((
            format!("blocks of {name}"),
            format!("{blocks}, of {kinds} units"),
        ));
    }
    for folder in SOURCES {
        let (found, files) = source::lint_folder(&root.join(folder))
            .map_err(|error| Obstacle::Other(error.to_string()))?;
        findings.extend(found);
        looked_at.push((format!("sources in {folder}"), format!("{files} files")));
    }
    Ok((Review::of(findings, WAIVERS), looked_at))
}

fn run(session: &Session) -> Result<Outcome, Obstacle> {
    let (review, looked_at) = review(session.root)?;
    let mut problems: Vec<String> = review.open.iter().map(Finding::to_string).collect();
    problems.extend(review.unused.iter().map(|waiver| {
        format!(
            "the waiver of {} in `{}` covers nothing any more",
            waiver.rule.name(),
            waiver.block
        )
    }));
    let mut outcome = match problems.is_empty() {
        true => Outcome::shown(Evidence::Measured),
        false => Outcome::failed(problems.join("; ")),
    }
    .figures(Figures {
        lint_findings: Some(review.open.len() as u64),
        ..Figures::default()
    });
    for (what, how_many) in looked_at {
        outcome = outcome.detail(what, how_many);
    }
    outcome = outcome.detail("findings waived", review.waived.len());
    for waiver in WAIVERS {
        let covered = review.waived.iter().filter(|(_, by)| by == waiver).count();
        outcome = outcome.detail(
            format!("waived: {} in `{}`", waiver.rule.name(), waiver.block),
            format!("{covered} findings: {}", waiver.reason),
        );
    }
    let mut controls = Controls(outcome);
    hazards::visit_all(&mut controls);
    Ok(controls.0)
}

/// The smallest block with each hazard must be found.
struct Controls(Outcome);

impl Visitor for Controls {
    fn visit<H: Hazard>(&mut self) {
        // The one hazard that the syntax tree does not show stands in the source.
        let caught = match H::RULE {
            Rule::DroppedGuard => {
                const GUARDED: &str = "impl Logic for B { #[hdl_gen] fn update(&mut self) { \
                    match self.s.val() { S::A if self.g.val() => {} _ => {} } } }";
                source::lint(GUARDED, "control").is_ok_and(|found| found.len() == 1)
            }
            rule => lint(&H::default(), "control")
                .iter()
                .any(|f| f.rule == rule),
        };
        let outcome = std::mem::take(&mut self.0);
        self.0 = outcome.control(H::CODE, caught);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn no_finding_is_unwaived() {
        let (review, _) = review(root()).unwrap();
        assert!(review.open.is_empty(), "{:#?}", review.open);
        assert!(review.unused.is_empty(), "{:#?}", review.unused);
    }

    /// A reason that points at a test has to point at one that exists.
    #[test]
    fn every_test_that_a_waiver_names_exists() {
        for waiver in WAIVERS {
            let mut quoted = waiver.reason.split('`').filter(|part| part.contains('#'));
            let (file, test) = quoted.next().unwrap().split_once('#').unwrap();
            let text = std::fs::read_to_string(root().join(file)).unwrap();
            assert!(text.contains(&format!("fn {test}(")), "{file}: {test}");
        }
    }
}
