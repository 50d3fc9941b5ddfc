//! Everything the vector instruction does lane by lane: pools, sums and products of two
//! maps, functions of codes.

use super::{target, Inputs, Lowering, Outputs};
use crate::network::{Kind, Operation, Window};
use crate::passes::action::Action;
use crate::passes::memory::{Block, Span, View};
use crate::passes::place::OperationTiling;
use crate::passes::prove::Parameters;
use crate::passes::tile::pieces;
use crate::passes::vector_tile::{regions, Region, VectorTiling};
use crate::passes::windows;
use crate::table::Table;
use quern_isa::{numerics, ChannelParameters, Combine, Pattern, Space, Vector};
use std::ops::Range;

impl Lowering<'_> {
    pub(super) fn vectors(
        &mut self,
        operation: &Operation,
        parameters: &Parameters,
        scratch: Range<usize>,
    ) {
        let OperationTiling::Vector(tiling) = self.plan.operations[self.operation].tiling else {
            unreachable!("the operation is planned as one of vectors");
        };
        if let Kind::Add { tables, .. } = &operation.kind {
            self.lookup(&tables[..]);
        }
        let mut first = scratch.start;
        let mut inputs: Vec<Inputs> = Vec::new();
        for &map in &operation.kind.inputs() {
            let map = self.placement(map);
            let (words, count) = (tiling.input_words, tiling.input_buffers);
            let taken = if map.on_chip() { 0 } else { words * count };
            inputs.push(Inputs::new(map, 0, first, words, count));
            first += taken;
        }
        let output = self.placement(operation.output);
        let mut run = Run {
            operation,
            tiling: &tiling,
            window: operation.kind.window(),
            parameters,
            inputs,
            outputs: Outputs::new(output, first, tiling.output_words, tiling.output_buffers),
        };
        let output = self.network.maps[operation.output.0].shape;
        let input = self.network.maps[operation.kind.inputs()[0].0].shape;
        for region in regions(&run.window, input, output) {
            for words in pieces(0..run.outputs.map.words, tiling.words) {
                for rows in pieces(region.rows.outputs.clone(), tiling.rows) {
                    for columns in pieces(region.columns.outputs.clone(), tiling.columns) {
                        run.tile(self, &region, [rows.clone(), columns], &words);
                    }
                }
            }
        }
    }

    fn lookup(&mut self, tables: &[[i32; 256]]) {
        if self.lookup == Some(self.operation) {
            return;
        }
        let bytes = self.config.accumulator_bytes();
        let entries = tables.iter().flatten();
        let words = entries.flat_map(|entry| entry.to_le_bytes()[..bytes].to_vec());
        self.literal(Space::Lookup, 0, words.collect());
        self.lookup = Some(self.operation);
    }
}

struct Run<'a> {
    operation: &'a Operation,
    tiling: &'a VectorTiling,
    window: Window,
    parameters: &'a Parameters,
    inputs: Vec<Inputs>,
    outputs: Outputs,
}

/// What all vector instructions of a tile have in common.
struct Common {
    combine: Combine,
    even_code: bool,
    zero_points: [u8; 2],
    parameter: u16,
}

