//! The kinds of harmless principals. docs/measurements/scoreboard.md lists them with their ranges.

use serde::Serialize;

use super::habit::{FIVE_MINUTES, Schedule, any_of, burst, days, is_weekday, scattered, sprinkled};
use super::{ACCOUNT_SECRETS, Call, DAY, DAYS, EPOCH, HOUR, Life};
use crate::chance::Chance;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Denied once in weeks.
    Silent,
    /// A few denials a day.
    Drip,
    /// A misconfigured job that never stops.
    Steady,
    /// A job that runs every hour.
    Hourly,
    /// A job that runs every day.
    Daily,
    /// Deployments on weekdays.
    Deploys,
    /// Noise whose spread is far above its mean.
    Noise,
    /// Much by day, little by night.
    DayNight,
    /// Noise that comes and goes for hours.
    OnOff,
    /// A person at work.
    Person,
    /// A principal that did not exist before.
    New,
    /// A job that a policy change breaks for good.
    PolicyChange,
    /// A scan of many secrets, once a week.
    WeeklyScan,
    /// Workers whose session names are all different.
    Fleet,
}

impl Kind {
    pub const ALL: [Self; 14] = [
        Self::Silent,
        Self::Drip,
        Self::Steady,
        Self::Hourly,
        Self::Daily,
        Self::Deploys,
        Self::Noise,
        Self::DayNight,
        Self::OnOff,
        Self::Person,
        Self::New,
        Self::PolicyChange,
        Self::WeeklyScan,
        Self::Fleet,
    ];

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Drip => "drip",
            Self::Steady => "steady",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Deploys => "deploys",
            Self::Noise => "noise",
            Self::DayNight => "day-night",
            Self::OnOff => "on-off",
            Self::Person => "person",
            Self::New => "new",
            Self::PolicyChange => "policy-change",
            Self::WeeklyScan => "weekly-scan",
            Self::Fleet => "fleet",
        }
    }

    /// A short description.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Silent => "a slip of 1 to 3 calls every 5 to 40 days",
            Self::Drip => "0.5 to 12 refusals a day, 1 to 3 secrets",
            Self::Steady => "a misconfigured job: 0.2 to 20 refusals in 5 minutes, 1 to 3 secrets",
            Self::Hourly => "a job each hour: 3 to 100 refusals over 1, 3 or 8 to 40 secrets",
            Self::Daily => "a job each day: 3 to 100 refusals over 1, 3 or 8 to 40 secrets",
            Self::Deploys => "1 to 4 deployments a weekday, 3 to 30 refusals over 1 to 8 secrets",
            Self::Noise => "0.5 to 30 refusals an hour, their variance 1.5 to 30 times the mean",
            Self::DayNight => "0.1 to 10 refusals in 5 minutes, nearly none at night",
            Self::OnOff => "half an hour to a day of noise, one hour to three days of silence",
            Self::Person => {
                "weekdays 8 to 18 h, 0.5 to 5 moments a day, one in ten over a new secret"
            }
            Self::New => "first seen on day 1 to 44: a drip, a person, a daily job or deployments",
            Self::PolicyChange => "fails from day 15 to 40 on: steady, hourly or daily",
            Self::WeeklyScan => "10 to 200 secrets once a week, about one more each week",
            Self::Fleet => "1 to 60 refusals an hour, each in a session of its own",
        }
    }

    /// Whether an attack seldom finds much to hide in.
    pub const fn is_quiet(self) -> bool {
        matches!(self, Self::Silent | Self::Drip | Self::Deploys | Self::Person | Self::New)
    }
}

/// The life of one principal of that kind.
pub fn live(kind: Kind, chance: &mut Chance) -> Life {
    live_for(DAYS, kind, chance)
}

