//! What the command does where its output goes nowhere.
#![cfg(unix)]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MODEL: &str = "models/digits-mlp.onnx";

/// One of each way to print: tables, lines, a listing, JSON, help.
const COMMANDS: [&[&str]; 7] = [
    &["run", MODEL, "--input", "models/digits-x.npy", "--limit=2"],
    &["compile", MODEL],
    &["compile", MODEL, "--listing"],
    &["compile", MODEL, "--json"],
    &["board", "list"],
    &["verify", "--list"],
    &["--help"],
];

fn quern(arguments: &[&str]) -> Command {
    let mut quern = Command::new(env!("CARGO_BIN_EXE_quern"));
    quern
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(arguments)
        .stdin(Stdio::null());
    quern
}

/// The end of a pipe that nobody reads any more: its reader has ended.
fn closed_pipe() -> Stdio {
    let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = reader.stdin.take().unwrap();
    reader.wait().unwrap();
    pipe.into()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for arguments in COMMANDS {
        let output = quern(arguments).stdout(closed_pipe()).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}, {}",
            output.status,
            said(&output)
        );
        assert!(!said(&output).contains("panicked"), "{arguments:?}");
        let status = quern(arguments)
            .stdout(closed_pipe())
            .stderr(closed_pipe())
            .status();
        assert!(status.unwrap().success(), "{arguments:?} without a reader");
    }
}

#[test]
fn a_failure_keeps_its_exit_code_without_a_reader() {
    let code = |stdout: Stdio, stderr: Stdio| {
        let status = quern(&["compile", "models/none.onnx"])
            .stdout(stdout)
            .stderr(stderr)
            .status();
        status.unwrap().code()
    };
    assert_eq!(code(Stdio::null(), Stdio::null()), Some(1));
    assert_eq!(code(closed_pipe(), closed_pipe()), Some(1));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = quern(&["compile", MODEL]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("can't write to standard output"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
