//! The passes, in the order in which they run:
//!
//! ```text
//!  bytes ─import─► Graph ─fold─► Graph ─fuse─► Network ─prove─► constants
//!                                                 └───────tile─► Plan ─emit─► Program
//! ```

pub mod emit;
pub mod fold;
pub mod fuse;
pub mod import;
pub mod prove;
pub mod tile;
