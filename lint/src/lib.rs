//! Finds RustHDL code that simulates one way and synthesises another.
//!
//! A RustHDL kernel is compiled twice: by Rust, which is what the simulator runs, and
//! by `#[hdl_gen]` into a syntax tree, which is what becomes Verilog. The two do not
//! always mean the same. Rust computes each operation at the width of its type,
//! Verilog at the width of the widest thing around it; Rust groups `a & 4 == b` to the
//! left, Verilog to the right; the simulator repeats a kernel until nothing changes,
//! Verilog runs it once. No test that runs in the simulator can see such a
//! difference, and RustHDL reports none of them.
//!
//! [`lint`] walks the syntax tree of every block of a design, works out what each
//! expression is worth in both languages, and reports where they part. [`source::lint`]
//! reads the source for what the tree no longer shows.
//!
//! ```
//! use quern_lint::{lint, Rule};
//! use rust_hdl::prelude::*;
//!
//! #[derive(LogicBlock, Default)]
//! struct Wraps {
//!     pub a: Signal<In, Bits<8>>,
//!     pub b: Signal<In, Bits<8>>,
//!     pub equal: Signal<Out, Bit>,
//! }
//!
//! impl Logic for Wraps {
//!     #[hdl_gen]
//!     fn update(&mut self) {
//!         // 255 + 1 is 0 in the simulator, and 256 in Verilog.
//!         self.equal.next = (self.a.val() + 1) == self.b.val();
//!     }
//! }
//!
//! let mut block = Wraps::default();
//! block.connect_all();
//! let findings = lint(&block, "top");
//! assert_eq!(findings[0].rule, Rule::ContextWidth);
//! println!("{}", findings[0]);
//! ```
//!
//! ```text
//!  block ─► design: modules, signals ─► kernel: loops unrolled, names resolved ─┬─► width
//!                                                                               └─► order
//!  source text ─► source: match guards                       leaf's text ─► foreign
//! ```
//! Every finding names the block, the expression as RustHDL writes it, what differs
//! and the idiom that is safe ([`Rule::idiom`]). The smallest block with each hazard
//! stands in [`hazards`]; the crate's tests simulate each of them in RustHDL and in
//! Icarus Verilog and show that they differ.
//!
//! **What is judged** is the Verilog that RustHDL itself writes. Who exports the tree
//! in another way may have closed some of the gaps: [`Waiver`]s say so, each with a
//! reason, and a waiver that matches nothing is reported as well.
//!
//! **What is not seen:** the text of leaves (`Verilog::Custom`, `Wrapper`,
//! `Blackbox`), which is reported as [`Rule::ForeignText`] so that somebody vouches for
//! each; whether a clock crossing is safe; and widths of casts to `Signed`, which the
//! tree does not keep: they are taken to be what the expression around them needs.

#![forbid(unsafe_code)]

mod design;
mod foreign;
pub mod hazards;
mod kernel;
mod order;
pub mod source;
mod text;
mod waiver;
mod width;

pub use waiver::{Review, Waiver};

use design::{Module, Role};
use kernel::Statement;
use rust_hdl::prelude::{Block, Verilog};
use std::fmt;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Operators group differently in Verilog.
    Precedence,
    /// An expression is computed wider or narrower than its type.
    ContextWidth,
    /// The operand of a cast is.
    CastOfExpression,
    /// Signed values compared as unsigned.
    SignedComparison,
    /// A literal that does not fit its type.
    LiteralTooWide,
    /// A signal read before its last assignment.
    ReadBeforeOverwrite,
    /// A signal that keeps its value on some path.
    Latch,
    /// A memory whose words have no start value.
    UninitialisedMemory,
    /// A guard of a `match` arm, which the syntax tree does not have.
    DroppedGuard,
    /// A name that the Verilog does not declare.
    UndeclaredName,
    /// The same in a branch that loop variables rule out.
    UndeclaredNameInDeadBranch,
    /// An index that RustHDL can't evaluate.
    UnsupportedIndex,
    /// Bits of something that has none in Verilog.
    BitsOfExpression,
    /// Bits beyond a signal's width.
    BitsOutOfRange,
    /// A clock that passes through a block.
    ClockThroughBlock,
    /// A name that means something else in Verilog.
    Keyword,
    /// A signal of no bits.
    ZeroWidth,
    /// Verilog that a block brings as text.
    ForeignText,
}

