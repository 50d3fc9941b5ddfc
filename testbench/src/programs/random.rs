//! Random legal programs: all instructions, operands at both ends of their ranges more
//! often than their share, only the waits that are needed most of the time.

use super::{Recipe, Writer};
use quern_isa::{
    Activate, ChannelParameters, Combine, Config, Instruction, Matrix, Pattern, Program, Source,
    Space, Target, Vector, Waits,
};

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

/// Makes every accumulator a sum.
pub fn fill_accumulators(writer: &mut Writer) {
    writer.instruction(Instruction::Pattern(Pattern {
        x_count: writer.config.accumulator_words as u16,
        x_stride: 0,
        y_count: 1,
        y_stride: 0,
        inner_stride: 0,
        outer_stride: 0,
    }));
    writer.instruction(Instruction::Matrix(Matrix {
        accumulate: false,
        accumulator: 0,
        activation: 0,
        weight: 0,
        inner: 1,
        outer: 1,
    }));
}

/// Fills every memory that can be filled.
pub fn load_everything(writer: &mut Writer, random: &mut Random) {
    let config = writer.config;
    for space in Space::ALL {
        let words = config.words(space);
        let data = words_of(space, words, random, &config);
        writer.load(space, 0, &data);
    }
}

fn words_of(space: Space, words: usize, random: &mut Random, config: &Config) -> Vec<u8> {
    match space {
        Space::Parameters => (0..words)
            .flat_map(|_| parameters(random, config).encode(config))
            .collect(),
        _ => random.bytes(words * config.word_bytes(space)),
    }
}

/// A program of `length` random instructions with operands in range, that ends by
/// storing its counters.
pub fn random_program(config: &Config, seed: u64, length: usize) -> Program {
    let mut random = Random(seed);
    let mut writer = Writer::new(config);
    for _ in 0..length {
        random_step(&mut writer, &mut random, true);
    }
    writer.store(Source::Counters, 0, 1);
    writer.halt()
}

/// Random instructions on memories that are full from the start. None stores the counters:
/// they count stalls, which the reference machine has none of.
pub fn random_recipe(config: &Config, random: &mut Random, length: usize) -> Recipe {
    recipe(config, random, length, false)
}

/// As [`random_recipe`], for streams without gaps: the counters may be stored.
pub(super) fn recipe_without_gaps(config: &Config, random: &mut Random, length: usize) -> Recipe {
    recipe(config, random, length, true)
}

fn recipe(config: &Config, random: &mut Random, length: usize, counters: bool) -> Recipe {
    let mut writer = Writer::new(config);
    load_everything(&mut writer, random);
    fill_accumulators(&mut writer);
    for _ in 0..length {
        random_step(&mut writer, random, counters);
    }
    writer.recipe()
}

/// Appends a random instruction, preceded by the pattern or target it needs; one that
/// stores the counters only if allowed.
pub fn random_step(writer: &mut Writer, random: &mut Random, counters: bool) {
    match random.bits() % 16 {
        0..=4 => random_load(writer, random),
        5..=8 => random_matrix(writer, random),
        9..=10 => random_activate(writer, random),
        11..=12 => random_vector(writer, random),
        13 => random_operand(writer, random),
        _ => random_store(writer, random, counters),
    }
}

/// A pattern or a target that the next instruction need not use: behind it stands what
/// never stands behind one that was made for a use.
fn random_operand(writer: &mut Writer, random: &mut Random) {
    let config = writer.config;
    let most = config.activation_words - 1;
    let instruction = match random.bits() % 2 {
        0 => Instruction::Pattern(random_pattern(&config, random, most)),
        _ => Instruction::Target(random_target(&config, random, most)),
    };
    writer.waiting(instruction, some_waits(random));
}

/// Small enough for a short program most of the time.
fn usually(random: &mut Random, all: usize, few: usize) -> usize {
    match random.bits() % 16 {
        0 => all,
        _ => all.min(few),
    }
}

/// Most of the time an instruction waits only for what it must.
fn some_waits(random: &mut Random) -> Waits {
    match random.bits() % 4 {
        0 => Waits::from_bits(random.bits() as u8 % 8),
        _ => Waits::NONE,
    }
}

fn random_load(writer: &mut Writer, random: &mut Random) {
    let config = writer.config;
    let space = Space::ALL[random.bits() as usize % Space::ALL.len()];
    let words = config.words(space);
    let count = match random.bits() % 32 {
        0 => words,
        _ => random.within(1, words.min(40)),
    };
    let address = random.within(0, words - count);
    // What was stored may come back.
    let stored = writer.stored() / config.lanes;
    if space == Space::Activations && stored > 0 && random.bits() % 2 == 0 {
        let count = stored.min(count);
        let offset = random.within(0, stored - count) * config.lanes;
        writer.load_stored(address, offset, count);
        return;
    }
    let data = words_of(space, count, random, &config);
    writer.load(space, address, &data);
}

