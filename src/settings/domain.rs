//! What a setting may hold: one description for the parser and for the words.

use std::fmt;

use super::{MAX_IGNORE_PATTERNS, Mode};
use crate::alert::MachineFormat;
use crate::detection::policy::PerScale;
use crate::ignore::MAX_ABOVE;

pub(super) const MODES: [(&str, Mode); 2] = [("live", Mode::Live), ("shadow", Mode::Shadow)];
pub(super) const FORMATS: [(&str, MachineFormat); 3] = [
    ("rattle", MachineFormat::Rattle),
    ("asff", MachineFormat::Asff),
    ("ocsf", MachineFormat::Ocsf),
];

/// The values that a setting allows. Displayed in words, as faults and documents say it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    Number {
        unit: &'static str,
        bounds: (f64, f64),
    },
    Whole {
        bounds: (u32, u32),
    },
    /// Multiples of `step`.
    Stepped {
        step: u32,
        bounds: (u32, u32),
    },
    /// One value for all scales, or one for each with commas between them.
    PerScale(&'static Domain),
    Switch,
    Names(&'static [&'static str]),
    /// Entries of principals to ignore.
    IgnoreList,
    TableName,
    TopicArn {
        /// Whether the function works without it.
        is_optional: bool,
    },
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Number { unit, bounds: (least, most) } => {
                write!(f, "{unit} from {least} to {most}")
            }
            Self::Whole { bounds: (least, most) } => {
                write!(f, "a whole number from {least} to {most}")
            }
            Self::Stepped { step, bounds: (least, most) } => {
                write!(f, "a multiple of {step} from {least} to {most}")
            }
            Self::PerScale(one) => write!(f, "{one}, or three of them for 5m,1h,1d"),
            Self::Switch => f.write_str("true or false"),
            Self::Names(names) => {
                let Some((last, others)) = names.split_last() else { return Ok(()) };
                write!(f, "{} or {last}", others.join(", "))
            }
            Self::IgnoreList => write!(
                f,
                "at most {MAX_IGNORE_PATTERNS} of GLOB[;until=YYYY-MM-DD][;above=N], \
                 N up to {MAX_ABOVE}, with commas between them"
            ),
            Self::TableName => f.write_str(
                "a DynamoDB table name of 3 to 255 letters, digits, dots, dashes and underscores",
            ),
            Self::TopicArn { is_optional } => {
                f.write_str("the ARN of an SNS topic")?;
                f.write_str(if is_optional { ", or nothing" } else { "" })
            }
        }
    }
}

/// A type that a setting's text is read into.
pub(super) trait Value: Default {
    /// `None` if the domain does not allow the text, or holds values of another type.
    fn parse(domain: Domain, text: &str) -> Option<Self>;
}

impl Value for f64 {
    fn parse(domain: Domain, text: &str) -> Option<Self> {
        let Domain::Number { bounds: (least, most), .. } = domain else { return None };
        text.parse().ok().filter(|number| (least..=most).contains(number))
    }
}

impl Value for u32 {
    fn parse(domain: Domain, text: &str) -> Option<Self> {
        let (step, (least, most)) = match domain {
            Domain::Whole { bounds } => (1, bounds),
            Domain::Stepped { step, bounds } => (step, bounds),
            _ => return None,
        };
        let number = text.parse().ok()?;
        ((least..=most).contains(&number) && number.is_multiple_of(step)).then_some(number)
    }
}

impl<T: Value + Copy> Value for PerScale<T> {
    fn parse(domain: Domain, text: &str) -> Option<Self> {
        let Domain::PerScale(domain) = domain else { return None };
        let values: Option<Vec<T>> =
            text.split(',').map(|one| T::parse(*domain, one.trim())).collect();
        match *values? {
            [all] => Some([all; 3]),
            [five_minutes, hour, day] => Some([five_minutes, hour, day]),
            _ => None,
        }
    }
}

impl Value for bool {
    fn parse(domain: Domain, text: &str) -> Option<Self> {
        text.parse().ok().filter(|_| domain == Domain::Switch)
    }
}

impl Value for Mode {
    fn parse(_: Domain, text: &str) -> Option<Self> {
        named(&MODES, text)
    }
}

impl Value for MachineFormat {
    fn parse(_: Domain, text: &str) -> Option<Self> {
        named(&FORMATS, text)
    }
}

fn named<T: Copy>(values: &[(&str, T)], text: &str) -> Option<T> {
    values.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

impl Value for Option<String> {
    fn parse(domain: Domain, text: &str) -> Option<Self> {
        let is_valid = match domain {
            Domain::TableName => is_table_name(text),
            Domain::TopicArn { .. } => is_topic_arn(text),
            _ => false,
        };
        match text {
            "" => Some(None),
            text => is_valid.then(|| Some(text.to_owned())),
        }
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
