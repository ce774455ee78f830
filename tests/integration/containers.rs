//! Every wrapping in which records arrive, recognised by content.

use std::io::Read;

use rattle::replay::scanner::{Place, Scanned, Scanner};
use serde_json::{Value, json};

use crate::support::{MONDAY, envelope, record};

/// A reader that returns a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn scan(text: impl AsRef<[u8]>) -> Vec<Scanned> {
    let text = text.as_ref();
    let at_once: Vec<Scanned> = Scanner::new(text).map(Result::unwrap).collect();
    for size in [1, 7, 4096] {
        let trickled: Vec<Scanned> =
            Scanner::new(Trickle(text, size)).map(Result::unwrap).collect();
        assert_eq!(format!("{at_once:?}"), format!("{trickled:?}"), "{size} bytes at a time");
    }
    at_once
}

/// `d` for a denial, `-` for another record, `!` for a rejection.
fn shape(text: impl AsRef<[u8]>) -> String {
    let letter = |item: &Scanned| match item {
        Scanned::Denial(_) => 'd',
        Scanned::Ignored => '-',
        Scanned::Rejected(..) => '!',
    };
    scan(text).iter().map(letter).collect()
}

fn rejections(text: impl AsRef<[u8]>) -> Vec<(u64, u64, String)> {
    let rejection = |item: Scanned| match item {
        Scanned::Rejected(Place { line, byte }, error) => Some((line, byte, error.to_string())),
        _ => None,
    };
    scan(text).into_iter().filter_map(rejection).collect()
}

fn denied() -> Value {
    record(MONDAY as f64, "e", &["prod/db".to_owned()])
}

fn other() -> Value {
    json!({"eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances"})
}

fn looked_up(record: &Value) -> Value {
    json!({"EventId": "x", "EventName": "GetSecretValue", "ReadOnly": "true", "Resources": [],
           "CloudTrailEvent": record.to_string()})
}

#[test]
fn every_wrapping_is_recognised() {
    let (d, o) = (denied(), other());
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let records = json!({"Records": [d, o, d]});
    let events = json!({"Events": [looked_up(&d), looked_up(&o)], "NextToken": "x"});
    let token_first = format!("{{\"NextToken\":\"a,{{\",\"Events\":[{}]}}", looked_up(&d));
    for (text, expected) in [
        (d.to_string(), "d"),
        (pretty(&d), "d"),
        (format!("\u{feff}{d}"), "d"),
        (records.to_string(), "d-d"),
        (pretty(&records), "d-d"),
        (format!("{records}\n{records}"), "d-dd-d"),
        (format!("{d}\n{o}\r\n\n{d}\n"), "d-d"),
        (format!("{d}{o}{d}"), "d-d"),
        (format!("{d},\n{o},\n{d}"), "d-d"),
        (format!("{}\n{}\n", pretty(&d), pretty(&d)), "dd"),
        (json!([d, o]).to_string(), "d-"),
        (json!([[d], [o, d]]).to_string(), "d-d"),
        (envelope(&d).to_string(), "d"),
        (pretty(&envelope(&d)), "d"),
        (json!([envelope(&d), envelope(&o)]).to_string(), "d-"),
        (format!("{}\n{}", envelope(&d), envelope(&o)), "d-"),
        (events.to_string(), "d-"),
        (pretty(&events), "d-"),
        (token_first, "d"),
        (json!([records, events]).to_string(), "d-dd-"),
        (looked_up(&d).to_string(), "d"),
        (json!({"Records": []}).to_string(), ""),
        (String::new(), ""),
        (" \n\t ".to_owned(), ""),
    ] {
        assert_eq!(shape(&text), expected, "{text}");
    }
}

#[test]
fn a_list_of_records_is_looked_for_in_the_first_bytes_whatever_a_read_gives() {
    let after = |bytes: usize| {
        let before = json!({"about": "x".repeat(bytes)}).to_string();
        format!("{},\"Records\":[{},{}]}}", &before[..before.len() - 1], denied(), denied())
    };
    assert_eq!(shape(after(16_000)), "dd");
    assert_eq!(shape(after(17_000)), "!");
}

