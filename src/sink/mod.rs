//! Where alerts go.

#[cfg(feature = "lambda")]
pub mod sns;

use std::convert::Infallible;

use crate::detection::finding::Finding;
use crate::weekly_digest::WeeklyDigest;

/// Dispositions findings. Two sinks implement it: SNS, and one that leaves them to its caller.
#[expect(async_fn_in_trait, reason = "each binary awaits one sink on one thread")]
pub trait Sink {
    /// Why it failed.
    type Error;

    /// Dispositions one finding.
    async fn publish(&self, finding: &Finding) -> Result<Receipt, Self::Error>;

    /// Dispositions the digest of a week.
    async fn publish_weekly_digest(&self, digest: &WeeklyDigest) -> Result<(), Self::Error>;

    /// Says once that more than `limit` alerts were due in this hour, `finding` being the
    /// first that is held back.
    async fn publish_storm(&self, finding: &Finding, limit: u32) -> Result<(), Self::Error>;
}

/// What became of an alert that is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Whether chat was to show it, and its topic did not take the message.
    pub chat_failed: bool,
}

/// Dispositions nothing: whoever replays gets the findings as the result of each delivery.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeftToCaller;

impl Sink for LeftToCaller {
    type Error = Infallible;

    async fn publish(&self, _: &Finding) -> Result<Receipt, Infallible> {
        Ok(Receipt::default())
    }

    async fn publish_weekly_digest(&self, _: &WeeklyDigest) -> Result<(), Infallible> {
        Ok(())
    }

    async fn publish_storm(&self, _: &Finding, _: u32) -> Result<(), Infallible> {
        Ok(())
    }
}
