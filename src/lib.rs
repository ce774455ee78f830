//! Detects enumeration of AWS Secrets Manager secrets: a principal that is
//! refused `GetSecretValue` far more often, or over far more different secrets,
//! than it usually is.
//!
//! One line of flow, left to right:
//!
//! ```text
//! bytes -> CloudTrail record -> Denial -> PrincipalState -> Assessment -> Finding -> Alert
//!          [cloudtrail]                   [detection]                     [alert]
//! ```
//!
//! [`cloudtrail`] and [`detection`] decide everything. They are deterministic
//! functions of their arguments: no clock, no environment, no I/O, no logging.
//! Event time is the only clock.

pub mod alert;
#[cfg(feature = "cli")]
pub mod analysis;
#[cfg(feature = "dynamodb")]
pub mod aws;
pub mod cloudtrail;
pub mod detection;
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
