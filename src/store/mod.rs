//! Where the state of each principal is kept.

pub mod memory;
