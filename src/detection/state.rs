//! What the detector remembers of one principal, and how a denial changes it.

use jiff::SignedDuration;

use super::alerting::{AlertState, EpisodeSummary, EpisodeTotals};
use super::baseline::Baseline;
use super::evidence::{EVIDENCE_SLOTS, Evidence};
use super::policy::{MAX_AGE_SECONDS, MAX_IDS, Policy};
use super::window::{Axis, Scale, Signal, Window};
use crate::cloudtrail::call::{Delivery, Denial, EventDigest};
use crate::cloudtrail::secret_set::SecretSet;

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Counted,
    /// Its event id was counted before, so nothing changed.
    Duplicate,
    /// The open window already holds [`MAX_IDS`] denials, so nothing changed.
    WindowFull,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Duplicate => "duplicate",
            Self::WindowFull => "saturated",
        }
    }
}

/// Everything the detector remembers of one principal. Its size is bounded whatever comes in:
/// two lists of at most [`MAX_IDS`] digests, the rest is of fixed size.
#[derive(Clone, Debug, PartialEq)]
pub struct PrincipalState {
    /// The open 5-minute window: the newest in which a denial was seen.
    pub window: Window,
    /// The window of the first denial ever.
    pub first_window: Window,
    /// In the open window of each scale.
    pub denials: [u32; 3],
    /// Secrets refused in the open window.
    pub secrets: SecretSet,
    /// New secrets of the closed windows of the open hour.
    pub new_in_hour: u32,
    /// New secrets of the closed windows of the open day.
    pub new_in_day: u32,
    /// Secrets refused in closed windows of the open day.
    pub today: SecretSet,
    /// Secrets refused on one earlier day of this generation.
    pub once: SecretSet,
    /// Secrets refused again on a later day, in this generation.
    pub known: SecretSet,
    /// The same of the previous generation.
    pub known_before: SecretSet,
    /// By signal, then by scale.
    pub baselines: [[Baseline; 3]; 2],
    /// Time of the denial that opened the open window of each scale, in epoch seconds.
    pub opened: [i64; 3],
    /// Digests of the event ids counted in the open window, in rising order.
    pub ids: Vec<EventDigest>,
    /// The same of the window that was open before.
    pub ids_before: Vec<EventDigest>,
    /// Latest denial of each slot.
    pub evidence: [Option<Evidence>; EVIDENCE_SLOTS],
    pub alerting: AlertState,
}

impl PrincipalState {
    /// The state of a principal that is first seen now. The denial itself is not yet counted.
    pub fn opened_by(denial: &Denial) -> Self {
        let window = Window::containing(denial.time());
        Self {
            window,
            first_window: window,
            denials: [0; 3],
            secrets: SecretSet::EMPTY,
            new_in_hour: 0,
            new_in_day: 0,
            today: SecretSet::EMPTY,
            once: SecretSet::EMPTY,
            known: SecretSet::EMPTY,
            known_before: SecretSet::EMPTY,
            baselines: [[Baseline::default(); 3]; 2],
            opened: [denial.time().as_second(); 3],
            ids: Vec::new(),
            ids_before: Vec::new(),
            evidence: std::array::from_fn(|_| None),
            alerting: AlertState::default(),
        }
    }

    /// Receives one delivery, in the open window or in a newer one that it opens.
    pub fn receive(&mut self, delivery: &Delivery<'_>, policy: &Policy) -> Outcome {
        if self.is_opened_by(delivery.denial) {
            self.roll(Window::containing(delivery.denial.time()), policy);
            self.open(delivery.denial);
        }
        self.receive_in_open_window(delivery)
    }

    /// Whether a denial closes the open window and opens a newer one.
    pub fn is_opened_by(&self, denial: &Denial) -> bool {
        Window::containing(denial.time()) > self.window && !self.has_counted(denial)
    }

    /// The same, without closing the open window: a denial of a newer one counts in it too.
    pub fn receive_in_open_window(&mut self, delivery: &Delivery<'_>) -> Outcome {
        if self.has_counted(delivery.denial) {
            return Outcome::Duplicate;
        }
        if self.ids.len() >= MAX_IDS {
            return Outcome::WindowFull;
        }
        self.count(delivery);
        Outcome::Counted
    }

    pub fn has_counted(&self, denial: &Denial) -> bool {
        let digest = denial.digest();
        [&self.ids, &self.ids_before].iter().any(|ids| ids.binary_search(&digest).is_ok())
    }

    /// Days since the principal was first seen.
    pub fn history_days(&self) -> f64 {
        self.window.since(self.first_window) as f64 / Scale::Day.windows() as f64
    }

    /// Secrets that are not new to the principal: refused in an earlier window of the open day,
    /// or on two days of this generation or of the previous one.
    pub fn known_secrets(&self) -> SecretSet {
        self.today.union(&self.known).union(&self.known_before)
    }

    pub fn observed(&self, axis: Axis) -> u32 {
        match axis.signal {
            Signal::Denials => self.denials[axis.scale],
            Signal::Secrets => self.new_secrets()[axis.scale],
        }
    }

    /// New secrets in the open window of each scale.
    pub fn new_secrets(&self) -> [u32; 3] {
        let now = self.secrets.difference(&self.known_secrets()).len();
        [now, self.new_in_hour.saturating_add(now), self.new_in_day.saturating_add(now)]
    }

