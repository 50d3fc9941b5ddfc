//! Standard output and standard error of the command: the one place that writes to them.
//!
//! A reader that has seen enough (`| head`) is no error: the work goes on, its files are written,
//! and the exit code is the work's. Where standard output can't take what is printed for another
//! reason, a full disk, the command fails. Of standard error nobody could be told.

use miette::{Context, IntoDiagnostic, Result};
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// A line on standard output; `Result`.
macro_rules! outln {
    ($($text:tt)*) => {
        $crate::output::line(format_args!($($text)*))
    };
}

/// A line on standard error.
macro_rules! errln {
    ($($text:tt)*) => {
        $crate::output::message(format_args!("{}\n", format_args!($($text)*)))
    };
}

pub(crate) use {errln, outln};

pub fn line(text: Arguments) -> Result<()> {
    print(&format!("{text}\n"))
}

/// Prints one JSON object on standard output.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value).into_diagnostic()? + "\n"))
}

/// Prints text on standard output.
pub fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let written = output.write_all(text.as_bytes());
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written
            .into_diagnostic()
            .wrap_err("can't write to standard output"),
    }
}

/// Prints text on standard error.
pub fn message(text: Arguments) {
    let _ = std::io::stderr().write_all(text.to_string().as_bytes());
}
