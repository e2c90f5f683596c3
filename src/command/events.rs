//! Events out of files, one after the other, for commands that need neither a pipeline nor a store.

use std::path::PathBuf;

use super::{Exit, notify, report, runtime, say};
use crate::decode::{self, Decoded, Limits, Reason, Reject};
use crate::event::RawEvent;
use crate::source::Source as _;
use crate::source::file::{FileLimits, Files};

/// What reading came to.
#[derive(Debug, Default)]
pub struct Read {
    /// The events that were taken.
    pub events: u64,
    /// What did not decode, and files that could not be read.
    pub lost: u64,
}

impl Read {
    /// The exit code, if it has to speak of what was lost.
    pub fn exit(&self) -> Exit {
        if self.lost > 0 { Exit::Incomplete } else { Exit::Done }
    }
}

/// Hands every event to `take`, with its text; an error of JSON that `take` returns makes the event one that did not
/// decode. What did not decode is said at once.
pub fn each(
    paths: Vec<PathBuf>,
    mut take: impl FnMut(&RawEvent, &str) -> anyhow::Result<Result<(), serde_json::Error>>,
) -> anyhow::Result<Read> {
    let files = Files::new(paths, FileLimits::default(), notify());
    let mut read = Read::default();
    runtime()?.block_on(async {
        while let Some(batch) = files.next().await? {
            for delivery in batch {
                let mut decoded = Decoded::default();
                decode::decode(&delivery.body, &delivery.origin, &Limits::default(), &mut decoded);
                for event in &decoded.events {
                    // Decoding has seen to it that this is text.
                    let Ok(text) = std::str::from_utf8(&event.bytes) else { continue };
                    match take(event, text)? {
                        Ok(()) => read.events += 1,
                        Err(error) => decoded.rejects.push(not_json(event, &error)),
                    }
                }
                decoded.rejects.iter().for_each(report::reject_line);
                read.lost += decoded.rejects.len() as u64;
            }
        }
        anyhow::Ok(())
    })?;
    read.lost += files.report().unreadable;
    if read.events == 0 && read.lost == 0 {
        say("warning", "there is no event in it");
        read.lost = 1;
    }
    Ok(read)
}

fn not_json(event: &RawEvent, error: &serde_json::Error) -> Reject {
    Reject::new(event.origin.clone(), Reason::not_json(error), &event.bytes)
}
