//! All integration tests in one binary.
#![allow(unreachable_pub, reason = "tests are named by what they show")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    clippy::large_futures,
    reason = "tests are not hot"
)]

#[cfg(feature = "lambda")]
mod abuse;
mod alerts;
mod cloudtrail;
mod containers;
mod decisions;
#[cfg(feature = "lambda")]
mod dynamodb;
mod email;
#[cfg(feature = "lambda")]
mod episodes;
#[cfg(feature = "lambda")]
mod faults;
mod findings;
mod history;
#[cfg(feature = "lambda")]
mod hostile_events;
mod hostile_input;
mod left_alone;
#[cfg(feature = "lambda")]
mod local_aws;
#[cfg(feature = "lambda")]
mod loopback;
mod message;
mod properties;
#[cfg(feature = "lambda")]
mod reads;
mod replay_command;
#[cfg(all(feature = "seed", feature = "lambda"))]
mod seed;
mod settings;
mod settings_table;
#[cfg(feature = "lambda")]
mod stored_finding;
mod support;
#[cfg(feature = "lambda")]
mod topic;
mod traces;
mod tuning;
mod vectors;
mod wording;
