//! From statements to processes: which signals are plain wires, which logic belongs
//! together, which registers it feeds.
//!
//! RustHDL gives a block one kernel; a single `always` block of it would hide the
//! structure and tie unrelated signals together. Here every signal that is assigned
//! once becomes a continuous assignment, statements that share a target become one
//! process, and a process that only computes next values of flip-flops is written as
//! the clocked process it is.

use super::expression::{Expr, Id, Problem, Scope};
use super::statement::{Arm, Role, Statement, Table};
use std::collections::{HashMap, HashSet};

/// Statements that must stay together, in order.
pub struct Process {
    pub statements: Vec<Statement>,
    pub targets: Vec<Id>,
}

impl Process {
    /// The target and value of a process that is one whole assignment.
    pub fn as_wire(&self) -> Option<(Id, &Expr)> {
        match self.statements.as_slice() {
            [Statement::Assign {
                target,
                part: None,
                value,
            }] => Some((*target, value)),
            _ => None,
        }
    }
}

/// Follows locals that only pass values on.
///
/// A local that is assigned again and again, always at the top level and always a
/// plain value, is a name for the value it holds at that place: a chain through a
/// loop. It is replaced by that value.
pub fn forward(statements: Vec<Statement>, table: &Table) -> Vec<Statement> {
    let passing = passing_locals(&statements, table);
    let mut held: HashMap<Id, Expr> = HashMap::new();
    let mut kept = Vec::new();
    for statement in statements {
        let statement = statement.map(&|expr| substitute(expr, &held));
        match statement {
            Statement::Assign { target, value, .. } if passing.contains(&target) => {
                let value = match value.constant() {
                    Some(_) => Expr::Cast(Box::new(value), table.bits(target)),
                    None => value,
                };
                held.insert(target, value);
            }
            other => kept.push(other),
        }
    }
    kept
}

fn passing_locals(statements: &[Statement], table: &Table) -> HashSet<Id> {
    let mut writes: HashMap<Id, Vec<&Expr>> = HashMap::new();
    let mut unfit: HashSet<Id> = HashSet::new();
    for statement in statements {
        match statement {
            Statement::Assign {
                target,
                part: None,
                value,
            } => writes.entry(*target).or_default().push(value),
            nested => nested.each_write(&mut |id| {
                unfit.insert(id);
            }),
        }
    }
    let mut passing: HashSet<Id> = writes
        .iter()
        .filter(|(id, values)| {
            values.len() > 1 && table.entries[**id].role == Role::Local && !unfit.contains(id)
        })
        .map(|(id, _)| *id)
        .collect();
    loop {
        let steady = |id: Id| {
            passing.contains(&id)
                || matches!(
                    table.entries[id].role,
                    Role::Input | Role::Constant(_) | Role::ChildOutput(_)
                )
        };
        let plain = |expr: &Expr, bits: usize| match expr {
            Expr::Signal(id) => steady(*id) && table.bits(*id) == bits,
            Expr::Slice(id, offset, width) => {
                steady(*id) && offset.constant().is_some() && *width == bits
            }
            other => other.constant().is_some(),
        };
        let rejected: Vec<Id> = passing
            .iter()
            .filter(|id| !writes[id].iter().all(|v| plain(v, table.bits(**id))))
            .copied()
            .collect();
        if rejected.is_empty() {
            return passing;
        }
        for id in rejected {
            passing.remove(&id);
        }
    }
}

fn substitute(expr: &Expr, held: &HashMap<Id, Expr>) -> Expr {
    let boxed = |inner: &Expr| Box::new(substitute(inner, held));
    match expr {
        Expr::Signal(id) => held.get(id).cloned().unwrap_or_else(|| expr.clone()),
        Expr::Slice(id, offset, bits) => {
            let offset = substitute(offset, held);
            match held.get(id) {
                Some(Expr::Signal(other)) => Expr::Slice(*other, Box::new(offset), *bits),
                Some(Expr::Slice(other, base, _)) => Expr::Slice(
                    *other,
                    Box::new(Expr::binary(
                        (**base).clone(),
                        super::expression::Binary::Add,
                        offset,
                    )),
                    *bits,
                ),
                Some(value) => Expr::Cast(
                    Box::new(Expr::binary(
                        value.clone(),
                        super::expression::Binary::ShiftRight,
                        offset,
                    )),
                    *bits,
                ),
                None => Expr::Slice(*id, Box::new(offset), *bits),
            }
        }
        Expr::Literal(_) | Expr::Variant(..) => expr.clone(),
        Expr::Cast(inner, bits) => Expr::Cast(boxed(inner), *bits),
        Expr::Signed(inner) => Expr::Signed(boxed(inner)),
        Expr::Unsigned(inner) => Expr::Unsigned(boxed(inner)),
        Expr::Unary(operator, inner) => Expr::Unary(*operator, boxed(inner)),
        Expr::Binary(left, operator, right) => Expr::Binary(boxed(left), *operator, boxed(right)),
        Expr::ReplaceBit(value, index, bit) => {
            Expr::ReplaceBit(boxed(value), boxed(index), boxed(bit))
        }
    }
}

