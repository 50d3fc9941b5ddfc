//! Exports RustHDL blocks as Verilog that people can read.
//!
//! ```text
//!  block ──► tree of instances ──► one text per instance ──► equal texts merged ──► file
//!            (netlist)             (statement, process,      and named after
//!                                   expression, module)      their units
//! ```
//! RustHDL's own output has a module per instance, named by path, with a single
//! `always` block that drives every signal. Here
//!
//! - identical modules are merged, from the leaves up, so that a row of the
//!   multiplier stands in the file once, and is synthesised once;
//! - flip-flops are registers of the module that owns them, wiring is in the port
//!   lists, and each piece of logic is a process of its own;
//! - every expression is written at the width of its RustHDL type, which closes most
//!   of the gaps between RustHDL's simulation and Verilog's rules, and what can't be
//!   said in Verilog is refused with the signal's name and the way out: latches,
//!   reads before assignment, slices of expressions, unknown names.
//!
//! **Names.** `$` in RustHDL's names becomes `_`: element 3 of the array `sum` is
//! `sum_3`, signal `x` of sub-block `lane[2]` is `lane_2_x`. Ports keep the names of
//! their fields. A keyword gets a `_` behind it: `table` is `table_`. Two signals that
//! would share a name are refused.
//!
//! **Modules** are named after their unit's type and parameters, `memory_6_8_9` for
//! `Memory<6, 8, 9>`, where the unit says what it is with the
//! [`unit!`](crate::unit) macro in its `impl Logic`; otherwise after the field that
//! holds them. Modules of one name that differ (by a constant, say) are told apart by
//! that field.

mod core;
mod expression;
mod module;
mod name;
mod netlist;
mod process;
mod statement;
mod unit;

pub use core::{core, port_about, ports_markdown, TOP};
pub use name::identifier;
#[doc(hidden)]
pub use unit::name_unit;
pub use unit::{unit_of, Unit};

use module::OWN_NAME;
use netlist::Instance;
use rust_hdl::core::check_error::{check_all, CheckError, PathedName};
use rust_hdl::prelude::{Atom, AtomKind, Block, Probe};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use thiserror::Error;

/// For Verilator's lint: what it remarks on in the core, and why each place is right.
pub const WAIVERS: &str = include_str!("verilog/waivers.vlt");

/// Verilog text and what it contains.
#[derive(Debug, Clone)]
pub struct Verilog {
    /// The whole file: the top module first, then its parts, each once.
    pub text: String,
    /// Name of the top module.
    pub top: String,
    pub ports: Vec<Port>,
    /// In the order of the file.
    pub modules: Vec<ModuleInfo>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleInfo {
    pub name: String,
    /// How often it occurs in the whole design.
    pub instances: usize,
    /// What its unit says of itself; empty if it says nothing.
    pub about: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
}

/// One port of a block. An array of signals is one port per element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The plain identifier the port has in the exported Verilog.
    pub name: String,
    pub direction: Direction,
    pub bits: usize,
    pub signed: bool,
}

/// Why a block has no Verilog.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ExportError {
    #[error("`{top}` does not pass RustHDL's checks: {problem}")]
    Check { top: String, problem: String },
    #[error("`{path}` can't be exported: {problem}")]
    Unit { path: String, problem: String },
    #[error("there is no core of configuration `{name}`; there are tiny, cu and asic16")]
    Config { name: String },
    #[error("two different texts are both called module `{module}`; rename one")]
    Conflict { module: String },
}

