//! What can go wrong in a build.

use crate::report::Attempt;
use crate::tool::ToolError;
use quern_hdl::verilog::ExportError;
use quern_isa::link::RATE_TOLERANCE;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum BuildError {
    #[error("there is no board for config `{config}`: {reason}; build `--config cu`")]
    NoBoard {
        config: &'static str,
        reason: &'static str,
    },
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("no seed to try was given")]
    NoSeed,
    #[error("the PLL makes no clock of {clock_hz} Hz; it reaches 16 to 275 MHz")]
    NoClock { clock_hz: u64 },
    #[error(
        "{clock_mhz} MHz, divided by 4 to 128, make no serial rate within {tolerance} % of {baud} \
         bits a second; {nearest} would do (`--baud`), or another clock (`--clock`)",
        tolerance = 100.0 * RATE_TOLERANCE
    )]
    Baud {
        baud: u32,
        clock_mhz: f64,
        nearest: u64,
    },
    #[error(
        "no placement met its clock: {}; try more seeds (`--seeds`), or a slower clock{}",
        tried(attempts),
        within_reach(attempts)
    )]
    Timing { attempts: Vec<Attempt> },
    #[error("`{file}`, written by the FPGA tools, has a form this build does not know")]
    Format { file: &'static str },
    #[error("{what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl BuildError {
    /// For `map_err`: `what` is "writing" or the like.
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> BuildError + 'a {
        move |source| BuildError::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }
}

fn tried(attempts: &[Attempt]) -> String {
    let outcomes: Vec<String> = attempts
        .iter()
        .map(|attempt| match attempt.fmax_mhz {
            Some(fmax) => format!(
                "seed {} reached {fmax:.1} of {:.1} MHz",
                attempt.seed, attempt.clock_mhz
            ),
            None => format!("seed {} was not placed", attempt.seed),
        })
        .collect();
    outcomes.join(", ")
}

/// The clock that the best placement would have met.
fn within_reach(attempts: &[Attempt]) -> String {
    let reached = attempts.iter().filter_map(|attempt| attempt.fmax_mhz);
    match reached.max_by(f64::total_cmp) {
        Some(fmax) => format!(" (`--clock {:.0}`)", fmax.floor()),
        None => String::new(),
    }
}
