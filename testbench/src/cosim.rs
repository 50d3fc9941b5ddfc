//! Unit co-simulation: what a unit did in RustHDL's simulator, its exported Verilog
//! must do again under Icarus and, if asked to ([`BOTH`]), under Verilator, cycle by
//! cycle and port by port.
//!
//! ```text
//!  test ──inputs──► unit in RustHDL ──► golden function agrees?
//!                        │ inputs and outputs of every cycle
//!                        ▼
//!                    Recorder ──replay──┬► exported Verilog in Icarus: same outputs?
//!                                       └► exported Verilog in Verilator: same outputs?
//! ```
//!
//! A [`Recorder`] wraps any RustHDL block and behaves as that block, so a test sets
//! `unit.x.next` and reads `unit.y.val()`. Ports need not be listed: they are found
//! in the block, arrays and interfaces included.
//!
//! ```no_run
//! use quern_testbench::cosim::Recorder;
//! use rust_hdl::prelude::*;
//!
//! #[derive(LogicBlock, Default)]
//! struct Counter {
//!     pub clock: Signal<In, Clock>,
//!     pub enable: Signal<In, Bit>,
//!     pub count: Signal<Out, Bits<8>>,
//!     state: DFF<Bits<8>>,
//! }
//!
//! impl Logic for Counter {
//!     #[hdl_gen]
//!     fn update(&mut self) {
//!         dff_setup!(self, clock, state);
//!         if self.enable.val() {
//!             self.state.d.next = self.state.q.val() + 1;
//!         }
//!         self.count.next = self.state.q.val();
//!     }
//! }
//!
//! let mut unit = Recorder::clocked(Counter::default(), |unit| &mut unit.clock);
//! for cycle in 0..300u64 {
//!     unit.enable.next = true;
//!     unit.cycle();
//!     assert_eq!(unit.count.val(), ((cycle + 1) % 256).to_bits::<8>());
//! }
//! unit.replay().unwrap();
//! ```
//!
//! A combinational block is wrapped by [`Recorder::combinational`]; `cycle` then
//! settles it and records one vector. 500,000 vectors take some seconds.
//!
//! **What is compared.** Row `t` holds the inputs of cycle `t` and the outputs just
//! before its rising edge, that is after the new inputs have passed all
//! combinational paths; a last row holds the outputs after the last edge. An
//! unknown bit (`x`, `z`) differs from everything, except in the first
//! [`warm_up`](Recorder::warm_up) rows, where only known bits are compared. Verilator
//! knows no unknown bits: what has no defined start begins random, and its outputs are
//! compared behind the warm-up.
//!
//! With [`LOG`] set to a file, every replay adds a line to it: unit, rows, outputs.

mod verilator;

use crate::verilator::VerilatorError;
use quern_hdl::verilog::{self, Direction, ExportError, Port};
use rust_hdl::prelude::*;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use thiserror::Error;

/// Passes after which a block is taken to oscillate. A combinational chain through
/// `n` sibling blocks needs about `2 * n`.
const SETTLING_PASSES: usize = 10_000;

/// Gives a recorder the clock of its block.
type ClockOf<B> = fn(&mut B) -> &mut Signal<In, Clock>;

/// A block under test: drives it, records what its ports do, and replays that
/// through its Verilog.
pub struct Recorder<B: Block> {
    block: B,
    clock: Option<ClockOf<B>>,
    ports: Vec<Port>,
    warm_up: usize,
    /// Whether replays run under Verilator, too.
    both: bool,
    /// Rows of hexadecimal digits, one row per cycle, in `$readmemh`'s form.
    stimulus: String,
    expected: String,
    rows: usize,
    unsettled_at: Option<usize>,
}

/// What a replay compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    pub rows: usize,
    pub outputs: usize,
}

