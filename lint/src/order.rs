//! Assignments in order: values read too early, and values kept on some path.
//!
//! The simulator runs a kernel until nothing changes, so that what a read sees is the
//! last value assigned. Verilog's blocking assignments run once, from top to bottom.
//! The two agree on locals and outputs that are assigned before they are read, where
//! RustHDL, too, reads the value of the moment; they never agree on a child's input
//! that is assigned again behind the read.

use crate::design::{Id, Module, Role};
use crate::kernel::{is_driven, Expr, Statement};
use crate::{Finding, Rule};
use std::collections::{BTreeSet, HashSet};

pub fn check(statements: &[Statement], module: &Module, findings: &mut Vec<Finding>) {
    let mut order = Order { module, findings };
    order.inputs_of_children(statements, &HashSet::new());
    let all = written(statements);
    order.own_signals(statements, &all, &mut HashSet::new());
    order.latches(statements);
    order.clocks(statements);
}

struct Order<'a> {
    module: &'a Module,
    findings: &'a mut Vec<Finding>,
}

fn written(statements: &[Statement]) -> HashSet<Id> {
    let mut targets = HashSet::new();
    for statement in statements {
        statement.each_assignment(&mut |assignment| {
            targets.insert(assignment.target);
        });
    }
    targets
}

impl Order<'_> {
    /// Reads of what is assigned in these statements, or in those `after` them. Goes
    /// backwards.
    fn inputs_of_children(&mut self, statements: &[Statement], after: &HashSet<Id>) {
        let mut later = after.clone();
        for statement in statements.iter().rev() {
            match statement {
                Statement::Assign(assignment) => {
                    later.insert(assignment.target);
                    self.overwritten(&assignment.value, &later);
                }
                Statement::If(test, then, otherwise) => {
                    self.inputs_of_children(then, &later);
                    self.inputs_of_children(otherwise, &later);
                    later.extend(written(then));
                    later.extend(written(otherwise));
                    self.overwritten(test, &later);
                }
                Statement::Match { test, arms } => {
                    for (_, body) in arms {
                        self.inputs_of_children(body, &later);
                    }
                    for (_, body) in arms {
                        later.extend(written(body));
                    }
                    self.overwritten(test, &later);
                }
            }
        }
    }

    fn overwritten(&mut self, expr: &Expr, later: &HashSet<Id>) {
        self.early(expr, |module, id| {
            module.signals[id].role == Role::ChildInput && later.contains(&id)
        });
    }

    /// Reads of locals and outputs (`all` of the module's) that no path has assigned
    /// yet; `assigned` grows by those that every path assigns.
    fn own_signals(
        &mut self,
        statements: &[Statement],
        all: &HashSet<Id>,
        assigned: &mut HashSet<Id>,
    ) {
        for statement in statements {
            match statement {
                Statement::Assign(assignment) => {
                    self.unassigned(&assignment.value, all, assigned);
                    assigned.insert(assignment.target);
                }
                Statement::If(test, then, otherwise) => {
                    self.unassigned(test, all, assigned);
                    let mut other = assigned.clone();
                    self.own_signals(then, all, assigned);
                    self.own_signals(otherwise, all, &mut other);
                    assigned.retain(|id| other.contains(id));
                }
                Statement::Match { test, arms } => {
                    self.unassigned(test, all, assigned);
                    let before = assigned.clone();
                    let mut common: Option<HashSet<Id>> = None;
                    for (_, body) in arms {
                        let mut arm = before.clone();
                        self.own_signals(body, all, &mut arm);
                        common = Some(match common {
                            Some(common) => common.intersection(&arm).copied().collect(),
                            None => arm,
                        });
                    }
                    *assigned = common.unwrap_or(before);
                }
            }
        }
    }

    fn unassigned(&mut self, expr: &Expr, all: &HashSet<Id>, assigned: &HashSet<Id>) {
        self.early(expr, |module, id| {
            matches!(module.signals[id].role, Role::Local | Role::Output)
                && all.contains(&id)
                && !assigned.contains(&id)
        });
    }

    fn early(&mut self, expr: &Expr, is_early: impl Fn(&Module, Id) -> bool) {
        let mut names = BTreeSet::new();
        expr.each_signal(&mut |id| {
            if is_early(self.module, id) {
                names.insert(self.module.signals[id].name.clone());
            }
        });
        for name in names {
            self.findings.push(Finding::new(
                self.module,
                Rule::ReadBeforeOverwrite,
                &name,
                "read before its last assignment: Verilog sees the value of the moment, the \
                 simulator the last one",
            ));
        }
    }

    fn latches(&mut self, statements: &[Statement]) {
        let mut targets: Vec<Id> = written(statements).into_iter().collect();
        targets.sort_unstable();
        for target in targets {
            let signal = &self.module.signals[target];
            let always = assigned(statements, target, self.module);
            if is_driven(signal.role) && !always.iter().all(|&bit| bit) {
                self.findings.push(Finding::new(
                    self.module,
                    Rule::Latch,
                    &signal.name,
                    "not assigned on every path, so that it keeps its old value",
                ));
            }
        }
    }

    /// Clocks that come out of a block instead of coming in through this one.
    fn clocks(&mut self, statements: &[Statement]) {
        let mut found = Vec::new();
        for statement in statements {
            statement.each_assignment(&mut |assignment| {
                let target = &self.module.signals[assignment.target];
                if !target.clock {
                    return;
                }
                let mut plain = target.role == Role::ChildInput;
                match assignment.value.bare() {
                    Expr::Signal(id) => plain &= self.module.signals[*id].role == Role::Input,
                    _ => plain = false,
                }
                if !plain {
                    found.push(target.name.clone());
                }
            });
        }
        for name in found {
            self.findings.push(Finding::new(
                self.module,
                Rule::ClockThroughBlock,
                &name,
                "the clock passes through logic: the simulator delivers it late, and what it \
                 clocks samples values of the cycle before",
            ));
        }
    }
}

