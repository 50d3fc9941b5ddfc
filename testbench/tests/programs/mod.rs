//! Programs for the machine tests: a small assembler, and random legal programs.

#![allow(dead_code)] // Each test file uses a part.

use quern_isa::{
    Activate, ChannelParameters, Config, Instruction, Matrix, Program, Region, Segment, Source,
    Space, ISA_VERSION,
};

/// Writes instructions and data into segments, and places what is stored one after
/// another in the host memory.
pub struct Assembler {
    pub config: Config,
    segments: Vec<Segment>,
    literal: Vec<u8>,
    host_bytes: u32,
}

impl Assembler {
    /// A program that has begun.
    pub fn new(config: &Config) -> Assembler {
        let mut assembler = Assembler::bare(config);
        assembler.instruction(Instruction::Begin {
            version: ISA_VERSION,
            fingerprint: config.fingerprint(),
        });
        assembler
    }

    pub fn bare(config: &Config) -> Assembler {
        Assembler {
            config: *config,
            segments: Vec::new(),
            literal: Vec::new(),
            host_bytes: 0,
        }
    }

    pub fn instruction(&mut self, instruction: Instruction) {
        self.literal.extend(instruction.encode());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.literal.extend(bytes);
    }

    /// `data` holds whole words, unpadded.
    pub fn load(&mut self, space: Space, address: usize, data: &[u8]) {
        let bytes = self.config.word_bytes(space);
        assert_eq!(data.len() % bytes, 0);
        self.instruction(Instruction::Load {
            space,
            address: address as u16,
            count: (data.len() / bytes) as u16,
        });
        let padded = self.config.word_beats(space) * self.config.stream_bytes;
        for word in data.chunks_exact(bytes) {
            self.literal.extend(word);
            self.literal.extend(vec![0; padded - bytes]);
        }
    }

    /// The data come from host memory, where earlier stores put them.
    pub fn load_from_host(&mut self, space: Space, address: usize, offset: u32, words: usize) {
        let bytes = words * self.config.word_beats(space) * self.config.stream_bytes;
        self.instruction(Instruction::Load {
            space,
            address: address as u16,
            count: words as u16,
        });
        self.flush();
        self.segments.push(Segment::SendHost {
            offset,
            bytes: bytes as u32,
        });
    }

    /// Returns where in host memory the data go.
    pub fn store(&mut self, source: Source, address: usize, count: usize) -> u32 {
        self.instruction(Instruction::Store {
            source,
            address: address as u16,
            count: count as u16,
        });
        self.flush();
        let beat = |bytes: usize| bytes.next_multiple_of(self.config.stream_bytes);
        let bytes = match source {
            Source::Activations => count * beat(self.config.lanes),
            Source::Accumulators => count * self.config.columns * beat(4),
            Source::Counters => 4 * beat(4),
        } as u32;
        let offset = self.host_bytes;
        self.segments.push(Segment::Receive { offset, bytes });
        self.host_bytes += bytes;
        offset
    }

    pub fn halt(mut self) -> Program {
        self.instruction(Instruction::Halt);
        self.end()
    }

    pub fn end(mut self) -> Program {
        self.flush();
        Program {
            config: self.config,
            host_bytes: self.host_bytes,
            input: Region::default(),
            output: Region::default(),
            segments: self.segments,
        }
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal);
            self.segments.push(Segment::Send(literal));
        }
    }
}

/// splitmix64 (Steele, Lea, Flood 2014): the same programs from the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `low..=high`, the ends more often than their share.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        match self.bits() % 8 {
            0 => low,
            1 => high,
            _ => low + self.bits() as usize % (high - low + 1),
        }
    }

    /// Uniformly random, or all extreme.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let extremes = self.bits() % 4 == 0;
        (0..count)
            .map(|_| match (extremes, self.bits()) {
                (true, bits) => [0, 255, 128, 127][bits as usize % 4],
                (false, bits) => bits as u8,
            })
            .collect()
    }
}

/// Fills every memory that can be filled.
pub fn load_everything(assembler: &mut Assembler, random: &mut Random) {
    let config = assembler.config;
    for space in Space::ALL {
        let words = config.words(space);
        let data = match space {
            Space::Parameters => (0..words)
                .flat_map(|_| parameters(random, &config).encode(&config))
                .collect(),
            _ => random.bytes(words * config.word_bytes(space)),
        };
        assembler.load(space, 0, &data);
    }
}

/// A program of `length` random instructions with operands in range, that ends by
/// storing its counters.
pub fn random_program(config: &Config, seed: u64, length: usize) -> Program {
    let mut random = Random(seed);
    let mut assembler = Assembler::new(config);
    for _ in 0..length {
        random_step(&mut assembler, &mut random, true);
    }
    assembler.store(Source::Counters, 0, 1);
    assembler.halt()
}

