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
//! **Clock.** The configuration's, or a chosen one; from the PLL if it is not the board's
//! 100 MHz. Placements are tried until one meets it, and without one there is no image.
//!
//! **Reproducible.** The image depends on the design, the constraints, the clock, the list
//! of seeds and the tools, and on nothing else: not on the machine's cores, nor on what
//! the cache holds ([`crate::cache`]). One thing is left to the machine: a placement that
//! does not end is given up after a time ([`crate::tool`]), and counts as not met.

use crate::cache::{self, Cache};
use crate::error::BuildError;
use crate::floorplan;
use crate::image::{self, Recipe, Toolchain};
use crate::mapping;
use crate::pins::{self, Board, CLOCK_HZ};
use crate::report::{Attempt, BuildReport, Placed};
use crate::serial_link::TIMER_BITS;
use crate::top;
use crate::Pll;
use quern_isa::link::RATE_TOLERANCE;
use quern_isa::{Config, CU};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub use crate::image::BITSTREAM;

/// Serial bits per second unless told otherwise.
pub const BAUD: u32 = 1_000_000;

/// Clock cycles that the transmitter needs for a bit.
const LEAST_DIVISOR: u64 = 4;

/// Placements tried for a clock unless told otherwise.
pub const SEEDS: u32 = 8;

/// The picture's name in the output folder.
pub const FLOORPLAN: &str = "floorplan.svg";

#[derive(Debug, Clone)]
pub struct BuildOptions {
    pub board: Board,
    /// Where the files go when the build has succeeded.
    pub out_dir: PathBuf,
    /// Placements to try, in this order, until one meets the clock.
    pub seeds: Vec<u32>,
    /// Placements at a time. The image does not depend on it.
    pub jobs: usize,
    /// The core's clock: the nearest one not above that the PLL makes.
    pub clock_hz: u64,
    /// Serial bits per second: the nearest rate that the clock makes.
    pub baud: u32,
    pub cache: Cache,
}

