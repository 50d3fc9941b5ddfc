//! A board that runs the program in its flash: it gets input, and gives outputs.

use crate::board::machine_error;
use crate::{Expected, Link, LinkError, Transport};
use quern_isa::standalone::{self, Fault};
use quern_isa::{Config, Counters, Machine, MachineError, Program, Run, Segment};

pub struct StandaloneBoard<T> {
    link: Link<T>,
    config: Config,
}

impl<T: Transport> StandaloneBoard<T> {
    /// Refuses a board that is not what was expected, or has no good program in its flash.
    pub fn new(mut link: Link<T>, expected: &Expected) -> Result<StandaloneBoard<T>, LinkError> {
        expected.check(&mut link)?;
        match link.stand_alone()? {
            Some(fault) => Err(LinkError::Flash {
                port: link.transport().name().to_owned(),
                fault,
            }),
            None => Ok(StandaloneBoard {
                link,
                config: expected.config,
            }),
        }
    }

    pub fn link(&mut self) -> &mut Link<T> {
        &mut self.link
    }

    /// Sends one input, and returns the outputs.
    fn classify(&mut self, input: &[u8], outputs: usize) -> Result<Vec<u8>, MachineError> {
        let give_up = self.link.transport().pace().give_up;
        let (mut sent, mut received) = (0, Vec::new());
        let mut last_change = self.link.transport().now();
        let mut last_position = self.link.position();
        loop {
            sent += self.link.offer(&input[sent..]);
            self.link.exchange().map_err(machine_error)?;
            let news = self.link.take_output();
            let answer = self.link.answer();
            if let Some(fault) = Fault::of_error(answer.error) {
                let port = self.link.transport().name().to_owned();
                return Err(machine_error(LinkError::Flash { port, fault }));
            }
            if answer.error != 0 {
                return Err(MachineError::core(answer.error));
            }
            let now = self.link.transport().now();
            let position = self.link.position();
            if !news.is_empty() || position != last_position {
                (last_change, last_position) = (now, position);
            }
            received.extend(news);
            let ended = answer.idle && sent == input.len() && self.link.untaken() == 0;
            if ended && received.len() == outputs {
                return Ok(received);
            }
            if ended || received.len() > outputs || now - last_change >= give_up {
                return Err(MachineError::Other(format!(
                    "the program in the flash is not this model's: it has taken {} of {} bytes \
                     of input and given {} bytes of output, not {outputs}; `quern fpga flash \
                     --program` writes another one",
                    sent - self.link.untaken(),
                    input.len(),
                    received.len(),
                )));
            }
        }
    }
}

impl<T: Transport> Machine for StandaloneBoard<T> {
    fn config(&self) -> &Config {
        &self.config
    }

    /// Runs not `program` but what is in flash, which should be the same. Nobody asks the
    /// core for its counters: they stay zero.
    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        let stored = program.segments.iter().map(|segment| match segment {
            Segment::Receive { bytes, .. } => *bytes as usize,
            _ => 0,
        });
        let bytes = stored.sum();
        let outputs = self.classify(&standalone::input(program, host), bytes)?;
        host[program.output.offset as usize..][..bytes].copy_from_slice(&outputs);
        Ok(Run {
            counters: Counters::default(),
        })
    }
}
