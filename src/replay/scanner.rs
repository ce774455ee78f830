//! CloudTrail records in a stream of JSON, whatever they are wrapped in.
//!
//! Recognised by content: one record, records one after the other (JSON Lines, or printed
//! over several lines), arrays of them, `{"Records":[...]}`, the output of
//! `aws cloudtrail lookup-events` (`{"Events":[...]}`), and EventBridge envelopes in any of
//! these. Each record is parsed by `serde_json`; this module only finds where it starts, so
//! that memory is bounded by the largest record, never by the file.

use std::io::{self, Read};

use memchr::memchr_iter;

use super::extent::{Extent, NoEnd, holds_records, is_records_key, line_with_a_value};
use crate::cloudtrail::{Denial, Malformed, Record};

/// CloudTrail keeps records below 256 KB; escaped once more in an item of
/// `lookup-events`, one may take twice that.
const MAX_RECORD_BYTES: usize = 2 << 20;
const FIRST_BUFFER_BYTES: usize = 256 << 10;
const MAX_NESTING: usize = 8;
const MAX_BYTES_BEFORE_RECORDS: usize = 16 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where something stands in a file; of a packed file, in its unpacked text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Byte, from 0.
    pub byte: u64,
}

/// One thing found in the stream.
#[derive(Debug)]
pub enum Scanned {
    /// A denial we watch.
    Denial(Box<Denial>),
    /// A record of something else.
    Ignored,
    /// Something that should be a record and cannot be used.
    Rejected(Place, Malformed),
}

/// What encloses the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// An array; its elements may themselves be wrappings.
    Array { comma_next: bool },
    /// The array of records inside an object.
    Records { comma_next: bool },
    /// The object around an array of records.
    Object { comma_next: bool },
}

/// What came of parsing a record.
enum Parsed {
    Whole(Scanned),
    Malformed(Malformed),
    /// It goes on after what was there to parse.
    Cut,
}

/// Reads the records of one stream.
pub struct Scanner<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    input_ended: bool,
    bytes_before: u64,
    lines_before: u64,
    frames: Vec<Frame>,
    at_start: bool,
    finished: bool,
}

