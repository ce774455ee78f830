//! A whole replay in this process: arbitrary bytes are scanned, delivered and reported.

#![no_main]

use std::io::{self, Read};

use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;
use rattle::cloudtrail::{Malformed, Record};
use rattle::detection::{Outcome, Policy};
use rattle::replay::scanner::{Place, Scanned, Scanner};
use rattle_fuzz::wrappings::{denial_at_start_of, number_of_items};
use rattle_fuzz::{
    InMemory, check_assessment, check_denial, check_finding, check_malformed, check_state,
};
use serde::de::IgnoredAny;

/// Size of the scanner's first buffer. Bytes beyond it are read after the buffer has moved.
const FIRST_BUFFER_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

fuzz_target!(|bytes: &[u8]| {
    let items = scan(bytes);
    check_places(bytes, &items);
    check_nothing_is_lost(bytes, &items);
    check_reading_makes_no_difference(bytes, &items);
    check_wrapping_makes_no_difference(bytes, &items);
    deliver(&items);
});

fn scan(input: impl Read) -> Vec<Scanned> {
    Scanner::new(input).map(|item| item.unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn check_places(bytes: &[u8], items: &[Scanned]) {
    let mut last = 0;
    for item in items {
        match item {
            Scanned::Denial(denial) => check_denial(denial),
            Scanned::Ignored => {}
            Scanned::Rejected(Place { line, byte }, malformed) => {
                check_malformed(malformed);
                assert!(last <= *byte, "places go back from {last} to {byte}");
                last = *byte;
                let before = usize::try_from(*byte).ok().and_then(|byte| bytes.get(..byte));
                let Some(before) = before else {
                    panic!("byte {byte} of {}", bytes.len());
                };
                let lines = before.split(|b| *b == b'\n').count() as u64;
                assert_eq!(*line, lines, "line of byte {byte}");
            }
        }
    }
}

/// Anything that could be a denial gives a denial or a rejection.
fn check_nothing_is_lost(bytes: &[u8], items: &[Scanned]) {
    if let Some(expected) = number_of_items(bytes) {
        assert_eq!(items.len(), expected, "records of {}: {items:?}", bytes.escape_ascii());
    } else if items.is_empty() && !names_a_list_of_records(bytes) {
        // The rest of the object around a list of records is skipped unread, so it may hold
        // anything.
        let lost = bytes.split(|byte| *byte == b'\n').find_map(denial_at_start_of);
        assert_eq!(lost, None, "a denial was skipped without a rejection");
    }
    let Some(records) = lines_of_json(bytes) else {
        return;
    };
    let alone: Vec<Scanned> = records.iter().map(|record| item_of(record)).collect();
    assert_same_kinds(items, &alone, "line by line");
}

/// The same records give the same results in every wrapping. The input's length selects the
/// wrapping.
fn check_wrapping_makes_no_difference(bytes: &[u8], items: &[Scanned]) {
    let Some(records) = lines_of_json(bytes) else {
        return;
    };
    let [before, between, after] = [
        ["", "", ""],
        ["[", ",", "]"],
        ["{\"Records\":[", "\n,", "]}"],
        ["{\"x\":1,\"Events\": [", ", ", "]}"],
    ][bytes.len() % 4];
    let list = records.join(between.as_bytes());
    let wrapped = [before.as_bytes(), &list, after.as_bytes()].concat();
    let how = format!("{before:?}{between:?}{after:?} around them");
    assert_same_kinds(items, &scan(&wrapped[..]), &how);
}

/// The results depend neither on the sizes of the pieces read nor on where the buffer ends.
fn check_reading_makes_no_difference(bytes: &[u8], items: &[Scanned]) {
    assert_same(items, &scan(Trickle::of(bytes)), 0, "read in small pieces");

    // This is much slower, so only some inputs go through it.
    let is_chosen = bytes.len() % 64 == 7 && !bytes.starts_with(BYTE_ORDER_MARK);
    if is_chosen {
        let blanks = FIRST_BUFFER_BYTES - bytes.len().min(FIRST_BUFFER_BYTES) / 2;
        let moved = scan(io::repeat(b' ').take(blanks as u64).chain(bytes));
        assert_same(items, &moved, blanks as u64, "behind a buffer of blanks");
    }
}

fn deliver(items: &[Scanned]) {
    let store = InMemory::new(&Policy::default());
    let again = InMemory::new(&Policy::default());
    let (mut denials, mut outcomes) = (0, [0; 3]);
    for item in items {
        let Scanned::Denial(denial) = item else {
            continue;
        };
        let delivered = store.deliver(denial, SignedDuration::ZERO);
        check_assessment(&delivered.assessment);
        if let Some(finding) = &delivered.finding {
            check_finding(finding);
        }
        denials += 1;
        outcomes[match delivered.outcome {
            Outcome::Counted => 0,
            Outcome::Duplicate => 1,
            Outcome::WindowFull => 2,
        }] += 1;
        let repeated = again.deliver(denial, SignedDuration::ZERO);
        assert_eq!(delivered.finding, repeated.finding, "two runs differ");

        let key = denial.principal().key();
        let Some(state) = store.state(key) else {
            panic!("{key} has no state");
        };
        check_state(&state);
        assert_eq!(Some(&state), again.state(key).as_ref(), "two runs differ");
    }
    let [counted, duplicate, full] = outcomes;
    assert_eq!(counted + duplicate + full, denials, "counters do not reconcile");
    assert!(store.principals() <= counted, "a principal without a counted denial");
    assert_eq!(store.principals() == 0, denials == 0);
}

/// The lines, if each is one JSON object alone in its line and has no list of records.
fn lines_of_json(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    let is_record = |line: &&[u8]| {
        line.starts_with(b"{")
            && !names_a_list_of_records(line)
            && serde_json::from_slice::<IgnoredAny>(line).is_ok()
    };
    lines.iter().all(is_record).then_some(lines)
}

fn names_a_list_of_records(json: &[u8]) -> bool {
    [&b"\"Records\""[..], b"\"Events\""]
        .iter()
        .any(|name| json.windows(name.len()).any(|window| window == *name))
}

fn item_of(record: &[u8]) -> Scanned {
    match Record::denial_in(record) {
        Ok(Some(denial)) => Scanned::Denial(Box::new(denial)),
        Ok(None) => Scanned::Ignored,
        Err(malformed) => Scanned::Rejected(Place { line: 0, byte: 0 }, malformed),
    }
}

/// As [`assert_same_kinds`], but compares the places too.
#[track_caller]
fn assert_same(items: &[Scanned], others: &[Scanned], moved_by: u64, how: &str) {
    assert_same_kinds(items, others, how);
    for pair in items.iter().zip(others) {
        if let (Scanned::Rejected(one, _), Scanned::Rejected(other, _)) = pair {
            let moved = Place { byte: one.byte + moved_by, ..*one };
            assert_eq!(moved, *other, "{how}: another place");
        }
    }
}

#[track_caller]
fn assert_same_kinds(items: &[Scanned], others: &[Scanned], how: &str) {
    assert_eq!(items.len(), others.len(), "{how}: {items:?} is {others:?}");
    for (item, other) in items.iter().zip(others) {
        let same = match (item, other) {
            (Scanned::Denial(one), Scanned::Denial(other)) => one == other,
            (Scanned::Ignored, Scanned::Ignored) => true,
            (Scanned::Rejected(_, one), Scanned::Rejected(_, other)) => {
                // If a text has several faults, the one that is named may depend on how much of the
                // text had been read.
                let both_are_syntax =
                    matches!(one, Malformed::Syntax(_)) && matches!(other, Malformed::Syntax(_));
                both_are_syntax || one == other
            }
            _ => false,
        };
        assert!(same, "{how}: {item:?} is {other:?}");
    }
}

/// Reads in pieces of odd sizes, with occasional interruptions. The pieces grow with the input,
/// since a record is parsed again with each of its pieces.
struct Trickle<'a> {
    rest: &'a [u8],
    reads: usize,
    step: usize,
}

impl<'a> Trickle<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, reads: 0, step: 1 + bytes.len() / 128 }
    }
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(7) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.step * (self.reads % 5) + 1;
        let (piece, _) = self.rest.split_at(size.min(self.rest.len()).min(buffer.len()));
        buffer[..piece.len()].copy_from_slice(piece);
        self.rest = &self.rest[piece.len()..];
        Ok(piece.len())
    }
}
