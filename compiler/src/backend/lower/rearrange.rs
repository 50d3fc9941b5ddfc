//! Codes moved about: words are fetched in the order they are needed, bytes move
//! between them in the largest regular pieces there are.

use super::Lowering;
use crate::backend::action::{Action, Data};
use crate::backend::memory::{Placement, View};
use crate::backend::prove::Parameters;
use crate::network::{MapId, Operation, Source};
use quern_isa::{Combine, Config, Pattern, Target, Vector};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Words without which not even one output word can be put together.
pub fn smallest_scratch(config: &Config) -> usize {
    config.lanes + 1
}

impl Lowering<'_> {
    pub(super) fn rearrange(
        &mut self,
        operation: &Operation,
        inputs: &[MapId],
        sources: &[Source],
        parameters: &Parameters,
        scratch: Range<usize>,
    ) {
        let output = self.placement(operation.output);
        let inputs: Vec<Placement> = inputs.iter().map(|&map| self.placement(map)).collect();
        let finish = &operation.finish;
        let plain = (finish.low, finish.high, &finish.table) == (0, 255, &None);
        let words = WordSources::new(&output, &inputs, sources, self.config.lanes);
        let on_host = inputs.iter().all(|map| !map.on_chip()) && !output.on_chip();
        if plain && on_host {
            if let Some(words) = words.whole() {
                return self.move_words(&inputs, &output, &words, scratch);
            }
        }
        let copies = vec![parameters[0]; self.config.vector_lanes];
        let mut run = Run {
            operation,
            inputs: &inputs,
            output: &output,
            parameters: copies,
            buffers: buffers(&scratch, smallest_scratch(self.config)),
            next: 0,
        };
        let mut tile = Tile::default();
        for word in 0..output.size() {
            let lanes = words.lanes(word);
            let fetched = tile.fetched.len() + tile.missing(&lanes, &inputs);
            let staged = if output.on_chip() {
                0
            } else {
                tile.words.len() + 1
            };
            if fetched + staged > run.buffers[0].len() && !tile.words.is_empty() {
                run.tile(self, std::mem::take(&mut tile));
            }
            tile.add(word, &lanes, &inputs);
        }
        run.tile(self, tile);
    }

    /// Whole words from host memory to host memory: no byte changes its lane.
    fn move_words(
        &mut self,
        inputs: &[Placement],
        output: &Placement,
        words: &[(usize, usize)],
        scratch: Range<usize>,
    ) {
        let lanes = self.config.lanes;
        let buffers = buffers(&scratch, 1);
        let mut first = 0;
        for (words, buffer) in words.chunks(buffers[0].len()).zip(buffers.iter().cycle()) {
            let mut data = Vec::new();
            for &(input, word) in words {
                inputs[input].words_at(&mut data, word, 1, lanes);
            }
            self.load(buffer.start, data);
            self.push(Action::Store {
                address: buffer.start,
                pieces: host_words(output, first, words.len(), lanes),
            });
            first += words.len();
        }
    }
}

/// Two halves, if each has room for `least` words.
fn buffers(scratch: &Range<usize>, least: usize) -> Vec<Range<usize>> {
    let half = scratch.len() / 2;
    match half >= least {
        true => vec![
            scratch.start..scratch.start + half,
            scratch.start + half..scratch.start + 2 * half,
        ],
        false => vec![scratch.clone()],
    }
}

fn host_words(map: &Placement, first: usize, count: usize, lanes: usize) -> Vec<(u32, u32)> {
    let mut data = Vec::new();
    map.words_at(&mut data, first, count, lanes);
    let host = |data| match data {
        Data::Host { offset, bytes } => Some((offset, bytes)),
        Data::Literal(_) => None,
    };
    data.into_iter().filter_map(host).collect()
}

/// A word that bytes are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum From {
    /// Of an input.
    Word { input: usize, word: usize },
    /// All bytes of it the same code.
    Fill(u8),
}

/// Which word and lane each lane of an output word comes from.
struct WordSources<'a> {
    output: &'a Placement,
    inputs: &'a [Placement],
    sources: &'a [Source],
    lanes: usize,
}

