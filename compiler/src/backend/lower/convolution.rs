//! Convolutions: matrix instructions over blocks, groups and chunks.

use super::{target, Inputs, Lowering, Outputs};
use crate::network::{Convolution, Operation, Window};
use crate::passes::action::Action;
use crate::passes::memory::{Block, Span, View};
use crate::passes::place::OperationTiling;
use crate::passes::prove::Parameters;
use crate::passes::tile::{pieces, ColumnTile, Geometry, Tiling};
use crate::passes::windows;
use quern_isa::{Activate, Config, Matrix, Pattern};
use std::ops::Range;

/// Most values of the outer tap counter.
const MAX_OUTER: usize = 255;

impl Lowering<'_> {
    pub(super) fn convolution(
        &mut self,
        operation: &Operation,
        convolution: &Convolution,
        parameters: &Parameters,
        scratch: Range<usize>,
    ) {
        let OperationTiling::Convolution(tiling) = self.plan.operations[self.operation].tiling
        else {
            unreachable!("a convolution is planned as one");
        };
        let input = self.placement(convolution.input);
        let output = self.placement(operation.output);
        let geometry = Geometry::new(convolution, &input, &output, self.config);
        let outputs_first = scratch.start + tiling.input_buffers * tiling.input_words;
        let groups = geometry.tiles.chunks(tiling.group);
        let stay = {
            let most = |tiles: &[ColumnTile]| geometry.weight_tiles(tiles) * self.config.lanes;
            let all = most(&geometry.tiles);
            match all <= self.config.weight_rows {
                true => Some(all),
                false if tiling.weights_stay => groups.clone().map(most).max(),
                false => None,
            }
        };
        let stay = stay.filter(|&rows| rows <= self.config.weight_rows);
        if let Some(rows) = stay {
            self.weights.reserve(rows);
        }
        let mut run = Run {
            operation,
            convolution,
            parameters,
            tiling: &tiling,
            inputs: Inputs::new(
                input,
                convolution.input_zero_point,
                scratch.start,
                tiling.input_words,
                tiling.input_buffers,
            ),
            outputs: Outputs::new(
                output,
                outputs_first,
                tiling.output_words,
                tiling.output_buffers,
            ),
            piece_tiles: match stay {
                Some(_) => self.config.weight_rows,
                None => self.config.weight_rows / 2,
            } / self.config.lanes,
            geometry: &geometry,
        };
        let groups: Vec<Range<usize>> = pieces(0..geometry.tiles.len(), tiling.group).collect();
        let shape = geometry.output.shape;
        let blocks = || {
            pieces(0..shape.height, tiling.rows).flat_map(|rows| {
                pieces(0..shape.width, tiling.columns).map(move |columns| [rows.clone(), columns])
            })
        };
        if tiling.weights_stay {
            for group in &groups {
                blocks().for_each(|block| run.step(self, &block, group));
            }
        } else {
            for block in blocks() {
                groups.iter().for_each(|group| run.step(self, &block, group));
            }
        }
    }
}

struct Run<'a> {
    operation: &'a Operation,
    convolution: &'a Convolution,
    parameters: &'a Parameters,
    geometry: &'a Geometry,
    tiling: &'a Tiling,
    inputs: Inputs,
    outputs: Outputs,
    /// Most weight tiles of one matrix instruction.
    piece_tiles: usize,
}

/// Part of the kernel and of the input words.
#[derive(Debug, Clone)]
struct Chunk {
    taps: [Range<usize>; 2],
    words: Range<usize>,
}

