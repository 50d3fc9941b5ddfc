//! Decides how each layer runs on memories of a given size: where its input and
//! output live, and how positions, outputs and inputs are cut into pieces.
//!
//! ```text
//!  for block of positions                      accumulators: positions × column tiles
//!    for group of column tiles                 staging: the group's outputs
//!      for chunk of input words                buffer: the block's words of the chunk
//!        weights streamed, sums accumulated
//!      sums become bytes
//! ```
//!
//! A tensor between two layers is on chip as a whole or in host memory as a whole.
//! Tensors on chip lie alternately at the bottom and at the top of the activation
//! memory, so that what is left between them is one piece: the buffers. All choices
//! together are a shortest path: what a layer costs depends on nothing but where its
//! two tensors are.

use crate::diagnostic::Problem;
use crate::network::{Layer, LayerKind, Network};
use quern_isa::{Config, Region, INSTRUCTION_BYTES};

/// Literal bytes of a program: their count is 32 bits wide.
const MAX_PROGRAM_BYTES: u64 = 1 << 31;

/// Samples tried by default: more gain little, because the weights are streamed
/// once for all of them.
const DEFAULT_SAMPLES: usize = 16;

#[derive(Debug, Clone)]
pub struct Plan {
    pub samples: usize,
    /// Of the layers' inputs in order, then of the last output.
    pub tensors: Vec<Tensor>,
    pub layers: Vec<LayerPlan>,
    pub host_bytes: u32,
}

/// A tensor between layers.
#[derive(Debug, Clone, Copy)]
pub struct Tensor {
    pub words: usize,
    pub place: Place,
    /// Where it lies in host memory; without meaning for a tensor that is never
    /// there.
    pub host_offset: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Chip { base: usize },
    Host,
}

#[derive(Debug, Clone)]
pub struct LayerPlan {
    pub geometry: Geometry,
    pub tiling: Tiling,
    /// First word of the activation memory that no tensor occupies.
    pub buffer: usize,
}

/// A layer in words and tiles.
#[derive(Debug, Clone)]
pub struct Geometry {
    pub samples: usize,
    /// Rows of the layer in one sample.
    pub positions: usize,
    /// Channels of a row.
    pub inputs: usize,
    pub outputs: usize,
    /// Words of an input row: tiles along the inputs.
    pub input_words: usize,
    /// Words of an output row.
    pub output_words: usize,
    pub tiles: Vec<ColumnTile>,
    /// The next layer groups channels into rows differently, across word
    /// boundaries: bytes go straight to where it wants them.
    pub scatter: Option<Rows>,
}

/// Outputs that one column of weight tiles computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnTile {
    pub start: usize,
    pub length: usize,
}

/// Layout of a sample: rows of channels, each row padded to whole words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    pub channels: usize,
    /// Words of a row.
    pub words: usize,
    /// Words of a sample.
    pub sample_words: usize,
}

/// Sizes of the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Positions whose sums are held at once.
    pub block: usize,
    /// Column tiles whose sums are held at once.
    pub group: usize,
    /// Words of each position that are on chip at once; all of them when the input
    /// is.
    pub chunk: usize,
}

impl Rows {
    fn new(positions: usize, channels: usize, lanes: usize) -> Rows {
        let words = channels.div_ceil(lanes);
        Rows {
            channels,
            words,
            sample_words: positions * words,
        }
    }
}

impl Geometry {
    /// All positions of the batch.
    pub fn rows(&self) -> usize {
        self.samples * self.positions
    }

    pub fn group_words(&self, tiles: &[ColumnTile], lanes: usize) -> usize {
        match (tiles.first(), tiles.last()) {
            (Some(first), Some(last)) => {
                (last.start + last.length).div_ceil(lanes) - first.start / lanes
            }
            _ => 0,
        }
    }

    pub fn weight_rows(&self, config: &Config) -> usize {
        self.tiles.len() * self.input_words * config.lanes
    }

    /// Weights that fit the buffer are loaded once.
    pub fn weights_fit(&self, config: &Config) -> bool {
        self.weight_rows(config) <= config.weight_rows
    }

    pub fn parameters_fit(&self, config: &Config) -> bool {
        self.outputs <= config.parameter_words
    }

    fn input_total(&self) -> usize {
        self.rows() * self.input_words
    }

