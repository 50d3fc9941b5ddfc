//! Runs the open FPGA tools and turns what can go wrong into errors.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// A tool that works longer than this will not end: nextpnr's placer can go round in
/// circles when it finds no legal place for some cells.
const PATIENCE: Duration = Duration::from_secs(900);

/// Lines of a failed tool's messages that its error shows.
const TAIL_LINES: usize = 12;

/// A program the build needs, and the Debian package it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    pub program: &'static str,
    pub package: &'static str,
}

pub const YOSYS: Tool = Tool {
    program: "yosys",
    package: "yosys",
};
pub const NEXTPNR: Tool = Tool {
    program: "nextpnr-ice40",
    package: "nextpnr-ice40",
};
pub const ICEPACK: Tool = Tool {
    program: "icepack",
    package: "fpga-icestorm",
};

/// Every tool of the build.
pub const TOOLS: [Tool; 3] = [YOSYS, NEXTPNR, ICEPACK];

#[derive(Debug, Error)]
pub enum ToolError {
    #[error(
        "`{program}` is not installed; install the FPGA tools with `apt-get install {}`",
        packages()
    )]
    Missing { program: &'static str },
    #[error("`{program}` failed ({status}) while {step}; its last messages:\n{tail}")]
    Failed {
        program: &'static str,
        step: String,
        status: ExitStatus,
        tail: String,
    },
    #[error("`{program}` was stopped while {step}, after {} seconds without a result", PATIENCE.as_secs())]
    Endless { program: &'static str, step: String },
    #[error("`{program}` could not be run: {source}")]
    Io {
        program: &'static str,
        source: io::Error,
    },
}

fn packages() -> String {
    TOOLS.map(|tool| tool.package).join(" ")
}

impl Tool {
    /// Whether the tool can be run at all.
    pub fn is_installed(&self) -> bool {
        std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(self.program).is_file())
        })
    }

    /// Runs the tool in a folder, with all its messages in `log`. `step` completes
    /// "failed while ...".
    pub fn run(
        &self,
        arguments: &[&str],
        folder: &Path,
        log: &str,
        step: &str,
    ) -> Result<(), ToolError> {
        let program = self.program;
        let failed_io = |source| ToolError::Io { program, source };
        let log: PathBuf = folder.join(log);
        let messages = File::create(&log).map_err(failed_io)?;
        let errors = messages.try_clone().map_err(failed_io)?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(messages)
            .stderr(errors)
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => ToolError::Missing { program },
                _ => ToolError::Io { program, source },
            })?;
        let status = wait(&mut child).map_err(failed_io)?;
        match status {
            None => Err(ToolError::Endless {
                program,
                step: step.to_owned(),
            }),
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(ToolError::Failed {
                program,
                step: step.to_owned(),
                status,
                tail: tail(&log),
            }),
        }
    }
}

/// None if the child had to be stopped.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_says_how_to_install_it() {
        let tool = Tool {
            program: "quern-no-such-tool",
            package: "none",
        };
        let folder = tempfile::tempdir().unwrap();
        assert!(!tool.is_installed());
        let error = tool.run(&[], folder.path(), "log", "testing").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`quern-no-such-tool` is not installed; install the FPGA tools with \
             `apt-get install yosys nextpnr-ice40 fpga-icestorm`"
        );
    }

    #[test]
    fn a_failed_tool_shows_its_status_and_last_messages() {
        let tool = Tool {
            program: "sh",
            package: "dash",
        };
        let folder = tempfile::tempdir().unwrap();
        let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do echo line $i; done; exit 3";
        let error = tool
            .run(&["-c", script], folder.path(), "log", "testing")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("`sh` failed (exit status: 3) while testing"));
        assert!(error.contains("\nline 2\n") && error.ends_with("line 13"));
        assert!(!error.contains("line 1\n"));
    }
}
