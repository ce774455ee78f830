//! Settings: one table says each once, and all faults of a reading are reported together.
//!
//! From the table come the checks and their messages, the flags of the command line with their
//! help, and the table in README.md.

mod domain;

use std::fmt;

pub use self::domain::Domain;
use self::domain::{FORMATS, MODES, Value};
use crate::alert::{Deployment, MachineFormat};
use crate::detection::Policy;
use crate::detection::policy::{HALF_LIFE_BOUNDS, SignalPolicy, THRESHOLD_BOUNDS};
use crate::ignore::{Entry, IgnoredPrincipals};
use crate::text::Text;

/// What every setting's variable starts with.
pub const PREFIX: &str = "RATTLE_";

const MAX_QUOTED_BYTES: usize = 60;
const MAX_IGNORE_PATTERNS: usize = 1000;
/// Only so many wrong entries are reported, one by one.
const MAX_IGNORE_FAULTS: usize = 20;

const SIGMA: Domain = Domain::Number { unit: "sigma", bounds: THRESHOLD_BOUNDS };
const DAYS: Domain = Domain::Number { unit: "days", bounds: HALF_LIFE_BOUNDS };
const DENIALS: Domain = Domain::Whole { bounds: (1, 100_000) };
const SECRETS: Domain = Domain::Whole { bounds: (1, 512) };
const FORMAT_NAMES: &[&str] = &[FORMATS[0].0, FORMATS[1].0, FORMATS[2].0];
const MODE_NAMES: &[&str] = &[MODES[0].0, MODES[1].0];

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Environment variable.
    pub variable: &'static str,
    /// As it would be written; empty if there is none.
    pub default: &'static str,
    pub domain: Domain,
    /// Placeholder of its flag's value. Settings of the function alone have no flag.
    pub value_name: Option<&'static str>,
    /// One sentence for `--help` and the README, without its full stop.
    pub help: &'static str,
}

macro_rules! settings {
    ($($name:ident = $default:literal, $domain:expr, $value_name:expr, $help:literal;)*) => {
        $(pub const $name: Setting = Setting {
            variable: concat!("RATTLE_", stringify!($name)),
            default: $default,
            domain: $domain,
            value_name: $value_name,
            help: $help,
        };)*
        /// All settings, in the order of `--help`.
        pub const SETTINGS: &[Setting] = &[$($name),*];
    };
}

settings! {
    DENIALS_THRESHOLD = "5", SIGMA, Some("SIGMA"),
        "Deviation from which denials are reported, in sigma-equivalents";
    SECRETS_THRESHOLD = "4", SIGMA, Some("SIGMA"),
        "Deviation from which new secrets are reported, in sigma-equivalents";
    MIN_DENIALS = "5,5,10", Domain::PerScale(&DENIALS), Some("N[,N,N]"),
        "Fewest denials to report, for all scales or for 5m,1h,1d";
    MIN_SECRETS = "5,5,5", Domain::PerScale(&SECRETS), Some("N[,N,N]"),
        "Fewest new secrets to report, for all scales or for 5m,1h,1d";
    HALF_LIFE_DAYS = "7,7,14", Domain::PerScale(&DAYS), Some("DAYS[,DAYS,DAYS]"),
        "Memory of the baselines, for all scales or for 5m,1h,1d";
    QUIET_MINUTES = "60", Domain::Stepped { step: 5, bounds: (5, 1440) }, Some("MINUTES"),
        "Quiet time after which an episode is over";
    REMIND_HOURS = "24", Domain::Whole { bounds: (1, 720) }, Some("HOURS"),
        "Time after which an episode that goes on is reported again";
    IGNORE = "", Domain::IgnoreList, Some("GLOB[;BOUND…][,…]"),
        "Principals to leave alone: globs over the ARN or service:NAME, each perhaps with \
         ;until=YYYY-MM-DD and ;above=N, with commas between them";
    MAX_ALERTS_PER_HOUR = "60", Domain::Whole { bounds: (1, 1000) }, Some("N"),
        "Alerts an hour that the storm guard lets through; replay counts the others";
    TABLE_NAME = "", Domain::TableName, None,
        "DynamoDB table that holds the states";
    TOPIC_ARN = "", Domain::TopicArn { is_optional: false }, None,
        "SNS topic that alerts go to";
    CHAT_TOPIC_ARN = "", Domain::TopicArn { is_optional: true }, None,
        "Second SNS topic, for chat";
    MACHINE_FORMAT = "rattle", Domain::Names(FORMAT_NAMES), Some("NAME"),
        "What a finding is with --format jsonl";
    MODE = "live", Domain::Names(MODE_NAMES), None,
        "With shadow, nothing is sent but the weekly digest; findings are in the log and the metrics";
    WEEKLY_DIGEST = "false", Domain::Switch, None,
        "Whether a message each Monday lists what was not sent, ignored or low";
    WATCH_READS = "false", Domain::Switch, None,
        "Whether an access after denial raises one more alert";
}

impl Setting {
    /// The name without the prefix, in lower case with dashes, as its flag is called.
    pub fn flag(&self) -> String {
        self.variable.trim_start_matches(PREFIX).to_ascii_lowercase().replace('_', "-")
    }