    fn output_total(&self) -> usize {
        match &self.scatter {
            Some(rows) => self.samples * rows.sample_words,
            None => self.rows() * self.output_words,
        }
    }
}

/// Plans the whole network for `samples`, or for the largest default batch that
/// stays on chip.
pub fn tile(
    network: &Network,
    config: &Config,
    samples: Option<usize>,
) -> Result<Plan, Vec<Problem>> {
    let samples = match samples {
        Some(samples) => samples,
        None => {
            let on_chip = |samples: &usize| {
                let geometries = geometries(network, config, *samples);
                geometries.iter().all(|geometry| {
                    geometry.input_total() + geometry.output_total() <= config.activation_words
                })
            };
            (1..=DEFAULT_SAMPLES).rev().find(on_chip).unwrap_or(1)
        }
    };
    let geometries = geometries(network, config, samples);
    let on_chip = places(network, config, &geometries)?;
    plan(network, config, samples, geometries, &on_chip)
}

fn geometries(network: &Network, config: &Config, samples: usize) -> Vec<Geometry> {
    let layers = &network.layers;
    (0..layers.len())
        .map(|index| geometry(&layers[index], layers.get(index + 1), config, samples))
        .collect()
}

fn geometry(layer: &Layer, next: Option<&Layer>, config: &Config, samples: usize) -> Geometry {
    let lanes = config.lanes;
    if let LayerKind::Elementwise = layer.kind {
        // Elementwise layers come first, so the host lays out their input as the next
        // layer wants it, and words go through a diagonal tile one by one.
        let rows = match next {
            Some(next) => Rows::new(next.positions, next.inputs, lanes),
            None => Rows::new(layer.positions, layer.inputs, lanes),
        };
        return Geometry {
            samples,
            positions: rows.sample_words,
            inputs: lanes,
            outputs: lanes,
            input_words: 1,
            output_words: 1,
            tiles: column_tiles(lanes, lanes, config.columns),
            scatter: None,
        };
    }
    let scatter = next
        .filter(|next| {
            let aligned = layer.outputs % lanes == 0 && next.inputs % lanes == 0;
            layer.outputs != next.inputs && !aligned
        })
        .map(|next| Rows::new(next.positions, next.inputs, lanes));
    // A tile must not cross a row boundary of the next layer, in any position.
    let segment = match &scatter {
        Some(rows) => greatest_common_divisor(layer.outputs, rows.channels),
        None => layer.outputs,
    };
    Geometry {
        samples,
        positions: layer.positions,
        inputs: layer.inputs,
        outputs: layer.outputs,
        input_words: layer.inputs.div_ceil(lanes),
        output_words: layer.outputs.div_ceil(lanes),
        tiles: column_tiles(layer.outputs, segment, config.columns),
        scatter,
    }
}

