//! Finds the CloudTrail records in a stream of JSON.
//!
//! Wrappings are recognised by content: a single record, records one after the other (JSON
//! Lines, or printed over several lines), arrays of records, `{"Records":[...]}`, the output
//! of `aws cloudtrail lookup-events` (`{"Events":[...]}`), and EventBridge envelopes in any
//! of these. This module only finds where a record starts; `serde_json` parses it.

use std::io::{self, Read};

pub use super::buffer::Place;

use super::buffer::Buffer;
use super::extent::{NoEnd, is_records_key};
use crate::cloudtrail::{Denial, Malformed, Record};

const MAX_NESTING: usize = 8;

#[derive(Debug)]
pub enum Scanned {
    Denial(Box<Denial>),
    /// A record of another event.
    Ignored,
    /// Input that should be a record and cannot be used.
    Rejected(Place, Malformed),
}

/// A list or an object that encloses the next value.
#[derive(Clone, Copy)]
struct Frame {
    kind: FrameKind,
    comma_next: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    /// An array whose elements may be wrappings.
    Array,
    /// The array of records inside an object.
    Records,
    /// The object around an array of records.
    Object,
}

enum Parsed {
    Whole(Scanned),
    Malformed(Malformed),
    /// The record goes on after the bytes that were parsed.
    Cut,
}

/// An iterator over the records of one stream, which ends after its first I/O error.
pub struct Scanner<R> {
    buffer: Buffer<R>,
    frames: Vec<Frame>,
    at_start: bool,
    finished: bool,
}

impl<R: Read> Scanner<R> {
    pub fn new(input: R) -> Self {
        Self { buffer: Buffer::new(input), frames: Vec::new(), at_start: true, finished: false }
    }

    pub fn bytes_read(&self) -> u64 {
        self.buffer.bytes_read()
    }

    fn next_scanned(&mut self) -> io::Result<Option<Scanned>> {
        if self.at_start {
            self.buffer.skip_byte_order_mark()?;
        }
        loop {
            let Some(byte) = self.buffer.peek()? else {
                self.finished = true;
                return Ok(self.end_of_stream());
            };
            let step = match self.frames.last().copied() {
                None => self.top_level(byte)?,
                Some(Frame { kind: FrameKind::Object, comma_next }) => {
                    self.in_object(byte, comma_next)?
                }
                Some(Frame { comma_next, .. }) => self.in_array(byte, comma_next)?,
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
                self.buffer.consume(1);
                Ok(None)
            }
            _ => {
                let rejected = self.rejected("a record starts with { and a list with [");
                if self.at_start {
                    self.finished = true;
                } else {
                    self.buffer.skip_to_next_line_with_a_value()?;
                }
                Ok(Some(rejected))
            }
        }
    }

    fn in_array(&mut self, byte: u8, comma_next: bool) -> io::Result<Option<Scanned>> {
        match byte {
            b']' => {
                self.buffer.consume(1);
                self.frames.pop();
                self.value_done();
                Ok(None)
            }
            b',' if comma_next => {
                self.buffer.consume(1);
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
                self.buffer.consume(1);
                self.frames.pop();
                self.value_done();
                Ok(None)
            }
            b',' if comma_next => {
                self.buffer.consume(1);
                self.set_comma_next(false);
                Ok(None)
            }
            b'"' if !comma_next => {
                let Ok(key_end) = self.buffer.find_end_of_value()? else {
                    return self.abandon("the name of a member does not end");
                };
                let key = &self.buffer.unread()[1..key_end - 1];
                let may_hold_records = is_records_key(key);
                self.buffer.consume(key_end);
                if self.buffer.peek()? != Some(b':') {
                    return self.abandon("the name of a member is followed by :");
                }
                self.buffer.consume(1);
                if may_hold_records && self.buffer.peek()? == Some(b'[') {
                    self.buffer.consume(1);
                    self.open(FrameKind::Records);
                    return Ok(None);
                }
                self.skip_member_value()
            }
            _ => self.abandon("an object goes on with the name of a member or }"),
        }
    }

