//! Turns the operations of a network into actions, as the plan has it.

mod convolution;
mod rearrange;
mod vector;

use crate::backend::action::{Action, Data};
use crate::backend::memory::{Block, Border, Place, Placement, View};
use crate::backend::place::Plan;
use crate::backend::prove::Parameters;
use crate::backend::ring::{Key, Ring};
use crate::network::{Kind, MapId, Network, Operation};
use crate::table::Table;
use quern_isa::{ChannelParameters, Config, HostStep, HostWork, Space, Target};
use std::ops::Range;

pub use rearrange::smallest_scratch as smallest_rearrangement;

/// Calls `action` with all actions of all samples in order, each with the number of the
/// operation it is of.
pub fn lower(
    network: &Network,
    config: &Config,
    plan: &Plan,
    parameters: &[Parameters],
    action: &mut dyn FnMut(usize, Action),
) {
    let mut lowering = Lowering {
        config,
        network,
        plan,
        sample: 0,
        operation: 0,
        action,
        weights: Ring::new(config.weight_rows),
        parameters: Ring::new(config.parameter_words),
        accumulator: 0,
        table: None,
        lookup: None,
    };
    for sample in 0..plan.samples {
        lowering.sample = sample;
        lowering.sample(parameters);
    }
}

struct Lowering<'a> {
    config: &'a Config,
    network: &'a Network,
    plan: &'a Plan,
    sample: usize,
    operation: usize,
    action: &'a mut dyn FnMut(usize, Action),
    weights: Ring,
    parameters: Ring,
    /// Next free word of the accumulators.
    accumulator: usize,
    /// What the table holds.
    table: Option<Table>,
    /// The operation whose tables the lookup memory holds.
    lookup: Option<usize>,
}

impl<'a> Lowering<'a> {
    fn sample(&mut self, parameters: &[Parameters]) {
        self.operation = 0;
        self.load_input();
        let (network, plan) = (self.network, self.plan);
        for (index, operation) in network.operations.iter().enumerate() {
            self.operation = index;
            self.load_border(operation.output);
            let scratch = plan.operations[index].scratch.clone();
            self.operation(operation, &parameters[index], scratch);
        }
        self.store_output();
    }

    fn operation(&mut self, operation: &Operation, parameters: &Parameters, scratch: Range<usize>) {
        match &operation.kind {
            Kind::Convolution(convolution) => {
                self.convolution(operation, convolution, parameters, scratch)
            }
            Kind::Rearrange { inputs, sources } => {
                self.rearrange(operation, inputs, sources, parameters, scratch)
            }
            Kind::Host { inputs, work, .. } => self.host(operation, inputs, work),
            // It is in the program, wherever it is read.
            Kind::Constant { .. } => {}
            _ => self.vectors(operation, parameters, scratch),
        }
    }

    fn push(&mut self, action: Action) {
        (self.action)(self.operation, action);
    }

    fn load(&mut self, address: usize, data: Vec<Data>) {
        self.push(Action::Load {
            space: Space::Activations,
            address,
            data,
        });
    }

    fn literal(&mut self, space: Space, address: usize, bytes: Vec<u8>) {
        self.push(Action::Load {
            space,
            address,
            data: vec![Data::Literal(bytes)],
        });
    }

    /// A map as the present sample has it.
    fn placement(&self, map: MapId) -> Placement {
        let mut placement = self.plan.placements[map.0].clone();
        if let Place::Host { offset } = &mut placement.place {
            for (edge, region) in [
                (self.network.input.map, &self.plan.input),
                (self.network.output.map, &self.plan.output),
            ] {
                if edge == map {
                    *offset = self.region_offset(region);
                }
            }
        }
        placement
    }

    /// Where a region has the present sample.
    fn region_offset(&self, region: &quern_isa::Region) -> u32 {
        let sample = self.config.lanes as u32 * region.words_per_sample;
        region.offset + sample * self.sample as u32
    }

    fn in_region(&self, map: MapId, region: &quern_isa::Region) -> Placement {
        Placement {
            place: Place::Host {
                offset: self.region_offset(region),
            },
            ..self.plan.placements[map.0].clone()
        }
    }

    /// Brings the input onto the chip, if that is its place.
    fn load_input(&mut self) {
        let map = self.network.input.map;
        if let Place::Chip { address, border } = self.plan.placements[map.0].place {
            let host = self.in_region(map, &self.plan.input);
            let block = host.bordered(&border);
            let data = host.data(&block, border.zero_point, self.config.lanes);
            self.load(address, data);
        }
    }

    /// Brings the output to where the host looks for it, if that is not its place.
    fn store_output(&mut self) {
        let map = self.network.output.map;
        let host = self.in_region(map, &self.plan.output);
        let lanes = self.config.lanes;
        let placement = self.plan.placements[map.0].clone();
        match &placement.place {
            Place::Host { .. } => {}
            Place::Chip { address, border } => {
                let all = placement.bordered(&Border::default());
                let view = View::of_block(&placement.bordered(border), *address);
                for y in all.rows.iter() {
                    let row = Block {
                        rows: crate::backend::memory::Span {
                            start: y,
                            step: 1,
                            count: 1,
                        },
                        ..all.clone()
                    };
                    let pieces = host.pieces(&row, lanes);
                    let address = view.at(y, 0, 0) as usize;
                    self.push(Action::Store { address, pieces });
                }
            }
            Place::Literal(_) => {
                let chunk = self.config.activation_words / 2;
                for words in crate::backend::tile::pieces(0..placement.size(), chunk) {
                    let (mut data, mut pieces) = (Vec::new(), Vec::new());
                    placement.words_at(&mut data, words.start, words.len(), lanes);
                    host.words_at(&mut pieces, words.start, words.len(), lanes);
                    self.load(0, data);
                    let pieces = pieces.into_iter().filter_map(|data| match data {
                        Data::Host { offset, bytes } => Some((offset, bytes)),
                        Data::Literal(_) => None,
                    });
                    let pieces = pieces.collect();
                    self.push(Action::Store { address: 0, pieces });
                }
            }
        }
    }

