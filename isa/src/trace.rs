//! The trace of a run: every instruction with the cycle it starts in, and every
//! write to a memory, in order. Two machines that print the same trace did the
//! same; the first line that differs is where to look.

use crate::cycles::Idle;
use crate::{Instruction, Unit, Waits};
use std::fmt;

/// Receives the events of a run. `()` ignores them.
pub trait Tracer {
    fn event(&mut self, event: Event<'_>);
}

impl Tracer for () {
    fn event(&mut self, _: Event<'_>) {}
}

impl<F: FnMut(Event<'_>)> Tracer for F {
    fn event(&mut self, event: Event<'_>) {
        self(event)
    }
}

/// One line of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An instruction starts in `cycle`, counted from 0: it has been fetched, and has waited
    /// for its units.
    Instruction {
        index: usize,
        cycle: u32,
        instruction: Instruction,
        waits: Waits,
        /// What the array had waited for by then.
        idle: Idle,
    },
    /// A load writes one word.
    Write {
        memory: &'static str,
        word: usize,
        bytes: &'a [u8],
    },
    /// A matrix instruction leaves one accumulator word.
    Accumulate { word: usize, values: &'a [i32] },
    /// The activation unit writes one byte.
    Byte { word: usize, lane: usize, byte: u8 },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Event::Instruction {
                index,
                cycle,
                instruction,
                waits,
                ..
            } => {
                write!(f, "{cycle:>10} #{index} {instruction:?}")?;
                let mut waited = Unit::ALL.into_iter().filter(|&unit| waits.contains(unit));
                waited.try_for_each(|unit| write!(f, " after {unit}"))
            }
            Event::Write {
                memory,
                word,
                bytes,
            } => {
                write!(f, "{:>10} {memory}[{word}] =", "")?;
                bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
            Event::Accumulate { word, values } => {
                write!(f, "{:>10} accumulators[{word}] =", "")?;
                values.iter().try_for_each(|value| write!(f, " {value}"))
            }
            Event::Byte { word, lane, byte } => {
                write!(f, "{:>10} activations[{word}][{lane}] = {byte:02x}", "")
            }
        }
    }
}
