//! Settings: read once, by name, into types that cannot hold a wrong value. All
//! faults are reported together.

use std::fmt;

use crate::alert::{Deployment, MachineFormat};
use crate::detection::Policy;
use crate::detection::policy::{HALF_LIFE_BOUNDS, PerScale, THRESHOLD_BOUNDS};
use crate::ignore::{Entry, IgnoredPrincipals};
use crate::text::Text;

/// What every setting's variable starts with.
pub const PREFIX: &str = "RATTLE_";

const MAX_QUOTED_BYTES: usize = 60;
const MAX_IGNORE_PATTERNS: usize = 1000;
/// Entries beyond this many are not told one by one.
const MAX_IGNORE_FAULTS: usize = 20;

/// One setting. Its flag is its variable without the prefix, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Environment variable.
    pub variable: &'static str,
    /// Default as it would be written; empty if there is none.
    pub default: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
}

macro_rules! settings {
    ($($name:ident = $variable:literal, $default:literal, $allowed:literal;)*) => {
        $(
            #[doc = concat!("`", $variable, "`: `", $allowed, "`.")]
            pub const $name: Setting =
                Setting { variable: $variable, default: $default, allowed: $allowed };
        )*
        /// Every setting there is.
        pub const SETTINGS: &[Setting] = &[$($name),*];
    };
}

settings! {
    DENIALS_THRESHOLD = "RATTLE_DENIALS_THRESHOLD", "5", "sigma from 1 to 37";
    SECRETS_THRESHOLD = "RATTLE_SECRETS_THRESHOLD", "4", "sigma from 1 to 37";
    MIN_DENIALS = "RATTLE_MIN_DENIALS", "5,5,10",
        "a whole number from 1 to 100000, or three of them for 5m,1h,1d";
    MIN_SECRETS = "RATTLE_MIN_SECRETS", "5,5,5",
        "a whole number from 1 to 512, or three of them for 5m,1h,1d";
    HALF_LIFE_DAYS = "RATTLE_HALF_LIFE_DAYS", "7,7,14",
        "days from 0.25 to 365, or three of them for 5m,1h,1d";
    QUIET_MINUTES = "RATTLE_QUIET_MINUTES", "60", "a multiple of 5 from 5 to 1440";
    REMIND_HOURS = "RATTLE_REMIND_HOURS", "24", "a whole number from 1 to 720";
    IGNORE = "RATTLE_IGNORE", "",
        "at most 1000 of GLOB[;until=YYYY-MM-DD][;above=N], N up to 500, with commas between them";
    MAX_ALERTS_PER_HOUR = "RATTLE_MAX_ALERTS_PER_HOUR", "60", "a whole number from 1 to 1000";
    TABLE_NAME = "RATTLE_TABLE_NAME", "",
        "a DynamoDB table name of 3 to 255 letters, digits, dots, dashes and underscores";
    TOPIC_ARN = "RATTLE_TOPIC_ARN", "", "the ARN of an SNS topic";
    CHAT_TOPIC_ARN = "RATTLE_CHAT_TOPIC_ARN", "", "the ARN of an SNS topic, or nothing";
    MACHINE_FORMAT = "RATTLE_MACHINE_FORMAT", "rattle", "rattle, asff or ocsf";
    MODE = "RATTLE_MODE", "live", "live or shadow";
    WEEKLY_DIGEST = "RATTLE_WEEKLY_DIGEST", "false", "true or false";
    WATCH_READS = "RATTLE_WATCH_READS", "false", "true or false";
}

/// All settings, valid.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What decides.
    pub policy: Policy,
    /// Principals that are left alone.
    pub ignored: IgnoredPrincipals,
    /// Alerts an hour from which the storm guard holds further ones back.
    pub max_alerts_per_hour: u32,
    /// DynamoDB table of the function.
    pub table_name: Option<String>,
    /// SNS topic of the function.
    pub topic_arn: Option<String>,
    /// SNS topic for chat.
    pub chat_topic_arn: Option<String>,
    /// What subscribers get that are programs, and who reads the findings of a replay.
    pub machine_format: MachineFormat,
    /// Whether findings are sent.
    pub mode: Mode,
    /// Whether what is not sent, ignored or low is noted for a weekly digest.
    pub weekly_digest: bool,
    /// Whether secrets are watched that a principal reads after it was refused others.
    pub watch_reads: bool,
}

/// Whether findings are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    #[default]
    Live,
    /// They are recorded only: in the log, the metrics and the digest.
    Shadow,
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);

/// One setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its value is not allowed.
    NotAllowed {
        /// The setting.
        setting: Setting,
        /// Its value, printable and bounded.
        value: Text,
    },
    /// It must be set.
    Unset {
        /// The setting.
        setting: Setting,
    },
    /// There is no such setting.
    Unknown {
        /// The variable's name, printable and bounded.
        variable: Text,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { setting, value } => {
                write!(f, "{} is \"{value}\"; allowed: {}", setting.variable, setting.allowed)
            }
            Self::Unset { setting } => {
                write!(f, "{} is not set; allowed: {}", setting.variable, setting.allowed)
            }
            Self::Unknown { variable } => {
                let known: Vec<_> = SETTINGS.iter().map(|setting| setting.variable).collect();
                write!(f, "{variable} is no setting; there are {}", known.join(", "))
            }
        }
    }
}

