//! Expressions with widths.
//!
//! RustHDL's `Bits<N>` operations wrap at N bits wherever they stand; Verilog
//! widens the operands of an expression to the widest thing around it. So every
//! expression is written at exactly the width its RustHDL type has: literals are
//! sized, and an operand that meets a wider one is extended explicitly.

use std::fmt::Write as _;

/// A signal of the module being written, by its place in the module's table.
pub type Id = usize;

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Signal(Id),
    Literal(u128),
    /// A variant of an enumeration: its name in Verilog, and its width.
    Variant(String, usize),
    /// `bit_cast`: zero-extended or cut.
    Cast(Box<Expr>, usize),
    /// `signed_cast`, `signed_bit_cast`: takes the width it is used at.
    Signed(Box<Expr>),
    Unsigned(Box<Expr>),
    Unary(Unary, Box<Expr>),
    Binary(Box<Expr>, Binary, Box<Expr>),
    /// Bits from an offset on.
    Slice(Id, Box<Expr>, usize),
    ReplaceBit(Box<Expr>, Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Not,
    Negate,
    All,
    Any,
    Odd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    LogicalAnd,
    LogicalOr,
    Xor,
    And,
    Or,
    ShiftLeft,
    ShiftRight,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Binary {
    fn symbol(self) -> &'static str {
        use Binary::*;
        match self {
            Add => "+",
            Subtract => "-",
            Multiply => "*",
            LogicalAnd => "&&",
            LogicalOr => "||",
            Xor => "^",
            And => "&",
            Or => "|",
            ShiftLeft => "<<",
            ShiftRight => ">>",
            Equal => "==",
            NotEqual => "!=",
            Less => "<",
            LessEqual => "<=",
            Greater => ">",
            GreaterEqual => ">=",
        }
    }

    fn compares(self) -> bool {
        use Binary::*;
        matches!(
            self,
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual
        )
    }

    fn logical(self) -> bool {
        matches!(self, Binary::LogicalAnd | Binary::LogicalOr)
    }

    fn associative(self) -> bool {
        use Binary::*;
        matches!(self, Add | And | Or | Xor | LogicalAnd | LogicalOr)
    }
}

/// What is known of the signals of a module.
pub trait Scope {
    fn name(&self, id: Id) -> &str;
    fn bits(&self, id: Id) -> usize;
    fn signed(&self, id: Id) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    pub bits: usize,
    pub signed: bool,
    /// Takes the width of what it meets: literals and signed casts.
    pub flexible: bool,
}

/// Written Verilog and how tightly it binds.
#[derive(Debug, Clone)]
pub struct Text {
    pub code: String,
    binds: Binds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binds {
    /// A name, a literal, a selection, a concatenation, a call.
    Primary,
    Unary,
    Binary(Binary),
}

impl Text {
    fn primary(code: impl Into<String>) -> Text {
        Text {
            code: code.into(),
            binds: Binds::Primary,
        }
    }

    /// Can be an operand of anything.
    pub fn is_primary(&self) -> bool {
        self.binds == Binds::Primary
    }

    fn parenthesised(self) -> String {
        match self.binds {
            Binds::Primary => self.code,
            _ => format!("({})", self.code),
        }
    }
}

/// What can't be said in Verilog, and the way out.
pub type Problem = String;

impl Expr {
    pub fn binary(left: Expr, operator: Binary, right: Expr) -> Expr {
        Expr::Binary(Box::new(left), operator, Box::new(right))
    }

