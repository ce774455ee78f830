//! A buffer over a stream of JSON, bounded by the largest record and not by the file.

use std::io::{self, Read};

use memchr::memchr_iter;

use super::extent::{Extent, NoEnd, holds_records, line_with_a_value};

/// CloudTrail keeps records below 256 KB. Escaped once more, inside an item of
/// `lookup-events`, a record may take twice that.
const MAX_RECORD_BYTES: usize = 2 << 20;
const FIRST_BUFFER_BYTES: usize = 256 << 10;
const MAX_BYTES_BEFORE_RECORDS: usize = 16 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A position in a file; in a compressed one, in its decompressed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// From 0.
    pub byte: u64,
}

pub(super) struct Buffer<R> {
    input: R,
    bytes: Vec<u8>,
    /// The unread bytes are `bytes[start..end]`.
    start: usize,
    end: usize,
    input_ended: bool,
    /// Bytes and lines of the stream that were discarded before `bytes[0]`.
    bytes_before: u64,
    lines_before: u64,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            bytes: vec![0; FIRST_BUFFER_BYTES],
            start: 0,
            end: 0,
            input_ended: false,
            bytes_before: 0,
            lines_before: 0,
        }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_before + self.end as u64
    }

    /// The position of the next unread byte.
    pub(super) fn place(&self) -> Place {
        Place {
            line: 1 + self.lines_before + count_lines(&self.bytes[..self.start]),
            byte: self.bytes_before + self.start as u64,
        }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Skips white space and returns the byte after it, which stays unread.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let unread = self.unread();
            if let Some(at) = unread.iter().position(|byte| !byte.is_ascii_whitespace()) {
                self.start += at;
                return Ok(Some(self.bytes[self.start]));
            }
            self.start = self.end;
            if self.input_ended {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    pub(super) fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.unread().len() < BYTE_ORDER_MARK.len() && !self.input_ended {
            self.fill()?;
        }
        if self.unread().starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// Whether the first few members of the object that starts here lead to a list of records.
    pub(super) fn holds_records(&mut self) -> io::Result<bool> {
        loop {
            // The limit holds even if more is in the buffer, so that the answer does not
            // depend on how much each read returned.
            let looked_at = self.end.min(self.start + MAX_BYTES_BEFORE_RECORDS);
            let json = &self.bytes[self.start..looked_at];
            if let Some(answer) = holds_records(json) {
                return Ok(answer);
            }
            if json.len() == MAX_BYTES_BEFORE_RECORDS || self.input_ended || !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Reads the value that starts here into the buffer and returns its length.
    pub(super) fn find_end_of_value(&mut self) -> io::Result<Result<usize, NoEnd>> {
        let mut extent = Extent::default();
        loop {
            let looked_at = extent.length;
            match extent.advance(&self.bytes[self.start + looked_at..self.end]) {
                Some(Ok(())) => return Ok(Ok(extent.length)),
                Some(Err(no_end)) => return Ok(Err(no_end)),
                None if self.input_ended => {
                    let ends = extent.ends_with_stream();
                    return Ok(if ends { Ok(extent.length) } else { Err(NoEnd::StreamEnds) });
                }
                None => {
                    if !self.fill()? {
                        return Ok(Err(NoEnd::TooLong));
                    }
                }
            }
        }
    }

    /// Skips the value that starts here, whatever its length. False if it has no end.
    pub(super) fn skip_value(&mut self) -> io::Result<bool> {
        let mut extent = Extent::default();
        loop {
            let before = extent.length;
            let end = extent.advance(self.unread());
            self.start += extent.length - before;
            match end {
                Some(end) => return Ok(end.is_ok()),
                None if self.input_ended => return Ok(extent.ends_with_stream()),
                None => self.fill()?,
            };
        }
    }

    pub(super) fn skip_to_next_line_with_a_value(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = line_with_a_value(self.unread()) {
                self.start += at;
                return Ok(());
            }
            if self.input_ended {
                self.start = self.end;
                return Ok(());
            }
            // The last byte may be the newline before a value.
            self.start = self.end.saturating_sub(1).max(self.start);
            self.fill()?;
        }
    }

    /// Reads more of the stream. False if the buffer is full and has its largest size.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.lines_before += count_lines(&self.bytes[..self.start]);
            self.bytes_before += self.start as u64;
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            if self.bytes.len() >= MAX_RECORD_BYTES {
                return Ok(false);
            }
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        let read = loop {
            match self.input.read(&mut self.bytes[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        self.input_ended = read == 0;
        Ok(true)
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}
