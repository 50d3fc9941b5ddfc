//! A kernel's statements with its loops unrolled and its names resolved.

use super::expression::{Binary, Expr, Id, Problem, Scope, Unary};
use super::identifier;
use super::netlist::{hexadecimal, Instance, Signal};
use rust_hdl::core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogCase, VerilogExpression, VerilogLink,
    VerilogLinkDetails, VerilogMatch, VerilogOp, VerilogOpUnary, VerilogStatement,
};
use rust_hdl::prelude::{AtomKind, VerilogLiteral};
use std::collections::HashMap;

#[derive(Debug, Clone)]
pub enum Statement {
    Assign {
        target: Id,
        /// Offset and width, when only some bits are assigned.
        part: Option<(Expr, usize)>,
        value: Expr,
    },
    If {
        test: Expr,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    Match {
        test: Expr,
        arms: Vec<Arm>,
    },
    Comment(String),
}

#[derive(Debug, Clone)]
pub struct Arm {
    /// `None` is `_`.
    pub pattern: Option<Expr>,
    pub body: Vec<Statement>,
}

impl Statement {
    pub fn each_write(&self, visit: &mut dyn FnMut(Id)) {
        match self {
            Statement::Assign { target, .. } => visit(*target),
            Statement::If {
                then, otherwise, ..
            } => {
                then.iter().for_each(|s| s.each_write(visit));
                otherwise.iter().for_each(|s| s.each_write(visit));
            }
            Statement::Match { arms, .. } => {
                for arm in arms {
                    arm.body.iter().for_each(|s| s.each_write(visit));
                }
            }
            Statement::Comment(_) => {}
        }
    }

    pub fn each_expression(&self, visit: &mut dyn FnMut(&Expr)) {
        match self {
            Statement::Assign { part, value, .. } => {
                if let Some((offset, _)) = part {
                    visit(offset);
                }
                visit(value);
            }
            Statement::If {
                test,
                then,
                otherwise,
            } => {
                visit(test);
                then.iter().for_each(|s| s.each_expression(visit));
                otherwise.iter().for_each(|s| s.each_expression(visit));
            }
            Statement::Match { test, arms } => {
                visit(test);
                for arm in arms {
                    arm.pattern.iter().for_each(&mut *visit);
                    arm.body.iter().for_each(|s| s.each_expression(visit));
                }
            }
            Statement::Comment(_) => {}
        }
    }

    /// Replaces every expression by what `change` makes of it.
    pub fn map(&self, change: &dyn Fn(&Expr) -> Expr) -> Statement {
        let all = |block: &[Statement]| block.iter().map(|s| s.map(change)).collect();
        match self {
            Statement::Assign {
                target,
                part,
                value,
            } => Statement::Assign {
                target: *target,
                part: part.as_ref().map(|(offset, bits)| (change(offset), *bits)),
                value: change(value),
            },
            Statement::If {
                test,
                then,
                otherwise,
            } => Statement::If {
                test: change(test),
                then: all(then),
                otherwise: all(otherwise),
            },
            Statement::Match { test, arms } => Statement::Match {
                test: change(test),
                arms: arms
                    .iter()
                    .map(|arm| Arm {
                        pattern: arm.pattern.clone(),
                        body: all(&arm.body),
                    })
                    .collect(),
            },
            Statement::Comment(text) => Statement::Comment(text.clone()),
        }
    }
}

/// What a name in a module stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Input,
    Output,
    Local,
    /// Its value in hexadecimal.
    Constant(String),
    /// Port of the n-th child.
    ChildInput(usize),
    ChildOutput(usize),
}

#[derive(Debug, Clone)]
pub struct Entry {
    /// Plain identifier.
    pub name: String,
    pub bits: usize,
    pub signed: bool,
    pub role: Role,
}

/// Everything a kernel can name.
#[derive(Default)]
pub struct Table {
    pub entries: Vec<Entry>,
    by_name: HashMap<String, Id>,
    /// By RustHDL's name (`State$Idle`): identifier, value, width.
    variants: HashMap<String, (String, usize, usize)>,
}

impl Scope for Table {
    fn name(&self, id: Id) -> &str {
        &self.entries[id].name
    }

    fn bits(&self, id: Id) -> usize {
        self.entries[id].bits
    }

    fn signed(&self, id: Id) -> bool {
        self.entries[id].signed
    }
}

