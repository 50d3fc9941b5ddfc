//! Runs a program on a core through its two stream ports, cycle by cycle,
//! whatever the core is simulated by.
//!
//! ```text
//!  Program ─► segments ─► input  valid/ready ─►┌──────┐
//!                │                             │ core │ counters, memories
//!  host memory ◄─┴──────◄ output valid/ready ──└──────┘
//! ```
//!
//! Literal bytes run ahead of receives that are still pending; bytes from host
//! memory wait until every earlier receive has ended, because they may be what
//! was received. With [`Pacing::ALWAYS_READY`] the driver never keeps the core
//! waiting, so its stall counters stay zero and its cycles are the cycle model's.

use quern_isa::{Config, Counters, Inspect, Machine, MachineError, Memories, Program, Run, Script};

/// Bytes of the widest stream port of any configuration.
pub const MAX_BEAT_BYTES: usize = 16;

/// Cycles without a beat in either direction after which a run is given up: more
/// than the longest instruction of any configuration takes.
pub const HANG_CYCLES: u64 = 1_000_000;

/// One beat of the output port; the first [`Config::stream_bytes`] bytes count.
pub type Beat = [u8; MAX_BEAT_BYTES];

/// What happened in one clock cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cycle {
    /// The input beat was valid and ready: it is consumed.
    pub accepted: bool,
    /// The output beat that was valid and ready.
    pub output: Option<Beat>,
    /// The `idle` port after the clock edge.
    pub idle: bool,
    /// The `error` port after the clock edge.
    pub error: u8,
}

/// What happened in a run of clock cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Burst {
    pub cycles: u64,
    /// Input bytes consumed.
    pub accepted: usize,
    /// Output bytes delivered.
    pub delivered: usize,
    /// The `idle` port after the last clock edge.
    pub idle: bool,
    /// The `error` port after the last clock edge.
    pub error: u8,
}

/// A simulated core, driven from its ports.
pub trait StreamPorts {
    fn config(&self) -> &Config;

    /// Holds `reset` for a cycle. Memories keep their contents.
    fn reset(&mut self) -> Result<(), MachineError>;

    /// Runs one clock cycle. `input` is one whole beat, valid in this cycle.
    fn cycle(&mut self, input: Option<&[u8]>, output_ready: bool) -> Result<Cycle, MachineError>;

    /// Runs up to `cycles` clock cycles (at least one) with the beats of `input`
    /// valid without a gap and the output always ready. Ends after the cycle in
    /// which the last beat of `input` is accepted, `output` is full, `idle` or
    /// `error` is up. `output` has room for at least one beat. Simulators with a
    /// costly call per cycle bring their own.
    fn burst(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        cycles: u64,
    ) -> Result<Burst, MachineError> {
        let bytes = self.config().stream_bytes;
        let mut burst = Burst::default();
        while burst.cycles < cycles {
            let beat = input.get(burst.accepted..burst.accepted + bytes);
            let cycle = self.cycle(beat, true)?;
            burst.cycles += 1;
            burst.idle = cycle.idle;
            burst.error = cycle.error;
            if let Some(beat) = cycle.output {
                output[burst.delivered..burst.delivered + bytes].copy_from_slice(&beat[..bytes]);
                burst.delivered += bytes;
            }
            if cycle.accepted {
                burst.accepted += bytes;
            }
            let sent = cycle.accepted && burst.accepted == input.len();
            if sent || burst.delivered == output.len() || burst.idle || burst.error != 0 {
                break;
            }
        }
        Ok(burst)
    }

    /// The counter ports.
    fn counters(&self) -> Counters;

    fn memories(&self) -> Memories;
}

impl<P: StreamPorts + ?Sized> StreamPorts for Box<P> {
    fn config(&self) -> &Config {
        (**self).config()
    }

    fn reset(&mut self) -> Result<(), MachineError> {
        (**self).reset()
    }

    fn cycle(&mut self, input: Option<&[u8]>, output_ready: bool) -> Result<Cycle, MachineError> {
        (**self).cycle(input, output_ready)
    }

    fn burst(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        cycles: u64,
    ) -> Result<Burst, MachineError> {
        (**self).burst(input, output, cycles)
    }

    fn counters(&self) -> Counters {
        (**self).counters()
    }

    fn memories(&self) -> Memories {
        (**self).memories()
    }
}

/// How eager the two ends of the streams are: a port is ready with the given
/// probability in each cycle, drawn from a seeded generator, so that a run with
/// gaps can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    pub seed: u64,
    /// Input valid in so many of 256 cycles.
    pub input: u16,
    /// Output ready in so many of 256 cycles.
    pub output: u16,
}

impl Pacing {
    pub const ALWAYS_READY: Pacing = Pacing {
        seed: 0,
        input: 256,
        output: 256,
    };

    fn draw(&mut self) -> (bool, bool) {
        // splitmix64 (Steele, Lea, Flood 2014).
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (
            ((bits & 0xff) as u16) < self.input,
            ((bits >> 8 & 0xff) as u16) < self.output,
        )
    }
}