/// The bits that every path assigns.
fn assigned(statements: &[Statement], target: Id, module: &Module) -> Vec<bool> {
    let mut bits = vec![false; module.signals[target].bits];
    for statement in statements {
        let more = match statement {
            Statement::Assign(assignment) if assignment.target == target => {
                let (first, count) = assignment.part.unwrap_or((0, bits.len()));
                (0..bits.len())
                    .map(|bit| (first..first + count).contains(&bit))
                    .collect()
            }
            Statement::Assign(_) => continue,
            Statement::If(_, then, otherwise) => both(
                assigned(then, target, module),
                &assigned(otherwise, target, module),
            ),
            Statement::Match { test, arms } => {
                let mut all = vec![covers(test, arms, module); bits.len()];
                for (_, body) in arms {
                    all = both(all, &assigned(body, target, module));
                }
                all
            }
        };
        for (bit, more) in bits.iter_mut().zip::<Vec<bool>>(more) {
            *bit |= more;
        }
    }
    bits
}

fn both(mut a: Vec<bool>, b: &[bool]) -> Vec<bool> {
    for (a, b) in a.iter_mut().zip(b) {
        *a &= b;
    }
    a
}

/// Whether the arms cover every bit pattern, as Verilog's `case` asks; Rust asks for
/// every variant only.
fn covers(test: &Expr, arms: &[(Option<usize>, Vec<Statement>)], module: &Module) -> bool {
    let Expr::Signal(id) = test.bare() else {
        return arms.iter().any(|(pattern, _)| pattern.is_none());
    };
    let patterns: BTreeSet<usize> = arms.iter().filter_map(|(pattern, _)| *pattern).collect();
    arms.iter().any(|(pattern, _)| pattern.is_none())
        || u32::try_from(module.signals[*id].bits)
            .ok()
            .and_then(|bits| 1usize.checked_shl(bits))
            .is_some_and(|all| patterns.len() == all)
}
