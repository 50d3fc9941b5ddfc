//! Programs for a board alone.

use crate::commands::run::model_name;
use crate::files;
use crate::output::errln;
use miette::{IntoDiagnostic, Result};
use quern_compiler::{compile, Compiled, Options};
use quern_isa::standalone::{self, MOST_CLASSES};
use quern_isa::CU;
use std::path::Path;

pub struct Standalone {
    pub compiled: Compiled,
    /// The outputs that compete; 0 if the board can't show which one is the largest.
    pub classes: usize,
    /// What the flash holds.
    pub bytes: Vec<u8>,
}

impl Standalone {
    /// Compiles a model for the board alone.
    pub fn new(model: &Path) -> Result<Standalone> {
        let options = Options {
            batch: Some(1),
            name: Some(model_name(model)),
        };
        let compiled = compile(&files::read(model)?, &CU, &options)?;
        let classes = compiled.scores().unwrap_or(0);
        let classes = if classes > MOST_CLASSES { 0 } else { classes };
        if classes == 0 {
            errln!(
                "{}: no class on the LEDs, it has other outputs than 1 to {MOST_CLASSES} scores",
                model.display()
            );
        }
        let bytes = standalone::to_flash(&compiled.program, classes).into_diagnostic()?;
        Ok(Standalone {
            compiled,
            classes,
            bytes,
        })
    }

    /// The class that the board shows after a run that left this host memory.
    pub fn class(&self, host: &[u8]) -> Option<u8> {
        let output = &host[self.compiled.program.output.offset as usize..][..self.classes];
        let largest = output.iter().max()?;
        output
            .iter()
            .position(|value| value == largest)
            .map(|class| class as u8)
    }
}
