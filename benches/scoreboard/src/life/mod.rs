//! The lives of principals: who asks for which secret, and when.

pub mod benign;
mod habit;

use crate::chance::Chance;

/// 2026-01-05T00:00:00Z, a Monday.
pub const EPOCH: i64 = 1_767_571_200;
pub const DAY: i64 = 86_400;
pub const HOUR: i64 = 3600;
/// Number of days for which a life is watched.
pub const DAYS: i64 = 45;
/// Days after which a detector has had time to learn.
pub const LEARNING_DAYS: i64 = 14;
/// Number of secrets in the account.
pub const ACCOUNT_SECRETS: u32 = 4000;

/// One denied call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// In epoch seconds.
    pub time: i64,
    /// Number of the secret in the account.
    pub secret: u32,
    /// Number of the session. Most principals stay in one session for a day.
    pub session: u32,
    /// Whether an attacker made it.
    pub attack: bool,
    /// Number of the AWS Region.
    pub region: u8,
}

impl Call {
    /// A harmless call in the session of its day.
    pub fn harmless(time: i64, secret: u32) -> Self {
        Self { time, secret, session: session_of_day(time), attack: false, region: 0 }
    }
}

/// The session of a principal on that day.
pub fn session_of_day(time: i64) -> u32 {
    u32::try_from((time - EPOCH).div_euclid(DAY)).unwrap_or(0)
}

/// One principal's harmless life.
#[derive(Clone, Debug)]
pub struct Life {
    /// First second that is watched.
    pub start: i64,
    /// First second of the principal's existence.
    pub born: i64,
    /// First second after the watch.
    pub end: i64,
    /// Secrets that it asks for habitually.
    pub pool: Vec<u32>,
    /// Sorted by time.
    pub calls: Vec<Call>,
    /// Earliest and latest second at which an attack on top of it may begin.
    pub attackable: (i64, i64),
}

impl Life {
    /// Whether the detector has had time to learn by then.
    pub fn is_learnt(&self, time: i64) -> bool {
        time >= self.start + LEARNING_DAYS * DAY
    }

    /// Seconds of existence while the detector learned, and after that.
    pub fn seconds(&self) -> [i64; 2] {
        let learnt = self.start + LEARNING_DAYS * DAY;
        [(learnt - self.born).max(0), self.end - self.born.max(learnt)]
    }
}

/// Secrets of the account that this principal does not use, in random order.
pub fn foreign_secrets(chance: &mut Chance, pool: &[u32], how_many: u32) -> Vec<u32> {
    let spare = u32::try_from(pool.len()).unwrap_or(u32::MAX);
    let mut secrets = chance.choose(ACCOUNT_SECRETS, how_many.saturating_add(spare));
    secrets.retain(|secret| !pool.contains(secret));
    secrets.truncate(how_many as usize);
    secrets
}
