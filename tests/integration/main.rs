//! All integration tests in one binary.
#![allow(missing_docs, unreachable_pub, reason = "tests are named by what they show")]

mod decisions;
mod email;
mod properties;
mod support;
mod traces;
mod vectors;