impl Run<'_> {
    /// A group of column tiles for a block of output rows and columns.
    fn step(&mut self, lowering: &mut Lowering, block: &[Range<usize>; 2], group: &Range<usize>) {
        let lanes = lowering.config.lanes;
        let tiles = &self.geometry.tiles[group.clone()];
        let chunks = self.chunks(tiles);
        let positions = block[0].len() * block[1].len();
        let outputs = Block {
            rows: Span::new(block[0].clone()),
            columns: Span::new(block[1].clone()),
            words: self.geometry.output_words(tiles, lanes),
        };
        let to = self.outputs.view(&outputs);
        if let [chunk] = &chunks[..] {
            // One column tile is finished after the other.
            let from = self.load(lowering, block, chunk);
            for tile in group.clone() {
                let sums = lowering.accumulators(positions);
                self.matrix(lowering, block, chunk, &from, tile, sums, false);
                self.activate(lowering, block, &to, tile, sums);
            }
        } else {
            let sums = lowering.accumulators(positions * group.len());
            let mut begun = vec![false; group.len()];
            for chunk in &chunks {
                let from = self.load(lowering, block, chunk);
                for (index, tile) in group.clone().enumerate() {
                    let sums = sums + index * positions;
                    let begun = &mut begun[index];
                    *begun |= self.matrix(lowering, block, chunk, &from, tile, sums, *begun);
                }
            }
            for (index, tile) in group.clone().enumerate() {
                self.activate(lowering, block, &to, tile, sums + index * positions);
            }
        }
        self.outputs.store(lowering, &outputs);
    }

    fn chunks(&self, tiles: &[ColumnTile]) -> Vec<Chunk> {
        let [height, width] = self.geometry.window.kernel;
        let [rows, columns] = self.tiling.taps;
        let words = self.geometry.input_words(tiles);
        let mut chunks = Vec::new();
        for words in pieces(words, self.tiling.words) {
            for rows in pieces(0..height, rows) {
                for columns in pieces(0..width, columns) {
                    chunks.push(Chunk {
                        taps: [rows.clone(), columns],
                        words: words.clone(),
                    });
                }
            }
        }
        chunks
    }

    fn load(&mut self, lowering: &mut Lowering, block: &[Range<usize>; 2], chunk: &Chunk) -> View {
        let window = &self.geometry.window;
        let span = |axis: usize| windows::span(window, axis, &block[axis], &chunk.taps[axis]);
        let input = Block {
            rows: span(0),
            columns: span(1),
            words: chunk.words.clone(),
        };
        self.inputs.view(lowering, input)
    }

    /// Sums of one column tile over a chunk. False if it sees nothing of it.
    #[allow(clippy::too_many_arguments)]
    fn matrix(
        &mut self,
        lowering: &mut Lowering,
        block: &[Range<usize>; 2],
        chunk: &Chunk,
        from: &View,
        tile: usize,
        sums: usize,
        mut accumulate: bool,
    ) -> bool {
        let config = lowering.config;
        let window = &self.geometry.window;
        let seen = &self.geometry.tiles[tile].words;
        let words = chunk.words.start.max(seen.start)..chunk.words.end.min(seen.end);
        if words.is_empty() {
            return false;
        }
        let [rows, columns] = &chunk.taps;
        let part = Chunk {
            taps: [rows.clone(), columns.clone()],
            words,
        };
        for (index, walk) in walks(&part, from, window, self.piece_tiles)
            .into_iter()
            .enumerate()
        {
            let place = chunk.words.start * window.kernel[0] * window.kernel[1]
                + rows.start * window.kernel[1]
                + columns.start;
            let key = (lowering.operation, tile, place << 16 | index);
            let weight = match lowering.weights.find(key) {
                Some(address) => address,
                None => {
                    let rows = walk.taps.len() * config.lanes;
                    let address = lowering.weights.allocate(key, rows);
                    let bytes = self.weights(config, tile, &walk.taps);
                    lowering.literal(quern_isa::Space::Weights, address, bytes);
                    address
                }
            };
            let (ky, kx, word) = walk.taps[0];
            let place = |axis: usize, tap: usize| {
                (block[axis].start * window.stride[axis] + tap * window.dilation[axis]) as i64
                    - window.padding[axis] as i64
            };
            let pattern = Pattern {
                x_count: block[1].len() as u16,
                x_stride: from.column_stride(window.stride[1]),
                y_count: block[0].len() as u16,
                y_stride: from.row_stride(window.stride[0]),
                inner_stride: walk.inner_stride,
                outer_stride: walk.outer_stride,
            };
            let matrix = Matrix {
                accumulate,
                accumulator: sums as u16,
                activation: from.at(place(0, ky), place(1, kx), word),
                weight: weight as u16,
                inner: walk.inner as u16,
                outer: (walk.taps.len() / walk.inner) as u16,
            };
            lowering.push(Action::Matrix { pattern, matrix });
            accumulate = true;
        }
        true
    }

    /// Weight tiles of some taps, `(tap row, tap column, input word)` each.
    fn weights(&self, config: &Config, tile: usize, taps: &[(usize, usize, usize)]) -> Vec<u8> {
        let tile = &self.geometry.tiles[tile];
        let (inputs, outputs) = (
            self.geometry.input.shape.channels,
            self.geometry.output.shape.channels,
        );
        let groups = self.convolution.groups;
        let (group_inputs, group_outputs) = (inputs / groups, outputs / groups);
        let [height, width] = self.geometry.window.kernel;
        let (lanes, columns) = (config.lanes, config.columns);
        let mut bytes = vec![0; taps.len() * lanes * columns];
        for (&(ky, kx, word), rows) in taps.iter().zip(bytes.chunks_exact_mut(lanes * columns)) {
            for column in 0..tile.length {
                let output = tile.start + column;
                let first = output / group_outputs * group_inputs;
                let weights = ((output * height + ky) * width + kx) * group_inputs;
                let channels = first.max(word * lanes)..(first + group_inputs).min((word + 1) * lanes);
                for channel in channels {
                    let weight = self.convolution.weights[weights + channel - first];
                    rows[(channel - word * lanes) * columns + column] = weight as u8;
                }
            }
        }
        bytes
    }

    fn activate(
        &mut self,
        lowering: &mut Lowering,
        block: &[Range<usize>; 2],
        to: &View,
        tile: usize,
        sums: usize,
    ) {
        let lanes = lowering.config.lanes;
        let ColumnTile { start, length, .. } = self.geometry.tiles[tile];
        let parameters = &self.parameters[start..start + length];
        let parameter = lowering.parameters((lowering.operation, tile, 0), parameters);
        let finish = &self.operation.finish;
        let table = lowering.table(finish.table.as_ref());
        let (y, x) = (block[0].start as i64, block[1].start as i64);
        lowering.push(Action::Activate {
            target: target(to, block[0].len(), block[1].len(), finish.low, finish.high),
            activate: Activate {
                table,
                accumulator: sums as u16,
                activation: to.at(y, x, start / lanes),
                parameter,
                columns: length as u8,
                lane: (start % lanes) as u8,
            },
        });
    }
}

