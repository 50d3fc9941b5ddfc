//! Two machines as one: every program runs on both, and what they leave has to be the
//! same.
//!
//! ```text
//!           ┌─► ours ───► host memory, every memory, counters ─┐
//!  Program ─┤                                                  ├─► equal? ─► Run
//!           └─► theirs ─► host memory, every memory, counters ─┘
//! ```

use crate::{Config, Counters, Difference, Inspect, Machine, MachineError, Memories, Program, Run};

/// A machine that fails with [`MachineError::Disagreement`] where another one does not do
/// exactly the same.
pub struct Compared<A, B> {
    ours: Named<A>,
    theirs: Named<B>,
    /// Program runs that agreed.
    agreed: usize,
}

/// A machine and what an error calls it.
pub type Named<M> = (&'static str, M);

impl<A: Inspect, B: Inspect> Compared<A, B> {
    pub fn new(ours: Named<A>, theirs: Named<B>) -> Compared<A, B> {
        Compared {
            ours,
            theirs,
            agreed: 0,
        }
    }

    /// Where the two differ after a run, in words.
    fn difference(&self, runs: [&Run; 2], hosts: [&[u8]; 2]) -> Option<String> {
        let [ours, theirs] = runs.map(|run| run.counters.words());
        let counters = Counters::NAMES
            .into_iter()
            .zip(ours.into_iter().zip(theirs));
        for (name, (ours, theirs)) in counters {
            if ours != theirs {
                return Some(format!("{name}: {ours} against {theirs}"));
            }
        }
        let [ours, theirs] = hosts;
        Difference::first("host memory", ours, theirs)
            .or_else(|| self.memories().difference(&self.theirs.1.memories()))
            .map(|difference| difference.to_string())
    }
}

impl<A: Inspect, B: Inspect> Machine for Compared<A, B> {
    fn config(&self) -> &Config {
        self.ours.1.config()
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        let mut their_host = host.to_vec();
        let theirs = self.theirs.1.run(program, &mut their_host)?;
        let ours = self.ours.1.run(program, host)?;
        match self.difference([&ours, &theirs], [host, &their_host]) {
            None => {
                self.agreed += 1;
                Ok(ours)
            }
            Some(what) => Err(MachineError::Disagreement {
                run: self.agreed + 1,
                ours: self.ours.0,
                theirs: self.theirs.0,
                what,
            }),
        }
    }
}

impl<A: Inspect, B: Inspect> Inspect for Compared<A, B> {
    /// Those of ours; after a run that ended well, of both.
    fn memories(&self) -> Memories {
        self.ours.1.memories()
    }
}
