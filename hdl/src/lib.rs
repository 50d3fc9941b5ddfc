//! Quern's hardware units in RustHDL, one file per unit.

mod memory;

pub use memory::Memory;