impl Table {
    pub fn of(instance: &Instance) -> Result<Table, Problem> {
        let mut table = Table::default();
        for signal in &instance.signals {
            let role = match signal.kind {
                AtomKind::InputParameter => Role::Input,
                AtomKind::OutputParameter => Role::Output,
                AtomKind::LocalSignal => Role::Local,
                AtomKind::Constant => Role::Constant(signal.value.clone()),
                _ => return Err(two_way(signal)),
            };
            table.add(signal, signal.name.clone(), role)?;
        }
        for (place, child) in instance.children.iter().enumerate() {
            for port in child.ports() {
                let role = match port.kind {
                    AtomKind::InputParameter => Role::ChildInput(place),
                    AtomKind::OutputParameter => Role::ChildOutput(place),
                    _ => return Err(two_way(port)),
                };
                table.add(port, format!("{}${}", child.name, port.name), role)?;
            }
        }
        Ok(table)
    }

    fn add(&mut self, signal: &Signal, rust_name: String, role: Role) -> Result<(), Problem> {
        let name = identifier(&rust_name);
        if let Some(other) = self.entries.iter().find(|entry| entry.name == name) {
            return Err(format!(
                "two signals would both be called `{}` in Verilog; rename one field",
                other.name
            ));
        }
        for (value, variant) in signal.variants.iter().enumerate() {
            let path = variant.replace("::", "$");
            let name = identifier(&path);
            self.variants.insert(path, (name, value, signal.bits));
        }
        self.by_name.insert(rust_name, self.entries.len());
        self.entries.push(Entry {
            name,
            bits: signal.bits,
            signed: signal.signed,
            role,
        });
        Ok(())
    }

    pub fn id(&self, rust_name: &str) -> Option<Id> {
        self.by_name.get(rust_name).copied()
    }

    /// A variant's value and width, by its identifier.
    pub fn variant(&self, name: &str) -> Option<(usize, usize)> {
        let found = self.variants.values().find(|(known, ..)| known == name);
        found.map(|(_, value, bits)| (*value, *bits))
    }
}

fn two_way(signal: &Signal) -> Problem {
    format!(
        "port `{}` is bidirectional; only `In` and `Out` are exported",
        signal.name
    )
}

/// Translates a kernel.
pub fn lower(code: &VerilogBlock, table: &Table) -> Result<Vec<Statement>, Problem> {
    let mut lowering = Lowering {
        table,
        loops: Vec::new(),
    };
    let mut statements = Vec::new();
    lowering.block(code, &mut statements)?;
    Ok(statements)
}

struct Lowering<'a> {
    table: &'a Table,
    loops: Vec<(String, i128)>,
}

