//! Quern's compiler: a quantised ONNX model in, a program for the accelerator out.
//!
//! ```text
//!  model.onnx ─import─► Graph ─fold, share, merge─► Graph ─lower─► Network ─join, place, prune─┐
//!  ┌────────────────────────────────────────────────────────────────────────────────────┘
//!  └► Network ─legalise, pack, stack─► Network ─place─► Plan ─lower, schedule, emit─► Program
//!                                         └─prove─► parameters ──────┘
//!  host:  input ─quantise─► host memory ─► machine ─► host memory ─dequantise─► output
//! ```
//! The front end ([`network_of`]) turns a model into operations on feature maps, the back
//! end ([`compile_network`]) those into a program for one configuration.
//!
//! # What it compiles
//! Networks of int8 and uint8 tensors in QDQ form (QuantizeLinear and DequantizeLinear
//! around the operators) and in QOperator form (QLinearConv, ...), operator set 13 or
//! newer, with one input and one output and a batch axis in front that may be
//! symbolic. [`OPERATORS`] lists the operators, `docs/operators.md` says how each is
//! mapped.
//!
//! Everything else is refused with [`CompileError::Model`], which lists all offending
//! nodes. Layers of any size compile for every configuration: what does not fit is
//! cut into tiles and streamed.
//!
//! # What it promises
//! Codes are those of ONNX Runtime's integer kernels (`QGemm`, `QLinearMatMul`) and of
//! its float kernels for functions of one element. Where the runtime itself leaves its
//! integer kernels, [`Report::notes`] says so. No sum leaves the accumulators: this is
//! proven for the model's weights, or the host computes the layer, and [`Report::host`] says
//! so.

#![forbid(unsafe_code)]

mod array;
mod backend;
mod builder;
mod diagnostic;
mod edge;
mod evaluate;
mod functions;
mod graph;
mod host;
pub mod network;
pub mod onnx;
mod operators;
mod pairs;
mod passes;
mod table;
mod view;

pub use array::{Array, Values};
pub use backend::report::{LayerReport, MapReport, Report, Totals};
pub use diagnostic::{CompileError, Problem};
pub use edge::InputError;
pub use graph::Batch;
pub use network::Network;
pub use operators::supported::{Operator, SUPPORTED as OPERATORS};
pub use table::Table;

use backend::emit::{Emitted, Emitter};
use backend::pack::Packed;
use backend::place::Plan;
use backend::prove::Parameters;
use backend::schedule::{Policy, Scheduler};
use edge::{Arrangement, Layout};
use miette::Diagnostic;
use network::{InputEdge, OutputEdge};
use quern_isa::{Config, Machine, MachineError, Program, Reference, Run};
use std::ops::Range;
use thiserror::Error;

/// Most samples of one run.
const MAX_BATCH: usize = 1 << 16;

/// Samples tried by default: more gain little, because the weights are streamed
/// once for all of them.
const DEFAULT_SAMPLES: usize = 16;

/// Choices of the one who compiles.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Samples in one run of the program. By default the largest number up to 16 that
    /// can share weights and keeps the whole network on chip, or 1.
    pub batch: Option<usize>,
    /// What to call the model; by default the name of its graph.
    pub name: Option<String>,
}

/// Bytes of all programs from which the fastest is chosen, so that compiling a large network
/// takes no longer than its one program.
const MOST_SCHEDULED: usize = 16 << 20;

/// A model compiled for one configuration.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub program: Program,
    pub report: Report,
    stretches: Vec<(usize, usize)>,
    input: InputEdge,
    output: OutputEdge,
    input_layout: Layout,
    arrangement: Arrangement,
    output_layout: Layout,
}

/// Why a compiled model gave no output.
#[derive(Debug, Error, Diagnostic)]
pub enum RunError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// Compiles an ONNX model.
pub fn compile(model: &[u8], config: &Config, options: &Options) -> Result<Compiled, CompileError> {
    let (name, network) = import(model)?;
    let name = options.name.as_deref().unwrap_or(&name);
    compile_network(&network, name, config, options)
}

/// The front end: an ONNX model as operations on feature maps.
pub fn network_of(model: &[u8]) -> Result<Network, CompileError> {
    import(model).map(|(_, network)| network)
}

