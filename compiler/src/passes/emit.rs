//! Writes the program a [`Plan`] describes.

use crate::network::{Layer, LayerKind, Network};
use crate::passes::prove::Parameters;
use crate::passes::tile::{ColumnTile, Geometry, LayerPlan, Place, Plan, Tensor};
use crate::table::Table;
use quern_isa::{
    Activate, Config, Instruction, Matrix, Program, Segment, Source, Space, ISA_VERSION,
};
use std::ops::Range;

/// A program, and where in it each layer begins.
pub struct Emitted {
    pub program: Program,
    pub layers: Vec<Extent>,
}

/// Part of a program that belongs to one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub first_instruction: usize,
    /// Bytes into the core for the layer, instructions included.
    pub bytes_in: usize,
    /// Bytes out of the core.
    pub bytes_out: usize,
}

pub fn emit(network: &Network, config: &Config, plan: &Plan, parameters: &[Parameters]) -> Emitted {
    let mut script = Script::new(config);
    script.instruction(Instruction::Begin {
        version: ISA_VERSION,
        fingerprint: config.fingerprint(),
    });
    let last = plan.tensors.len() - 1;
    let mut extents = Vec::new();
    for (index, layer) in network.layers.iter().enumerate() {
        let before = (script.instructions, script.bytes_in, script.bytes_out);
        let source = plan.tensors[index];
        let target = plan.tensors[index + 1];
        if let (0, Place::Chip { base }) = (index, source.place) {
            script.load_from_host(base, source.words, [(source.host_offset, source.words)]);
        }
        Emitter {
            config,
            script: &mut script,
            layer,
            plan: &plan.layers[index],
            parameters: &parameters[index],
            source,
            target,
        }
        .layer();
        if let (true, Place::Chip { base }) = (index + 1 == last, target.place) {
            script.store(base, target.words, [(target.host_offset, target.words)]);
        }
        extents.push(Extent {
            first_instruction: before.0,
            bytes_in: script.bytes_in - before.1,
            bytes_out: script.bytes_out - before.2,
        });
    }
    script.instruction(Instruction::Halt);
    Emitted {
        program: Program {
            config: *config,
            host_bytes: plan.host_bytes,
            input: plan.region(0),
            output: plan.region(last),
            segments: script.finish(),
        },
        layers: extents,
    }
}

/// The stream script under construction.
struct Script<'a> {
    config: &'a Config,
    segments: Vec<Segment>,
    /// Literal bytes not yet in a segment.
    literal: Vec<u8>,
    table: Option<Table>,
    instructions: usize,
    bytes_in: usize,
    bytes_out: usize,
}

