//! Writes programs: instructions with the waits they need, their data, and the
//! references to host memory between them.

use crate::{
    Config, Hazards, HostStep, Instruction, Program, Region, Segment, Space, Waits, ISA_VERSION,
};

/// A program under construction. It opens with `begin`.
#[derive(Debug, Clone)]
pub struct Assembler {
    config: Config,
    hazards: Hazards,
    segments: Vec<Segment>,
    instructions: usize,
}

impl Assembler {
    pub fn new(config: &Config) -> Assembler {
        let mut assembler = Assembler {
            config: *config,
            hazards: Hazards::new(config),
            segments: Vec::new(),
            instructions: 0,
        };
        assembler.instruction(Instruction::Begin {
            version: ISA_VERSION,
            fingerprint: config.fingerprint(),
        });
        assembler
    }

    /// An instruction that waits for what it depends on, and for nothing else.
    pub fn instruction(&mut self, instruction: Instruction) {
        self.instruction_waiting(instruction, Waits::NONE);
    }

    /// An instruction that waits for more units than it has to.
    pub fn instruction_waiting(&mut self, instruction: Instruction, more: Waits) {
        let needed = self.hazards.waits(&instruction);
        let waits = Waits::from_bits(needed.bits() | more.bits());
        self.hazards.start(&instruction, waits);
        self.instructions += 1;
        let beats = self.config.instruction_beats() * self.config.stream_bytes;
        let mut bytes = instruction.encode(waits).to_vec();
        bytes.resize(beats, 0);
        self.literal(bytes);
    }

    /// A load with its words, one after another without padding.
    ///
    /// # Panics
    /// When `words` is no whole number of words.
    pub fn load(&mut self, space: Space, address: usize, words: &[u8]) {
        let bytes = self.config.word_bytes(space);
        assert_eq!(words.len() % bytes, 0, "whole words of {space:?}");
        self.instruction(Instruction::Load {
            space,
            address: address as u16,
            count: (words.len() / bytes) as u16,
        });
        let padded = self.config.word_beats(space) * self.config.stream_bytes;
        let mut data = Vec::with_capacity(words.len() / bytes * padded);
        for word in words.chunks_exact(bytes) {
            data.extend(word);
            data.resize(data.len().next_multiple_of(padded), 0);
        }
        self.literal(data);
    }

    /// A load of activation words from pieces of host memory, `(offset, bytes)` each.
    pub fn load_from_host(&mut self, address: usize, pieces: &[(u32, u32)]) {
        let bytes: u32 = pieces.iter().map(|&(_, bytes)| bytes).sum();
        self.instruction(Instruction::Load {
            space: Space::Activations,
            address: address as u16,
            count: (bytes as usize / self.config.lanes) as u16,
        });
        pieces
            .iter()
            .for_each(|&(offset, bytes)| self.send_host(offset, bytes));
    }

    /// A store of activation words to pieces of host memory, `(offset, bytes)` each.
    pub fn store_to_host(&mut self, address: usize, pieces: &[(u32, u32)]) {
        let bytes: u32 = pieces.iter().map(|&(_, bytes)| bytes).sum();
        self.instruction(Instruction::Store {
            source: crate::Source::Activations,
            address: address as u16,
            count: (bytes as usize / self.config.lanes) as u16,
        });
        pieces
            .iter()
            .for_each(|&(offset, bytes)| self.receive(offset, bytes));
    }

    /// Bytes of the output stream that go to host memory.
    pub fn receive(&mut self, offset: u32, bytes: u32) {
        if bytes == 0 {
            return;
        }
        match self.segments.last_mut() {
            Some(Segment::Receive {
                offset: o,
                bytes: b,
            }) if *o + *b == offset => *b += bytes,
            _ => self.segments.push(Segment::Receive { offset, bytes }),
        }
    }

    /// Bytes of the input stream from host memory. Pieces that continue each other
    /// travel as one.
    pub fn send_host(&mut self, offset: u32, bytes: u32) {
        match self.segments.last_mut() {
            Some(Segment::SendHost {
                offset: o,
                bytes: b,
            }) if *o + *b == offset => *b += bytes,
            _ => self.segments.push(Segment::SendHost { offset, bytes }),
        }
    }

    /// Bytes of the input stream as they are.
    pub fn literal(&mut self, bytes: Vec<u8>) {
        match self.segments.last_mut() {
            Some(Segment::Send(last)) => last.extend(bytes),
            _ => self.segments.push(Segment::Send(bytes)),
        }
    }

    /// Work of the host on its memory.
    pub fn host(&mut self, step: HostStep) {
        self.segments.push(Segment::Host(step));
    }

    /// Instructions so far, `begin` among them.
    pub fn instructions(&self) -> usize {
        self.instructions
    }

    /// Ends with `halt`.
    pub fn finish(mut self, host_bytes: u32, input: Region, output: Region) -> Program {
        self.instruction(Instruction::Halt);
        Program {
            config: self.config,
            host_bytes,
            input,
            output,
            segments: self.segments,
        }
    }
}
