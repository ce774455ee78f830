//! All integration tests in one binary.
#![allow(missing_docs, unreachable_pub, reason = "tests are named by what they show")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "tests are not hot")]

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