    /// Skips the value of a member that holds no records. A value that is not JSON is
    /// rejected, since its brackets may hide records.
    fn skip_member_value(&mut self) -> io::Result<Option<Scanned>> {
        if self.buffer.peek()?.is_none() {
            return Ok(None);
        }
        match self.buffer.find_end_of_value()? {
            Ok(length) if is_json(&self.buffer.unread()[..length]) => {
                self.buffer.consume(length);
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
            self.buffer.consume(1);
            self.open(FrameKind::Array);
            return Ok(None);
        }
        let may_wrap = self.frames.last().is_none_or(|frame| frame.kind != FrameKind::Records);
        if may_wrap && self.buffer.holds_records()? {
            self.buffer.consume(1);
            self.open(FrameKind::Object);
            return Ok(None);
        }
        self.record().map(Some)
    }

    fn record(&mut self) -> io::Result<Scanned> {
        let mut parsed = self.parse_record(self.buffer.unread().len());
        let mut why = "the file ends in the middle of a record";
        if matches!(parsed, Parsed::Cut) {
            // Finding the end before parsing again parses the record twice at most, and not
            // after every read.
            let length = match self.buffer.find_end_of_value()? {
                Ok(length) => length,
                Err(no_end) => {
                    if matches!(no_end, NoEnd::TooLong) {
                        why = "a record is longer than 2 MiB";
                    }
                    self.buffer.unread().len()
                }
            };
            parsed = self.parse_record(length);
        }
        match parsed {
            Parsed::Whole(scanned) => Ok(scanned),
            Parsed::Malformed(malformed) => self.record_that_does_not_parse(malformed),
            Parsed::Cut => self.left_out(why),
        }
    }

    fn parse_record(&mut self, length: usize) -> Parsed {
        let json = &self.buffer.unread()[..length];
        let mut stream = serde_json::Deserializer::from_slice(json).into_iter::<Record<'_>>();
        match stream.next() {
            Some(Ok(record)) => {
                let denial = record.denial();
                let length = stream.byte_offset();
                Parsed::Whole(self.scanned(denial, length))
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

    /// Finds the end of a record by its brackets alone, and parses it again with invalid
    /// encodings replaced.
    fn record_that_does_not_parse(&mut self, malformed: Malformed) -> io::Result<Scanned> {
        let place = self.buffer.place();
        if let Ok(length) = self.buffer.find_end_of_value()? {
            let json = &self.buffer.unread()[..length];
            let denial = match Record::denial_in(json) {
                Err(Malformed::Syntax(_)) => Err(malformed.clone()),
                other => other,
            };
            // Outside of any list the brackets of a broken record cannot be trusted: only the
            // end of its line can. Those of valid JSON that is not a record can.
            let is_end_certain = !self.frames.is_empty()
                || !matches!(denial, Err(Malformed::Syntax(_)))
                || is_json(json);
            if is_end_certain {
                return Ok(self.scanned(denial, length));
            }
        }
        self.skip_value_or_abandon()?;
        Ok(Scanned::Rejected(place, malformed))
    }

    /// Consumes a record of `length` bytes.
    fn scanned(&mut self, denial: Result<Option<Denial>, Malformed>, length: usize) -> Scanned {
        let scanned = match denial {
            Ok(Some(denial)) => Scanned::Denial(Box::new(denial)),
            Ok(None) => Scanned::Ignored,
            Err(malformed) => Scanned::Rejected(self.buffer.place(), malformed),
        };
        self.buffer.consume(length);
        self.value_done();
        scanned
    }

    fn rejected(&self, why: &str) -> Scanned {
        Scanned::Rejected(self.buffer.place(), Malformed::Syntax(why.to_owned()))
    }

    /// Leaves all enclosing lists and objects, and goes on at the next line that starts a
    /// value.
    fn abandon(&mut self, why: &str) -> io::Result<Option<Scanned>> {
        let rejected = self.rejected(why);
        self.frames.clear();
        self.buffer.skip_to_next_line_with_a_value()?;
        Ok(Some(rejected))
    }

    fn skip_value_or_abandon(&mut self) -> io::Result<()> {
        if !self.frames.is_empty() && self.buffer.skip_value()? {
            self.value_done();
        } else {
            self.frames.clear();
            self.buffer.skip_to_next_line_with_a_value()?;
        }
        Ok(())
    }

    fn open(&mut self, kind: FrameKind) {
        self.frames.push(Frame { kind, comma_next: false });
    }

    fn value_done(&mut self) {
        self.set_comma_next(true);
    }

    fn set_comma_next(&mut self, next: bool) {
        if let Some(frame) = self.frames.last_mut() {
            frame.comma_next = next;
        }
    }
}

impl<R: Read> Iterator for Scanner<R> {
    type Item = io::Result<Scanned>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let next = self.next_scanned().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.finished = true;
        }
        next
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}
