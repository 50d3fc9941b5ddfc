//! `quern verilog`: the accelerator as one file for other tools.

use crate::arguments::Verilog;
use crate::output::outln;
use crate::{files, output};
use miette::{IntoDiagnostic, Result};
use quern_hdl::verilog::{ports_markdown, WAIVERS};
use quern_isa::Config;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What was written.
#[derive(Serialize)]
pub struct Exported {
    pub config: &'static str,
    pub top: String,
    pub verilog: PathBuf,
    pub file_list: PathBuf,
    pub ports: PathBuf,
    /// What Verilator's lint remarks on, and why it is right.
    pub waivers: PathBuf,
    /// Different modules in the file.
    pub modules: usize,
    /// Instances they stand for.
    pub instances: usize,
    pub lines: usize,
}

pub fn run(arguments: &Verilog) -> Result<()> {
    let config = arguments.config;
    let folder = arguments
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from("build/verilog").join(config.name));
    let exported = export(&config, &folder)?;
    if arguments.json {
        return output::print_json(&exported);
    }
    outln!(
        "{}: top module `{}`, {} modules for {} instances, {} lines",
        exported.verilog.display(),
        exported.top,
        exported.modules,
        exported.instances,
        exported.lines
    )?;
    outln!("{}: file list, for `-f`", exported.file_list.display())?;
    outln!("{}: the ports and their rules", exported.ports.display())?;
    outln!(
        "{}: lint remarks explained, for verilator --lint-only -Wall",
        exported.waivers.display()
    )?;
    Ok(())
}

/// Writes the Verilog, a file list and the port documentation.
pub fn export(config: &Config, folder: &Path) -> Result<Exported> {
    let verilog = quern_hdl::verilog::core(config).into_diagnostic()?;
    let exported = Exported {
        config: config.name,
        top: verilog.top.clone(),
        verilog: folder.join("quern.v"),
        file_list: folder.join("quern.f"),
        ports: folder.join("ports.md"),
        waivers: folder.join("waivers.vlt"),
        modules: verilog.modules.len(),
        instances: verilog.modules.iter().map(|module| module.instances).sum(),
        lines: verilog.text.lines().count(),
    };
    files::write(&exported.verilog, verilog.text.as_bytes())?;
    files::write(&exported.file_list, b"quern.v\n")?;
    let ports = format!(
        "# Ports of `{}`, configuration {}\n\n{}",
        verilog.top,
        config.name,
        ports_markdown(&verilog.ports)
    );
    files::write(&exported.ports, ports.as_bytes())?;
    files::write(&exported.waivers, WAIVERS.as_bytes())?;
    Ok(exported)
}
