//! 20 denied calls in 24 hours, for each principal.
//!
//! Panther's rule `AWS.SecretsManager.RetrieveSecrets`: `GetSecretValue` with `AccessDenied`,
//! threshold 20, deduplicated for 1,440 minutes. A day begins with its first call and raises at
//! most one alert, which is the rule's own deduplication.

use super::Seen;

const SECONDS: i64 = 86_400;
const CALLS: u32 = 20;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Denied {
    began: Option<i64>,
    calls: u32,
}

impl Denied {
    pub(super) fn see(&mut self, seen: Seen) -> Option<i64> {
        if self.began.is_none_or(|began| seen.time - began >= SECONDS) {
            *self = Self { began: Some(seen.time), calls: 0 };
        }
        self.calls += 1;
        (self.calls == CALLS).then_some(seen.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twentieth_call_of_a_day_is_told_and_no_other() {
        let mut rule = Denied::default();
        let calls = (0..60).map(|hour| Seen { time: hour * 1800, secret: 1, session: 0 });
        let alerts: Vec<i64> = calls.filter_map(|seen| rule.see(seen)).collect();
        assert_eq!(alerts, [19 * 1800]);
        let next_day = (0..20).map(|i| Seen { time: 96 * 1800 + i, secret: 1, session: 0 });
        assert_eq!(next_day.filter_map(|seen| rule.see(seen)).count(), 1);
    }
}