/// Why a block and its Verilog do not agree, or could not be compared.
#[derive(Debug, Error)]
pub enum CosimError {
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
    #[error("the block does not settle in cycle {cycle}: it has a combinational loop")]
    Unsettled { cycle: usize },
    #[error("nothing was recorded: call `cycle` before `replay`")]
    Empty,
    #[error("the block has no output port: nothing could be compared")]
    NoOutputs,
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(
        "`{tool}` is not installed; install what replays need with \
         `apt-get install iverilog verilator g++`"
    )]
    MissingTool { tool: &'static str },
    #[error(transparent)]
    Verilator(#[from] VerilatorError),
    #[error("`{tool}` failed on the Verilog of `{unit}` (files kept in {}):\n{message}", directory.display())]
    Tool {
        tool: &'static str,
        unit: String,
        directory: PathBuf,
        message: String,
    },
    #[error("co-simulation files: {0}")]
    Io(#[from] io::Error),
}

/// The first difference between RustHDL and Verilog.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{unit}` cycle {cycle}: port `{port}` is {actual} in {simulator}, {expected} in RustHDL (hexadecimal), with inputs {inputs}; files kept in {}", directory.display())]
pub struct Mismatch {
    pub unit: String,
    /// What ran the Verilog.
    pub simulator: &'static str,
    pub cycle: usize,
    pub port: String,
    /// Hexadecimal; `x` where the Verilog's value is unknown.
    pub actual: String,
    pub expected: String,
    pub inputs: String,
    pub directory: PathBuf,
}

impl<B: Block> Recorder<B> {
    /// A block with a clock: `Recorder::clocked(unit, |unit| &mut unit.clock)`.
    pub fn clocked(block: B, clock: ClockOf<B>) -> Recorder<B> {
        Recorder::new(block, Some(clock))
    }

    /// A block without a clock: every `cycle` is one vector.
    pub fn combinational(block: B) -> Recorder<B> {
        Recorder::new(block, None)
    }

    fn new(mut block: B, clock: Option<ClockOf<B>>) -> Recorder<B> {
        block.connect_all();
        let mut ports = verilog::ports(&block);
        if clock.is_some() {
            ports.retain(|port| port.name != CLOCK);
        }
        let mut recorder = Recorder {
            block,
            clock,
            ports,
            warm_up: 0,
            both: false,
            stimulus: String::new(),
            expected: String::new(),
            rows: 0,
            unsettled_at: None,
        };
        recorder.settle();
        recorder
    }

    /// Ignores unknown output bits of the Verilog in the first `rows` rows, for
    /// data registers without a defined start.
    pub fn warm_up(mut self, rows: usize) -> Recorder<B> {
        self.warm_up = rows;
        self
    }

    /// Replays under Verilator, too, whatever [`BOTH`] says.
    pub fn in_both_simulators(mut self) -> Recorder<B> {
        self.both = true;
        self
    }

    /// Lets new inputs pass all combinational paths, so that outputs can be read
    /// before the clock edge. Not needed before [`cycle`](Self::cycle).
    pub fn settle(&mut self) {
        for _ in 0..SETTLING_PASSES {
            self.block.update_all();
            if !self.block.has_changed() {
                return;
            }
        }
        self.unsettled_at.get_or_insert(self.rows);
    }

    /// One clock cycle (or vector): settles, records inputs and outputs, then gives
    /// one clock pulse. A block that does not settle is reported by
    /// [`replay`](Self::replay).
    pub fn cycle(&mut self) {
        self.settle();
        self.record();
        if let Some(clock) = self.clock {
            clock(&mut self.block).next = true.into();
            self.settle();
            clock(&mut self.block).next = false.into();
            self.settle();
        }
    }

    /// Cycles recorded so far.
    pub fn cycles(&self) -> usize {
        self.rows
    }

    fn record(&mut self) {
        let Recorder {
            block,
            clock,
            stimulus,
            expected,
            ..
        } = self;
        let clocked = clock.is_some();
        stimulus.push('0');
        verilog::visit_ports(block, &mut |name, signal| {
            if clocked && name == CLOCK {
                return;
            }
            let row: &mut String = match signal.kind() {
                AtomKind::InputParameter => stimulus,
                _ => expected,
            };
            write_hex(row, signal);
        });
        stimulus.push('\n');
        expected.push('\n');
        self.rows += 1;
    }

    /// Runs the recorded inputs through the block's exported Verilog, under Icarus and
    /// if asked to under Verilator, and compares every output of every cycle.
    pub fn replay(&mut self) -> Result<Replay, CosimError> {
        if let Some(cycle) = self.unsettled_at {
            return Err(CosimError::Unsettled { cycle });
        }
        if self.rows == 0 {
            return Err(CosimError::Empty);
        }
        if self.clock.is_some() {
            self.settle();
            self.record();
        }
        let outputs = self.outputs().count();
        if outputs == 0 {
            return Err(CosimError::NoOutputs);
        }
        let unit = unit_name::<B>();
        let text = verilog::export(&self.block, &unit)?.text;
        let directory = tempfile::Builder::new().prefix("quern-cosim-").tempdir()?;
        let path = directory.path();
        std::fs::write(path.join(UNIT), text)?;
        std::fs::write(path.join(TESTBENCH), self.testbench(&unit))?;
        std::fs::write(path.join(STIMULUS), &self.stimulus)?;
        std::fs::write(path.join(EXPECTED), &self.expected)?;
        let both = self.both || std::env::var_os(BOTH).is_some();
        let verdict = self.in_icarus(&unit, path).and_then(|()| match both {
            true => self.in_verilator(&unit, path),
            false => Ok(()),
        });
        if verdict.is_ok() {
            keep_vectors(&unit, path)?;
        }
        if matches!(
            verdict,
            Err(CosimError::Mismatch(_) | CosimError::Tool { .. })
        ) {
            let _ = directory.keep();
        }
        verdict?;
        log(&unit, self.rows, outputs)?;
        Ok(Replay {
            rows: self.rows,
            outputs,
        })
    }

    fn in_verilator(&self, unit: &str, directory: &Path) -> Result<(), CosimError> {
        let difference =
            verilator::replay(unit, &self.packed_ports(unit), self.warm_up, directory)?;
        let Some(verilator::Difference { row, actual }) = difference else {
            return Ok(());
        };
        // The same row as RustHDL left it, port by port.
        let expected = self.expected.lines().nth(row).unwrap_or_default();
        let mut end = 0;
        for port in self.outputs() {
            let digits = hex_digits(port.bits);
            let width: usize = self.outputs().map(|port| hex_digits(port.bits)).sum();
            let ours = &actual[actual.len() - width + end..][..digits];
            let theirs = &expected[end..][..digits];
            end += digits;
            if ours != theirs {
                return Err(CosimError::Mismatch(Box::new(Mismatch {
                    unit: unit.to_owned(),
                    simulator: "Verilator",
                    cycle: row,
                    port: port.name.clone(),
                    actual: ours.to_owned(),
                    expected: theirs.to_owned(),
                    inputs: self.inputs_of(row).unwrap_or_default(),
                    directory: directory.to_owned(),
                })));
            }
        }
        Err(CosimError::Tool {
            tool: "the Verilator model",
            unit: unit.to_owned(),
            directory: directory.to_owned(),
            message: format!("row {row} differs between the ports: {actual}"),
        })
    }

    /// The unit with its inputs in one vector and its outputs in another.
    fn packed_ports(&self, unit: &str) -> String {
        let inputs = fields(self.inputs());
        let outputs = fields(self.outputs());
        let mut connections: Vec<String> = Vec::new();
        if self.clock.is_some() {
            connections.push(format!(".{CLOCK}(clock)"));
        }
        for (port, lsb) in &inputs.places {
            connections.push(format!(".{}(inputs[{lsb} +: {}])", port.name, port.bits));
        }
        let mut unused = String::new();
        for (i, (port, lsb)) in outputs.places.iter().enumerate() {
            let Port { name, bits, .. } = port;
            connections.push(format!(".{name}(output_{i})"));
            let padded = hex_digits(*bits) * 4;
            let _ = writeln!(
                unused,
                "    wire [{}:0] output_{i}; // {name}\n    assign outputs[{lsb} +: {padded}] = {padded}'d0 | output_{i};",
                bits - 1,
            );
        }
        let vector = |bits: usize| bits.max(VECTOR_BITS);
        let top = vector(outputs.bits);
        let used = outputs.bits - 4;
        format!(
            "module cosim_ports(input wire clock, input wire [{}:0] inputs, output wire [{}:0] outputs);\n\
             {unused}    assign outputs[{}:{used}] = 0;\n    {unit} dut (\n        {}\n    );\nendmodule\n",
            vector(inputs.bits) - 1,
            top - 1,
            top - 1,
            connections.join(",\n        "),
        )
    }

    fn in_icarus(&self, unit: &str, directory: &Path) -> Result<(), CosimError> {
        let failed = |tool, message: String| CosimError::Tool {
            tool,
            unit: unit.to_owned(),
            directory: directory.to_owned(),
            message,
        };
        let compiled = run(
            "iverilog",
            &["-g2012", "-o", "cosim.vvp", TESTBENCH, UNIT],
            directory,
        )?;
        if !compiled.status.success() {
            return Err(failed("iverilog", text(&compiled.stderr)));
        }
        let simulated = run("vvp", &["-n", "cosim.vvp"], directory)?;
        let log = text(&simulated.stdout);
        if log.lines().any(|line| line == PASSED) && simulated.status.success() {
            return Ok(());
        }
        match log.lines().find_map(|line| line.strip_prefix(MISMATCH)) {
            Some(line) => {
                let fields: Vec<&str> = line.split_whitespace().collect();
                match self.mismatch(unit, &fields, directory) {
                    Some(mismatch) => Err(CosimError::Mismatch(Box::new(mismatch))),
                    None => Err(failed("vvp", log)),
                }
            }
            None => Err(failed("vvp", log + &text(&simulated.stderr))),
        }
    }

    /// Reads the simulator's `row port actual expected`.
    fn mismatch(&self, unit: &str, fields: &[&str], directory: &Path) -> Option<Mismatch> {
        let [row, port, actual, expected] = fields else {
            return None;
        };
        let cycle = row.parse().ok()?;
        Some(Mismatch {
            unit: unit.to_owned(),
            simulator: "Icarus",
            cycle,
            port: self.outputs().nth(port.parse().ok()?)?.name.clone(),
            actual: actual.to_string(),
            expected: expected.to_string(),
            inputs: self.inputs_of(cycle)?,
            directory: directory.to_owned(),
        })
    }

    fn inputs_of(&self, row: usize) -> Option<String> {
        let line = self.stimulus.lines().nth(row)?;
        let mut at = 1;
        let mut inputs = Vec::new();
        for port in self.inputs() {
            let digits = line.get(at..at + hex_digits(port.bits))?;
            inputs.push(format!("{}={digits}", port.name));
            at += digits.len();
        }
        Some(inputs.join(" "))
    }

    fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.ports
            .iter()
            .filter(|port| port.direction == Direction::Input)
    }

    fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.ports
            .iter()
            .filter(|port| port.direction == Direction::Output)
    }

    fn testbench(&self, unit: &str) -> String {
        let inputs = fields(self.inputs());
        let outputs = fields(self.outputs());
        let mut connections: Vec<String> = Vec::new();
        let mut wires = String::new();
        let mut packed: Vec<String> = Vec::new();
        let mut reports = String::new();
        if self.clock.is_some() {
            connections.push(format!(".{CLOCK}(clock)"));
        }
        for (port, lsb) in &inputs.places {
            connections.push(format!(".{}(inputs[{lsb} +: {}])", port.name, port.bits));
        }
        for (i, (port, lsb)) in outputs.places.iter().enumerate() {
            let Port { name, bits, .. } = port;
            connections.push(format!(".{name}(output_{i})"));
            let _ = writeln!(wires, "    wire [{}:0] output_{i}; // {name}", bits - 1);
            let padding = hex_digits(*bits) * 4 - bits;
            if padding > 0 {
                packed.push(format!("{padding}'b0"));
            }
            packed.push(format!("output_{i}"));
            let _ = writeln!(
                reports,
                "                if (differ(output_{i}, wanted[{lsb} +: {bits}], row))\n                    $display(\"{MISMATCH} %0d {i} %h %h\", row, output_{i}, wanted[{lsb} +: {bits}]);"
            );
        }
        let widest = outputs
            .places
            .iter()
            .map(|(port, _)| port.bits)
            .max()
            .unwrap_or(1);
        format!(
            r#"`timescale 1ns / 1ns
// Replays the vectors of a RustHDL simulation and compares every output.
module cosim_testbench;
    reg [{input_msb}:0] stimulus [0:{last}];
    reg [{output_msb}:0] expected [0:{last}];
    reg [{input_msb}:0] inputs;
    reg [{output_msb}:0] wanted;
    reg clock;
    integer row;
{wires}    wire [{output_msb}:0] actual = {{{packed}}};

    {unit} dut (
        {connections}
    );

    // In the first rows unknown bits are let pass.
    function differ(input [{widest_msb}:0] ours, input [{widest_msb}:0] theirs, input integer at);
        differ = at < {warm_up} ? (|(ours ^ theirs)) === 1'b1 : ours !== theirs;
    endfunction

    initial begin
        $readmemh("{STIMULUS}", stimulus);
        $readmemh("{EXPECTED}", expected);
        clock = 0;
        for (row = 0; row <= {last}; row = row + 1) begin
            inputs = stimulus[row];
            wanted = expected[row];
            #1;
            if (row < {warm_up} ? (|(actual ^ wanted)) === 1'b1 : actual !== wanted) begin
{reports}                $finish;
                #1;
            end
            clock = 1;
            #1;
            clock = 0;
            #1;
        end
        $display("{PASSED}");
        $finish;
    end
endmodule
"#,
            input_msb = inputs.bits - 1,
            output_msb = outputs.bits - 1,
            last = self.rows - 1,
            packed = packed.join(", "),
            connections = connections.join(",\n        "),
            widest_msb = widest - 1,
            warm_up = self.warm_up,
        )
    }
}

impl<B: Block> Deref for Recorder<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.block
    }
}

