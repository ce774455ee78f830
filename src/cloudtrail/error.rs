//! Why an input that should be a CloudTrail record cannot be used.

use crate::text::Text;

const MAX_SYNTAX_BYTES: usize = 120;

/// Why an input that should be a CloudTrail record cannot be used. Reading it again
/// would give the same: never worth a retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// JSON, and no record in any known wrapping.
    #[error("not a CloudTrail record: it has no eventSource and no eventName")]
    NotARecord,
    #[error("{field} is missing or empty")]
    Missing { field: &'static str },
    #[error("{field} is {found}, not text")]
    NotText { field: &'static str, found: &'static str },
    #[error("{field} is \"{value}\", not {expected}")]
    Invalid { field: &'static str, value: Text, expected: &'static str },
}

impl Malformed {
    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        Self::Syntax(Text::new(&without_place(error), MAX_SYNTAX_BYTES).to_string())
    }
}

/// What the JSON parser says, without its own idea of the place.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(place) = text.rfind(" at line ") {
        text.truncate(place);
    }
    text
}