/// The name of the model's graph, and what it computes.
fn import(model: &[u8]) -> Result<(String, Network), CompileError> {
    let mut graph = passes::import::import(model)?;
    passes::fold::fold(&mut graph);
    passes::share::share(&mut graph);
    passes::merge::merge(&mut graph);
    let mut network = passes::lower::lower(&graph).map_err(CompileError::Model)?;
    passes::join::join(&mut network);
    passes::place::place(&mut network);
    passes::prune::prune(&mut network);
    Ok((graph.name, network))
}

/// Compiles a network, which the model `name` has become.
pub fn compile_network(
    network: &Network,
    name: &str,
    config: &Config,
    options: &Options,
) -> Result<Compiled, CompileError> {
    assert_eq!(
        config.lanes % config.stream_bytes,
        0,
        "host memory holds activation words without padding"
    );
    if let Some(batch) = options
        .batch
        .filter(|batch| !(1..=MAX_BATCH).contains(batch))
    {
        let reason =
            format!("a batch of {batch} samples was asked for; it must be 1 to {MAX_BATCH}");
        let problem = Problem::tensor(&network.input.name, reason);
        return Err(CompileError::Model(vec![problem]));
    }
    let network = backend::legalise::legalise(network, config);
    let network = backend::wide_sums::split(&network, config);
    let model_input = network.maps[network.input.map.0].shape.elements();
    let (packed, plan) = cheapest(&network, config, options).map_err(CompileError::Model)?;
    let network = packed.network;
    let parameters = backend::prove::prove(&network, config);
    let emitted = fastest(&network, config, &plan, &parameters);
    let report = backend::report::report(name, &network, config, &plan, &emitted);
    let layout = |region, map: network::MapId| Layout {
        region,
        channels: network.maps[map.0].shape.channels,
    };
    Ok(Compiled {
        report,
        stretches: emitted.stretches,
        input_layout: layout(plan.input, network.input.map),
        arrangement: Arrangement {
            elements: model_input,
            sources: packed.arrangement,
        },
        output_layout: layout(plan.output, network.output.map),
        program: emitted.program,
        input: network.input,
        output: network.output,
    })
}

/// The program of the plan for which the scheduler's policy suits best.
fn fastest(network: &Network, config: &Config, plan: &Plan, parameters: &[Parameters]) -> Emitted {
    let program = |policy| {
        let mut emitter = Emitter::new(config, network.operations.len());
        let mut scheduler = Scheduler::new(config, policy, |operation, action| {
            emitter.action(operation, action)
        });
        backend::lower::lower(
            network,
            config,
            plan,
            parameters,
            &mut |operation, action| scheduler.push(operation, action),
        );
        scheduler.finish();
        emitter.finish(plan.host_bytes, plan.input, plan.output)
    };
    let cycles = |emitted: &Emitted| {
        // What fails here fails in every run, and says why there.
        Reference::time(&emitted.program).map_or(u32::MAX, |run| run.counters.cycles)
    };
    let first = program(Policy::ALL[0]);
    let bytes = first.program.literal_bytes();
    let more = MOST_SCHEDULED.checked_div(bytes).unwrap_or(0);
    if more < 2 {
        return first;
    }
    let others = Policy::ALL[1..].iter().take(more - 1);
    let first = (cycles(&first), first);
    let fastest = others.fold(first, |best, &policy| {
        let other = program(policy);
        match cycles(&other) {
            cycles if cycles < best.0 => (cycles, other),
            _ => best,
        }
    });
    fastest.1
}

/// The cheapest plan for a sample among those for all arrangements of the input.
fn cheapest(
    network: &Network,
    config: &Config,
    options: &Options,
) -> Result<(Packed, Plan), Vec<Problem>> {
    let mut choices = backend::pack::pack(network, config.lanes)
        .into_iter()
        .map(|packed| {
            let (network, plan) = plan(&packed.network, config, options)?;
            Ok((Packed { network, ..packed }, plan))
        });
    let first = choices.next().unwrap_or(Err(vec![]));
    choices.fold(first, |best, other| match (&best, &other) {
        (Ok((_, a)), Ok((_, b))) if b.weight_per_sample() < a.weight_per_sample() => other,
        (Err(_), Ok(_)) => other,
        _ => best,
    })
}

