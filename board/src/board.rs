//! A board as a machine that runs programs.

use crate::{Link, LinkError, Transport};
use quern_isa::link::{PROTOCOL_VERSION, RATE_TOLERANCE};
use quern_isa::{
    Config, Counters, Instruction, Machine, MachineError, Program, Run, Script, Segment, Source,
    Waits, INSTRUCTION_BYTES, ISA_VERSION,
};

/// What must be on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub config: Config,
    /// The design's hash; none takes any design of this configuration.
    pub design: Option<u32>,
    /// Serial bits per second on this side, where they matter: not on a pseudo-terminal.
    pub baud: Option<u32>,
}

/// Told the bytes of a program that have been sent, and all of them.
pub type Progress = Box<dyn FnMut(usize, usize)>;

impl Expected {
    /// Refuses a board that is something else.
    pub(crate) fn check<T: Transport>(&self, link: &mut Link<T>) -> Result<(), LinkError> {
        let identity = *link.identity();
        let port = link.transport().name().to_owned();
        let config = self.config;
        if identity.protocol != PROTOCOL_VERSION {
            let board = identity.protocol;
            return Err(LinkError::Protocol { port, board });
        }
        if identity.isa != ISA_VERSION {
            return Err(LinkError::InstructionSet {
                port,
                board: identity.isa,
                host: ISA_VERSION,
            });
        }
        if identity.fingerprint != config.fingerprint() {
            return Err(LinkError::Config {
                port,
                config: config.name,
                board: identity.fingerprint,
                host: config.fingerprint(),
            });
        }
        if let Some(host) = self.design.filter(|host| *host != identity.design) {
            return Err(LinkError::Design {
                port,
                board: identity.design,
                host,
            });
        }
        if let Some(host) = self.baud {
            let clock_mhz = f64::from(identity.clock_hz) / 1e6;
            let board = f64::from(identity.clock_hz) / f64::from(identity.divisor.max(1));
            if (board / f64::from(host) - 1.0).abs() > RATE_TOLERANCE {
                let board = board.round() as u32;
                return Err(LinkError::Clock {
                    port,
                    clock_mhz,
                    board,
                    host,
                });
            }
        }
        Ok(())
    }
}

pub struct Board<T> {
    link: Link<T>,
    config: Config,
    pub progress: Option<Progress>,
}

impl<T: Transport> Board<T> {
    /// Refuses a board that is not what was expected.
    pub fn new(mut link: Link<T>, expected: &Expected) -> Result<Board<T>, LinkError> {
        expected.check(&mut link)?;
        Ok(Board {
            link,
            config: expected.config,
            progress: None,
        })
    }

    pub fn link(&mut self) -> &mut Link<T> {
        &mut self.link
    }

    fn walk(&mut self, script: &mut Script, total: usize) -> Result<(), MachineError> {
        let give_up = self.link.transport().pace().give_up;
        let mut sent = 0;
        let mut last_change = self.link.transport().now();
        let mut last_position = self.link.position();
        loop {
            let count = self.link.offer(script.pending());
            script.sent(count);
            sent += count;
            self.link.exchange().map_err(machine_error)?;
            let output = self.link.take_output();
            script.deliver(&output)?;
            if let Some(progress) = &mut self.progress {
                progress(sent, total);
            }
            let answer = self.link.answer();
            if answer.error != 0 {
                return Err(MachineError::core(answer.error));
            }
            if answer.idle && self.link.untaken() == 0 && script.pending().is_empty() {
                return script.finish();
            }
            let now = self.link.transport().now();
            let position = self.link.position();
            if !output.is_empty() || position != last_position {
                (last_change, last_position) = (now, position);
            } else if now - last_change >= give_up {
                return Err(MachineError::Other(format!(
                    "the core has neither taken nor sent a byte for {} s",
                    give_up.as_secs()
                )));
            }
        }
    }
}

impl<T: Transport> Machine for Board<T> {
    fn config(&self) -> &Config {
        &self.config
    }

    /// The counters are those at the program's end, without its `halt`.
    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        if program.config != self.config {
            return Err(MachineError::Config {
                program: program.config.name,
                machine: self.config.name,
            });
        }
        // Checks the host memory as the program was written.
        Script::new(program, host)?;
        let counted = with_counters(program)?;
        let total = counted.segments.iter().map(Segment::send_bytes).sum();
        let mut memory = host.to_vec();
        memory.resize(host.len() + Counters::BYTES, 0);
        let mut script = Script::new(&counted, &mut memory)?;
        let result = self.walk(&mut script, total);
        if let Err(error) = result {
            // The next run finds an idle core; what is wrong with this one is known.
            let _ = self.link.restart();
            return Err(error);
        }
        let (outputs, counters) = memory.split_at(host.len());
        host.copy_from_slice(outputs);
        let counters = counters.first_chunk().expect("as many as were added");
        Ok(Run {
            counters: Counters::from_bytes(counters),
        })
    }
}

/// The same program, which stores its counters behind the host memory before it halts.
fn with_counters(program: &Program) -> Result<Program, MachineError> {
    let mut counted = program.clone();
    let store = Instruction::Store {
        source: Source::Counters,
        address: 0,
        count: 0,
    };
    let last = counted.segments.len();
    let Some(Segment::Send(bytes)) = counted.segments.last_mut() else {
        return Err(MachineError::Stream {
            segment: last,
            problem: "does not end with a halt",
        });
    };
    let halt = bytes.split_off(bytes.len().saturating_sub(INSTRUCTION_BYTES));
    bytes.extend(store.encode(Waits::ALL));
    counted.segments.push(Segment::Receive {
        offset: program.host_bytes,
        bytes: Counters::BYTES as u32,
    });
    counted.segments.push(Segment::Send(halt));
    counted.host_bytes += Counters::BYTES as u32;
    Ok(counted)
}

pub(crate) fn machine_error(error: LinkError) -> MachineError {
    MachineError::Other(error.to_string())
}