impl<'a> WordSources<'a> {
    fn new(
        output: &'a Placement,
        inputs: &'a [Placement],
        sources: &'a [Source],
        lanes: usize,
    ) -> WordSources<'a> {
        WordSources {
            output,
            inputs,
            sources,
            lanes,
        }
    }

    fn lanes(&self, word: usize) -> Vec<(From, usize)> {
        let channels = self.output.shape.channels;
        let (pixel, word) = (word / self.output.words, word % self.output.words);
        let range = word * self.lanes..channels.min((word + 1) * self.lanes);
        range
            .map(|channel| match self.sources[pixel * channels + channel] {
                Source::Code(code) => (From::Fill(code), channel % self.lanes),
                Source::Element { input, element } => {
                    let map = &self.inputs[input as usize];
                    let element = element as usize;
                    let (pixel, channel) =
                        (element / map.shape.channels, element % map.shape.channels);
                    let from = From::Word {
                        input: input as usize,
                        word: pixel * map.words + channel / self.lanes,
                    };
                    (from, channel % self.lanes)
                }
            })
            .collect()
    }

    /// Input and word of every output word, if all of them are words of the inputs.
    fn whole(&self) -> Option<Vec<(usize, usize)>> {
        (0..self.output.size())
            .map(|word| {
                let lanes = self.lanes(word);
                let first = lanes[0].0;
                let same = lanes
                    .iter()
                    .enumerate()
                    .all(|(i, &lane)| lane == (first, i));
                match first {
                    From::Word { input, word } if same => Some((input, word)),
                    _ => None,
                }
            })
            .collect()
    }
}

/// Output words that are put together at once.
#[derive(Default)]
struct Tile {
    words: Vec<usize>,
    /// What has to be loaded for them, in this order.
    fetched: Vec<From>,
    places: HashMap<From, usize>,
    runs: Vec<LaneRun>,
}

/// Neighbouring lanes from one word to another.
#[derive(Debug, Clone, Copy)]
struct LaneRun {
    from: From,
    /// Number in the tile.
    word: usize,
    from_lane: usize,
    lane: usize,
    length: usize,
}

impl Tile {
    fn missing(&self, lanes: &[(From, usize)], inputs: &[Placement]) -> usize {
        let mut new: Vec<From> = Vec::new();
        for &(from, _) in lanes {
            if loaded(from, inputs) && !self.places.contains_key(&from) && !new.contains(&from) {
                new.push(from);
            }
        }
        new.len()
    }

    fn add(&mut self, word: usize, lanes: &[(From, usize)], inputs: &[Placement]) {
        let number = self.words.len();
        self.words.push(word);
        let first = self.runs.len();
        for (lane, &(from, from_lane)) in lanes.iter().enumerate() {
            if loaded(from, inputs) && !self.places.contains_key(&from) {
                self.places.insert(from, self.fetched.len());
                self.fetched.push(from);
            }
            match self.runs[first..].last_mut() {
                Some(run) if run.from == from && run.from_lane + run.length == from_lane => {
                    run.length += 1
                }
                _ => self.runs.push(LaneRun {
                    from,
                    word: number,
                    from_lane,
                    lane,
                    length: 1,
                }),
            }
        }
    }
}

/// Not on chip already.
fn loaded(from: From, inputs: &[Placement]) -> bool {
    match from {
        From::Word { input, .. } => !inputs[input].on_chip(),
        From::Fill(_) => true,
    }
}

struct Run<'a> {
    operation: &'a Operation,
    inputs: &'a [Placement],
    output: &'a Placement,
    parameters: Vec<quern_isa::ChannelParameters>,
    buffers: Vec<Range<usize>>,
    next: usize,
}

