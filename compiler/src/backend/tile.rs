//! Cuts convolutions into pieces that fit the memories, for the fewest cycles.
//!
//! ```text
//!  for block of output pixels                  (or groups outside, blocks inside)
//!    for group of column tiles                 staging: the group's outputs
//!      for chunk of taps and input words       buffer: the pixels and words it reads
//!        for column tile
//!          weights streamed, sums accumulated
//!      sums become bytes
//! ```
//! A **column tile** is as many outputs as the array has columns. Where the group's
//! whole input is on chip at once, column tile after column tile is finished, and the
//! accumulators hold as few as two of them.

use crate::backend::cost::{self, Cost};
use crate::backend::memory::Placement;
use crate::backend::windows;
use crate::network::{Convolution, Window};
use quern_isa::{Config, Space};
use std::ops::Range;

/// Sizes of the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Rows and columns of output pixels in a block.
    pub rows: usize,
    pub columns: usize,
    /// Column tiles in a group.
    pub group: usize,
    /// Groups outside, blocks inside: a group's weights stay while all blocks pass.
    pub weights_stay: bool,
    /// Rows and columns of taps in a chunk.
    pub taps: [usize; 2],
    /// Input words in a chunk.
    pub words: usize,
    /// Buffers in turn for input blocks, and words of one.
    pub input_buffers: usize,
    pub input_words: usize,
    /// Buffers in turn for outputs, and words of one.
    pub output_buffers: usize,
    pub output_words: usize,
}

/// Outputs that one column of weight tiles computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnTile {
    pub start: usize,
    pub length: usize,
    /// Input words its outputs see.
    pub words: Range<usize>,
}

/// A convolution in words and tiles.
#[derive(Debug, Clone)]
pub struct Geometry {
    pub window: Window,
    pub input: Placement,
    pub output: Placement,
    pub tiles: Vec<ColumnTile>,
}

impl Geometry {
    pub fn new(
        convolution: &Convolution,
        input: &Placement,
        output: &Placement,
        config: &Config,
    ) -> Geometry {
        let (inputs, outputs) = (input.shape.channels, output.shape.channels);
        let groups = convolution.groups;
        let (group_inputs, group_outputs) = (inputs / groups, outputs / groups);
        let tile = |start: usize| {
            let length = config.columns.min(outputs - start);
            let first = start / group_outputs * group_inputs;
            let end = ((start + length - 1) / group_outputs + 1) * group_inputs;
            ColumnTile {
                start,
                length,
                words: first / config.lanes..end.div_ceil(config.lanes),
            }
        };
        Geometry {
            window: convolution.window,
            input: input.clone(),
            output: output.clone(),
            tiles: (0..outputs).step_by(config.columns).map(tile).collect(),
        }
    }

    /// Output words of neighbouring column tiles.
    pub fn output_words(&self, tiles: &[ColumnTile], lanes: usize) -> Range<usize> {
        let (first, last) = (&tiles[0], &tiles[tiles.len() - 1]);
        first.start / lanes..(last.start + last.length).div_ceil(lanes)
    }

    /// Input words that neighbouring column tiles see.
    pub fn input_words(&self, tiles: &[ColumnTile]) -> Range<usize> {
        tiles[0].words.start..tiles[tiles.len() - 1].words.end
    }

    /// Weight tiles of column tiles.
    pub fn weight_tiles(&self, tiles: &[ColumnTile]) -> usize {
        let words: usize = tiles.iter().map(|tile| tile.words.len()).sum();
        words * self.window.kernel[0] * self.window.kernel[1]
    }

    /// Every column tile sees all inputs.
    fn dense(&self) -> bool {
        let all = 0..self.input.words;
        self.tiles.iter().all(|tile| tile.words == all)
    }
}

/// Equal pieces, of every number of pieces, none larger than `most`.
pub fn sizes(total: usize, most: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut count = total.div_ceil(most);
    loop {
        let size = total.div_ceil(count);
        sizes.push(size);
        if size == 1 {
            return sizes;
        }
        // The next count that makes pieces smaller.
        count = total.div_ceil(size - 1);
    }
}

/// A range in pieces.
pub fn pieces(total: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let end = total.end;
    total
        .step_by(size)
        .map(move |start| start..end.min(start + size))
}

