//! The sizes of an accelerator. This is the only place where a size is written:
//! RTL, compiler, reference machine and drivers all read it from here.

use crate::instruction::Space;

/// One accelerator. The named instances below are the ones that exist: each is
/// tested in full, and no other sizes are promised to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    pub name: &'static str,
    /// Input lanes `R`: channels in one activation word, rows of a weight tile.
    pub lanes: usize,
    /// Output columns `C`: bytes in one weight row, columns of a weight tile.
    pub columns: usize,
    /// Width `W` of an accumulator. Accumulators wrap at this width.
    pub accumulator_bits: u32,
    /// Activation memory, in words of `lanes` bytes.
    pub activation_words: usize,
    /// Weight buffer, in rows of `columns` bytes.
    pub weight_rows: usize,
    /// Accumulator memory, in words of `columns` accumulators.
    pub accumulator_words: usize,
    /// Parameter memory, in entries of one output channel each.
    pub parameter_words: usize,
    /// Multiplier bits `Q` the requantiser consumes per cycle.
    pub requantise_rows: u32,
    /// Outputs that the activation unit works on at a time: lanes of one word.
    pub vector_lanes: usize,
    /// Bytes in one beat of the stream ports.
    pub stream_bytes: usize,
    /// The clock that figures per second are quoted at.
    pub clock_hz: u64,
}

/// Unit tests, waveforms, tape-out rehearsal.
pub const TINY: Config = Config {
    name: "tiny",
    lanes: 4,
    columns: 4,
    accumulator_bits: 32,
    activation_words: 256,
    weight_rows: 128,
    accumulator_words: 64,
    parameter_words: 64,
    requantise_rows: 4,
    vector_lanes: 1,
    stream_bytes: 1,
    clock_hz: 100_000_000,
};

/// Alchitry Cu: iCE40 HX8K, 7,680 logic cells and 32 block RAMs of 4 kbit.
/// Depths are those of whole block RAMs.
pub const CU: Config = Config {
    name: "cu",
    lanes: 8,
    columns: 4,
    // 128 * 127 * 515 < 2^23: every layer of up to 515 inputs fits whatever its
    // weights; larger ones by the compiler's proof for the actual weights.
    accumulator_bits: 24,
    activation_words: 512,
    weight_rows: 512,
    accumulator_words: 256,
    parameter_words: 256,
    requantise_rows: 6,
    vector_lanes: 1,
    stream_bytes: 1,
    // The board's own: the image needs no PLL.
    clock_hz: 100_000_000,
};

/// Simulation and standard cells.
pub const ASIC16: Config = Config {
    name: "asic16",
    lanes: 16,
    columns: 16,
    accumulator_bits: 32,
    activation_words: 8192,
    weight_rows: 4096,
    accumulator_words: 1024,
    parameter_words: 1024,
    requantise_rows: 8,
    vector_lanes: 16,
    stream_bytes: 16,
    clock_hz: 500_000_000,
};

/// Every configuration that exists.
pub const CONFIGS: [Config; 3] = [TINY, CU, ASIC16];

impl Config {
    pub fn by_name(name: &str) -> Option<Config> {
        CONFIGS.into_iter().find(|config| config.name == name)
    }

    /// Multiply-accumulates per cycle when the array is busy.
    pub fn macs_per_cycle(&self) -> usize {
        self.lanes * self.columns
    }

    /// Bytes of an accumulator where it is stored in a byte stream.
    pub fn accumulator_bytes(&self) -> usize {
        self.accumulator_bits as usize / 8
    }

    /// Words of a memory.
    pub fn words(&self, space: Space) -> usize {
        match space {
            Space::Activations => self.activation_words,
            Space::Weights => self.weight_rows,
            Space::Parameters => self.parameter_words,
            Space::Table => crate::TABLE_ENTRIES,
            Space::Lookup => crate::LOOKUP_ENTRIES,
        }
    }

    /// Bytes of one word of a memory, as it travels in the stream.
    pub fn word_bytes(&self, space: Space) -> usize {
        match space {
            Space::Activations => self.lanes,
            Space::Weights => self.columns,
            Space::Parameters => crate::ChannelParameters::bytes(self),
            Space::Table => 1,
            Space::Lookup => self.accumulator_bytes(),
        }
    }

    /// Stream beats of one word of a memory: words are padded to whole beats.
    pub fn word_beats(&self, space: Space) -> usize {
        self.word_bytes(space).div_ceil(self.stream_bytes)
    }

    /// Stream beats of one instruction.
    pub fn instruction_beats(&self) -> usize {
        crate::INSTRUCTION_BYTES.div_ceil(self.stream_bytes)
    }

    /// Identifies every size a program depends on. `Begin` carries it, and a core
    /// of another shape refuses the program.
    pub fn fingerprint(&self) -> u16 {
        let crc = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC);
        let mut digest = crc.digest();
        for size in [
            self.lanes,
            self.columns,
            self.accumulator_bits as usize,
            self.activation_words,
            self.weight_rows,
            self.accumulator_words,
            self.parameter_words,
            self.requantise_rows as usize,
            self.vector_lanes,
            self.stream_bytes,
        ] {
            digest.update(&(size as u32).to_le_bytes());
        }
        digest.finalize()
    }
}
