//! What an expression is worth in Verilog, against its value in RustHDL.
//!
//! RustHDL computes every operation at the width of its operands' type. Verilog finds
//! one width for a whole expression (the widest operand, and the target of an
//! assignment; every literal of RustHDL counts 32 bits), extends all operands to it
//! and computes there. The two agree in the low bits that no carry or shift has
//! disturbed; above them only where Verilog happens to extend as RustHDL means. A
//! [`Worth`] says how far they agree, and whoever uses the value says how much of it
//! matters: an assignment the low bits, a comparison all of them.

use crate::design::Module;
use crate::kernel::Expr;
use crate::text::{groups_as_in_rust, render};
use crate::{Finding, Rule};
use rust_hdl::core::ast::{VerilogOp, VerilogOpUnary};

/// Type of an expression in RustHDL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    /// `None` takes the width it is used at: literals, and casts to `Signed`, whose
    /// width the syntax tree does not keep.
    pub bits: Option<usize>,
    pub signed: bool,
}

/// How much of an expression's value in Verilog is its value in RustHDL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Worth {
    /// So many low bits are right.
    low: usize,
    /// All bits above are zero.
    zero: bool,
    /// All bits above are the highest right one.
    sign: bool,
}

impl Worth {
    fn new(low: usize, width: usize, zero: bool, sign: bool) -> Worth {
        let whole = low >= width;
        Worth {
            low: low.min(width),
            zero: zero || whole,
            sign: sign || whole,
        }
    }

    /// Of what has been reported: nothing follows from it.
    fn reported(width: usize) -> Worth {
        Worth::new(width, width, true, true)
    }

    /// The whole value, at whatever width it was computed.
    fn exact(self, kind: Type) -> bool {
        kind.bits.is_none_or(|bits| self.low >= bits)
            && match kind.signed {
                true => self.sign,
                false => self.zero,
            }
    }
}

/// Where an expression stands in Verilog.
#[derive(Clone, Copy)]
struct Context {
    width: usize,
    signed: bool,
    /// The type it takes in RustHDL if it has no width of its own.
    kind: Type,
}