#[test]
fn a_malformed_record_does_not_hide_the_next() {
    let (d, o) = (denied().to_string(), other().to_string());
    for (text, expected) in [
        // JSON Lines continue with the next line.
        (format!("{d}\n{{\"eventName\":}}\n{d}"), "d!d"),
        (format!("{d}\n{{\"eventName\":\"cut off\n{d}"), "d!d"),
        (format!("{d}\n{{\"a\":{{\"b\":1\n{o}"), "d!-"),
        (format!("{d}\nnot JSON at all\nnor this\n{d}"), "d!d"),
        (format!("{d}\n]\n{d}"), "d!d"),
        // So do records that follow each other on one line.
        (format!("{{\"eventID\":\"\\ud800\"}}{d}{o}"), "!d-"),
        (format!("{{\"eventID\":1,\"eventID\":1}}{d}"), "!d"),
        (format!("{}{d}{d}", d.replace("prod/db", "prod/\\ud800")), "ddd"),
        // The rest of the object around the records must be JSON too.
        (format!("{{\"Records\":[]\"\":{{\n{{{d}}}]}}"), "!!"),
        (format!("{{\"Records\":[{d}],\"a\":tru}}\n{d}"), "d!d"),
        (format!("{{\"Records\":[{d}],\"a\":{{\"b\":[1]}},\"Events\":[{o}]}}"), "d-"),
        // A list continues with its next element.
        (format!("[{d},{{\"eventName\":tru}},{d}]"), "d!d"),
        (format!("{{\"Records\":[{d},{{\"eventName\":01}},{o},{d}]}}"), "d!-d"),
        (format!("[{d},12,\"text\",null,{d}]"), "d!!!d"),
        (format!("[{d} {d}]\n{d}"), "d!d"),
        (format!("[{d},,{d}]"), "d!d"),
        // A record that gives a field twice is rejected.
        (format!("[{{\"eventName\":\"a\",\"eventName\":\"b\"}},{d}]"), "!d"),
        // A string that is cut off at the end of a line does not swallow the lines after it.
        (format!("[{d},{{\"eventName\":\"cut off\n{d}\n{d}"), "d!dd"),
        // Input that ends too early is reported as such.
        (format!("[{d}"), "d!"),
        (format!("{{\"Records\":[{d},"), "d!"),
        (format!("{{\"Records\":[{d},{{\"eventName\":\"x"), "d!"),
        (d[..d.len() - 1].to_owned(), "!"),
        // Text without any JSON is a single rejection.
        ("<?xml version=\"1.0\"?>\n<a/>\n{}".to_owned(), "!"),
        ("12\n13\n".to_owned(), "!"),
    ] {
        assert_eq!(shape(&text), expected, "{text}");
    }
}

#[test]
fn a_rejection_names_its_line_and_byte() {
    let d = denied().to_string();
    assert_eq!(
        rejections(format!("{d}\n\n{{\"eventName\":}}\n{d}")),
        [(3, d.len() as u64 + 2, "not valid JSON: expected value".to_owned())]
    );
    assert_eq!(
        rejections(format!("[{d},\n{{}}]")),
        [(
            2,
            d.len() as u64 + 3,
            "not a CloudTrail record: it has no eventSource and no eventName".to_owned()
        )]
    );
    assert_eq!(
        rejections("hello"),
        [(1, 0, "not valid JSON: a record starts with { and a list with [".to_owned())]
    );
}

#[test]
fn places_stay_right_far_into_a_file() {
    let line = format!("{}\n", other());
    let mut text = line.repeat(20_000);
    let expected = (20_001, text.len() as u64);
    text.push_str("{\"eventName\":7}\n");
    let found = rejections(text);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1), expected);
}

#[test]
fn what_cannot_be_decoded_does_not_hide_a_denial() {
    let denied = denied().to_string();
    for broken in [&br"\ud83d"[..], br"\udc00x", b"\xff\xfe", b"\xed\xa0\x80"] {
        let (before, after) = denied.split_once("prod/db").unwrap();
        let record = [before.as_bytes(), b"prod/", broken, after.as_bytes()].concat();
        for (open, close) in [(&b""[..], &b""[..]), (b"{\"Records\":[", b"]}"), (b"[", b"]")] {
            let text = [open, &record, close].concat();
            let items = scan(&text);
            let [Scanned::Denial(denial)] = &items[..] else { panic!("{broken:?}: {items:?}") };
            let name = denial.secrets().first().unwrap().name().to_string();
            assert!(name.starts_with("prod/\\u{fffd}"), "{name}");
        }
    }
}

#[test]
fn deep_nesting_is_read_or_refused_in_bounded_memory() {
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let d = denied();
    assert_eq!(shape(format!("{}\n{d}", deep("[", "]"))), "!d");
    let nested = format!("{{\"eventName\":\"x\",\"eventSource\":\"y\",\"a\":{}}}", deep("[", "]"));
    assert_eq!(shape(format!("[{nested},{d}]")), "-d");
    let details = format!("{}{}", "{\"detail\":".repeat(5_000), "}".repeat(5_000));
    assert_eq!(shape(format!("[{details},{d}]")), "!d");
}

#[test]
fn a_record_longer_than_the_buffer_may_become_is_refused_and_left_out() {
    let long = format!("{{\"eventName\":\"{}\"}}", "x".repeat(3 << 20));
    let d = denied();
    assert_eq!(shape(format!("[{long},{d}]")), "!d");
    assert_eq!(shape(format!("{long}\n{d}")), "!d");
    let found = rejections(format!("[{long},{d}]"));
    assert_eq!(found[0].2, "not valid JSON: a record is longer than 2 MiB");
    // A record that just fits is read.
    let fits = format!(
        "{{\"eventSource\":\"x\",\"eventName\":\"y\",\"a\":\"{}\"}}",
        "x".repeat((2 << 20) - 100)
    );
    assert_eq!(shape(format!("[{fits},{d}]")), "-d");
}