/// Exports a block, whose `connect_all` has been called, with top module `top`.
pub fn export(block: &dyn Block, top: &str) -> Result<Verilog, ExportError> {
    check_all(block).map_err(|error| ExportError::Check {
        top: top.to_owned(),
        problem: describe(&error),
    })?;
    let instance = Instance::of(block, top);
    let mut design = Design::default();
    let about = instance.unit.as_ref().map(|unit| unit.about.clone());
    let root = design.add(&instance, top)?;
    design.modules[root].base = top.to_owned();
    design.modules[root].about = about.unwrap_or_default();
    let names = design.names(root);
    let mut order: Vec<usize> = (0..design.modules.len()).collect();
    order.sort_by_key(|&id| design.modules[id].first);

    let mut text = String::new();
    let mut modules = Vec::new();
    for id in order {
        let module = &design.modules[id];
        let body = resolve(&module.text, &names[id], &names);
        add_module(&mut text, &names[id], module, &body);
        modules.push(ModuleInfo {
            name: names[id].clone(),
            instances: module.instances,
            about: module.about.clone(),
        });
    }
    for core in design.cores {
        let known = modules.iter_mut().find(|module| module.name == core.name);
        match known {
            Some(module) if text.contains(&core.body) => module.instances += core.instances,
            Some(_) => return Err(ExportError::Conflict { module: core.name }),
            None => {
                let _ = write!(text, "\n{}{}", core.comment, core.body);
                modules.push(ModuleInfo {
                    name: core.name,
                    instances: core.instances,
                    about: String::new(),
                });
            }
        }
    }
    Ok(Verilog {
        text,
        top: top.to_owned(),
        ports: ports(block),
        modules,
    })
}

/// One module of the file, with its comment.
fn add_module(text: &mut String, name: &str, module: &Module, body: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    let uses = match module.instances {
        1 => String::new(),
        uses => format!(" ({uses} instances)"),
    };
    let _ = match module.about.is_empty() {
        true => writeln!(text, "// {name}{uses}"),
        false => writeln!(text, "// {name}: {}{uses}", module.about),
    };
    text.push_str(body);
}

/// All modules of a design, merged.
#[derive(Default)]
struct Design {
    modules: Vec<Module>,
    by_text: HashMap<(String, String), usize>,
    cores: Vec<Core>,
    visited: usize,
}

struct Module {
    /// With placeholders for its own name and its children's modules.
    text: String,
    /// The name it would like.
    base: String,
    about: String,
    /// The field that holds its first instance, and with its place in an array.
    field: String,
    element: String,
    instances: usize,
    /// When it is first met, from the top down.
    first: usize,
}

/// A module that a unit brings as text.
struct Core {
    name: String,
    comment: String,
    body: String,
    instances: usize,
}

impl Design {
    fn add(&mut self, instance: &Instance, path: &str) -> Result<usize, ExportError> {
        let first = self.visited;
        self.visited += 1;
        let fail = |problem| ExportError::Unit {
            path: path.to_owned(),
            problem,
        };
        let mut children = Vec::new();
        for child in &instance.children {
            let path = format!("{path}.{}", identifier(&child.name));
            children.push(match &child.code {
                rust_hdl::prelude::Verilog::Blackbox(black_box) => {
                    self.add_cores(&black_box.code, None)?;
                    black_box.name.clone()
                }
                _ if child.flip_flop && is_kernel(instance) => String::new(),
                _ => placeholder(self.add(child, &path)?),
            });
        }
        let text = module::write(instance, &children).map_err(fail)?;
        if let rust_hdl::prelude::Verilog::Wrapper(wrapper) = &instance.code {
            self.add_cores(&wrapper.cores, Some(&wrapper.code))?;
        }
        let field = field_name(&instance.name);
        let element = identifier(&instance.name);
        let (base, about) = match &instance.unit {
            Some(Unit { name, about }) => (name.clone(), about.clone()),
            None => (field.clone(), String::new()),
        };
        // A unit that has a name of its own is never merged into another one.
        let owner = match instance.unit {
            Some(_) => base.clone(),
            None => String::new(),
        };
        let modules = &mut self.modules;
        let id = *self
            .by_text
            .entry((owner, text.clone()))
            .or_insert_with(|| {
                modules.push(Module {
                    text,
                    base,
                    about,
                    field,
                    element,
                    instances: 0,
                    first,
                });
                modules.len() - 1
            });
        self.modules[id].instances += 1;
        self.modules[id].first = self.modules[id].first.min(first);
        Ok(id)
    }