    /// Whether the denial names a secret that is not known. Only then is the signal of
    /// secrets looked at.
    pub fn names_a_new_secret(&self, denial: &Denial) -> bool {
        !denial.secrets().buckets().difference(&self.known_secrets()).is_empty()
    }

    /// Different secrets refused in the open window of that scale. Of an hour only the new
    /// ones are counted; they are all of them if the whole day has no other.
    pub fn distinct_secrets(&self, scale: Scale) -> Option<u32> {
        let of_day = self.secrets_of_day().len();
        match scale {
            Scale::FiveMinutes => Some(self.secrets.len()),
            Scale::Hour => (of_day == self.new_secrets()[Scale::Hour]).then_some(of_day),
            Scale::Day => Some(of_day),
        }
    }

    /// Secrets refused in the open day, its open window included.
    pub fn secrets_of_day(&self) -> SecretSet {
        self.today.union(&self.secrets)
    }

    /// Completed windows of that scale since the principal was first seen.
    pub fn completed(&self, scale: Scale) -> i64 {
        self.window.on(scale) - self.first_window.on(scale)
    }

    /// Denials counted in the open window, late ones included.
    pub fn denials_in_window(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }

    /// The episode reported last, up to now. Windows after its end are not in it.
    pub fn episode_summary(&self, policy: &Policy) -> Option<EpisodeSummary> {
        self.totals_with_open_window(policy).map(|totals| totals.summary())
    }

    /// The running sums as they are once the open window is closed.
    fn totals_with_open_window(&self, policy: &Policy) -> Option<EpisodeTotals> {
        let totals = self.alerting.totals?;
        if !self.alerting.has_open_episode(self.window, policy) {
            return Some(totals);
        }
        let newest = self.evidence.iter().flatten().map(|evidence| evidence.time).max();
        Some(totals.with_window(self.denials_in_window(), &self.secrets, newest))
    }

    fn count(&mut self, delivery: &Delivery<'_>) {
        let denial = delivery.denial;
        if delivery.age() <= SignedDuration::from_secs(MAX_AGE_SECONDS) {
            self.denials[0] = self.denials[0].saturating_add(1);
        }
        self.denials[1] = self.denials[1].saturating_add(1);
        self.denials[2] = self.denials[2].saturating_add(1);
        self.secrets = self.secrets.union(&denial.secrets().buckets());
        let digest = denial.digest();
        if let Err(place) = self.ids.binary_search(&digest) {
            self.ids.insert(place, digest);
        }
        self.evidence[Evidence::slot(denial)] = Some(Evidence::of(denial));
    }

    /// Closes the open window and opens `next`, which must be newer.
    fn roll(&mut self, next: Window, policy: &Policy) {
        self.alerting.totals = self.totals_with_open_window(policy);
        let new_now = self.new_secrets()[Scale::FiveMinutes];
        self.fold(Scale::FiveMinutes, [self.denials[0], new_now], next, policy);
        self.denials[0] = 0;
        self.today = self.secrets_of_day();
        self.secrets = SecretSet::EMPTY;
        self.new_in_hour = self.new_in_hour.saturating_add(new_now);
        self.new_in_day = self.new_in_day.saturating_add(new_now);

        if next.on(Scale::Hour) != self.window.on(Scale::Hour) {
            self.fold(Scale::Hour, [self.denials[1], self.new_in_hour], next, policy);
            self.denials[1] = 0;
            self.new_in_hour = 0;
            self.alerting.reported.hour = [0; 2];
        }
        if next.on(Scale::Day) != self.window.on(Scale::Day) {
            self.fold(Scale::Day, [self.denials[2], self.new_in_day], next, policy);
            self.denials[2] = 0;
            self.new_in_day = 0;
            self.alerting.reported.day = [0; 2];
            self.remember_day(next);
        }
        self.window = next;
        self.ids_before = std::mem::take(&mut self.ids);
    }

    fn fold(&mut self, scale: Scale, counts: [u32; 2], next: Window, policy: &Policy) {
        let completed = self.completed(scale);
        let silent = next.on(scale) - self.window.on(scale) - 1;
        for (signal, count) in Signal::ALL.into_iter().zip(counts) {
            self.baselines[signal][scale].fold(
                Axis { signal, scale },
                completed,
                count,
                silent,
                policy,
            );
        }
    }

    /// Adds the secrets of the closing day to those of its own generation, which closes with it
    /// if `next` is in a later one.
    fn remember_day(&mut self, next: Window) {
        let seen_before = self.once.union(&self.known).union(&self.known_before);
        let again = self.today.intersection(&seen_before);
        self.known = self.known.union(&again);
        self.once = self.once.union(&self.today).difference(&again);
        self.today = SecretSet::EMPTY;

        let generations = next.generation() - self.window.generation();
        if generations != 0 {
            self.known_before = if generations == 1 { self.known } else { SecretSet::EMPTY };
            self.known = SecretSet::EMPTY;
            self.once = SecretSet::EMPTY;
        }
    }

    /// Records the denial that opened the windows just rolled to.
    fn open(&mut self, denial: &Denial) {
        for scale in Scale::ALL {
            let opened = &mut self.opened[scale];
            if *opened < self.window.start_on(scale) {
                *opened = denial.time().as_second();
            }
        }
    }
}