/// The cheapest tiling that needs no more than `scratch` words of the activation memory
/// beside the maps that are on chip as a whole.
pub fn tile(geometry: &Geometry, config: &Config, scratch: usize) -> Option<(Tiling, Cost)> {
    let Geometry { input, output, .. } = geometry;
    let mut best: Option<(Tiling, Cost)> = None;
    let axis = |axis, outputs| Axis::all(&geometry.window, axis, outputs, config);
    let rows = axis(0, output.shape.height);
    let columns = axis(1, output.shape.width);
    for group in groups(geometry, config) {
        for rows in &rows {
            for columns in &columns {
                if rows.size * columns.size > config.accumulator_words {
                    continue;
                }
                for buffers in buffers(input.on_chip(), output.on_chip()) {
                    let search = Search {
                        geometry,
                        config,
                        rows,
                        columns,
                        group: &group,
                        buffers,
                    };
                    let Some(tiling) = search.tiling(scratch) else {
                        continue;
                    };
                    for weights_stay in [false, true] {
                        let tiling = Tiling {
                            weights_stay,
                            ..tiling
                        };
                        let cost = search.cost(&tiling);
                        if best.is_none_or(|(_, least)| cost.weight() < least.weight()) {
                            best = Some((tiling, cost));
                        }
                    }
                }
            }
        }
    }
    best
}

/// Numbers of buffers to choose from, for inputs and outputs; what is on chip needs
/// none.
fn buffers(input_on_chip: bool, output_on_chip: bool) -> impl Iterator<Item = [usize; 2]> {
    let choices = |on_chip: bool| if on_chip { 1..=1 } else { 1..=2 };
    choices(input_on_chip)
        .flat_map(move |input| choices(output_on_chip).map(move |output| [input, output]))
}

/// An axis of the output in pieces of a size.
struct Axis {
    size: usize,
    pieces: usize,
    /// Input rows (or columns) that a piece sees through `1..=kernel` taps.
    spans: Vec<usize>,
    /// Of all pieces together, through the whole kernel.
    total: usize,
}

impl Axis {
    fn all(window: &Window, axis: usize, outputs: usize, config: &Config) -> Vec<Axis> {
        let kernel = window.kernel[axis];
        let span = |outputs: Range<usize>, taps: usize| {
            windows::span(window, axis, &outputs, &(0..taps)).count
        };
        sizes(outputs, config.accumulator_words)
            .into_iter()
            .map(|size| Axis {
                size,
                pieces: outputs.div_ceil(size),
                spans: (1..=kernel).map(|taps| span(0..size, taps)).collect(),
                total: pieces(0..outputs, size)
                    .map(|piece| span(piece, kernel))
                    .sum(),
            })
            .collect()
    }

    fn span(&self, taps: usize) -> usize {
        self.spans[taps - 1]
    }
}

/// Groups of so many column tiles.
struct Group {
    size: usize,
    count: usize,
    /// Most input and output words of one.
    input_words: usize,
    output_words: usize,
    /// Input words of all.
    input_total: usize,
    /// Most weight tiles of one.
    weight_tiles: usize,
}

/// Group sizes worth trying: all tiles, then halves. Groups that go to host memory end
/// at word boundaries.
fn groups(geometry: &Geometry, config: &Config) -> Vec<Group> {
    let all = geometry.tiles.len();
    let step = match geometry.output.on_chip() {
        true => 1,
        false => config.lanes / greatest_common_divisor(config.lanes, config.columns),
    };
    let mut sizes = vec![all];
    let mut size = all;
    while size > step {
        size = (size / 2).next_multiple_of(step);
        if sizes.last() == Some(&size) {
            break;
        }
        sizes.push(size);
    }
    if all > step && !sizes.contains(&step) {
        sizes.push(step);
    }
    let group = |size: usize| {
        let groups = || geometry.tiles.chunks(size);
        let inputs = || groups().map(|tiles| geometry.input_words(tiles).len());
        let outputs = groups().map(|tiles| geometry.output_words(tiles, config.lanes).len());
        let weights = groups().map(|tiles| geometry.weight_tiles(tiles));
        Group {
            size,
            count: all.div_ceil(size),
            input_words: inputs().max().unwrap_or(0),
            output_words: outputs.max().unwrap_or(0),
            input_total: inputs().sum(),
            weight_tiles: weights.max().unwrap_or(0),
        }
    };
    sizes.into_iter().map(group).collect()
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

/// One point of the search.
struct Search<'a> {
    geometry: &'a Geometry,
    config: &'a Config,
    rows: &'a Axis,
    columns: &'a Axis,
    group: &'a Group,
    /// For input blocks and for outputs.
    buffers: [usize; 2],
}

