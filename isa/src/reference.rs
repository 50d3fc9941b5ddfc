//! The reference machine: the executable meaning of the instruction set.

use crate::cycles::Timing;
use crate::numerics::{requantise_with, wrap};
use crate::trace::{Event, Tracer};
use crate::{
    activation_cycles, Activate, ChannelParameters, Combine, Config, Hazards, Inspect, Instruction,
    Machine, MachineError, Matrix, Memories, Pattern, Program, Run, Script, Source, Space, Target,
    Unit, Vector, Waits, INSTRUCTION_BYTES, ISA_VERSION,
};
use std::ops::Range;

/// Executes programs bit-exactly and counts the cycle model's cycles.
pub struct Reference {
    config: Config,
    memories: Memories,
}

impl Reference {
    pub fn new(config: Config) -> Reference {
        Reference {
            config,
            memories: Memories::new(&config),
        }
    }

    /// As [`Machine::run`], and reports each instruction and each memory write to
    /// `tracer`.
    pub fn run_traced(
        &mut self,
        program: &Program,
        host: &mut [u8],
        tracer: &mut dyn Tracer,
    ) -> Result<Run, MachineError> {
        self.execute(program, host, tracer, true)
    }

    /// What a run will report: its counters depend on the program alone, so that no sums
    /// are formed.
    pub fn time(program: &Program) -> Result<Run, MachineError> {
        let mut host = vec![0; program.host_bytes as usize];
        Reference::new(program.config).execute(program, &mut host, &mut (), false)
    }

    fn execute(
        &mut self,
        program: &Program,
        host: &mut [u8],
        tracer: &mut dyn Tracer,
        computes: bool,
    ) -> Result<Run, MachineError> {
        if program.config != self.config {
            return Err(MachineError::Config {
                program: program.config.name,
                machine: self.config.name,
            });
        }
        let mut execution = Execution {
            config: self.config,
            computes,
            memories: &mut self.memories,
            script: Script::new(program, host)?,
            tracer,
            timing: Timing::new(&self.config),
            started: 0,
            hazards: Hazards::new(&self.config),
            pattern: None,
            target: None,
            index: 0,
            consumed: 0,
            buffer: Vec::new(),
        };
        while execution.step()? {}
        execution.script.finish()?;
        Ok(Run {
            counters: execution.timing.counters(execution.started),
        })
    }
}

impl Machine for Reference {
    fn config(&self) -> &Config {
        &self.config
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        self.run_traced(program, host, &mut ())
    }
}

impl Inspect for Reference {
    fn memories(&self) -> Memories {
        self.memories.clone()
    }
}

/// The address generator counts the outer taps in eight bits.
const MOST_OUTER_TAPS: u16 = 256;

/// One run in progress.
struct Execution<'a> {
    config: Config,
    /// Matrix and activation unit compute; else they only take their time.
    computes: bool,
    memories: &'a mut Memories,
    script: Script<'a>,
    tracer: &'a mut dyn Tracer,
    timing: Timing,
    /// The cycle in which the instruction being executed started.
    started: u64,
    hazards: Hazards,
    pattern: Option<Pattern>,
    target: Option<Target>,
    /// Number of the instruction being executed.
    index: usize,
    /// Bytes of the input stream read so far.
    consumed: usize,
    buffer: Vec<u8>,
}

