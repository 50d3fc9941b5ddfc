//! The file people take away: the whole core, with what its user must know on top.

use super::{export, Direction, ExportError, Port, Verilog};
use crate::{Asic16, Cu, Tiny};
use quern_isa::Config;
use rust_hdl::prelude::Block;
use std::fmt::Write as _;

/// Name of the top module.
pub const TOP: &str = "quern";

/// Exports the core of a configuration: top module `quern`, with a header that says
/// how to use it.
pub fn core(config: &Config) -> Result<Verilog, ExportError> {
    let mut verilog = match config.name {
        "tiny" => connected(Tiny::tiny()),
        "cu" => connected(Cu::cu()),
        "asic16" => connected(Asic16::asic16()),
        name => Err(ExportError::Config {
            name: name.to_owned(),
        }),
    }?;
    let mut text = header(config, &verilog);
    text.push('\n');
    text.push_str(&verilog.text);
    verilog.text = text;
    Ok(verilog)
}

fn connected(mut core: impl Block) -> Result<Verilog, ExportError> {
    core.connect_all();
    export(&core, TOP)
}

/// What a port of the core is for.
pub fn port_about(name: &str) -> &'static str {
    match name {
        "clock" => "the only clock; everything happens at its rising edge",
        "reset" => "synchronous, active high; hold it for one cycle after power-up",
        "input_data" => "a beat of the program stream, byte 0 in the low bits",
        "input_valid" => "`input_data` holds a beat",
        "input_ready" => "the core takes the beat in this cycle",
        "output_data" => "a beat of stored results, byte 0 in the low bits",
        "output_valid" => "`output_data` holds a beat; stays up until it is taken",
        "output_ready" => "the receiver takes the beat in this cycle",
        "idle" => "no program runs; the next beat begins one",
        "error" => "0, or why the core stopped: 1 illegal instruction, 2 wrong configuration",
        "cycles" => "clock cycles of the run, to be read while `idle`",
        "input_stalls" => "of these, cycles that waited for the input stream",
        "output_stalls" => "of these, cycles that waited for the output stream",
        "matrix_cycles" => "of these, cycles in which a position entered the array",
        _ => "",
    }
}

fn header(config: &Config, verilog: &Verilog) -> String {
    let Config {
        name,
        lanes,
        columns,
        accumulator_bits,
        activation_words,
        weight_rows,
        accumulator_words,
        parameter_words,
        stream_bytes,
        ..
    } = config;
    let mut text = format!(
        "\
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Quern, an int8 inference accelerator: configuration `{name}`, top module `{TOP}`.
// Written by `quern verilog --config {name}` from the units in RustHDL.
//
// Array          {lanes} lanes x {columns} columns, {macs} multiply-accumulates per cycle
// Accumulators   {accumulator_words} words of {columns} x {accumulator_bits} bits
// Activations    {activation_words} words of {lanes} bytes
// Weights        {weight_rows} rows of {columns} bytes
// Parameters     {parameter_words} words of {parameter_bytes} bytes
// Table          256 bytes
// Streams        {stream_bytes} byte(s) per beat
// Fingerprint    {fingerprint:#06x}, checked at the start of every program
//
// Clock and reset: one clock, rising edge. `reset` is synchronous and active high;
// memories keep their contents through it. All memories start as zero in simulation
// and in FPGAs; nothing relies on that but reads of words never written.
//
// Handshake: a beat passes in a cycle in which `valid` and `ready` are both up.
// `input_ready` does not depend on `input_valid`, nor `output_valid` on
// `output_ready`.
//
// Ports
",
        macs = config.macs_per_cycle(),
        parameter_bytes = config.word_bytes(quern_isa::Space::Parameters),
        fingerprint = config.fingerprint(),
    );
    let widest = verilog.ports.iter().map(|port| port.name.len()).max();
    for port in &verilog.ports {
        let direction = match port.direction {
            Direction::Input => "in ",
            Direction::Output => "out",
        };
        let _ = writeln!(
            text,
            "//   {:widest$}  {direction} {:>4}  {}",
            port.name,
            port.bits,
            port_about(&port.name),
            widest = widest.unwrap_or(0),
        );
    }
    text.push_str("//\n// Modules\n");
    let widest = verilog.modules.iter().map(|module| module.name.len()).max();
    for module in &verilog.modules {
        let line = format!(
            "//   {:widest$}  {:>5} x  {}",
            module.name,
            module.instances,
            module.about,
            widest = widest.unwrap_or(0),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A table of ports with what they are for.
pub fn ports_markdown(ports: &[Port]) -> String {
    let mut table = String::from("| port | direction | bits | |\n|---|---|---|---|\n");
    for port in ports {
        let direction = match port.direction {
            Direction::Input => "in",
            Direction::Output => "out",
        };
        let signed = if port.signed { ", signed" } else { "" };
        let _ = writeln!(
            table,
            "| `{}` | {direction} | {}{signed} | {} |",
            port.name,
            port.bits,
            port_about(&port.name)
        );
    }
    table
}
