//! Tables into the operations before them.

use crate::network::{Kind, Network};

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
}
