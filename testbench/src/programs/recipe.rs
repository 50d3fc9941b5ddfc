//! Programs as steps.

use quern_isa::{
    Assembler, Config, Instruction, Pattern, Program, Region, Segment, Source, Space, Target, Waits,
};
use std::fmt;

/// One step of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// With more waits than it needs.
    Instruction(Instruction, Waits),
    /// Whole words, unpadded.
    Load {
        space: Space,
        address: usize,
        data: Vec<u8>,
    },
    /// Activation words from what was stored: `count` words from `offset` on.
    LoadStored {
        address: usize,
        offset: usize,
        count: usize,
    },
    /// To the next free place in host memory, with more waits than it needs.
    Store {
        source: Source,
        address: usize,
        count: usize,
        waits: Waits,
    },
}

impl Step {
    fn loads_stored(&self) -> bool {
        matches!(self, Step::LoadStored { .. })
    }
}

/// A program before assembly; `begin` and `halt` go without saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    pub config: Config,
    pub steps: Vec<Step>,
}

impl Recipe {
    pub fn program(&self) -> Program {
        let config = &self.config;
        let mut assembler = Assembler::new(config);
        let mut host_bytes = 0;
        for step in &self.steps {
            match step {
                Step::Instruction(instruction, waits) => {
                    assembler.instruction_waiting(*instruction, *waits);
                }
                Step::Load {
                    space,
                    address,
                    data,
                } => assembler.load(*space, *address, data),
                Step::LoadStored {
                    address,
                    offset,
                    count,
                } => {
                    let bytes = (count * config.lanes) as u32;
                    assembler.load_from_host(*address, &[(*offset as u32, bytes)]);
                }
                Step::Store {
                    source,
                    address,
                    count,
                    waits,
                } => {
                    let store = Instruction::Store {
                        source: *source,
                        address: *address as u16,
                        count: *count as u16,
                    };
                    assembler.instruction_waiting(store, *waits);
                    let bytes = stored_bytes(config, *source, *count);
                    assembler.receive(host_bytes, bytes);
                    host_bytes += bytes;
                }
            }
        }
        assembler.finish(host_bytes, Region::default(), Region::default())
    }

    /// Without the steps that load what the core has stored: the rest can be sent at once.
    pub fn sent_only(mut self) -> Recipe {
        self.steps.retain(|step| !step.loads_stored());
        self
    }

    /// All that goes to the core; none if some of it has to come from the core first.
    pub fn stream(&self) -> Option<Vec<u8>> {
        if self.steps.iter().any(Step::loads_stored) {
            return None;
        }
        let sent = self.program().segments.into_iter();
        Some(
            sent.filter_map(|segment| match segment {
                Segment::Send(bytes) => Some(bytes),
                _ => None,
            })
            .flatten()
            .collect(),
        )
    }
}

/// What a store sends.
fn stored_bytes(config: &Config, source: Source, count: usize) -> u32 {
    let beat = |bytes: usize| bytes.next_multiple_of(config.stream_bytes);
    let bytes = match source {
        Source::Activations => count * beat(config.lanes),
        Source::Accumulators => count * config.columns * beat(4),
        Source::Counters => 4 * beat(4),
    };
    bytes as u32
}

impl fmt::Display for Recipe {
    /// As it can be read by people: a line for each step.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "program for {}, {} steps:",
            self.config.name,
            self.steps.len()
        )?;
        for (place, step) in self.steps.iter().enumerate() {
            match step {
                Step::Instruction(instruction, waits) => {
                    writeln!(f, "{place:>4}  {instruction:?} {waits:?}")?;
                }
                Step::Load {
                    space,
                    address,
                    data,
                } => {
                    let words = data.len() / self.config.word_bytes(*space);
                    write!(f, "{place:>4}  Load {space:?} {address}, {words} words:")?;
                    const SHOWN: usize = 32;
                    for byte in data.iter().take(SHOWN) {
                        write!(f, " {byte:02x}")?;
                    }
                    writeln!(f, "{}", if data.len() > SHOWN { " ..." } else { "" })?;
                }
                other => writeln!(f, "{place:>4}  {other:?}")?,
            }
        }
        Ok(())
    }
}

/// A program under construction.
pub struct Writer {
    pub config: Config,
    steps: Vec<Step>,
    host_bytes: u32,
    /// Positions of the last pattern and target.
    pub(super) pattern: Option<Pattern>,
    pub(super) target: Option<Target>,
}

impl Writer {
    pub fn new(config: &Config) -> Writer {
        Writer {
            config: *config,
            steps: Vec::new(),
            host_bytes: 0,
            pattern: None,
            target: None,
        }
    }

    pub fn instruction(&mut self, instruction: Instruction) {
        self.waiting(instruction, Waits::NONE);
    }

    pub fn waiting(&mut self, instruction: Instruction, waits: Waits) {
        match instruction {
            Instruction::Pattern(pattern) => self.pattern = Some(pattern),
            Instruction::Target(target) => self.target = Some(target),
            _ => {}
        }
        self.steps.push(Step::Instruction(instruction, waits));
    }

    /// `data` holds whole words, unpadded.
    pub fn load(&mut self, space: Space, address: usize, data: &[u8]) {
        let data = data.to_vec();
        self.steps.push(Step::Load {
            space,
            address,
            data,
        });
    }

    /// Loads activation words from what was stored.
    pub fn load_stored(&mut self, address: usize, offset: usize, count: usize) {
        self.steps.push(Step::LoadStored {
            address,
            offset,
            count,
        });
    }

    /// Bytes of host memory stored so far.
    pub fn stored(&self) -> usize {
        self.host_bytes as usize
    }

    /// Returns where in host memory the data go.
    pub fn store(&mut self, source: Source, address: usize, count: usize) -> u32 {
        self.store_waiting(source, address, count, Waits::NONE)
    }

    /// As [`store`](Self::store).
    pub fn store_waiting(
        &mut self,
        source: Source,
        address: usize,
        count: usize,
        waits: Waits,
    ) -> u32 {
        self.steps.push(Step::Store {
            source,
            address,
            count,
            waits,
        });
        let offset = self.host_bytes;
        self.host_bytes += stored_bytes(&self.config, source, count);
        offset
    }

    pub fn recipe(self) -> Recipe {
        Recipe {
            config: self.config,
            steps: self.steps,
        }
    }

    pub fn halt(self) -> Program {
        self.recipe().program()
    }
}

/// A program of these bytes and nothing else.
pub fn raw(config: &Config, bytes: Vec<u8>) -> Program {
    Program {
        config: *config,
        host_bytes: 0,
        input: Region::default(),
        output: Region::default(),
        segments: vec![Segment::Send(bytes)],
    }
}
