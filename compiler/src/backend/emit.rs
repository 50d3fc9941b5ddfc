//! Writes actions as a program, and keeps account of them.

use crate::backend::action::{self, Action, Data};
use crate::backend::cost;
use quern_isa::{Assembler, Config, Instruction, Pattern, Program, Region, Source, Space, Target};

/// Pieces of stores that the input stream may run ahead of: older ones have ended anyway.
const MOST_RECEIVES: usize = 64;

/// What the instructions of one operation are and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    pub instructions: u64,
    /// Bytes into the core, instructions included.
    pub bytes_in: u64,
    /// Of them, from host memory.
    pub bytes_host: u64,
    /// Bytes out of the core.
    pub bytes_out: u64,
    /// Cycles of the units and of the input stream, if nothing waited for anything else.
    pub matrix_cycles: u64,
    pub activation_cycles: u64,
    pub store_cycles: u64,
    pub stream_cycles: u64,
    /// Cycles in which a position entered the array.
    pub positions: u64,
}

pub struct Emitter {
    config: Config,
    assembler: Assembler,
    pattern: Option<Pattern>,
    target: Option<Target>,
    /// Of stores that are under way: the input stream may run ahead of them until it
    /// needs what they bring.
    receives: Vec<(u32, u32)>,
    accounts: Vec<Account>,
    /// First instruction and operation of each stretch of one operation.
    stretches: Vec<(usize, usize)>,
}

/// A program, and what each operation has of it.
pub struct Emitted {
    pub program: Program,
    pub accounts: Vec<Account>,
    pub stretches: Vec<(usize, usize)>,
}

impl Emitter {
    pub fn new(config: &Config, operations: usize) -> Emitter {
        Emitter {
            config: *config,
            assembler: Assembler::new(config),
            pattern: None,
            target: None,
            receives: Vec::new(),
            accounts: vec![Account::default(); operations.max(1)],
            stretches: Vec::new(),
        }
    }

    pub fn action(&mut self, operation: usize, action: Action) {
        if self
            .stretches
            .last()
            .is_none_or(|&(_, last)| last != operation)
        {
            let first = self.assembler.instructions();
            self.stretches.push((first, operation));
        }
        let config = self.config;
        let account = operation;
        match action {
            Action::Load {
                space,
                address,
                data,
            } => {
                let bytes: usize = data.iter().map(Data::bytes).sum();
                let words = bytes / config.word_bytes(space);
                let account = &mut self.accounts[account];
                account.stream_cycles += cost::beats(&config, space, words);
                account.bytes_in += (words * config.word_beats(space) * config.stream_bytes) as u64;
                self.load(operation, space, address, words, data);
            }
            Action::Matrix { pattern, matrix } => {
                self.pattern(operation, pattern);
                self.instruction(operation, Instruction::Matrix(matrix));
                let tiles = matrix.inner as u64 * matrix.outer as u64;
                let positions = pattern.positions() as u64;
                let account = &mut self.accounts[account];
                account.positions += tiles * positions;
                account.matrix_cycles += cost::matrix(&config, tiles, positions);
            }
            Action::Activate { target, activate } => {
                self.target(operation, target);
                self.instruction(operation, Instruction::Activate(activate));
                let outputs = target.positions() * activate.columns as usize;
                let cycles = cost::activation(&config, outputs, activate.columns as usize, 0);
                self.accounts[account].activation_cycles += cycles;
            }
            Action::Vector {
                pattern,
                target,
                vector,
            } => {
                self.pattern(operation, pattern);
                self.target(operation, target);
                self.instruction(operation, Instruction::Vector(vector));
                let outputs = target.positions() * vector.columns as usize;
                let taps = vector.inner as usize * vector.outer as usize;
                let cycles = cost::activation(&config, outputs, vector.columns as usize, taps);
                self.accounts[account].activation_cycles += cycles;
            }
            Action::Store { address, pieces } => {
                let bytes: u32 = pieces.iter().map(|&(_, bytes)| bytes).sum();
                let words = bytes as usize / config.lanes;
                self.instruction(
                    operation,
                    Instruction::Store {
                        source: Source::Activations,
                        address: address as u16,
                        count: words as u16,
                    },
                );
                self.receives.extend(pieces);
                let old = self.receives.len().saturating_sub(MOST_RECEIVES);
                self.receive(old);
                let account = &mut self.accounts[account];
                account.bytes_out += bytes as u64;
                account.store_cycles += cost::store(&config, words);
            }
            Action::Host(step) => {
                self.receive(self.receives.len());
                self.assembler.host(step);
            }
        }
    }

    pub fn finish(mut self, host_bytes: u32, input: Region, output: Region) -> Emitted {
        self.receive(self.receives.len());
        Emitted {
            program: self.assembler.finish(host_bytes, input, output),
            accounts: self.accounts,
            stretches: self.stretches,
        }
    }

    fn load(
        &mut self,
        operation: usize,
        space: Space,
        address: usize,
        words: usize,
        data: Vec<Data>,
    ) {
        self.count(operation);
        if let (1, Some(Data::Literal(bytes))) = (data.len(), data.first()) {
            return self.assembler.load(space, address, bytes);
        }
        let read = action::host_range(&data);
        let stored = |&(first, bytes): &(u32, u32)| first < read.end && read.start < first + bytes;
        if self.receives.iter().any(stored) {
            self.receive(self.receives.len());
        }
        // Activation words are whole beats.
        self.assembler.instruction(Instruction::Load {
            space,
            address: address as u16,
            count: words as u16,
        });
        for data in data {
            match data {
                Data::Literal(bytes) => self.assembler.literal(bytes),
                Data::Host { offset, bytes } => {
                    self.accounts[operation].bytes_host += bytes as u64;
                    self.assembler.send_host(offset, bytes);
                }
            }
        }
    }

    /// From here on the oldest stores have ended.
    fn receive(&mut self, count: usize) {
        for (offset, bytes) in self.receives.drain(..count) {
            self.assembler.receive(offset, bytes);
        }
    }

    fn pattern(&mut self, operation: usize, pattern: Pattern) {
        if self.pattern != Some(pattern) {
            self.instruction(operation, Instruction::Pattern(pattern));
            self.pattern = Some(pattern);
        }
    }

    fn target(&mut self, operation: usize, target: Target) {
        if self.target != Some(target) {
            self.instruction(operation, Instruction::Target(target));
            self.target = Some(target);
        }
    }

    fn instruction(&mut self, operation: usize, instruction: Instruction) {
        self.count(operation);
        self.assembler.instruction(instruction);
    }

    fn count(&mut self, operation: usize) {
        let bytes = self.config.instruction_beats() * self.config.stream_bytes;
        let account = &mut self.accounts[operation];
        account.instructions += 1;
        account.bytes_in += bytes as u64;
        account.stream_cycles += cost::fetch(&self.config, 1);
    }
}