impl Search<'_> {
    fn positions(&self) -> usize {
        self.rows.size * self.columns.size
    }

    fn tiling(&self, scratch: usize) -> Option<Tiling> {
        let kernel = self.geometry.window.kernel;
        let [input_buffers, output_buffers] = self.buffers;
        let output_words = match self.geometry.output.on_chip() {
            true => 0,
            false => self.positions() * self.group.output_words,
        };
        let left = scratch.checked_sub(output_words * output_buffers)?;
        let (taps, words) = match self.geometry.input.on_chip() {
            true => (kernel, self.group.input_words),
            false => self.chunk(left / input_buffers)?,
        };
        let chunked = taps != kernel || words < self.group.input_words;
        if chunked && self.positions() * self.group.size > self.config.accumulator_words {
            return None;
        }
        let input_words = match self.geometry.input.on_chip() {
            true => 0,
            false => self.rows.span(taps[0]) * self.columns.span(taps[1]) * words,
        };
        Some(Tiling {
            rows: self.rows.size,
            columns: self.columns.size,
            group: self.group.size,
            weights_stay: false,
            taps,
            words,
            input_buffers,
            input_words,
            output_buffers,
            output_words,
        })
    }

    /// The largest chunk whose block fits: all taps and as many words as possible, or
    /// one word and as many taps.
    fn chunk(&self, room: usize) -> Option<([usize; 2], usize)> {
        let [height, width] = self.geometry.window.kernel;
        let block = |taps: [usize; 2]| self.rows.span(taps[0]) * self.columns.span(taps[1]);
        let rows = (1..height).rev().map(|rows| [rows, width]);
        let columns = (1..width).rev().map(|columns| [1, columns]);
        let mut taps = std::iter::once([height, width]).chain(rows).chain(columns);
        let taps = taps.find(|&taps| block(taps) <= room)?;
        // A part of the taps goes with one word at a time: the other way round loads
        // more.
        let all = self.group.input_words;
        let words = match taps == [height, width] {
            true => (room / block(taps)).min(all),
            false => 1,
        };
        Some((taps, all.div_ceil(all.div_ceil(words))))
    }

    fn cost(&self, tiling: &Tiling) -> Cost {
        let (geometry, config, group) = (self.geometry, self.config, self.group);
        let kernel = geometry.window.kernel;
        let blocks = self.rows.pieces * self.columns.pieces;
        let tap_chunks = kernel[0].div_ceil(tiling.taps[0]) * kernel[1].div_ceil(tiling.taps[1]);
        let chunks = tap_chunks * group.input_words.div_ceil(tiling.words);
        let weight_tiles = geometry.weight_tiles(&geometry.tiles);
        let fit = |tiles: usize| tiles * config.lanes <= config.weight_rows;
        let stay = fit(weight_tiles) || tiling.weights_stay && fit(group.weight_tiles);
        let weight_passes = if stay { 1 } else { blocks };
        let weights = weight_tiles * config.lanes * weight_passes;

        let input = match geometry.input.on_chip() {
            true => 0,
            false => {
                let once = geometry.dense() && chunks == 1 && !tiling.weights_stay;
                let words = if once {
                    group.input_words
                } else {
                    group.input_total
                };
                let pixels = match tap_chunks {
                    1 => self.rows.total * self.columns.total,
                    // Overlaps of the parts left out of account.
                    _ => {
                        blocks
                            * tap_chunks
                            * self.rows.span(tiling.taps[0])
                            * self.columns.span(tiling.taps[1])
                    }
                };
                pixels * words
            }
        };
        let shape = geometry.output.shape;
        let pixels = shape.height * shape.width;
        let stored = match geometry.output.on_chip() {
            true => 0,
            false => pixels * geometry.output.words,
        };
        let parameter_passes = match shape.channels <= config.parameter_words {
            true => 1,
            false => blocks,
        };
        let tiles = geometry.tiles.len();
        // Loads, matrices and activates with their patterns and targets.
        let instructions = weight_passes * tiles * chunks
            + blocks * tiles * (chunks + 1)
            + blocks * group.count * (chunks + 3);
        let matrix = weight_tiles * pixels.max(blocks * config.lanes)
            + blocks * tiles * chunks * cost::matrix_ends(config) as usize
            // Each word the activation unit reads takes the place of a position.
            + pixels * tiles;
        let outputs = match config.vector_lanes {
            1 => shape.channels,
            lanes => tiles * config.columns.div_ceil(lanes),
        };
        let slots = config.accumulator_words / self.positions();
        let held = if chunks == 1 { 1 } else { group.size };
        Cost {
            fetch: cost::fetch(config, instructions),
            literal: cost::beats(config, Space::Weights, weights)
                + cost::beats(config, Space::Parameters, shape.channels * parameter_passes),
            input: cost::beats(config, Space::Activations, input),
            matrix: matrix as u64,
            activation: (pixels * outputs) as u64 * cost::output_cycles(config)
                + (blocks * tiles) as u64 * cost::activate_ends(config),
            store: cost::store(config, stored),
            stages: (blocks * tiles) as u64,
            input_waits: tiling.input_buffers == 1 && input > 0,
            output_waits: tiling.output_buffers == 1 && stored > 0,
            sums_wait: slots < 2 * held,
        }
    }
}