    /// The value of an expression of literals.
    pub fn constant(&self) -> Option<u128> {
        use Binary::*;
        match self {
            Expr::Literal(value) => Some(*value),
            Expr::Binary(left, operator, right) => {
                let (left, right) = (left.constant()?, right.constant()?);
                match operator {
                    Add => left.checked_add(right),
                    Subtract => left.checked_sub(right),
                    Multiply => left.checked_mul(right),
                    ShiftLeft => left.checked_shl(u32::try_from(right).ok()?),
                    ShiftRight => left.checked_shr(u32::try_from(right).ok()?),
                    And => Some(left & right),
                    Or => Some(left | right),
                    Equal => Some((left == right).into()),
                    NotEqual => Some((left != right).into()),
                    Less => Some((left < right).into()),
                    LessEqual => Some((left <= right).into()),
                    Greater => Some((left > right).into()),
                    GreaterEqual => Some((left >= right).into()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Zero whatever the width.
    fn is_zero(&self) -> bool {
        match self {
            Expr::Literal(value) => *value == 0,
            Expr::Cast(inner, _) => inner.is_zero(),
            Expr::Binary(left, Binary::ShiftLeft | Binary::ShiftRight, _) => left.is_zero(),
            Expr::Binary(left, Binary::Or, right) => left.is_zero() && right.is_zero(),
            _ => false,
        }
    }

    pub fn each_signal(&self, visit: &mut dyn FnMut(Id)) {
        match self {
            Expr::Signal(id) => visit(*id),
            Expr::Literal(_) | Expr::Variant(..) => {}
            Expr::Cast(inner, _)
            | Expr::Signed(inner)
            | Expr::Unsigned(inner)
            | Expr::Unary(_, inner) => inner.each_signal(visit),
            Expr::Binary(left, _, right) => {
                left.each_signal(visit);
                right.each_signal(visit);
            }
            Expr::Slice(id, offset, _) => {
                visit(*id);
                offset.each_signal(visit);
            }
            Expr::ReplaceBit(value, index, bit) => {
                value.each_signal(visit);
                index.each_signal(visit);
                bit.each_signal(visit);
            }
        }
    }

    pub fn each_variant(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Expr::Variant(name, _) => visit(name),
            Expr::Signal(_) | Expr::Literal(_) => {}
            Expr::Cast(inner, _)
            | Expr::Signed(inner)
            | Expr::Unsigned(inner)
            | Expr::Unary(_, inner)
            | Expr::Slice(_, inner, _) => inner.each_variant(visit),
            Expr::Binary(left, _, right) => {
                left.each_variant(visit);
                right.each_variant(visit);
            }
            Expr::ReplaceBit(value, index, bit) => {
                value.each_variant(visit);
                index.each_variant(visit);
                bit.each_variant(visit);
            }
        }
    }

    pub fn kind(&self, scope: &dyn Scope) -> Type {
        let exact = |bits, signed| Type {
            bits,
            signed,
            flexible: false,
        };
        if let Some(value) = self.constant() {
            return Type {
                bits: literal_bits(value),
                signed: false,
                flexible: true,
            };
        }
        match self {
            Expr::Signal(id) => exact(scope.bits(*id), scope.signed(*id)),
            Expr::Literal(value) => exact(literal_bits(*value), false),
            Expr::Variant(_, bits) | Expr::Cast(_, bits) => exact(*bits, false),
            Expr::Signed(inner) => Type {
                bits: inner.kind(scope).bits,
                signed: true,
                flexible: true,
            },
            Expr::Unsigned(inner) => Type {
                signed: false,
                ..inner.kind(scope)
            },
            Expr::Unary(Unary::Not | Unary::Negate, inner) => inner.kind(scope),
            Expr::Unary(..) => exact(1, false),
            Expr::Binary(left, operator, right) => {
                let (left, right) = (left.kind(scope), right.kind(scope));
                match operator {
                    _ if operator.compares() || operator.logical() => exact(1, false),
                    Binary::ShiftLeft | Binary::ShiftRight => left,
                    Binary::Multiply => exact(left.bits + right.bits, left.signed),
                    _ => meet(left, right),
                }
            }
            Expr::Slice(id, _, bits) => exact(*bits, scope.signed(*id)),
            Expr::ReplaceBit(value, ..) => value.kind(scope),
        }
    }

    /// Writes the expression at the width of its RustHDL type.
    pub fn write(&self, scope: &dyn Scope) -> Result<Text, Problem> {
        self.write_as(self.kind(scope).bits, scope)
    }

    /// Writes the expression at exactly `bits` bits.
    pub fn write_as(&self, bits: usize, scope: &dyn Scope) -> Result<Text, Problem> {
        if let Some(value) = self.constant() {
            return literal(value, bits);
        }
        if self.is_zero() {
            return literal(0, bits);
        }
        if let Some(code) = self.as_concatenation(bits, scope)? {
            return Ok(Text::primary(code));
        }
        let own = self.kind(scope);
        match self {
            Expr::Cast(inner, cast) if *cast >= bits => inner.write_as(bits, scope),
            Expr::Cast(inner, cast) => {
                let inner = inner.write_as(*cast, scope)?;
                Ok(zero_extended(inner, *cast, bits))
            }
            Expr::Signed(inner) | Expr::Unsigned(inner) if own.bits >= bits => {
                inner.write_as(bits, scope)
            }
            Expr::Signed(inner) => sign_extended(inner.write(scope)?, own.bits, bits),
            _ if own.flexible || own.bits == bits => self.write_own(bits, scope),
            _ if own.bits > bits => self.write_cut(bits, scope),
            _ if own.signed => sign_extended(self.write_own(own.bits, scope)?, own.bits, bits),
            _ => Ok(zero_extended(
                self.write_own(own.bits, scope)?,
                own.bits,
                bits,
            )),
        }
    }

    /// Writes an expression whose own width is `bits`, or that takes any width.
    fn write_own(&self, bits: usize, scope: &dyn Scope) -> Result<Text, Problem> {
        match self {
            Expr::Signal(id) => Ok(Text::primary(scope.name(*id))),
            Expr::Variant(name, _) => Ok(Text::primary(name)),
            Expr::Unsigned(inner) => inner.write_as(bits, scope),
            Expr::Unary(operator, inner) => {
                let (symbol, inner) = match operator {
                    Unary::Not => ("~", inner.write_as(bits, scope)?),
                    Unary::Negate => ("-", inner.write_as(bits, scope)?),
                    Unary::All => ("&", inner.write(scope)?),
                    Unary::Any => ("|", inner.write(scope)?),
                    Unary::Odd => ("^", inner.write(scope)?),
                };
                Ok(Text {
                    code: format!("{symbol}{}", inner.parenthesised()),
                    binds: Binds::Unary,
                })
            }
            Expr::Binary(left, operator, right) => {
                write_binary(left, *operator, right, bits, scope)
            }
            Expr::Slice(id, offset, width) => slice(*id, offset, *width, scope),
            Expr::ReplaceBit(value, index, bit) => {
                let value = value.write_as(bits, scope)?.parenthesised();
                let index = index.write(scope)?.parenthesised();
                let one = literal(1, bits)?.code;
                let bit = zero_extended(bit.write_as(1, scope)?, 1, bits).parenthesised();
                Ok(Text {
                    code: format!("({value} & ~({one} << {index})) | ({bit} << {index})"),
                    binds: Binds::Binary(Binary::Or),
                })
            }
            Expr::Literal(_) | Expr::Cast(..) | Expr::Signed(_) => self.write_as(bits, scope),
        }
    }

    /// Writes the low `bits` bits of a wider expression.
    fn write_cut(&self, bits: usize, scope: &dyn Scope) -> Result<Text, Problem> {
        use Binary::*;
        match self {
            Expr::Signal(id) => slice(*id, &Expr::Literal(0), bits, scope),
            Expr::Slice(id, offset, _) => slice(*id, offset, bits, scope),
            Expr::Unary(Unary::Not | Unary::Negate, _) => self.write_own(bits, scope),
            Expr::Binary(_, Add | Subtract | Multiply | And | Or | Xor | ShiftLeft, _) => {
                self.write_own(bits, scope)
            }
            Expr::Binary(left, ShiftRight, amount) => match (&**left, amount.constant()) {
                (Expr::Signal(id), Some(amount))
                    if amount + bits as u128 <= scope.bits(*id) as u128 =>
                {
                    slice(*id, &Expr::Literal(amount), bits, scope)
                }
                _ => Err(NEEDS_LOCAL.to_owned()),
            },
            _ => Err(NEEDS_LOCAL.to_owned()),
        }
    }

    /// `(a << 6) | (b << 3) | c` of narrow parts that do not overlap is wiring.
    fn as_concatenation(&self, bits: usize, scope: &dyn Scope) -> Result<Option<String>, Problem> {
        if !matches!(self, Expr::Binary(_, Binary::Or | Binary::ShiftLeft, _)) {
            return Ok(None);
        }
        let mut parts = Vec::new();
        if !self.collect_parts(0, bits, scope, &mut parts) {
            return Ok(None);
        }
        parts.sort_by_key(|(offset, ..)| *offset);
        let mut pieces = Vec::new();
        let mut filled = 0;
        for (offset, width, part) in parts {
            if offset >= bits {
                continue;
            }
            if offset < filled {
                return Ok(None);
            }
            if offset > filled {
                pieces.push(literal(0, offset - filled)?.code);
            }
            // What is shifted out at the top is gone.
            let width = width.min(bits - offset);
            let Ok(piece) = part.write_as(width, scope) else {
                return Ok(None);
            };
            pieces.push(piece.code);
            filled = offset + width;
        }
        if filled < bits {
            pieces.push(literal(0, bits - filled)?.code);
        }
        pieces.reverse();
        Ok(match pieces.len() {
            1 => None,
            _ => Some(format!("{{{}}}", pieces.join(", "))),
        })
    }

    fn collect_parts<'a>(
        &'a self,
        shift: usize,
        bits: usize,
        scope: &dyn Scope,
        parts: &mut Vec<(usize, usize, &'a Expr)>,
    ) -> bool {
        match self {
            _ if self.is_zero() => true,
            Expr::Binary(left, Binary::Or, right) => {
                left.collect_parts(shift, bits, scope, parts)
                    && right.collect_parts(shift, bits, scope, parts)
            }
            Expr::Binary(left, Binary::ShiftLeft, amount) => {
                let Some(amount) = amount.constant().and_then(|a| usize::try_from(a).ok()) else {
                    return false;
                };
                // Only at full width is what is shifted out at the top cut off.
                let kind = left.kind(scope);
                !kind.flexible
                    && kind.bits == bits
                    && left.collect_parts(shift + amount, bits, scope, parts)
            }
            Expr::Cast(inner, cast) => {
                let kind = inner.kind(scope);
                match !kind.flexible && !kind.signed && kind.bits <= *cast {
                    true => {
                        parts.push((shift, kind.bits, inner));
                        true
                    }
                    false => false,
                }
            }
            Expr::Signal(_) | Expr::Slice(..) => {
                let kind = self.kind(scope);
                parts.push((shift, kind.bits, self));
                !kind.signed
            }
            _ => false,
        }
    }
}

const NEEDS_LOCAL: &str =
    "Verilog has no way to cut this expression to fewer bits; assign it to a `Signal<Local, _>` \
     of its own width and cut that";

fn meet(left: Type, right: Type) -> Type {
    match (left.flexible, right.flexible) {
        (true, false) => right,
        (false, true) => left,
        _ => Type {
            bits: left.bits.max(right.bits),
            signed: left.signed && right.signed,
            flexible: left.flexible,
        },
    }
}

fn write_binary(
    left: &Expr,
    operator: Binary,
    right: &Expr,
    bits: usize,
    scope: &dyn Scope,
) -> Result<Text, Problem> {
    let (left_type, right_type) = (left.kind(scope), right.kind(scope));
    let (left, right) = if operator.compares() {
        let common = meet(left_type, right_type);
        let signed = (left_type.signed || left.constant().is_some())
            && (right_type.signed || right.constant().is_some());
        let operand = |expr: &Expr| -> Result<Text, Problem> {
            let text = expr.write_as(common.bits, scope)?;
            let plain_signed = matches!(expr, Expr::Signal(id) if scope.signed(*id));
            Ok(match (signed, plain_signed) {
                (true, false) => Text::primary(format!("$signed({})", text.code)),
                _ => text,
            })
        };
        (operand(left)?, operand(right)?)
    } else {
        match operator {
            Binary::LogicalAnd | Binary::LogicalOr => {
                (left.write_as(1, scope)?, right.write_as(1, scope)?)
            }
            Binary::ShiftLeft | Binary::ShiftRight => {
                let amount = match right.constant() {
                    Some(amount) => Text::primary(amount.to_string()),
                    None => right.write(scope)?,
                };
                (left.write_as(bits, scope)?, amount)
            }
            _ => (left.write_as(bits, scope)?, right.write_as(bits, scope)?),
        }
    };
    let operand = |text: Text, is_left: bool| match text.binds {
        Binds::Primary | Binds::Unary => text.code,
        Binds::Binary(inner) if inner == operator && operator.associative() && is_left => text.code,
        Binds::Binary(inner) if operator.logical() && !inner.logical() => text.code,
        Binds::Binary(_) => format!("({})", text.code),
    };
    Ok(Text {
        code: format!(
            "{} {} {}",
            operand(left, true),
            operator.symbol(),
            operand(right, false)
        ),
        binds: Binds::Binary(operator),
    })
}

fn slice(id: Id, offset: &Expr, bits: usize, scope: &dyn Scope) -> Result<Text, Problem> {
    let (name, all) = (scope.name(id), scope.bits(id));
    let code = match offset.constant() {
        Some(low) => {
            let low = usize::try_from(low).unwrap_or(usize::MAX);
            if low.saturating_add(bits) > all {
                return Err(format!(
                    "bits {low} to {} of `{name}` are taken, and it has {all} bits",
                    low.saturating_add(bits) - 1
                ));
            }
            match bits {
                _ if bits == all => name.to_owned(),
                1 => format!("{name}[{low}]"),
                _ => format!("{name}[{}:{low}]", low + bits - 1),
            }
        }
        None if bits == 1 => format!("{name}[{}]", offset.write(scope)?.code),
        None => format!("{name}[{} +: {bits}]", offset.write(scope)?.parenthesised()),
    };
    Ok(Text::primary(code))
}

fn zero_extended(text: Text, from: usize, to: usize) -> Text {
    match to - from {
        0 => text,
        more => Text::primary(format!("{{{more}'d0, {}}}", text.code)),
    }
}

fn sign_extended(text: Text, from: usize, to: usize) -> Result<Text, Problem> {
    let is_name = text
        .code
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_name {
        return Err(
            "Verilog has no way to sign-extend this expression; assign it to a \
             `Signal<Local, Signed<_>>` of its own width and extend that"
                .to_owned(),
        );
    }
    let name = text.code;
    let sign = match from {
        1 => name.clone(),
        _ => format!("{name}[{}]", from - 1),
    };
    Ok(Text::primary(match to - from {
        1 => format!("{{{sign}, {name}}}"),
        more => format!("{{{{{more}{{{sign}}}}}, {name}}}"),
    }))
}

fn literal_bits(value: u128) -> usize {
    (128 - value.leading_zeros() as usize).max(1)
}

/// A sized literal: decimal where that reads best.
pub fn literal(value: u128, bits: usize) -> Result<Text, Problem> {
    if literal_bits(value) > bits {
        return Err(format!("the literal {value} does not fit into {bits} bits"));
    }
    let mut code = format!("{bits}'");
    let _ = match (bits, value) {
        (1, _) => write!(code, "b{value}"),
        (_, 0..=9) => write!(code, "d{value}"),
        _ => write!(code, "h{value:x}"),
    };
    Ok(Text::primary(code))
}