impl<'a> Script<'a> {
    fn new(config: &'a Config) -> Script<'a> {
        Script {
            config,
            segments: Vec::new(),
            literal: Vec::new(),
            table: None,
            instructions: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    fn instruction(&mut self, instruction: Instruction) {
        self.word(&instruction.encode());
        self.instructions += 1;
    }

    /// One word of a memory, padded to whole beats.
    fn word(&mut self, bytes: &[u8]) {
        let before = self.literal.len();
        self.literal.extend(bytes);
        let padded = bytes.len().next_multiple_of(self.config.stream_bytes);
        self.literal.resize(before + padded, 0);
        self.bytes_in += padded;
    }

    fn load(&mut self, space: Space, address: usize, count: usize) {
        self.instruction(Instruction::Load {
            space,
            address: address as u16,
            count: count as u16,
        });
    }

    /// Fills activation words from pieces of host memory: offset and words each.
    fn load_from_host(
        &mut self,
        address: usize,
        words: usize,
        pieces: impl IntoIterator<Item = (u32, usize)>,
    ) {
        self.load(Space::Activations, address, words);
        self.flush();
        for (offset, words) in pieces {
            let length = (words * self.config.lanes) as u32;
            self.bytes_in += length as usize;
            match self.segments.last_mut() {
                Some(Segment::SendHost {
                    offset: start,
                    bytes,
                }) if *start + *bytes == offset => *bytes += length,
                _ => self.segments.push(Segment::SendHost {
                    offset,
                    bytes: length,
                }),
            }
        }
    }

    /// Sends activation words to pieces of host memory.
    fn store(
        &mut self,
        address: usize,
        words: usize,
        pieces: impl IntoIterator<Item = (u32, usize)>,
    ) {
        self.instruction(Instruction::Store {
            source: Source::Activations,
            address: address as u16,
            count: words as u16,
        });
        self.flush();
        for (offset, words) in pieces {
            let length = (words * self.config.lanes) as u32;
            self.bytes_out += length as usize;
            match self.segments.last_mut() {
                Some(Segment::Receive {
                    offset: start,
                    bytes,
                }) if *start + *bytes == offset => *bytes += length,
                _ => self.segments.push(Segment::Receive {
                    offset,
                    bytes: length,
                }),
            }
        }
    }

    /// Fills the table, unless it holds these entries already.
    fn load_table(&mut self, table: &Table) {
        if self.table.as_ref() == Some(table) {
            return;
        }
        self.load(Space::Table, 0, table.0.len());
        table.0.iter().for_each(|&entry| self.word(&[entry]));
        self.table = Some(table.clone());
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal);
            self.segments.push(Segment::Send(literal));
        }
    }

    fn finish(mut self) -> Vec<Segment> {
        self.flush();
        self.segments
    }
}

/// Writes one layer.
struct Emitter<'a, 'b> {
    config: &'a Config,
    script: &'a mut Script<'b>,
    layer: &'a Layer,
    plan: &'a LayerPlan,
    parameters: &'a Parameters,
    source: Tensor,
    target: Tensor,
}

/// Positions of a block that are evenly spaced in memory.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Position counted through the batch: sample times rows plus row.
    first: usize,
    stride: usize,
    count: usize,
    /// Place of the first one within the block.
    local: usize,
}

impl Emitter<'_, '_> {
    fn layer(&mut self) {
        let geometry = &self.plan.geometry;
        let tiling = self.plan.tiling;
        if geometry.weights_fit(self.config) {
            self.load_weights(&geometry.tiles, 0..geometry.input_words);
        }
        if geometry.parameters_fit(self.config) {
            self.load_parameters(&geometry.tiles);
        }
        if let Some(table) = &self.layer.table {
            self.script.load_table(table);
        }
        for start in (0..geometry.rows()).step_by(tiling.block) {
            let end = geometry.rows().min(start + tiling.block);
            let runs = self.runs(start..end);
            let positions = end - start;
            let whole = tiling.chunk == geometry.input_words;
            let from_host = self.source.place == Place::Host;
            if whole && from_host {
                self.load_chunk(&runs, positions, 0..geometry.input_words);
            }
            for (index, group) in geometry.tiles.chunks(tiling.group).enumerate() {
                let first_tile = index * tiling.group;
                for first in (0..geometry.input_words).step_by(tiling.chunk) {
                    let chunk = first..geometry.input_words.min(first + tiling.chunk);
                    if !whole {
                        self.load_chunk(&runs, positions, chunk.clone());
                    }
                    self.accumulate(group, first_tile, &runs, positions, chunk);
                }
                self.activate(group, &runs, positions);
                if self.target.place == Place::Host {
                    self.store_group(group, &runs);
                }
            }
        }
    }

    /// A block as runs. When outputs are scattered, positions go by row and then by
    /// sample, because only samples are evenly spaced in the target.
    fn runs(&self, block: Range<usize>) -> Vec<Run> {
        let Geometry {
            samples,
            positions,
            scatter,
            ..
        } = self.plan.geometry;
        if scatter.is_none() {
            return vec![Run {
                first: block.start,
                stride: 1,
                count: block.len(),
                local: 0,
            }];
        }
        let rows = block.start / samples..=(block.end - 1) / samples;
        rows.map(|row| {
            let from = block.start.max(row * samples);
            let to = block.end.min((row + 1) * samples);
            Run {
                first: (from - row * samples) * positions + row,
                stride: positions,
                count: to - from,
                local: from - block.start,
            }
        })
        .collect()
    }