impl Execution<'_> {
    /// Executes one instruction; false after `Halt`.
    fn step(&mut self) -> Result<bool, MachineError> {
        let offset = self.consumed;
        let (instruction, waits) = self.fetch(offset)?;
        let needed = self.hazards.waits(&instruction);
        if let Some(unit) = Unit::ALL
            .into_iter()
            .find(|&unit| needed.contains(unit) && !waits.contains(unit))
        {
            let index = self.index;
            return Err(MachineError::Hazard { index, unit });
        }
        self.hazards.start(&instruction, waits);
        self.started = self.timing.start(&instruction, waits);
        self.tracer.event(Event::Instruction {
            index: self.index,
            cycle: self.started as u32,
            instruction,
            waits,
            idle: self.timing.idle(),
        });
        match instruction {
            Instruction::Begin {
                version,
                fingerprint,
            } => self.begin(version, fingerprint)?,
            Instruction::Load {
                space,
                address,
                count,
            } => self.load(space, address as usize, count as usize)?,
            Instruction::Pattern(pattern) => {
                self.counts_fit(&[pattern.x_count, pattern.y_count])?;
                self.pattern = Some(pattern);
            }
            Instruction::Target(target) => {
                self.counts_fit(&[target.x_count, target.y_count])?;
                self.target = Some(target);
            }
            Instruction::Matrix(matrix) => self.matrix(&matrix)?,
            Instruction::Activate(activate) => self.activate(&activate)?,
            Instruction::Vector(vector) => self.vector(&vector)?,
            Instruction::Store {
                source,
                address,
                count,
            } => self.store(source, address as usize, count as usize)?,
            Instruction::Halt => {}
        }
        self.index += 1;
        Ok(instruction != Instruction::Halt)
    }

    fn fetch(&mut self, offset: usize) -> Result<(Instruction, Waits), MachineError> {
        self.read(self.config.instruction_beats())?;
        let mut bytes = [0; INSTRUCTION_BYTES];
        bytes.copy_from_slice(&self.buffer[..INSTRUCTION_BYTES]);
        let index = self.index;
        let (instruction, waits) =
            Instruction::decode(&bytes).map_err(|source| MachineError::Decode {
                index,
                offset,
                source,
            })?;
        if (index == 0) != matches!(instruction, Instruction::Begin { .. }) {
            return Err(MachineError::Stream {
                segment: 0,
                problem: "has a begin elsewhere than as its first instruction",
            });
        }
        Ok((instruction, waits))
    }

    fn begin(&mut self, version: u8, fingerprint: u16) -> Result<(), MachineError> {
        match version == ISA_VERSION && fingerprint == self.config.fingerprint() {
            true => Ok(()),
            false => Err(MachineError::core(crate::ERROR_MISMATCH)),
        }
    }

    fn load(&mut self, space: Space, address: usize, count: usize) -> Result<(), MachineError> {
        let words = self.config.words(space);
        let name = match space {
            Space::Activations => "activations",
            Space::Weights => "weights",
            Space::Parameters => "parameters",
            Space::Table => "table",
            Space::Lookup => "lookup",
        };
        in_range(self.index, name, address + count - 1, words)?;
        let bytes = self.config.word_bytes(space);
        let beats = self.config.word_beats(space);
        let padded = beats * self.config.stream_bytes;
        self.read(count * beats)?;
        self.timing.loaded();
        let memory = match space {
            Space::Activations => &mut self.memories.activations,
            Space::Weights => &mut self.memories.weights,
            Space::Parameters => &mut self.memories.parameters,
            Space::Table => &mut self.memories.table,
            Space::Lookup => &mut self.memories.lookup,
        };
        for (i, word) in self.buffer.chunks_exact(padded).enumerate() {
            let place = (address + i) * bytes;
            memory[place..place + bytes].copy_from_slice(&word[..bytes]);
            self.tracer.event(Event::Write {
                memory: name,
                word: address + i,
                bytes: &word[..bytes],
            });
        }
        Ok(())
    }

    fn matrix(&mut self, matrix: &Matrix) -> Result<(), MachineError> {
        let pattern = self.pattern()?;
        self.counts_fit(&[matrix.inner])?;
        if matrix.outer > MOST_OUTER_TAPS {
            return Err(self.geometry("outer is beyond 256, which the hardware counts to"));
        }
        let Config {
            lanes,
            activation_words,
            weight_rows,
            accumulator_words,
            columns,
            ..
        } = self.config;
        let positions = pattern.positions();
        let tiles = matrix.inner as usize * matrix.outer as usize;
        self.in_range("weights", matrix.weight, tiles * lanes, weight_rows)?;
        let reach = pattern.reach(matrix.activation, matrix.inner, matrix.outer, 0);
        self.reach_in_range("activations", reach, activation_words)?;
        self.in_range(
            "accumulators",
            matrix.accumulator,
            positions,
            accumulator_words,
        )?;
        self.timing.matrix(self.started, tiles, positions);
        if !self.computes {
            return Ok(());
        }
        // Fixed sizes let the inner loops be unrolled and vectorised.
        let multiply = match (lanes, columns) {
            (4, 4) => multiply::<4, 4>,
            (8, 4) => multiply::<8, 4>,
            (16, 16) => multiply::<16, 16>,
            size => unreachable!("no configuration has {size:?} lanes and columns"),
        };
        multiply(&self.config, self.memories, &pattern, matrix);
        for position in 0..positions {
            let word = matrix.accumulator as usize + position;
            self.tracer.event(Event::Accumulate {
                word,
                values: &self.memories.accumulators[word * columns..][..columns],
            });
        }
        Ok(())
    }

    fn activate(&mut self, activate: &Activate) -> Result<(), MachineError> {
        let target = self.target()?;
        let (columns, lane) = (activate.columns as usize, activate.lane as usize);
        let vector_lanes = self.config.vector_lanes;
        if lane % vector_lanes != 0 || activate.parameter as usize % vector_lanes != 0 {
            return Err(self.geometry("an activate starts at a multiple of the vector lanes"));
        }
        self.in_range("columns", 0, columns, self.config.columns)?;
        self.in_range(
            "accumulators",
            activate.accumulator,
            target.positions(),
            self.config.accumulator_words,
        )?;
        let parameters = self.parameters(activate.parameter, columns)?;
        let words = self.target_words(&target, activate.activation, lane, columns)?;
        let times =
            activation_cycles::activate(&self.config, activate, target.positions(), |index| {
                parameter_word(&self.memories.parameters, &self.config, index)
            });
        self.timing.activation(self.started, &times);
        if !self.computes {
            return Ok(());
        }
        for (position, word) in words.enumerate() {
            let sums = (activate.accumulator as usize + position) * self.config.columns;
            for (column, parameters) in parameters.iter().enumerate() {
                let sum = self.memories.accumulators[sums + column] as i64;
                let code = self.finish(sum, parameters, &target, activate.table, false);
                self.write(word, lane + column, code);
            }
        }
        Ok(())
    }

    fn vector(&mut self, vector: &Vector) -> Result<(), MachineError> {
        let (pattern, target) = (self.pattern()?, self.target()?);
        let (columns, lane) = (vector.columns as usize, vector.lane as usize);
        let (lanes, vector_lanes) = (self.config.lanes, self.config.vector_lanes);
        let source_lane = vector.source_lane as usize;
        self.counts_fit(&[vector.inner])?;
        if pattern.positions() != target.positions() {
            return Err(self.geometry("pattern and target differ in positions"));
        }
        if columns > 1 && (lane % vector_lanes != 0 || source_lane % vector_lanes != 0) {
            return Err(self.geometry("a vector starts at a multiple of the vector lanes"));
        }
        if vector.parameter as usize % vector_lanes != 0 {
            return Err(self.geometry("its parameters start at a multiple of the vector lanes"));
        }
        self.in_range("lanes", 0, columns, lanes)?;
        self.in_range("lanes", vector.source_lane as u16, 1, lanes)?;
        let parameters = self.parameters(vector.parameter, columns.min(vector_lanes))?;
        let further = (source_lane + columns - 1) / lanes;
        let reach = pattern.reach(
            vector.source,
            vector.inner,
            vector.outer as u16,
            further as i64,
        );
        self.reach_in_range("activations", reach, self.config.activation_words)?;
        let words = self.target_words(&target, vector.activation, lane, columns)?;
        let times = activation_cycles::vector(&self.config, vector, target.positions(), |index| {
            parameter_word(&self.memories.parameters, &self.config, index)
        });
        self.timing.activation(self.started, &times);
        if !self.computes {
            return Ok(());
        }
        let mut taps = Vec::new();
        for (word, offset) in words.zip(pattern.offsets()) {
            let first = vector.source.wrapping_add(offset);
            for column in 0..columns {
                taps.clear();
                taps.extend(
                    pattern
                        .taps(vector.inner, vector.outer as u16)
                        .map(|tap| first.wrapping_add(tap) as usize * lanes + source_lane + column)
                        .map(|place| self.memories.activations[place]),
                );
                let value = self.combine(vector, &taps);
                let parameters = &parameters[column % vector_lanes];
                let even = vector.even_code;
                let code = self.finish(value, parameters, &target, vector.table, even);
                self.write(word, lane + column, code);
            }
        }
        Ok(())
    }

    fn combine(&self, vector: &Vector, taps: &[u8]) -> i64 {
        let bytes = taps.iter().map(|&byte| byte as i64);
        match vector.combine {
            Combine::Sum => bytes.sum(),
            Combine::Maximum => bytes.fold(0, i64::max),
            Combine::Lookup => taps
                .iter()
                .enumerate()
                .map(|(tap, &byte)| lookup_entry(self.memories, &self.config, tap % 2, byte))
                .sum(),
            Combine::Product => bytes
                .zip(vector.zero_points)
                .map(|(byte, zero_point)| byte - zero_point as i64)
                .product(),
        }
    }

    /// From a sum, without its bias, to the byte that is written.
    fn finish(
        &self,
        sum: i64,
        parameters: &ChannelParameters,
        target: &Target,
        table: bool,
        even_code: bool,
    ) -> u8 {
        let Config {
            accumulator_bits,
            requantise_rows,
            ..
        } = self.config;
        let sum = wrap(sum + parameters.bias as i64, accumulator_bits);
        let Target { low, high, .. } = *target;
        let code = requantise_with(sum, parameters, requantise_rows, low, high, even_code);
        match table {
            true => self.memories.table[code as usize],
            false => code,
        }
    }

    fn write(&mut self, word: usize, lane: usize, byte: u8) {
        let lanes = self.config.lanes;
        let place = word * lanes + lane;
        self.memories.activations[place] = byte;
        self.tracer.event(Event::Byte {
            word: place / lanes,
            lane: place % lanes,
            byte,
        });
    }

    fn parameters(&self, first: u16, count: usize) -> Result<Vec<ChannelParameters>, MachineError> {
        self.in_range("parameters", first, count, self.config.parameter_words)?;
        Ok((first as usize..first as usize + count)
            .map(|index| parameter_word(&self.memories.parameters, &self.config, index))
            .collect())
    }

    /// The first word of each position, all of whose lanes are in range.
    fn target_words(
        &self,
        target: &Target,
        first: u16,
        lane: usize,
        columns: usize,
    ) -> Result<impl Iterator<Item = usize>, MachineError> {
        self.in_range("lanes", lane as u16, 1, self.config.lanes)?;
        let further = (lane + columns - 1) / self.config.lanes;
        let reach = target.reach(first, further as i64);
        self.reach_in_range("activations", reach, self.config.activation_words)?;
        let offsets = target.offsets();
        Ok(offsets.map(move |offset| first.wrapping_add(offset) as usize))
    }

    fn pattern(&self) -> Result<Pattern, MachineError> {
        let missing = || self.geometry("no pattern has been given");
        self.pattern.ok_or_else(missing)
    }

    fn target(&self) -> Result<Target, MachineError> {
        let missing = || self.geometry("no target has been given");
        self.target.ok_or_else(missing)
    }

    /// Hardware counts as far as it has activation words.
    fn counts_fit(&self, counts: &[u16]) -> Result<(), MachineError> {
        let most = self.config.activation_words;
        match counts.iter().all(|&count| count as usize <= most) {
            true => Ok(()),
            false => Err(self.geometry("a count is beyond the words of the activation memory")),
        }
    }

    fn geometry(&self, reason: &'static str) -> MachineError {
        MachineError::Geometry {
            index: self.index,
            reason,
        }
    }

    fn store(&mut self, source: Source, address: usize, count: usize) -> Result<(), MachineError> {
        let Config {
            lanes,
            columns,
            activation_words,
            accumulator_words,
            stream_bytes,
            ..
        } = self.config;
        let beat = |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend(bytes);
            out.resize(out.len().next_multiple_of(stream_bytes), 0);
        };
        let mut out = Vec::new();
        match source {
            Source::Activations => {
                self.in_range("activations", address as u16, count, activation_words)?;
                let bytes = &self.memories.activations[address * lanes..][..count * lanes];
                bytes
                    .chunks_exact(lanes)
                    .for_each(|word| beat(word, &mut out));
            }
            Source::Accumulators => {
                self.in_range("accumulators", address as u16, count, accumulator_words)?;
                let values = &self.memories.accumulators[address * columns..][..count * columns];
                values
                    .iter()
                    .for_each(|value| beat(&value.to_le_bytes(), &mut out));
            }
            Source::Counters => {
                let counters = self.timing.counters(self.started);
                counters
                    .words()
                    .iter()
                    .for_each(|value| beat(&value.to_le_bytes(), &mut out));
            }
        }
        self.timing.store(self.started, source, count);
        self.script.deliver(&out)
    }

    fn in_range(
        &self,
        memory: &'static str,
        first: u16,
        count: usize,
        words: usize,
    ) -> Result<(), MachineError> {
        in_range(self.index, memory, first as usize + count - 1, words)
    }

    fn reach_in_range(
        &self,
        memory: &'static str,
        reach: Range<i64>,
        words: usize,
    ) -> Result<(), MachineError> {
        // A word below zero is one of the highest of 2^16.
        let lowest = reach.start as u16 as usize;
        let furthest = (reach.end - 1) as usize;
        in_range(self.index, memory, lowest, words)?;
        in_range(self.index, memory, furthest, words)
    }

    /// Reads beats into the buffer.
    fn read(&mut self, beats: usize) -> Result<(), MachineError> {
        let bytes = beats * self.config.stream_bytes;
        self.buffer.clear();
        while self.buffer.len() < bytes {
            let pending = self.script.pending();
            if pending.is_empty() {
                return Err(self.starved());
            }
            let taken = pending.len().min(bytes - self.buffer.len());
            self.buffer.extend(&pending[..taken]);
            let beats = taken / self.config.stream_bytes;
            self.timing.beats(beats as u64, self.script.awaited());
            self.script.sent(taken);
        }
        self.consumed += bytes;
        Ok(())
    }

    fn starved(&self) -> MachineError {
        let index = self.index;
        match self.script.waits_for_receive() {
            true => MachineError::Starved { index },
            false => MachineError::Truncated { index },
        }
    }
}

