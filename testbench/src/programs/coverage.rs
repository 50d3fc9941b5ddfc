//! Functional coverage: which cases of the instruction set a run of programs has met.
//!
//! A bin is an instruction, a mode or field of it, and a case: `matrix.weight.last`. All
//! bins of a configuration are known beforehand, so that what was never met is known,
//! too. Cases that a configuration does not have (another lane than the first, where a
//! word is as wide as the vector unit) have no bin.

use super::{Gaps, Recipe};
use quern_isa::trace::Event;
use quern_isa::{
    Activate, Combine, Config, Counters, Instruction, Matrix, Pattern, Reference, Source, Space,
    Target, Unit, Vector, Waits,
};
use std::collections::BTreeMap;

/// Kinds of instructions between begin and halt.
const KINDS: [&str; 7] = [
    "load", "pattern", "matrix", "target", "activate", "vector", "store",
];

fn kind(instruction: &Instruction) -> Option<&'static str> {
    Some(match instruction {
        Instruction::Load { .. } => "load",
        Instruction::Pattern(_) => "pattern",
        Instruction::Matrix(_) => "matrix",
        Instruction::Target(_) => "target",
        Instruction::Activate(_) => "activate",
        Instruction::Vector(_) => "vector",
        Instruction::Store { .. } => "store",
        Instruction::Begin { .. } | Instruction::Halt => return None,
    })
}

/// How often each bin was met.
#[derive(Debug, Clone)]
pub struct Bins {
    config: Config,
    met: BTreeMap<String, u64>,
}

impl Bins {
    pub fn new(config: &Config) -> Bins {
        let met = all(config).into_iter().map(|bin| (bin, 0)).collect();
        Bins {
            config: *config,
            met,
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Bins that were met, and all.
    pub fn figures(&self) -> (usize, usize) {
        let met = self.met.values().filter(|&&count| count > 0).count();
        (met, self.met.len())
    }

    /// Bins never met.
    pub fn open(&self) -> Vec<&str> {
        let open = self.met.iter().filter(|(_, &count)| count == 0);
        open.map(|(bin, _)| bin.as_str()).collect()
    }

    pub fn add(&mut self, other: &Bins) {
        for (bin, count) in &other.met {
            *self.met.entry(bin.clone()).or_default() += count;
        }
    }

    /// Counts what a legal program meets as it runs from power-up.
    pub fn record(&mut self, recipe: &Recipe, gaps: Gaps, counters: &Counters) {
        let program = recipe.program();
        let mut host = vec![0; program.host_bytes as usize];
        let mut reference = Reference::new(recipe.config);
        let mut met: Vec<String> = vec![format!("gaps.{}", gap_name(gaps))];
        if counters.input_stalls > 0 {
            met.push("stalls.input".to_owned());
        }
        if counters.output_stalls > 0 {
            met.push("stalls.output".to_owned());
        }
        let mut observer = Observer {
            config: recipe.config,
            before: None,
            pattern: None,
            target: None,
            writing: None,
            met,
        };
        let run = reference.run_traced(&program, &mut host, &mut |event: Event<'_>| {
            observer.event(event);
        });
        debug_assert!(run.is_ok());
        for step in &recipe.steps {
            if let super::Step::LoadStored { .. } = step {
                observer.met.push("load.stored".to_owned());
            }
        }
        for bin in observer.met {
            *self.met.entry(bin).or_default() += 1;
        }
    }
}

fn gap_name(gaps: Gaps) -> &'static str {
    match gaps {
        Gaps::None => "none",
        Gaps::Input => "input",
        Gaps::Output => "output",
        Gaps::Both => "both",
    }
}

fn space_name(space: Space) -> &'static str {
    match space {
        Space::Activations => "activations",
        Space::Weights => "weights",
        Space::Parameters => "parameters",
        Space::Table => "table",
        Space::Lookup => "lookup",
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Matrix => "matrix",
        Unit::Activation => "activation",
        Unit::Store => "store",
    }
}