/// The same, watched for that many days.
pub fn live_for(days: i64, kind: Kind, chance: &mut Chance) -> Life {
    // A generation of known secrets lasts 14 days, and lives begin on any of them.
    let start = EPOCH + DAY * chance.within(0..14);
    let watched = (start, start + days * DAY);
    let mut life = Life {
        start,
        born: start,
        end: watched.1,
        pool: Vec::new(),
        calls: Vec::new(),
        attackable: (start + 25 * DAY, start + 33 * DAY),
    };
    match kind {
        Kind::New => {
            life.born = start + chance.within(DAY..44 * DAY);
            let habit = match chance.within(0..10) {
                0..=2 => Kind::Drip,
                3..=5 => Kind::Person,
                6..=7 => Kind::Daily,
                _ => Kind::Deploys,
            };
            life.pool = pool_of(habit, chance);
            life.calls = calls_of(habit, chance, (life.born, watched.1), &life.pool);
            // The principal is new from its first call on.
            life.born = life.calls.first().map_or(life.born, |first| first.time);
            life.attackable = (life.born + HOUR, life.born + 3 * DAY);
        }
        Kind::PolicyChange => {
            let broken = start + chance.within(15 * DAY..40 * DAY);
            let habit = match chance.within(0..3) {
                0 => Kind::Steady,
                1 => Kind::Hourly,
                _ => Kind::Daily,
            };
            let secrets = match chance.within(0..10) {
                0..=6 => 1,
                7..=8 => 3,
                _ => chance.within(8..=40),
            };
            life.pool = chance.choose(ACCOUNT_SECRETS, secrets);
            life.calls = slips(chance, (start, broken), &life.pool);
            life.calls.extend(calls_of(habit, chance, (broken, watched.1), &life.pool));
            life.attackable = (broken + HOUR, broken + 5 * DAY);
        }
        _ => {
            life.pool = pool_of(kind, chance);
            life.calls = calls_of(kind, chance, watched, &life.pool);
        }
    }
    life.calls.retain(|call| call.time < watched.1);
    life.calls.sort_by_key(|call| call.time);
    life
}

fn pool_of(kind: Kind, chance: &mut Chance) -> Vec<u32> {
    let secrets = match kind {
        Kind::Hourly | Kind::Daily => match chance.within(0..3) {
            0 => 1,
            1 => 3,
            _ => chance.within(8..=40),
        },
        Kind::Deploys => chance.within(1..=8),
        Kind::Person => chance.within(5..=20),
        Kind::WeeklyScan => chance.whole_magnitude(10, 200),
        _ => chance.within(1..=3),
    };
    chance.choose(ACCOUNT_SECRETS, secrets)
}

fn calls_of(kind: Kind, chance: &mut Chance, time: (i64, i64), pool: &[u32]) -> Vec<Call> {
    match kind {
        Kind::Silent | Kind::New | Kind::PolicyChange => slips(chance, time, pool),
        Kind::Drip => {
            let per_day = chance.magnitude(0.5, 12.0);
            scattered(chance, time, per_day, pool)
        }
        Kind::Steady => {
            let per_day = chance.magnitude(0.2, 20.0) * 288.0;
            scattered(chance, time, per_day, pool)
        }
        Kind::Hourly => Schedule::every(HOUR, chance).calls(chance, time, pool),
        Kind::Daily => Schedule::every(DAY, chance).calls(chance, time, pool),
        Kind::Deploys => deployments(chance, time, pool),
        Kind::Noise => noise(chance, time, pool),
        Kind::DayNight => day_and_night(chance, time, pool),
        Kind::OnOff => on_and_off(chance, time, pool),
        Kind::Person => at_work(chance, time, pool),
        Kind::WeeklyScan => weekly_scan(chance, time, pool),
        Kind::Fleet => fleet(chance, time, pool),
    }
}

fn slips(chance: &mut Chance, time: (i64, i64), pool: &[u32]) -> Vec<Call> {
    let per_day = 1.0 / chance.magnitude(5.0, 40.0);
    let mut calls = Vec::new();
    for slip in scattered(chance, time, per_day, pool) {
        let attempts = chance.within(1..=3);
        burst(chance, slip.time, attempts, (2, 20), &[slip.secret], &mut calls);
    }
    calls
}

fn deployments(chance: &mut Chance, time: (i64, i64), pool: &[u32]) -> Vec<Call> {
    let mut calls = Vec::new();
    let most = chance.within(1..=4);
    let attempts = chance.whole_magnitude(3, 30);
    for day in days(time).filter(|day| is_weekday(*day)) {
        for _ in 0..chance.within(1..=most) {
            let start = day + chance.within(8 * HOUR..18 * HOUR);
            let attempts = chance.within(3..=attempts);
            burst(chance, start, attempts, (2, 15), pool, &mut calls);
        }
    }
    calls.retain(|call| call.time >= time.0);
    calls
}

