//! All integration tests in one binary.
#![allow(missing_docs, unreachable_pub, reason = "tests are named by what they show")]

mod cloudtrail;
mod containers;
mod decisions;
mod email;
mod hostile_input;
mod properties;
mod replay_command;
mod support;
mod traces;
mod vectors;
