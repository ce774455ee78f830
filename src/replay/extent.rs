//! Finds the end of a JSON value by its brackets and quotes alone, where the value is not
//! read completely yet or cannot be parsed.

use memchr::{memchr, memchr_iter};

/// An object whose first so many members hold no list of records is a record itself.
const MAX_MEMBERS_BEFORE_RECORDS: usize = 4;

pub(super) enum NoEnd {
    /// The value is longer than a record may be.
    TooLong,
    StreamEnds,
    /// A newline inside a string, which JSON does not allow.
    BrokenText,
}

/// Offset of the first `{` or `[` at the start of a line after the first.
pub(super) fn line_with_a_value(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes)
        .map(|at| at + 1)
        .find(|at| matches!(bytes.get(*at), Some(b'{' | b'[')))
}

/// Whether an object's first members lead to a list of records. `None` if `json` ends
/// before that is known.
pub(super) fn holds_records(json: &[u8]) -> Option<bool> {
    let mut at = 1;
    for _ in 0..MAX_MEMBERS_BEFORE_RECORDS {
        at += skip_spaces(&json[at..])?;
        if json[at] != b'"' {
            return Some(false);
        }
        let key = at + 1;
        at = key + memchr(b'"', &json[key..])?;
        let is_records = is_records_key(&json[key..at]);
        at += 1;
        at += skip_spaces(&json[at..])?;
        if json[at] != b':' {
            return Some(false);
        }
        at += 1;
        at += skip_spaces(&json[at..])?;
        match json[at] {
            b'[' if is_records => return Some(true),
            b'[' | b'{' => return Some(false),
            _ => {}
        }
        let mut extent = Extent::default();
        match extent.advance(&json[at..])? {
            Ok(()) => at += extent.length,
            Err(_) => return Some(false),
        }
        at += skip_spaces(&json[at..])?;
        if json[at] != b',' {
            return Some(false);
        }
        at += 1;
    }
    Some(false)
}

fn skip_spaces(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| !byte.is_ascii_whitespace())
}

pub(super) fn is_records_key(key: &[u8]) -> bool {
    matches!(key, b"Records" | b"Events")
}

/// A search for the end of one JSON value, which may arrive in several pieces.
#[derive(Default)]
pub(super) struct Extent {
    /// Bytes of the value so far.
    pub(super) length: usize,
    depth: u64,
    in_text: bool,
    escaped: bool,
    in_literal: bool,
}

impl Extent {
    /// Continues with the bytes after those seen so far. `None` if the value goes on.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<Result<(), NoEnd>> {
        for byte in bytes {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            self.length += 1;
                            return Some(Ok(()));
                        }
                    }
                    b'\n' => return Some(Err(NoEnd::BrokenText)),
                    _ => {}
                }
            } else {
                match byte {
                    b'"' if self.in_literal => return Some(Ok(())),
                    b'"' => self.in_text = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' | b',' if self.depth == 0 => return Some(Ok(())),
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            self.length += 1;
                            return Some(Ok(()));
                        }
                    }
                    byte if byte.is_ascii_whitespace() && !self.in_literal => {}
                    byte if byte.is_ascii_whitespace() => return Some(Ok(())),
                    _ if self.depth == 0 => self.in_literal = true,
                    _ => {}
                }
            }
            self.length += 1;
        }
        None
    }

    /// Whether the value is complete if the stream ends here, as a number may be.
    pub(super) fn ends_with_stream(&self) -> bool {
        self.in_literal && self.depth == 0
    }
}