impl<R: Read> Scanner<R> {
    /// A scanner at the start of a stream.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; FIRST_BUFFER_BYTES],
            start: 0,
            end: 0,
            input_ended: false,
            bytes_before: 0,
            lines_before: 0,
            frames: Vec::new(),
            at_start: true,
            finished: false,
        }
    }

    /// Bytes taken from the stream so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_before + self.end as u64
    }

    fn next_item(&mut self) -> io::Result<Option<Scanned>> {
        if self.at_start {
            self.skip_byte_order_mark()?;
        }
        loop {
            let Some(byte) = self.peek()? else {
                self.finished = true;
                return Ok(self.end_of_stream());
            };
            let step = match self.frames.last().copied() {
                None => self.top_level(byte)?,
                Some(Frame::Array { comma_next } | Frame::Records { comma_next }) => {
                    self.in_array(byte, comma_next)?
                }
                Some(Frame::Object { comma_next }) => self.in_object(byte, comma_next)?,
            };
            self.at_start = false;
            if step.is_some() {
                return Ok(step);
            }
        }
    }

    fn end_of_stream(&mut self) -> Option<Scanned> {
        let inside = !self.frames.is_empty();
        self.frames.clear();
        inside.then(|| self.rejected("the file ends inside a list of records"))
    }

    fn top_level(&mut self, byte: u8) -> io::Result<Option<Scanned>> {
        match byte {
            b'{' | b'[' => self.value(byte),
            // Lists of records are sometimes written one element a line.
            b',' if !self.at_start => {
                self.start += 1;
                Ok(None)
            }
            _ => {
                let rejected = self.rejected("a record starts with { and a list with [");
                if self.at_start {
                    self.finished = true;
                } else {
                    self.skip_to_next_line_with_a_value()?;
                }
                Ok(Some(rejected))
            }
        }
    }

    fn in_array(&mut self, byte: u8, comma_next: bool) -> io::Result<Option<Scanned>> {
        match byte {
            b']' => {
                self.start += 1;
                self.frames.pop();
                self.value_done();
                Ok(None)
            }
            b',' if comma_next => {
                self.start += 1;
                self.set_comma_next(false);
                Ok(None)
            }
            _ if comma_next => self.abandon("a list of records goes on with , or ]"),
            b'{' | b'[' => self.value(byte),
            _ => self.left_out("a record starts with {").map(Some),
        }
    }

    /// The members around a list of records, before or after it.
    fn in_object(&mut self, byte: u8, comma_next: bool) -> io::Result<Option<Scanned>> {
        match byte {
            b'}' => {
                self.start += 1;
                self.frames.pop();
                self.value_done();
                Ok(None)
            }
            b',' if comma_next => {
                self.start += 1;
                self.set_comma_next(false);
                Ok(None)
            }
            b'"' if !comma_next => {
                let Ok(key_end) = self.find_end_of_value()? else {
                    return self.abandon("the name of a member does not end");
                };
                let key = &self.buffer[self.start + 1..self.start + key_end - 1];
                let may_hold_records = is_records_key(key);
                self.start += key_end;
                if self.peek()? != Some(b':') {
                    return self.abandon("the name of a member is followed by :");
                }
                self.start += 1;
                if may_hold_records && self.peek()? == Some(b'[') {
                    self.start += 1;
                    self.frames.push(Frame::Records { comma_next: false });
                    return Ok(None);
                }
                self.skip_member_value()
            }
            _ => self.abandon("an object goes on with the name of a member or }"),
        }
    }

    /// Leaves out the value of a member that holds no records. One that is not JSON may hide
    /// some.
    fn skip_member_value(&mut self) -> io::Result<Option<Scanned>> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        match self.find_end_of_value()? {
            Ok(length) if is_json(&self.buffer[self.start..self.start + length]) => {
                self.start += length;
                self.value_done();
                Ok(None)
            }
            Ok(_) => self.abandon("the value of a member is no JSON"),
            Err(_) => self.abandon("the value of a member does not end within 2 MiB"),
        }
    }

    fn value(&mut self, byte: u8) -> io::Result<Option<Scanned>> {
        if self.frames.len() >= MAX_NESTING {
            return self.left_out("lists nested too deeply").map(Some);
        }
        if byte == b'[' {
            self.start += 1;
            self.frames.push(Frame::Array { comma_next: false });
            return Ok(None);
        }
        let may_wrap = !matches!(self.frames.last(), Some(Frame::Records { .. }));
        if may_wrap && self.wraps_records()? {
            self.start += 1;
            self.frames.push(Frame::Object { comma_next: false });
            return Ok(None);
        }
        self.record().map(Some)
    }

    fn record(&mut self) -> io::Result<Scanned> {
        let mut parsed = self.parse_record(self.end - self.start);
        let mut why = "the file ends in the middle of a record";
        if matches!(parsed, Parsed::Cut) {
            // More must be read. The end is looked for first, so that the record is parsed
            // once more and not after every read.
            let length = match self.find_end_of_value()? {
                Ok(length) => length,
                Err(no_end) => {
                    if matches!(no_end, NoEnd::TooLong) {
                        why = "a record is longer than 2 MiB";
                    }
                    self.end - self.start
                }
            };
            parsed = self.parse_record(length);
        }
        match parsed {
            Parsed::Whole(item) => Ok(item),
            Parsed::Malformed(malformed) => self.record_that_does_not_parse(malformed),
            Parsed::Cut => self.left_out(why),
        }
    }

    fn parse_record(&mut self, length: usize) -> Parsed {
        let json = &self.buffer[self.start..self.start + length];
        let mut stream = serde_json::Deserializer::from_slice(json).into_iter::<Record<'_>>();
        match stream.next() {
            Some(Ok(record)) => {
                let denial = record.denial();
                let length = stream.byte_offset();
                Parsed::Whole(self.item(denial, length))
            }
            Some(Err(error)) if !error.is_eof() => Parsed::Malformed(Malformed::syntax(&error)),
            _ => Parsed::Cut,
        }
    }

    fn left_out(&mut self, why: &str) -> io::Result<Scanned> {
        let rejected = self.rejected(why);
        self.skip_value_or_abandon()?;
        Ok(rejected)
    }

    /// Finds the extent of a record without its parser, and reads it once more with what
    /// cannot be decoded replaced.
    fn record_that_does_not_parse(&mut self, malformed: Malformed) -> io::Result<Scanned> {
        let place = self.place();
        if let Ok(length) = self.find_end_of_value()? {
            let json = &self.buffer[self.start..self.start + length];
            let denial = match Record::denial_in(json) {
                Err(Malformed::Syntax(_)) => Err(malformed.clone()),
                other => other,
            };
            // Of a broken record outside of any list only its line is certain to end; what
            // is JSON and no record ends where its brackets do.
            let is_certain = !self.frames.is_empty()
                || !matches!(denial, Err(Malformed::Syntax(_)))
                || is_json(json);
            if is_certain {
                return Ok(self.item(denial, length));
            }
        }
        self.skip_value_or_abandon()?;
        Ok(Scanned::Rejected(place, malformed))
    }

    fn item(&mut self, denial: Result<Option<Denial>, Malformed>, length: usize) -> Scanned {
        let item = match denial {
            Ok(Some(denial)) => Scanned::Denial(Box::new(denial)),
            Ok(None) => Scanned::Ignored,
            Err(malformed) => Scanned::Rejected(self.place(), malformed),
        };
        self.start += length;
        self.value_done();
        item
    }

    fn rejected(&self, why: &str) -> Scanned {
        Scanned::Rejected(self.place(), Malformed::Syntax(why.to_owned()))
    }

    /// Gives up what encloses this place and goes on with the next line that starts a
    /// value.
    fn abandon(&mut self, why: &str) -> io::Result<Option<Scanned>> {
        let rejected = self.rejected(why);
        self.frames.clear();
        self.skip_to_next_line_with_a_value()?;
        Ok(Some(rejected))
    }

    fn skip_value_or_abandon(&mut self) -> io::Result<()> {
        if self.frames.is_empty() || !self.skip_value()? {
            self.frames.clear();
            self.skip_to_next_line_with_a_value()?;
        }
        Ok(())
    }

    fn value_done(&mut self) {
        self.set_comma_next(true);
    }

    fn set_comma_next(&mut self, next: bool) {
        if let Some(
            Frame::Array { comma_next }
            | Frame::Records { comma_next }
            | Frame::Object { comma_next },
        ) = self.frames.last_mut()
        {
            *comma_next = next;
        }
    }

    /// Whether the object that starts here holds a list of records: only its first few
    /// members are looked at.
    fn wraps_records(&mut self) -> io::Result<bool> {
        loop {
            // No more than this is looked at even if more is there: the answer must not depend
            // on how much one read gave.
            let looked_at = self.end.min(self.start + MAX_BYTES_BEFORE_RECORDS);
            let json = &self.buffer[self.start..looked_at];
            if let Some(answer) = holds_records(json) {
                return Ok(answer);
            }
            if json.len() == MAX_BYTES_BEFORE_RECORDS || self.input_ended || !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// The length of the value that starts here, if it is at most that of a record.
    fn find_end_of_value(&mut self) -> io::Result<Result<usize, NoEnd>> {
        let mut extent = Extent::default();
        loop {
            let looked_at = extent.length;
            match extent.advance(&self.buffer[self.start + looked_at..self.end]) {
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

    /// Leaves out the value that starts here, of whatever length.
    fn skip_value(&mut self) -> io::Result<bool> {
        let mut extent = Extent::default();
        loop {
            let before = extent.length;
            let end = extent.advance(&self.buffer[self.start..self.end]);
            self.start += extent.length - before;
            match end {
                Some(Ok(())) => {
                    self.value_done();
                    return Ok(true);
                }
                Some(Err(_)) => return Ok(false),
                None if self.input_ended => return Ok(extent.ends_with_stream()),
                None => {
                    self.fill()?;
                }
            }
        }
    }

    fn skip_to_next_line_with_a_value(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = line_with_a_value(&self.buffer[self.start..self.end]) {
                self.start += at;
                return Ok(());
            }
            if self.input_ended {
                self.start = self.end;
                return Ok(());
            }
            self.start = self.end.saturating_sub(1).max(self.start);
            self.fill()?;
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let rest = &self.buffer[self.start..self.end];
            if let Some(at) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
                self.start += at;
                return Ok(Some(self.buffer[self.start]));
            }
            self.start = self.end;
            if self.input_ended {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.end - self.start < BYTE_ORDER_MARK.len() && !self.input_ended {
            self.fill()?;
        }
        if self.buffer[self.start..self.end].starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// Reads on. False if the buffer is as large as it may become, and full.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.lines_before += count_lines(&self.buffer[..self.start]);
            self.bytes_before += self.start as u64;
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() >= MAX_RECORD_BYTES {
                return Ok(false);
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        self.input_ended = read == 0;
        Ok(true)
    }

    fn place(&self) -> Place {
        Place {
            line: 1 + self.lines_before + count_lines(&self.buffer[..self.start]),
            byte: self.bytes_before + self.start as u64,
        }
    }
}

impl<R: Read> Iterator for Scanner<R> {
    type Item = io::Result<Scanned>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let next = self.next_item().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.finished = true;
        }
        next
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}
