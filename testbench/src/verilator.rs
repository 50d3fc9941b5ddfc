//! The Verilator machine: the core's exported Verilog, compiled.
//!
//! ```text
//!  Config ─► quern_hdl::verilog::core ─► verilator ─► C++ ─┐
//!                                             shim.cpp ────┴─► g++ ─► library
//!                                                                        │ loaded
//!  Program ─► driver ─────────────── bursts of beats ──────────────► VerilatedCore
//! ```
//! A model is built on first use and kept in the workspace's
//! `build/verilator/<config>-<hash>/`, where the hash covers everything it is made of.
//! The driver hands over a burst of beats at a time, so that a clock cycle costs
//! nothing but its evaluation.

mod build;
pub mod coverage;
mod library;
pub mod pins;

pub(crate) use build::{build_directory, include_directory, include_options, tools};
pub use build::{is_installed, Model, VerilatorError, FAULT};

use crate::driver::{Beat, Burst, Cycle, Driven, Pacing, StreamPorts, MAX_BEAT_BYTES};
use library::{Library, Simulation};
use quern_isa::{Config, Counters, Inspect, Machine, MachineError, Memories, Program, Run};
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The core of one configuration, exported and compiled, as a [`Machine`].
pub struct Verilator {
    driven: Driven<VerilatedCore>,
}

impl Verilator {
    /// Builds the model if this design has not been built before, which takes from
    /// ten seconds to some minutes.
    pub fn new(config: &Config) -> Result<Verilator, VerilatorError> {
        Verilator::of(&Model::of(config)?, 0)
    }

    /// Runs another model than the plain one; `seed` decides what the model leaves open.
    pub fn of(model: &Model, seed: i32) -> Result<Verilator, VerilatorError> {
        Supply::of(model)?.power(seed)
    }

    /// Writes how often each line ran and each bit toggled so far; the model counts
    /// them if it was asked to ([`Model::coverage`]).
    pub fn write_coverage(&self, file: &Path) -> io::Result<()> {
        let name = CString::new(file.as_os_str().as_encoded_bytes())
            .map_err(|_| io::Error::other("the file's name contains a zero byte"))?;
        match self.driven.ports.simulation.write_coverage(&name) {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "coverage can't be written to {}: is the model built to count it?",
                file.display()
            ))),
        }
    }

    /// Drives the streams with gaps instead of always ready.
    pub fn set_pacing(&mut self, pacing: Pacing) {
        self.driven.pacing = pacing;
    }

    /// Called with the cycles of the current run from time to time.
    pub fn set_progress(&mut self, progress: impl FnMut(u64) + 'static) {
        self.driven.progress = Some(Box::new(progress));
    }

    /// The streams, for a test bench that drives them itself.
    pub fn ports(&mut self) -> &mut dyn StreamPorts {
        &mut self.driven.ports
    }
}

impl Machine for Verilator {
    fn config(&self) -> &Config {
        self.driven.config()
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        self.driven.run(program, host)
    }
}

impl Inspect for Verilator {
    fn memories(&self) -> Memories {
        self.driven.memories()
    }
}

/// A model, built and loaded: powers up machines at no cost but their memory's.
pub struct Supply {
    config: Config,
    path: PathBuf,
    library: Arc<Library>,
}

impl Supply {
    pub fn of(model: &Model) -> Result<Supply, VerilatorError> {
        let path = build::core(model)?;
        let library = Library::open(&path).map_err(|message| VerilatorError::Load {
            path: path.clone(),
            message,
        })?;
        Ok(Supply {
            config: model.config,
            path,
            library,
        })
    }

    /// A machine of its own; `seed` decides what the model leaves open.
    pub fn power(&self, seed: i32) -> Result<Verilator, VerilatorError> {
        Ok(Verilator {
            driven: Driven::new(VerilatedCore::of(self, seed)?),
        })
    }

    /// The same with gaps in its streams, as campaigns of random programs want it.
    pub fn paced(&self, seed: i32, pacing: Pacing) -> Result<Box<dyn Inspect>, String> {
        let mut core = self.power(seed).map_err(|error| error.to_string())?;
        core.set_pacing(pacing);
        Ok(Box::new(core))
    }
}

/// The ports of the compiled core.
pub struct VerilatedCore {
    config: Config,
    simulation: Simulation,
    places: Places,
}

impl VerilatedCore {
    fn of(supply: &Supply, seed: i32) -> Result<VerilatedCore, VerilatorError> {
        let config = &supply.config;
        let library = Arc::clone(&supply.library);
        let simulation = library
            .simulation(seed)
            .map_err(|message| VerilatorError::Load {
                path: supply.path.clone(),
                message,
            })?;
        let mut core = VerilatedCore {
            config: *config,
            places: Places::of(&simulation, config)?,
            simulation,
        };
        core.simulation.reset();
        Ok(core)
    }
}

impl StreamPorts for VerilatedCore {
    fn config(&self) -> &Config {
        &self.config
    }

    fn reset(&mut self) -> Result<(), MachineError> {
        self.simulation.reset();
        Ok(())
    }

