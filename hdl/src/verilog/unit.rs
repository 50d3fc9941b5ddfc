//! A unit's name in Verilog.
//!
//! RustHDL shows an exporter a block's ports, parts and code, but not its type.
//! `Logic::timing`, a provided method that nothing else here uses, is visible
//! through `dyn Block`, and carries the type's name and the unit's description.

use rust_hdl::core::timing::TimingInfo;
use rust_hdl::prelude::*;

/// Names a unit in exported Verilog and says in a line what it does. It stands in
/// the unit's `impl Logic`:
///
/// ```
/// use quern_hdl::unit;
/// use rust_hdl::prelude::*;
///
/// #[derive(LogicBlock, Default)]
/// pub struct Inverter<const N: usize> {
///     pub x: Signal<In, Bits<N>>,
///     pub y: Signal<Out, Bits<N>>,
/// }
///
/// impl<const N: usize> Logic for Inverter<N> {
///     unit!("Inverts every bit: `y = ~x`.");
///
///     #[hdl_gen]
///     fn update(&mut self) {
///         self.y.next = !self.x.val();
///     }
/// }
/// ```
/// An `Inverter<8>` becomes module `inverter_8`, and the line its comment.
#[macro_export]
macro_rules! unit {
    ($about:literal) => {
        fn timing(&self) -> Vec<::rust_hdl::core::timing::TimingInfo> {
            $crate::verilog::name_unit::<Self>($about)
        }
    };
}

const MARK: &str = "quern unit";

/// What [`unit!`] expands to.
#[doc(hidden)]
pub fn name_unit<T>(about: &str) -> Vec<TimingInfo> {
    vec![TimingInfo {
        name: std::any::type_name::<T>().to_owned(),
        clock: MARK.to_owned(),
        inputs: vec![about.to_owned()],
        outputs: Vec::new(),
    }]
}

/// Name with parameters, and description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub about: String,
}

/// What a block says of itself, if it does.
pub fn unit_of(block: &dyn Block) -> Option<Unit> {
    let info = block.timing().into_iter().find(|info| info.clock == MARK)?;
    Some(Unit {
        name: module_name(&info.name),
        about: info.inputs.concat(),
    })
}

/// RustHDL's own flip-flop declares its timing.
pub fn is_flip_flop(block: &dyn Block) -> bool {
    block.timing().iter().any(|info| info.name == "dff")
}

/// `quern_hdl::memory::Memory<6, 8, 9>` becomes `memory_6_8_9`.
pub fn module_name(type_name: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for part in type_name.split(['<', '>', ',', ' ', '[', ']', ';', '(', ')', '&']) {
        let word = part.rsplit("::").next().unwrap_or(part);
        if !word.is_empty() {
            words.push(snake_case(word));
        }
    }
    words.join("_")
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut last = None;
    for letter in name.chars() {
        let starts_word = match last {
            None | Some('_') => false,
            Some(last) if letter.is_ascii_digit() => !char::is_ascii_digit(&last),
            Some(last) => letter.is_uppercase() && !last.is_uppercase(),
        };
        if starts_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
        last = Some(letter);
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_after_its_type_and_parameters() {
        for (type_name, expected) in [
            ("a::conditional_add::ConditionalAdd<9>", "conditional_add_9"),
            ("quern_hdl::Memory<6, 8, 9>", "memory_6_8_9"),
            ("x::MultiplierStage2Signed", "multiplier_stage_2_signed"),
            ("x::Pair<x::Inner<3>, true>", "pair_inner_3_true"),
        ] {
            assert_eq!(module_name(type_name), expected);
        }
    }
}