impl Lowering<'_> {
    fn block(&mut self, code: &VerilogBlock, out: &mut Vec<Statement>) -> Result<(), Problem> {
        code.iter().try_for_each(|s| self.statement(s, out))
    }

    fn nested(&mut self, code: &VerilogBlock) -> Result<Vec<Statement>, Problem> {
        let mut statements = Vec::new();
        self.block(code, &mut statements)?;
        Ok(statements)
    }

    fn statement(
        &mut self,
        code: &VerilogStatement,
        out: &mut Vec<Statement>,
    ) -> Result<(), Problem> {
        match code {
            VerilogStatement::Assignment(target, value) => out.push(Statement::Assign {
                target: self.target(target)?,
                part: None,
                value: self.expression(value)?,
            }),
            VerilogStatement::SliceAssignment {
                base,
                width,
                offset,
                replacement,
            } => out.push(Statement::Assign {
                target: self.target(base)?,
                part: Some((self.expression(offset)?, *width)),
                value: self.expression(replacement)?,
            }),
            VerilogStatement::If(conditional) => {
                let test = self.expression(&conditional.test)?;
                // A test of loop variables alone is decided here: the other branch
                // may name what does not exist (`g[i - 1]` for `i = 0`).
                match test.constant() {
                    Some(0) => self.otherwise(&conditional.otherwise, out)?,
                    Some(_) => self.block(&conditional.then, out)?,
                    None => {
                        let then = self.nested(&conditional.then)?;
                        let mut otherwise = Vec::new();
                        self.otherwise(&conditional.otherwise, &mut otherwise)?;
                        out.push(Statement::If {
                            test,
                            then,
                            otherwise,
                        });
                    }
                }
            }
            VerilogStatement::Match(choice) => {
                let statement = self.choice(choice)?;
                out.push(statement);
            }
            VerilogStatement::Loop(repeat) => {
                let (from, to) = (value_of(&repeat.from)?, value_of(&repeat.to)?);
                for i in from..to {
                    self.loops.push((repeat.index.clone(), i as i128));
                    let done = self.block(&repeat.block, out);
                    self.loops.pop();
                    done?;
                }
            }
            VerilogStatement::Comment(text) => out.push(Statement::Comment(text.clone())),
            VerilogStatement::Link(links) => {
                for link in links {
                    let statement = self.link(link)?;
                    out.push(statement);
                }
            }
            VerilogStatement::Macro(block) => self.block(block, out)?,
        }
        Ok(())
    }

    fn otherwise(
        &mut self,
        code: &VerilogBlockOrConditional,
        out: &mut Vec<Statement>,
    ) -> Result<(), Problem> {
        match code {
            VerilogBlockOrConditional::Block(block) => self.block(block, out),
            VerilogBlockOrConditional::Conditional(statement) => self.statement(statement, out),
            VerilogBlockOrConditional::None => Ok(()),
        }
    }

    fn choice(&mut self, code: &VerilogMatch) -> Result<Statement, Problem> {
        let arms = code.cases.iter().map(|case| {
            Ok(Arm {
                pattern: self.pattern(case)?,
                body: self.nested(&case.block)?,
            })
        });
        let arms = arms.collect::<Result<_, Problem>>()?;
        Ok(Statement::Match {
            test: self.expression(&code.test)?,
            arms,
        })
    }

    fn pattern(&self, case: &VerilogCase) -> Result<Option<Expr>, Problem> {
        let text = case.condition.trim();
        match text {
            "default" => Ok(None),
            "true" => Ok(Some(Expr::Literal(1))),
            "false" => Ok(Some(Expr::Literal(0))),
            _ if text.starts_with(|letter: char| letter.is_ascii_digit()) => {
                Ok(Some(Expr::Literal(rust_integer(text)?)))
            }
            _ => self.name(text).map(Some),
        }
    }

    fn link(&mut self, link: &VerilogLink) -> Result<Statement, Problem> {
        let name = |outer: &str, details: &VerilogLinkDetails| match details
            .my_name
            .trim_start_matches('.')
        {
            "" => outer.to_owned(),
            inner => format!("{outer}.{inner}"),
        };
        let (to, from) = match link {
            VerilogLink::Forward(d) => (name(&d.other_name, d), name(&d.owner_name, d)),
            VerilogLink::Backward(d) => (name(&d.owner_name, d), name(&d.other_name, d)),
            VerilogLink::Bidirectional(d) => {
                return Err(format!(
                    "`{}` links a bidirectional port; only `In` and `Out` are exported",
                    d.owner_name
                ))
            }
        };
        let Expr::Signal(target) = self.name(&to)? else {
            return Err(format!("`{to}` is linked to, and is not a signal"));
        };
        Ok(Statement::Assign {
            target,
            part: None,
            value: self.name(&from)?,
        })
    }

    fn target(&self, code: &VerilogExpression) -> Result<Id, Problem> {
        match code {
            VerilogExpression::Signal(name) => match self.name(name)? {
                Expr::Signal(id) => match self.table.entries[id].role {
                    Role::Output | Role::Local | Role::ChildInput(_) => Ok(id),
                    _ => Err(format!("`{name}` is assigned, and is not driven from here")),
                },
                _ => Err(format!("`{name}` is assigned, and is not a signal")),
            },
            VerilogExpression::Paren(inner) => self.target(inner),
            _ => Err("an expression that is not a signal is assigned".to_owned()),
        }
    }

    fn expression(&self, code: &VerilogExpression) -> Result<Expr, Problem> {
        Ok(match code {
            VerilogExpression::Signal(name) => self.name(name)?,
            VerilogExpression::Literal(value) => Expr::Literal(value_of(value)?),
            VerilogExpression::Cast(inner, bits) => {
                Expr::Cast(Box::new(self.expression(inner)?), *bits)
            }
            VerilogExpression::Signed(inner) => Expr::Signed(Box::new(self.expression(inner)?)),
            VerilogExpression::Unsigned(inner) => Expr::Unsigned(Box::new(self.expression(inner)?)),
            VerilogExpression::Paren(inner) => self.expression(inner)?,
            VerilogExpression::Binary(left, operator, right) => Expr::binary(
                self.expression(left)?,
                binary_operator(operator),
                self.expression(right)?,
            ),
            VerilogExpression::Unary(operator, inner) => {
                Expr::Unary(unary_operator(operator), Box::new(self.expression(inner)?))
            }
            VerilogExpression::Index(signal, offset) => self.slice(signal, offset, 1)?,
            VerilogExpression::Slice(signal, bits, offset) => self.slice(signal, offset, *bits)?,
            VerilogExpression::IndexReplace(value, index, bit) => Expr::ReplaceBit(
                Box::new(self.expression(value)?),
                Box::new(self.expression(index)?),
                Box::new(self.expression(bit)?),
            ),
        })
    }

    fn slice(
        &self,
        of: &VerilogExpression,
        offset: &VerilogExpression,
        bits: usize,
    ) -> Result<Expr, Problem> {
        let offset = self.expression(offset)?;
        let offset = match self.fixed(&offset) {
            Some(value) => Expr::Literal(value),
            None => offset,
        };
        match self.expression(of)? {
            Expr::Signal(id) => Ok(Expr::Slice(id, Box::new(offset), bits)),
            Expr::Slice(id, outer, _) => Ok(Expr::Slice(
                id,
                Box::new(match outer.constant() {
                    Some(0) => offset,
                    _ => Expr::binary(*outer, Binary::Add, offset),
                }),
                bits,
            )),
            _ => Err(
                "Verilog takes bits of names only; assign the expression to a \
                 `Signal<Local, _>` and take bits of that"
                    .to_owned(),
            ),
        }
    }

    /// The value of a constant, or of an expression of literals.
    fn fixed(&self, expr: &Expr) -> Option<u128> {
        match expr {
            Expr::Signal(id) => match &self.table.entries[*id].role {
                Role::Constant(value) => u128::from_str_radix(value, 16).ok(),
                _ => None,
            },
            other => other.constant(),
        }
    }

    /// A name as the kernel has it: `self.` is gone, `.` is `$`, indices stand in
    /// brackets.
    fn name(&self, name: &str) -> Result<Expr, Problem> {
        if let Some((_, value)) = self.loops.iter().rev().find(|(index, _)| index == name) {
            return Ok(Expr::Literal(*value as u128));
        }
        let mut path = name
            .trim_start_matches('.')
            .replace("::", "$")
            .replace('.', "$");
        if let Some(stripped) = path.strip_suffix("$next") {
            path = stripped.to_owned();
        }
        while let Some(open) = path.find('[') {
            let length = matching_bracket(&path[open..])
                .ok_or_else(|| format!("`{name}` has no closing bracket"))?;
            let index = &path[open + 1..open + length];
            let value = Index::evaluate(index, &self.loops)?;
            if value < 0 {
                return Err(format!(
                    "`{name}` takes element {value}: write the first element's case apart"
                ));
            }
            path.replace_range(open..=open + length, &format!("${value}"));
        }
        if let Some(id) = self.table.id(&path) {
            return Ok(Expr::Signal(id));
        }
        let variant = self
            .table
            .variants
            .iter()
            .find(|(known, _)| path == **known || path.ends_with(&format!("${known}")));
        match variant {
            Some((_, (name, _, bits))) => Ok(Expr::Variant(name.clone(), *bits)),
            None => Err(format!(
                "`{name}` is no signal of this block; a const generic used as a value must be \
                 held in a `Constant<_>` field, and an index must stay inside its array"
            )),
        }
    }
}