impl Rule {
    pub const ALL: [Rule; 18] = [
        Rule::Precedence,
        Rule::ContextWidth,
        Rule::CastOfExpression,
        Rule::SignedComparison,
        Rule::LiteralTooWide,
        Rule::ReadBeforeOverwrite,
        Rule::Latch,
        Rule::UninitialisedMemory,
        Rule::DroppedGuard,
        Rule::UndeclaredName,
        Rule::UndeclaredNameInDeadBranch,
        Rule::UnsupportedIndex,
        Rule::BitsOfExpression,
        Rule::BitsOutOfRange,
        Rule::ClockThroughBlock,
        Rule::Keyword,
        Rule::ZeroWidth,
        Rule::ForeignText,
    ];

    /// In kebab case, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Precedence => "precedence",
            Rule::ContextWidth => "context-width",
            Rule::CastOfExpression => "cast-of-expression",
            Rule::SignedComparison => "signed-comparison",
            Rule::LiteralTooWide => "literal-too-wide",
            Rule::ReadBeforeOverwrite => "read-before-overwrite",
            Rule::Latch => "latch",
            Rule::UninitialisedMemory => "uninitialised-memory",
            Rule::DroppedGuard => "dropped-guard",
            Rule::UndeclaredName => "undeclared-name",
            Rule::UndeclaredNameInDeadBranch => "undeclared-name-in-dead-branch",
            Rule::UnsupportedIndex => "unsupported-index",
            Rule::BitsOfExpression => "bits-of-expression",
            Rule::BitsOutOfRange => "bits-out-of-range",
            Rule::ClockThroughBlock => "clock-through-block",
            Rule::Keyword => "keyword",
            Rule::ZeroWidth => "zero-width",
            Rule::ForeignText => "foreign-text",
        }
    }

    /// What to write instead.
    pub fn idiom(self) -> &'static str {
        match self {
            Rule::Precedence => "put every mix of `&`, `|`, `^` and comparisons in parentheses",
            Rule::ContextWidth => {
                "assign the expression to a `Signal<Local, _>` of exactly its type, and use that"
            }
            Rule::CastOfExpression => {
                "assign the operand to a `Signal<Local, _>` of exactly its type, and cast that; to \
                 compute wider, widen the operands first"
            }
            Rule::SignedComparison => {
                "compare with a `Constant<Signed<_>>`, or test the sign with `get_bit(N - 1)`"
            }
            Rule::LiteralTooWide => "write a literal that the type can hold",
            Rule::ReadBeforeOverwrite => {
                "read the register's `q`, or assign once, to a `Signal<Local, _>`, before reading"
            }
            Rule::Latch => "assign a value before the condition, or `_` in the `match`",
            Rule::UninitialisedMemory => {
                "fill the memory in an `initial` block, or never read a word before it is written"
            }
            Rule::DroppedGuard => "write an `if` inside the arm",
            Rule::UndeclaredName => "hold a const generic used as a value in a `Constant<_>` field",
            Rule::UndeclaredNameInDeadBranch => {
                "begin the loop at the first element that exists, and write the others before it"
            }
            Rule::UnsupportedIndex => {
                "index once, by loop variables and integers; flatten arrays of arrays; select a \
                 dynamic element by a chain of `if`"
            }
            Rule::BitsOfExpression => {
                "assign the expression to a `Signal<Local, Bits<_>>`, and take bits of that"
            }
            Rule::BitsOutOfRange => "take bits that exist; widen the signal into a Local first",
            Rule::ClockThroughBlock => "hand the clock down from the top, never out of a block",
            Rule::Keyword => "rename the field",
            Rule::ZeroWidth => "use an enumeration of at least two variants",
            Rule::ForeignText => {
                "keep leaves few and small, and simulate each against its text on all its inputs"
            }
        }
    }
}

