//! Where maps lie, and how pieces of them are addressed.
//!
//! A pixel takes whole words of `lanes` channels, in host memory and on chip, row after
//! row. On chip a map has a **border** around it, as wide as the windows of its readers
//! reach, filled with their zero point: convolutions read it like any other pixel. In
//! host memory it has none; the border of a piece on its way to the chip is literal.

use crate::network::Shape;
use crate::passes::action::Data;
use std::ops::Range;
use std::rc::Rc;

/// A map and its places.
#[derive(Debug, Clone)]
pub struct Placement {
    pub shape: Shape,
    /// Words of a pixel.
    pub words: usize,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// All of it, from this word on.
    Chip { address: usize, border: Border },
    /// From this byte on.
    Host { offset: u32 },
    /// In the program.
    Literal(Rc<[u8]>),
}

/// Pixels around a map, and what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Border {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
    pub zero_point: u8,
}

/// Rows or columns of a map: `start`, `start + step`, ...; those outside the map are
/// border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: i64,
    pub step: usize,
    pub count: usize,
}

impl Span {
    pub fn new(range: Range<usize>) -> Span {
        Span {
            start: range.start as i64,
            step: 1,
            count: range.len(),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = i64> {
        (0..self.count as i64).map(move |i| self.start + i * self.step as i64)
    }
}

/// Rows, columns and words of a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    pub rows: Span,
    pub columns: Span,
    pub words: Range<usize>,
}

impl Block {
    /// Words it takes on chip.
    pub fn size(&self) -> usize {
        self.rows.count * self.columns.count * self.words.len()
    }
}

/// How to address the pixels of a map that is on chip, or of a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    address: i64,
    rows: Span,
    columns: Span,
    first_word: usize,
    /// Words from one pixel to the next of its row.
    pub pixel: usize,
    /// Words from one row to the next.
    pub row: usize,
}

impl View {
    /// Of a block that lies compactly from an address on.
    pub fn of_block(block: &Block, address: usize) -> View {
        View {
            address: address as i64,
            rows: block.rows,
            columns: block.columns,
            first_word: block.words.start,
            pixel: block.words.len(),
            row: block.words.len() * block.columns.count,
        }
    }

    /// The word of a pixel, which is in the view.
    pub fn at(&self, y: i64, x: i64, word: usize) -> u16 {
        let row = (y - self.rows.start) / self.rows.step as i64;
        let column = (x - self.columns.start) / self.columns.step as i64;
        let word = word as i64 - self.first_word as i64;
        (self.address + row * self.row as i64 + column * self.pixel as i64 + word) as u16
    }

    /// Words from one row to the one `rows` further down in the map.
    pub fn row_stride(&self, rows: usize) -> u16 {
        (rows / self.rows.step * self.row) as u16
    }

    /// Words from one pixel to the one `columns` further right in the map.
    pub fn column_stride(&self, columns: usize) -> u16 {
        (columns / self.columns.step * self.pixel) as u16
    }
}

impl Border {
    pub fn none(&self) -> bool {
        self.top + self.left + self.bottom + self.right == 0
    }

    /// Wide enough for both.
    pub fn union(&self, other: &Border) -> Border {
        Border {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
            zero_point: if self.none() {
                other.zero_point
            } else {
                self.zero_point
            },
        }
    }
}

impl Placement {
    pub fn new(shape: Shape, lanes: usize) -> Placement {
        Placement {
            shape,
            words: shape.channels.div_ceil(lanes),
            place: Place::Host { offset: 0 },
        }
    }

    /// Words without border.
    pub fn size(&self) -> usize {
        self.shape.height * self.shape.width * self.words
    }

    /// The whole map with a border.
    pub fn bordered(&self, border: &Border) -> Block {
        let span = |before: usize, size: usize, after: usize| Span {
            start: -(before as i64),
            step: 1,
            count: before + size + after,
        };
        Block {
            rows: span(border.top, self.shape.height, border.bottom),
            columns: span(border.left, self.shape.width, border.right),
            words: 0..self.words,
        }
    }