impl Run<'_> {
    fn tile(
        &mut self,
        lowering: &mut Lowering,
        region: &Region,
        pixels: [Range<usize>; 2],
        words: &Range<usize>,
    ) {
        let taps = [region.rows.taps.clone(), region.columns.taps.clone()];
        let span = |axis: usize| windows::span(&self.window, axis, &pixels[axis], &taps[axis]);
        let outputs = Block {
            rows: Span::new(pixels[0].clone()),
            columns: Span::new(pixels[1].clone()),
            words: words.clone(),
        };
        let to = self.outputs.view(&outputs);
        let from: Option<Vec<View>> = (!region.empty()).then(|| {
            let block = Block {
                rows: span(0),
                columns: span(1),
                words: words.clone(),
            };
            let inputs = self.inputs.iter_mut();
            inputs
                .map(|input| input.view(lowering, block.clone()))
                .collect()
        });
        let common = self.common(lowering, region);
        let walk = Walk {
            window: &self.window,
            taps: &taps,
            from: from.as_deref(),
            to: &to,
        };
        // Rows of two maps in step with each other, or row by row.
        let together = match from.as_deref() {
            Some([a, b]) => a.row == b.row,
            _ => true,
        };
        match together {
            true => self.rectangle(lowering, &walk, &common, pixels, words),
            false => {
                for row in pixels[0].clone() {
                    let row = [row..row + 1, pixels[1].clone()];
                    self.rectangle(lowering, &walk, &common, row, words);
                }
            }
        }
        self.outputs.store(lowering, &outputs);
    }

    fn common(&self, lowering: &mut Lowering, region: &Region) -> Common {
        let count = region.rows.taps.len() * region.columns.taps.len();
        let (combine, even_code, zero_points) = match &self.operation.kind {
            Kind::MaxPool { .. } => (Combine::Maximum, false, [0; 2]),
            Kind::AveragePool(pool) => (Combine::Sum, pool.zero_point_first, [0; 2]),
            Kind::Add { .. } => (Combine::Lookup, false, [0; 2]),
            Kind::Multiply { zero_points, .. } => (Combine::Product, true, *zero_points),
            _ => (Combine::Sum, false, [0; 2]),
        };
        let index = match self.operation.kind {
            Kind::AveragePool(_) => count,
            _ => 0,
        };
        let mut parameters = self.parameters[index];
        if region.empty() {
            parameters = nothing(parameters.zero_point, lowering.config.requantise_rows);
        }
        let copies = vec![parameters; lowering.config.vector_lanes];
        Common {
            combine,
            even_code,
            zero_points,
            parameter: lowering.parameters((lowering.operation, count, 1), &copies),
        }
    }

    /// Instructions for some words of a rectangle of pixels.
    fn rectangle(
        &self,
        lowering: &mut Lowering,
        walk: &Walk,
        common: &Common,
        pixels: [Range<usize>; 2],
        words: &Range<usize>,
    ) {
        let lanes = lowering.config.lanes;
        let channels = self.outputs.map.shape.channels;
        let whole = channels >= words.end * lanes;
        if let Kind::ChannelTables { tables, .. } = &self.operation.kind {
            for word in words.clone() {
                let last = channels.min((word + 1) * lanes);
                for (lanes, table) in self.table_runs(lowering, &tables[word * lanes..last]) {
                    let table = lowering.table(Some(&table));
                    let word = word..word + 1;
                    walk.emit(lowering, common, &pixels, word, lanes, table, (0, 255));
                }
            }
            return;
        }
        let finish = &self.operation.finish;
        let table = lowering.table(finish.table.as_ref());
        let bounds = (finish.low, finish.high);
        let mut vector = |words: Range<usize>, columns: usize| {
            walk.emit(lowering, common, &pixels, words, 0..columns, table, bounds)
        };
        if whole && walk.merges(words) {
            vector(words.clone(), lanes);
        } else {
            for word in words.clone() {
                vector(word..word + 1, lanes.min(channels - word * lanes));
            }
        }
    }

    /// Lanes of a word with the same table, as many as an instruction may take.
    fn table_runs(&self, lowering: &Lowering, tables: &[Table]) -> Vec<(Range<usize>, Table)> {
        let finish = &self.operation.finish;
        let finished = Table::from_fn(|code| finish.apply(code));
        let mut runs: Vec<(Range<usize>, Table)> = Vec::new();
        for (lane, table) in tables.iter().enumerate() {
            let table = table.then(&finished);
            match runs.last_mut() {
                Some((lanes, last)) if *last == table => lanes.end = lane + 1,
                _ => runs.push((lane..lane + 1, table)),
            }
        }
        if lowering.config.vector_lanes == 1 || runs.len() == 1 {
            return runs;
        }
        let single = |(lanes, table): (Range<usize>, Table)| {
            lanes.map(move |lane| (lane..lane + 1, table.clone()))
        };
        runs.into_iter().flat_map(single).collect()
    }
}

