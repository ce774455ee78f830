//! Turns findings into sentences, a file for each kind of subscriber. Nothing is decided here.

mod cause;
pub mod chat;
mod command;
mod deployment;
pub mod digest;
pub mod email;
mod layout;
pub mod machine;
mod mute;
pub mod pager;
mod rotation;
pub mod sms;
pub mod storm;
pub mod title;
mod triage;
mod workload;

pub use deployment::Deployment;
pub use machine::MachineFormat;