    /// Takes in the modules of a foreign text; `user` instantiates them.
    fn add_cores(&mut self, text: &str, user: Option<&str>) -> Result<(), ExportError> {
        for mut core in split_modules(text) {
            core.instances = user.map_or(1, |user| {
                user.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                    .filter(|word| *word == core.name)
                    .count()
            });
            match self.cores.iter_mut().find(|known| known.name == core.name) {
                None => self.cores.push(core),
                Some(known) if known.body == core.body => known.instances += core.instances,
                Some(_) => return Err(ExportError::Conflict { module: core.name }),
            }
        }
        Ok(())
    }

    /// A name for every module, each different.
    fn names(&self, root: usize) -> Vec<String> {
        let mut wanted: HashMap<&str, usize> = HashMap::new();
        let mut held: HashMap<(&str, &str), usize> = HashMap::new();
        for module in &self.modules {
            *wanted.entry(&module.base).or_default() += 1;
            *held.entry((&module.base, &module.field)).or_default() += 1;
        }
        let mut taken: HashSet<String> = HashSet::from([self.modules[root].base.clone()]);
        let mut names = Vec::new();
        for (id, module) in self.modules.iter().enumerate() {
            if id == root {
                names.push(module.base.clone());
                continue;
            }
            let alone = held[&(module.base.as_str(), module.field.as_str())] == 1;
            let preferred = match wanted[module.base.as_str()] {
                1 => module.base.clone(),
                _ if alone && module.base == module.field => module.base.clone(),
                _ if alone => format!("{}_{}", module.base, module.field),
                _ => format!("{}_{}", module.base, module.element),
            };
            let mut name = preferred.clone();
            let mut number = 2;
            while !taken.insert(name.clone()) {
                name = format!("{preferred}_v{number}");
                number += 1;
            }
            names.push(name);
        }
        names
    }
}

fn is_kernel(instance: &Instance) -> bool {
    matches!(instance.code, rust_hdl::prelude::Verilog::Combinatorial(_))
}

/// Stands for a module in the text of another until names are known.
fn placeholder(id: usize) -> String {
    format!("\u{2}{id}\u{3}")
}

fn resolve(text: &str, own: &str, names: &[String]) -> String {
    let mut resolved = text.replace(OWN_NAME, own);
    for (id, name) in names.iter().enumerate() {
        let placeholder = placeholder(id);
        if resolved.contains(&placeholder) {
            resolved = resolved.replace(&placeholder, name);
        }
    }
    resolved
}

/// `lane$3` is one of the field `lane`.
fn field_name(instance: &str) -> String {
    let field = instance.split('$').next().unwrap_or(instance);
    identifier(field)
}

/// The modules of a Verilog text, each with the comments and attributes above it.
fn split_modules(text: &str) -> Vec<Core> {
    let mut cores = Vec::new();
    let mut comment = String::new();
    let mut body = String::new();
    let mut name = None;
    for line in text.lines() {
        let words = line.trim_start();
        if let Some(declared) = words.strip_prefix("module ") {
            let end =
                declared.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            name = Some(declared[..end.unwrap_or(declared.len())].to_owned());
        }
        match &name {
            None if words.is_empty() => comment.clear(),
            None => {
                let _ = writeln!(comment, "{line}");
            }
            Some(module) => {
                let _ = writeln!(body, "{line}");
                if words.starts_with("endmodule") {
                    cores.push(Core {
                        name: module.clone(),
                        comment: std::mem::take(&mut comment),
                        body: std::mem::take(&mut body),
                        instances: 0,
                    });
                    name = None;
                }
            }
        }
    }
    cores
}

fn describe(error: &CheckError) -> String {
    let names = |names: &mut dyn Iterator<Item = &PathedName>| {
        let mut names: Vec<String> = names
            .map(|name| format!("{}.{}", name.path.replace('$', "."), identifier(&name.name)))
            .collect();
        names.sort();
        names.dedup();
        names.join(", ")
    };
    match error {
        CheckError::OpenSignal(open) => format!("not driven: {}", names(&mut open.values())),
        CheckError::LogicLoops(path) => format!("combinational loop: {}", names(&mut path.iter())),
        CheckError::WritesToInputs(path) => {
            format!("writes to its own inputs: {}", names(&mut path.iter()))
        }
    }
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
            signed: matches!(
                signal.descriptor().kind,
                rust_hdl::prelude::TypeKind::Signed(_)
            ),
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
