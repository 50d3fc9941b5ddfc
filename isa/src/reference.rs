//! The reference machine: the executable meaning of the instruction set.

use crate::{Config, Machine, MachineError, Memories, Program, Run};

/// Executes programs bit-exactly, with the cycle model's count.
pub struct Reference {
    config: Config,
    memories: Memories,
}

impl Reference {
    pub fn new(config: Config) -> Reference {
        Reference {
            config,
            memories: Memories::new(&config),
        }
    }
}

impl Machine for Reference {
    fn config(&self) -> &Config {
        &self.config
    }

    fn run(&mut self, _program: &Program, _host: &mut [u8]) -> Result<Run, MachineError> {
        Err(MachineError::Other("not written yet".into()))
    }

    fn memories(&self) -> Memories {
        self.memories.clone()
    }
}