/// One place where simulation and Verilog part, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    /// Path of the first block that has it, `core.lanes[3].sum`; in source, `file:line`.
    pub block: String,
    /// What the caller calls that kind of block.
    pub unit: Option<String>,
    /// As RustHDL writes it.
    pub expression: String,
    pub problem: String,
    /// Blocks with this finding.
    pub instances: usize,
}

impl Finding {
    fn new(module: &Module, rule: Rule, expression: &str, problem: &str) -> Finding {
        Finding {
            rule,
            block: module.path.clone(),
            unit: module.unit.clone(),
            expression: expression.to_owned(),
            problem: problem.to_owned(),
            instances: 1,
        }
    }

    fn same(&self, other: &Finding) -> bool {
        let same_kind = match (&self.unit, &other.unit) {
            (None, None) => self.block == other.block,
            (ours, theirs) => ours == theirs,
        };
        same_kind && self.rule == other.rule && self.expression == other.expression
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.block)?;
        if let Some(unit) = &self.unit {
            write!(f, " ({unit})")?;
        }
        if self.instances > 1 {
            write!(f, " and {} more", self.instances - 1)?;
        }
        let Finding {
            expression,
            problem,
            ..
        } = self;
        write!(
            f,
            ": `{expression}`: {problem}; instead: {}",
            self.rule.idiom()
        )
    }
}

/// Checks every block of a design, whose `connect_all` need not have been called.
/// `top` names the block in findings.
pub fn lint(block: &dyn Block, top: &str) -> Vec<Finding> {
    lint_named(block, top, &|_| None)
}

/// As [`lint`], where `unit` knows what kind of block a block is: findings that differ
/// only in the instance are then reported once, with their number.
pub fn lint_named(
    block: &dyn Block,
    top: &str,
    unit: &dyn Fn(&dyn Block) -> Option<String>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for module in design::modules(block, top, unit) {
        let mut of_module: Vec<Finding> = Vec::new();
        check_module(&module, &mut of_module);
        // A loop finds the same again and again.
        let mut once: Vec<Finding> = Vec::new();
        for finding in of_module {
            if !once.iter().any(|known| known.same(&finding)) {
                once.push(finding);
            }
        }
        for finding in once {
            match findings.iter_mut().find(|known| known.same(&finding)) {
                Some(known) => known.instances += 1,
                None => findings.push(finding),
            }
        }
    }
    findings
}

/// Number of blocks of a design, and of different kinds among them.
pub fn count(block: &dyn Block, unit: &dyn Fn(&dyn Block) -> Option<String>) -> (usize, usize) {
    let modules = design::modules(block, "top", unit);
    let kinds: std::collections::HashSet<&String> =
        modules.iter().filter_map(|m| m.unit.as_ref()).collect();
    (modules.len(), kinds.len())
}

fn check_module(module: &Module, findings: &mut Vec<Finding>) {
    foreign::check_names(module, findings);
    match &module.code {
        Verilog::Combinatorial(code) => {
            let statements = kernel::lower(code, module, findings);
            check_statements(&statements, module, findings);
            order::check(&statements, module, findings);
        }
        other => foreign::check_text(other, module, findings),
    }
}

fn check_statements(statements: &[Statement], module: &Module, findings: &mut Vec<Finding>) {
    for statement in statements {
        let mut checker = width::Checker { module, findings };
        match statement {
            Statement::Assign(assignment) => {
                let target = &module.signals[assignment.target];
                let bits = assignment.part.map_or(target.bits, |(_, bits)| bits);
                checker.assignment(&assignment.value, bits, target.signed);
            }
            Statement::If(test, then, otherwise) => {
                checker.alone(test);
                check_statements(then, module, findings);
                check_statements(otherwise, module, findings);
            }
            Statement::Match { test, arms } => {
                checker.matched(test);
                for (_, body) in arms {
                    check_statements(body, module, findings);
                }
            }
        }
    }
}

/// Signals that belong to the module itself.
fn own(module: &Module) -> impl Iterator<Item = &design::Signal> {
    module
        .signals
        .iter()
        .filter(|signal| !matches!(signal.role, Role::ChildInput | Role::ChildOutput))
}
