//! Tables into the operations before them, and operations that nothing reads away.

use crate::network::{Kind, MapId, Network};

/// Applies each table that is the only reader of a map where the map is written.
pub fn join(network: &mut Network) {
    let mut readers = vec![0usize; network.maps.len()];
    let mut writer = vec![None; network.maps.len()];
    for (index, operation) in network.operations.iter().enumerate() {
        operation
            .kind
            .inputs()
            .iter()
            .for_each(|map| readers[map.0] += 1);
        writer[operation.output.0] = Some(index);
    }
    readers[network.output.map.0] += 1;
    for index in 0..network.operations.len() {
        let Kind::Elementwise { input } = network.operations[index].kind else {
            continue;
        };
        let (Some(before), 1) = (writer[input.0], readers[input.0]) else {
            continue;
        };
        let operation = &network.operations[index];
        let (finish, output) = (operation.finish.clone(), operation.output);
        let before_operation = &mut network.operations[before];
        before_operation.finish.append(&finish);
        before_operation.output = output;
        writer[output.0] = Some(before);
        network.operations[index].output = input;
        readers[input.0] = 0;
    }
    remove_unread(network);
}

/// Drops operations, then maps, that the output does not depend on.
fn remove_unread(network: &mut Network) {
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
