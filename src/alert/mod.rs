//! Renderings of a finding for those who get it. Pure: no rendering decides anything.

mod command;
pub mod email;
pub mod json;
mod triage;