/// Told the cycles run so far, every few thousand of them.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// Runs `program` on an idle core. After an error the core is reset, so that the
/// next run finds it idle again.
pub fn run(
    ports: &mut dyn StreamPorts,
    program: &Program,
    host: &mut [u8],
    pacing: Pacing,
    progress: Option<Progress>,
) -> Result<Run, MachineError> {
    let config = *ports.config();
    if program.config != config {
        return Err(MachineError::Config {
            program: program.config.name,
            machine: config.name,
        });
    }
    let mut walk = Walk {
        config,
        script: Script::new(program, host)?,
        scratch: Vec::new(),
    };
    let result = walk.run(ports, pacing, progress);
    if result.is_err() {
        ports.reset()?;
    }
    result
}

/// A core and the way it is driven, as a [`Machine`].
pub struct Driven<P> {
    pub ports: P,
    pub pacing: Pacing,
    /// Told the cycles of the current run from time to time.
    pub progress: Option<Box<dyn FnMut(u64)>>,
}

impl<P: StreamPorts> Driven<P> {
    pub fn new(ports: P) -> Driven<P> {
        Driven {
            ports,
            pacing: Pacing::ALWAYS_READY,
            progress: None,
        }
    }
}

impl<P: StreamPorts> Machine for Driven<P> {
    fn config(&self) -> &Config {
        self.ports.config()
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        let progress = self.progress.as_mut().map(|p| p.as_mut() as Progress);
        run(&mut self.ports, program, host, self.pacing, progress)
    }
}

impl<P: StreamPorts> Inspect for Driven<P> {
    fn memories(&self) -> Memories {
        self.ports.memories()
    }
}

/// Cycles between two calls of the progress hook.
const PROGRESS_CYCLES: u64 = 4096;

/// A script and what its core is given to do.
struct Walk<'a> {
    config: Config,
    script: Script<'a>,
    scratch: Vec<u8>,
}

impl Walk<'_> {
    fn run(
        &mut self,
        ports: &mut dyn StreamPorts,
        mut pacing: Pacing,
        mut progress: Option<Progress>,
    ) -> Result<Run, MachineError> {
        let (mut cycles, mut reported, mut quiet) = (0, 0, 0);
        loop {
            let burst = match pacing == Pacing::ALWAYS_READY {
                true => self.burst(ports)?,
                false => self.paced_cycle(ports, &mut pacing)?,
            };
            cycles += burst.cycles;
            quiet = match burst.accepted + burst.delivered {
                0 => quiet + burst.cycles,
                _ => 0,
            };
            if burst.error != 0 {
                return Err(MachineError::core(burst.error));
            }
            // The first beat of a program takes the core out of idle, at once.
            if burst.idle && self.script.started() {
                break;
            }
            if quiet >= HANG_CYCLES {
                return Err(self.hang(quiet));
            }
            if let Some(progress) = progress.as_mut().filter(|_| cycles >= reported) {
                progress(cycles);
                reported = cycles + PROGRESS_CYCLES;
            }
        }
        if let Some(progress) = progress {
            progress(cycles);
        }
        self.script.finish()?;
        Ok(Run {
            counters: ports.counters(),
        })
    }

    fn burst(&mut self, ports: &mut dyn StreamPorts) -> Result<Burst, MachineError> {
        let mut output = std::mem::take(&mut self.scratch);
        output.resize(self.script.room().max(self.config.stream_bytes), 0);
        let burst = ports.burst(self.script.pending(), &mut output, PROGRESS_CYCLES)?;
        self.script.sent(burst.accepted);
        self.script.deliver(&output[..burst.delivered])?;
        self.scratch = output;
        Ok(burst)
    }

    fn paced_cycle(
        &mut self,
        ports: &mut dyn StreamPorts,
        pacing: &mut Pacing,
    ) -> Result<Burst, MachineError> {
        let bytes = self.config.stream_bytes;
        let (input_valid, output_ready) = pacing.draw();
        let input = self.script.pending().get(..bytes);
        let cycle = ports.cycle(input.filter(|_| input_valid), output_ready)?;
        if cycle.accepted {
            self.script.sent(bytes);
        }
        if let Some(beat) = cycle.output {
            self.script.deliver(&beat[..bytes])?;
        }
        Ok(Burst {
            cycles: 1,
            accepted: bytes * cycle.accepted as usize,
            delivered: bytes * cycle.output.is_some() as usize,
            idle: cycle.idle,
            error: cycle.error,
        })
    }

    fn hang(&self, cycles: u64) -> MachineError {
        MachineError::Hang {
            cycles,
            waiting_for: if self.script.waits_for_receive() {
                "bytes from host memory wait for an earlier receive"
            } else if !self.script.all_sent() {
                "the core does not take its input"
            } else if !self.script.all_received() {
                "the core sends nothing more; a receive is pending"
            } else {
                "everything is sent and received, but the core does not halt"
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pacing_repeats_for_a_seed_and_keeps_its_rate() {
        let mut pacing = Pacing {
            seed: 7,
            input: 64,
            output: 256,
        };
        let mut again = pacing;
        let draws: Vec<_> = (0..10_000).map(|_| pacing.draw()).collect();
        assert!(draws.iter().all(|&draw| draw == again.draw()));
        let valid = draws.iter().filter(|draw| draw.0).count();
        assert!((2_300..2_700).contains(&valid), "{valid} of 10000 valid");
        assert!(draws.iter().all(|draw| draw.1));
    }
}