/// Groups top-level statements into processes, in the order of their first
/// statements, and checks that each means the same in simulation and hardware.
pub fn split(statements: Vec<Statement>, table: &Table) -> Result<Vec<Process>, Problem> {
    let mut groups = Groups::new(statements.len());
    let mut written: HashMap<Id, (usize, usize)> = HashMap::new();
    for (place, statement) in statements.iter().enumerate() {
        statement.each_write(&mut |id| {
            let span = written.entry(id).or_insert((place, place));
            groups.join(span.0, place);
            span.1 = place;
        });
    }
    for (place, statement) in statements.iter().enumerate() {
        let mut reads = Vec::new();
        statement.each_expression(&mut |expr| expr.each_signal(&mut |id| reads.push(id)));
        for id in reads {
            let Some(&(first, last)) = written.get(&id) else {
                continue;
            };
            let name = table.name(id);
            let is_part = matches!(table.entries[id].role, Role::ChildInput(_));
            if is_part && first != last {
                return Err(format!(
                    "`{name}` is an input of a sub-block, assigned more than once, and read: \
                     Verilog may see another value than the simulator; read the register's `q`, \
                     or a `Signal<Local, _>`"
                ));
            }
            if !is_part && place < first {
                return Err(format!(
                    "`{name}` is read before it is assigned; assign it first"
                ));
            }
            if place < last {
                groups.join(first, place);
            }
        }
    }
    let mut processes: Vec<(usize, Process)> = Vec::new();
    for (place, statement) in statements.into_iter().enumerate() {
        let group = groups.of(place);
        let slot = match processes.iter().position(|(known, _)| *known == group) {
            Some(slot) => slot,
            None => {
                let process = Process {
                    statements: Vec::new(),
                    targets: Vec::new(),
                };
                processes.push((group, process));
                processes.len() - 1
            }
        };
        let process = &mut processes[slot].1;
        statement.each_write(&mut |id| {
            if !process.targets.contains(&id) {
                process.targets.push(id);
            }
        });
        process.statements.push(statement);
    }
    let processes: Vec<Process> = processes.into_iter().map(|(_, process)| process).collect();
    for process in &processes {
        for &target in &process.targets {
            if !assigned(&process.statements, target, table) {
                return Err(format!(
                    "`{}` keeps its old value on some path, which is a latch; assign it a value \
                     before the condition",
                    table.name(target)
                ));
            }
        }
    }
    Ok(processes)
}

/// Whether every path through the statements assigns all of `target`.
fn assigned(statements: &[Statement], target: Id, table: &Table) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::Assign {
            target: this, part, ..
        } => {
            *this == target
                && part.as_ref().is_none_or(|(offset, bits)| {
                    *bits == table.bits(target) && offset.constant() == Some(0)
                })
        }
        Statement::If {
            then, otherwise, ..
        } => assigned(then, target, table) && assigned(otherwise, target, table),
        // Rust has checked that the arms are exhaustive.
        Statement::Match { arms, .. } => arms
            .iter()
            .all(|Arm { body, .. }| assigned(body, target, table)),
        Statement::Comment(_) => false,
    })
}

/// Disjoint sets of statements.
struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Groups {
        Groups {
            parent: (0..count).collect(),
        }
    }

    fn of(&mut self, mut place: usize) -> usize {
        while self.parent[place] != place {
            self.parent[place] = self.parent[self.parent[place]];
            place = self.parent[place];
        }
        place
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.parent[a.max(b)] = a.min(b);
    }
}
