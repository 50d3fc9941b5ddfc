//! Cuts the operations of the vector instruction into pieces that fit the memories.

use crate::backend::cost::{self, Cost};
use crate::backend::memory::Placement;
use crate::backend::tile::{pieces, sizes};
use crate::backend::windows::{self, Segment};
use crate::network::{Kind, Shape, Window};
use quern_isa::{Config, Space};

/// Most taps of an instruction, rows and columns.
const MOST_TAPS: [usize; 2] = [255, 65535];

/// Sizes of the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorTiling {
    pub rows: usize,
    pub columns: usize,
    /// Words of each pixel.
    pub words: usize,
    /// Buffers in turn for each input that is not on chip, and words of one.
    pub input_buffers: usize,
    pub input_words: usize,
    pub output_buffers: usize,
    pub output_words: usize,
}

/// Output pixels whose windows have the same taps inside the map.
#[derive(Debug, Clone)]
pub struct Region {
    pub rows: Segment,
    pub columns: Segment,
}

impl Region {
    /// The windows miss the map.
    pub fn empty(&self) -> bool {
        self.rows.taps.is_empty() || self.columns.taps.is_empty()
    }
}

pub fn regions(window: &Window, input: Shape, output: Shape) -> Vec<Region> {
    let rows = windows::segments(window, 0, input.height, output.height);
    let columns = windows::segments(window, 1, input.width, output.width);
    let region = |rows: &Segment, columns: &Segment| Region {
        rows: rows.clone(),
        columns: columns.clone(),
    };
    let row = |rows: &Segment| -> Vec<Region> {
        columns
            .iter()
            .map(|columns| region(rows, columns))
            .collect()
    };
    rows.iter().flat_map(row).collect()
}

/// Whether the memory holds what one output of each region reads, a word of a pixel, and the
/// output.
pub fn fits(window: &Window, input: Shape, output: Shape, config: &Config) -> bool {
    regions(window, input, output).iter().all(|region| {
        let span = |axis: usize, taps| windows::span(window, axis, &(0..1), taps).count;
        let words = span(0, &region.rows.taps) * span(1, &region.columns.taps);
        in_reach(region) && (region.empty() || words < config.activation_words)
    })
}

fn in_reach(region: &Region) -> bool {
    counts([region.rows.taps.len(), region.columns.taps.len()])
}

/// Whether an instruction counts so many rows and columns of taps.
pub fn counts(taps: [usize; 2]) -> bool {
    taps[0] <= MOST_TAPS[0] && taps[1] <= MOST_TAPS[1]
}

/// The cheapest tiling that needs no more than `scratch` words of the activation memory
/// beside the maps that are on chip as a whole.
pub fn tile(
    kind: &Kind,
    inputs: &[Placement],
    output: &Placement,
    config: &Config,
    scratch: usize,
) -> Option<(VectorTiling, Cost)> {
    let window = kind.window();
    let regions = regions(&window, inputs[0].shape, output.shape);
    if !regions.iter().all(in_reach) {
        return None;
    }
    let search = Search {
        kind,
        window,
        regions: &regions,
        inputs,
        output,
        config,
    };
    let mut best: Option<(VectorTiling, Cost)> = None;
    let on_host = inputs.iter().filter(|map| !map.on_chip()).count();
    // A map that is on chip has all words of a pixel together, so a block has to as well.
    let mixed = on_host > 0 && on_host < inputs.len();
    let words = match mixed {
        true => vec![output.words],
        false => sizes(output.words, output.words),
    };
    let most = scratch.max(1);
    for rows in sizes(output.shape.height, output.shape.height) {
        for columns in sizes(output.shape.width, output.shape.width) {
            for &words in &words {
                if on_host > 0 && rows * columns * words > most {
                    continue;
                }
                let Some(tiling) = search.tiling(rows, columns, words, scratch) else {
                    continue;
                };
                let cost = search.cost(&tiling);
                if best.is_none_or(|(_, least)| cost.weight() < least.weight()) {
                    best = Some((tiling, cost));
                }
            }
        }
    }
    best
}

struct Search<'a> {
    kind: &'a Kind,
    window: Window,
    regions: &'a [Region],
    inputs: &'a [Placement],
    output: &'a Placement,
    config: &'a Config,
}

impl Search<'_> {
    fn on_host(&self) -> usize {
        self.inputs.iter().filter(|map| !map.on_chip()).count()
    }

    fn tiling(
        &self,
        rows: usize,
        columns: usize,
        words: usize,
        scratch: usize,
    ) -> Option<VectorTiling> {
        let span = |axis: usize, segment: &Segment, size: usize| {
            let outputs = 0..size.min(segment.outputs.len());
            windows::span(&self.window, axis, &outputs, &segment.taps).count
        };
        let input = self
            .regions
            .iter()
            .filter(|region| !region.empty())
            .map(|region| span(0, &region.rows, rows) * span(1, &region.columns, columns) * words)
            .max()
            .unwrap_or(0);
        let input = if self.on_host() == 0 { 0 } else { input };
        let output = match self.output.on_chip() {
            true => 0,
            false => rows * columns * words,
        };
        let buffers = [[2, 2], [2, 1], [1, 2], [1, 1]];
        let [input_buffers, output_buffers] = buffers
            .into_iter()
            .find(|[i, o]| input * self.on_host() * i + output * o <= scratch)?;
        Some(VectorTiling {
            rows,
            columns,
            words,
            input_buffers,
            input_words: input,
            output_buffers,
            output_words: output,
        })
    }

    fn cost(&self, tiling: &VectorTiling) -> Cost {
        let (config, output) = (self.config, self.output);
        let chunks = output.words.div_ceil(tiling.words);
        let (mut input, mut tiles, mut outputs, mut reads) = (0, 0, 0, 0);
        for region in self.regions {
            let axis = |axis: usize, segment: &Segment, size: usize| {
                let span = |piece| windows::span(&self.window, axis, &piece, &segment.taps).count;
                let pieces = pieces(segment.outputs.clone(), size);
                (pieces.clone().count(), pieces.map(span).sum::<usize>())
            };
            let (row_pieces, rows) = axis(0, &region.rows, tiling.rows);
            let (column_pieces, columns) = axis(1, &region.columns, tiling.columns);
            let taps = region.rows.taps.len() * region.columns.taps.len();
            let pixels = region.rows.outputs.len() * region.columns.outputs.len();
            tiles += row_pieces * column_pieces * chunks;
            input += if taps > 0 {
                rows * columns * output.words
            } else {
                0
            };
            outputs += pixels;
            reads += pixels * taps.max(self.inputs.len());
        }
        let channels = match config.vector_lanes {
            1 => output.shape.channels,
            lanes => output.words * config.lanes / lanes,
        };
        let (instructions, tables) = match self.kind {
            Kind::ChannelTables { .. } => {
                let runs = tiles * output.shape.channels.div_ceil(chunks);
                (runs * 4, runs)
            }
            _ => (tiles * (tiling.words * 2 + 3), 1),
        };
        let stored = if output.on_chip() { 0 } else { output.size() };
        let activation = (reads + outputs * cost::output_cycles(config) as usize) * channels;
        Cost {
            fetch: cost::fetch(config, instructions),
            literal: cost::beats(config, Space::Table, tables * 256),
            input: cost::beats(config, Space::Activations, input * self.on_host()),
            matrix: 0,
            activation: activation as u64,
            stages: 1,
            store: cost::store(config, stored),
            input_waits: tiling.input_buffers == 1,
            // They share a port.
            output_waits: true,
            sums_wait: false,
        }
    }
}
