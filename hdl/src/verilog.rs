//! Verilog of any RustHDL block.

use rust_hdl::core::check_error::{check_all, CheckError};
use rust_hdl::prelude::*;
use thiserror::Error;

/// Verilog text and what it contains.
#[derive(Debug, Clone)]
pub struct Verilog {
    /// The whole file; its top module has the name given to [`export`].
    pub text: String,
    pub ports: Vec<Port>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
}

/// One port of a block, in the order of the block's fields. An array of signals
/// is one port per element, `name_0`, `name_1`, ...
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The plain identifier the port has in the exported Verilog.
    pub name: String,
    pub direction: Direction,
    pub bits: usize,
    pub signed: bool,
}

/// Why a block has no Verilog.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error("`{top}` does not pass RustHDL's checks: {problem}")]
    Check { top: String, problem: String },
}

/// Exports a block, whose `connect_all` has been called, with top module `top`.
pub fn export(block: &dyn Block, top: &str) -> Result<Verilog, ExportError> {
    check_all(block).map_err(|error| ExportError::Check {
        top: top.to_owned(),
        problem: describe(&error),
    })?;
    let mut modules = ModuleDefines::default();
    block.accept(top, &mut modules);
    Ok(Verilog {
        text: identifiers(&modules.defines()),
        ports: ports(block),
    })
}

fn describe(error: &CheckError) -> String {
    let list = |names: Vec<String>| names.join(", ");
    let path =
        |name: &rust_hdl::core::check_error::PathedName| format!("{}${}", name.path, name.name);
    match error {
        CheckError::OpenSignal(open) => {
            let mut names: Vec<String> = open.values().map(path).collect();
            names.sort();
            format!("not driven: {}", list(names))
        }
        CheckError::LogicLoops(names) => {
            format!(
                "combinational loop: {}",
                list(names.iter().map(path).collect())
            )
        }
        CheckError::WritesToInputs(names) => {
            format!(
                "writes to its own inputs: {}",
                list(names.iter().map(path).collect())
            )
        }
    }
}

/// The identifier that stands for a RustHDL name: `sum$0` becomes `sum_0`.
pub fn identifier(name: &str) -> String {
    name.replace('$', "_")
}

/// Applies the rule to every name in a Verilog text. System functions such as
/// `$signed` begin with their `$` and stay.
fn identifiers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut inside_name = false;
    for letter in text.chars() {
        match letter {
            '$' if inside_name => plain.push('_'),
            _ => plain.push(letter),
        }
        inside_name = letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
    }
    plain
}

/// The ports of a block, in the order of its fields.
pub fn ports(block: &dyn Block) -> Vec<Port> {
    let mut ports = Vec::new();
    visit_ports(block, &mut |name, signal| {
        ports.push(Port {
            name: identifier(name),
            direction: match signal.kind() {
                AtomKind::InputParameter => Direction::Input,
                _ => Direction::Output,
            },
            bits: signal.bits(),
            signed: matches!(signal.descriptor().kind, TypeKind::Signed(_)),
        })
    });
    ports
}

/// Calls `visit` with every port signal of a block, in the order of its fields.
pub fn visit_ports(block: &dyn Block, visit: &mut dyn FnMut(&str, &dyn Atom)) {
    struct Visitor<'a> {
        depth: usize,
        namespace: Vec<String>,
        visit: &'a mut dyn FnMut(&str, &dyn Atom),
    }
    impl Probe for Visitor<'_> {
        fn visit_start_scope(&mut self, _: &str, _: &dyn Block) {
            self.depth += 1;
        }
        fn visit_end_scope(&mut self, _: &str, _: &dyn Block) {
            self.depth -= 1;
        }
        fn visit_start_namespace(&mut self, name: &str, _: &dyn Block) {
            self.namespace.push(name.to_owned());
        }
        fn visit_end_namespace(&mut self, _: &str, _: &dyn Block) {
            self.namespace.pop();
        }
        fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
            if self.depth != 1 || !signal.kind().is_parameter() {
                return;
            }
            match self.namespace.is_empty() {
                true => (self.visit)(name, signal),
                false => (self.visit)(&format!("{}${name}", self.namespace.join("$")), signal),
            }
        }
    }
    block.accept(
        "block",
        &mut Visitor {
            depth: 0,
            namespace: Vec::new(),
            visit,
        },
    );
}