fn combine_name(combine: Combine) -> &'static str {
    match combine {
        Combine::Sum => "sum",
        Combine::Maximum => "maximum",
        Combine::Lookup => "lookup",
        Combine::Product => "product",
    }
}

/// Every bin of a configuration.
fn all(config: &Config) -> Vec<String> {
    let mut bins: Vec<String> = Vec::new();
    let mut add = |prefix: &str, cases: &[&str]| {
        bins.extend(cases.iter().map(|case| format!("{prefix}.{case}")));
    };
    const COUNTS: [&str; 3] = ["one", "some", "all"];
    const ADDRESSES: [&str; 3] = ["first", "inside", "last"];
    const STRIDES: [&str; 3] = ["zero", "up", "down"];
    const TAPS: [&str; 4] = ["one", "inner", "outer", "both"];
    const CODES: [&str; 3] = ["low", "between", "high"];

    for space in Space::ALL {
        let load = format!("load.{}", space_name(space));
        add(&format!("{load}.count"), &COUNTS);
        add(&format!("{load}.address"), &ADDRESSES);
    }
    add("load", &["stored"]);
    for source in ["activations", "accumulators"] {
        add(&format!("store.{source}.count"), &COUNTS);
        add(&format!("store.{source}.address"), &ADDRESSES);
    }
    add("store", &["counters"]);
    for field in ["x_count", "y_count"] {
        add(&format!("pattern.{field}"), &["one", "some"]);
        add(&format!("target.{field}"), &["one", "some"]);
    }
    for field in ["x_stride", "y_stride"] {
        add(&format!("pattern.{field}"), &STRIDES);
        add(&format!("target.{field}"), &STRIDES);
    }
    for field in ["inner_stride", "outer_stride"] {
        add(&format!("pattern.{field}"), &STRIDES);
    }
    add("target.bounds", &["whole", "narrow", "equal"]);

    for accumulate in ["replace", "accumulate"] {
        add(&format!("matrix.{accumulate}.taps"), &TAPS);
    }
    add("matrix.positions", &COUNTS);
    add("matrix.accumulator", &ADDRESSES);
    add("matrix.weight", &ADDRESSES);
    add("matrix.activation", &ADDRESSES);

    let lanes_apart = config.lanes > config.vector_lanes;
    for table in ["plain", "table"] {
        add(&format!("activate.{table}.columns"), &COUNTS);
    }
    add("activate.positions", &["one", "some"]);
    add("activate.accumulator", &ADDRESSES);
    add("activate.parameter", &ADDRESSES);
    add("activate.code", &CODES);
    add(
        "activate.lane",
        if lanes_apart {
            &["first", "other"]
        } else {
            &["first"]
        },
    );
    add(
        "activate.words",
        if lanes_apart {
            &["one", "two"]
        } else {
            &["one"]
        },
    );

    for combine in Combine::ALL {
        let vector = format!("vector.{}", combine_name(combine));
        for table in ["plain", "table"] {
            add(&format!("{vector}.{table}"), &["even_product", "even_code"]);
        }
        add(&format!("{vector}.columns"), &COUNTS);
        add(
            &format!("{vector}.taps"),
            match combine {
                Combine::Product => &["inner", "outer"],
                _ => &TAPS,
            },
        );
    }
    for operand in 0..2 {
        add(
            &format!("vector.product.zero_point_{operand}"),
            &["lowest", "between", "highest"],
        );
    }
    add("vector.code", &CODES);
    // With one column any lane goes to any lane.
    add("vector.source_lane", &["first", "other"]);
    add("vector.lane", &["first", "other"]);
    add("vector.parameter", &ADDRESSES);

    for kind in KINDS {
        add(&format!("waits.{kind}"), &["none"]);
        for unit in Unit::ALL {
            add(&format!("waits.{kind}"), &[unit_name(unit)]);
        }
        add(&format!("order.{kind}"), &KINDS);
    }
    for gaps in Gaps::ALL {
        add("gaps", &[gap_name(gaps)]);
    }
    add("stalls", &["input", "output"]);
    bins
}