impl Settings {
    /// The stack, as far as alerts must know it.
    pub fn deployment(&self) -> Deployment {
        Deployment::new(self.table_name.as_deref(), self.topic_arn.as_deref())
    }

    /// Reads all settings from `given`: pairs of variable and value, the later of two
    /// values for one variable winning. Variables without the prefix are not looked at.
    pub fn read(given: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        Reader::of(given).finish()
    }

    /// The same for the function, which needs a table and a topic.
    pub fn read_for_function(
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        let mut reader = Reader::of(given);
        for setting in [TABLE_NAME, TOPIC_ARN] {
            let is_given =
                |(known, value): &(Setting, String)| *known == setting && !value.trim().is_empty();
            if !reader.values.iter().any(is_given) {
                reader.faults.push(Fault::Unset { setting });
            }
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    values: Vec<(Setting, String)>,
    faults: Vec<Fault>,
}

impl Reader {
    fn of(given: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut reader = Self::default();
        for (variable, value) in given {
            reader.take(&variable, value);
        }
        reader
    }

    fn take(&mut self, variable: &str, value: String) {
        if !variable.starts_with(PREFIX) {
            return;
        }
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable == variable) {
            self.values.retain(|(known, _)| known != setting);
            self.values.push((*setting, value));
        } else {
            let variable = Text::new(variable, MAX_QUOTED_BYTES);
            self.faults.push(Fault::Unknown { variable });
        }
    }

    fn finish(mut self) -> Result<Settings, Faults> {
        let defaults = Policy::default();
        let policy = Policy {
            denials: crate::detection::policy::SignalPolicy {
                threshold: self.one(DENIALS_THRESHOLD, number(THRESHOLD_BOUNDS)),
                floor: self.three(MIN_DENIALS, whole(1, 100_000)),
                ..defaults.denials
            },
            secrets: crate::detection::policy::SignalPolicy {
                threshold: self.one(SECRETS_THRESHOLD, number(THRESHOLD_BOUNDS)),
                floor: self.three(MIN_SECRETS, whole(1, 512)),
                ..defaults.secrets
            },
            quiet_windows: i64::from(
                self.one(QUIET_MINUTES, |text| {
                    whole(5, 1440)(text).filter(|minutes| minutes % 5 == 0)
                }) / 5,
            ),
            remind_windows: i64::from(self.one(REMIND_HOURS, whole(1, 720)) * 12),
            half_life_days: self.three(HALF_LIFE_DAYS, number(HALF_LIFE_BOUNDS)),
            only_above: None,
        };
        let settings = Settings {
            policy,
            ignored: self.ignored_principals(),
            max_alerts_per_hour: self.one(MAX_ALERTS_PER_HOUR, whole(1, 1000)),
            table_name: self.one(TABLE_NAME, optional(is_table_name)),
            topic_arn: self.one(TOPIC_ARN, optional(is_topic_arn)),
            chat_topic_arn: self.one(CHAT_TOPIC_ARN, optional(is_topic_arn)),
            machine_format: self.one(MACHINE_FORMAT, machine_format),
            mode: self.one(MODE, mode),
            weekly_digest: self.one(WEEKLY_DIGEST, switch),
            watch_reads: self.one(WATCH_READS, switch),
        };
        if self.faults.is_empty() { Ok(settings) } else { Err(Faults(self.faults)) }
    }

    /// The value of a setting, or its default. A fault is noted, and the default stands
    /// in so that the others are looked at too.
    fn one<T: Default>(&mut self, setting: Setting, parse: impl Fn(&str) -> Option<T>) -> T {
        let default = parse(setting.default).unwrap_or_default();
        let Some((_, value)) = self.values.iter().find(|(known, _)| *known == setting) else {
            return default;
        };
        parse(value.trim()).unwrap_or_else(|| {
            let value = Text::new(value, MAX_QUOTED_BYTES);
            self.faults.push(Fault::NotAllowed { setting, value });
            default
        })
    }

    /// The entries of a list. Each that is wrong is a fault of its own.
    fn ignored_principals(&mut self) -> IgnoredPrincipals {
        let Some((_, list)) = self.values.iter().find(|(known, _)| *known == IGNORE) else {
            return IgnoredPrincipals::default();
        };
        let mut entries = Vec::new();
        let mut wrong = Vec::new();
        let written = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for (i, text) in written.enumerate() {
            match text.parse::<Entry>() {
                Ok(entry) if i < MAX_IGNORE_PATTERNS => entries.push(entry),
                _ => wrong.push(Text::new(text, MAX_QUOTED_BYTES)),
            }
        }
        let faults = wrong.into_iter().take(MAX_IGNORE_FAULTS);
        self.faults.extend(faults.map(|value| Fault::NotAllowed { setting: IGNORE, value }));
        IgnoredPrincipals::new(entries)
    }

    /// As [`Self::one`] for a setting with one value for all scales, or one for each.
    fn three<T: Copy + Default>(
        &mut self,
        setting: Setting,
        parse: impl Fn(&str) -> Option<T>,
    ) -> PerScale<T> {
        self.one(setting, |text| {
            let values: Option<Vec<T>> = text.split(',').map(|one| parse(one.trim())).collect();
            match *values? {
                [all] => Some([all; 3]),
                [five_minutes, hour, day] => Some([five_minutes, hour, day]),
                _ => None,
            }
        })
    }
}

fn number((least, most): (f64, f64)) -> impl Fn(&str) -> Option<f64> {
    move |text| text.parse().ok().filter(|number| (least..=most).contains(number))
}

fn whole(least: u32, most: u32) -> impl Fn(&str) -> Option<u32> {
    move |text| text.parse().ok().filter(|number| (least..=most).contains(number))
}

fn optional(is_valid: fn(&str) -> bool) -> impl Fn(&str) -> Option<Option<String>> {
    move |text| match text {
        "" => Some(None),
        text => is_valid(text).then(|| Some(text.to_owned())),
    }
}

fn is_table_name(text: &str) -> bool {
    (3..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_topic_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    matches!(parts[..], ["arn", partition, "sns", region, account, name]
        if partition.starts_with("aws")
            && !region.is_empty()
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)))
}

