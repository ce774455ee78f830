//! Why an input that should be a CloudTrail record cannot be used.

use crate::text::Text;

const MAX_SYNTAX_BYTES: usize = 120;

/// Why an input that should be a CloudTrail record cannot be used. Reading it again
/// would give the same: never worth a retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not JSON.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// It is JSON, but no record in any known wrapping.
    #[error("not a CloudTrail record: it has no eventSource and no eventName")]
    NotARecord,
    /// A field is missing or empty.
    #[error("{field} is missing or empty")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A field has another type.
    #[error("{field} is {found}, not text")]
    NotText {
        /// The field's name.
        field: &'static str,
        /// The type found.
        found: &'static str,
    },
    /// A field's text is not of the documented form.
    #[error("{field} is \"{value}\", not {expected}")]
    Invalid {
        /// The field's name.
        field: &'static str,
        /// What it says, printable and bounded.
        value: Text,
        /// What it should be.
        expected: &'static str,
    },
}

impl Malformed {
    /// What the JSON parser says, without its own idea of the place.
    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let (what, _place) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
        Self::Syntax(Text::new(what, MAX_SYNTAX_BYTES).to_string())
    }
}
