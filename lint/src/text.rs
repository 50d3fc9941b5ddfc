//! Expressions as RustHDL writes them in Verilog, and how Verilog would group them.

use crate::design::Module;
use crate::kernel::Expr;
use rust_hdl::core::ast::{VerilogOp, VerilogOpUnary};

/// The expression's Verilog, without parentheses that RustHDL does not write.
pub fn render(expr: &Expr, module: &Module) -> String {
    let text = |inner: &Expr| render(inner, module);
    match expr {
        Expr::Signal(id) => module.signals[*id].name.clone(),
        Expr::Literal(value, _, true) => value.to_string(),
        Expr::Literal(value, bits, false) => format!("{bits}'h{value:x}"),
        Expr::Unknown => "?".to_owned(),
        Expr::Cast(inner, bits) => format!("bits::<{bits}>({})", text(inner)),
        Expr::Signed(inner) => format!("$signed({})", text(inner)),
        Expr::Unsigned(inner) => format!("$unsigned({})", text(inner)),
        Expr::Paren(inner) => format!("({})", text(inner)),
        Expr::Binary(left, operator, right) => {
            format!("{} {} {}", text(left), symbol(operator), text(right))
        }
        Expr::Unary(operator, inner) => {
            let symbol = match operator {
                VerilogOpUnary::Not => "~",
                VerilogOpUnary::Neg => "-",
                VerilogOpUnary::All => "&",
                VerilogOpUnary::Any => "|",
                VerilogOpUnary::Xor => "^",
            };
            format!("{symbol}{}", text(inner))
        }
        Expr::Slice(of, 1, offset) => format!("{}[{}]", text(of), text(offset)),
        Expr::Slice(of, bits, offset) => format!("{}[{} +: {bits}]", text(of), text(offset)),
        Expr::ReplaceBit(value, index, bit) => format!(
            "{}.replace_bit({}, {})",
            text(value),
            text(index),
            text(bit)
        ),
    }
}

pub fn symbol(operator: &VerilogOp) -> &'static str {
    match operator {
        VerilogOp::Add => "+",
        VerilogOp::Sub => "-",
        VerilogOp::Mul => "*",
        VerilogOp::LogicalAnd => "&&",
        VerilogOp::LogicalOr => "||",
        VerilogOp::BitXor => "^",
        VerilogOp::BitAnd => "&",
        VerilogOp::BitOr => "|",
        VerilogOp::Shl => "<<",
        VerilogOp::Shr => ">>",
        VerilogOp::Eq => "==",
        VerilogOp::Lt => "<",
        VerilogOp::Le => "<=",
        VerilogOp::Ne => "!=",
        VerilogOp::Ge => ">=",
        VerilogOp::Gt => ">",
    }
}

/// How tightly an operator binds in Verilog (IEEE 1364-2005, table 5-4).
fn strength(operator: &VerilogOp) -> u8 {
    match operator {
        VerilogOp::Mul => 10,
        VerilogOp::Add | VerilogOp::Sub => 9,
        VerilogOp::Shl | VerilogOp::Shr => 8,
        VerilogOp::Lt | VerilogOp::Le | VerilogOp::Gt | VerilogOp::Ge => 7,
        VerilogOp::Eq | VerilogOp::Ne => 6,
        VerilogOp::BitAnd => 5,
        VerilogOp::BitXor => 4,
        VerilogOp::BitOr => 3,
        VerilogOp::LogicalAnd => 2,
        VerilogOp::LogicalOr => 1,
    }
}

/// Whether Verilog groups the operands of this node as Rust has grouped them.
pub fn groups_as_in_rust(left: &Expr, operator: &VerilogOp, right: &Expr) -> bool {
    let own = strength(operator);
    let left_holds = match left {
        Expr::Binary(_, inner, _) => strength(inner) >= own,
        _ => true,
    };
    let right_holds = match right {
        Expr::Binary(_, inner, _) => strength(inner) > own,
        _ => true,
    };
    left_holds && right_holds
}
