//! Lays the input out so that its words are full.
//!
//! A picture has three channels, and a word has room for many: the first convolution
//! would multiply mostly padding. The host puts the input into host memory anyway, so it
//! can put what a window sees side by side, as the channels of one pixel:
//!
//! ```text
//!  rows:    pixel (y, x) holds the taps of one kernel row at output column x
//!  windows: pixel (y, x) holds all taps of output pixel (y, x)
//! ```
//! What is left of the convolution has a kernel of one column, or of one tap.

use crate::network::{Convolution, Kind, Network, Shape, Source, Window};
use std::rc::Rc;

/// A network that computes the same from another arrangement of its input.
#[derive(Debug, Clone)]
pub struct Packed {
    pub network: Network,
    /// Of the map that the network reads, what each element is of the model's. None if
    /// they are the same.
    pub arrangement: Option<Rc<[Source]>>,
}

/// The network as it is, and what else is worth trying.
pub fn pack(network: &Network, lanes: usize) -> Vec<Packed> {
    let mut choices = vec![Packed {
        network: network.clone(),
        arrangement: None,
    }];
    if let Some((index, convolution)) = first_convolution(network) {
        let input = network.maps[network.input.map.0].shape;
        let output = network.maps[network.operations[index].output.0].shape;
        let [height, width] = convolution.window.kernel;
        let tiles = |taps: usize, channels: usize| taps * channels.div_ceil(lanes);
        let before = tiles(height * width, input.channels);
        for rows in [1, height] {
            if tiles(height / rows, rows * width * input.channels) < before {
                choices.push(packed(network, index, convolution, input, output, rows));
            }
        }
    }
    choices
}

/// The convolution that alone reads the input.
fn first_convolution(network: &Network) -> Option<(usize, &Convolution)> {
    let input = network.input.map;
    let mut readers = network
        .operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.kind.inputs().contains(&input));
    let (index, operation) = readers.next()?;
    let alone = readers.next().is_none() && network.output.map != input;
    match &operation.kind {
        Kind::Convolution(convolution) if alone && convolution.groups == 1 => {
            Some((index, convolution))
        }
        _ => None,
    }
}

/// With so many kernel rows in a pixel: one, or all.
fn packed(
    network: &Network,
    index: usize,
    convolution: &Convolution,
    input: Shape,
    output: Shape,
    rows: usize,
) -> Packed {
    let window = convolution.window;
    let [height, width] = window.kernel;
    let whole = rows == height;
    let shape = Shape {
        height: if whole { output.height } else { input.height },
        width: output.width,
        channels: rows * width * input.channels,
    };
    let mut sources = Vec::with_capacity(shape.elements());
    for y in 0..shape.height {
        for x in 0..shape.width {
            for tap in 0..rows * width {
                let (ky, kx) = (tap / width, tap % width);
                let row = match whole {
                    true => place(&window, 0, y, ky, input.height),
                    false => Some(y),
                };
                let column = place(&window, 1, x, kx, input.width);
                let pixel = row.zip(column).map(|(y, x)| y * input.width + x);
                sources.extend((0..input.channels).map(|channel| match pixel {
                    None => Source::Code(convolution.input_zero_point),
                    Some(pixel) => Source::Element {
                        input: 0,
                        element: (pixel * input.channels + channel) as u32,
                    },
                }));
            }
        }
    }
    let rest = match whole {
        true => Window::POINT,
        false => Window {
            kernel: [height, 1],
            stride: [window.stride[0], 1],
            dilation: [window.dilation[0], 1],
            padding: [window.padding[0], 0],
        },
    };
    let mut network = network.clone();
    network.maps[network.input.map.0].shape = shape;
    // Weights keep their order: taps of a row, and channels, follow each other.
    network.operations[index].kind = Kind::Convolution(Convolution {
        window: rest,
        ..convolution.clone()
    });
    Packed {
        network,
        arrangement: Some(sources.into()),
    }
}

/// Row or column of the input that a tap meets, if it is inside.
fn place(window: &Window, axis: usize, output: usize, tap: usize, size: usize) -> Option<usize> {
    let place = output * window.stride[axis] + tap * window.dilation[axis];
    let inside = place.checked_sub(window.padding[axis])?;
    (inside < size).then_some(inside)
}
