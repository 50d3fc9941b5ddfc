//! `quern board`: boards on serial ports, and one that is simulated.

use crate::arguments::{BoardPort, Simulate};
use crate::output::{errln, outln};
use crate::standalone::Standalone;
use crate::{files, leds, output, simulation, table, target};
use miette::{miette, IntoDiagnostic, Result, WrapErr};
use quern_board::port;
use quern_fpga::top;
use quern_isa::link::PROTOCOL_VERSION;
use quern_isa::standalone::{FLASH_BYTES, PROGRAM_OFFSET};
use quern_isa::{Assembler, Machine, Region, CU};
use quern_testbench::virtual_board::{Controls, VirtualBoard};
use serde::Serialize;
use std::fs;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Serialize)]
struct Info {
    protocol: u8,
    instruction_set: u8,
    fingerprint: String,
    design: String,
    /// Whether this is the design that this `quern` describes.
    current: bool,
    clock_hz: u32,
    baud: f64,
    /// What is in the flash for the board alone; none if its image speaks another protocol.
    program: Option<String>,
}

pub fn info(arguments: &BoardPort) -> Result<()> {
    let mut link = target::open(arguments.port.as_deref(), arguments.baud).into_diagnostic()?;
    let identity = *link.identity();
    let program = match identity.protocol {
        PROTOCOL_VERSION => Some(match link.stand_alone().into_diagnostic()? {
            Some(fault) => fault.to_string(),
            None => "ready for input".to_owned(),
        }),
        _ => None,
    };
    let info = Info {
        protocol: identity.protocol,
        instruction_set: identity.isa,
        fingerprint: format!("{:#06x}", identity.fingerprint),
        design: format!("{:08x}", identity.design),
        current: identity.design == top::design().into_diagnostic()?,
        clock_hz: identity.clock_hz,
        baud: f64::from(identity.clock_hz) / f64::from(identity.divisor.max(1)),
        program,
    };
    if arguments.json {
        return output::print_json(&info);
    }
    let current = match info.current {
        true => "the one this `quern` describes",
        false => "another than this `quern` describes; build and flash it again",
    };
    table::print(&[
        ("protocol", info.protocol.to_string()),
        ("instruction set", info.instruction_set.to_string()),
        ("configuration", info.fingerprint),
        ("design", format!("{}, {current}", info.design)),
        (
            "clock",
            format!("{:.3} MHz", f64::from(info.clock_hz) / 1e6),
        ),
        ("serial line", format!("{:.0} baud", info.baud)),
        (
            "program in flash",
            info.program.unwrap_or_else(|| "unknown".to_owned()),
        ),
    ])?;
    Ok(())
}

pub fn reset(arguments: &BoardPort) -> Result<()> {
    let mut link = target::open(arguments.port.as_deref(), arguments.baud).into_diagnostic()?;
    if link.identity().protocol == PROTOCOL_VERSION {
        link.stand_alone().into_diagnostic()?;
    }
    if arguments.json {
        return output::print_json(&serde_json::json!({ "reset": true }));
    }
    outln!("the board is idle")?;
    Ok(())
}

#[derive(Serialize)]
struct Counted {
    cycles: u32,
    input_stalls: u32,
    output_stalls: u32,
    matrix_cycles: u32,
    frames_sent: u64,
    frames_received: u64,
    frames_damaged: u64,
    timeouts: u64,
}

/// What a program without work costs: the core from its start to its end, and the link.
pub fn counters(arguments: &BoardPort) -> Result<()> {
    let mut board = target::board(arguments.port.as_deref(), CU, arguments.baud)?;
    let nothing = Region::default();
    let program = Assembler::new(&CU).finish(0, nothing, nothing);
    let counters = board.run(&program, &mut []).into_diagnostic()?.counters;
    let link = board.link().statistics();
    let counted = Counted {
        cycles: counters.cycles,
        input_stalls: counters.input_stalls,
        output_stalls: counters.output_stalls,
        matrix_cycles: counters.matrix_cycles,
        frames_sent: link.frames_sent,
        frames_received: link.frames_received,
        frames_damaged: link.frames_damaged,
        timeouts: link.timeouts,
    };
    if arguments.json {
        return output::print_json(&counted);
    }
    table::print(&[
        (
            "cycles",
            format!(
                "{}, {} of them in the array",
                counted.cycles, counted.matrix_cycles
            ),
        ),
        (
            "stalls",
            format!(
                "{} on input, {} on output",
                counted.input_stalls, counted.output_stalls
            ),
        ),
        (
            "frames",
            format!(
                "{} sent, {} received, {} damaged",
                counted.frames_sent, counted.frames_received, counted.frames_damaged
            ),
        ),
        ("timeouts", counted.timeouts.to_string()),
    ])?;
    Ok(())
}

