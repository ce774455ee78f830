//! The detectors that are compared.

mod rattle;

use ::rattle::detection::finding::Severity;
use serde::Serialize;

pub use self::rattle::Rattle;

/// One alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When it is sent, in epoch seconds.
    pub at: i64,
    /// How urgent it is, if the detector says so.
    pub severity: Option<Severity>,
}

/// A detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detector {
    /// Rattle with its defaults.
    Rattle,
}
