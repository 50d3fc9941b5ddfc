//! `quern board`: boards on serial ports, and one that is simulated.

use crate::arguments::{BoardPort, Simulate};
use crate::{files, simulation, table, target};
use miette::{miette, IntoDiagnostic, Result, WrapErr};
use quern_board::port;
use quern_fpga::top;
use quern_isa::{Assembler, Machine, Region, CU};
use quern_testbench::virtual_board::VirtualBoard;
use serde::Serialize;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
}

pub fn info(arguments: &BoardPort) -> Result<()> {
    let link = target::open(arguments.port.as_deref(), arguments.baud).into_diagnostic()?;
    let identity = link.identity();
    let info = Info {
        protocol: identity.protocol,
        instruction_set: identity.isa,
        fingerprint: format!("{:#06x}", identity.fingerprint),
        design: format!("{:08x}", identity.design),
        current: identity.design == top::design().into_diagnostic()?,
        clock_hz: identity.clock_hz,
        baud: f64::from(identity.clock_hz) / f64::from(identity.divisor.max(1)),
    };
    if arguments.json {
        return files::print_json(&info);
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
    ]);
    Ok(())
}

pub fn reset(arguments: &BoardPort) -> Result<()> {
    target::open(arguments.port.as_deref(), arguments.baud).into_diagnostic()?;
    if arguments.json {
        return files::print_json(&serde_json::json!({ "reset": true }));
    }
    println!("the board is idle");
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
        return files::print_json(&counted);
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
    ]);
    Ok(())
}

pub fn list(json: bool) -> Result<()> {
    let candidates = port::candidates().into_diagnostic()?;
    if json {
        let ports: Vec<&str> = candidates.iter().map(|found| found.port.as_str()).collect();
        return files::print_json(&serde_json::json!({ "ports": ports }));
    }
    if candidates.is_empty() {
        eprintln!("no serial port belongs to an FT2232H");
    }
    for found in candidates {
        println!("{}  {} {}", found.port, found.product, found.serial_number);
    }
    Ok(())
}

pub fn simulate(arguments: &Simulate) -> Result<()> {
    let origin = arguments.origin();
    let simulated = simulation::pins(&origin)?;
    let (clock_hz, divisor) = (simulated.clock_hz, simulated.divisor);
    let mut board = VirtualBoard::new(simulated.pins).into_diagnostic()?;
    let _link = arguments
        .port_link
        .as_deref()
        .map(|path| PortLink::new(board.port(), path))
        .transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = stop.clone();
    ctrlc::set_handler(move || interrupted.store(true, Ordering::Relaxed)).into_diagnostic()?;
    println!("{}", board.port().display());
    eprintln!(
        "a board with {:.3} MHz and {:.0} baud in simulated time; Ctrl-C ends it",
        clock_hz as f64 / 1e6,
        clock_hz as f64 / f64::from(divisor)
    );
    let mut display = Leds::new();
    let end = board.run(&stop, |leds, cycles| display.show(leds, cycles));
    display.end();
    end.into_diagnostic()
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

/// The LEDs on standard error, if that is a terminal.
struct Leds {
    shown: Option<Instant>,
    on: bool,
}

impl Leds {
    fn new() -> Leds {
        Leds {
            shown: None,
            on: std::io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, leds: u8, cycles: u64) {
        const PAUSE: Duration = Duration::from_millis(100);
        if !self.on || self.shown.is_some_and(|shown| shown.elapsed() < PAUSE) {
            return;
        }
        self.shown = Some(Instant::now());
        let lights: String = (0..8)
            .rev()
            .map(|led| if leds >> led & 1 == 1 { '●' } else { '○' })
            .collect();
        eprint!("\rLEDs 7 to 0  {lights}  {cycles} cycles");
        let _ = std::io::stderr().flush();
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprintln!();
        }
    }
}