fn random_store(writer: &mut Writer, random: &mut Random, counters: bool) {
    let config = writer.config;
    let (source, words) = match random.bits() % 5 {
        0 if counters => (Source::Counters, 1),
        1 | 2 => (Source::Activations, config.activation_words),
        _ => (Source::Accumulators, config.accumulator_words),
    };
    let count = match random.bits() % 32 {
        0 => words,
        _ => random.within(1, words.min(20)),
    };
    let address = random.within(0, words - count);
    writer.store_waiting(source, address, count, some_waits(random));
}

/// A channel as the compiler makes them: some scale between 2^-24 and 2, and now and
/// then one that vanishes or saturates, or of few bits, whose products are often half-way
/// between two codes.
pub fn parameters(random: &mut Random, config: &Config) -> ChannelParameters {
    let bits = match random.bits() % 4 {
        0 => 0x60_0000,
        _ => 0x7f_ffff,
    };
    let mantissa = 1.0 + (random.bits() & bits) as f32 / (1u32 << 23) as f32;
    let exponent = match random.bits() % 16 {
        0 => random.within(0, 80) as i32 - 60,
        _ => -(random.within(0, 24) as i32),
    };
    let scale = mantissa * 2f32.powi(exponent);
    let (multiplier, steps) = quern_isa::numerics::encode_scale(scale, config.requantise_rows);
    let unused = 32 - config.accumulator_bits;
    ChannelParameters {
        bias: (random.bits() as i32 >> random.within(0, 20)) << unused >> unused,
        multiplier,
        steps,
        zero_point: random.bits() as u8,
    }
}

/// A matrix instruction on the pattern there is, or on a new one.
pub fn random_matrix(writer: &mut Writer, random: &mut Random) {
    let config = writer.config;
    let all = config.accumulator_words;
    let pattern = match writer.pattern {
        Some(pattern) if pattern.positions() <= all && random.bits() % 2 == 0 => pattern,
        _ => {
            let most = usually(random, all, 40);
            let pattern = random_pattern(&config, random, most);
            writer.waiting(Instruction::Pattern(pattern), some_waits(random));
            pattern
        }
    };
    let positions = pattern.positions();
    let most_tiles = usually(random, config.weight_rows / config.lanes, 7);
    // Taps that stay inside the memory.
    let (inner, outer, activation) = loop {
        let inner = random.within(1, most_tiles) as u16;
        let outer = random.within(1, most_tiles / inner as usize) as u16;
        if let Some(first) = first_word(&config, random, &pattern, (inner, outer), 0) {
            break (inner, outer, first);
        }
    };
    let tiles = inner as usize * outer as usize;
    let matrix = Matrix {
        accumulate: random.bits() % 2 == 0,
        accumulator: random.within(0, config.accumulator_words - positions) as u16,
        activation,
        weight: random.within(0, config.weight_rows - tiles * config.lanes) as u16,
        inner,
        outer,
    };
    writer.waiting(Instruction::Matrix(matrix), some_waits(random));
}

/// Positions that fit; one tap always does, strides may go backwards.
fn random_pattern(config: &Config, random: &mut Random, most_positions: usize) -> Pattern {
    let x_count = random.within(1, most_positions);
    let y_count = random.within(1, most_positions / x_count);
    let span = config.activation_words - 1;
    let mut stride = |count: usize, share: usize| {
        let most = (span / share / (count - 1).max(1)).min(config.activation_words / 8);
        let stride = random.within(0, most) as u16;
        match random.bits() % 4 {
            0 => stride.wrapping_neg(),
            _ => stride,
        }
    };
    Pattern {
        x_count: x_count as u16,
        x_stride: stride(x_count, 2),
        y_count: y_count as u16,
        y_stride: stride(y_count, 2),
        inner_stride: stride(4, 2),
        outer_stride: stride(4, 2),
    }
}

/// Some first word with which a walk stays inside the memory, when at each step so many
/// words more are read.
fn first_word(
    config: &Config,
    random: &mut Random,
    pattern: &Pattern,
    (inner, outer): (u16, u16),
    further: i64,
) -> Option<u16> {
    let reach = pattern.reach(0, inner, outer, further);
    let last = config.activation_words as i64 - reach.end;
    (-reach.start <= last).then(|| random.within(-reach.start as usize, last as usize) as u16)
}

