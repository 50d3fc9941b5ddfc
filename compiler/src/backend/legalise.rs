//! Rewrites operations that no instruction does as they are.

use crate::network::{Finish, Kind, Map, MapId, Network, Operation};

pub fn legalise(network: &Network) -> Network {
    let mut legal = network.clone();
    legal.operations.clear();
    for operation in &network.operations {
        match &operation.kind {
            Kind::Softmax { .. } => softmax(operation.clone(), network, &mut legal),
            _ => legal.operations.push(operation.clone()),
        }
    }
    legal
}

/// The host computes it from a map in its memory, and does nothing more to it.
fn softmax(mut operation: Operation, network: &Network, legal: &mut Network) {
    let Kind::Softmax { input, .. } = &mut operation.kind else {
        return;
    };
    let is_constant =
        |other: &Operation| other.output == *input && matches!(other.kind, Kind::Constant { .. });
    if network.operations.iter().any(is_constant) {
        let copy = add_map(legal, *input);
        let kind = Kind::Elementwise { input: *input };
        push(legal, &operation.name, kind, copy, Finish::default());
        *input = copy;
    }
    let finish = std::mem::take(&mut operation.finish);
    let (name, output) = (operation.name.clone(), operation.output);
    if finish == Finish::default() {
        legal.operations.push(operation);
        return;
    }
    operation.output = add_map(legal, output);
    let kind = Kind::Elementwise {
        input: operation.output,
    };
    legal.operations.push(operation);
    push(legal, &name, kind, output, finish);
}

/// Another map of the same shape.
fn add_map(network: &mut Network, like: MapId) -> MapId {
    let Map { name, shape } = &network.maps[like.0];
    let map = Map {
        name: format!("{name}'"),
        shape: *shape,
    };
    network.maps.push(map);
    MapId(network.maps.len() - 1)
}

fn push(network: &mut Network, name: &str, kind: Kind, output: MapId, finish: Finish) {
    network.operations.push(Operation {
        name: name.to_string(),
        kind,
        output,
        finish,
    });
}
