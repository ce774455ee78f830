//! Renderings of a finding for those who get it. Pure: no rendering decides anything.

pub mod asff;
pub mod chat;
mod command;
mod deployment;
pub mod digest;
pub mod email;
mod headline;
pub mod json;
mod machine;
pub mod ocsf;
pub mod pager;
mod rotation;
pub mod sms;
pub mod storm;
mod triage;
mod workload;

pub use deployment::Deployment;
pub use headline::subject;
pub use machine::MachineFormat;
