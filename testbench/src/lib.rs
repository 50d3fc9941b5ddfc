//! Runs programs on Quern's hardware, simulated by RustHDL or Verilator, and
//! compares machines bit for bit.

// Except where compiled models are called: `verilator`.
#![deny(unsafe_code)]

pub mod cosim;
pub mod driver;
pub mod flash_chip;
pub mod icarus;
pub mod programs;
pub mod rtl;
pub mod verilator;
pub mod virtual_board;