pub struct Checker<'a> {
    pub module: &'a Module,
    pub findings: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    /// An assignment to `bits` bits.
    pub fn assignment(&mut self, value: &Expr, bits: usize, signed: bool) {
        let kind = Type {
            bits: Some(bits),
            signed,
        };
        if let Some(literal) = value.constant() {
            if bits < 128 && literal >> bits != 0 {
                self.report(
                    Rule::LiteralTooWide,
                    value,
                    &format!("the literal does not fit into {bits} bits"),
                );
            } else if signed && literal >> (bits.max(1) - 1) != 0 {
                self.report(
                    Rule::LiteralTooWide,
                    value,
                    &format!("in {bits} bits, signed, the literal silently becomes negative"),
                );
            }
            return;
        }
        let context = Context {
            width: self.width(value).max(bits),
            signed: self.signed(value),
            kind,
        };
        let worth = self.worth(value, context);
        if worth.low < bits && !worth.exact(self.kind(value, kind)) {
            self.report(
                Rule::ContextWidth,
                value,
                &format!(
                    "only the low {} of {bits} bits are what RustHDL computes",
                    worth.low
                ),
            );
        }
    }

    /// A condition, an offset or whatever else has no context around it.
    pub fn alone(&mut self, value: &Expr) {
        let bare = Type {
            bits: None,
            signed: false,
        };
        let context = self.own_context(value, bare);
        let worth = self.worth(value, context);
        if !worth.exact(self.kind(value, bare)) && value.constant().is_none() {
            self.report(
                Rule::ContextWidth,
                value,
                "Verilog keeps bits above the type's width",
            );
        }
    }

    /// The value a `match` compares with its variants, which are 32 bits wide.
    pub fn matched(&mut self, value: &Expr) {
        let bare = Type {
            bits: None,
            signed: false,
        };
        let context = Context {
            width: self.width(value).max(32),
            signed: false,
            kind: bare,
        };
        let worth = self.worth(value, context);
        if !worth.exact(self.kind(value, bare)) {
            self.report(
                Rule::ContextWidth,
                value,
                "compared at 32 bits, Verilog keeps bits above the type's width",
            );
        }
    }

    fn own_context(&self, value: &Expr, kind: Type) -> Context {
        Context {
            width: self.width(value),
            signed: self.signed(value),
            kind,
        }
    }

    /// Self-determined width in Verilog (IEEE 1364-2005, table 5-22).
    fn width(&self, expr: &Expr) -> usize {
        match expr {
            Expr::Signal(id) => self.module.signals[*id].bits,
            Expr::Literal(_, bits, _) => *bits,
            Expr::Unknown => 0,
            Expr::Cast(inner, bits) => self.width(inner).max(*bits),
            Expr::Signed(inner) | Expr::Unsigned(inner) | Expr::Paren(inner) => self.width(inner),
            Expr::Unary(VerilogOpUnary::Not | VerilogOpUnary::Neg, inner) => self.width(inner),
            Expr::Unary(..) => 1,
            Expr::Binary(left, operator, right) => match operator {
                _ if compares(operator) || logical(operator) => 1,
                VerilogOp::Shl | VerilogOp::Shr => self.width(left),
                _ => self.width(left).max(self.width(right)),
            },
            Expr::Slice(_, bits, _) => *bits,
            Expr::ReplaceBit(value, _, bit) => self.width(value).max(32).max(self.width(bit)),
        }
    }

    /// Whether Verilog takes the expression as signed.
    fn signed(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Signal(id) => self.module.signals[*id].signed,
            Expr::Literal(_, _, signed) => *signed,
            Expr::Signed(_) => true,
            Expr::Paren(inner) => self.signed(inner),
            Expr::Unary(VerilogOpUnary::Not | VerilogOpUnary::Neg, inner) => self.signed(inner),
            Expr::Binary(left, operator, right) => match operator {
                _ if compares(operator) || logical(operator) => false,
                VerilogOp::Shl | VerilogOp::Shr => self.signed(left),
                _ => self.signed(left) && self.signed(right),
            },
            _ => false,
        }
    }

    /// The type in RustHDL, where `used` is the type around it.
    fn kind(&self, expr: &Expr, used: Type) -> Type {
        let own = self.own_kind(expr);
        Type {
            bits: own.bits.or(used.bits),
            signed: match own.bits {
                Some(_) => own.signed,
                None => own.signed || used.signed,
            },
        }
    }

    fn own_kind(&self, expr: &Expr) -> Type {
        let unsigned = |bits| Type {
            bits,
            signed: false,
        };
        match expr {
            Expr::Signal(id) => Type {
                bits: Some(self.module.signals[*id].bits),
                signed: self.module.signals[*id].signed,
            },
            Expr::Literal(..) | Expr::Unknown => unsigned(None),
            Expr::Cast(_, bits) => unsigned(Some(*bits)),
            Expr::Signed(_) => Type {
                bits: None,
                signed: true,
            },
            Expr::Unsigned(inner) => unsigned(self.own_kind(inner).bits),
            Expr::Paren(inner) => self.own_kind(inner),
            Expr::Unary(VerilogOpUnary::Not | VerilogOpUnary::Neg, inner) => self.own_kind(inner),
            Expr::Unary(..) => unsigned(Some(1)),
            Expr::Binary(left, operator, right) => match operator {
                _ if compares(operator) || logical(operator) => unsigned(Some(1)),
                VerilogOp::Shl | VerilogOp::Shr => self.own_kind(left),
                _ => {
                    let (left, right) = (self.own_kind(left), self.own_kind(right));
                    let bits = match operator {
                        VerilogOp::Mul => left.bits.zip(right.bits).map(|(l, r)| l + r),
                        _ => left.bits.or(right.bits),
                    };
                    Type {
                        bits,
                        signed: left.signed || right.signed,
                    }
                }
            },
            Expr::Slice(of, bits, _) => Type {
                bits: Some(*bits),
                signed: *bits > 1 && self.own_kind(of).signed,
            },
            Expr::ReplaceBit(value, ..) => self.own_kind(value),
        }
    }

    fn worth(&mut self, expr: &Expr, context: Context) -> Worth {
        let Context { width, signed, .. } = context;
        match expr {
            Expr::Signal(id) => {
                let signal = &self.module.signals[*id];
                let extends = signed && signal.signed;
                Worth::new(signal.bits, width, !extends, extends)
            }
            // Fits, or is reported where it is assigned; above stand zeros.
            Expr::Literal(value, ..) => {
                let bits = context.kind.bits.unwrap_or(width);
                let positive = bits == 0 || bits > 128 || value >> (bits - 1) == 0;
                Worth {
                    low: width,
                    zero: true,
                    sign: positive,
                }
            }
            Expr::Unknown => Worth::reported(width),
            Expr::Paren(inner) => self.worth(inner, context),
            Expr::Cast(inner, bits) => self.cast(expr, inner, *bits, context),
            Expr::Signed(inner) => self.reinterpreted(expr, inner, true, context),
            Expr::Unsigned(inner) => self.reinterpreted(expr, inner, false, context),
            Expr::Unary(operator, inner) => match operator {
                VerilogOpUnary::Not => {
                    let inner = self.worth(inner, context);
                    Worth::new(inner.low, width, false, inner.sign)
                }
                VerilogOpUnary::Neg => {
                    let inner = self.worth(inner, context);
                    Worth::new(inner.low, width, false, false)
                }
                _ => {
                    self.alone(inner);
                    Worth::new(1, width, true, false)
                }
            },
            Expr::Binary(left, operator, right) => {
                self.binary(expr, (left, operator, right), context)
            }
            Expr::Slice(of, bits, offset) => {
                self.slice(expr, of, *bits, offset);
                Worth::new(*bits, width, true, false)
            }
            Expr::ReplaceBit(value, index, bit) => {
                self.alone(index);
                self.alone(bit);
                let unsigned = Context {
                    signed: false,
                    ..context
                };
                let value = self.worth(value, unsigned);
                Worth::new(value.low, width, value.zero, false)
            }
        }
    }

    /// `((inner) & mask)`.
    fn cast(&mut self, expr: &Expr, inner: &Expr, bits: usize, context: Context) -> Worth {
        let kind = self.kind(
            inner,
            Type {
                bits: Some(bits),
                signed: false,
            },
        );
        let worth = self.worth(
            inner,
            Context {
                signed: false,
                kind,
                ..context
            },
        );
        let right = worth.low >= bits || (worth.exact(kind) && !kind.signed);
        if !right {
            let problem = format!(
                "the operand is computed at {} bits, where only the low {} are RustHDL's",
                context.width, worth.low
            );
            self.report(Rule::CastOfExpression, expr, &problem);
        }
        Worth::new(bits, context.width, true, false)
    }

    /// `$signed(inner)` and `$unsigned(inner)`: the operand stands alone.
    fn reinterpreted(
        &mut self,
        expr: &Expr,
        inner: &Expr,
        to_signed: bool,
        context: Context,
    ) -> Worth {
        let own = self.own_context(inner, context.kind);
        let kind = self.kind(inner, context.kind);
        let worth = self.worth(inner, own);
        let bits = kind.bits.unwrap_or(own.width);
        let problem = if worth.low < bits {
            Some(format!(
                "the operand is computed at {} bits, and its type has {bits}",
                own.width
            ))
        } else if own.width > bits && !worth.exact(kind) {
            Some(format!("the operand keeps bits above its type's {bits}"))
        } else {
            None
        };
        if let Some(problem) = problem {
            self.report(Rule::CastOfExpression, expr, &problem);
            return Worth::reported(context.width);
        }
        let extends = to_signed && context.signed;
        let whole = Worth::new(own.width, context.width, !extends, extends);
        match context.kind.bits {
            // Cut to fewer bits by the cast, but not in Verilog.
            Some(used) if used < bits && to_signed => Worth::new(used, context.width, false, false),
            _ => whole,
        }
    }

    fn binary(
        &mut self,
        expr: &Expr,
        (left, operator, right): (&Expr, &VerilogOp, &Expr),
        context: Context,
    ) -> Worth {
        let width = context.width;
        if !groups_as_in_rust(left, operator, right) {
            self.report(
                Rule::Precedence,
                expr,
                "Verilog's operators bind differently, and RustHDL writes no parentheses",
            );
            return Worth::reported(width);
        }
        if compares(operator) {
            self.comparison(expr, (left, operator, right));
            return Worth::new(1, width, true, false);
        }
        if logical(operator) {
            self.alone(left);
            self.alone(right);
            return Worth::new(1, width, true, false);
        }
        let own = self.own_kind(expr);
        let used = Type {
            bits: own.bits.or(context.kind.bits),
            signed: own.signed || context.kind.signed,
        };
        let operand = Context {
            kind: used,
            ..context
        };
        match operator {
            VerilogOp::Shl => {
                self.alone(right);
                let left = self.worth(left, operand);
                Worth::new(left.low, width, false, false)
            }
            VerilogOp::Shr => {
                self.alone(right);
                let kind = self.kind(left, used);
                let worth = self.worth(left, operand);
                if !worth.exact(kind) {
                    let problem = format!(
                        "what is shifted in is not RustHDL's: computed at {width} bits, its \
                         type has {}",
                        kind.bits.unwrap_or(width)
                    );
                    self.report(Rule::ContextWidth, expr, &problem);
                }
                Worth::new(kind.bits.unwrap_or(width), width, true, false)
            }
            VerilogOp::Mul => {
                let (left_kind, right_kind) = (self.kind(left, used), self.kind(right, used));
                let left = self.worth(left, operand);
                let right = self.worth(right, operand);
                if !left.exact(left_kind) || !right.exact(right_kind) {
                    return Worth::new(left.low.min(right.low), width, false, false);
                }
                let bits = own.bits.unwrap_or(width);
                Worth::new(bits, width, !own.signed, own.signed)
            }
            _ => {
                let left = self.worth(left, operand);
                let right = self.worth(right, operand);
                let low = left.low.min(right.low);
                match operator {
                    VerilogOp::BitAnd => {
                        let zero = (left.zero || right.zero) && left.low == right.low;
                        Worth::new(
                            low,
                            width,
                            zero || (left.zero && right.zero),
                            left.sign && right.sign,
                        )
                    }
                    VerilogOp::BitOr | VerilogOp::BitXor => {
                        Worth::new(low, width, left.zero && right.zero, left.sign && right.sign)
                    }
                    _ => {
                        let bits = own.bits.unwrap_or(width);
                        Worth::new(low.min(bits), width, false, false)
                    }
                }
            }
        }
    }

    fn comparison(&mut self, expr: &Expr, (left, operator, right): (&Expr, &VerilogOp, &Expr)) {
        let width = self.width(left).max(self.width(right));
        let signed = self.signed(left) && self.signed(right);
        let (left_kind, right_kind) = (self.own_kind(left), self.own_kind(right));
        let common = Type {
            bits: left_kind.bits.or(right_kind.bits),
            signed: left_kind.signed || right_kind.signed,
        };
        let context = Context {
            width,
            signed,
            kind: common,
        };
        let ordered = !matches!(operator, VerilogOp::Eq | VerilogOp::Ne);
        let worths = [self.worth(left, context), self.worth(right, context)];
        if common.signed && !signed && ordered {
            self.report(
                Rule::SignedComparison,
                expr,
                "one operand is unsigned in Verilog, so both are compared as unsigned",
            );
            return;
        }
        let enough = match ordered || !common.signed {
            true => worths.iter().all(|worth| worth.exact(common)),
            // Equality holds at any width if both sides are extended alike.
            false => worths.iter().all(|worth| worth.zero) || worths.iter().all(|worth| worth.sign),
        };
        if !enough {
            let problem = format!(
                "compared at {width} bits, where an operand keeps or loses bits of its {}",
                common
                    .bits
                    .map_or("type".to_owned(), |bits| bits.to_string())
            );
            self.report(Rule::ContextWidth, expr, &problem);
        }
    }

    fn slice(&mut self, expr: &Expr, of: &Expr, bits: usize, offset: &Expr) {
        self.alone(offset);
        match of {
            Expr::Signal(id) => {
                let all = self.module.signals[*id].bits;
                let end = offset.constant().map(|offset| offset + bits as u128);
                if end.is_some_and(|end| end > all as u128) {
                    let problem = format!("bits beyond the {all} there are: zero in simulation");
                    self.report(Rule::BitsOutOfRange, expr, &problem);
                } else if all == 1 && bits == 1 {
                    self.report(
                        Rule::BitsOfExpression,
                        expr,
                        "a signal of one bit is no vector in Verilog, and has no bits to select",
                    );
                }
            }
            Expr::Unknown => {}
            _ => self.report(
                Rule::BitsOfExpression,
                expr,
                "Verilog has bits of names only, not of expressions",
            ),
        }
    }

    fn report(&mut self, rule: Rule, expr: &Expr, problem: &str) {
        let text = render(expr, self.module);
        self.findings
            .push(Finding::new(self.module, rule, &text, problem));
    }
}

fn compares(operator: &VerilogOp) -> bool {
    use VerilogOp::*;
    matches!(operator, Eq | Ne | Lt | Le | Gt | Ge)
}

fn logical(operator: &VerilogOp) -> bool {
    matches!(operator, VerilogOp::LogicalAnd | VerilogOp::LogicalOr)
}