pub fn list(json: bool) -> Result<()> {
    let candidates = port::candidates().into_diagnostic()?;
    if json {
        let ports: Vec<&str> = candidates.iter().map(|found| found.port.as_str()).collect();
        return output::print_json(&serde_json::json!({ "ports": ports }));
    }
    if candidates.is_empty() {
        errln!("no serial port belongs to an FT2232H");
    }
    for found in candidates {
        outln!("{}  {} {}", found.port, found.product, found.serial_number)?;
    }
    Ok(())
}

pub fn simulate(arguments: &Simulate) -> Result<()> {
    let origin = arguments.origin();
    let simulated = simulation::pins(&origin)?;
    let (clock_hz, divisor) = (simulated.clock_hz, simulated.divisor);
    let mut pins = simulated.pins;
    if let Some(contents) = flash(arguments)? {
        let room = (FLASH_BYTES - PROGRAM_OFFSET) as usize;
        if contents.len() > room {
            return Err(miette!(
                "{} bytes do not fit into the {room} of the flash behind the image",
                contents.len()
            ));
        }
        pins.flash.write(PROGRAM_OFFSET as usize, &contents);
    }
    let mut board = VirtualBoard::new(pins).into_diagnostic()?;
    let _link = arguments
        .port_link
        .as_deref()
        .map(|path| PortLink::new(board.port(), path))
        .transpose()?;
    let controls = Arc::new(Controls::default());
    let interrupted = controls.clone();
    ctrlc::set_handler(move || interrupted.stop()).into_diagnostic()?;
    outln!("{}", board.port().display())?;
    errln!(
        "a board with {:.3} MHz and {:.0} baud in simulated time; Enter presses its button, \
         Ctrl-C ends it",
        clock_hz as f64 / 1e6,
        clock_hz as f64 / f64::from(divisor)
    );
    let pressed = controls.clone();
    if may_read() {
        // It ends with standard input, or with the process.
        std::thread::spawn(move || {
            let lines = std::io::stdin().lock().lines();
            lines.map_while(Result::ok).for_each(|_| pressed.press());
        });
    }
    let mut display = Leds::new();
    let end = board.run(&controls, |leds, cycles| display.show(leds, cycles));
    display.end();
    end.into_diagnostic()
}

/// What is behind the image, if anything.
fn flash(arguments: &Simulate) -> Result<Option<Vec<u8>>> {
    match (&arguments.program, &arguments.flash) {
        (Some(model), _) => Ok(Some(Standalone::new(model)?.bytes)),
        (_, Some(file)) => Ok(Some(files::read(file)?)),
        _ => Ok(None),
    }
}

/// Whether reading standard input would not stop this process: a terminal stops who reads
/// it in the background.
fn may_read() -> bool {
    if !std::io::stdin().is_terminal() {
        return true;
    }
    let Ok(status) = fs::read_to_string("/proc/self/stat") else {
        return false;
    };
    // Behind the name: state, parent, process group, session, terminal, its foreground group.
    let Some((_, fields)) = status.rsplit_once(") ") else {
        return false;
    };
    let fields: Vec<&str> = fields.split(' ').collect();
    fields.get(2) == fields.get(5)
}

/// A symbolic link to the pseudo-terminal, as long as it exists.
struct PortLink(PathBuf);

impl PortLink {
    fn new(port: &Path, link: &Path) -> Result<PortLink> {
        if fs::symlink_metadata(link).is_ok_and(|entry| !entry.is_symlink()) {
            return Err(miette!("{} exists and is no link", link.display()));
        }
        let _ = fs::remove_file(link);
        if let Some(folder) = link.parent() {
            fs::create_dir_all(folder)
                .into_diagnostic()
                .wrap_err_with(|| format!("can't create {}", folder.display()))?;
        }
        std::os::unix::fs::symlink(port, link)
            .into_diagnostic()
            .wrap_err_with(|| format!("can't create {}", link.display()))?;
        Ok(PortLink(link.to_owned()))
    }
}

impl Drop for PortLink {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The LEDs on standard error: a line for each change, and, on a terminal, what is now.
struct Leds {
    steady: Option<u8>,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Leds {
    fn new() -> Leds {
        Leds {
            steady: None,
            shown: None,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, leds: u8, cycles: u64) {
        const PAUSE: Duration = Duration::from_millis(100);
        let steady = leds::steady(leds);
        let line = |leds| format!("LEDs 7 to 0  {}  {cycles} cycles", leds::picture(leds));
        if self.steady != Some(steady) {
            self.steady = Some(steady);
            self.end();
            errln!("{}: {}", line(leds), leds::meaning(leds));
        }
        if !self.is_terminal || self.shown.is_some_and(|shown| shown.elapsed() < PAUSE) {
            return;
        }
        self.shown = Some(Instant::now());
        output::message(format_args!("\r{}", line(leds)));
    }

    /// Leaves the line of what is now.
    fn end(&mut self) {
        if self.shown.take().is_some() {
            errln!("");
        }
    }
}
