//! The reference machine: the executable meaning of the instruction set.

use crate::numerics::{requantise, wrap};
use crate::stream::Stream;
use crate::trace::{Event, Tracer};
use crate::{
    cycles, Activate, ChannelParameters, Config, Counters, Instruction, Machine, MachineError,
    Matrix, Memories, Program, Run, Source, Space, INSTRUCTION_BYTES, ISA_VERSION,
};

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
        if program.config != self.config {
            return Err(MachineError::Config {
                program: program.config.name,
                machine: self.config.name,
            });
        }
        let mut execution = Execution {
            config: self.config,
            memories: &mut self.memories,
            stream: Stream::new(program, host)?,
            tracer,
            counters: Counters::default(),
            index: 0,
            buffer: Vec::new(),
        };
        while execution.step()? {}
        execution.stream.finish()?;
        Ok(Run {
            counters: execution.counters,
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

    fn memories(&self) -> Memories {
        self.memories.clone()
    }
}

/// One run in progress.
struct Execution<'a> {
    config: Config,
    memories: &'a mut Memories,
    stream: Stream<'a>,
    tracer: &'a mut dyn Tracer,
    counters: Counters,
    /// Number of the instruction being executed.
    index: usize,
    buffer: Vec<u8>,
}

impl Execution<'_> {
    /// Executes one instruction; false after `Halt`.
    fn step(&mut self) -> Result<bool, MachineError> {
        let offset = self.stream.consumed;
        let instruction = self.fetch(offset)?;
        self.tracer.event(Event::Instruction {
            index: self.index,
            cycle: self.counters.cycles,
            instruction,
        });
        let parameters = &self.memories.parameters;
        let config = &self.config;
        let cycles = cycles::instruction_cycles(config, &instruction, |index| {
            parameter_word(parameters, config, index)
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
            Instruction::Matrix(matrix) => {
                self.matrix(&matrix)?;
                self.counters.matrix_cycles = self
                    .counters
                    .matrix_cycles
                    .wrapping_add(matrix.positions as u32 * matrix.tiles as u32);
            }
            Instruction::Activate(activate) => self.activate(&activate)?,
            Instruction::Store {
                source,
                address,
                count,
            } => self.store(source, address as usize, count as usize)?,
            Instruction::Halt => {}
        }
        self.counters.cycles = self.counters.cycles.wrapping_add(cycles as u32);
        self.index += 1;
        Ok(instruction != Instruction::Halt)
    }

    fn fetch(&mut self, offset: usize) -> Result<Instruction, MachineError> {
        self.read(self.config.instruction_beats())?;
        let mut bytes = [0; INSTRUCTION_BYTES];
        bytes.copy_from_slice(&self.buffer[..INSTRUCTION_BYTES]);
        let index = self.index;
        let instruction = Instruction::decode(&bytes).map_err(|source| MachineError::Decode {
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
        Ok(instruction)
    }

    fn begin(&mut self, version: u8, fingerprint: u16) -> Result<(), MachineError> {
        match version == ISA_VERSION && fingerprint == self.config.fingerprint() {
            true => Ok(()),
            false => Err(MachineError::core(crate::ERROR_MISMATCH)),
        }
    }

    fn load(&mut self, space: Space, address: usize, count: usize) -> Result<(), MachineError> {
        let words = self.config.words(space);
        let (name, memory) = match space {
            Space::Activations => ("activations", &mut self.memories.activations),
            Space::Weights => ("weights", &mut self.memories.weights),
            Space::Parameters => ("parameters", &mut self.memories.parameters),
            Space::Table => ("table", &mut self.memories.table),
        };
        in_range(self.index, name, address + count - 1, words)?;
        let bytes = self.config.word_bytes(space);
        let beats = self.config.word_beats(space);
        let padded = beats * self.config.stream_bytes;
        read(
            &mut self.stream,
            &mut self.buffer,
            self.index,
            count * padded,
        )?;
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
        let Config {
            lanes,
            activation_words,
            weight_rows,
            accumulator_words,
            ..
        } = self.config;
        let last = |start: u16, steps: &[(u16, u16)]| {
            steps.iter().fold(start as usize, |word, &(count, stride)| {
                word + (count as usize - 1) * stride as usize
            })
        };
        let rows = matrix.tiles as usize * lanes;
        in_range(
            self.index,
            "weights",
            matrix.weight as usize + rows - 1,
            weight_rows,
        )?;
        in_range(
            self.index,
            "activations",
            last(
                matrix.activation,
                &[
                    (matrix.tiles, matrix.tile_stride),
                    (matrix.positions, matrix.position_stride),
                ],
            ),
            activation_words,
        )?;
        in_range(
            self.index,
            "accumulators",
            last(matrix.accumulator, &[(matrix.positions, 1)]),
            accumulator_words,
        )?;
        // A fixed number of columns lets the inner loop be vectorised.
        match self.config.columns {
            4 => matrix_columns::<4>(&self.config, self.memories, matrix),
            6 => matrix_columns::<6>(&self.config, self.memories, matrix),
            16 => matrix_columns::<16>(&self.config, self.memories, matrix),
            columns => unreachable!("no configuration has {columns} columns"),
        }
        for position in 0..matrix.positions as usize {
            let word = matrix.accumulator as usize + position;
            let columns = self.config.columns;
            self.tracer.event(Event::Accumulate {
                word,
                values: &self.memories.accumulators[word * columns..][..columns],
            });
        }
        Ok(())
    }

    fn activate(&mut self, activate: &Activate) -> Result<(), MachineError> {
        let config = self.config;
        let (positions, columns) = (activate.positions as usize, activate.columns as usize);
        let (lane, lanes) = (activate.lane as usize, config.lanes);
        let last_word = activate.activation as usize
            + (positions - 1) * activate.position_stride as usize
            + (lane + columns - 1) / lanes;
        in_range(self.index, "columns", columns - 1, config.columns)?;
        in_range(self.index, "lanes", lane, lanes)?;
        in_range(
            self.index,
            "accumulators",
            activate.accumulator as usize + positions - 1,
            config.accumulator_words,
        )?;
        in_range(
            self.index,
            "activations",
            last_word,
            config.activation_words,
        )?;
        in_range(
            self.index,
            "parameters",
            activate.parameter as usize + columns - 1,
            config.parameter_words,
        )?;
        let parameters: Vec<ChannelParameters> = (0..columns)
            .map(|column| {
                let index = activate.parameter as usize + column;
                parameter_word(&self.memories.parameters, &config, index)
            })
            .collect();
        for position in 0..positions {
            let accumulators = &self.memories.accumulators
                [(activate.accumulator as usize + position) * config.columns..];
            let word = activate.activation as usize + position * activate.position_stride as usize;
            for (column, parameters) in parameters.iter().enumerate() {
                let sum = wrap(
                    accumulators[column] as i64 + parameters.bias as i64,
                    config.accumulator_bits,
                );
                let code = requantise(
                    sum,
                    parameters,
                    config.requantise_rows,
                    activate.low,
                    activate.high,
                );
                let byte = match activate.table {
                    true => self.memories.table[code as usize],
                    false => code,
                };
                let place = word * lanes + lane + column;
                self.memories.activations[place] = byte;
                self.tracer.event(Event::Byte {
                    word: place / lanes,
                    lane: place % lanes,
                    byte,
                });
            }
        }
        Ok(())
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
                in_range(
                    self.index,
                    "activations",
                    address + count - 1,
                    activation_words,
                )?;
                let bytes = &self.memories.activations[address * lanes..][..count * lanes];
                bytes
                    .chunks_exact(lanes)
                    .for_each(|word| beat(word, &mut out));
            }
            Source::Accumulators => {
                in_range(
                    self.index,
                    "accumulators",
                    address + count - 1,
                    accumulator_words,
                )?;
                let values = &self.memories.accumulators[address * columns..][..count * columns];
                values
                    .iter()
                    .for_each(|value| beat(&value.to_le_bytes(), &mut out));
            }
            Source::Counters => {
                let mut counters = self.counters;
                counters.cycles = counters
                    .cycles
                    .wrapping_add(cycles::fetch_cycles(&self.config) as u32);
                counters
                    .words()
                    .iter()
                    .for_each(|value| beat(&value.to_le_bytes(), &mut out));
            }
        }
        self.stream.write(&out)
    }

    /// Reads beats into the buffer.
    fn read(&mut self, beats: usize) -> Result<(), MachineError> {
        let bytes = beats * self.config.stream_bytes;
        read(&mut self.stream, &mut self.buffer, self.index, bytes)
    }
}

