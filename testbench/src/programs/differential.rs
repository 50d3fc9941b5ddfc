//! One program on a simulated core and on the reference machine.

use super::coverage::Bins;
use super::random::{random_recipe, recipe_without_gaps};
use super::{shrink, Random, Recipe};
use crate::driver::Pacing;
use quern_isa::{Config, Counters, Inspect, Machine, MachineError, Reference};
use std::fmt;

/// How eager the two ends of the streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gaps {
    None,
    Input,
    Output,
    Both,
}

impl Gaps {
    pub const ALL: [Gaps; 4] = [Gaps::None, Gaps::Input, Gaps::Output, Gaps::Both];

    fn pacing(self, random: &mut Random) -> Pacing {
        let seed = random.bits();
        let (input, output) = (random.within(20, 220) as u16, random.within(20, 220) as u16);
        match self {
            Gaps::None => Pacing::ALWAYS_READY,
            Gaps::Input => Pacing {
                seed,
                input,
                output: 256,
            },
            Gaps::Output => Pacing {
                seed,
                input: 256,
                output,
            },
            Gaps::Both => Pacing {
                seed,
                input,
                output,
            },
        }
    }
}

/// A random program and the way it is run: all of it from the seed.
#[derive(Debug, Clone)]
pub struct Trial {
    pub seed: u64,
    pub recipe: Recipe,
    pub gaps: Gaps,
    pub pacing: Pacing,
}

/// Instructions of a random program, beside those that fill the memories.
const LENGTH: usize = 25;

impl Trial {
    pub fn new(config: &Config, seed: u64) -> Trial {
        let mut random = Random(seed);
        let gaps = Gaps::ALL[random.bits() as usize % 4];
        let pacing = gaps.pacing(&mut random);
        let length = random.within(1, LENGTH);
        let recipe = match gaps {
            Gaps::None => recipe_without_gaps,
            _ => random_recipe,
        };
        Trial {
            seed,
            recipe: recipe(config, &mut random, length),
            gaps,
            pacing,
        }
    }
}

/// Where a core and the reference machine part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disagreement {
    /// The core stopped, hung, or broke its streams' protocol.
    Stopped(String),
    Output {
        byte: usize,
        core: u8,
        reference: u8,
    },
    Memory(String),
    Counters {
        core: Counters,
        reference: Counters,
    },
    /// The program is illegal: a fault of its generator.
    Illegal(String),
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Disagreement::Stopped(error) => write!(f, "the core stopped: {error}"),
            Disagreement::Output {
                byte,
                core,
                reference,
            } => write!(
                f,
                "byte {byte} of the output is {core}, in the reference {reference}"
            ),
            Disagreement::Memory(difference) => write!(f, "core against reference: {difference}"),
            Disagreement::Counters { core, reference } => {
                write!(f, "counters are {core:?}, in the reference {reference:?}")
            }
            Disagreement::Illegal(error) => write!(f, "the reference refuses it: {error}"),
        }
    }
}

/// Runs a program on a core and on the reference machine, both fresh from power-up, and
/// compares outputs, every memory and, where the streams have no gaps, every counter:
/// cycle for cycle. With gaps the stalls have to be there that the gaps make, and no
/// others.
pub fn agree(
    core: &mut dyn Inspect,
    recipe: &Recipe,
    gaps: Gaps,
) -> Result<Counters, Disagreement> {
    let program = recipe.program();
    let mut reference = Reference::new(recipe.config);
    let mut expected_host = vec![0; program.host_bytes as usize];
    let mut host = expected_host.clone();
    let expected = reference
        .run(&program, &mut expected_host)
        .map_err(|error| Disagreement::Illegal(error.to_string()))?;
    let run = core
        .run(&program, &mut host)
        .map_err(|error: MachineError| Disagreement::Stopped(error.to_string()))?;
    let differs = host.iter().zip(&expected_host).position(|(a, b)| a != b);
    if let Some(byte) = differs {
        return Err(Disagreement::Output {
            byte,
            core: host[byte],
            reference: expected_host[byte],
        });
    }
    if let Some(difference) = core.memories().difference(&reference.memories()) {
        return Err(Disagreement::Memory(difference.to_string()));
    }
    let (core, reference) = (run.counters, expected.counters);
    let right = match gaps {
        Gaps::None => core == reference,
        _ => {
            core.matrix_cycles == reference.matrix_cycles
                && core.cycles >= reference.cycles
                // What was stored may be wanted later, and comes back late.
                && core.input_stalls >= reference.input_stalls
                && (gaps != Gaps::Input || core.output_stalls == reference.output_stalls)
        }
    };
    match right {
        true => Ok(core),
        false => Err(Disagreement::Counters { core, reference }),
    }
}

/// A machine fresh from power-up whose streams are paced so.
pub type Power<'a> = &'a mut dyn FnMut(Pacing) -> Result<Box<dyn Inspect>, String>;

/// What a campaign of random programs did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Campaign {
    pub programs: u64,
    pub cycles: u64,
}

/// A random program on which a core and the reference machine part, and what is left
/// of it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub trial: Trial,
    pub disagreement: Disagreement,
    pub smallest: Recipe,
    /// What goes wrong there; not always the same as in the whole program.
    pub remains: Disagreement,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Failure {
            trial,
            disagreement,
            smallest,
            remains,
        } = self;
        writeln!(
            f,
            "{}, seed {:#x}, gaps {:?} ({:?}): {disagreement}",
            smallest.config.name, trial.seed, trial.gaps, trial.pacing
        )?;
        write!(
            f,
            "of {} steps {} are left: {remains}\n{smallest}",
            trial.recipe.steps.len(),
            smallest.steps.len()
        )
    }
}

/// Why a campaign ended early.
#[derive(Debug)]
pub enum Ended {
    Failure(Box<Failure>),
    NoMachine(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Ended::Failure(failure) => failure.fmt(f),
            Ended::NoMachine(message) => message.fmt(f),
        }
    }
}

/// Programs that a failing one is shrunk by, at most.
const SHRINKING: usize = 1500;

/// Runs the programs of the seeds, each from power-up, and counts what they cover. The
/// first that fails is shrunk.
pub fn campaign(
    config: &Config,
    seeds: impl Iterator<Item = u64>,
    power: Power,
    bins: &mut Bins,
) -> Result<Campaign, Ended> {
    let mut done = Campaign::default();
    for seed in seeds {
        let trial = Trial::new(config, seed);
        let mut core = power(trial.pacing).map_err(Ended::NoMachine)?;
        match agree(&mut *core, &trial.recipe, trial.gaps) {
            Ok(counters) => {
                done.programs += 1;
                done.cycles += counters.cycles as u64;
                bins.record(&trial.recipe, trial.gaps, &counters);
            }
            Err(disagreement) => {
                let again = |recipe: &Recipe, power: Power| match power(trial.pacing) {
                    Ok(mut core) => agree(&mut *core, recipe, trial.gaps).err(),
                    Err(_) => None,
                };
                let smallest = shrink(&trial.recipe, SHRINKING, &mut |recipe| {
                    again(recipe, power).is_some_and(|d| !matches!(d, Disagreement::Illegal(_)))
                });
                let remains = again(&smallest, power).unwrap_or_else(|| disagreement.clone());
                return Err(Ended::Failure(Box::new(Failure {
                    trial,
                    disagreement,
                    smallest,
                    remains,
                })));
            }
        }
    }
    Ok(done)
}
