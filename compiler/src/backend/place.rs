//! Decides which maps stay on chip, and plans every operation accordingly.
//!
//! A map is on chip as a whole, from the operation that writes it to the last that
//! reads it, or in host memory as a whole. Maps are tried one after the other, those
//! first that take little for a short time; one stays on chip if that makes the
//! operations it concerns cheaper. What no map takes while an operation runs is its
//! **scratch**: the largest free piece of the activation memory.

use crate::backend::cost::{self, Cost};
use crate::backend::lower::smallest_rearrangement;
use crate::backend::memory::{Border, Place, Placement};
use crate::backend::tile::{self, Geometry, Tiling};
use crate::backend::vector_tile::{self, VectorTiling};
use crate::backend::windows;
use crate::diagnostic::Problem;
use crate::network::{Kind, MapId, Network, Operation};
use quern_isa::{Config, Region, Space};
use std::collections::HashMap;
use std::ops::Range;

/// Literal bytes of a program: their count is 32 bits wide.
const MAX_PROGRAM_BYTES: u64 = 1 << 31;

#[derive(Debug, Clone)]
pub struct Plan {
    /// Samples the operations run for, one after the other.
    pub samples: usize,
    pub placements: Vec<Placement>,
    pub operations: Vec<OperationPlan>,
    pub input: Region,
    pub output: Region,
    pub host_bytes: u32,
    /// Of all samples, to be compared with that of other plans.
    pub weight: u64,
}

impl Plan {
    pub fn weight_per_sample(&self) -> u64 {
        self.weight / self.input.samples as u64
    }
}

#[derive(Debug, Clone)]
pub struct OperationPlan {
    /// Words of the activation memory for blocks of what is not on chip.
    pub scratch: Range<usize>,
    pub tiling: OperationTiling,
    pub cost: Cost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationTiling {
    Convolution(Tiling),
    Vector(VectorTiling),
    /// It takes what there is.
    Rearrange,
    /// Nothing of it happens on chip.
    None,
}

/// Plans a network whose maps hold `rows` samples, below each other, for `samples` of
/// them in a run.
pub fn place(
    network: &Network,
    config: &Config,
    rows: usize,
    samples: usize,
) -> Result<Plan, Vec<Problem>> {
    let mut places = Places::new(network, config);
    places.choose();
    let operations = places.operations()?;
    let weight = places.weight(&operations);
    let mut placements = places.placements;
    let (input, output) = (network.input.map, network.output.map);
    let mut host_bytes = 0u64;
    let mut take = |placement: &Placement, samples: usize| {
        let offset = host_bytes.min(u32::MAX as u64) as u32;
        host_bytes += (placement.size() * samples * config.lanes) as u64;
        Region {
            offset,
            words_per_sample: (placement.size() / rows) as u32,
            samples: (rows * samples) as u32,
        }
    };
    let samples = samples / rows;
    let regions = [input, output].map(|map| (map, take(&placements[map.0], samples)));
    for (index, placement) in placements.iter_mut().enumerate() {
        if let Place::Host { .. } = placement.place {
            let edge = regions.iter().find(|(map, _)| map.0 == index);
            let region = match edge {
                Some((_, region)) => *region,
                None => take(placement, 1),
            };
            placement.place = Place::Host {
                offset: region.offset,
            };
        }
    }
    let [(_, input_region), (_, mut output_region)] = regions;
    if input == output {
        output_region = input_region;
    }
    check_host(network, host_bytes, samples)?;
    check_program(network, config, &operations, samples)?;
    Ok(Plan {
        samples,
        placements,
        operations,
        input: input_region,
        output: output_region,
        host_bytes: host_bytes as u32,
        weight: weight * samples as u64,
    })
}

fn check_host(network: &Network, bytes: u64, samples: usize) -> Result<(), Vec<Problem>> {
    if bytes <= u32::MAX as u64 {
        return Ok(());
    }
    let reason = format!(
        "{samples} samples need {bytes} bytes of host memory, more than a program can address; compile with a smaller batch"
    );
    Err(vec![Problem::tensor(&network.input.name, reason)])
}

fn check_program(
    network: &Network,
    config: &Config,
    operations: &[OperationPlan],
    samples: usize,
) -> Result<(), Vec<Problem>> {
    let beats = operations
        .iter()
        .map(|operation| operation.cost.fetch + operation.cost.literal);
    let bytes = beats.sum::<u64>() * (samples * config.stream_bytes) as u64;
    if bytes <= MAX_PROGRAM_BYTES {
        return Ok(());
    }
    let reason = format!(
        "on `{}` instructions and weights would be streamed {bytes} bytes long for {samples} samples, more than a program can hold; compile with a smaller batch or for a larger configuration",
        config.name
    );
    Err(vec![Problem::tensor(&network.input.name, reason)])
}

/// Whether its maps are on chip, and how much scratch it has: all that an operation's
/// cost depends on.
type Circumstances = (usize, Vec<bool>, usize);

struct Places<'a> {
    network: &'a Network,
    config: &'a Config,
    placements: Vec<Placement>,
    /// Of a map that is on chip; none where readers differ in what they want around it.
    borders: Vec<Option<Border>>,
    /// First and last operation during which a map is there.
    lives: Vec<(usize, usize)>,
    known: HashMap<Circumstances, Option<(OperationTiling, Cost)>>,
}