/// Appends a random instruction; one that stores the counters only if allowed.
pub fn random_step(assembler: &mut Assembler, random: &mut Random, counters: bool) {
    match random.bits() % 16 {
        0..=4 => random_load(assembler, random),
        5..=8 => {
            let matrix = random_matrix(&assembler.config, random);
            assembler.instruction(Instruction::Matrix(matrix));
        }
        9..=12 => {
            let activate = random_activate(&assembler.config, random);
            assembler.instruction(Instruction::Activate(activate));
        }
        _ => random_store(assembler, random, counters),
    }
}

fn random_load(assembler: &mut Assembler, random: &mut Random) {
    let config = assembler.config;
    let space = Space::ALL[random.bits() as usize % 4];
    let words = config.words(space);
    let count = random.within(1, words.min(40));
    let address = random.within(0, words - count);
    let bytes = config.word_bytes(space);
    // What was stored may come back.
    let from_host = words.min(assembler.host_bytes as usize / 16) / 4;
    if space == Space::Activations && from_host > 0 && random.bits() % 2 == 0 {
        let count = from_host.min(count);
        assembler.load_from_host(space, address, 0, count);
        return;
    }
    let data: Vec<u8> = match space {
        Space::Parameters => (0..count)
            .flat_map(|_| parameters(random, &config).encode(&config))
            .collect(),
        _ => random.bytes(count * bytes),
    };
    assembler.load(space, address, &data);
}

fn random_store(assembler: &mut Assembler, random: &mut Random, counters: bool) {
    let config = assembler.config;
    let (source, words) = match random.bits() % 5 {
        0 if counters => (Source::Counters, 1),
        1 | 2 => (Source::Activations, config.activation_words),
        _ => (Source::Accumulators, config.accumulator_words),
    };
    let count = random.within(1, words.min(20));
    let address = random.within(0, words - count);
    assembler.store(source, address, count);
}

/// A channel as the compiler makes them: some scale between 2^-24 and 2.
pub fn parameters(random: &mut Random, config: &Config) -> ChannelParameters {
    let mantissa = 1.0 + (random.bits() & 0x7f_ffff) as f32 / (1u32 << 23) as f32;
    let scale = mantissa * 2f32.powi(-(random.within(0, 24) as i32));
    let (multiplier, steps) = quern_isa::numerics::encode_scale(scale, config.requantise_rows);
    let unused = 32 - config.accumulator_bits;
    ChannelParameters {
        bias: (random.bits() as i32 >> random.within(0, 20)) << unused >> unused,
        multiplier,
        steps,
        zero_point: random.bits() as u8,
    }
}

pub fn random_matrix(config: &Config, random: &mut Random) -> Matrix {
    let most_tiles = config.weight_rows / config.lanes;
    let tiles = random.within(1, most_tiles.min(6));
    let positions = random.within(1, config.accumulator_words.min(30));
    let position_stride = random.within(0, 5);
    // Strides and counts that stay inside the memory.
    let span = (positions - 1) * position_stride;
    let tile_stride = match tiles {
        1 => random.within(0, config.activation_words),
        _ => random.within(0, (config.activation_words - 1 - span) / (tiles - 1)),
    };
    let reach = span + (tiles - 1) * tile_stride;
    Matrix {
        accumulate: random.bits() % 2 == 0,
        weight: random.within(0, config.weight_rows - tiles * config.lanes) as u16,
        activation: random.within(0, config.activation_words - 1 - reach) as u16,
        accumulator: random.within(0, config.accumulator_words - positions) as u16,
        positions: positions as u16,
        tiles: tiles as u16,
        position_stride: position_stride as u16,
        tile_stride: tile_stride as u16,
    }
}

pub fn random_activate(config: &Config, random: &mut Random) -> Activate {
    let columns = random.within(1, config.columns);
    let lane = random.within(0, config.lanes - 1);
    let positions = random.within(1, config.accumulator_words.min(12));
    let position_stride = random.within(0, 5);
    let reach = (positions - 1) * position_stride + (lane + columns - 1) / config.lanes;
    let (a, b) = (random.bits() as u8, random.bits() as u8);
    Activate {
        table: random.bits() % 2 == 0,
        accumulator: random.within(0, config.accumulator_words - positions) as u16,
        activation: random.within(0, config.activation_words - 1 - reach) as u16,
        positions: positions as u16,
        position_stride: position_stride as u16,
        parameter: random.within(0, config.parameter_words - columns) as u16,
        columns: columns as u8,
        lane: lane as u8,
        low: a.min(b),
        high: a.max(b),
    }
}
