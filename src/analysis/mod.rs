//! What a history says beyond its findings: why one was decided, what other settings would
//! have given, and all of it as a page.

pub mod counterfactual;
pub mod explain;
mod paragraph;
pub mod report;
pub mod sweep;