impl<B: Block> DerefMut for Recorder<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.block
    }
}

/// The variable that names a folder in which vectors are kept that a unit's Verilog
/// passed, for checks that run them again: one folder a replay, `UNIT-NUMBER`.
const VECTORS: &str = "QUERN_VECTORS";

fn keep_vectors(unit: &str, from: &Path) -> io::Result<()> {
    let Some(folder) = std::env::var_os(VECTORS) else {
        return Ok(());
    };
    // Equal vectors have an equal number, and are kept once.
    let mut number = DefaultHasher::new();
    for file in FILES {
        std::fs::read(from.join(file))?.hash(&mut number);
    }
    let to = Path::new(&folder).join(format!("{unit}-{:016x}", number.finish()));
    std::fs::create_dir_all(&to)?;
    for file in FILES {
        std::fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

const UNIT: &str = "unit.v";
const TESTBENCH: &str = "testbench.v";
const STIMULUS: &str = "stimulus.hex";
const EXPECTED: &str = "expected.hex";
const FILES: [&str; 4] = [UNIT, TESTBENCH, STIMULUS, EXPECTED];
/// Environment variable: if set, every replay runs under Verilator, too. Compiling a
/// unit takes some seconds once.
pub const BOTH: &str = "QUERN_COSIM_BOTH";

/// Environment variable: the file in which replays are counted.
pub const LOG: &str = "QUERN_COSIM_LOG";

fn log(unit: &str, rows: usize, outputs: usize) -> io::Result<()> {
    use std::io::Write as _;
    let Some(path) = std::env::var_os(LOG) else {
        return Ok(());
    };
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    // One write: tests run side by side.
    file.write_all(format!("{unit} {rows} {outputs}\n").as_bytes())
}

/// Verilator keeps vectors of more than 64 bits as arrays of words, narrower ones
/// as integers; one kind is enough.
const VECTOR_BITS: usize = 65;

const CLOCK: &str = "clock";
const PASSED: &str = "COSIM-PASSED";
const MISMATCH: &str = "COSIM-MISMATCH";

/// Where each port lies in a row: every port takes whole hexadecimal digits, the
/// first port the highest ones.
struct Fields<'a> {
    places: Vec<(&'a Port, usize)>,
    bits: usize,
}

fn fields<'a>(ports: impl Iterator<Item = &'a Port>) -> Fields<'a> {
    let ports: Vec<&Port> = ports.collect();
    let total: usize = ports.iter().map(|port| hex_digits(port.bits) * 4).sum();
    let mut below = total;
    Fields {
        places: ports
            .into_iter()
            .map(|port| {
                below -= hex_digits(port.bits) * 4;
                (port, below)
            })
            .collect(),
        // One digit more: a block may have no inputs.
        bits: total + 4,
    }
}

