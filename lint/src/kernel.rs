//! A kernel with its loops unrolled and its names resolved, as RustHDL would write it.

use crate::design::{Id, Module, Role};
use crate::{Finding, Rule};
use rust_hdl::core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogExpression, VerilogLink, VerilogLinkDetails,
    VerilogOp, VerilogOpUnary, VerilogStatement,
};
use rust_hdl::prelude::VerilogLiteral;

#[derive(Debug, Clone)]
pub enum Expr {
    Signal(Id),
    /// Value, width in Verilog, signed in Verilog.
    Literal(u128, usize, bool),
    /// What has been reported already.
    Unknown,
    Cast(Box<Expr>, usize),
    Signed(Box<Expr>),
    Unsigned(Box<Expr>),
    Paren(Box<Expr>),
    Binary(Box<Expr>, VerilogOp, Box<Expr>),
    Unary(VerilogOpUnary, Box<Expr>),
    /// Bits of an expression: how many, and from where.
    Slice(Box<Expr>, usize, Box<Expr>),
    ReplaceBit(Box<Expr>, Box<Expr>, Box<Expr>),
}

pub struct Assignment {
    pub target: Id,
    /// First bit and number of bits, when not all are assigned.
    pub part: Option<(usize, usize)>,
    pub value: Expr,
}

pub enum Statement {
    Assign(Assignment),
    If(Expr, Vec<Statement>, Vec<Statement>),
    Match {
        test: Expr,
        /// With `None` for `_`.
        arms: Vec<(Option<usize>, Vec<Statement>)>,
    },
}

impl Statement {
    pub fn each_assignment<'a>(&'a self, visit: &mut dyn FnMut(&'a Assignment)) {
        match self {
            Statement::Assign(assignment) => visit(assignment),
            Statement::If(_, then, otherwise) => {
                then.iter().for_each(|s| s.each_assignment(visit));
                otherwise.iter().for_each(|s| s.each_assignment(visit));
            }
            Statement::Match { arms, .. } => {
                for (_, body) in arms {
                    body.iter().for_each(|s| s.each_assignment(visit));
                }
            }
        }
    }
}

impl Expr {
    pub fn each_signal(&self, visit: &mut dyn FnMut(Id)) {
        match self {
            Expr::Signal(id) => visit(*id),
            Expr::Literal(..) | Expr::Unknown => {}
            Expr::Cast(inner, _)
            | Expr::Signed(inner)
            | Expr::Unsigned(inner)
            | Expr::Paren(inner)
            | Expr::Unary(_, inner) => inner.each_signal(visit),
            Expr::Binary(left, _, right) | Expr::Slice(left, _, right) => {
                left.each_signal(visit);
                right.each_signal(visit);
            }
            Expr::ReplaceBit(value, index, bit) => {
                value.each_signal(visit);
                index.each_signal(visit);
                bit.each_signal(visit);
            }
        }
    }

    /// Without the parentheses around it.
    pub fn bare(&self) -> &Expr {
        match self {
            Expr::Paren(inner) => inner.bare(),
            other => other,
        }
    }

