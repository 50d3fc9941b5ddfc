//! The host writes the input map as its first reader wants it: channels behind pixels
//! when that is a convolution.
//!
//! ```text
//!  input ─► rearrange ─► convolution      becomes      input ─► convolution
//! ```

use crate::network::{Finish, Kind, MapId, Network, Source};
use std::rc::Rc;

/// Replaces the input map by the first whole rearrangement of it, where all that read
/// it are rearrangements. Tables between the two are no hindrance.
pub fn place(network: &mut Network) {
    let chain = tables_behind(network);
    let last = chain[chain.len() - 1];
    let readers: Vec<usize> = reading(network, last);
    let movable = readers
        .iter()
        .all(|&reader| matches!(network.operations[reader].kind, Kind::Rearrange { .. }));
    let whole = readers.iter().find_map(|&reader| {
        let places = places(network, last, &network.operations[reader].kind)?;
        Some((reader, places))
    });
    let (true, Some((reader, places))) = (movable, whole) else {
        return;
    };
    let output = network.operations[reader].output;
    let shape = network.maps[output.0].shape;
    chain
        .iter()
        .for_each(|map| network.maps[map.0].shape = shape);
    let move_elements = |elements: &Rc<[u32]>| -> Rc<[u32]> {
        elements.iter().map(|&e| places[e as usize]).collect()
    };
    network.input.elements = move_elements(&network.input.elements);
    if chain.contains(&network.output.map) {
        network.output.elements = move_elements(&network.output.elements);
    }
    for operation in &mut network.operations {
        if let Kind::Rearrange { inputs, sources } = &mut operation.kind {
            let moved = sources.iter().map(|source| match *source {
                Source::Element { input, element } if inputs[input as usize] == last => {
                    Source::Element {
                        input,
                        element: places[element as usize],
                    }
                }
                source => source,
            });
            *sources = moved.collect();
        }
    }
    if network.operations[reader].finish != Finish::default() {
        network.operations[reader].kind = Kind::Elementwise { input: last };
        return;
    }
    // What the rearrangement wrote is now the map it read.
    network.operations.remove(reader);
    for operation in &mut network.operations {
        for map in operation.kind.inputs_mut() {
            if *map == output {
                *map = last;
            }
        }
    }
    if network.output.map == output {
        network.output.map = last;
    }
}

/// The input map, and what is made of it by tables alone.
fn tables_behind(network: &Network) -> Vec<MapId> {
    let mut chain = vec![network.input.map];
    loop {
        let last = chain[chain.len() - 1];
        match reading(network, last)[..] {
            [reader] if matches!(network.operations[reader].kind, Kind::Elementwise { .. }) => {
                chain.push(network.operations[reader].output);
            }
            _ => return chain,
        }
    }
}

fn reading(network: &Network, map: MapId) -> Vec<usize> {
    let operations = network.operations.iter().enumerate();
    operations
        .filter(|(_, operation)| operation.kind.inputs().contains(&map))
        .map(|(index, _)| index)
        .collect()
}

/// Where each element of `map` goes in a rearrangement of all of it and nothing else.
fn places(network: &Network, map: MapId, kind: &Kind) -> Option<Vec<u32>> {
    let Kind::Rearrange { inputs, sources } = kind else {
        return None;
    };
    let elements = network.maps[map.0].shape.elements();
    if inputs[..] != [map] || sources.len() != elements {
        return None;
    }
    let mut places = vec![u32::MAX; elements];
    for (place, source) in sources.iter().enumerate() {
        let Source::Element { element, .. } = source else {
            return None;
        };
        places[*element as usize] = place as u32;
    }
    // As many as elements: each of them once, or one is missing.
    places
        .iter()
        .all(|&place| place != u32::MAX)
        .then_some(places)
}