impl<'a> Places<'a> {
    fn new(network: &'a Network, config: &'a Config) -> Places<'a> {
        let maps = network.maps.iter();
        let mut placements: Vec<Placement> = maps
            .map(|map| Placement::new(map.shape, config.lanes))
            .collect();
        let last = network.operations.len().saturating_sub(1);
        let mut lives = vec![(0, 0); placements.len()];
        for (index, operation) in network.operations.iter().enumerate() {
            lives[operation.output.0] = (index, index);
            for input in operation.kind.inputs() {
                lives[input.0].1 = index;
            }
            if let Kind::Constant { codes } = &operation.kind {
                let codes = codes.iter().map(|&code| operation.finish.apply(code));
                placements[operation.output.0].place = Place::Literal(codes.collect());
            }
        }
        lives[network.output.map.0].1 = last;
        Places {
            network,
            config,
            borders: borders(network),
            placements,
            lives,
            known: HashMap::new(),
        }
    }

    /// Brings maps onto the chip.
    fn choose(&mut self) {
        let is_host = |&index: &usize| matches!(self.placements[index].place, Place::Host { .. });
        let mut maps: Vec<usize> = (0..self.placements.len()).filter(is_host).collect();
        maps.sort_by_key(|&map| {
            let (first, last) = self.lives[map];
            (self.chip_words(map).unwrap_or(usize::MAX)).saturating_mul(last - first + 1)
        });
        for map in maps {
            self.try_on_chip(map);
        }
    }

    fn chip_words(&self, map: usize) -> Option<usize> {
        let border = self.borders[map].as_ref()?;
        Some(self.placements[map].bordered(border).size())
    }

    fn try_on_chip(&mut self, map: usize) {
        let Some(words) = self.chip_words(map) else {
            return;
        };
        let Some(border) = self.borders[map] else {
            return;
        };
        let (first, last) = self.lives[map];
        let before = self
            .total(first..last + 1)
            .map(|cost| cost + self.edges(map, false));
        let host = self.placements[map].place.clone();
        let mut best: Option<(u64, usize)> = None;
        for address in self.free(first..last + 1, words) {
            self.placements[map].place = Place::Chip { address, border };
            let total = self.total(first..last + 1);
            let Some(cost) = total.map(|cost| cost + self.edges(map, true)) else {
                continue;
            };
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, address));
            }
        }
        self.placements[map].place = match best {
            Some((cost, address)) if before.is_none_or(|before| cost < before) => {
                Place::Chip { address, border }
            }
            _ => host,
        };
    }

    /// What a run costs.
    fn weight(&self, operations: &[OperationPlan]) -> u64 {
        let edges = [self.network.input.map, self.network.output.map];
        let edges = edges.map(|map| self.edges(map.0, self.placements[map.0].on_chip()));
        let operations = operations.iter().map(|operation| operation.cost.weight());
        operations.sum::<u64>() + edges.iter().sum::<u64>()
    }

    /// What input and output cost at the ends of a run when they are on chip.
    fn edges(&self, map: usize, on_chip: bool) -> u64 {
        let words = self.placements[map].size();
        let mut weight = 0;
        if on_chip && map == self.network.input.map.0 {
            weight += cost::beats(self.config, Space::Activations, words);
        }
        if on_chip && map == self.network.output.map.0 {
            weight += cost::store(self.config, words);
        }
        weight * 8
    }

    /// The lowest and the highest address of room that is free during some operations.
    fn free(&self, operations: Range<usize>, words: usize) -> Vec<usize> {
        let gaps = self.gaps(operations);
        let mut fits = gaps.into_iter().filter(|gap| gap.len() >= words);
        let lowest = fits.next();
        let highest = fits.next_back().or(lowest.clone());
        let addresses = lowest.into_iter().map(|gap| gap.start);
        let mut addresses: Vec<usize> = addresses.collect();
        addresses.extend(highest.map(|gap| gap.end - words));
        addresses.dedup();
        addresses
    }

    /// What no map takes during some operations.
    fn gaps(&self, operations: Range<usize>) -> Vec<Range<usize>> {
        let mut taken: Vec<Range<usize>> = Vec::new();
        for (placement, &(first, last)) in self.placements.iter().zip(&self.lives) {
            if let Place::Chip { address, border } = &placement.place {
                if first < operations.end && operations.start <= last {
                    taken.push(*address..address + placement.bordered(border).size());
                }
            }
        }
        taken.sort_by_key(|range| range.start);
        taken.push(self.config.activation_words..self.config.activation_words);
        let mut gaps = Vec::new();
        let mut end = 0;
        for range in taken {
            if range.start > end {
                gaps.push(end..range.start);
            }
            end = end.max(range.end);
        }
        gaps
    }

    fn scratch(&self, operation: usize) -> Range<usize> {
        let gaps = self.gaps(operation..operation + 1);
        gaps.into_iter().max_by_key(|gap| gap.len()).unwrap_or(0..0)
    }

    /// Cost of some operations; none if one of them can't run.
    fn total(&mut self, operations: Range<usize>) -> Option<u64> {
        let mut total = 0;
        for operation in operations.start..operations.end.min(self.network.operations.len()) {
            total += self.operation(operation)?.1.weight();
        }
        Some(total)
    }

    fn operation(&mut self, index: usize) -> Option<(OperationTiling, Cost)> {
        let operation = &self.network.operations[index];
        let scratch = self.scratch(index).len();
        let maps = operation
            .kind
            .inputs()
            .into_iter()
            .chain([operation.output]);
        let on_chip = maps.map(|map| self.placements[map.0].on_chip()).collect();
        let circumstances = (index, on_chip, scratch);
        if let Some(known) = self.known.get(&circumstances) {
            return *known;
        }
        let plan = self.plan(operation, scratch);
        self.known.insert(circumstances, plan);
        plan
    }

    fn plan(&self, operation: &Operation, scratch: usize) -> Option<(OperationTiling, Cost)> {
        let config = self.config;
        let place = |map: &MapId| self.placements[map.0].clone();
        let inputs: Vec<Placement> = operation.kind.inputs().iter().map(place).collect();
        let output = place(&operation.output);
        match &operation.kind {
            Kind::Convolution(convolution) => {
                let geometry = Geometry::new(convolution, &inputs[0], &output, config);
                let (tiling, cost) = tile::tile(&geometry, config, scratch)?;
                Some((OperationTiling::Convolution(tiling), cost))
            }
            Kind::Rearrange { .. } => {
                let room = scratch >= smallest_rearrangement(config);
                let cost = rearrange_cost(&inputs, &output, config);
                room.then_some((OperationTiling::Rearrange, cost))
            }
            Kind::Host { .. } => {
                let on_host = inputs.iter().all(|input| !input.on_chip()) && !output.on_chip();
                on_host.then(|| (OperationTiling::None, Cost::default()))
            }
            Kind::Constant { .. } => Some((OperationTiling::None, Cost::default())),
            kind => {
                let (tiling, cost) = vector_tile::tile(kind, &inputs, &output, config, scratch)?;
                Some((OperationTiling::Vector(tiling), cost))
            }
        }
    }

    fn operations(&mut self) -> Result<Vec<OperationPlan>, Vec<Problem>> {
        let mut plans = Vec::new();
        let mut problems = Vec::new();
        for index in 0..self.network.operations.len() {
            match self.operation(index) {
                Some((tiling, cost)) => plans.push(OperationPlan {
                    scratch: self.scratch(index),
                    tiling,
                    cost,
                }),
                None => {
                    let reason = format!(
                        "its windows do not fit the {} words of `{}`'s activation memory; use smaller windows, or a larger configuration",
                        self.config.activation_words, self.config.name
                    );
                    let name = &self.network.operations[index].name;
                    problems.push(Problem::tensor(name, reason));
                }
            }
        }
        match problems.is_empty() {
            true => Ok(plans),
            false => Err(problems),
        }
    }
}

