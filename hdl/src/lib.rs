//! Quern's hardware units in RustHDL, one file per unit.

mod memory;
pub mod verilog;

pub use memory::Memory;