fn matching_bracket(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (place, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

fn value_of(literal: &VerilogLiteral) -> Result<u128, Problem> {
    let digits = hexadecimal(literal);
    u128::from_str_radix(&digits, 16)
        .map_err(|_| format!("the literal {digits} (hexadecimal) is too large or negative"))
}

/// An integer as Rust writes it: `12`, `0x1F`, `0b1010`, `1_000`, `3u8`.
fn rust_integer(text: &str) -> Result<u128, Problem> {
    let plain = text.replace('_', "");
    let (radix, digits) = match plain.get(..2) {
        Some("0x") => (16, &plain[2..]),
        Some("0b") => (2, &plain[2..]),
        Some("0o") => (8, &plain[2..]),
        _ => (10, plain.as_str()),
    };
    let digits = match digits.find(['u', 'i']) {
        Some(suffix) => &digits[..suffix],
        None => digits,
    };
    u128::from_str_radix(digits, radix).map_err(|_| format!("`{text}` is not an integer"))
}

fn binary_operator(operator: &VerilogOp) -> Binary {
    match operator {
        VerilogOp::Add => Binary::Add,
        VerilogOp::Sub => Binary::Subtract,
        VerilogOp::Mul => Binary::Multiply,
        VerilogOp::LogicalAnd => Binary::LogicalAnd,
        VerilogOp::LogicalOr => Binary::LogicalOr,
        VerilogOp::BitXor => Binary::Xor,
        VerilogOp::BitAnd => Binary::And,
        VerilogOp::BitOr => Binary::Or,
        VerilogOp::Shl => Binary::ShiftLeft,
        VerilogOp::Shr => Binary::ShiftRight,
        VerilogOp::Eq => Binary::Equal,
        VerilogOp::Lt => Binary::Less,
        VerilogOp::Le => Binary::LessEqual,
        VerilogOp::Ne => Binary::NotEqual,
        VerilogOp::Ge => Binary::GreaterEqual,
        VerilogOp::Gt => Binary::Greater,
    }
}

fn unary_operator(operator: &VerilogOpUnary) -> Unary {
    match operator {
        VerilogOpUnary::Not => Unary::Not,
        VerilogOpUnary::Neg => Unary::Negate,
        VerilogOpUnary::All => Unary::All,
        VerilogOpUnary::Any => Unary::Any,
        VerilogOpUnary::Xor => Unary::Odd,
    }
}

/// Evaluates an array index: integers, loop variables, `+ - * / %`, parentheses.
struct Index<'a> {
    text: &'a str,
    rest: &'a str,
    loops: &'a [(String, i128)],
}

impl<'a> Index<'a> {
    fn evaluate(text: &'a str, loops: &'a [(String, i128)]) -> Result<i128, Problem> {
        let mut index = Index {
            text,
            rest: text,
            loops,
        };
        let value = index.sum()?;
        match index.peek() {
            None => Ok(value),
            Some(_) => Err(index.problem()),
        }
    }

    fn problem(&self) -> Problem {
        format!(
            "the index `{}` can't be evaluated; use loop variables, integers and + - * / %",
            self.text
        )
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, operators: [char; 3]) -> Option<char> {
        let operator = self.peek().filter(|letter| operators.contains(letter))?;
        self.rest = &self.rest[1..];
        Some(operator)
    }

    fn sum(&mut self) -> Result<i128, Problem> {
        let mut value = self.product()?;
        while let Some(operator) = self.take(['+', '-', '-']) {
            let right = self.product()?;
            let result = match operator {
                '+' => value.checked_add(right),
                _ => value.checked_sub(right),
            };
            value = result.ok_or_else(|| self.problem())?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i128, Problem> {
        let mut value = self.factor()?;
        while let Some(operator) = self.take(['*', '/', '%']) {
            let right = self.factor()?;
            let result = match operator {
                '*' => value.checked_mul(right),
                '/' => value.checked_div(right),
                _ => value.checked_rem(right),
            };
            value = result.ok_or_else(|| self.problem())?;
        }
        Ok(value)
    }

    fn factor(&mut self) -> Result<i128, Problem> {
        if self.take(['(', '(', '(']).is_some() {
            let value = self.sum()?;
            return match self.take([')', ')', ')']) {
                Some(_) => Ok(value),
                None => Err(self.problem()),
            };
        }
        self.peek();
        let end = self
            .rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Ok(rust_integer(word)? as i128);
        }
        let variable = self.loops.iter().rev().find(|(name, _)| name == word);
        variable
            .map(|(_, value)| *value)
            .ok_or_else(|| self.problem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_loop_variables_is_evaluated() {
        let loops = [("i".to_owned(), 3), ("j".to_owned(), 2)];
        for (text, expected) in [
            ("i*2+j", 8),
            ("(i+1)", 4),
            ("i-4", -1),
            ("7%i*j", 2),
            ("0x1f", 31),
        ] {
            assert_eq!(Index::evaluate(text, &loops), Ok(expected), "{text}");
        }
        for text in ["k", "i+", "(i", "i/0", "i i"] {
            assert!(Index::evaluate(text, &loops).is_err(), "{text}");
        }
    }
}
