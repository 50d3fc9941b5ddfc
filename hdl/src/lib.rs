//! Quern's hardware units in RustHDL, one file per unit.

mod accumulators;
mod activation_buffer;
mod activation_lane;
mod bytes;
mod column;
mod column_sum;
mod conditional_add;
mod conditional_subtract;
mod lane;
mod lane_chain;
mod loadable_add;
pub mod matrix_unit;
mod memory;
mod multiplier_stage;
mod native;
mod column_select;
mod digit_multiplier;
mod parameter_fields;
pub mod requantise;
mod round_significand;
mod rounding;
pub mod verilog;

pub use accumulators::Accumulators;
pub use activation_buffer::ActivationBuffer;
pub use activation_lane::ActivationLane;
pub use bytes::{Bytes, PackBytes};
pub use column::Column;
pub use column_sum::ColumnSum;
pub use conditional_add::ConditionalAdd;
pub use conditional_subtract::ConditionalSubtract;
pub use lane::Lane;
pub use lane_chain::LaneChain;
pub use loadable_add::LoadableAdd;
pub use matrix_unit::MatrixUnit;
pub use memory::Memory;
pub use multiplier_stage::{
    MultiplierRows2Signed, MultiplierRows3, MultiplierStage2Signed, MultiplierStage3,
};
pub use column_select::ColumnSelect;
pub use digit_multiplier::DigitMultiplier;
pub use parameter_fields::ParameterFields;
pub use requantise::Requantise;
pub use round_significand::RoundSignificand;
pub use rounding::Rounding;