fn noise(chance: &mut Chance, (from, to): (i64, i64), pool: &[u32]) -> Vec<Call> {
    let mean = chance.magnitude(0.5, 30.0);
    // The variance of such a count is mean (1 + mean / shape).
    let shape = mean / (chance.magnitude(1.5, 30.0) - 1.0);
    let mut calls = Vec::new();
    let mut hour = from;
    while hour < to {
        let mean = mean * chance.unevenness(shape);
        let count = chance.count(mean);
        sprinkled(chance, (hour, hour + HOUR), count, pool, &mut calls);
        hour += HOUR;
    }
    calls
}

fn day_and_night(chance: &mut Chance, (from, to): (i64, i64), pool: &[u32]) -> Vec<Call> {
    let mean = chance.magnitude(0.1, 10.0);
    let mut calls = Vec::new();
    let mut window = from;
    while window < to {
        let of_day = (window.rem_euclid(DAY)) as f64 / DAY as f64;
        let height = 1.0 - 0.95 * libm::cos(std::f64::consts::TAU * of_day);
        let count = chance.count(mean * height);
        sprinkled(chance, (window, window + FIVE_MINUTES), count, pool, &mut calls);
        window += FIVE_MINUTES;
    }
    calls
}

fn on_and_off(chance: &mut Chance, (from, to): (i64, i64), pool: &[u32]) -> Vec<Call> {
    let hour = HOUR as f64;
    let on = chance.magnitude(0.5, 24.0) * hour;
    let off = chance.magnitude(1.0, 72.0) * hour;
    let per_day = chance.magnitude(0.5, 15.0) * 288.0;
    let mut calls = Vec::new();
    let mut time = from + chance.wait(off);
    while time < to {
        let end = time + chance.wait(on);
        calls.extend(scattered(chance, (time, end), per_day, pool));
        time = end + chance.wait(off);
    }
    calls
}

fn at_work(chance: &mut Chance, time: (i64, i64), pool: &[u32]) -> Vec<Call> {
    let moments = chance.magnitude(0.5, 5.0);
    let mut calls = Vec::new();
    for day in days(time).filter(|day| is_weekday(*day)) {
        for _ in 0..chance.count(moments) {
            let mut start = day + chance.within(8 * HOUR..18 * HOUR);
            for _ in 0..chance.within(1..=3) {
                let secret = if chance.happens(0.1) {
                    chance.within(0..ACCOUNT_SECRETS)
                } else {
                    any_of(chance, pool)
                };
                let attempts = chance.within(1..=2);
                burst(chance, start, attempts, (5, 60), &[secret], &mut calls);
                start += chance.within(10..300);
            }
        }
    }
    calls.retain(|call| call.time >= time.0);
    calls
}

fn weekly_scan(chance: &mut Chance, (from, to): (i64, i64), pool: &[u32]) -> Vec<Call> {
    let mut pool = pool.to_vec();
    let mut calls = Vec::new();
    let mut run = from + chance.within(0..7 * DAY);
    while run < to {
        let attempts = u32::try_from(pool.len()).unwrap_or(u32::MAX);
        let start = run + chance.within(0..600);
        burst(chance, start, attempts, (1, 10), &pool, &mut calls);
        let added = chance.count(1.0);
        let added = super::foreign_secrets(chance, &pool, added);
        pool.extend(added);
        run += 7 * DAY;
    }
    calls
}

fn fleet(chance: &mut Chance, time: (i64, i64), pool: &[u32]) -> Vec<Call> {
    let per_day = chance.magnitude(1.0, 60.0) * 24.0;
    let mut calls = scattered(chance, time, per_day, pool);
    for (session, call) in (1000..).zip(&mut calls) {
        call.session = session;
    }
    calls
}

/// A principal whose life begins with at most three harmless calls; attacks begin within the hour.
pub fn first_hour(chance: &mut Chance) -> Life {
    let start = EPOCH + DAY * chance.within(0..14);
    let born = start + chance.within(0..20 * DAY);
    let attack = born + chance.within(0..55 * 60);
    let pool = chance.choose(ACCOUNT_SECRETS, 1);
    let mut calls = Vec::new();
    let harmless = chance.within(0..=3);
    sprinkled(chance, (born, attack + 1), harmless, &pool, &mut calls);
    calls.sort_by_key(|call| call.time);
    let attackable = (attack + 1, attack + 2);
    Life { start, born, end: start + DAYS * DAY, pool, calls, attackable }
}