    fn load_chunk(&mut self, runs: &[Run], positions: usize, chunk: Range<usize>) {
        let words = self.plan.geometry.input_words;
        let lanes = self.config.lanes;
        let start = self.source.host_offset as usize;
        let pieces = runs.iter().flat_map(|run| {
            let rows = (0..run.count).map(|i| run.first + i * run.stride);
            rows.map(|row| {
                let offset = start + (row * words + chunk.start) * lanes;
                (offset as u32, chunk.len())
            })
        });
        let address = self.plan.buffer;
        self.script
            .load_from_host(address, positions * chunk.len(), pieces);
    }

    /// Sums of a group of column tiles over a chunk of the inputs.
    fn accumulate(
        &mut self,
        group: &[ColumnTile],
        first_tile: usize,
        runs: &[Run],
        positions: usize,
        chunk: Range<usize>,
    ) {
        let geometry = &self.plan.geometry;
        let lanes = self.config.lanes;
        let words = geometry.input_words;
        if geometry.weights_fit(self.config) {
            for place in 0..group.len() {
                let weight = ((first_tile + place) * words + chunk.start) * lanes;
                self.matrix(place * positions, runs, &chunk, chunk.clone(), weight);
            }
            return;
        }
        let most = self.config.weight_rows / lanes;
        let at_once = (most / chunk.len()).max(1);
        for (batch, tiles) in group.chunks(at_once).enumerate() {
            for first in chunk.clone().step_by(most) {
                let part = first..chunk.end.min(first + most);
                self.load_weights(tiles, part.clone());
                for i in 0..tiles.len() {
                    let place = batch * at_once + i;
                    let weight = i * part.len() * lanes;
                    self.matrix(place * positions, runs, &chunk, part.clone(), weight);
                }
            }
        }
    }

    /// One column tile against part of the chunk that is in the buffer.
    fn matrix(
        &mut self,
        accumulator: usize,
        runs: &[Run],
        chunk: &Range<usize>,
        part: Range<usize>,
        weight: usize,
    ) {
        let words = self.plan.geometry.input_words;
        for run in runs {
            let (activation, stride) = match self.source.place {
                Place::Chip { base } => (base + run.first * words + part.start, run.stride * words),
                Place::Host => (
                    self.plan.buffer + run.local * chunk.len() + part.start - chunk.start,
                    chunk.len(),
                ),
            };
            self.script.instruction(Instruction::Matrix(Matrix {
                accumulate: part.start > 0,
                weight: weight as u16,
                activation: activation as u16,
                accumulator: (accumulator + run.local) as u16,
                positions: run.count as u16,
                tiles: part.len() as u16,
                position_stride: stride as u16,
                tile_stride: 1,
            }));
        }
    }

    /// Weight tiles one after another from row 0: column tile by column tile, along
    /// the inputs.
    fn load_weights(&mut self, tiles: &[ColumnTile], words: Range<usize>) {
        let Config { lanes, columns, .. } = *self.config;
        let rows = words.start * lanes..words.end * lanes;
        self.script
            .load(Space::Weights, 0, tiles.len() * rows.len());
        let mut bytes = vec![0; columns];
        for tile in tiles {
            for input in rows.clone() {
                bytes.fill(0);
                self.weight_row(tile, input, &mut bytes);
                self.script.word(&bytes);
            }
        }
    }

    fn weight_row(&self, tile: &ColumnTile, input: usize, bytes: &mut [u8]) {
        let outputs = (tile.start..tile.start + tile.length).zip(bytes);
        match &self.layer.kind {
            LayerKind::Elementwise => outputs.for_each(|(output, byte)| {
                *byte = (input == output) as u8;
            }),
            LayerKind::Dense(dense) if input < self.layer.inputs => {
                outputs.for_each(|(output, byte)| *byte = dense.weights.get(input, output) as u8);
            }
            LayerKind::Dense(_) => {}
        }
    }

