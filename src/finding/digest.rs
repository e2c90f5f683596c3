//! "And 1,240 more like this": the finding that stands for matches which are no findings of their own.
//!
//! It stands beside the finding that opened the window and repeats what that says of its matter. What differs among those
//! that were held back is in its [`Digest`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Finding, written};
use crate::untrusted::shortened;

/// The event ids, and the actors, that a digest names at most.
pub const SAMPLE_MAX: usize = 10;

/// The longest text that is kept of a finding for its digest, in characters.
const TEXT_MAX: usize = 300;

/// What a digest stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The id of the finding that it stands beside.
    pub of: String,
    /// How many matches it stands for; the finding that it stands beside is not one of them.
    pub count: u64,
    /// The earliest of their events, in RFC 3339.
    pub first: String,
    /// The latest of their events, in RFC 3339.
    pub last: String,
    /// Who did it, each named once, in the order of arrival; at most [`SAMPLE_MAX`].
    pub actors: Vec<String>,
    /// Whether there were more actors than are named.
    pub more_actors: bool,
}

impl Digest {
    /// The actors in one text.
    pub fn named_actors(&self) -> String {
        let others = if self.more_actors { " and others" } else { "" };
        format!("{}{others}", self.actors.join(", "))
    }
}

/// Matches that were held back, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    count: u64,
    first_ms: i64,
    last_ms: i64,
    event_ids: Vec<String>,
    actors: Vec<String>,
    more_actors: bool,
}

impl Held {
    /// The first match that is held back.
    pub fn new(finding: &Finding, time_ms: i64) -> Self {
        let (event_ids, actors) = (Vec::new(), Vec::new());
        let mut held = Self { count: 0, first_ms: time_ms, last_ms: time_ms, event_ids, actors, more_actors: false };
        held.add(finding, time_ms);
        held
    }

    /// One more.
    pub fn add(&mut self, finding: &Finding, time_ms: i64) {
        self.count += 1;
        self.first_ms = self.first_ms.min(time_ms);
        self.last_ms = self.last_ms.max(time_ms);
        let room = SAMPLE_MAX.saturating_sub(self.event_ids.len());
        self.event_ids.extend(finding.event_ids.iter().take(room).map(|id| shortened(id, TEXT_MAX)));
        let actor = shortened(&finding.actor.name, TEXT_MAX);
        if self.actors.contains(&actor) {
            return;
        }
        match self.actors.len() < SAMPLE_MAX {
            true => self.actors.push(actor),
            false => self.more_actors = true,
        }
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of them, beside the finding that opened the window.
    pub fn digest(&self, opener: &Finding) -> Finding {
        let last = written_ms(self.last_ms);
        Finding {
            id: id(&opener.id),
            time: Some(last.clone()),
            title: format!("and {} more like this: {}", grouped(self.count), opener.title),
            event_ids: self.event_ids.clone(),
            digest: Some(Digest {
                of: opener.id.clone(),
                count: self.count,
                first: written_ms(self.first_ms),
                last,
                actors: self.actors.clone(),
                more_actors: self.more_actors,
            }),
            ..opener.clone()
        }
    }
}

/// What is kept of the finding that opened a window: all but the evidence, with texts of a bounded length.
pub fn kept(finding: &Finding) -> Finding {
    let mut kept = Finding { events: Vec::new(), why: Vec::new(), ..finding.clone() };
    let values = kept.group.iter_mut().filter_map(|group| group.value.as_mut());
    let actor = &mut kept.actor;
    let optional = [&mut actor.account, &mut actor.arn, &mut actor.session];
    let optional = optional.into_iter().chain([&mut kept.account, &mut kept.region, &mut kept.source_ip]).flatten();
    for text in values.chain(optional).chain([&mut actor.name]).chain(&mut kept.event_ids) {
        *text = shortened(text, TEXT_MAX);
    }
    kept
}

/// A window opens with one finding and ends once, so its digest needs no more to be told apart.
fn id(of: &str) -> String {
    let mut hash = Sha256::new();
    hash.update("digest of ");
    hash.update(of);
    written(hash)
}

fn written_ms(ms: i64) -> String {
    // Whatever was a time before is one again.
    Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut spaced = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    spaced
}
