//! Replay under Verilator: unknown values do not exist there, so whatever has no
//! defined start begins random, and must not be seen once the warm-up is over.
//!
//! ```text
//!  unit.v, ports.v ─► verilator ─► C++ ─┐
//!             replay.cpp ───────────────┴► g++ ─► program ◄── stimulus, expected rows
//! ```
//! A program is kept under a hash of all it is made of, in the workspace's
//! `build/cosim/`: a unit is compiled once, however often it is replayed. Verilator's
//! runtime is compiled once for all of them.

use super::CosimError;
use crate::verilator::{build_directory, include_directory, include_options, tools};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const REPLAY: &str = include_str!("replay.cpp");

const VERILATOR_OPTIONS: &[&str] = &[
    "--cc",
    "-O3",
    // Random instead of unknown.
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--noassert",
    "-Wno-lint",
    // Compiling a unit takes longer than running it.
    "--prefix",
    "Vcosim",
    "--Mdir",
    "model",
    "--top-module",
    "cosim_ports",
    "ports.v",
    "unit.v",
];

const COMPILER_OPTIONS: &[&str] = &["-O1", "-std=c++17", "-DVL_TIME_CONTEXT"];

/// Of Verilator's runtime, what every model needs.
const RUNTIME: &[&str] = &["verilated.cpp", "verilated_threads.cpp"];

static BUILDING: Mutex<()> = Mutex::new(());

/// The first row that differs, and what the outputs are there, in hexadecimal.
pub struct Difference {
    pub row: usize,
    pub actual: String,
}

/// Runs the rows in `directory` through the unit's Verilog.
pub fn replay(
    unit: &str,
    ports: &str,
    warm_up: usize,
    directory: &Path,
) -> Result<Option<Difference>, CosimError> {
    let verilog = std::fs::read_to_string(directory.join("unit.v"))?;
    let program = program(unit, &verilog, ports)?;
    let output = std::process::Command::new(&program)
        .args(["stimulus.hex", "expected.hex", &warm_up.to_string()])
        .current_dir(directory)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = || CosimError::Tool {
        tool: "the Verilator model",
        unit: unit.to_owned(),
        directory: directory.to_owned(),
        message: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
    };
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["PASSED"] if output.status.success() => Ok(None),
        ["DIFFERS", row, actual] => Ok(Some(Difference {
            row: row.parse().map_err(|_| failed())?,
            actual: (*actual).to_owned(),
        })),
        _ => Err(failed()),
    }
}

/// The program of a unit, built if need be.
fn program(unit: &str, verilog: &str, ports: &str) -> Result<PathBuf, CosimError> {
    let mut hasher = DefaultHasher::new();
    (verilog, ports, REPLAY, VERILATOR_OPTIONS, COMPILER_OPTIONS).hash(&mut hasher);
    tools()?.hash(&mut hasher);
    let models = build_directory().join("cosim");
    let program = models.join(format!("{unit}-{:016x}", hasher.finish()));
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&models)?;
    let runtime = runtime(unit, &models)?;
    let workshop = tempfile::Builder::new()
        .prefix(&format!(".{unit}-"))
        .tempdir_in(&models)?;
    let path = workshop.path();
    std::fs::write(path.join("unit.v"), verilog)?;
    std::fs::write(path.join("ports.v"), ports)?;
    run("verilator", VERILATOR_OPTIONS, unit, path)?;
    // One text: every file of a model begins with the same long headers.
    let mut sources: Vec<PathBuf> = std::fs::read_dir(path.join("model"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    sources.retain(|source| source.extension().is_some_and(|e| e == "cpp"));
    sources.sort();
    let mut all = "#include \"verilated.h\"\n".to_owned();
    for source in &sources {
        all += &format!("#include \"{}\"\n", source.display());
    }
    all += REPLAY;
    std::fs::write(path.join("all.cpp"), all)?;
    let mut arguments: Vec<String> = COMPILER_OPTIONS.iter().map(|o| o.to_string()).collect();
    // Before Verilator's own: the compiled header is there.
    arguments.push(format!("-I{}", runtime.display()));
    arguments.extend(include_options()?);
    arguments.push("all.cpp".to_owned());
    for source in RUNTIME {
        arguments.push(runtime.join(object(source)).display().to_string());
    }
    arguments.extend(["-o", "program", "-pthread"].map(str::to_owned));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run("g++", &arguments, unit, path)?;
    // Whoever is second replaces it with its equal.
    std::fs::rename(path.join("program"), &program)?;
    Ok(program)
}

/// Verilator's runtime and its header, compiled.
fn runtime(unit: &str, models: &Path) -> Result<PathBuf, CosimError> {
    let _turn = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let include = include_directory()?;
    let mut hasher = DefaultHasher::new();
    (COMPILER_OPTIONS, RUNTIME, &include, tools()?).hash(&mut hasher);
    let finished = models.join(format!("runtime-{:016x}", hasher.finish()));
    if finished.exists() {
        return Ok(finished);
    }
    let workshop = tempfile::Builder::new()
        .prefix(".runtime-")
        .tempdir_in(models)?;
    let path = workshop.path();
    let includes = include_options()?;
    let compile = |source: &str, language: &[&str], output: &str| {
        let source = include.join(source).display().to_string();
        let mut arguments = COMPILER_OPTIONS.to_vec();
        arguments.extend(includes.iter().map(String::as_str));
        arguments.extend(language);
        arguments.extend(["-c", &source, "-o", output]);
        run("g++", &arguments, unit, path)
    };
    for source in RUNTIME {
        compile(source, &[], &object(source))?;
    }
    compile("verilated.h", &["-x", "c++-header"], "verilated.h.gch")?;
    match std::fs::rename(path, &finished) {
        Err(error) if !finished.exists() => Err(error.into()),
        _ => Ok(finished),
    }
}

fn object(source: &str) -> String {
    source.replace(".cpp", ".o")
}

fn run(
    tool: &'static str,
    arguments: &[&str],
    unit: &str,
    directory: &Path,
) -> Result<(), CosimError> {
    let output = super::run(tool, arguments, directory)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(CosimError::Tool {
            tool,
            unit: unit.to_owned(),
            directory: directory.to_owned(),
            message: super::text(&output.stderr),
        }),
    }
}
