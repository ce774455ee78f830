//! Which hits of a rule become alerts: the same for all rules as for Rattle.

/// Seconds without a hit after which an episode is over.
const QUIET: i64 = 3600;
/// Seconds after which an episode that continues is reported again.
const REMINDER: i64 = 86_400;

/// The hits of one rule for one principal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Episode {
    hit: Option<i64>,
    alert: Option<i64>,
}

impl Episode {
    /// Records a hit and returns whether it is reported.
    pub(super) fn reports(&mut self, at: i64) -> bool {
        let open = self.hit.is_some_and(|hit| at - hit <= QUIET);
        self.hit = Some(at);
        let reports = !open || self.alert.is_none_or(|alert| at - alert >= REMINDER);
        if reports {
            self.alert = Some(at);
        }
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_told_when_it_begins_and_after_a_day() {
        let mut episode = Episode::default();
        let hits = (0..60).map(|half_hour| half_hour * 1800);
        let reported: Vec<i64> = hits.filter(|at| episode.reports(*at)).collect();
        assert_eq!(reported, [0, 86_400]);
        assert!(episode.reports(59 * 1800 + QUIET + 1));
    }
}