    /// Parameter of `template.yaml` that sets it: the name without the prefix, as the template
    /// writes names.
    pub fn parameter(&self) -> Option<String> {
        let word = |word: &str| word[..1].to_owned() + &word[1..].to_ascii_lowercase();
        let name = self.variable.trim_start_matches(PREFIX);
        (!self.is_required()).then(|| name.split('_').map(word).collect())
    }

    /// Whether the function cannot start without it. Its value is a resource of the stack.
    pub fn is_required(&self) -> bool {
        matches!(self.domain, Domain::TableName | Domain::TopicArn { is_optional: false })
    }
}

/// All settings, valid.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub policy: Policy,
    pub ignored: IgnoredPrincipals,
    pub max_alerts_per_hour: u32,
    pub table_name: Option<String>,
    pub topic_arn: Option<String>,
    pub chat_topic_arn: Option<String>,
    /// For subscribers that are programs, and for the findings of a replay.
    pub machine_format: MachineFormat,
    pub mode: Mode,
    pub weekly_digest: bool,
    pub watch_reads: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Live,
    /// Findings are not sent, only recorded: in the log, the metrics and the weekly digest.
    Shadow,
}

/// Everything that is wrong with the settings, one line each.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);

/// Values and names are quoted printable and bounded.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    NotAllowed { setting: Setting, value: Text },
    Unset { setting: Setting },
    Unknown { variable: Text },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { setting: Setting { variable, domain, .. }, value } => {
                write!(f, "{variable} is \"{value}\"; allowed: {domain}")
            }
            Self::Unset { setting: Setting { variable, domain, .. } } => {
                write!(f, "{variable} is not set; allowed: {domain}")
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

    /// Reads all settings from pairs of variable and value. The later of two values for one
    /// variable wins. Variables without the prefix are passed over.
    pub fn read(given: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        GivenValues::of(given).finish()
    }

    /// The same for the function, where what it requires must be set.
    pub fn read_for_function(
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        let mut given = GivenValues::of(given);
        for setting in SETTINGS.iter().filter(|setting| setting.is_required()) {
            if given.value_of(*setting).is_none_or(|value| value.trim().is_empty()) {
                given.faults.push(Fault::Unset { setting: *setting });
            }
        }
        given.finish()
    }
}

/// The values to read, and the faults found so far.
#[derive(Default)]
struct GivenValues {
    values: Vec<(Setting, String)>,
    faults: Vec<Fault>,
}

impl GivenValues {
    fn of(given: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values = Self::default();
        for (variable, value) in given {
            values.take(&variable, value);
        }
        values
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

    fn value_of(&self, setting: Setting) -> Option<&str> {
        let given = self.values.iter().find(|(known, _)| *known == setting);
        given.map(|(_, value)| value.as_str())
    }

    fn finish(mut self) -> Result<Settings, Faults> {
        let defaults = Policy::default();
        let policy = Policy {
            denials: SignalPolicy {
                threshold: self.read(DENIALS_THRESHOLD),
                floor: self.read(MIN_DENIALS),
                ..defaults.denials
            },
            secrets: SignalPolicy {
                threshold: self.read(SECRETS_THRESHOLD),
                floor: self.read(MIN_SECRETS),
                ..defaults.secrets
            },
            // Policies count in windows of 5 minutes.
            quiet_windows: i64::from(self.read::<u32>(QUIET_MINUTES) / 5),
            remind_windows: i64::from(self.read::<u32>(REMIND_HOURS) * 12),
            half_life_days: self.read(HALF_LIFE_DAYS),
            only_above: None,
        };
        let settings = Settings {
            policy,
            ignored: self.read_ignored(),
            max_alerts_per_hour: self.read(MAX_ALERTS_PER_HOUR),
            table_name: self.read(TABLE_NAME),
            topic_arn: self.read(TOPIC_ARN),
            chat_topic_arn: self.read(CHAT_TOPIC_ARN),
            machine_format: self.read(MACHINE_FORMAT),
            mode: self.read(MODE),
            weekly_digest: self.read(WEEKLY_DIGEST),
            watch_reads: self.read(WATCH_READS),
        };
        if self.faults.is_empty() { Ok(settings) } else { Err(Faults(self.faults)) }
    }

    /// The value of a setting, or its default. After a fault the default stands in, so that
    /// the other settings are looked at too.
    fn read<T: Value>(&mut self, setting: Setting) -> T {
        let default = T::parse(setting.domain, setting.default).unwrap_or_default();
        let Some(value) = self.value_of(setting) else { return default };
        if let Some(parsed) = T::parse(setting.domain, value.trim()) {
            return parsed;
        }
        let value = Text::new(value, MAX_QUOTED_BYTES);
        self.faults.push(Fault::NotAllowed { setting, value });
        default
    }

    /// The entries of the list. Each that is wrong is a fault of its own.
    fn read_ignored(&mut self) -> IgnoredPrincipals {
        let mut entries = Vec::new();
        let mut wrong = Vec::new();
        let list = self.value_of(IGNORE).unwrap_or_default();
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
}
