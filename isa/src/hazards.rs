//! What may run at the same time: which units an instruction has to wait for.
//!
//! ```text
//!  stream ─► fetch ─► start ─┬─► load        (ends before the next instruction is fetched)
//!                            ├─► matrix      (pattern, matrix)
//!                            ├─► activation  (target, activate, vector)
//!                            └─► store
//! ```
//! Instructions start in order, each when its own unit is idle and the units named by
//! its [`Waits`] are. The meaning of a program is that of one instruction after the
//! other, so a program has to name every unit under way
//! - that writes what the instruction reads or writes, or reads what it writes;
//! - that uses a port it uses: matrix, vector and a store of activations share the read
//!   port of the activation memory; a store of accumulators shares theirs with matrix
//!   and activate. (Matrix and activate take turns at the accumulators by themselves,
//!   as load and activation unit do in writing activations.)
//!
//! [`Hazards`] computes exactly that, for the assembler, and for the reference machine,
//! which refuses a program that waits for less.

use crate::{Config, Instruction, Pattern, Source, Space, Target};
use std::fmt;
use std::ops::Range;

/// The units that work on while further instructions start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    Matrix = 0,
    Activation = 1,
    Store = 2,
}

impl Unit {
    pub const ALL: [Unit; 3] = [Unit::Matrix, Unit::Activation, Unit::Store];

    /// The unit that executes an instruction; `None` for those that end before the next
    /// is fetched.
    pub fn of(instruction: &Instruction) -> Option<Unit> {
        match instruction {
            Instruction::Matrix(_) => Some(Unit::Matrix),
            Instruction::Activate(_) | Instruction::Vector(_) => Some(Unit::Activation),
            Instruction::Store { .. } => Some(Unit::Store),
            _ => None,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Unit::Matrix => "matrix unit",
            Unit::Activation => "activation unit",
            Unit::Store => "store unit",
        })
    }
}

/// A set of units that an instruction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Waits(u8);

impl Waits {
    pub const NONE: Waits = Waits(0);
    pub const ALL: Waits = Waits(0b111);

    /// Bit `n` is unit `n`. Bit 3 is kept, for the decoder to refuse.
    pub fn from_bits(bits: u8) -> Waits {
        Waits(bits & 0b111)
    }

    pub fn bits(self) -> u8 {
        self.0
    }

    pub fn with(self, unit: Unit) -> Waits {
        Waits(self.0 | 1 << unit as u8)
    }

    pub fn contains(self, unit: Unit) -> bool {
        self.0 >> unit as u8 & 1 == 1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Activations,
    Weights,
    Parameters,
    Table,
    Lookup,
    Accumulators,
}

/// Ports that only one instruction can have: bits of a set.
mod port {
    pub const ACTIVATIONS_READ: u8 = 1;
    /// Held by matrix, and by a store of accumulators.
    pub const ACCUMULATORS_MATRIX: u8 = 2;
    /// Held by activate, and by a store of accumulators.
    pub const ACCUMULATORS_ACTIVATE: u8 = 4;
    pub const PATTERN: u8 = 8;
    pub const TARGET: u8 = 16;
}

/// What an instruction touches. Ranges may be larger than what is touched in them.
#[derive(Debug, Clone, Default)]
struct Footprint {
    reads: Vec<(Memory, Range<i64>)>,
    writes: Vec<(Memory, Range<i64>)>,
    ports: u8,
}

impl Footprint {
    fn conflicts(&self, other: &Footprint) -> bool {
        let overlap = |ours: &[(Memory, Range<i64>)], theirs: &[(Memory, Range<i64>)]| {
            ours.iter().any(|(memory, range)| {
                theirs
                    .iter()
                    .any(|(m, r)| m == memory && r.start < range.end && range.start < r.end)
            })
        };
        self.ports & other.ports != 0
            || overlap(&self.writes, &other.writes)
            || overlap(&self.writes, &other.reads)
            || overlap(&self.reads, &other.writes)
    }
}

/// Follows a program and knows what is under way.
#[derive(Debug, Clone)]
pub struct Hazards {
    lanes: i64,
    pattern: Option<Pattern>,
    target: Option<Target>,
    under_way: [Option<Footprint>; 3],
}

impl Hazards {
    pub fn new(config: &Config) -> Hazards {
        Hazards {
            lanes: config.lanes as i64,
            pattern: None,
            target: None,
            under_way: Default::default(),
        }
    }

    /// The units the next instruction has to wait for, beside its own.
    pub fn waits(&self, instruction: &Instruction) -> Waits {
        let footprint = self.footprint(instruction);
        let own = Unit::of(instruction);
        Unit::ALL
            .into_iter()
            .filter(|&unit| own != Some(unit))
            .filter(|&unit| {
                let other = &self.under_way[unit as usize];
                other.as_ref().is_some_and(|o| o.conflicts(&footprint))
            })
            .fold(Waits::NONE, Waits::with)
    }

