//! Operations and maps that nothing reads are dropped.

use crate::network::{MapId, Network};

/// Drops operations, then maps, that the output does not depend on.
pub fn prune(network: &mut Network) {
    let mut read = vec![false; network.maps.len()];
    read[network.output.map.0] = true;
    let mut kept = vec![false; network.operations.len()];
    for (index, operation) in network.operations.iter().enumerate().rev() {
        if read[operation.output.0] {
            kept[index] = true;
            operation
                .kind
                .inputs()
                .iter()
                .for_each(|map| read[map.0] = true);
        }
    }
    read[network.input.map.0] = true;
    let mut kept = kept.into_iter();
    network.operations.retain(|_| kept.next() == Some(true));
    let mut number = 0;
    let numbers: Vec<MapId> = read
        .iter()
        .map(|&read| {
            number += read as usize;
            MapId(number.saturating_sub(1))
        })
        .collect();
    let mut read = read.into_iter();
    network.maps.retain(|_| read.next() == Some(true));
    let renumber = |map: &mut MapId| *map = numbers[map.0];
    renumber(&mut network.input.map);
    renumber(&mut network.output.map);
    for operation in &mut network.operations {
        renumber(&mut operation.output);
        operation.kind.inputs_mut().into_iter().for_each(renumber);
    }
}
