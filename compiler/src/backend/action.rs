//! What the lowering writes: instructions with all they depend on, one after another,
//! not yet in the order in which the units are busiest.

use quern_isa::{Activate, Config, HostMap, HostStep, Matrix, Pattern, Space, Target, Vector};
use std::ops::Range;

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Load {
        space: Space,
        address: usize,
        data: Vec<Data>,
    },
    Matrix {
        pattern: Pattern,
        matrix: Matrix,
    },
    Activate {
        target: Target,
        activate: Activate,
    },
    Vector {
        pattern: Pattern,
        target: Target,
        vector: Vector,
    },
    /// Activation words to pieces of host memory, `(offset, bytes)` each.
    Store {
        address: usize,
        pieces: Vec<(u32, u32)>,
    },
    /// Work of the host.
    Host(HostStep),
}

/// Whole words without padding.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Literal(Vec<u8>),
    /// Of host memory; only activations.
    Host {
        offset: u32,
        bytes: u32,
    },
}

impl Data {
    /// Its first bytes and the rest.
    fn split(self, at: usize) -> [Data; 2] {
        match self {
            Data::Literal(mut bytes) => {
                let rest = bytes.split_off(at);
                [Data::Literal(bytes), Data::Literal(rest)]
            }
            Data::Host { offset, bytes } => {
                let at = at as u32;
                [
                    Data::Host { offset, bytes: at },
                    Data::Host {
                        offset: offset + at,
                        bytes: bytes - at,
                    },
                ]
            }
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Data::Literal(bytes) => bytes.len(),
            Data::Host { bytes, .. } => *bytes as usize,
        }
    }
}

/// From the first to the last byte of host memory among data. Maps don't overlap there,
/// so that this says as much as all pieces would.
pub fn host_range(data: &[Data]) -> Range<u32> {
    let pieces = || {
        data.iter().filter_map(|data| match *data {
            Data::Host { offset, bytes } => Some((offset, offset + bytes)),
            Data::Literal(_) => None,
        })
    };
    let first = pieces().map(|(first, _)| first).min();
    let end = pieces().map(|(_, end)| end).max();
    first.unwrap_or(0)..end.unwrap_or(0)
}

/// A memory that may keep an action from changing places with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Chip(Space),
    Accumulators,
    Host,
}

/// What an action reads and writes; ranges may be larger than that.
#[derive(Debug, Clone, Default)]
pub struct Footprint {
    pub reads: Vec<(Memory, Range<i64>)>,
    pub writes: Vec<(Memory, Range<i64>)>,
}

impl Footprint {
    pub fn conflicts(&self, other: &Footprint) -> bool {
        let overlap = |ours: &[(Memory, Range<i64>)], theirs: &[(Memory, Range<i64>)]| {
            ours.iter().any(|(memory, range)| {
                theirs
                    .iter()
                    .any(|(m, r)| m == memory && r.start < range.end && range.start < r.end)
            })
        };
        overlap(&self.writes, &other.writes)
            || overlap(&self.writes, &other.reads)
            || overlap(&self.reads, &other.writes)
    }
}

/// Data of so many bytes, and what follows them.
pub fn split(data: Vec<Data>, bytes: usize) -> [Vec<Data>; 2] {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let mut left = bytes;
    for piece in data {
        match piece.bytes() {
            size if size <= left => {
                left -= size;
                first.push(piece);
            }
            _ if left == 0 => rest.push(piece),
            _ => {
                let [before, after] = piece.split(left);
                left = 0;
                first.push(before);
                rest.push(after);
            }
        }
    }
    [first, rest]
}

impl Action {
    pub fn footprint(&self, config: &Config) -> Footprint {
        let lanes = config.lanes as i64;
        let words = |first: usize, count: usize| first as i64..(first + count) as i64;
        let chip = |space, range| (Memory::Chip(space), range);
        let sums =
            |first: u16, positions: usize| (Memory::Accumulators, words(first as usize, positions));
        let table = |set: bool| set.then(|| chip(Space::Table, 0..256));
        match self {
            Action::Load {
                space,
                address,
                data,
            } => {
                let bytes: usize = data.iter().map(Data::bytes).sum();
                let count = bytes / config.word_bytes(*space);
                Footprint {
                    reads: {
                        let range = host_range(data);
                        vec![(Memory::Host, range.start as i64..range.end as i64)]
                    },
                    writes: vec![chip(*space, words(*address, count))],
                }
            }
            Action::Matrix { pattern, matrix: m } => {
                let rows = m.inner as usize * m.outer as usize * config.lanes;
                let read = pattern.reach(m.activation, m.inner, m.outer, 0);
                Footprint {
                    reads: vec![
                        chip(Space::Activations, read),
                        chip(Space::Weights, words(m.weight as usize, rows)),
                    ],
                    writes: vec![sums(m.accumulator, pattern.positions())],
                }
            }
            Action::Activate {
                target,
                activate: a,
            } => {
                let further = (a.lane as i64 + a.columns as i64 - 1) / lanes;
                let parameters = words(a.parameter as usize, a.columns as usize);
                let mut reads = vec![
                    chip(Space::Parameters, parameters),
                    sums(a.accumulator, target.positions()),
                ];
                reads.extend(table(a.table));
                Footprint {
                    reads,
                    writes: vec![chip(
                        Space::Activations,
                        target.reach(a.activation, further),
                    )],
                }
            }
            Action::Vector {
                pattern,
                target,
                vector: v,
            } => {
                let further = |lane: u8| (lane as i64 + v.columns as i64 - 1) / lanes;
                let outer = v.outer as u16;
                let read = pattern.reach(v.source, v.inner, outer, further(v.source_lane));
                let mut reads = vec![
                    chip(Space::Activations, read),
                    chip(
                        Space::Parameters,
                        words(v.parameter as usize, v.columns as usize),
                    ),
                    chip(Space::Lookup, 0..512),
                ];
                reads.extend(table(v.table));
                Footprint {
                    reads,
                    writes: vec![chip(
                        Space::Activations,
                        target.reach(v.activation, further(v.lane)),
                    )],
                }
            }
            Action::Host(step) => {
                let map = |map: &HostMap| {
                    let first = map.offset as i64;
                    let bytes = map.height as i64 * map.width as i64 * map.row_bytes as i64;
                    (Memory::Host, first..first + bytes)
                };
                Footprint {
                    reads: step.inputs.iter().map(map).collect(),
                    writes: vec![map(&step.output)],
                }
            }
            Action::Store { address, pieces } => {
                let bytes: usize = pieces.iter().map(|&(_, bytes)| bytes as usize).sum();
                Footprint {
                    reads: vec![chip(
                        Space::Activations,
                        words(*address, bytes / config.lanes),
                    )],
                    writes: {
                        let first = pieces.iter().map(|&(offset, _)| offset).min();
                        let end = pieces.iter().map(|&(offset, bytes)| offset + bytes).max();
                        let (first, end) = (first.unwrap_or(0), end.unwrap_or(0));
                        vec![(Memory::Host, first as i64..end as i64)]
                    },
                }
            }
        }
    }
}
