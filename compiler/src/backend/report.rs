//! What the compiler decided, operation by operation, in numbers.

use crate::backend::emit::{Account, Emitted};
use crate::backend::memory::{Place, Placement};
use crate::backend::place::{OperationTiling, Plan};
use crate::network::{Kind, MapId, Network, Operation, Shape};
use quern_isa::Config;
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub model: String,
    pub config: String,
    /// Samples in one run of the program.
    pub batch: usize,
    /// Bytes of host memory.
    pub host_bytes: u32,
    pub layers: Vec<LayerReport>,
    pub maps: Vec<MapReport>,
    /// What the host computes: layers, and why, then what is left of the output.
    pub host: Vec<String>,
    pub totals: Totals,
    /// Where ONNX Runtime itself may give other codes at rounding ties.
    pub notes: Vec<String>,
}

/// Sums over all samples of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerReport {
    pub name: String,
    pub kind: &'static str,
    /// Height, width and channels of the first input (zeros if there is none) and of the
    /// output.
    pub input: [usize; 3],
    pub output: [usize; 3],
    /// Multiply-accumulates of the model, padding of the map counted, padding of words
    /// and tiles not.
    pub macs: u64,
    pub table: bool,
    /// Rows and columns of output pixels that are worked on at once.
    pub block: [usize; 2],
    /// Column tiles whose inputs are on chip at once, and in all.
    pub column_tiles: [usize; 2],
    pub instructions: u64,
    /// Bytes into and out of the core for this layer.
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Estimate: the busiest of array (with stores, which share its port), activation
    /// unit and input stream, as if they overlapped all the time.
    pub cycles: u64,
    /// Share of the array's multipliers that are at work in these cycles.
    pub utilisation: f64,
    /// What takes these cycles: `matrix`, `activation`, `input` or `output`.
    pub bound: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapReport {
    pub name: String,
    pub shape: [usize; 3],
    /// `chip`, `host` or `program`.
    pub place: &'static str,
    /// First word on chip, or first byte in host memory.
    pub address: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Totals {
    pub macs: u64,
    pub macs_per_sample: u64,
    /// Sum of the layers' estimates.
    pub cycles: u64,
    pub utilisation: f64,
    /// Bytes into and out of the core in one run.
    pub bytes_in: usize,
    pub bytes_out: usize,
    /// Bytes of instructions, weights, parameters and tables.
    pub literal_bytes: usize,
}

pub(crate) fn report(
    model: &str,
    network: &Network,
    config: &Config,
    plan: &Plan,
    emitted: &Emitted,
) -> Report {
    let batch = plan.input.samples as usize;
    let layers: Vec<LayerReport> = (0..network.operations.len())
        .map(|index| layer(network, config, plan, &emitted.accounts[index], index))
        .collect();
    let macs = layers.iter().map(|layer| layer.macs).sum();
    let cycles = layers.iter().map(|layer| layer.cycles).sum();
    let beginning = quern_isa::INSTRUCTION_BYTES.next_multiple_of(config.stream_bytes);
    let accounts = emitted.accounts.iter();
    let bytes_in = accounts
        .clone()
        .map(|account| account.bytes_in)
        .sum::<u64>() as usize;
    let maps = network.maps.iter().zip(&plan.placements);
    Report {
        model: model.to_string(),
        config: config.name.to_string(),
        batch,
        host_bytes: plan.host_bytes,
        totals: Totals {
            macs,
            macs_per_sample: macs / batch as u64,
            cycles,
            utilisation: utilisation(macs, cycles, config),
            // Begin and Halt belong to no layer.
            bytes_in: bytes_in + 2 * beginning,
            bytes_out: accounts.map(|account| account.bytes_out).sum::<u64>() as usize,
            literal_bytes: emitted.program.literal_bytes(),
        },
        layers,
        maps: maps
            .map(|(map, placement)| self::map(&map.name, placement))
            .collect(),
        host: network
            .operations
            .iter()
            .filter_map(on_host)
            .chain(network.output.functions.iter().map(|f| format!("{f:?}")))
            .collect(),
        notes: network.notes.clone(),
    }
}

fn on_host(operation: &Operation) -> Option<String> {
    match &operation.kind {
        Kind::Host { work, reason, .. } => {
            Some(format!("`{}`, {}: {reason}", operation.name, work.name()))
        }
        _ => None,
    }
}

fn layer(
    network: &Network,
    config: &Config,
    plan: &Plan,
    account: &Account,
    index: usize,
) -> LayerReport {
    let operation = &network.operations[index];
    let dimensions = |map: MapId| dimensions(network.maps[map.0].shape);
    let output = network.maps[operation.output.0].shape;
    let (kind, macs) = kind(&operation.kind, output);
    let macs = macs * plan.samples as u64;
    let (block, column_tiles) = match plan.operations[index].tiling {
        OperationTiling::Convolution(tiling) => {
            let all = output.channels.div_ceil(config.columns);
            ([tiling.rows, tiling.columns], [tiling.group, all])
        }
        OperationTiling::Vector(tiling) => ([tiling.rows, tiling.columns], [0, 0]),
        _ => ([output.height, output.width], [0, 0]),
    };
    // Stores share the read port of the activation memory with the unit that computes.
    let (unit, computing) = match account.matrix_cycles {
        0 => ("activation", account.activation_cycles),
        cycles => ("matrix", cycles),
    };
    let port = if account.store_cycles > computing {
        "output"
    } else {
        unit
    };
    let units = [
        (port, computing + account.store_cycles),
        ("activation", account.activation_cycles),
        ("input", account.stream_cycles),
    ];
    let (bound, cycles) = units
        .into_iter()
        .max_by_key(|&(_, cycles)| cycles)
        .unwrap_or(("", 0));
    LayerReport {
        name: operation.name.clone(),
        kind,
        input: operation
            .kind
            .inputs()
            .first()
            .map_or([0; 3], |&map| dimensions(map)),
        output: dimensions(operation.output),
        macs,
        table: operation.finish.table.is_some(),
        block,
        column_tiles,
        instructions: account.instructions,
        bytes_in: account.bytes_in,
        bytes_out: account.bytes_out,
        cycles,
        utilisation: utilisation(macs, cycles, config),
        bound,
    }
}

fn utilisation(macs: u64, cycles: u64, config: &Config) -> f64 {
    macs as f64 / (cycles.max(1) as f64 * config.macs_per_cycle() as f64)
}

fn dimensions(shape: Shape) -> [usize; 3] {
    [shape.height, shape.width, shape.channels]
}

/// What to call an operation, and its multiply-accumulates for one run through.
fn kind(kind: &Kind, output: Shape) -> (&'static str, u64) {
    match kind {
        Kind::Convolution(convolution) => {
            let weights = convolution.weights.len() as u64;
            let macs = weights * (output.height * output.width) as u64;
            let name = match (convolution.groups, convolution.window.kernel) {
                (1, [1, 1]) => "dense",
                (1, _) => "convolution",
                (groups, _) if groups == output.channels => "depthwise convolution",
                _ => "grouped convolution",
            };
            (name, macs)
        }
        kind => (kind.name(), 0),
    }
}

fn map(name: &str, placement: &Placement) -> MapReport {
    let (place, address) = match placement.place {
        Place::Chip { address, .. } => ("chip", address),
        Place::Host { offset } => ("host", offset as usize),
        Place::Literal(_) => ("program", 0),
    };
    MapReport {
        name: name.to_string(),
        shape: dimensions(placement.shape),
        place,
        address,
    }
}