fn mode(text: &str) -> Option<Mode> {
    match text {
        "live" => Some(Mode::Live),
        "shadow" => Some(Mode::Shadow),
        _ => None,
    }
}

fn switch(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn machine_format(text: &str) -> Option<MachineFormat> {
    match text {
        "rattle" => Some(MachineFormat::Rattle),
        "asff" => Some(MachineFormat::Asff),
        "ocsf" => Some(MachineFormat::Ocsf),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Faults> {
        Settings::read(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn without_any_variable_the_defaults_are_those_of_the_policy() {
        let settings = read(&[("PATH", "/bin")]).unwrap();
        assert_eq!(settings.policy, Policy::default());
        assert_eq!(settings.max_alerts_per_hour, 60);
    }

    #[test]
    fn one_value_stands_for_all_scales_and_three_for_each() {
        let settings =
            read(&[("RATTLE_MIN_SECRETS", "7"), ("RATTLE_MIN_DENIALS", "1, 2,3")]).unwrap();
        assert_eq!(settings.policy.secrets.floor, [7, 7, 7]);
        assert_eq!(settings.policy.denials.floor, [1, 2, 3]);
        let settings =
            read(&[("RATTLE_QUIET_MINUTES", "30"), ("RATTLE_REMIND_HOURS", "48")]).unwrap();
        assert_eq!((settings.policy.quiet_windows, settings.policy.remind_windows), (6, 576));
    }

    #[test]
    fn each_wrong_entry_of_a_list_is_a_fault_of_its_own() {
        let faults = read(&[
            ("RATTLE_IGNORE", "arn:a;until=2026-13-01, arn:b ,arn:c;above=0,arn:d;above=50"),
            ("RATTLE_MACHINE_FORMAT", "json"),
        ])
        .unwrap_err();
        let text = faults.to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("RATTLE_IGNORE is \"arn:a;until=2026-13-01\"; allowed: at most"));
        assert!(text.contains("RATTLE_IGNORE is \"arn:c;above=0\""));
        assert!(text.contains("RATTLE_MACHINE_FORMAT is \"json\"; allowed: rattle, asff or ocsf"));
        let many = vec!["a"; 1001].join(",");
        assert_eq!(read(&[("RATTLE_IGNORE", &many)]).unwrap_err().0.len(), 1);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let faults = read(&[
            ("RATTLE_DENIALS_THRESHOLD", "NaN"),
            ("RATTLE_SECRETS_THRESHOLD", "0.5"),
            ("RATTLE_MIN_SECRETS", "1,2"),
            ("RATTLE_QUIET_MINUTES", "7"),
            ("RATTLE_TOPIC_ARN", "arn:aws:sns:eu-west-1:111122223333:"),
            ("RATTLE_TRESHOLD\n", "1"),
        ])
        .unwrap_err();
        assert_eq!(faults.0.len(), 6);
        let text = faults.to_string();
        assert!(text.contains("RATTLE_DENIALS_THRESHOLD is \"NaN\"; allowed: sigma from 1 to 37"));
        assert!(
            text.contains(r"RATTLE_TRESHOLD is no setting; there are RATTLE_DENIALS_THRESHOLD")
        );
        assert_eq!(text.lines().count(), 6, "one line a fault");
    }
}
