//! Programs that are none: illegal instructions and streams that end too early.
//!
//! An illegal instruction stops the core in a defined state: `error` says why, nothing
//! more is taken, `idle` stays down. A truncated program leaves the core waiting. A
//! reset ends both, and the next program runs as after power-up.

use super::{agree, random_recipe, Gaps, Random};
use crate::driver::StreamPorts;
use quern_isa::{
    Config, Inspect, Instruction, MachineError, Waits, ERROR_ILLEGAL, ERROR_MISMATCH,
    INSTRUCTION_BYTES, ISA_VERSION,
};

/// What can be wrong with the next instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub bytes: [u8; INSTRUCTION_BYTES],
    pub code: u8,
    /// Instead of the program's own `begin`.
    pub opens: bool,
}

/// Every operation code that is none, every modifier that is none of its operation's,
/// and programs that do not begin as they should.
pub fn faults(config: &Config) -> Vec<Fault> {
    let fault = |opcode: u8, modifier: u8| {
        let mut bytes = [0; INSTRUCTION_BYTES];
        (bytes[0], bytes[1]) = (opcode, modifier);
        Fault {
            bytes,
            code: ERROR_ILLEGAL,
            opens: false,
        }
    };
    let mut faults: Vec<Fault> = (0..=255u8)
        .filter(|opcode| !(1..=9).contains(opcode))
        .map(|opcode| fault(opcode, 0))
        .collect();
    // Legal modifiers, by operation code from 2 on; bit 3 of the waits is none.
    for (opcode, legal) in (2..).zip([5u8, 2, 2, 3, 1, 1, 1, 16]) {
        faults.extend((legal..16).map(|modifier| fault(opcode, modifier)));
        faults.push(fault(opcode, 0x80));
    }
    let begin = |version, fingerprint| Instruction::Begin {
        version,
        fingerprint,
    };
    let right = begin(ISA_VERSION, config.fingerprint());
    // A second one.
    faults.push(Fault {
        bytes: right.encode(Waits::NONE),
        code: ERROR_ILLEGAL,
        opens: false,
    });
    for (version, fingerprint) in [
        (ISA_VERSION + 1, config.fingerprint()),
        (0, config.fingerprint()),
        (ISA_VERSION, config.fingerprint() ^ 1),
        (ISA_VERSION, config.fingerprint() ^ 0x8000),
    ] {
        faults.push(Fault {
            bytes: begin(version, fingerprint).encode(Waits::NONE),
            code: ERROR_MISMATCH,
            opens: true,
        });
    }
    for instruction in 2..=9u8 {
        faults.push(Fault {
            opens: true,
            ..fault(instruction, 0)
        });
    }
    faults
}

/// A random program's beginning, with units under way, as the bytes of its stream.
pub fn opening(config: &Config, random: &mut Random) -> Vec<u8> {
    let length = random.within(0, 6);
    let recipe = random_recipe(config, random, length).sent_only();
    let mut stream = recipe.stream().expect("nothing stored is loaded");
    let halt = config.instruction_beats() * config.stream_bytes;
    stream.truncate(stream.len() - halt);
    stream
}

/// Cycles in which a stopped core is watched.
const WATCHED: usize = 40;

/// Sends every fault behind a random beginning, and random beginnings cut off anywhere;
/// returns how many streams that were. `machine` gives the ports of a machine, which
/// has to run programs again in between.
pub fn check<M: Inspect>(
    machine: &mut M,
    ports: fn(&mut M) -> &mut dyn StreamPorts,
    random: &mut Random,
    faults: &[Fault],
    truncated: usize,
) -> Result<usize, String> {
    let config = *machine.config();
    let padded = config.instruction_beats() * config.stream_bytes;
    for fault in faults {
        let mut stream = match fault.opens {
            true => Vec::new(),
            false => opening(&config, random),
        };
        stream.extend(fault.bytes);
        stream.resize(stream.len().next_multiple_of(padded), 0);
        stream.extend([0; 64]);
        let explain = |problem: String| {
            format!(
                "{}: instruction {:02x?}: {problem}",
                config.name, fault.bytes
            )
        };
        stopped(ports(machine), &stream, fault.code).map_err(explain)?;
        if MachineError::core(fault.code).to_string().is_empty() {
            return Err(explain(format!("error {} has no message", fault.code)));
        }
        works(machine, random).map_err(explain)?;
    }
    for _ in 0..truncated {
        let stream = opening(&config, random);
        let beats = stream.len() / config.stream_bytes;
        let cut = random.within(1, beats) * config.stream_bytes;
        let explain =
            |problem: String| format!("{}: cut after {cut} bytes: {problem}", config.name);
        waits(ports(machine), &stream[..cut]).map_err(explain)?;
        works(machine, random).map_err(explain)?;
    }
    Ok(faults.len() + truncated)
}

/// Sends a stream until it is taken or the core stops; returns the bytes taken.
fn send(ports: &mut dyn StreamPorts, stream: &[u8]) -> Result<(usize, u8), String> {
    let bytes = ports.config().stream_bytes;
    let mut taken = 0;
    let mut quiet = 0;
    while taken < stream.len() && quiet < crate::driver::HANG_CYCLES {
        let cycle = ports
            .cycle(Some(&stream[taken..taken + bytes]), true)
            .map_err(|error| error.to_string())?;
        quiet += 1;
        if cycle.accepted {
            taken += bytes;
            quiet = 0;
        }
        if cycle.error != 0 {
            return Ok((taken, cycle.error));
        }
    }
    Ok((taken, 0))
}

fn stopped(ports: &mut dyn StreamPorts, stream: &[u8], code: u8) -> Result<(), String> {
    let bytes = ports.config().stream_bytes;
    let (_, error) = send(ports, stream)?;
    if error != code {
        return Err(format!("error {error} instead of {code}"));
    }
    for _ in 0..WATCHED {
        let cycle = ports
            .cycle(Some(&stream[..bytes]), true)
            .map_err(|error| error.to_string())?;
        if cycle.accepted || cycle.idle || cycle.error != code {
            return Err(format!("not a stopped core: {cycle:?}"));
        }
    }
    reset(ports)
}

fn waits(ports: &mut dyn StreamPorts, stream: &[u8]) -> Result<(), String> {
    let (taken, error) = send(ports, stream)?;
    if taken != stream.len() || error != 0 {
        return Err(format!("error {error} after {taken} bytes"));
    }
    for _ in 0..WATCHED {
        let cycle = ports.cycle(None, true).map_err(|error| error.to_string())?;
        if cycle.idle || cycle.error != 0 {
            return Err(format!("not a waiting core: {cycle:?}"));
        }
    }
    reset(ports)
}

fn reset(ports: &mut dyn StreamPorts) -> Result<(), String> {
    let text = |error: MachineError| error.to_string();
    ports.reset().map_err(text)?;
    let cycle = ports.cycle(None, true).map_err(text)?;
    match cycle.idle && cycle.error == 0 && cycle.output.is_none() {
        true => Ok(()),
        false => Err(format!("not idle after reset: {cycle:?}")),
    }
}

/// A whole program gives what it gives after power-up, in the same cycles.
fn works(machine: &mut dyn Inspect, random: &mut Random) -> Result<(), String> {
    let config = *machine.config();
    let recipe = random_recipe(&config, random, 2);
    agree(machine, &recipe, Gaps::None)
        .map(|_| ())
        .map_err(|disagreement| format!("the next program: {disagreement}"))
}
