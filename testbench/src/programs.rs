//! Programs for tests: random legal ones, what they cover, and what is left of one
//! that fails.
//!
//! ```text
//!  seed ─► random ─► Recipe ─► Program ─► machines agree? ──no──► shrink ─► Recipe
//!                      └─► coverage
//! ```
//! A [`Recipe`] is a program before assembly: steps that can be left out or made
//! smaller one by one, while the assembler finds the waits and places in host memory
//! anew.

pub mod coverage;
mod differential;
pub mod malformed;
mod random;
mod recipe;
mod shrink;

pub use differential::{
    agree, campaign, Campaign, Disagreement, Ended, Failure, Gaps, Power, Trial,
};
pub use random::{
    fill_accumulators, load_everything, parameters, random_activate, random_matrix, random_program,
    random_recipe, random_step, Random,
};
pub use recipe::{raw, Recipe, Step, Writer};
pub use shrink::shrink;