/// Watches one run.
struct Observer {
    config: Config,
    before: Option<&'static str>,
    pattern: Option<Pattern>,
    target: Option<Target>,
    /// Whose bytes are being written, if they are codes as they were clamped.
    writing: Option<&'static str>,
    met: Vec<String>,
}

impl Observer {
    fn meet(&mut self, bin: &str, case: &str) {
        self.met.push(format!("{bin}.{case}"));
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Instruction {
                instruction, waits, ..
            } => self.instruction(&instruction, waits),
            Event::Byte { byte, .. } => {
                if let (Some(writer), Some(target)) = (self.writing, self.target) {
                    let case = match byte {
                        byte if byte == target.low => "low",
                        byte if byte == target.high => "high",
                        _ => "between",
                    };
                    self.meet(&format!("{writer}.code"), case);
                }
            }
            _ => {}
        }
    }

    fn instruction(&mut self, instruction: &Instruction, waits: Waits) {
        let Some(kind) = kind(instruction) else {
            return;
        };
        if let Some(before) = self.before.replace(kind) {
            self.meet(&format!("order.{before}"), kind);
        }
        let mut waited = false;
        for unit in Unit::ALL {
            if waits.contains(unit) {
                waited = true;
                self.meet(&format!("waits.{kind}"), unit_name(unit));
            }
        }
        if !waited {
            self.meet(&format!("waits.{kind}"), "none");
        }
        self.writing = None;
        match instruction {
            Instruction::Load {
                space,
                address,
                count,
            } => {
                let prefix = format!("load.{}", space_name(*space));
                let words = self.config.words(*space);
                self.range(&prefix, *address, *count, words);
            }
            Instruction::Store {
                source,
                address,
                count,
            } => match source {
                Source::Activations => {
                    let words = self.config.activation_words;
                    self.range("store.activations", *address, *count, words);
                }
                Source::Accumulators => {
                    let words = self.config.accumulator_words;
                    self.range("store.accumulators", *address, *count, words);
                }
                Source::Counters => self.meet("store", "counters"),
            },
            Instruction::Pattern(pattern) => {
                self.pattern = Some(*pattern);
                self.few("pattern.x_count", pattern.x_count);
                self.few("pattern.y_count", pattern.y_count);
                self.stride("pattern.x_stride", pattern.x_stride);
                self.stride("pattern.y_stride", pattern.y_stride);
                self.stride("pattern.inner_stride", pattern.inner_stride);
                self.stride("pattern.outer_stride", pattern.outer_stride);
            }
            Instruction::Target(target) => {
                self.target = Some(*target);
                self.few("target.x_count", target.x_count);
                self.few("target.y_count", target.y_count);
                self.stride("target.x_stride", target.x_stride);
                self.stride("target.y_stride", target.y_stride);
                let bounds = match (target.low, target.high) {
                    (0, 255) => "whole",
                    (low, high) if low == high => "equal",
                    _ => "narrow",
                };
                self.meet("target.bounds", bounds);
            }
            Instruction::Matrix(matrix) => self.matrix(matrix),
            Instruction::Activate(activate) => self.activate(activate),
            Instruction::Vector(vector) => self.vector(vector),
            Instruction::Begin { .. } | Instruction::Halt => {}
        }
    }

    fn matrix(&mut self, matrix: &Matrix) {
        let mode = match matrix.accumulate {
            true => "accumulate",
            false => "replace",
        };
        self.taps(&format!("matrix.{mode}"), matrix.inner, matrix.outer);
        let Some(pattern) = self.pattern else { return };
        let words = self.config.accumulator_words;
        let positions = pattern.positions();
        self.count("matrix.positions", positions, words);
        self.place("matrix.accumulator", matrix.accumulator, positions, words);
        let rows = matrix.inner as usize * matrix.outer as usize * self.config.lanes;
        self.place(
            "matrix.weight",
            matrix.weight,
            rows,
            self.config.weight_rows,
        );
        let reach = pattern.reach(matrix.activation, matrix.inner, matrix.outer, 0);
        let first = reach.start.max(0) as u16;
        let length = (reach.end - reach.start) as usize;
        self.place(
            "matrix.activation",
            first,
            length,
            self.config.activation_words,
        );
    }

    fn activate(&mut self, activate: &Activate) {
        let mode = match activate.table {
            true => "table",
            false => "plain",
        };
        let columns = activate.columns as usize;
        self.count(
            &format!("activate.{mode}.columns"),
            columns,
            self.config.columns,
        );
        let Some(target) = self.target else { return };
        let positions = target.positions();
        self.few("activate.positions", positions as u16);
        self.place(
            "activate.accumulator",
            activate.accumulator,
            positions,
            self.config.accumulator_words,
        );
        self.parameter("activate", activate.parameter, columns);
        self.lane("activate.lane", activate.lane);
        let words = match (activate.lane as usize + columns).div_ceil(self.config.lanes) {
            1 => "one",
            _ => "two",
        };
        self.meet("activate.words", words);
        self.writing = (!activate.table).then_some("activate");
    }

    fn vector(&mut self, vector: &Vector) {
        let prefix = format!("vector.{}", combine_name(vector.combine));
        let table = match vector.table {
            true => "table",
            false => "plain",
        };
        let even = match vector.even_code {
            true => "even_code",
            false => "even_product",
        };
        self.meet(&format!("{prefix}.{table}"), even);
        let columns = vector.columns as usize;
        self.count(&format!("{prefix}.columns"), columns, self.config.lanes);
        self.taps(&prefix, vector.inner, vector.outer as u16);
        if vector.combine == Combine::Product {
            for (operand, zero_point) in vector.zero_points.into_iter().enumerate() {
                let case = match zero_point {
                    0 => "lowest",
                    255 => "highest",
                    _ => "between",
                };
                self.meet(&format!("vector.product.zero_point_{operand}"), case);
            }
        }
        self.lane("vector.source_lane", vector.source_lane);
        self.lane("vector.lane", vector.lane);
        let used = columns.min(self.config.vector_lanes);
        self.parameter("vector", vector.parameter, used);
        self.writing = (!vector.table).then_some("vector");
    }

    fn range(&mut self, prefix: &str, address: u16, count: u16, words: usize) {
        self.count(&format!("{prefix}.count"), count as usize, words);
        self.place(&format!("{prefix}.address"), address, count as usize, words);
    }

    fn count(&mut self, bin: &str, count: usize, all: usize) {
        let case = match count {
            1 => "one",
            count if count == all => "all",
            _ => "some",
        };
        self.meet(bin, case);
    }

    /// A range at the beginning of a memory, at its end, or neither.
    fn place(&mut self, bin: &str, first: u16, length: usize, words: usize) {
        let first = first as usize;
        if first == 0 {
            self.meet(bin, "first");
        }
        if first + length == words {
            self.meet(bin, "last");
        }
        if first != 0 && first + length != words {
            self.meet(bin, "inside");
        }
    }

    /// Parameters are used a vector's lanes at a time.
    fn parameter(&mut self, kind: &str, first: u16, used: usize) {
        let used = used.next_multiple_of(self.config.vector_lanes);
        let words = self.config.parameter_words;
        self.place(&format!("{kind}.parameter"), first, used, words);
    }

    fn few(&mut self, bin: &str, count: u16) {
        self.meet(bin, if count == 1 { "one" } else { "some" });
    }

    fn stride(&mut self, bin: &str, stride: u16) {
        let case = match stride as i16 {
            0 => "zero",
            stride if stride > 0 => "up",
            _ => "down",
        };
        self.meet(bin, case);
    }

    fn taps(&mut self, prefix: &str, inner: u16, outer: u16) {
        let case = match (inner, outer) {
            (1, 1) => "one",
            (_, 1) => "inner",
            (1, _) => "outer",
            _ => "both",
        };
        self.meet(&format!("{prefix}.taps"), case);
    }

    fn lane(&mut self, bin: &str, lane: u8) {
        self.meet(bin, if lane == 0 { "first" } else { "other" });
    }
}
