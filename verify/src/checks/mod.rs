//! The registry: every claim, in the order of the report.

mod host;
mod image;
mod lint;
mod mutation;
mod proofs;
mod simulation;

use crate::check::{Check, Group, Obstacle};
use quern_hdl::verilog::{self, Verilog};
use rust_hdl::prelude::Block;

/// Every check. A claim that is only planned stands here until its check is written.
pub fn all() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(planned());
    checks.extend(lint::all());
    checks.extend(simulation::all());
    checks.extend(proofs::all());
    checks.extend(image::all());
    checks.extend(mutation::all());
    checks.extend(host::all());
    checks.sort_by_key(|check| check.group);
    checks
}

/// A unit's Verilog with top module `dut`.
fn exported(mut unit: impl Block) -> Result<Verilog, Obstacle> {
    unit.connect_all();
    verilog::export(&unit, "dut").map_err(|error| Obstacle::Other(error.to_string()))
}

fn planned() -> Vec<Check> {
    [
        (
            Group::Coverage,
            "coverage.lines",
            "the run executes every line of the exported Verilog that is not waived",
        ),
        (
            Group::Coverage,
            "coverage.toggles",
            "the run toggles at least 95 % of the bits that are not waived",
        ),
        (
            Group::Coverage,
            "coverage.functions",
            "the run meets every instruction in every mode at every boundary case",
        ),
    ]
    .map(|(group, name, claim)| Check::planned(group, name, claim))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let checks = all();
        let names: HashSet<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names.len(), checks.len());
    }
}
