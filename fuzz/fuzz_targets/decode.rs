//! Any bytes decode without panic, within the limits, and each event is a slice that starts as an object does.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use trailwatch::decode::{Decoded, Limits, decode};
use trailwatch::delivery::Origin;

/// Small enough that the fuzzer reaches each of them.
const TIGHT: Limits = Limits {
    record_bytes_max: 200,
    nesting_max: 4,
    inflated_bytes_max: 4 << 10,
    inflate_ratio_max: 20,
    wrappers_max: 2,
    parts_max: 8,
};

fuzz_target!(|data: &[u8]| {
    let body = Bytes::copy_from_slice(data);
    for limits in [TIGHT, Limits::default()] {
        let mut out = Decoded::default();
        decode(&body, &Origin::line("fuzz", 1), &limits, &mut out);
        assert!(out.events.len() + out.rejects.len() <= limits.parts_max + 1);
        for event in &out.events {
            assert!(event.bytes.starts_with(b"{") && event.bytes.ends_with(b"}"));
            assert!(event.bytes.len() <= limits.record_bytes_max);
            assert!(str::from_utf8(&event.bytes).is_ok());
        }
    }
});
