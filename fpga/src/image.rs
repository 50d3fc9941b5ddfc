//! One image: from Verilog and constraints to a bitstream, by way of the cache.
//!
//! ```text
//!  design.v ─Yosys─► netlist.json ─nextpnr, seed by seed─► quern.asc ─icepack─► quern.bin
//!           └──────── cached ────┴───────── cached ──────┘
//! ```

use crate::cache::{Cache, Key, Origin};
use crate::error::BuildError;
use crate::layout::{self, Layout, Stretch, UnitUse};
use crate::placement::{self, Outcome, CONSTRAINTS, FILES, LAYOUT, ROUTED, TIMING};
use crate::report::{Attempt, Placed};
use crate::synthesis::{self, CellCounts, NETLIST, NETLIST_VERILOG};
use crate::tool::{ToolError, ToolVersion, ICEPACK, TOOLS};
use std::fs;
use std::path::Path;

/// The image's name.
pub const BITSTREAM: &str = "quern.bin";

/// The installed tools, whose versions belong to every key.
#[derive(Debug, Clone)]
pub struct Toolchain {
    pub versions: Vec<ToolVersion>,
}

impl Toolchain {
    /// Asks every tool for its version.
    pub fn find() -> Result<Toolchain, ToolError> {
        let versions = TOOLS.iter().map(|tool| tool.version());
        Ok(Toolchain {
            versions: versions.collect::<Result<_, _>>()?,
        })
    }

    fn text(&self) -> String {
        let lines = self.versions.iter();
        lines
            .map(|tool| format!("{}: {}\n", tool.program, tool.version))
            .collect()
    }
}

/// Everything an image is made from.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    pub verilog: &'a str,
    /// The top module.
    pub top: &'a str,
    /// The pins, as a PCF.
    pub constraints: &'a str,
    pub clock_mhz: f64,
    pub seeds: &'a [u32],
    /// Placements at a time.
    pub jobs: usize,
}

/// What came of a recipe.
#[derive(Debug, Clone)]
pub struct Search {
    /// The seed that is taken, if one meets the clock.
    pub found: Option<(u32, Placed)>,
    pub attempts: Vec<Attempt>,
}

/// A placement that is measured, not used.
#[derive(Debug, Clone)]
pub struct Sample {
    pub placed: Placed,
    /// The largest first.
    pub units: Vec<UnitUse>,
}