    /// The next instruction starts, having waited.
    pub fn start(&mut self, instruction: &Instruction, waits: Waits) {
        for unit in Unit::ALL {
            if waits.contains(unit) {
                self.under_way[unit as usize] = None;
            }
        }
        match instruction {
            Instruction::Pattern(pattern) => self.pattern = Some(*pattern),
            Instruction::Target(target) => self.target = Some(*target),
            _ => {}
        }
        if let Some(unit) = Unit::of(instruction) {
            self.under_way[unit as usize] = Some(self.footprint(instruction));
        }
    }

    fn footprint(&self, instruction: &Instruction) -> Footprint {
        let words = |address: u16, count: usize| address as i64..address as i64 + count as i64;
        let mut footprint = Footprint::default();
        match instruction {
            Instruction::Begin { .. } | Instruction::Halt => {}
            Instruction::Load {
                space,
                address,
                count,
            } => {
                let memory = match space {
                    Space::Activations => Memory::Activations,
                    Space::Weights => Memory::Weights,
                    Space::Parameters => Memory::Parameters,
                    Space::Table => Memory::Table,
                    Space::Lookup => Memory::Lookup,
                };
                footprint.writes = vec![(memory, words(*address, *count as usize))];
            }
            Instruction::Pattern(_) => footprint.ports = port::PATTERN,
            Instruction::Target(_) => footprint.ports = port::TARGET,
            Instruction::Matrix(m) => {
                let positions = self.pattern.map_or(0, |pattern| pattern.positions());
                let rows = m.inner as usize * m.outer as usize * self.lanes as usize;
                footprint.reads = vec![
                    (
                        Memory::Activations,
                        self.read(m.activation, m.inner, m.outer, 0),
                    ),
                    (Memory::Weights, words(m.weight, rows)),
                ];
                footprint.writes = vec![(Memory::Accumulators, words(m.accumulator, positions))];
                footprint.ports =
                    port::ACTIVATIONS_READ | port::ACCUMULATORS_MATRIX | port::PATTERN;
            }
            Instruction::Activate(a) => {
                let positions = self.target.map_or(0, |target| target.positions());
                footprint.reads = vec![
                    (Memory::Accumulators, words(a.accumulator, positions)),
                    (Memory::Parameters, words(a.parameter, a.columns as usize)),
                ];
                let last_lane = a.lane as i64 + a.columns as i64 - 1;
                footprint.writes = vec![(Memory::Activations, self.write(a.activation, last_lane))];
                footprint.ports = port::ACCUMULATORS_ACTIVATE | port::TARGET;
                if a.table {
                    footprint.reads.push((Memory::Table, 0..256));
                }
            }
            Instruction::Vector(v) => {
                let last_source = v.source_lane as i64 + v.columns as i64 - 1;
                let last_lane = v.lane as i64 + v.columns as i64 - 1;
                footprint.reads = vec![
                    (
                        Memory::Activations,
                        self.read(v.source, v.inner, v.outer as u16, last_source),
                    ),
                    (Memory::Parameters, words(v.parameter, v.columns as usize)),
                    (Memory::Lookup, 0..512),
                ];
                footprint.writes = vec![(Memory::Activations, self.write(v.activation, last_lane))];
                footprint.ports = port::ACTIVATIONS_READ | port::PATTERN | port::TARGET;
                if v.table {
                    footprint.reads.push((Memory::Table, 0..256));
                }
            }
            Instruction::Store {
                source,
                address,
                count,
            } => match source {
                Source::Activations => {
                    footprint.reads = vec![(Memory::Activations, words(*address, *count as usize))];
                    footprint.ports = port::ACTIVATIONS_READ;
                }
                Source::Accumulators => {
                    footprint.reads =
                        vec![(Memory::Accumulators, words(*address, *count as usize))];
                    footprint.ports = port::ACCUMULATORS_MATRIX | port::ACCUMULATORS_ACTIVATE;
                }
                // They count on: what they say depends on what is under way, so a
                // program that wants to know waits for all.
                Source::Counters => {}
            },
        }
        footprint
    }

    fn read(&self, first: u16, inner: u16, outer: u16, last_lane: i64) -> Range<i64> {
        let Some(p) = self.pattern else {
            return 0..0;
        };
        p.reach(first, inner, outer, last_lane / self.lanes)
    }

    fn write(&self, first: u16, last_lane: i64) -> Range<i64> {
        let Some(t) = self.target else {
            return 0..0;
        };
        t.reach(first, last_lane / self.lanes)
    }
}
