//! The bodies for programs.

pub mod asff;
pub mod ocsf;
pub mod rattle;

use self::rattle::FindingLine;
use super::deployment::Deployment;
use crate::detection::finding::Finding;

/// The JSON that goes to SQS and Lambda subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MachineFormat {
    /// Schema `rattle.finding/1`.
    #[default]
    Rattle,
    /// AWS Security Finding Format.
    Asff,
    /// Open Cybersecurity Schema Framework, Detection Finding.
    Ocsf,
}

impl MachineFormat {
    /// One line of JSON.
    pub fn body(
        self,
        finding: &Finding,
        deployment: &Deployment,
    ) -> Result<String, serde_json::Error> {
        match self {
            Self::Rattle => serde_json::to_string(&FindingLine::of(finding)),
            Self::Asff => serde_json::to_string(&asff::finding(finding, deployment)),
            Self::Ocsf => serde_json::to_string(&ocsf::finding(finding)),
        }
    }
}
