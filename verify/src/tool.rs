//! Runs the tools of the checks, each with a time limit.

use quern_fpga::tool::tail;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use thiserror::Error;

/// `timeout` says so by its exit code.
const TIMED_OUT: i32 = 124;

/// A program, and how to come by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    pub program: &'static str,
    /// What installs it, after "install it with".
    pub package: &'static str,
}

pub const YOSYS: Tool = Tool {
    program: "yosys",
    package: "apt-get install yosys",
};

/// Ends a program and all it has started; part of every Linux.
const TIMEOUT: Tool = Tool {
    program: "timeout",
    package: "apt-get install coreutils",
};

#[derive(Debug, Error)]
pub enum ToolError {
    #[error("`{program}` is not installed; install it with `{package}`")]
    Missing {
        program: &'static str,
        package: &'static str,
    },
    #[error("`{program}` failed; its last messages:\n{tail}")]
    Failed { program: &'static str, tail: String },
    #[error("`{program}` could not be run: {source}")]
    Io {
        program: &'static str,
        source: io::Error,
    },
}

/// What a tool printed, errors last.
#[derive(Debug)]
pub struct Ended {
    pub success: bool,
    pub text: String,
}

impl Tool {
    /// Where the tool is, or the error that says how to install it.
    pub fn find(&self) -> Result<PathBuf, ToolError> {
        self.find_on(&search_path())
    }

    fn find_on(&self, path: &OsStr) -> Result<PathBuf, ToolError> {
        std::env::split_paths(path)
            .map(|folder| folder.join(self.program))
            .find(|file| file.is_file())
            .ok_or(ToolError::Missing {
                program: self.program,
                package: self.package,
            })
    }

    /// Runs the tool in a folder, whatever it says. None: it took longer than `limit`
    /// and was stopped, together with what it had started.
    pub fn try_run(
        &self,
        arguments: &[&str],
        folder: &Path,
        limit: Duration,
    ) -> Result<Option<Ended>, ToolError> {
        let path = search_path();
        let program = self.find_on(&path)?;
        let output = Command::new(TIMEOUT.find()?)
            .env("PATH", path)
            .args(["--kill-after=5", &format!("{:.3}", limit.as_secs_f64())])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| ToolError::Io {
                program: self.program,
                source,
            })?;
        if output.status.code() == Some(TIMED_OUT) {
            return Ok(None);
        }
        let text = [&output.stdout, &output.stderr]
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .concat();
        Ok(Some(Ended {
            success: output.status.success(),
            text,
        }))
    }

    /// Runs the tool and takes failure as an error.
    pub fn run(
        &self,
        arguments: &[&str],
        folder: &Path,
        limit: Duration,
    ) -> Result<String, ToolError> {
        let failed = |tail| ToolError::Failed {
            program: self.program,
            tail,
        };
        match self.try_run(arguments, folder, limit)? {
            None => Err(failed(format!("(none within {} s)", limit.as_secs()))),
            Some(ended) if ended.success => Ok(ended.text),
            Some(ended) => Err(failed(tail(&ended.text))),
        }
    }
}

/// Where programs are: also in the Python environment that `scripts/setup` makes in the
/// repository, which is the working folder.
fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([here.join("build/venv/bin")]);
    // A folder with a colon in its name can't be searched.
    std::env::join_paths(folders).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Tool = Tool {
        program: "sh",
        package: "apt-get install dash",
    };

    #[test]
    fn a_tool_that_takes_too_long_is_stopped_with_its_children() {
        let begin = std::time::Instant::now();
        let limit = Duration::from_millis(100);
        let folder = std::env::temp_dir();
        let ended = SHELL.try_run(&["-c", "sleep 60; true"], &folder, limit);
        assert!(ended.unwrap().is_none());
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_failure_shows_the_last_messages_and_a_missing_tool_its_package() {
        let folder = std::env::temp_dir();
        let limit = Duration::from_secs(20);
        let error = SHELL.run(&["-c", "echo here >&2; exit 3"], &folder, limit);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`sh` failed; its last messages:\nhere"
        );
        let missing = Tool {
            program: "quern-no-such-tool",
            package: "apt-get install nothing",
        };
        assert_eq!(
            missing.run(&[], &folder, limit).unwrap_err().to_string(),
            "`quern-no-such-tool` is not installed; install it with `apt-get install nothing`"
        );
    }
}