    fn cycle(&mut self, input: Option<&[u8]>, output_ready: bool) -> Result<Cycle, MachineError> {
        let mut beat: Beat = [0; MAX_BEAT_BYTES];
        let input = match input {
            Some(bytes) => {
                let mut beat: Beat = [0; MAX_BEAT_BYTES];
                let whole = beat.get_mut(..bytes.len()).ok_or_else(wide_beat)?;
                whole.copy_from_slice(bytes);
                Some(beat)
            }
            None => None,
        };
        let cycle = self
            .simulation
            .cycle(input.as_ref(), output_ready, &mut beat);
        Ok(Cycle {
            accepted: cycle.accepted != 0,
            output: (cycle.delivered != 0).then_some(beat),
            idle: cycle.idle != 0,
            error: cycle.error,
        })
    }

    fn burst(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        cycles: u64,
    ) -> Result<Burst, MachineError> {
        if output.len() < self.config.stream_bytes {
            return Err(MachineError::Other(
                "a burst needs room for a beat of output".to_owned(),
            ));
        }
        let burst = self.simulation.burst(input, output, cycles);
        Ok(Burst {
            cycles: burst.cycles,
            accepted: burst.accepted as usize,
            delivered: burst.delivered as usize,
            idle: burst.idle != 0,
            error: burst.error,
        })
    }

    fn counters(&self) -> Counters {
        let [cycles, input_stalls, output_stalls, matrix_cycles] = self.simulation.counters();
        Counters {
            cycles,
            input_stalls,
            output_stalls,
            matrix_cycles,
        }
    }

    fn memories(&self) -> Memories {
        let config = &self.config;
        let read = |places: &[usize]| interleaved(&self.simulation, places);
        let unused = 32 - config.accumulator_bits;
        Memories {
            activations: read(&self.places.activations),
            weights: read(&self.places.weights),
            parameters: read(&self.places.parameters),
            table: read(&self.places.table),
            lookup: read(&self.places.lookup),
            accumulators: read(&self.places.accumulators)
                .chunks(config.accumulator_bytes())
                .map(|bytes| {
                    let value = bytes
                        .iter()
                        .rev()
                        .fold(0u32, |value, &byte| value << 8 | byte as u32);
                    (value << unused) as i32 >> unused
                })
                .collect(),
        }
    }
}

fn wide_beat() -> MachineError {
    MachineError::Other(format!("a beat has at most {MAX_BEAT_BYTES} bytes"))
}

/// Which of the model's memories hold what; several where each lane has its own.
struct Places {
    activations: Vec<usize>,
    weights: Vec<usize>,
    parameters: Vec<usize>,
    table: Vec<usize>,
    lookup: Vec<usize>,
    accumulators: Vec<usize>,
}

impl Places {
    /// Finds the memories by the core's fields that hold them, and checks that they
    /// have the size the configuration says.
    fn of(simulation: &Simulation, config: &Config) -> Result<Places, VerilatorError> {
        use quern_isa::Space;
        let find = |field: &str, bytes: usize| {
            let mut found: Vec<(Vec<usize>, usize)> = (0..simulation.memory_count())
                .filter_map(|place| {
                    let path = simulation.memory_path(place);
                    let inside = path.strip_prefix("quern.")?.strip_prefix(field)?;
                    (inside.is_empty() || inside.starts_with('.')).then(|| (numbers(inside), place))
                })
                .collect();
            found.sort();
            let places: Vec<usize> = found.into_iter().map(|(_, place)| place).collect();
            let actual: usize = places.iter().map(|&p| simulation.memory_bytes(p)).sum();
            match actual == bytes {
                true => Ok(places),
                false => Err(VerilatorError::Memory {
                    field: field.to_owned(),
                    actual,
                    expected: bytes,
                }),
            }
        };
        let bytes = |space| config.words(space) * config.word_bytes(space);
        Ok(Places {
            activations: find("activations", bytes(Space::Activations))?,
            weights: find("weights", bytes(Space::Weights))?,
            parameters: find("parameters", bytes(Space::Parameters))?,
            table: find("code_table", bytes(Space::Table))?,
            lookup: find("lookup", bytes(Space::Lookup))?,
            accumulators: find(
                "accumulators",
                config.accumulator_words * config.columns * config.accumulator_bytes(),
            )?,
        })
    }
}

/// The numbers in an instance path, so that lane 10 comes after lane 9.
fn numbers(path: &str) -> Vec<usize> {
    path.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Word by word, the bytes of each memory in turn.
fn interleaved(simulation: &Simulation, places: &[usize]) -> Vec<u8> {
    let memories: Vec<(usize, Vec<u8>)> = places
        .iter()
        .map(|&place| {
            let words = simulation.memory_words(place).max(1);
            (
                simulation.memory_bytes(place) / words,
                simulation.read_memory(place),
            )
        })
        .collect();
    let words = places.first().map_or(0, |&p| simulation.memory_words(p));
    (0..words)
        .flat_map(|word| {
            memories
                .iter()
                .flat_map(move |(bytes, contents)| &contents[word * bytes..][..*bytes])
        })
        .copied()
        .collect()
}