/// Parameters that give the zero point whatever the sum.
fn nothing(zero_point: u8, rows: u32) -> ChannelParameters {
    // Smaller than any scale that moves an accumulator.
    let (multiplier, steps) = numerics::encode_scale(f32::from_bits(1), rows);
    ChannelParameters {
        bias: 0,
        multiplier,
        steps,
        zero_point,
    }
}

struct Walk<'a> {
    window: &'a Window,
    taps: &'a [Range<usize>; 2],
    /// None where no tap is inside the map.
    from: Option<&'a [View]>,
    to: &'a View,
}

impl Walk<'_> {
    /// The words of a row of pixels follow each other, where they are read and where they
    /// are written.
    fn merges(&self, words: &Range<usize>) -> bool {
        let contiguous = |view: &View| view.pixel == words.len();
        let from = self.from.unwrap_or(&[]);
        self.window.stride[1] == 1 && contiguous(self.to) && from.iter().all(contiguous)
    }

    #[allow(clippy::too_many_arguments)]
    fn emit(
        &self,
        lowering: &mut Lowering,
        common: &Common,
        pixels: &[Range<usize>; 2],
        words: Range<usize>,
        lanes: Range<usize>,
        table: bool,
        (low, high): (u8, u8),
    ) {
        let [rows, columns] = pixels;
        let window = self.window;
        let place = |axis: usize| {
            (pixels[axis].start * window.stride[axis]
                + self.taps[axis].start * window.dilation[axis]) as i64
                - window.padding[axis] as i64
        };
        let at = |view: &View| view.at(place(0), place(1), words.start);
        let (source, strides, taps) = match self.from {
            None => (0, [0; 4], [1, 1]),
            Some([a, b]) => {
                let strides = [
                    a.column_stride(1),
                    a.row_stride(1),
                    at(b).wrapping_sub(at(a)),
                    0,
                ];
                (at(a), strides, [2, 1])
            }
            Some(views) => {
                let view = &views[0];
                let tap = |axis: usize, stride: u16| match self.taps[axis].len() {
                    1 => 0,
                    _ => stride,
                };
                let strides = [
                    view.column_stride(window.stride[1]),
                    view.row_stride(window.stride[0]),
                    tap(1, view.column_stride(window.dilation[1])),
                    tap(0, view.row_stride(window.dilation[0])),
                ];
                (at(view), strides, [self.taps[1].len(), self.taps[0].len()])
            }
        };
        let merged = words.len() > 1;
        let x = |stride: u16| if merged { 1 } else { stride };
        let x_count = columns.len() * words.len();
        let mut target = target(self.to, rows.len(), columns.len(), low, high);
        target.x_count = x_count as u16;
        target.x_stride = x(target.x_stride);
        lowering.push(Action::Vector {
            pattern: Pattern {
                x_count: x_count as u16,
                x_stride: match self.from {
                    None => 0,
                    Some(_) => x(strides[0]),
                },
                y_count: rows.len() as u16,
                y_stride: strides[1],
                inner_stride: strides[2],
                outer_stride: strides[3],
            },
            target,
            vector: Vector {
                combine: common.combine,
                table,
                even_code: common.even_code,
                activation: self
                    .to
                    .at(rows.start as i64, columns.start as i64, words.start),
                source,
                parameter: common.parameter,
                inner: taps[0] as u16,
                outer: taps[1] as u8,
                columns: lanes.len() as u8,
                source_lane: lanes.start as u8,
                lane: lanes.start as u8,
                zero_points: common.zero_points,
            },
        });
    }
}

impl Kind {
    /// The window of a pool, one tap for anything else.
    pub(crate) fn window(&self) -> Window {
        match self {
            Kind::MaxPool { window, .. } => *window,
            Kind::AveragePool(pool) => pool.window,
            Kind::Convolution(convolution) => convolution.window,
            _ => Window::POINT,
        }
    }
}
