//! The passes of the back end, in the order in which they run:
//!
//! ```text
//!  Network ─legalise, wide_sums─► Network ─pack─► Networks ─stack, place─► the cheapest Plan
//!                                                            (tile, vector_tile)   │
//!          ─prove─► parameters ─────────────────────────────────────────┤
//!                                                                     lower
//!                               Program ◄─emit─ actions ◄─schedule─ actions
//! ```

pub mod action;
pub mod batch;
pub mod cost;
pub mod emit;
pub mod large_bias;
pub mod legalise;
pub mod listing;
pub mod lower;
pub mod memory;
pub mod on_host;
pub mod pack;
pub mod place;
pub mod prove;
pub mod report;
pub mod ring;
pub mod schedule;
pub mod short_scale;
pub mod tile;
pub mod vector_tile;
pub mod wide_sums;
pub mod windows;
