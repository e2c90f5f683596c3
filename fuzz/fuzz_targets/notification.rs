//! Any text is read as a message without panic, and what is named has a name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trailwatch::source::layout::{TrailFile, folder};
use trailwatch::source::notification::{What, read};

fuzz_target!(|body: &str| {
    match read(body) {
        What::Objects(objects) => {
            for object in objects {
                assert!(!object.bucket.is_empty());
                if let Some(file) = TrailFile::of(&object.key) {
                    assert!(object.key.contains(file.account) && object.key.contains(file.region));
                }
                let _ = folder(&object.key);
            }
        }
        // What SNS wrapped is no longer than the message.
        What::NotANotification(said) => assert!(said.len() <= body.len()),
        What::Test | What::Confirmation { .. } | What::Broken { .. } => {}
    }
});
