//! Detects enumeration of AWS Secrets Manager secrets: a principal that is refused
//! `GetSecretValue` far more often, or over far more different secrets, than it usually is.
//!
//! One line of flow, left to right:
//!
//! ```text
//! bytes -> Event -> Denial -> Transition -> Assessment -> Decision -> Finding -> Outbox -> Alert -> SNS
//!          [cloudtrail]       [store]       [detection]                          [engine]  [alert]  [sink]
//! ```
//!
//! - [`cloudtrail`] and [`detection`] are pure: deterministic functions of their arguments,
//!   without clock, environment, I/O or log. Event time is their only clock. Facts go in and
//!   facts come out; only [`alert`] makes sentences of them.
//! - A delivery changes a stored state by one pure function, [`store::transition`], whatever
//!   the store.
//! - A finding waits in an outbox from its claim to its confirmation, so that a process may die
//!   at any moment and nothing is lost. [`engine::outbox`] is the only way out.
//!
//! `ARCHITECTURE.md` has the layers, what holds each of these promises, and where to change what.

pub mod alert;
#[cfg(feature = "cli")]
pub mod analysis;
#[cfg(feature = "dynamodb")]
pub mod aws;
pub mod cloudtrail;
pub mod detection;
pub mod disposition;
pub mod engine;
pub mod ignore;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "cli")]
pub mod replay;
pub mod settings;
mod sha256;
pub mod sink;
pub mod store;
pub mod text;
pub mod weekly_digest;
pub mod wording;
