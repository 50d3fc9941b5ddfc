//! Every claim made of Quern's hardware, and the check that shows it.
//!
//! ```text
//!  checks() ──► run ──► Report ──► JSON
//!  (registry)    │         └─────► page (HTML)
//!                └── Observer: progress
//! ```
//! A [`Check`] carries its claim and, once somebody has written it, the function that
//! runs it. The [`Outcome`] says what kind of [`Evidence`] was found, with figures, and
//! which seeded faults the check caught: a check that can't fail shows nothing. A claim
//! without a function, or one that only a full run checks, is reported as "not yet
//! checked"; a check whose tool is missing as "not shown".
//!
//! New checks go into a module of their own under [`checks`], which hands its list to
//! [`checks::all`].

#![forbid(unsafe_code)]

mod check;
pub mod checks;
mod equivalence;
mod image;
mod mutation;
pub mod page;
mod proof;
mod report;
mod run;
pub mod tool;

pub use check::{Check, Control, Evidence, Figures, Group, Mode, Obstacle, Outcome, Session};
pub use report::{CheckReport, Proofs, Report, Status};
pub use run::{run, Observer, Options};
