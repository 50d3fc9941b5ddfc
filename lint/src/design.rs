//! What RustHDL shows of a design: a tree of modules, each with its signals and its
//! code.

use rust_hdl::prelude::*;
use std::collections::HashMap;

/// A signal of the module being looked at, by its place in the module's list.
pub type Id = usize;

/// One block.
pub struct Module {
    /// From the top, `core.lanes[3].sum`.
    pub path: String,
    /// What the caller calls this kind of block.
    pub unit: Option<String>,
    /// Its own signals, and behind them the ports of its children.
    pub signals: Vec<Signal>,
    pub code: Verilog,
    /// By RustHDL's name, `State$Idle`: value and width.
    pub variants: HashMap<String, (usize, usize)>,
    by_name: HashMap<String, Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Input,
    Output,
    Local,
    Constant,
    /// A port of a child: driven by this module's code, or read by it.
    ChildInput,
    ChildOutput,
    TwoWay,
}

#[derive(Debug, Clone)]
pub struct Signal {
    /// As RustHDL writes it in Verilog: `lane$3$sum`.
    pub name: String,
    pub role: Role,
    pub bits: usize,
    pub signed: bool,
    pub clock: bool,
    variants: Vec<String>,
}

impl Module {
    pub fn id(&self, name: &str) -> Option<Id> {
        self.by_name.get(name).copied()
    }

    /// A variant of an enumeration, named with or without its module path.
    pub fn variant(&self, name: &str) -> Option<(usize, usize)> {
        let known = self.variants.get(name).or_else(|| {
            let mut all = self.variants.iter();
            all.find(|(known, _)| name.ends_with(&format!("${known}")))
                .map(|(_, variant)| variant)
        });
        known.copied()
    }

    fn add(&mut self, signal: Signal) {
        for (value, variant) in signal.variants.iter().enumerate() {
            let variant = variant.replace("::", "$");
            self.variants.insert(variant, (value, signal.bits));
        }
        self.by_name.insert(signal.name.clone(), self.signals.len());
        self.signals.push(signal);
    }
}

/// Every block of a design, the top first.
pub fn modules(
    block: &dyn Block,
    top: &str,
    unit: &dyn Fn(&dyn Block) -> Option<String>,
) -> Vec<Module> {
    let mut collector = Collector {
        unit,
        open: Vec::new(),
        namespace: Vec::new(),
        modules: Vec::new(),
    };
    block.accept(top, &mut collector);
    collector.modules
}

struct Collector<'a> {
    unit: &'a dyn Fn(&dyn Block) -> Option<String>,
    /// Places of the modules from the top down to the one being visited.
    open: Vec<usize>,
    namespace: Vec<String>,
    modules: Vec<Module>,
}

impl Probe for Collector<'_> {
    fn visit_start_scope(&mut self, name: &str, node: &dyn Block) {
        let name = bracketed(name);
        let path = match self.open.last() {
            Some(&parent) => format!("{}.{name}", self.modules[parent].path),
            None => name,
        };
        self.open.push(self.modules.len());
        self.modules.push(Module {
            path,
            unit: (self.unit)(node),
            signals: Vec::new(),
            code: node.hdl(),
            variants: HashMap::new(),
            by_name: HashMap::new(),
        });
    }

    fn visit_end_scope(&mut self, name: &str, _: &dyn Block) {
        let Some(done) = self.open.pop() else { return };
        let Some(&parent) = self.open.last() else {
            return;
        };
        let ports: Vec<Signal> = self.modules[done]
            .signals
            .iter()
            .filter_map(|signal| {
                let role = match signal.role {
                    Role::Input => Role::ChildInput,
                    Role::Output => Role::ChildOutput,
                    Role::TwoWay => Role::TwoWay,
                    _ => return None,
                };
                Some(Signal {
                    name: format!("{name}${}", signal.name),
                    role,
                    ..signal.clone()
                })
            })
            .collect();
        for port in ports {
            self.modules[parent].add(port);
        }
    }

    fn visit_start_namespace(&mut self, name: &str, _: &dyn Block) {
        self.namespace.push(name.to_owned());
    }

    fn visit_end_namespace(&mut self, _: &str, _: &dyn Block) {
        self.namespace.pop();
    }

    fn visit_atom(&mut self, name: &str, atom: &dyn Atom) {
        let Some(&module) = self.open.last() else {
            return;
        };
        let mut path = self.namespace.clone();
        path.push(name.to_owned());
        let descriptor = atom.descriptor();
        self.modules[module].add(Signal {
            name: path.join("$"),
            role: match atom.kind() {
                AtomKind::InputParameter => Role::Input,
                AtomKind::OutputParameter => Role::Output,
                AtomKind::LocalSignal => Role::Local,
                AtomKind::Constant => Role::Constant,
                _ => Role::TwoWay,
            },
            bits: atom.bits(),
            signed: matches!(descriptor.kind, TypeKind::Signed(_)),
            clock: descriptor.name == "clock",
            variants: variants_of(&descriptor.kind),
        });
    }
}

fn variants_of(kind: &TypeKind) -> Vec<String> {
    match kind {
        TypeKind::Enum(variants) => variants.clone(),
        _ => Vec::new(),
    }
}

/// `lane$3` is element 3 of `lane`.
fn bracketed(name: &str) -> String {
    let mut parts = name.split('$');
    let mut text = parts.next().unwrap_or(name).to_owned();
    for part in parts {
        match part.parse::<usize>() {
            Ok(index) => text.push_str(&format!("[{index}]")),
            Err(_) => text.push_str(&format!(".{part}")),
        }
    }
    text
}
