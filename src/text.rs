//! Text from outside, made safe to show.
//!
//! The refused caller, who may be an attacker, chooses secret ids, session names and user agents.
//! Names that AWS allows are printable ASCII, so everything else becomes an escape: a line break
//! cannot forge a line, no control sequence reaches a terminal, and letters that look alike or
//! reverse the reading order are visible.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of the longest text that is kept.
pub const MAX_KEPT_BYTES: usize = 256;

/// Replaces the middle of a long text.
const GAP: &str = "...";

/// Printable ASCII of bounded length. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// Makes `raw` printable and at most `max_bytes` long.
    ///
    /// It is trimmed, and anything but printable ASCII becomes an escape such as `\n` or
    /// `\u{202e}`. A long text loses its middle, because start and end say most.
    pub fn new(raw: &str, max_bytes: usize) -> Self {
        let printable = printable(raw.trim());
        if printable.len() <= max_bytes {
            return Self(Arc::from(&*printable));
        }
        let kept = max_bytes.saturating_sub(GAP.len());
        let tail = kept / 2;
        let head = kept - tail;
        Self(Arc::from(format!(
            "{}{GAP}{}",
            &printable[..head],
            &printable[printable.len() - tail..]
        )))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with broken links: a caller chose these words, and no mail program should make a
    /// link of them.
    pub fn without_links(&self) -> Cow<'_, str> {
        if !looks_like_a_link(&self.0) {
            return Cow::Borrowed(&self.0);
        }
        let mut out = self.0.replace("://", "[:]//");
        let dots: Vec<usize> = out.match_indices('.').map(|(at, _)| at).collect();
        for at in dots.into_iter().rev() {
            if joins_names(out.as_bytes(), at) {
                out.replace_range(at..=at, "[.]");
            }
        }
        Cow::Owned(out)
    }

    /// Whether the text can stand in a shell command, quoted or not, and still names what it named
    /// in AWS.
    pub fn is_plain(&self) -> bool {
        !self.is_empty()
            && !self.0.contains(GAP)
            && !looks_like_a_link(&self.0)
            && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-:".contains(&b))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Self::new(&text, MAX_KEPT_BYTES))
    }
}

/// Makes `raw` printable without shortening it.
pub fn printable(raw: &str) -> Cow<'_, str> {
    if raw.bytes().all(is_printable) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len() + 16);
    for c in raw.chars() {
        if u8::try_from(c).is_ok_and(is_printable) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    Cow::Owned(out)
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// Whether it has a scheme or names joined by a dot, which mail programs take for an address.
fn looks_like_a_link(text: &str) -> bool {
    text.contains("://")
        || text.match_indices('.').any(|(at, _)| {
            let is_name = text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_alphabetic);
            is_name && joins_names(text.as_bytes(), at)
        })
}

fn joins_names(text: &[u8], dot: usize) -> bool {
    let is_part =
        |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    is_part(dot.checked_sub(1)) && is_part(dot.checked_add(1))
}
