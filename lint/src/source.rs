//! What only the source shows: RustHDL's macro drops it before the syntax tree.
//!
//! Every `fn` with the attribute `#[hdl_gen]` is looked at, wherever it stands in the
//! file, test modules included.

use crate::{Finding, Rule};
use std::path::{Path, PathBuf};
use std::{fs, io};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use thiserror::Error;

/// Why a source file can't be checked.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{file}: not Rust: {message}")]
    Parse { file: String, message: String },
}

/// Checks a source text; `file` names it in findings.
pub fn lint(text: &str, file: &str) -> Result<Vec<Finding>, SourceError> {
    let parsed = syn::parse_file(text).map_err(|error| SourceError::Parse {
        file: file.to_owned(),
        message: error.to_string(),
    })?;
    let mut kernels = Kernels {
        file,
        text,
        inside: false,
        findings: Vec::new(),
    };
    kernels.visit_file(&parsed);
    Ok(kernels.findings)
}

/// Checks every `.rs` file under a folder; returns how many there are, too.
pub fn lint_folder(folder: &Path) -> Result<(Vec<Finding>, usize), SourceError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| SourceError::Read { path, source }
    };
    let mut findings = Vec::new();
    let mut files = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries = fs::read_dir(&folder)
            .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
            .map_err(fail(&folder))?;
        entries.sort_by_key(|entry| entry.path());
        for entry in entries {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).map_err(fail(&path))?;
                findings.extend(lint(&text, &path.display().to_string())?);
                files += 1;
            }
        }
    }
    Ok((findings, files))
}

struct Kernels<'a> {
    file: &'a str,
    text: &'a str,
    inside: bool,
    findings: Vec<Finding>,
}

impl Kernels<'_> {
    fn kernel(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let outside = self.inside;
        self.inside = attributes
            .iter()
            .any(|attribute| attribute.path().is_ident("hdl_gen"));
        visit(self);
        self.inside = outside;
    }

    fn report(&mut self, rule: Rule, at: proc_macro2::Span, problem: &str) {
        let line = at.start().line;
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        self.findings.push(Finding {
            rule,
            block: format!("{}:{line}", self.file),
            unit: None,
            expression: text.trim().to_owned(),
            problem: problem.to_owned(),
            instances: 1,
        });
    }
}

impl<'ast> Visit<'ast> for Kernels<'_> {
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.kernel(&item.attrs, |kernels| {
            visit::visit_impl_item_fn(kernels, item)
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.kernel(&item.attrs, |kernels| visit::visit_item_fn(kernels, item));
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if self.inside {
            if let Some((_, guard)) = &arm.guard {
                self.report(
                    Rule::DroppedGuard,
                    guard.span(),
                    "the Verilog takes this arm whether its guard holds or not",
                );
            }
        }
        visit::visit_arm(self, arm);
    }
}
