//! The whole core in Icarus Verilog, which knows unknown values: slow, and the only
//! simulator here in which a register that nobody has set shows.
//!
//! ```text
//!  Recipe ─► stream ─► test bench ─► core's Verilog ─► output beats, counters
//!                                          └─► first unknown output, if any
//! ```

use crate::programs::{Gaps, Recipe};
use quern_hdl::verilog::{Verilog, TOP};
use quern_isa::Counters;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::Command;
use thiserror::Error;

/// What the core did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What was stored, one store after the other.
    pub output: Vec<u8>,
    pub counters: Counters,
}

/// Why there is no run.
#[derive(Debug, Error)]
pub enum IcarusError {
    #[error("`{tool}` is not installed; install it with `apt-get install iverilog`")]
    MissingTool { tool: &'static str },
    #[error("`{tool}` failed:\n{message}")]
    Tool { tool: &'static str, message: String },
    #[error("`{port}` is unknown in cycle {cycle} after reset: {value}")]
    Unknown {
        port: String,
        cycle: u64,
        value: String,
    },
    #[error("the core neither ended nor stopped within {cycles} cycles")]
    Hang { cycles: u64 },
    #[error("the core stopped with error {code}")]
    Stopped { code: u8 },
    #[error("only programs that load nothing from host memory run in Icarus")]
    LoadsStored,
    #[error("files of the simulation: {0}")]
    Io(#[from] io::Error),
}

/// The text without any start value, as an ASIC powers up: every register and every
/// word of memory unknown until something sets it.
///
/// # Panics
/// When an `initial` block is not written as the exporter writes them.
pub fn without_start_values(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "    initial begin" => inside = true,
            "    end" if inside => inside = false,
            _ if inside => {}
            line => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    let code = kept
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line));
    assert!(
        !code
            .flat_map(str::split_whitespace)
            .any(|word| word == "initial"),
        "an `initial` block was not recognised"
    );
    kept
}

/// Runs a program from power-up. With `reset` false the core is not even reset, which
/// it must not survive if nothing has a start value.
pub fn run(
    verilog: &Verilog,
    recipe: &Recipe,
    gaps: Gaps,
    reset: bool,
) -> Result<Run, IcarusError> {
    let bytes = recipe.config.stream_bytes;
    let sent = recipe.stream().ok_or(IcarusError::LoadsStored)?;
    let beats = sent.len() / bytes;
    let mut stream = String::new();
    for beat in sent.chunks(bytes) {
        beat.iter().rev().for_each(|byte| {
            let _ = write!(stream, "{byte:02x}");
        });
        stream.push('\n');
    }
    let folder = tempfile::Builder::new().prefix("quern-icarus-").tempdir()?;
    let path = folder.path();
    std::fs::write(path.join("stream.hex"), stream)?;
    std::fs::write(path.join("quern.v"), &verilog.text)?;
    std::fs::write(
        path.join("bench.v"),
        bench(beats, 8 * bytes, verilog, gaps, reset),
    )?;
    tool(
        path,
        "iverilog",
        &["-g2012", "-o", "bench.vvp", "bench.v", "quern.v"],
    )?;
    let log = tool(path, "vvp", &["-n", "bench.vvp"])?;
    read(&log, bytes)
}

/// Cycles that are given to a program, beside those of its beats.
const PATIENCE: u64 = 200_000;

fn bench(beats: usize, bits: usize, verilog: &Verilog, gaps: Gaps, reset: bool) -> String {
    let mut wires = String::new();
    let mut connections = Vec::new();
    let mut checks = String::new();
    for port in &verilog.ports {
        let name = &port.name;
        connections.push(format!(".{name}({name})"));
        if port.direction == quern_hdl::verilog::Direction::Input {
            continue;
        }
        let _ = writeln!(wires, "    wire [{}:0] {name};", port.bits - 1);
        // Data count only when they are valid.
        let when = match name.as_str() {
            "output_data" => "output_valid && ",
            _ => "",
        };
        let _ = writeln!(
            checks,
            "            if ({when}^{name} === 1'bx) begin $display(\"UNKNOWN {name} %0d %b\", cycle, {name}); $finish; #1; end"
        );
    }
    let chance = |gap: bool| if gap { "($random & 3) == 0" } else { "1" };
    format!(
        "\
`timescale 1ns / 1ns
module bench;
    reg [{msb}:0] stream [0:{last}];
    reg clock, reset, input_valid, output_ready;
    reg [{msb}:0] input_data;
    integer at, cycle;
{wires}    {TOP} dut ({connections});
    initial begin
        $readmemh(\"stream.hex\", stream);
        clock = 0; reset = {reset}; input_valid = 0; output_ready = 0; input_data = 0; at = 0;
        #1 clock = 1; #1 clock = 0; reset = 0; #1;
        for (cycle = 0; cycle < {patience}; cycle = cycle + 1) begin
            input_valid = at <= {last} && {input};
            input_data = stream[at <= {last} ? at : 0];
            output_ready = {output};
            #1;
{checks}            if (output_valid && output_ready) $display(\"OUT %h\", output_data);
            if (input_valid && input_ready) at = at + 1;
            clock = 1; #1 clock = 0; #1;
            if (error != 0) begin $display(\"ERROR %0d\", error); $finish; #1; end
            if (idle && at > {last}) begin
                $display(\"DONE %0d %0d %0d %0d\", cycles, input_stalls, output_stalls, matrix_cycles);
                $finish; #1;
            end
        end
        $display(\"HANG %0d\", cycle);
        $finish;
    end
endmodule
",
        msb = bits - 1,
        last = beats - 1,
        connections = connections.join(", "),
        reset = reset as u8,
        patience = PATIENCE + 8 * beats as u64,
        input = chance(matches!(gaps, Gaps::Input | Gaps::Both)),
        output = chance(matches!(gaps, Gaps::Output | Gaps::Both)),
    )
}

fn read(log: &str, bytes: usize) -> Result<Run, IcarusError> {
    let broken = || IcarusError::Tool {
        tool: "vvp",
        message: log.to_owned(),
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| broken());
    let mut output = Vec::new();
    for line in log.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["OUT", digits] => {
                let beat = u128::from_str_radix(digits, 16).map_err(|_| broken())?;
                output.extend(&beat.to_le_bytes()[..bytes]);
            }
            ["UNKNOWN", port, cycle, value] => {
                return Err(IcarusError::Unknown {
                    port: (*port).to_owned(),
                    cycle: number(cycle)?,
                    value: (*value).to_owned(),
                })
            }
            ["HANG", cycles] => {
                return Err(IcarusError::Hang {
                    cycles: number(cycles)?,
                })
            }
            ["ERROR", code] => {
                return Err(IcarusError::Stopped {
                    code: code.parse().map_err(|_| broken())?,
                })
            }
            ["DONE", counters @ ..] => {
                let counters: Vec<u32> = counters
                    .iter()
                    .map(|counter| counter.parse().map_err(|_| broken()))
                    .collect::<Result<_, _>>()?;
                let [all, input_stalls, output_stalls, matrix_cycles] = counters[..] else {
                    return Err(broken());
                };
                return Ok(Run {
                    output,
                    counters: Counters {
                        cycles: all,
                        input_stalls,
                        output_stalls,
                        matrix_cycles,
                    },
                });
            }
            _ => {}
        }
    }
    Err(broken())
}

fn tool(path: &Path, tool: &'static str, arguments: &[&str]) -> Result<String, IcarusError> {
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(path)
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => IcarusError::MissingTool { tool },
            _ => IcarusError::Io(error),
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(IcarusError::Tool {
            tool,
            message: text + &String::from_utf8_lossy(&output.stderr),
        }),
    }
}
