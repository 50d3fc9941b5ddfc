//! Units that are simulated as native integer arithmetic and exported as the parts
//! they are made of.
//!
//! RustHDL visits every signal in every settling pass, so the array's thousands of
//! small blocks would take most of a simulation's time. A native unit has the same
//! ports as its *parts*, an ordinary RustHDL block of sub-blocks, and computes in
//! `update` what the parts compute together. Everything that looks at the
//! structure (export, checks) sees the parts; only their ports are the unit's own.
//! That the two agree is shown by test for each native unit.
//!
//! In a waveform the inside of a native unit therefore stands still.

use rust_hdl::core::atom::Atom;
use rust_hdl::prelude::*;

/// Implements `Block` for a unit with the given ports whose structure is that of
/// the field `parts`.
macro_rules! native_block {
    ([$($generics:tt)*] $unit:ty, ports: [$($port:ident),+], parts: $parts:ident) => {
        impl<$($generics)*> Block for $unit {
            fn connect_all(&mut self) {
                self.connect();
                $(self.$port.connect_all();)+
                self.$parts.connect_all();
            }

            fn update_all(&mut self) {
                self.update();
                $(self.$port.update_all();)+
            }

            fn has_changed(&self) -> bool {
                $(self.$port.has_changed())||+
            }

            fn accept(&self, name: &str, probe: &mut dyn Probe) {
                probe.visit_start_scope(name, self);
                $(self.$port.accept(stringify!($port), probe);)+
                self.$parts.accept(name, &mut $crate::native::Inside::of(probe));
                probe.visit_end_scope(name, self);
            }
        }
    };
}
pub(crate) use native_block;

/// Shows a probe what is inside a block: neither the block's own scope nor its
/// ports.
pub(crate) struct Inside<'a> {
    probe: &'a mut dyn Probe,
    depth: usize,
}

impl<'a> Inside<'a> {
    pub fn of(probe: &'a mut dyn Probe) -> Self {
        Inside { probe, depth: 0 }
    }
}

impl Probe for Inside<'_> {
    fn visit_start_scope(&mut self, name: &str, node: &dyn Block) {
        if self.depth > 0 {
            self.probe.visit_start_scope(name, node);
        }
        self.depth += 1;
    }

    fn visit_end_scope(&mut self, name: &str, node: &dyn Block) {
        self.depth -= 1;
        if self.depth > 0 {
            self.probe.visit_end_scope(name, node);
        }
    }

    fn visit_start_namespace(&mut self, name: &str, node: &dyn Block) {
        self.probe.visit_start_namespace(name, node);
    }

    fn visit_end_namespace(&mut self, name: &str, node: &dyn Block) {
        self.probe.visit_end_namespace(name, node);
    }

    fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
        if self.depth > 1 || !signal.kind().is_parameter() {
            self.probe.visit_atom(name, signal);
        }
    }
}