impl Recipe<'_> {
    /// Makes the netlist in `folder`.
    pub fn synthesise(
        &self,
        toolchain: &Toolchain,
        cache: &Cache,
        folder: &Path,
    ) -> Result<CellCounts, BuildError> {
        write(folder, CONSTRAINTS, self.constraints)?;
        synthesise(self.verilog, self.top, toolchain, cache, folder)
    }

    /// Looks for a placement of the netlist in `folder` that meets the clock; its files
    /// stay there, when there is one.
    pub fn place(
        &self,
        toolchain: &Toolchain,
        cache: &Cache,
        folder: &Path,
    ) -> Result<Search, BuildError> {
        let meets = |placed: &Placed| placed.fmax_mhz >= self.clock_mhz;
        let search = self.judge(self.search(&meets, toolchain, cache, folder))?;
        match search.found {
            Some((seed, _)) => placement::keep(folder, self.seeds, seed)?,
            None => placement::discard(folder, self.seeds)?,
        }
        Ok(search)
    }

    /// Places the netlist in `folder` with every seed. None of the files stay.
    pub fn place_all(
        &self,
        toolchain: &Toolchain,
        cache: &Cache,
        folder: &Path,
    ) -> Result<Vec<(u32, Option<Sample>)>, BuildError> {
        let outcomes = self.search(&|_| false, toolchain, cache, folder);
        let mut samples = Vec::new();
        for (seed, outcome) in &outcomes {
            let sample = match outcome {
                Ok(placed) => Some(Sample {
                    placed: *placed,
                    units: read_layout(&placement::folder_of(folder, *seed))?.units(),
                }),
                Err(_) => None,
            };
            samples.push((*seed, sample));
        }
        // A failure of all of them is reported as such.
        self.judge(outcomes)?;
        placement::discard(folder, self.seeds)?;
        Ok(samples)
    }

    /// Places with one seed after the other up to the first that `meets`.
    fn search(
        &self,
        meets: &(dyn Fn(&Placed) -> bool + Sync),
        toolchain: &Toolchain,
        cache: &Cache,
        folder: &Path,
    ) -> Vec<Outcome> {
        let inputs = synthesis::inputs(self.verilog, self.top);
        let netlist = netlist_key(&inputs, toolchain).to_string();
        let place = |seed: u32, stop: &dyn Fn() -> bool| {
            let own = placement::folder_of(folder, seed);
            fs::create_dir_all(&own).map_err(BuildError::io("creating", &own))?;
            let arguments = placement::arguments(self.clock_mhz, seed).join(" ");
            let inputs = [
                ("netlist", netlist.as_str()),
                ("constraints", self.constraints),
                ("arguments", &arguments),
                ("tools", &toolchain.text()),
            ];
            cache.step(&Key::new("placement", &inputs), &FILES, &own, || {
                placement::attempt(folder, self.clock_mhz, seed, stop)
            })?;
            let text = read(&own, TIMING)?;
            Placed::parse(&text).ok_or(BuildError::Format { file: TIMING })
        };
        placement::search(self.seeds, self.jobs, meets, &place)
    }

    /// One seed's failure is no failure of the search: another may find places for all
    /// cells.
    fn judge(&self, outcomes: Vec<Outcome>) -> Result<Search, BuildError> {
        let mut search = Search {
            found: None,
            attempts: Vec::new(),
        };
        let mut failure = None;
        for (seed, outcome) in outcomes {
            search.attempts.push(Attempt {
                seed,
                clock_mhz: self.clock_mhz,
                fmax_mhz: outcome.as_ref().ok().map(|placed| placed.fmax_mhz),
            });
            match outcome {
                Ok(placed) if placed.fmax_mhz >= self.clock_mhz => {
                    search.found = Some((seed, placed));
                }
                Ok(_) => {}
                Err(error @ BuildError::Tool(_)) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        let nothing_placed = search
            .attempts
            .iter()
            .all(|attempt| attempt.fmax_mhz.is_none());
        match failure {
            Some(failure) if nothing_placed => Err(failure),
            _ => Ok(search),
        }
    }
}

/// Maps a design in `folder`, or takes the netlist from the cache.
pub fn synthesise(
    verilog: &str,
    top: &str,
    toolchain: &Toolchain,
    cache: &Cache,
    folder: &Path,
) -> Result<CellCounts, BuildError> {
    let inputs = synthesis::inputs(verilog, top);
    let key = netlist_key(&inputs, toolchain);
    let files = [NETLIST, NETLIST_VERILOG, synthesis::LOG];
    let origin = cache.step(&key, &files, folder, || {
        synthesis::map(verilog, top, folder).map(drop)
    })?;
    if origin == Origin::Cached {
        for (file, text) in inputs {
            write(folder, file, &text)?;
        }
    }
    synthesis::counts(folder, top)
}

/// Of everything a netlist depends on.
fn netlist_key(inputs: &[(&str, String)], toolchain: &Toolchain) -> Key {
    let tools = toolchain.text();
    let inputs = inputs.iter().map(|(file, text)| (*file, text.as_str()));
    let all: Vec<(&str, &str)> = inputs.chain([("tools", tools.as_str())]).collect();
    Key::new("netlist", &all)
}

/// Packs the placement that was kept. Returns the image's size in bytes.
pub fn pack(folder: &Path) -> Result<u64, BuildError> {
    let (log, step) = ("icepack.log", "packing the bitstream");
    ICEPACK.run(&[ROUTED, BITSTREAM], folder, log, step)?;
    let path = folder.join(BITSTREAM);
    let metadata = fs::metadata(&path).map_err(BuildError::io("reading", &path))?;
    Ok(metadata.len())
}

/// Layout and slowest path of the placement that was kept.
pub fn layout(folder: &Path) -> Result<(Layout, Vec<Stretch>), BuildError> {
    let path = layout::critical_path(&read(folder, TIMING)?);
    let path = path.ok_or(BuildError::Format { file: TIMING })?;
    Ok((read_layout(folder)?, path))
}

fn read_layout(folder: &Path) -> Result<Layout, BuildError> {
    let layout = serde_json::from_str(&read(folder, LAYOUT)?);
    layout.map_err(|_| BuildError::Format { file: LAYOUT })
}

fn read(folder: &Path, file: &str) -> Result<String, BuildError> {
    let path = folder.join(file);
    fs::read_to_string(&path).map_err(BuildError::io("reading", &path))
}

pub fn write(folder: &Path, file: &str, text: &str) -> Result<(), BuildError> {
    let path = folder.join(file);
    fs::write(&path, text).map_err(BuildError::io("writing", &path))
}
