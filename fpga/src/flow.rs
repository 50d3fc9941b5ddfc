//! The build: from RustHDL to a bitstream for the board.
//!
//! ```text
//!  Core + SerialLink ─export─► design.v ─Yosys─► netlist.json ─nextpnr─► quern.asc
//!       board.pcf ──────────────────────────────────────────────┘            │
//!                                                        quern.bin ◄─icepack─┘
//! ```
//! Everything is made in a temporary folder beside the output folder, and moved there
//! when the image is complete.
//!
//! **Clock.** The board's 100 MHz, if a placement meets it. Otherwise the image is
//! built again with the PLL, for the fastest clock the best placement would have met;
//! the report states the clock that is really in the image.

use crate::error::BuildError;
use crate::mapping;
use crate::pins::{self, CLOCK_HZ};
use crate::placement;
use crate::report::{Attempt, BuildReport, Placed};
use crate::serial_link::TIMER_BITS;
use crate::synthesis;
use crate::tool::{ToolError, ICEPACK, TOOLS};
use crate::top;
use crate::Pll;
use quern_isa::{Config, CU};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Serial bits per second.
pub const BAUD: u64 = 1_000_000;

/// Placements tried for a clock, as many as the smallest machine has cores.
const SEEDS: [u32; 2] = [1, 2];

/// Clocks tried: the board's, then what the PLL can make below the best Fmax so far.
const CLOCKS_TRIED: usize = 4;

/// Another clock has another serial divider, so it is another netlist, whose placement
/// may come out a little slower.
const MARGIN: f64 = 0.97;

/// The image's name in the output folder.
pub const BITSTREAM: &str = "quern.bin";

#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Where the files go when the build has succeeded.
    pub out_dir: PathBuf,
    /// Placements to try, of which the best is taken.
    pub seeds: Vec<u32>,
    /// The core's clock. None: the board's if it can be met, else the fastest that is.
    pub clock_hz: Option<u64>,
}

impl BuildOptions {
    pub fn new(out_dir: impl Into<PathBuf>) -> Self {
        BuildOptions {
            out_dir: out_dir.into(),
            seeds: SEEDS.into(),
            clock_hz: None,
        }
    }
}

/// What the build is doing, for a progress display.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    Export,
    Synthesis { clock_mhz: f64 },
    PlaceAndRoute { seeds: usize, clock_mhz: f64 },
    Pack,
}

/// Builds the image of a configuration, and reports what was measured.
pub fn build(
    config: &Config,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Step),
) -> Result<BuildReport, BuildError> {
    has_board(config)?;
    if let Some(tool) = TOOLS.iter().find(|tool| !tool.is_installed()) {
        let program = tool.program;
        return Err(ToolError::Missing { program }.into());
    }
    let folder = WorkFolder::beside(&options.out_dir)?;
    let mut build = Build {
        config,
        options,
        folder: folder.path(),
        attempts: Vec::new(),
        synthesis_time: Duration::ZERO,
        place_time: Duration::ZERO,
        progress,
    };
    let image = build.image()?;
    let report = build.report(image)?;
    folder.move_to(&options.out_dir)?;
    Ok(report)
}

/// Only one configuration has a board.
fn has_board(config: &Config) -> Result<(), BuildError> {
    let reason = match config.name {
        _ if *config == CU => return Ok(()),
        "tiny" => "it is for unit tests and the tape-out rehearsal",
        "asic16" => {
            "it is for simulation and standard cells, and its memories alone are \
                     eight times the block RAM of an iCE40 HX8K"
        }
        _ => "only `cu` has a top level, pins and timing on the Alchitry Cu",
    };
    Err(BuildError::NoBoard {
        config: config.name,
        reason,
    })
}

/// A clock for the core, and where it comes from.
#[derive(Debug, Clone, Copy)]
struct CoreClock {
    hz: u64,
    pll: Option<Pll>,
}

impl CoreClock {
    const BOARD: CoreClock = CoreClock {
        hz: CLOCK_HZ,
        pll: None,
    };