fn column_tiles(outputs: usize, segment: usize, columns: usize) -> Vec<ColumnTile> {
    (0..outputs)
        .step_by(segment)
        .flat_map(|from| {
            let starts = (from..from + segment).step_by(columns);
            starts.map(move |start| ColumnTile {
                start,
                length: columns.min(from + segment - start),
            })
        })
        .collect()
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

/// Whether each tensor is on chip, for the lowest total cost.
fn places(
    network: &Network,
    config: &Config,
    geometries: &[Geometry],
) -> Result<Vec<bool>, Vec<Problem>> {
    const CHOICES: [bool; 2] = [true, false];
    // For both places of the latest tensor: the cost up to it and the way there.
    let mut paths: [Option<(u64, Vec<bool>)>; 2] = CHOICES.map(|on_chip| Some((0, vec![on_chip])));
    for (geometry, layer) in geometries.iter().zip(&network.layers) {
        let next = CHOICES.map(|to_chip| {
            let reached = CHOICES.iter().zip(&paths).filter_map(|(&from_chip, path)| {
                let (cost, way) = path.as_ref()?;
                let (_, step) = best_tiling(geometry, config, from_chip, to_chip)?;
                // Tensors of the input and output that are on chip as a whole still
                // pass through the ports once.
                Some((cost + step, way))
            });
            let (cost, way) = reached.min_by_key(|(cost, _)| *cost)?;
            let mut way = way.clone();
            way.push(to_chip);
            Some((cost, way))
        });
        if next.iter().all(Option::is_none) {
            let reason = format!(
                "its {} outputs are regrouped into rows of {} across word boundaries, which has to happen on chip, and {} words do not fit the {} of `{}`; choose channel counts that are multiples of {}, or a larger configuration",
                geometry.outputs,
                geometry.scatter.map_or(geometry.outputs, |rows| rows.channels),
                geometry.output_total(),
                config.activation_words,
                config.name,
                config.lanes,
            );
            return Err(vec![Problem::tensor(&layer.name, reason)]);
        }
        paths = next;
    }
    let best = paths.into_iter().flatten().min_by_key(|(cost, _)| *cost);
    best.map(|(_, way)| way).ok_or_else(Vec::new)
}

/// The cheapest tiling of one layer, and its cost in cycles of the stream port and
/// the array.
fn best_tiling(
    geometry: &Geometry,
    config: &Config,
    from_chip: bool,
    to_chip: bool,
) -> Option<(Tiling, u64)> {
    if geometry.scatter.is_some() && !to_chip {
        return None;
    }
    let input = if from_chip { geometry.input_total() } else { 0 };
    let output = if to_chip { geometry.output_total() } else { 0 };
    let free = config
        .activation_words
        .checked_sub(input.checked_add(output)?)?;
    let mut best: Option<(Tiling, u64)> = None;
    for block in block_sizes(geometry.rows(), config.accumulator_words) {
        for group in group_sizes(geometry, config, config.accumulator_words / block, to_chip) {
            let staging = match to_chip {
                true => 0,
                false => block * staging_words(geometry, config, group),
            };
            let Some(left) = free.checked_sub(staging) else {
                continue;
            };
            let chunk = match from_chip {
                true => geometry.input_words,
                false => geometry.input_words.min(left / block),
            };
            if chunk == 0 {
                continue;
            }
            let tiling = Tiling {
                block,
                group,
                chunk,
            };
            let cost = cost(geometry, config, &tiling);
            if best.is_none_or(|(_, least)| cost < least) {
                best = Some((tiling, cost));
            }
        }
    }
    best
}

/// Words one position of a whole group takes at most.
fn staging_words(geometry: &Geometry, config: &Config, group: usize) -> usize {
    let groups = geometry.tiles.chunks(group);
    groups
        .map(|tiles| geometry.group_words(tiles, config.lanes))
        .max()
        .unwrap_or(0)
}

/// Equal blocks, of every number of blocks.
fn block_sizes(rows: usize, most: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut count = rows.div_ceil(most);
    loop {
        let size = rows.div_ceil(count);
        sizes.push(size);
        if size == 1 {
            return sizes;
        }
        // The next count that makes blocks smaller.
        count = rows.div_ceil(size - 1);
    }
}

/// Group sizes worth trying: all tiles, then halves. Groups that go to host memory
/// end at word boundaries.
fn group_sizes(geometry: &Geometry, config: &Config, most: usize, to_chip: bool) -> Vec<usize> {
    let all = geometry.tiles.len();
    let step = match to_chip {
        true => 1,
        false => config.lanes / greatest_common_divisor(config.lanes, config.columns),
    };
    let mut sizes = Vec::new();
    let mut size = all.min(most);
    while size > 0 {
        let aligned = if size == all { all } else { size / step * step };
        if aligned > 0 && sizes.last() != Some(&aligned) {
            sizes.push(aligned);
        }
        size /= 2;
    }
    if !sizes.contains(&step) && step <= all.min(most) {
        sizes.push(step);
    }
    sizes
}

/// Bytes of weights that travel in a run.
fn weight_bytes(geometry: &Geometry, config: &Config, tiling: &Tiling) -> u64 {
    let passes = match geometry.weights_fit(config) {
        true => 1,
        false => geometry.rows().div_ceil(tiling.block),
    };
    let word = config.word_beats(quern_isa::Space::Weights) * config.stream_bytes;
    (geometry.weight_rows(config) * passes * word) as u64
}

fn cost(geometry: &Geometry, config: &Config, tiling: &Tiling) -> u64 {
    use quern_isa::Space::{Activations, Parameters, Weights};
    let beats = |space, words: usize| (words * config.word_beats(space)) as u64;
    let rows = geometry.rows();
    let blocks = rows.div_ceil(tiling.block);
    let tiles = geometry.tiles.len();
    let groups = tiles.div_ceil(tiling.group);
    let weight_passes = if geometry.weights_fit(config) {
        1
    } else {
        blocks
    };
    let weights = beats(Weights, geometry.weight_rows(config)) * weight_passes as u64;
    let parameter_passes = if geometry.parameters_fit(config) {
        1
    } else {
        blocks
    };
    let parameters = beats(Parameters, geometry.outputs * parameter_passes);
    let input_passes = match tiling.chunk == geometry.input_words {
        true => 1,
        false => groups,
    };
    let input = beats(Activations, geometry.input_total() * input_passes);
    let output = beats(Activations, geometry.output_total());
    let chunks = geometry.input_words.div_ceil(tiling.chunk);
    let loads = geometry
        .weight_rows(config)
        .div_ceil(config.weight_rows)
        .max(chunks)
        * weight_passes;
    let instructions = loads + blocks * (tiles * (chunks + 1) + groups * 2);
    // A tile takes its positions or the loading of its rows, whichever is longer.
    let array = tiles * geometry.input_words * blocks * tiling.block.max(config.lanes);
    weights
        + parameters
        + input
        + output
        + (instructions * INSTRUCTION_BYTES.div_ceil(config.stream_bytes)) as u64
        + array as u64
}

fn plan(
    network: &Network,
    config: &Config,
    samples: usize,
    geometries: Vec<Geometry>,
    on_chip: &[bool],
) -> Result<Plan, Vec<Problem>> {
    let words: Vec<usize> = geometries
        .first()
        .map(Geometry::input_total)
        .into_iter()
        .chain(geometries.iter().map(Geometry::output_total))
        .collect();
    let last = words.len() - 1;
    let mut host_bytes = 0u64;
    let mut tensors = Vec::new();
    for (index, &words) in words.iter().enumerate() {
        let place = match (on_chip[index], index % 2) {
            (false, _) => Place::Host,
            (true, 0) => Place::Chip { base: 0 },
            (true, _) => Place::Chip {
                base: config.activation_words - words,
            },
        };
        tensors.push(Tensor {
            words,
            place,
            host_offset: host_bytes.min(u32::MAX as u64) as u32,
        });
        if place == Place::Host || index == 0 || index == last {
            host_bytes += words as u64 * config.lanes as u64;
        }
    }
    let host_bytes = u32::try_from(host_bytes).map_err(|_| {
        let reason = format!(
            "{samples} samples need {host_bytes} bytes of host memory, more than a program can address; compile with a smaller batch"
        );
        vec![Problem::tensor(&network.input.name, reason)]
    })?;
    let layers = geometries
        .into_iter()
        .enumerate()
        .map(|(index, geometry)| {
            let (from_chip, to_chip) = (on_chip[index], on_chip[index + 1]);
            let bottom = if index % 2 == 0 { index } else { index + 1 };
            let buffer = if on_chip[bottom] { words[bottom] } else { 0 };
            let tiling = best_tiling(&geometry, config, from_chip, to_chip)?;
            Some(LayerPlan {
                geometry,
                tiling: tiling.0,
                buffer,
            })
        })
        .collect::<Option<Vec<LayerPlan>>>()
        .ok_or_else(Vec::new)?;
    let weights: u64 = layers
        .iter()
        .map(|layer: &LayerPlan| weight_bytes(&layer.geometry, config, &layer.tiling))
        .sum();
    if weights > MAX_PROGRAM_BYTES {
        let reason = format!(
            "on `{}` the weights would be streamed {weights} bytes long for {samples} samples, more than a program can hold; compile with a smaller batch or for a larger configuration",
            config.name
        );
        return Err(vec![Problem::tensor(&network.input.name, reason)]);
    }
    Ok(Plan {
        samples,
        tensors,
        layers,
        host_bytes,
    })
}

impl Plan {
    pub fn region(&self, tensor: usize) -> Region {
        let Tensor {
            words, host_offset, ..
        } = self.tensors[tensor];
        Region {
            offset: host_offset,
            words_per_sample: (words / self.samples) as u32,
            samples: self.samples as u32,
        }
    }
}
