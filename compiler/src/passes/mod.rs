//! The passes, in the order in which they run:
//!
//! ```text
//!  bytes ─import─► Graph ─fold─► share─► merge─► Graph ─lower─► Network ─join─► place─► prune─► Network ─prove─► constants
//!                                                                  └───────tile─► Plan ─emit─► Program
//! ```

pub mod fold;
pub mod import;
pub mod join;
pub mod lower;
pub mod merge;
pub mod place;
pub mod prune;
pub mod share;