    /// The fastest clock not above the limit.
    fn at_most(limit_hz: u64) -> Result<CoreClock, BuildError> {
        if limit_hz == CLOCK_HZ {
            return Ok(CoreClock::BOARD);
        }
        Pll::at_most(CLOCK_HZ, limit_hz)
            .map(|pll| CoreClock {
                hz: pll.output_hz(),
                pll: Some(pll),
            })
            .filter(|clock| clock.divisor() <= 1 << TIMER_BITS)
            .ok_or(BuildError::NoClock { clock_hz: limit_hz })
    }

    fn mhz(&self) -> f64 {
        self.hz as f64 / 1e6
    }

    /// Clock cycles of a serial bit.
    fn divisor(&self) -> u32 {
        ((self.hz + BAUD / 2) / BAUD) as u32
    }
}

/// A placement that meets its clock.
#[derive(Debug, Clone, Copy)]
struct Image {
    clock: CoreClock,
    seed: u32,
    placed: Placed,
}

struct Build<'a> {
    config: &'a Config,
    options: &'a BuildOptions,
    folder: &'a Path,
    attempts: Vec<Attempt>,
    synthesis_time: Duration,
    place_time: Duration,
    progress: &'a mut dyn FnMut(Step),
}

impl Build<'_> {
    /// Tries clocks until one is met.
    fn image(&mut self) -> Result<Image, BuildError> {
        if self.options.seeds.is_empty() {
            return Err(BuildError::NoSeed);
        }
        if let Some(clock_hz) = self.options.clock_hz {
            let clock = CoreClock::at_most(clock_hz)?;
            return self.at_clock(clock)?.ok_or_else(|| self.timing_error());
        }
        let mut clock = CoreClock::BOARD;
        for _ in 0..CLOCKS_TRIED {
            if let Some(image) = self.at_clock(clock)? {
                return Ok(image);
            }
            let Some(fmax_mhz) = self.best_fmax_mhz(clock) else {
                break;
            };
            clock = CoreClock::at_most((fmax_mhz * MARGIN * 1e6) as u64)?;
        }
        Err(self.timing_error())
    }

    fn timing_error(&self) -> BuildError {
        BuildError::Timing {
            attempts: self.attempts.clone(),
        }
    }

    /// The best placement at this clock.
    fn best_fmax_mhz(&self, clock: CoreClock) -> Option<f64> {
        self.attempts
            .iter()
            .filter(|attempt| attempt.clock_mhz == clock.mhz())
            .filter_map(|attempt| attempt.fmax_mhz)
            .max_by(f64::total_cmp)
    }

    /// Synthesises for a clock, and takes the best placement if it meets it.
    fn at_clock(&mut self, clock: CoreClock) -> Result<Option<Image>, BuildError> {
        self.synthesise(clock)?;
        let clock_mhz = clock.mhz();
        let seeds = &self.options.seeds;
        (self.progress)(Step::PlaceAndRoute {
            seeds: seeds.len(),
            clock_mhz,
        });
        let begin = Instant::now();
        let placements = placement::place_and_route(self.folder, clock_mhz, seeds);
        self.place_time += begin.elapsed();

        let mut best: Option<(u32, Placed)> = None;
        let mut failure = None;
        for (seed, outcome) in placements {
            let fmax_mhz = outcome.as_ref().ok().map(|placed| placed.fmax_mhz);
            self.attempts.push(Attempt {
                seed,
                clock_mhz,
                fmax_mhz,
            });
            match outcome {
                Ok(placed) if best.is_none_or(|(_, best)| placed.fmax_mhz > best.fmax_mhz) => {
                    best = Some((seed, placed));
                }
                Ok(_) => {}
                // Another seed may find places for all cells.
                Err(error @ BuildError::Tool(_)) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (best, failure) {
            (Some((seed, placed)), _) if placed.fmax_mhz >= clock_mhz => {
                placement::keep(self.folder, seeds, seed)?;
                Ok(Some(Image {
                    clock,
                    seed,
                    placed,
                }))
            }
            (None, Some(failure)) => Err(failure),
            _ => Ok(None),
        }
    }

    fn synthesise(&mut self, clock: CoreClock) -> Result<(), BuildError> {
        (self.progress)(Step::Export);
        let verilog = top::verilog(clock.divisor(), clock.pll)?;
        let clock_mhz = clock.mhz();
        (self.progress)(Step::Synthesis { clock_mhz });
        let begin = Instant::now();
        synthesis::map(&verilog, top::MODULE, self.folder)?;
        self.synthesis_time += begin.elapsed();
        self.write(placement::CONSTRAINTS, &pins::pcf())
    }

    fn report(&mut self, image: Image) -> Result<BuildReport, BuildError> {
        let Image {
            clock,
            seed,
            placed,
        } = image;
        (self.progress)(Step::Pack);
        ICEPACK.run(
            &[placement::ROUTED, BITSTREAM],
            self.folder,
            "icepack.log",
            "packing the bitstream",
        )?;
        let bitstream_bytes = fs::metadata(self.folder.join(BITSTREAM))
            .map_err(BuildError::io("reading", &self.folder.join(BITSTREAM)))?
            .len();
        let report = BuildReport {
            config: self.config.name,
            board: "Alchitry Cu",
            lcs: placed.lcs,
            lcs_total: placed.lcs_total,
            brams: placed.brams,
            brams_total: placed.brams_total,
            fmax_mhz: placed.fmax_mhz,
            clock_mhz: clock.mhz(),
            pll: clock.pll.is_some(),
            baud: clock.hz as f64 / clock.divisor() as f64,
            macs_per_cycle: self.config.macs_per_cycle(),
            peak_gmacs: self.config.macs_per_cycle() as f64 * clock.mhz() / 1e3,
            lut4_per_multiplier: lut4_per_multiplier()?,
            seed,
            attempts: self.attempts.clone(),
            synthesis_s: self.synthesis_time.as_secs_f64(),
            place_and_route_s: self.place_time.as_secs_f64(),
            bitstream: self.options.out_dir.join(BITSTREAM),
            bitstream_bytes,
        };
        let text = serde_json::to_string_pretty(&report).map_err(|error| BuildError::Io {
            what: "writing",
            path: self.folder.join("report.json"),
            source: error.into(),
        })?;
        self.write("report.json", &text)?;
        Ok(report)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), BuildError> {
        let path = self.folder.join(file);
        fs::write(&path, text).map_err(BuildError::io("writing", &path))
    }
}

/// Look-up tables of one multiplier of the array, mapped by itself: a lane that
/// starts from zero.
pub fn lut4_per_multiplier() -> Result<usize, BuildError> {
    let folder = tempfile::tempdir().map_err(BuildError::io("creating", Path::new("a folder")))?;
    let verilog = mapping::multiplier()?;
    let cells = synthesis::map(&verilog, mapping::MULTIPLIER, folder.path())?;
    Ok(cells.lut4s())
}

/// A temporary folder whose files become those of the output folder, or vanish.
struct WorkFolder {
    folder: TempDir,
}

impl WorkFolder {
    /// On the same file system, so that files can be renamed.
    fn beside(out_dir: &Path) -> Result<WorkFolder, BuildError> {
        let parent = match out_dir.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(BuildError::io("creating", parent))?;
        let folder = tempfile::Builder::new()
            .prefix(".quern-fpga-")
            .tempdir_in(parent)
            .map_err(BuildError::io("creating a folder in", parent))?;
        Ok(WorkFolder { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Moves all files; other files of the output folder stay. The image is the last
    /// one: an image is never older than what describes it.
    fn move_to(self, out_dir: &Path) -> Result<(), BuildError> {
        fs::create_dir_all(out_dir).map_err(BuildError::io("creating", out_dir))?;
        let entries = fs::read_dir(self.path()).map_err(BuildError::io("reading", self.path()))?;
        let mut names: Vec<OsString> = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<_>>()
            .map_err(BuildError::io("reading", self.path()))?;
        names.sort_by_key(|name| name == BITSTREAM);
        for name in names {
            let file = out_dir.join(&name);
            fs::rename(self.path().join(&name), &file).map_err(BuildError::io("writing", &file))?;
        }
        Ok(())
    }
}