/// Taps that one matrix instruction goes through, in order.
struct Walk {
    inner: usize,
    inner_stride: u16,
    outer_stride: u16,
    taps: Vec<(usize, usize, usize)>,
}

/// The fewest instructions for all taps and words of a chunk, none with more than `most`
/// weight tiles.
fn walks(chunk: &Chunk, from: &View, window: &Window, most: usize) -> Vec<Walk> {
    let [rows, columns] = &chunk.taps;
    let words = &chunk.words;
    let down = match rows.len() {
        1 => 0,
        _ => from.row_stride(window.dilation[0]),
    };
    let right = match columns.len() {
        1 => 0,
        _ => from.column_stride(window.dilation[1]),
    };
    // Taps of a row that lie one behind the other.
    let contiguous = right as usize == words.len();
    let mut walks = Vec::new();
    let mut walk = |rows: &Range<usize>, columns: &Range<usize>, words: &Range<usize>, strides: [u16; 2]| {
        let mut taps = Vec::new();
        for ky in rows.clone() {
            for kx in columns.clone() {
                taps.extend(words.clone().map(|word| (ky, kx, word)));
            }
        }
        // The rows are the outer taps, unless there is but one of them.
        let inner = match (rows.len(), strides[0] == 1) {
            (1, true) if !contiguous => words.len(),
            _ => taps.len() / rows.len(),
        };
        split(taps, inner, strides, most, &mut walks);
    };
    if contiguous || columns.len() == 1 {
        walk(rows, columns, words, [1, down]);
    } else if words.len() == 1 {
        walk(rows, columns, words, [right, down]);
    } else if rows.len() <= words.len() {
        for row in rows.clone() {
            walk(&(row..row + 1), columns, words, [1, right]);
        }
    } else {
        for word in words.clone() {
            walk(rows, columns, &(word..word + 1), [right, down]);
        }
    }
    walks
}

fn split(
    taps: Vec<(usize, usize, usize)>,
    inner: usize,
    [inner_stride, outer_stride]: [u16; 2],
    most: usize,
    walks: &mut Vec<Walk>,
) {
    let mut walk = |inner: usize, taps: &[(usize, usize, usize)]| {
        walks.push(Walk {
            inner,
            inner_stride,
            outer_stride,
            taps: taps.to_vec(),
        });
    };
    if inner <= most {
        let outer = (most / inner).min(MAX_OUTER);
        taps.chunks(outer * inner).for_each(|taps| walk(inner, taps));
    } else {
        for row in taps.chunks(inner) {
            row.chunks(most).for_each(|taps| walk(taps.len(), taps));
        }
    }
}
