//! One CloudTrail record from arbitrary bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rattle::cloudtrail::Record;
use rattle_fuzz::{check_denial, check_malformed};

fuzz_target!(|bytes: &[u8]| {
    let first = Record::denial_in(bytes);
    assert_eq!(first, Record::denial_in(bytes), "two readings differ");
    match &first {
        Ok(Some(denial)) => check_denial(denial),
        Ok(None) => {}
        Err(malformed) => check_malformed(malformed),
    }
});
