//! Two machines as one find every kind of disagreement, and say where it is.

use quern_isa::{
    Assembler, Compared, Config, Inspect, Instruction, Machine, MachineError, Matrix, Memories,
    Pattern, Program, Reference, Region, Run, Space, TINY,
};

/// The reference with a fault.
struct Faulty {
    machine: Reference,
    fault: Fault,
}

#[derive(Clone, Copy)]
enum Fault {
    None,
    Cycles,
    Output,
    Accumulator,
}

impl Machine for Faulty {
    fn config(&self) -> &Config {
        self.machine.config()
    }

    fn run(&mut self, program: &Program, host: &mut [u8]) -> Result<Run, MachineError> {
        let mut run = self.machine.run(program, host)?;
        match self.fault {
            Fault::Cycles => run.counters.cycles += 1,
            Fault::Output => host[2] += 1,
            Fault::Accumulator | Fault::None => {}
        }
        Ok(run)
    }
}

impl Inspect for Faulty {
    fn memories(&self) -> Memories {
        let mut memories = self.machine.memories();
        if let Fault::Accumulator = self.fault {
            memories.accumulators[6] -= 1;
        }
        memories
    }
}

/// What two runs of a small program on the reference and a faulty one come to.
fn run(fault: Fault) -> Result<(), String> {
    let mut assembler = Assembler::new(&TINY);
    assembler.instruction(Instruction::Pattern(Pattern {
        x_count: 2,
        x_stride: 1,
        y_count: 1,
        y_stride: 0,
        inner_stride: 1,
        outer_stride: 0,
    }));
    assembler.load(Space::Activations, 0, &[7; 8]);
    assembler.load(Space::Weights, 0, &[3; 16]);
    assembler.instruction(Instruction::Matrix(Matrix {
        accumulate: false,
        accumulator: 0,
        activation: 0,
        weight: 0,
        inner: 1,
        outer: 1,
    }));
    assembler.store_to_host(0, &[(0, 4)]);
    let program = assembler.finish(4, Region::default(), Region::default());
    let faulty = Faulty {
        machine: Reference::new(TINY),
        fault,
    };
    let mut machines = Compared::new(("faulty", faulty), ("reference", Reference::new(TINY)));
    for _ in 0..2 {
        let ended = machines.run(&program, &mut [0; 4]);
        ended.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[test]
fn machines_that_agree_are_one_machine() {
    assert_eq!(run(Fault::None), Ok(()));
}

#[test]
fn a_disagreement_says_where_it_is() {
    let start = "in program run 1 faulty and reference differ: ";
    for (fault, what) in [
        (Fault::Output, "host memory[2]: 8 against 7"),
        (Fault::Accumulator, "accumulators[6]: 83 against 84"),
    ] {
        assert_eq!(run(fault), Err(format!("{start}{what}")));
    }
    let cycles = run(Fault::Cycles).unwrap_err();
    let (ours, theirs) = cycles
        .strip_prefix(&format!("{start}cycles: "))
        .and_then(|counts| counts.split_once(" against "))
        .unwrap_or_else(|| panic!("{cycles}"));
    let count = |text: &str| text.parse::<u32>().unwrap();
    assert_eq!(count(ours), count(theirs) + 1);
}
