//! Where a window meets a map.

use super::{HostMap, Reader, Writer};

/// Rows and columns, as those of the compiler's windows: output pixel `y` and tap `i` meet at
/// input pixel `y * stride + i * dilation - padding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostWindow {
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub dilation: [u32; 2],
    pub padding: [u32; 2],
}

impl HostWindow {
    /// What a window may step over, so that places are computed without overflow.
    const MOST_PIXELS: u32 = 1 << 24;

    /// Of the whole kernel.
    pub fn taps(&self) -> u64 {
        self.kernel[0] as u64 * self.kernel[1] as u64
    }

    /// Whether it has taps, and work of so much an output of each tap ends some time: what
    /// keeps a damaged program from running for ever.
    pub(super) fn suits(&self, output: &HostMap, each: u64) -> bool {
        const MOST_WORK: u64 = 1 << 36;
        let taps = self.taps();
        let steps = [self.kernel, self.stride, self.dilation, self.padding];
        taps > 0
            && taps.saturating_mul(output.elements()).saturating_mul(each) <= MOST_WORK
            && steps
                .as_flattened()
                .iter()
                .all(|&step| step <= Self::MOST_PIXELS)
    }

    /// The taps that meet a map for each output pixel, row by row.
    pub(super) fn all<'a>(
        &'a self,
        map: &'a HostMap,
        output: &'a HostMap,
    ) -> impl Iterator<Item = Inside> + 'a {
        let columns: Vec<Vec<(usize, usize)>> = (0..output.width)
            .map(|x| self.along(1, x, map.width))
            .collect();
        (0..output.height).flat_map(move |y| {
            let rows = self.along(0, y, map.height);
            let inside = columns.iter().map(|columns| Inside {
                rows: rows.clone(),
                columns: columns.clone(),
                kernel_width: self.kernel[1] as usize,
                width: map.width as usize,
            });
            inside.collect::<Vec<_>>()
        })
    }

    /// Taps of an axis that an output has inside a map of a size, and where they are.
    fn along(&self, axis: usize, output: u32, size: u32) -> Vec<(usize, usize)> {
        let start = output as i64 * self.stride[axis] as i64 - self.padding[axis] as i64;
        (0..self.kernel[axis] as usize)
            .map(|tap| (tap, start + tap as i64 * self.dilation[axis] as i64))
            .filter(|(_, place)| (0..size as i64).contains(place))
            .map(|(tap, place)| (tap, place as usize))
            .collect()
    }

    pub(super) fn write(&self, bytes: &mut Writer) {
        for pair in [self.kernel, self.stride, self.dilation, self.padding] {
            bytes.integers(pair);
        }
    }

    pub(super) fn read(bytes: &mut Reader) -> Option<HostWindow> {
        let mut pair = || Some([bytes.integer()?, bytes.integer()?]);
        Some(HostWindow {
            kernel: pair()?,
            stride: pair()?,
            dilation: pair()?,
            padding: pair()?,
        })
    }
}

/// The taps of one output pixel that are inside the map.
pub(super) struct Inside {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
    kernel_width: usize,
    /// Of the map.
    width: usize,
}

impl Inside {
    pub fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Taps and the pixels they meet, by number, row after row.
    pub fn taps(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.rows.iter().flat_map(move |(tap_row, row)| {
            self.columns.iter().map(move |(tap_column, column)| {
                (
                    tap_row * self.kernel_width + tap_column,
                    row * self.width + column,
                )
            })
        })
    }

    /// The pixels of each column.
    pub fn columns(&self) -> impl Iterator<Item = impl Iterator<Item = usize> + '_> + '_ {
        let column = move |&(_, column): &(usize, usize)| {
            let rows = self.rows.iter();
            rows.map(move |(_, row)| row * self.width + column)
        };
        self.columns.iter().map(column)
    }
}
