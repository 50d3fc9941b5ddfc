//! From a target's name to a machine.

use crate::arguments::Target;
use miette::{IntoDiagnostic, Result};
use quern_isa::{Config, Machine, Reference};
use quern_testbench::rtl::Rtl;
use quern_testbench::verilator::Verilator;
use std::path::Path;

/// Builds the machine; the first use of Verilator compiles the exported Verilog.
pub fn machine(target: Target, config: Config, vcd: Option<&Path>) -> Result<Box<dyn Machine>> {
    Ok(match target {
        Target::Reference => Box::new(Reference::new(config)),
        Target::Rtl => Box::new(
            match vcd {
                Some(file) => Rtl::with_vcd(&config, file),
                None => Rtl::new(&config),
            }
            .into_diagnostic()?,
        ),
        Target::Verilator => Box::new(Verilator::new(&config).into_diagnostic()?),
    })
}