    /// Fills the border of a map that is on chip.
    fn load_border(&mut self, map: MapId) {
        let placement = &self.plan.placements[map.0];
        let Place::Chip { address, border } = placement.place else {
            return;
        };
        let words = placement.words;
        let (height, width) = (placement.shape.height, placement.shape.width);
        let pitch = border.left + width + border.right;
        // Border pixels that follow each other, row by row.
        let mut gaps = vec![(0, border.top * pitch + border.left)];
        let side = border.left + border.right;
        gaps.extend((1..height).map(|y| ((border.top + y) * pitch - border.right, side)));
        let end = (border.top + height) * pitch;
        gaps.push((end - border.right, border.right + border.bottom * pitch));
        for (pixel, count) in gaps.into_iter().filter(|&(_, count)| count > 0) {
            let bytes = vec![border.zero_point; count * words * self.config.lanes];
            self.literal(Space::Activations, address + pixel * words, bytes);
        }
    }

    /// The host computes it in its memory.
    fn host(&mut self, operation: &Operation, inputs: &[MapId], work: &HostWork) {
        let map = |id: &MapId| {
            let placement = self.placement(*id);
            let Place::Host { offset } = placement.place else {
                unreachable!("the host's maps are in its memory");
            };
            let row_bytes = placement.words * self.config.lanes;
            placement.shape.on_host(offset, row_bytes)
        };
        let code = |code: usize| operation.finish.apply(code as u8);
        let step = HostStep {
            inputs: inputs.iter().map(map).collect(),
            output: map(&operation.output),
            work: work.clone(),
            table: Box::new(std::array::from_fn(code)),
        };
        self.push(Action::Host(step));
    }

    /// The address of parameters, which are loaded unless they still are there.
    fn parameters(&mut self, key: Key, parameters: &[ChannelParameters]) -> u16 {
        if let Some(address) = self.parameters.find(key) {
            return address as u16;
        }
        let size = parameters.len().next_multiple_of(self.config.vector_lanes);
        let address = self.parameters.allocate(key, size);
        let words = parameters.iter().flat_map(|word| word.encode(self.config));
        self.literal(Space::Parameters, address, words.collect());
        address as u16
    }

    /// Loads a table unless it is there. True if there is one.
    fn table(&mut self, table: Option<&Table>) -> bool {
        let Some(table) = table else {
            return false;
        };
        if self.table.as_ref() != Some(table) {
            self.literal(Space::Table, 0, table.0.to_vec());
            self.table = Some(table.clone());
        }
        true
    }

    /// Room for the sums of so many positions.
    fn accumulators(&mut self, positions: usize) -> usize {
        if self.accumulator + positions > self.config.accumulator_words {
            self.accumulator = 0;
        }
        let first = self.accumulator;
        self.accumulator += positions;
        first
    }
}

/// A target for a rectangle of output pixels.
fn target(view: &View, rows: usize, columns: usize, low: u8, high: u8) -> Target {
    Target {
        x_count: columns as u16,
        x_stride: view.column_stride(1),
        y_count: rows as u16,
        y_stride: view.row_stride(1),
        low,
        high,
    }
}

/// Blocks of a map that is in host memory, loaded into buffers in turn.
struct Inputs {
    map: Placement,
    zero_point: u8,
    buffers: Vec<(usize, Option<Block>)>,
    next: usize,
}

impl Inputs {
    fn new(map: Placement, zero_point: u8, first: usize, words: usize, count: usize) -> Inputs {
        let buffer = |index| (first + index * words, None);
        Inputs {
            map,
            zero_point,
            buffers: (0..count).map(buffer).collect(),
            next: 0,
        }
    }

    /// The view of a block, or of the whole map if it is on chip.
    fn view(&mut self, lowering: &mut Lowering, block: Block) -> View {
        if let Some(view) = self.map.view() {
            return view;
        }
        let is_held = |(_, held): &&(usize, Option<Block>)| held.as_ref() == Some(&block);
        if let Some(&(address, _)) = self.buffers.iter().find(is_held) {
            return View::of_block(&block, address);
        }
        let data = self
            .map
            .data(&block, self.zero_point, lowering.config.lanes);
        let count = self.buffers.len();
        let (address, held) = &mut self.buffers[self.next];
        self.next = (self.next + 1) % count;
        lowering.load(*address, data);
        let view = View::of_block(&block, *address);
        *held = Some(block);
        view
    }
}

/// Blocks of outputs on their way to host memory, in buffers in turn.
struct Outputs {
    map: Placement,
    first: usize,
    words: usize,
    count: usize,
    next: usize,
}

impl Outputs {
    fn new(map: Placement, first: usize, words: usize, count: usize) -> Outputs {
        Outputs {
            map,
            first,
            words,
            count,
            next: 0,
        }
    }

    /// Where the outputs of a block go.
    fn view(&self, block: &Block) -> View {
        match self.map.view() {
            Some(view) => view,
            None => View::of_block(block, self.address()),
        }
    }

    fn address(&self) -> usize {
        self.first + self.next * self.words
    }

    /// Sends the block to host memory, unless the map is on chip.
    fn store(&mut self, lowering: &mut Lowering, block: &Block) {
        if self.map.on_chip() {
            return;
        }
        let pieces = self.map.pieces(block, lowering.config.lanes);
        lowering.push(Action::Store {
            address: self.address(),
            pieces,
        });
        self.next = (self.next + 1) % self.count;
    }
}