impl Run<'_> {
    fn tile(&mut self, lowering: &mut Lowering, tile: Tile) {
        let lanes = lowering.config.lanes;
        let buffer = self.buffers[self.next].clone();
        self.next = (self.next + 1) % self.buffers.len();
        let mut data = Vec::new();
        for &from in &tile.fetched {
            match from {
                From::Word { input, word } => {
                    self.inputs[input].words_at(&mut data, word, 1, lanes)
                }
                From::Fill(code) => data.push(Data::Literal(vec![code; lanes])),
            }
        }
        if !data.is_empty() {
            lowering.load(buffer.start, data);
        }
        let staging = buffer.start + tile.fetched.len();
        for (lanes, moves) in self.moves(lowering.config, &tile, buffer.start, staging) {
            self.vectors(lowering, lanes, &moves);
        }
        if !self.output.on_chip() {
            let pieces = host_words(self.output, tile.words[0], tile.words.len(), lanes);
            lowering.push(Action::Store {
                address: staging,
                pieces,
            });
        }
    }

    /// Words to move, from and to, for each combination of lanes.
    fn moves(&self, config: &Config, tile: &Tile, first: usize, staging: usize) -> Moves {
        let views: Vec<Option<View>> = self.inputs.iter().map(Placement::view).collect();
        let output = self.output.view();
        let mut moves = Moves::new();
        for run in &tile.runs {
            let from = match run.from {
                From::Word { input, word } => {
                    views[input].map(|view| word_address(&view, &self.inputs[input], word))
                }
                From::Fill(_) => None,
            };
            let from = from.unwrap_or_else(|| first + tile.places[&run.from]);
            let to = match &output {
                Some(view) => word_address(view, self.output, tile.words[run.word]),
                None => staging + run.word,
            };
            let aligned = |lane: usize| lane % config.vector_lanes == 0;
            let together = aligned(run.from_lane) && aligned(run.lane);
            let step = if together { run.length } else { 1 };
            for lane in (0..run.length).step_by(step) {
                let key = (run.from_lane + lane, run.lane + lane, step);
                moves.entry(key).or_default().push((from as i64, to as i64));
            }
        }
        moves
    }

    fn vectors(
        &self,
        lowering: &mut Lowering,
        (source_lane, lane, columns): (usize, usize, usize),
        moves: &[(i64, i64)],
    ) {
        let finish = &self.operation.finish;
        let table = lowering.table(finish.table.as_ref());
        let parameter = lowering.parameters((lowering.operation, 1, 1), &self.parameters);
        for grid in grids(moves) {
            lowering.push(Action::Vector {
                pattern: Pattern {
                    x_count: grid.x.count as u16,
                    x_stride: grid.x.from as u16,
                    y_count: grid.y.count as u16,
                    y_stride: grid.y.from as u16,
                    inner_stride: 0,
                    outer_stride: 0,
                },
                target: Target {
                    x_count: grid.x.count as u16,
                    x_stride: grid.x.to as u16,
                    y_count: grid.y.count as u16,
                    y_stride: grid.y.to as u16,
                    low: finish.low,
                    high: finish.high,
                },
                vector: Vector {
                    combine: Combine::Sum,
                    table,
                    even_code: false,
                    activation: grid.first.1 as u16,
                    source: grid.first.0 as u16,
                    parameter,
                    inner: 1,
                    outer: 1,
                    columns: columns as u8,
                    source_lane: source_lane as u8,
                    lane: lane as u8,
                    zero_points: [0; 2],
                },
            });
        }
    }
}

/// By source lane, lane and number of lanes.
type Moves = BTreeMap<(usize, usize, usize), Vec<(i64, i64)>>;

fn word_address(view: &View, map: &Placement, word: usize) -> usize {
    let (pixel, word) = (word / map.words, word % map.words);
    let (y, x) = (pixel / map.shape.width, pixel % map.shape.width);
    view.at(y as i64, x as i64, word) as usize
}

/// Moves at equal distances, in two dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grid {
    /// Word moved from and word moved to.
    first: (i64, i64),
    x: Steps,
    y: Steps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Steps {
    count: usize,
    from: i64,
    to: i64,
}

impl Steps {
    const NONE: Steps = Steps {
        count: 1,
        from: 0,
        to: 0,
    };

    /// Whether `next` is one step beyond those from `first`; then it becomes one of them.
    /// The second decides how far a step goes.
    fn extend(&mut self, first: (i64, i64), next: (i64, i64)) -> bool {
        let taken = self.count as i64 - 1;
        let step = (
            next.0 - first.0 - taken * self.from,
            next.1 - first.1 - taken * self.to,
        );
        let fits = self.count == 1 || step == (self.from, self.to);
        if fits {
            (self.from, self.to) = step;
            self.count += 1;
        }
        fits
    }
}

/// Gathers moves into rows, and rows of the same form into grids.
fn grids(moves: &[(i64, i64)]) -> Vec<Grid> {
    let mut grids: Vec<Grid> = Vec::new();
    for row in rows(moves) {
        let joined = grids
            .last_mut()
            .is_some_and(|last| row.x == last.x && last.y.extend(last.first, row.first));
        if !joined {
            grids.push(row);
        }
    }
    grids
}

fn rows(moves: &[(i64, i64)]) -> Vec<Grid> {
    let mut rows: Vec<Grid> = Vec::new();
    for &(from, to) in moves {
        let joined = rows
            .last_mut()
            .is_some_and(|last| last.x.extend(last.first, (from, to)));
        if !joined {
            rows.push(Grid {
                first: (from, to),
                x: Steps::NONE,
                y: Steps::NONE,
            });
        }
    }
    rows
}