fn in_range(
    index: usize,
    memory: &'static str,
    word: usize,
    words: usize,
) -> Result<(), MachineError> {
    match word < words {
        true => Ok(()),
        false => Err(MachineError::OutOfRange {
            index,
            memory,
            word,
            words,
        }),
    }
}

fn parameter_word(memory: &[u8], config: &Config, index: usize) -> ChannelParameters {
    let bytes = ChannelParameters::bytes(config);
    match memory.get(index * bytes..(index + 1) * bytes) {
        Some(word) => ChannelParameters::decode(word, config),
        None => ChannelParameters::default(),
    }
}

fn lookup_entry(memories: &Memories, config: &Config, half: usize, byte: u8) -> i64 {
    let bytes = config.accumulator_bytes();
    let place = (half * 256 + byte as usize) * bytes;
    let word = memories.lookup[place..place + bytes].iter().rev();
    let unsigned = word.fold(0, |value, &byte| value << 8 | byte as i64);
    wrap(unsigned, config.accumulator_bits) as i64
}

/// The arithmetic of `Matrix`. All operands are in range. Sums are formed modulo
/// 2^32, a multiple of 2^W, and wrapped to the accumulator width when stored.
fn multiply<const LANES: usize, const COLUMNS: usize>(
    config: &Config,
    memories: &mut Memories,
    pattern: &Pattern,
    m: &Matrix,
) {
    let unused = i32::BITS - config.accumulator_bits;
    let mut tile = [[0i32; COLUMNS]; LANES];
    let offsets: Vec<u16> = pattern.offsets().collect();
    for (k, tap) in pattern.taps(m.inner, m.outer).enumerate() {
        let rows = &memories.weights[(m.weight as usize + k * LANES) * COLUMNS..];
        for (row, bytes) in tile.iter_mut().zip(rows.chunks_exact(COLUMNS)) {
            for (weight, &byte) in row.iter_mut().zip(bytes) {
                *weight = byte as i8 as i32;
            }
        }
        let replace = k == 0 && !m.accumulate;
        let first = m.activation.wrapping_add(tap);
        let words = memories.accumulators[m.accumulator as usize * COLUMNS..]
            .chunks_exact_mut(COLUMNS)
            .zip(&offsets);
        for (accumulators, &offset) in words {
            let word = first.wrapping_add(offset) as usize;
            let activations = &memories.activations[word * LANES..][..LANES];
            let mut sums = [0; COLUMNS];
            if !replace {
                sums.copy_from_slice(accumulators);
            }
            for (&activation, row) in activations.iter().zip(&tile) {
                for (sum, &weight) in sums.iter_mut().zip(row) {
                    *sum = sum.wrapping_add(activation as i32 * weight);
                }
            }
            accumulators.copy_from_slice(&sums.map(|sum| sum << unused >> unused));
        }
    }
}
