//! A block as the exporter sees it: the tree of instances with their signals and
//! code, names still as RustHDL writes them (`lane$3`).

use super::unit::{is_flip_flop, unit_of, Unit};
use rust_hdl::prelude::*;

pub struct Instance {
    /// The field that holds it, with its place in an array: `lane$3`.
    pub name: String,
    pub unit: Option<Unit>,
    /// Ports, constants and locals, in the order of the fields.
    pub signals: Vec<Signal>,
    pub children: Vec<Instance>,
    pub code: Verilog,
    pub flip_flop: bool,
}

#[derive(Debug, Clone)]
pub struct Signal {
    pub name: String,
    pub kind: AtomKind,
    pub bits: usize,
    pub signed: bool,
    /// The value of a constant.
    pub value: String,
    /// `Type::Variant` of an enumeration, in order.
    pub variants: Vec<String>,
}

impl Instance {
    pub fn of(block: &dyn Block, name: &str) -> Instance {
        let mut collector = Collector::default();
        block.accept(name, &mut collector);
        collector.finished.unwrap_or_else(|| Instance {
            name: name.to_owned(),
            unit: None,
            signals: Vec::new(),
            children: Vec::new(),
            code: Verilog::Empty,
            flip_flop: false,
        })
    }

    pub fn ports(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().filter(|s| s.kind.is_parameter())
    }
}

#[derive(Default)]
struct Collector {
    open: Vec<Instance>,
    namespace: Vec<String>,
    finished: Option<Instance>,
}

impl Probe for Collector {
    fn visit_start_scope(&mut self, name: &str, node: &dyn Block) {
        self.open.push(Instance {
            name: name.to_owned(),
            unit: unit_of(node),
            signals: Vec::new(),
            children: Vec::new(),
            code: node.hdl(),
            flip_flop: is_flip_flop(node),
        });
    }

    fn visit_end_scope(&mut self, _: &str, _: &dyn Block) {
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            None => self.finished = Some(done),
        }
    }

    fn visit_start_namespace(&mut self, name: &str, _: &dyn Block) {
        self.namespace.push(name.to_owned());
    }

    fn visit_end_namespace(&mut self, _: &str, _: &dyn Block) {
        self.namespace.pop();
    }

    fn visit_atom(&mut self, name: &str, atom: &dyn Atom) {
        let Some(instance) = self.open.last_mut() else {
            return;
        };
        let mut path = self.namespace.clone();
        path.push(name.to_owned());
        let kind = atom.descriptor().kind;
        instance.signals.push(Signal {
            name: path.join("$"),
            kind: atom.kind(),
            bits: atom.bits(),
            signed: matches!(kind, TypeKind::Signed(_)),
            value: match atom.kind() {
                AtomKind::Constant => hexadecimal(&atom.verilog()),
                _ => String::new(),
            },
            variants: match kind {
                TypeKind::Enum(variants) => variants,
                _ => Vec::new(),
            },
        });
    }
}

/// The digits of a literal.
pub fn hexadecimal(literal: &VerilogLiteral) -> String {
    let text = format!("{literal:x}");
    text.split_once("'h")
        .map_or(text.clone(), |(_, digits)| digits.to_owned())
}