fn hex_digits(bits: usize) -> usize {
    bits.div_ceil(4)
}

/// Appends a signal's value with the digits its width needs.
fn write_hex(row: &mut String, signal: &dyn Atom) {
    let digits = hex_digits(signal.bits());
    let literal = signal.verilog();
    let _ = match signal.bits() {
        0..=32 => write!(row, "{:0digits$x}", literal.as_usize()),
        _ => {
            let text = format!("{literal:x}");
            let value = text.split_once("'h").map_or("", |(_, value)| value);
            write!(row, "{value:0>digits$}")
        }
    };
}

/// The name of a block's type in snake case: `ConditionalAdd<9>` is
/// `conditional_add`.
fn unit_name<B>() -> String {
    let path = std::any::type_name::<B>();
    let path = path.split('<').next().unwrap_or(path);
    let name = path.rsplit("::").next().unwrap_or(path);
    let mut unit = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !unit.is_empty() {
            unit.push('_');
        }
        unit.extend(letter.to_lowercase());
    }
    unit
}

fn run(tool: &'static str, arguments: &[&str], directory: &Path) -> Result<Output, CosimError> {
    Command::new(tool)
        .args(arguments)
        .current_dir(directory)
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CosimError::MissingTool { tool },
            _ => CosimError::Io(error),
        })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