    pub fn on_chip(&self) -> bool {
        matches!(self.place, Place::Chip { .. })
    }

    /// The view of a map that is on chip.
    pub fn view(&self) -> Option<View> {
        match &self.place {
            Place::Chip { address, border } => {
                Some(View::of_block(&self.bordered(border), *address))
            }
            _ => None,
        }
    }

    /// The bytes of a block of a map that is not on chip, with its border.
    pub fn data(&self, block: &Block, zero_point: u8, lanes: usize) -> Vec<Data> {
        let mut data = Vec::new();
        let pixel_bytes = block.words.len() * lanes;
        for y in block.rows.iter() {
            let inside = (0..self.shape.height as i64).contains(&y);
            let columns = block.columns;
            if inside && columns.step == 1 && block.words == (0..self.words) {
                // All of a row at once.
                let first = columns.start.clamp(0, self.shape.width as i64);
                let end = (columns.start + columns.count as i64).clamp(first, self.shape.width as i64);
                let before = (first - columns.start).min(columns.count as i64) as usize;
                let after = columns.count - before - (end - first) as usize;
                border(&mut data, before * pixel_bytes, zero_point);
                let words = (end - first) as usize * self.words;
                self.words_at(&mut data, self.word(y, first, 0), words, lanes);
                border(&mut data, after * pixel_bytes, zero_point);
                continue;
            }
            for x in columns.iter() {
                match inside && (0..self.shape.width as i64).contains(&x) {
                    true => {
                        let first = self.word(y, x, block.words.start);
                        self.words_at(&mut data, first, block.words.len(), lanes);
                    }
                    false => border(&mut data, pixel_bytes, zero_point),
                }
            }
        }
        data
    }

    /// Pieces of host memory that a block comes from or goes to, `(offset, bytes)` each.
    pub fn pieces(&self, block: &Block, lanes: usize) -> Vec<(u32, u32)> {
        let data = self.data(block, 0, lanes);
        let host = |data: Data| match data {
            Data::Host { offset, bytes } => (offset, bytes),
            Data::Literal(_) => unreachable!("a block of host memory has no border"),
        };
        data.into_iter().map(host).collect()
    }

    /// Number of a word in the map without border.
    fn word(&self, y: i64, x: i64, word: usize) -> usize {
        (y as usize * self.shape.width + x as usize) * self.words + word
    }

    /// Appends `count` words that follow each other.
    pub fn words_at(&self, data: &mut Vec<Data>, first: usize, count: usize, lanes: usize) {
        if count == 0 {
            return;
        }
        match &self.place {
            Place::Host { offset } => {
                let (start, bytes) = (offset + (first * lanes) as u32, (count * lanes) as u32);
                match data.last_mut() {
                    Some(Data::Host { offset, bytes: b }) if *offset + *b == start => *b += bytes,
                    _ => data.push(Data::Host {
                        offset: start,
                        bytes,
                    }),
                }
            }
            Place::Literal(codes) => {
                let channels = self.shape.channels;
                for word in first..first + count {
                    let (pixel, word) = (word / self.words, word % self.words);
                    let lanes = word * lanes..(word + 1) * lanes;
                    let code = |channel| match channel < channels {
                        true => codes[pixel * channels + channel],
                        false => 0,
                    };
                    literal(data, lanes.map(code));
                }
            }
            Place::Chip { .. } => unreachable!("the map is on chip"),
        }
    }
}

fn border(data: &mut Vec<Data>, bytes: usize, zero_point: u8) {
    if bytes > 0 {
        literal(data, std::iter::repeat_n(zero_point, bytes));
    }
}

fn literal(data: &mut Vec<Data>, bytes: impl Iterator<Item = u8>) {
    if !matches!(data.last(), Some(Data::Literal(_))) {
        data.push(Data::Literal(Vec::new()));
    }
    if let Some(Data::Literal(last)) = data.last_mut() {
        last.extend(bytes);
    }
}
