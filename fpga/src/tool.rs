//! Runs the open FPGA tools and turns what can go wrong into errors.

use crate::cache;
use serde::Serialize;
use std::fs::{self, File};
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
    /// The argument that makes it say its version, if there is one.
    pub version_argument: Option<&'static str>,
}

pub const YOSYS: Tool = Tool {
    program: "yosys",
    package: "yosys",
    version_argument: Some("-V"),
};
pub const NEXTPNR: Tool = Tool {
    program: "nextpnr-ice40",
    package: "nextpnr-ice40",
    version_argument: Some("--version"),
};
pub const ICEPACK: Tool = Tool {
    program: "icepack",
    package: "fpga-icestorm",
    version_argument: None,
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
    /// Only what the build itself no longer wants.
    #[error("`{program}` was stopped while {step}: its result is not needed any more")]
    Stopped { program: &'static str, step: String },
    #[error("`{program}` could not be run: {source}")]
    Io {
        program: &'static str,
        source: io::Error,
    },
}

fn packages() -> String {
    TOOLS.map(|tool| tool.package).join(" ")
}

/// Which tool made an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolVersion {
    pub program: &'static str,
    /// What it says of itself; of a tool that says nothing, the SHA-256 of its file.
    pub version: String,
}

impl Tool {
    /// Whether the tool can be run at all.
    pub fn is_installed(&self) -> bool {
        self.path().is_some()
    }

    /// Where the tool is.
    pub fn path(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(self.program))
            .find(|file| file.is_file())
    }

    pub fn version(&self) -> Result<ToolVersion, ToolError> {
        let program = self.program;
        let failed_io = |source| ToolError::Io { program, source };
        let path = self.path().ok_or(ToolError::Missing { program })?;
        let version = match self.version_argument {
            Some(argument) => {
                let output = Command::new(&path)
                    .arg(argument)
                    .stdin(Stdio::null())
                    .output()
                    .map_err(failed_io)?;
                // Some speak on one stream, some on the other.
                let said = [output.stdout, output.stderr].concat();
                String::from_utf8_lossy(&said).trim().to_owned()
            }
            None => format!(
                "SHA-256 {}",
                cache::digest(&fs::read(path).map_err(failed_io)?)
            ),
        };
        Ok(ToolVersion { program, version })
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
        self.run_unless(&|| false, arguments, folder, log, step)
    }

    /// Like [`run`](Self::run), and ends the tool when `stop` becomes true.
    pub fn run_unless(
        &self,
        stop: &dyn Fn() -> bool,
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
        let step = step.to_owned();
        match wait(&mut child, stop).map_err(failed_io)? {
            Ended::Endless => Err(ToolError::Endless { program, step }),
            Ended::Stopped => Err(ToolError::Stopped { program, step }),
            Ended::Itself(status) if status.success() => Ok(()),
            Ended::Itself(status) => Err(ToolError::Failed {
                program,
                step,
                status,
                tail: tail(&String::from_utf8_lossy(
                    &fs::read(&log).unwrap_or_default(),
                )),
            }),
        }
    }
}

enum Ended {
    Itself(ExitStatus),
    Stopped,
    Endless,
}

fn wait(child: &mut Child, stop: &dyn Fn() -> bool) -> io::Result<Ended> {
    let begin = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Itself(status));
        }
        if stop() {
            break Ended::Stopped;
        }
        if begin.elapsed() >= PATIENCE {
            break Ended::Endless;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    child.kill()?;
    child.wait()?;
    Ok(ended)
}

/// The end of a tool's messages.
pub fn tail(text: &str) -> String {
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
            version_argument: None,
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
            version_argument: None,
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

    #[test]
    fn a_tool_whose_result_is_not_needed_is_ended() {
        let tool = Tool {
            program: "sleep",
            package: "coreutils",
            version_argument: Some("--version"),
        };
        assert!(tool.version().unwrap().version.starts_with("sleep"));
        let folder = tempfile::tempdir().unwrap();
        let begin = Instant::now();
        let stop = || begin.elapsed() > Duration::from_millis(50);
        let error = tool.run_unless(&stop, &["60"], folder.path(), "log", "testing");
        assert!(matches!(error, Err(ToolError::Stopped { .. })), "{error:?}");
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
