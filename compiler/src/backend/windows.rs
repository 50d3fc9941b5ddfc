//! Where windows reach.

use crate::network::{Shape, Window};
use crate::passes::memory::{Border, Span};
use std::ops::Range;

/// How far the windows of all outputs reach beyond the map.
pub fn border(window: &Window, input: Shape, output: Shape, zero_point: u8) -> Border {
    let after = |axis: usize, size: usize, outputs: usize| {
        let last = (outputs - 1) * window.stride[axis]
            + (window.kernel[axis] - 1) * window.dilation[axis];
        (last + 1).saturating_sub(size + window.padding[axis])
    };
    Border {
        top: window.padding[0],
        left: window.padding[1],
        bottom: after(0, input.height, output.height),
        right: after(1, input.width, output.width),
        zero_point,
    }
}

/// Rows (axis 0) or columns (axis 1) of the input that some outputs see through some
/// taps of the kernel. With a single tap those between them are left out.
pub fn span(window: &Window, axis: usize, outputs: &Range<usize>, taps: &Range<usize>) -> Span {
    let (stride, dilation) = (window.stride[axis], window.dilation[axis]);
    let first = outputs.start * stride + taps.start * dilation;
    let start = first as i64 - window.padding[axis] as i64;
    match taps.len() {
        1 => Span {
            start,
            step: stride,
            count: outputs.len(),
        },
        _ => Span {
            start,
            step: 1,
            count: (outputs.len() - 1) * stride + (taps.len() - 1) * dilation + 1,
        },
    }
}

/// Rows (or columns) of the output whose windows meet the map with the same taps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub outputs: Range<usize>,
    /// Taps that are inside the map; none where the window misses it.
    pub taps: Range<usize>,
}

/// Cuts an axis of the output into segments.
pub fn segments(window: &Window, axis: usize, input: usize, outputs: usize) -> Vec<Segment> {
    let (stride, dilation) = (window.stride[axis], window.dilation[axis]);
    let taps = |output: usize| {
        let start = (output * stride) as i64 - window.padding[axis] as i64;
        let inside = |tap: &usize| {
            let place = start + (tap * dilation) as i64;
            (0..input as i64).contains(&place)
        };
        let first = (0..window.kernel[axis]).find(inside);
        let last = (0..window.kernel[axis]).rev().find(inside);
        match (first, last) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        }
    };
    let mut segments: Vec<Segment> = Vec::new();
    for output in 0..outputs {
        let taps = taps(output);
        match segments.last_mut() {
            Some(last) if last.taps == taps => last.outputs.end = output + 1,
            _ => segments.push(Segment {
                outputs: output..output + 1,
                taps,
            }),
        }
    }
    segments
}
