//! All integration tests in one binary.
#![allow(missing_docs, unreachable_pub, reason = "tests are named by what they show")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    clippy::large_futures,
    reason = "tests are not hot"
)]

mod alerts;
mod cloudtrail;
mod containers;
mod decisions;
#[cfg(feature = "lambda")]
mod dynamodb;
mod email;
mod findings;
mod hostile_input;
mod left_alone;
#[cfg(feature = "lambda")]
mod local_aws;
mod properties;
mod replay_command;
mod support;
mod traces;
mod vectors;