impl BuildOptions {
    pub fn new(out_dir: impl Into<PathBuf>) -> Self {
        BuildOptions {
            board: Board::default(),
            out_dir: out_dir.into(),
            seeds: (1..=SEEDS).collect(),
            jobs: thread::available_parallelism().map_or(1, usize::from),
            clock_hz: CU.clock_hz,
            baud: BAUD,
            cache: Cache::of_user(),
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
    let toolchain = Toolchain::find()?;
    let folder = WorkFolder::beside(&options.out_dir)?;
    let mut build = Build {
        config,
        options,
        toolchain,
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

/// The Verilog of the image as it is built by default, and its clock in MHz.
pub fn released() -> Result<(String, f64), BuildError> {
    let clock = CoreClock::at_most(CU.clock_hz)?;
    let verilog = top::verilog(divisor(clock.hz, BAUD)?, clock.pll)?;
    Ok((verilog, clock.mhz()))
}

/// Clock cycles of a serial bit in the image for this clock and rate.
pub fn divisor(clock_hz: u64, baud: u32) -> Result<u16, BuildError> {
    let (clock, rate) = (clock_hz as f64, f64::from(baud));
    let cycles = (clock / rate).round();
    let divisor = cycles as u64;
    let is_near = (clock / cycles / rate - 1.0).abs() <= RATE_TOLERANCE;
    match (LEAST_DIVISOR..=1 << TIMER_BITS).contains(&divisor) && is_near {
        true => Ok(divisor as u16),
        false => Err(BuildError::Baud {
            baud,
            clock_mhz: clock / 1e6,
            nearest: (clock / cycles.clamp(LEAST_DIVISOR as f64, (1u64 << TIMER_BITS) as f64))
                .round() as u64,
        }),
    }
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
            .ok_or(BuildError::NoClock { clock_hz: limit_hz })
    }

    fn mhz(&self) -> f64 {
        self.hz as f64 / 1e6
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
    toolchain: Toolchain,
    folder: &'a Path,
    attempts: Vec<Attempt>,
    synthesis_time: Duration,
    place_time: Duration,
    progress: &'a mut dyn FnMut(Step),
}

impl Build<'_> {
    fn image(&mut self) -> Result<Image, BuildError> {
        if self.options.seeds.is_empty() {
            return Err(BuildError::NoSeed);
        }
        let clock = CoreClock::at_most(self.options.clock_hz)?;
        let image = self.at_clock(clock)?;
        image.ok_or_else(|| BuildError::Timing {
            attempts: self.attempts.clone(),
        })
    }

    /// Synthesises for a clock, and looks for a placement that meets it.
    fn at_clock(&mut self, clock: CoreClock) -> Result<Option<Image>, BuildError> {
        let BuildOptions { seeds, cache, .. } = self.options;
        let clock_mhz = clock.mhz();
        (self.progress)(Step::Export);
        let recipe = Recipe {
            verilog: &top::verilog(divisor(clock.hz, self.options.baud)?, clock.pll)?,
            top: top::MODULE,
            constraints: &pins::pcf(self.options.board),
            clock_mhz,
            seeds,
            jobs: self.options.jobs,
        };
        (self.progress)(Step::Synthesis { clock_mhz });
        let begin = Instant::now();
        recipe.synthesise(&self.toolchain, cache, self.folder)?;
        self.synthesis_time += begin.elapsed();

        (self.progress)(Step::PlaceAndRoute {
            seeds: seeds.len(),
            clock_mhz,
        });
        let begin = Instant::now();
        let search = recipe.place(&self.toolchain, cache, self.folder)?;
        self.place_time += begin.elapsed();
        self.attempts.extend(search.attempts);
        Ok(search.found.map(|(seed, placed)| Image {
            clock,
            seed,
            placed,
        }))
    }

    fn report(&mut self, image: Image) -> Result<BuildReport, BuildError> {
        let Image {
            clock,
            seed,
            placed,
        } = image;
        (self.progress)(Step::Pack);
        let bitstream_bytes = image::pack(self.folder)?;
        let path = self.folder.join(BITSTREAM);
        let bitstream = fs::read(&path).map_err(BuildError::io("reading", &path))?;
        let (layout, critical_path) = image::layout(self.folder)?;
        let title = format!(
            "Quern `{}` on the {}: {} of {} logic cells, Fmax {:.1} MHz, seed {seed}",
            self.config.name,
            self.options.board.title(),
            placed.lcs,
            placed.lcs_total,
            placed.fmax_mhz,
        );
        let picture = floorplan::svg(&title, &layout, &critical_path);
        image::write(self.folder, FLOORPLAN, &picture)?;
        let out_dir = &self.options.out_dir;
        let report = BuildReport {
            config: self.config.name,
            board: self.options.board.title(),
            lcs: placed.lcs,
            lcs_total: placed.lcs_total,
            brams: placed.brams,
            brams_total: placed.brams_total,
            fmax_mhz: placed.fmax_mhz,
            clock_mhz: clock.mhz(),
            pll: clock.pll.is_some(),
            baud: clock.hz as f64 / f64::from(divisor(clock.hz, self.options.baud)?),
            macs_per_cycle: self.config.macs_per_cycle(),
            peak_gmacs: self.config.macs_per_cycle() as f64 * clock.mhz() / 1e3,
            lut4_per_multiplier: lut4_per_multiplier(&self.toolchain, &self.options.cache)?,
            seed,
            attempts: self.attempts.clone(),
            units: layout.units(),
            critical_path,
            tools: self.toolchain.versions.clone(),
            synthesis_s: self.synthesis_time.as_secs_f64(),
            place_and_route_s: self.place_time.as_secs_f64(),
            bitstream: out_dir.join(BITSTREAM),
            bitstream_bytes,
            bitstream_sha256: cache::digest(&bitstream),
            floorplan: out_dir.join(FLOORPLAN),
        };
        let text = serde_json::to_string_pretty(&report).map_err(|error| BuildError::Io {
            what: "writing",
            path: self.folder.join("report.json"),
            source: error.into(),
        })?;
        image::write(self.folder, "report.json", &text)?;
        Ok(report)
    }
}

/// Look-up tables of one multiplier of the array, mapped by itself: a lane that
/// starts from zero.
pub fn lut4_per_multiplier(toolchain: &Toolchain, cache: &Cache) -> Result<usize, BuildError> {
    let folder = tempfile::tempdir().map_err(BuildError::io("creating", Path::new("a folder")))?;
    let (verilog, top) = (mapping::multiplier()?, mapping::MULTIPLIER);
    let cells = image::synthesise(&verilog, top, toolchain, cache, folder.path())?;
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