/// The border each map needs on chip.
fn borders(network: &Network) -> Vec<Option<Border>> {
    let mut borders = vec![Some(Border::default()); network.maps.len()];
    for operation in &network.operations {
        if let Kind::Convolution(convolution) = &operation.kind {
            let shape = |map: MapId| network.maps[map.0].shape;
            let wanted = windows::border(
                &convolution.window,
                shape(convolution.input),
                shape(operation.output),
                convolution.input_zero_point,
            );
            let border = &mut borders[convolution.input.0];
            *border = border.filter(|border| {
                border.none() || wanted.none() || border.zero_point == wanted.zero_point
            });
            *border = border.map(|border| border.union(&wanted));
        }
    }
    borders
}

/// Whole words, about: it is only to be compared with itself.
fn rearrange_cost(inputs: &[Placement], output: &Placement, config: &Config) -> Cost {
    let on_host = inputs.iter().any(|map| !map.on_chip());
    let words = output.size();
    let outputs = words * config.lanes / config.vector_lanes;
    Cost {
        input: match on_host {
            true => cost::beats(config, Space::Activations, words),
            false => 0,
        },
        activation: outputs as u64 * cost::output_cycles(config),
        store: match output.on_chip() {
            true => 0,
            false => cost::store(config, words),
        },
        output_waits: true,
        ..Cost::default()
    }
}