pub fn random_activate(writer: &mut Writer, random: &mut Random) {
    let config = writer.config;
    let most = usually(random, config.accumulator_words, 16);
    let target = match writer.target {
        Some(target) if target.positions() <= most && random.bits() % 2 == 0 => target,
        _ => {
            let target = random_target(&config, random, most);
            writer.waiting(Instruction::Target(target), some_waits(random));
            target
        }
    };
    let columns = random.within(1, config.columns);
    let lanes = config.vector_lanes;
    let lane = random.within(0, (config.lanes - 1) / lanes) * lanes;
    let reach = target.reach(0, ((lane + columns - 1) / config.lanes) as i64);
    let last = config.activation_words as i64 - reach.end;
    let parameter = random.within(0, (config.parameter_words - columns) / lanes) * lanes;
    let activate = Activate {
        table: random.bits() % 2 == 0,
        accumulator: random.within(0, config.accumulator_words - target.positions()) as u16,
        activation: random.within(-reach.start as usize, last as usize) as u16,
        parameter: parameter as u16,
        columns: columns as u8,
        lane: lane as u8,
    };
    writer.waiting(Instruction::Activate(activate), some_waits(random));
}

/// A vector instruction on the pattern and target there are, on one of them, or on new ones.
pub fn random_vector(writer: &mut Writer, random: &mut Random) {
    let config = writer.config;
    let (pattern, target) = walks_of_vector(writer, random);
    let step = config.vector_lanes;
    let lane = |random: &mut Random| random.within(0, (config.lanes - 1) / step) * step;
    let (columns, source_lane, lane) = match random.bits() % 4 {
        0 => {
            let mut any = || random.within(0, config.lanes - 1);
            (1, any(), any())
        }
        _ => (random.within(1, config.lanes), lane(random), lane(random)),
    };
    let further = |lane: usize| ((lane + columns - 1) / config.lanes) as i64;
    let combine = Combine::ALL[random.bits() as usize % 4];
    // The words it reads and those it writes are not the same.
    let written = target.reach(0, further(lane));
    let (inner, outer, source, activation) = loop {
        let (inner, outer) = match combine {
            Combine::Product if random.bits() % 2 == 0 => (2, 1),
            Combine::Product => (1, 2),
            _ => (random.within(1, 5) as u16, random.within(1, 3) as u16),
        };
        let taps = (inner, outer);
        let Some(first) = first_word(&config, random, &pattern, taps, further(source_lane)) else {
            continue;
        };
        let read = pattern.reach(first, inner, outer, further(source_lane));
        let activation = random.within(0, config.activation_words - written.end as usize) as u16;
        if read.end <= activation as i64 || activation as i64 + written.end <= read.start {
            break (inner, outer, first, activation);
        }
    };
    let parameter = random.within(0, (config.parameter_words - step) / step) * step;
    let vector = Vector {
        combine,
        table: random.bits() % 2 == 0,
        even_code: random.bits() % 2 == 0,
        activation,
        source,
        parameter: parameter as u16,
        inner,
        outer: outer as u8,
        columns: columns as u8,
        source_lane: source_lane as u8,
        lane: lane as u8,
        zero_points: [random.within(0, 255) as u8, random.within(0, 255) as u8],
    };
    writer.waiting(Instruction::Vector(vector), some_waits(random));
}

/// Where a vector instruction reads and where it writes: as many positions. What is new of it
/// is written.
fn walks_of_vector(writer: &mut Writer, random: &mut Random) -> (Pattern, Target) {
    let config = writer.config;
    let most = 12;
    // A target of few words leaves room for those that are read.
    let kept = writer
        .target
        .filter(|target| target.positions() <= most && target.y_count == 1 && target.x_stride <= 3);
    if let Some(target) = kept {
        match (random.bits() % 4, writer.pattern) {
            (0, Some(pattern)) if pattern.positions() == target.positions() => {
                return (pattern, target);
            }
            (1, _) => {
                let pattern = Pattern {
                    x_count: target.x_count,
                    y_count: 1,
                    x_stride: random.within(0, 3) as u16,
                    ..random_pattern(&config, random, 1)
                };
                writer.waiting(Instruction::Pattern(pattern), some_waits(random));
                return (pattern, target);
            }
            _ => {}
        }
    }
    let pattern = match writer.pattern {
        Some(pattern) if pattern.positions() <= most && random.bits() % 4 == 0 => pattern,
        _ => {
            let pattern = random_pattern(&config, random, most);
            writer.waiting(Instruction::Pattern(pattern), some_waits(random));
            pattern
        }
    };
    let target = Target {
        // The same positions in another shape.
        x_count: pattern.positions() as u16,
        y_count: 1,
        x_stride: random.within(0, 3) as u16,
        ..random_target(&config, random, 1)
    };
    writer.waiting(Instruction::Target(target), some_waits(random));
    (pattern, target)
}

fn random_target(config: &Config, random: &mut Random, most_positions: usize) -> Target {
    let Pattern {
        x_count,
        x_stride,
        y_count,
        y_stride,
        ..
    } = random_pattern(config, random, most_positions);
    let (a, b) = match random.bits() % 8 {
        0 => (0, 255),
        1 => {
            let only = random.bits() as u8;
            (only, only)
        }
        _ => (random.bits() as u8, random.bits() as u8),
    };
    Target {
        x_count,
        x_stride,
        y_count,
        y_stride,
        low: a.min(b),
        high: a.max(b),
    }
}