    /// Parameters of the tiles' outputs, one after another from word 0.
    fn load_parameters(&mut self, tiles: &[ColumnTile]) {
        let count = tiles.iter().map(|tile| tile.length).sum();
        self.script.load(Space::Parameters, 0, count);
        for tile in tiles {
            for output in tile.start..tile.start + tile.length {
                let parameters = self.parameters[output % self.parameters.len()];
                self.script.word(&parameters.encode(self.config));
            }
        }
    }

    /// Sums to bytes, for a group whose sums are complete.
    fn activate(&mut self, group: &[ColumnTile], runs: &[Run], positions: usize) {
        let resident = self.plan.geometry.parameters_fit(self.config);
        let at_once = match resident {
            true => group.len(),
            false => self.config.parameter_words / self.config.columns,
        };
        for (batch, tiles) in group.chunks(at_once).enumerate() {
            // Tiles cover their outputs without gaps, so a parameter's place follows
            // from its output.
            let loaded_from = if resident { 0 } else { tiles[0].start };
            if !resident {
                self.load_parameters(tiles);
            }
            for (i, tile) in tiles.iter().enumerate() {
                let accumulator = (batch * at_once + i) * positions;
                for run in runs {
                    let (word, lane, stride) = self.target_of(group, tile, run);
                    self.script.instruction(Instruction::Activate(Activate {
                        table: self.layer.table.is_some(),
                        accumulator: (accumulator + run.local) as u16,
                        activation: word as u16,
                        positions: run.count as u16,
                        position_stride: stride as u16,
                        parameter: (tile.start - loaded_from) as u16,
                        columns: tile.length as u8,
                        lane: lane as u8,
                        low: self.layer.low,
                        high: self.layer.high,
                    }));
                }
            }
        }
    }

    /// Word, lane and stride of the positions where a tile's bytes go.
    fn target_of(
        &self,
        group: &[ColumnTile],
        tile: &ColumnTile,
        run: &Run,
    ) -> (usize, usize, usize) {
        let geometry = &self.plan.geometry;
        let lanes = self.config.lanes;
        match (self.target.place, &geometry.scatter) {
            (Place::Chip { base }, None) => {
                let words = geometry.output_words;
                let word = base + run.first * words + tile.start / lanes;
                (word, tile.start % lanes, run.stride * words)
            }
            (Place::Chip { base }, Some(rows)) => {
                let (sample, row) = (
                    run.first / geometry.positions,
                    run.first % geometry.positions,
                );
                let element = row * geometry.outputs + tile.start;
                let channel = element % rows.channels;
                let word = base
                    + sample * rows.sample_words
                    + element / rows.channels * rows.words
                    + channel / lanes;
                (word, channel % lanes, rows.sample_words)
            }
            (Place::Host, _) => {
                let words = geometry.group_words(group, lanes);
                let channel = tile.start - group[0].start;
                let word = self.staging() + run.local * words + channel / lanes;
                (word, channel % lanes, words)
            }
        }
    }

    /// First word of the staged outputs: behind the input buffer.
    fn staging(&self) -> usize {
        let tiling = &self.plan.tiling;
        match self.source.place {
            Place::Host => self.plan.buffer + tiling.block * tiling.chunk,
            Place::Chip { .. } => self.plan.buffer,
        }
    }

    fn store_group(&mut self, group: &[ColumnTile], runs: &[Run]) {
        let geometry = &self.plan.geometry;
        let lanes = self.config.lanes;
        let words = geometry.group_words(group, lanes);
        let first_word = group[0].start / lanes;
        let start = self.target.host_offset as usize;
        let rows = runs
            .iter()
            .flat_map(|run| (0..run.count).map(|i| run.first + i * run.stride));
        let pieces: Vec<(u32, usize)> = rows
            .map(|row| {
                let word = row * geometry.output_words + first_word;
                ((start + word * lanes) as u32, words)
            })
            .collect();
        let address = self.staging();
        self.script.store(address, pieces.len() * words, pieces);
    }
}
