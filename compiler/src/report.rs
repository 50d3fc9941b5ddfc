//! What the compiler decided, layer by layer, in numbers.

use crate::network::{LayerKind, Network};
use crate::passes::emit::Extent;
use crate::passes::tile::{Place, Plan};
use quern_isa::{Config, Program};
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
    pub totals: Totals,
    /// Where ONNX Runtime itself may give other codes at rounding ties.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerReport {
    pub name: String,
    pub kind: &'static str,
    /// Rows of the layer in the whole batch.
    pub positions: usize,
    /// Channels of an input row, `K`.
    pub inputs: usize,
    /// Channels of an output row, `M`.
    pub outputs: usize,
    /// Weight tiles, along the inputs and along the outputs.
    pub tiles: [usize; 2],
    /// Multiply-accumulates of the model in the whole batch, padding not counted.
    pub macs: u64,
    pub table: bool,
    pub input: &'static str,
    pub output: &'static str,
    /// Positions, column tiles and input words that are on chip at once.
    pub block: usize,
    pub group: usize,
    pub chunk: usize,
    /// Bytes into and out of the core for this layer.
    pub bytes_in: usize,
    pub bytes_out: usize,
    pub first_instruction: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Totals {
    pub macs: u64,
    pub macs_per_sample: u64,
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
    program: &Program,
    extents: &[Extent],
) -> Report {
    let layers: Vec<LayerReport> = (0..network.layers.len())
        .map(|index| layer(network, plan, extents, index))
        .collect();
    let macs = layers.iter().map(|layer| layer.macs).sum();
    let beginning = quern_isa::INSTRUCTION_BYTES.next_multiple_of(config.stream_bytes);
    Report {
        model: model.to_string(),
        config: config.name.to_string(),
        batch: plan.samples,
        host_bytes: plan.host_bytes,
        totals: Totals {
            macs,
            macs_per_sample: macs / plan.samples as u64,
            // Begin and Halt belong to no layer.
            bytes_in: layers.iter().map(|layer| layer.bytes_in).sum::<usize>() + 2 * beginning,
            bytes_out: layers.iter().map(|layer| layer.bytes_out).sum(),
            literal_bytes: program.literal_bytes(),
        },
        layers,
        notes: network.notes.clone(),
    }
}

fn layer(network: &Network, plan: &Plan, extents: &[Extent], index: usize) -> LayerReport {
    let layer = &network.layers[index];
    let geometry = &plan.layers[index].geometry;
    let tiling = &plan.layers[index].tiling;
    let place = |tensor: usize| match plan.tensors[tensor].place {
        Place::Chip { .. } => "chip",
        Place::Host => "host",
    };
    let (kind, macs) = match layer.kind {
        LayerKind::Dense(_) => (
            "dense",
            geometry.rows() as u64 * layer.inputs as u64 * layer.outputs as u64,
        ),
        LayerKind::Elementwise => ("elementwise", 0),
    };
    LayerReport {
        name: layer.name.clone(),
        kind,
        positions: geometry.rows(),
        inputs: geometry.inputs,
        outputs: geometry.outputs,
        tiles: [geometry.input_words, geometry.tiles.len()],
        macs,
        table: layer.table.is_some(),
        input: place(index),
        output: place(index + 1),
        block: tiling.block,
        group: tiling.group,
        chunk: tiling.chunk,
        bytes_in: extents[index].bytes_in,
        bytes_out: extents[index].bytes_out,
        first_instruction: extents[index].first_instruction,
    }
}