    /// The value of an expression of literals.
    pub fn constant(&self) -> Option<u128> {
        use VerilogOp::*;
        match self {
            Expr::Literal(value, ..) => Some(*value),
            Expr::Paren(inner) => inner.constant(),
            Expr::Binary(left, operator, right) => {
                let (left, right) = (left.constant()?, right.constant()?);
                match operator {
                    Add => left.checked_add(right),
                    Sub => left.checked_sub(right),
                    Mul => left.checked_mul(right),
                    Eq => Some((left == right).into()),
                    Ne => Some((left != right).into()),
                    Lt => Some((left < right).into()),
                    Le => Some((left <= right).into()),
                    Gt => Some((left > right).into()),
                    Ge => Some((left >= right).into()),
                    BitAnd => Some(left & right),
                    BitOr => Some(left | right),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Unrolls the code of a module; what can't be named is a finding.
pub fn lower(code: &VerilogBlock, module: &Module, findings: &mut Vec<Finding>) -> Vec<Statement> {
    let mut lowering = Lowering {
        module,
        findings,
        loops: Vec::new(),
        dead: false,
    };
    lowering.block(code)
}

struct Lowering<'a> {
    module: &'a Module,
    findings: &'a mut Vec<Finding>,
    loops: Vec<(String, i128)>,
    /// Inside a branch that is never taken.
    dead: bool,
}

impl Lowering<'_> {
    fn block(&mut self, code: &VerilogBlock) -> Vec<Statement> {
        let mut statements = Vec::new();
        for statement in code {
            self.statement(statement, &mut statements);
        }
        statements
    }

    fn statement(&mut self, code: &VerilogStatement, out: &mut Vec<Statement>) {
        match code {
            VerilogStatement::Assignment(target, value) => {
                self.assign(target, None, value, out);
            }
            VerilogStatement::SliceAssignment {
                base,
                width,
                offset,
                replacement,
            } => {
                let offset = self.expression(offset).constant();
                let part = offset.map(|offset| (offset as usize, *width));
                self.assign(base, part.or(Some((0, 0))), replacement, out);
            }
            VerilogStatement::If(conditional) => {
                let test = self.expression(&conditional.test);
                // RustHDL writes both branches even where the test is of loop variables
                // alone; a branch that is never taken still has to name what exists.
                let outside = self.dead;
                let taken = test.constant().map(|value| value != 0);
                self.dead = outside || taken == Some(false);
                let then = self.block(&conditional.then);
                self.dead = outside || taken == Some(true);
                let otherwise = match &conditional.otherwise {
                    VerilogBlockOrConditional::Block(block) => self.block(block),
                    VerilogBlockOrConditional::Conditional(statement) => {
                        let mut chained = Vec::new();
                        self.statement(statement, &mut chained);
                        chained
                    }
                    VerilogBlockOrConditional::None => Vec::new(),
                };
                self.dead = outside;
                match taken {
                    Some(true) => out.extend(then),
                    Some(false) => out.extend(otherwise),
                    None => out.push(Statement::If(test, then, otherwise)),
                }
            }
            VerilogStatement::Match(choice) => {
                let test = self.expression(&choice.test);
                let mut arms = Vec::new();
                for case in &choice.cases {
                    let pattern = match case.condition.as_str() {
                        "default" => None,
                        name => {
                            match self.expression(&VerilogExpression::Signal(name.to_owned())) {
                                Expr::Literal(value, ..) => Some(value as usize),
                                _ => {
                                    self.report(
                                        Rule::UndeclaredName,
                                        name,
                                        "an arm of a `match` is no variant of the enumeration",
                                    );
                                    continue;
                                }
                            }
                        }
                    };
                    arms.push((pattern, self.block(&case.block)));
                }
                out.push(Statement::Match { test, arms });
            }
            VerilogStatement::Loop(repeat) => {
                let ends = (value_of(&repeat.from), value_of(&repeat.to));
                let (Some((from, _)), Some((to, _))) = ends else {
                    return;
                };
                for i in from..to {
                    self.loops.push((repeat.index.clone(), i as i128));
                    for statement in &repeat.block {
                        self.statement(statement, out);
                    }
                    self.loops.pop();
                }
            }
            VerilogStatement::Comment(_) => {}
            VerilogStatement::Link(links) => {
                for link in links {
                    self.link(link, out);
                }
            }
            VerilogStatement::Macro(block) => {
                for statement in block {
                    self.statement(statement, out);
                }
            }
        }
    }

    fn link(&mut self, link: &VerilogLink, out: &mut Vec<Statement>) {
        let port = |owner: &str, d: &VerilogLinkDetails| match d.my_name.is_empty() {
            true => owner.to_owned(),
            false => format!("{owner}${}", d.my_name),
        };
        let (to, from) = match link {
            VerilogLink::Forward(d) => (port(&d.other_name, d), port(&d.owner_name, d)),
            VerilogLink::Backward(d) => (port(&d.owner_name, d), port(&d.other_name, d)),
            VerilogLink::Bidirectional(_) => return,
        };
        self.assign(
            &VerilogExpression::Signal(to),
            None,
            &VerilogExpression::Signal(from),
            out,
        );
    }

    fn assign(
        &mut self,
        target: &VerilogExpression,
        part: Option<(usize, usize)>,
        value: &VerilogExpression,
        out: &mut Vec<Statement>,
    ) {
        let value = self.expression(value);
        if let Expr::Signal(target) = self.expression(target).bare() {
            out.push(Statement::Assign(Assignment {
                target: *target,
                part,
                value,
            }));
        }
    }

    fn expression(&mut self, code: &VerilogExpression) -> Expr {
        let mut boxed = |inner: &VerilogExpression| Box::new(self.expression(inner));
        match code {
            VerilogExpression::Signal(name) => self.name(name),
            VerilogExpression::Literal(value) => match value_of(value) {
                Some((value, bits)) => Expr::Literal(value, bits, false),
                None => Expr::Unknown,
            },
            VerilogExpression::Cast(inner, bits) => Expr::Cast(boxed(inner), *bits),
            VerilogExpression::Signed(inner) => Expr::Signed(boxed(inner)),
            VerilogExpression::Unsigned(inner) => Expr::Unsigned(boxed(inner)),
            VerilogExpression::Paren(inner) => Expr::Paren(boxed(inner)),
            VerilogExpression::Binary(left, operator, right) => {
                Expr::Binary(boxed(left), operator.clone(), boxed(right))
            }
            VerilogExpression::Unary(operator, inner) => {
                Expr::Unary(operator.clone(), boxed(inner))
            }
            VerilogExpression::Index(of, index) => Expr::Slice(boxed(of), 1, boxed(index)),
            VerilogExpression::Slice(of, bits, offset) => {
                Expr::Slice(boxed(of), *bits, boxed(offset))
            }
            VerilogExpression::IndexReplace(value, index, bit) => {
                Expr::ReplaceBit(boxed(value), boxed(index), boxed(bit))
            }
        }
    }

    /// A name as the kernel has it: `self.` is gone, `.` is `$`, an index stands in
    /// brackets.
    fn name(&mut self, name: &str) -> Expr {
        if let Some((_, value)) = self.loops.iter().rev().find(|(index, _)| index == name) {
            // RustHDL writes a plain decimal number: 32 bits, signed.
            return Expr::Literal(*value as u128, 32, true);
        }
        let mut path = name
            .trim_start_matches('.')
            .replace("::", "$")
            .replace('.', "$");
        if let Some(stripped) = path.strip_suffix("$next") {
            path = stripped.to_owned();
        }
        if let Some(open) = path.find('[') {
            let Some(close) = path.find(']') else {
                return Expr::Unknown;
            };
            let index = path[open + 1..close].to_owned();
            if path[close..].contains('[') || index.contains('[') {
                self.report(
                    Rule::UnsupportedIndex,
                    name,
                    "only the first index of a name is replaced by its value",
                );
                return Expr::Unknown;
            }
            match evaluate(&index, &self.loops) {
                Some(value) => path.replace_range(open..=close, &format!("${value}")),
                None => {
                    self.report(
                        Rule::UnsupportedIndex,
                        name,
                        "the index is not made of loop variables and integers alone",
                    );
                    return Expr::Unknown;
                }
            }
        }
        if let Some(id) = self.module.id(&path) {
            return Expr::Signal(id);
        }
        if let Some((value, _)) = self.module.variant(&path) {
            return Expr::Literal(value as u128, 32, true);
        }
        let problem = format!("the Verilog names `{path}`, which this block does not have");
        self.report(Rule::UndeclaredName, name, &problem);
        Expr::Unknown
    }

    fn report(&mut self, rule: Rule, expression: &str, problem: &str) {
        let rule = match rule {
            Rule::UndeclaredName if self.dead => Rule::UndeclaredNameInDeadBranch,
            rule => rule,
        };
        self.findings
            .push(Finding::new(self.module, rule, expression, problem));
    }
}

/// A literal's value and width; RustHDL shows them only as text, `32'h1f`.
fn value_of(literal: &VerilogLiteral) -> Option<(u128, usize)> {
    let text = format!("{literal:x}");
    let (bits, digits) = text.split_once("'h")?;
    Some((u128::from_str_radix(digits, 16).ok()?, bits.parse().ok()?))
}

/// Evaluates an array index of loop variables and integers.
fn evaluate(text: &str, loops: &[(String, i128)]) -> Option<i128> {
    fn value(expr: &syn::Expr, loops: &[(String, i128)]) -> Option<i128> {
        match expr {
            syn::Expr::Lit(literal) => match &literal.lit {
                syn::Lit::Int(integer) => integer.base10_parse().ok(),
                _ => None,
            },
            syn::Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                let known = loops.iter().rev().find(|(index, _)| *index == name);
                known.map(|(_, value)| *value)
            }
            syn::Expr::Paren(inner) => value(&inner.expr, loops),
            syn::Expr::Binary(binary) => {
                let (left, right) = (value(&binary.left, loops)?, value(&binary.right, loops)?);
                match binary.op {
                    syn::BinOp::Add(_) => left.checked_add(right),
                    syn::BinOp::Sub(_) => left.checked_sub(right),
                    syn::BinOp::Mul(_) => left.checked_mul(right),
                    syn::BinOp::Div(_) => left.checked_div(right),
                    syn::BinOp::Rem(_) => left.checked_rem(right),
                    _ => None,
                }
            }
            _ => None,
        }
    }
    value(&syn::parse_str(text).ok()?, loops)
}

/// Signals that this module's code drives.
pub fn is_driven(role: Role) -> bool {
    matches!(role, Role::Output | Role::Local | Role::ChildInput)
}