fn read(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    index: usize,
    bytes: usize,
) -> Result<(), MachineError> {
    stream
        .read(bytes, buffer)?
        .map_err(|_| MachineError::Truncated { index })
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

/// The arithmetic of `Matrix`. All operands are in range. Sums are formed modulo
/// 2^32, a multiple of 2^W, and wrapped to the accumulator width when stored.
fn matrix_columns<const COLUMNS: usize>(config: &Config, memories: &mut Memories, m: &Matrix) {
    let lanes = config.lanes;
    let mut tile = vec![[0i32; COLUMNS]; lanes];
    for k in 0..m.tiles as usize {
        let rows = &memories.weights[(m.weight as usize + k * lanes) * COLUMNS..];
        for (row, bytes) in tile.iter_mut().zip(rows.chunks_exact(COLUMNS)) {
            for (weight, &byte) in row.iter_mut().zip(bytes) {
                *weight = byte as i8 as i32;
            }
        }
        let replace = k == 0 && !m.accumulate;
        for n in 0..m.positions as usize {
            let word =
                m.activation as usize + k * m.tile_stride as usize + n * m.position_stride as usize;
            let activations = &memories.activations[word * lanes..][..lanes];
            let place = (m.accumulator as usize + n) * COLUMNS;
            let accumulators = &mut memories.accumulators[place..place + COLUMNS];
            let mut sums = [0i32; COLUMNS];
            for (&activation, row) in activations.iter().zip(&tile) {
                for (sum, &weight) in sums.iter_mut().zip(row) {
                    *sum += activation as i32 * weight;
                }
            }
            for (accumulator, sum) in accumulators.iter_mut().zip(sums) {
                let before = if replace { 0 } else { *accumulator };
                *accumulator = wrap(before as i64 + sum as i64, config.accumulator_bits);
            }
        }
    }
}
