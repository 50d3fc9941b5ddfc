//! The requantiser against the number semantics, one operand swept through all its values.
//!
//! ```text
//!  unit ─► export ─► Verilator ─┐
//!            requantiser.cpp ───┴─► g++ ─► program ─► a code for every sum
//!                                                         │ equal?
//!  quern_isa::numerics::requantise_with ──────────────────┘
//! ```

use super::exported;
use crate::check::{Check, Evidence, Figures, Group, Mode, Obstacle, Outcome, Session};
use crate::tool::Tool;
use quern_hdl::Requantise;
use quern_isa::numerics::{idle_steps, requantise_with, step_count, LEAST_INTERVAL};
use quern_isa::{ChannelParameters, CU, MANTISSA_BITS};
use quern_testbench::programs::Random;
use std::fs;
use std::path::Path;
use std::time::Duration;

const VERILATOR: Tool = Tool {
    program: "verilator",
    package: "apt-get install verilator g++ make",
};
/// The program that is built.
const SWEEP: &str = "./model/Vdut";
const ENV: Tool = Tool {
    program: "env",
    package: "apt-get install coreutils",
};
const DRIVER: &str = include_str!("requantiser.cpp");
const PATIENCE: Duration = Duration::from_secs(900);

/// The widest sums of which all can be tried: those of `cu`.
const BITS: u32 = 24;
const ROWS: u32 = 6;
type Unit = Requantise<24, 6, 29>;

pub fn all() -> Vec<Check> {
    vec![Check::new(
        Group::Simulation,
        "simulation.requantiser",
        "the requantiser of `cu` turns every 24-bit sum into the code that the number semantics give it (for one channel's parameters in the quick run, 32 in the full run)",
        run,
    )]
}

/// A channel, its bounds, and which ties.
struct Word {
    parameters: ChannelParameters,
    low: u8,
    high: u8,
    even_code: bool,
}

impl Word {
    /// Any multiplier of the unit's bits, also those that no scale has; or one with few
    /// bits, whose products are often half-way between two codes.
    fn random(steps: u8, ties: bool, even_code: bool, random: &mut Random) -> Word {
        let bits = (MANTISSA_BITS - 1 + ROWS) as usize;
        let multiplier = match ties {
            true => ((random.bits() as u32 & 0x3f) | 1) << (bits - 9),
            false => random.bits() as u32 & ((1 << bits) - 1),
        };
        let (a, b) = (random.bits() as u8, random.bits() as u8);
        let unused = 32 - BITS;
        Word {
            parameters: ChannelParameters {
                bias: (random.bits() as i32) << unused >> unused,
                multiplier,
                steps,
                zero_point: random.bits() as u8,
            },
            low: (a.min(b)) / 4,
            high: 255 - (255 - a.max(b)) / 4,
            even_code,
        }
    }

    fn interval(&self) -> u32 {
        let digits = step_count(self.parameters.steps, ROWS) - idle_steps(ROWS);
        digits.max(LEAST_INTERVAL)
    }
}

fn words(session: &Session) -> Vec<Word> {
    let mut random = Random(session.seed);
    match session.mode {
        // The steps with which a multiplier of few bits gives the most ties.
        Mode::Quick => vec![Word::random(6, true, false, &mut random)],
        Mode::Full => (0..16)
            .flat_map(|steps| [(steps, true), (steps, false)])
            .map(|(steps, ties)| {
                let even_code = random.bits() % 2 == 0;
                Word::random(steps, ties, even_code, &mut random)
            })
            .collect(),
    }
}

fn run(session: &Session) -> Result<Outcome, Obstacle> {
    const {
        assert!(CU.accumulator_bits == BITS && CU.requantise_rows == ROWS);
    }
    let words = words(session);
    let verilog = exported(Unit::default())?.text;
    let folder = tempfile::tempdir()?;
    build(&verilog, folder.path())?;
    for (i, word) in words.iter().enumerate() {
        session.progress(i, words.len() + 1);
        if let Some(difference) = sweep(folder.path(), word)? {
            return Ok(Outcome::failed(difference).seed(session.seed));
        }
    }
    // Of a tie the wrong neighbour.
    let right = "up = whole[0] ^ odd;";
    let wrong = "up = ~whole[0] ^ odd;";
    if !verilog.contains(right) {
        return Err(Obstacle::Other(format!("the requantiser has no `{right}`")));
    }
    let faulty = tempfile::tempdir()?;
    build(&verilog.replace(right, wrong), faulty.path())?;
    let mut caught = false;
    // Not every word has ties.
    for word in &words {
        caught = caught || sweep(faulty.path(), word)?.is_some();
    }
    Ok(Outcome::shown(Evidence::Simulated)
        .seed(session.seed)
        .figures(Figures {
            cosim_vectors: Some((words.len() as u64) << BITS),
            ..Figures::default()
        })
        .detail("parameter words", words.len())
        .detail("sums of each", 1u64 << BITS)
        .control(format!("`{right}` becomes `{wrong}`"), caught))
}

fn build(verilog: &str, folder: &Path) -> Result<(), Obstacle> {
    fs::write(folder.join("dut.v"), verilog)?;
    let driver = format!("#include \"Vdut.h\"\n#include \"verilated.h\"\n{DRIVER}");
    fs::write(folder.join("sweep.cpp"), driver)?;
    #[rustfmt::skip]
    VERILATOR.run(
        &["--cc", "--exe", "--build", "-O3", "--noassert", "-Wno-lint", "-CFLAGS", "-O2",
          "--prefix", "Vdut", "--Mdir", "model", "--top-module", "dut", "dut.v", "sweep.cpp"],
        folder,
        PATIENCE,
    )?;
    Ok(())
}

/// The first sum whose code differs.
fn sweep(folder: &Path, word: &Word) -> Result<Option<String>, Obstacle> {
    let ChannelParameters {
        bias,
        multiplier,
        steps,
        zero_point,
    } = word.parameters;
    let mask = (1u32 << BITS) - 1;
    let arguments: Vec<String> = [
        BITS,
        word.interval(),
        bias as u32 & mask,
        multiplier,
        u32::from(steps),
        u32::from(zero_point),
        u32::from(word.even_code),
        u32::from(word.low),
        u32::from(word.high),
    ]
    .iter()
    .map(u32::to_string)
    .collect();
    let mut command = vec![SWEEP, "codes"];
    command.extend(arguments.iter().map(String::as_str));
    ENV.run(&command, folder, PATIENCE)?;
    let codes = fs::read(folder.join("codes"))?;
    let unused = 32 - BITS;
    let expected = |value: u32| {
        let sum = (value as i32).wrapping_add(bias) << unused >> unused;
        let Word {
            low,
            high,
            even_code,
            ..
        } = *word;
        requantise_with(sum, &word.parameters, ROWS, low, high, even_code)
    };
    let differs = (0..1u32 << BITS)
        .zip(&codes)
        .find(|&(value, &code)| code != expected(value));
    let described = differs.map(|(value, code)| {
        let expected = expected(value);
        format!(
            "value {value} with {:?} gives {code}, not {expected}",
            arguments
        )
    });
    match codes.len() == 1 << BITS {
        true => Ok(described),
        false => Err(Obstacle::Other(format!("{} codes", codes.len()))),
    }
}
