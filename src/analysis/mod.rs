//! Questions to a history beyond its findings: how one decision was made, what other settings
//! would have reported, and a page with all of it.

pub mod counterfactual;
pub mod explain;
mod paragraph;
pub mod report;
pub mod sweep;
