//! Where alerts go.

#[cfg(feature = "lambda")]
pub mod sns;

use std::convert::Infallible;

use crate::detection::finding::Finding;
use crate::weekly_digest::WeeklyDigest;

/// Two sinks implement it: SNS, and one for replays, which sends nothing.
#[expect(async_fn_in_trait, reason = "each binary awaits one sink on one thread")]
pub trait Sink {
    type Error;

    async fn publish(&self, finding: &Finding) -> Result<Receipt, Self::Error>;

    async fn publish_weekly_digest(&self, digest: &WeeklyDigest) -> Result<(), Self::Error>;

    /// Announces that more than `limit` alerts were due in one hour. `finding` is the first over
    /// the limit.
    async fn publish_storm(&self, finding: &Finding, limit: u32) -> Result<(), Self::Error>;
}

/// How the publication of an alert went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Whether the topic for chat did not take the message. The alert itself was sent.
    pub chat_failed: bool,
}

/// Sends nothing. A replay gets each finding as the result of its delivery.
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
