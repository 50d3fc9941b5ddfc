//! One file per command.

pub mod bench;
pub mod bench_fpga;
pub mod bench_networks;
pub mod board;
pub mod classify;
pub mod compile;
pub mod demo;
pub mod flash;
pub mod fpga;
pub mod run;
pub mod verify;
pub mod verilog;
