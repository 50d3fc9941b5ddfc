//! The registry: every claim, in the order of the report.

mod coverage;
mod host;
mod image;
mod lint;
mod mutation;
mod mutation_host;
mod proofs;
mod requantiser;
mod simulation;

use crate::check::{Check, Obstacle};
use quern_hdl::verilog::{self, Verilog};
use rust_hdl::prelude::Block;

/// Every check.
pub fn all() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(lint::all());
    checks.extend(simulation::all());
    checks.extend(requantiser::all());
    checks.extend(coverage::all());
    checks.extend(proofs::all());
    checks.extend(image::all());
    checks.extend(mutation::all());
    checks.extend(mutation_host::all());
    checks.extend(host::all());
    checks.sort_by_key(|check| check.group);
    checks
}

/// A unit's Verilog with top module `dut`.
fn exported(mut unit: impl Block) -> Result<Verilog, Obstacle> {
    unit.connect_all();
    verilog::export(&unit, "dut").map_err(|error| Obstacle::Other(error.to_string()))
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