/// The plan for the samples asked for, or for the largest default batch that stays on
/// chip; and the network it is for.
fn plan(
    network: &Network,
    config: &Config,
    options: &Options,
) -> Result<(Network, Plan), Vec<Problem>> {
    let samples = match options.batch {
        Some(samples) => samples,
        None => {
            let on_chip = |&samples: &usize| {
                let stacks = backend::batch::stack(network, samples);
                stacks.is_some_and(|stacked| backend::batch::fits(&stacked, config))
            };
            (1..=DEFAULT_SAMPLES).rev().find(on_chip).unwrap_or(1)
        }
    };
    let (network, rows) = match backend::batch::stack(network, samples) {
        Some(stacked) => (stacked, samples),
        None => (network.clone(), 1),
    };
    let plan = backend::place::place(&network, config, rows, samples)?;
    Ok((network, plan))
}

impl Compiled {
    /// Samples in one run of the program.
    pub fn batch(&self) -> usize {
        self.program.input.samples as usize
    }

    /// How many outputs a sample has, if they lie one behind the other in the model's order:
    /// what a class is the largest of.
    pub fn scores(&self) -> Option<usize> {
        let elements = &self.output.elements;
        let first = self.program.output.offset as usize;
        let offsets = self
            .output_layout
            .offsets(&self.program.config, 0, elements);
        let in_order = offsets.enumerate().all(|(i, offset)| offset == first + i);
        in_order.then_some(elements.len())
    }

    /// Number of samples of an array that fits the model's input.
    pub fn check_input(&self, input: &Array) -> Result<usize, InputError> {
        edge::check(&self.input, input)
    }

    /// Host memory for a run on some samples of `input`, at most
    /// [`batch`](Self::batch) of them; what is missing to a whole batch is zeros.
    ///
    /// # Panics
    /// When there are more samples than that, or they are outside the array.
    pub fn quantise_input(
        &self,
        input: &Array,
        samples: Range<usize>,
    ) -> Result<Vec<u8>, InputError> {
        let available = self.check_input(input)?;
        assert!(
            samples.len() <= self.batch() && samples.end <= available,
            "samples {samples:?} of {available} in a batch of {}",
            self.batch()
        );
        let mut host = vec![0; self.program.host_bytes as usize];
        edge::write(
            &self.input,
            &self.input_layout,
            &self.arrangement,
            &self.program.config,
            input,
            samples,
            &mut host,
        );
        Ok(host)
    }

    /// The model's output for the first samples of a run, in the type and shape in
    /// which ONNX Runtime returns it.
    pub fn dequantise_output(&self, host: &[u8], samples: usize) -> Array {
        edge::read(
            &self.output,
            &self.output_layout,
            &self.program.config,
            host,
            samples,
        )
    }

    /// Runs all samples of an array, batch by batch; `after` sees each run and how
    /// many samples are done.
    pub fn run(
        &self,
        machine: &mut dyn Machine,
        input: &Array,
        mut after: impl FnMut(&Run, usize),
    ) -> Result<Array, RunError> {
        let samples = self.check_input(input)?;
        let mut output: Option<Array> = None;
        for start in (0..samples).step_by(self.batch()) {
            let end = samples.min(start + self.batch());
            let mut host = self.quantise_input(input, start..end)?;
            let run = machine.run(&self.program, &mut host)?;
            after(&run, end);
            let part = self.dequantise_output(&host, end - start);
            match &mut output {
                None => output = Some(part),
                Some(output) => output.append(part),
            }
        }
        output.ok_or(RunError::Input(InputError::Empty))
    }

    /// The first instruction and the layer (a place in [`Report::layers`]) of each
    /// stretch of instructions that belong to one layer.
    pub fn stretches(&self) -> &[(usize, usize)] {
        &self.stretches
    }

    /// The program in readable form.
    pub fn listing(&self) -> String {
        backend::listing::listing(&self.program, &self.report, &self.stretches)
    }
}
