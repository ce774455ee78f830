//! 20 different secrets in 5 minutes, for each caller id.
//!
//! The threshold of Elastic's rule "AWS Secrets Manager Rapid Secrets Retrieval": 20 or more unique
//! `request_parameters` by `user.id`, evaluated every 5 minutes. That rule counts calls that
//! succeed; here it counts denied ones. The caller id of a role includes its session.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use super::{Episode, Seen};

const SECONDS: i64 = 300;
const SECRETS: usize = 20;

#[derive(Clone, Debug, Default)]
pub(super) struct Distinct {
    /// Calls of the last 5 minutes in all sessions, the oldest first.
    recent: VecDeque<Seen>,
    episodes: BTreeMap<u32, Episode>,
}

impl Distinct {
    pub(super) fn see(&mut self, seen: Seen) -> Option<i64> {
        while self.recent.front().is_some_and(|first| first.time <= seen.time - SECONDS) {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
        if self.recent.len() < SECRETS {
            return None;
        }
        let of_session = self.recent.iter().filter(|recent| recent.session == seen.session);
        let mut secrets: Vec<u32> = of_session.map(|recent| recent.secret).collect();
        secrets.sort_unstable();
        secrets.dedup();
        let hit = secrets.len() >= SECRETS;
        (hit && self.episodes.entry(seen.session).or_default().reports(seen.time))
            .then_some(seen.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alerts(gap: i64, secrets: u32) -> usize {
        let mut rule = Distinct::default();
        let calls =
            (0..100).map(|i| Seen { time: i64::from(i) * gap, secret: i % secrets, session: 0 });
        calls.filter_map(|seen| rule.see(seen)).count()
    }

    #[test]
    fn twenty_secrets_in_five_minutes_are_told_once() {
        assert_eq!(alerts(15, 20), 1);
        assert_eq!(alerts(15, 19), 0);
        assert_eq!(alerts(16, 20), 0);
    }
}
