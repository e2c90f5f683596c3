//! Events of the sizes and the mix that trails have: mostly everyday reads, 1.3 to 1.5 kB in the mean, one in a
//! hundred beyond 4 kB, now and then one of up to 100 kB.
//!
//! They are those of `trailwatch demo`, dealt from many streams in turn, with what a few accounts lack: many addresses,
//! many versions of user agents, and the rare large record.

use bytes::Bytes;
use fastrand::Rng;
use trailwatch::sim::{Label, Stream};

/// How many streams the events are dealt from, each with people and machines of its own.
const STREAMS: u64 = 40;

/// One record in so many holds a list: of a few kilobytes, or of up to a hundred.
const LISTING_EVERY: usize = 60;
const LARGE_EVERY: usize = 3_000;

/// Makes records, one JSON object each, without anything broken.
pub fn events(seed: u64, count: usize) -> Vec<String> {
    let mut rng = Rng::with_seed(seed);
    let mut streams: Vec<_> = (0..STREAMS).map(|number| everyday(seed * STREAMS + number)).collect();
    let mut events = Vec::with_capacity(count);
    while events.len() < count {
        let stream = rng.usize(..streams.len());
        let Some(event) = streams[stream].next() else { break };
        let event = varied(&event, &mut rng);
        events.push(match events.len() {
            at if at % LARGE_EVERY == LARGE_EVERY / 2 => listing(&event, rng.usize(250..1_250), &mut rng),
            at if at % LISTING_EVERY == 0 => listing(&event, rng.usize(10..45), &mut rng),
            _ => event,
        });
    }
    events
}

fn everyday(seed: u64) -> impl Iterator<Item = String> {
    // The first deck of a stream holds one of every attack.
    let stream = Stream::new(seed).skip(300);
    stream.filter(|planned| planned.label != Label::Broken && !planned.repeated).map(|planned| planned.message)
}

/// Gives a share of the records another address and another version of their user agent.
fn varied(event: &str, rng: &mut Rng) -> String {
    let mut event = event.to_owned();
    for (network, share) in [("198.51.100.", 60), ("10.0.", 40), ("203.0.113.", 30), ("192.0.2.", 40)] {
        if rng.u32(..100) < share {
            event = event.replace(&format!("\"{network}"), &format!("\"{}.{}.", rng.u8(11..200), rng.u8(..)));
        }
    }
    for version in ["1.40.44", "1.39.2", "2.31.4", "Chrome/143.0"] {
        if event.contains(version) && rng.u32(..100) < 30 {
            let (name, number) = version.rsplit_once('.').unwrap_or((version, ""));
            event = event.replace(version, &format!("{name}.{number}{}", rng.u16(..300)));
        }
    }
    event
}

/// The event with a list where the answer is, or else behind all the rest: what comes first tells that it is a record.
fn listing(event: &str, items: usize, rng: &mut Rng) -> String {
    let item = |_| {
        format!(r#"{{"instanceId":"i-{:017x}","currentState":{{"code":16,"name":"running"}},"zone":"b"}}"#, rng.u64(..))
    };
    let items: Vec<String> = (0..items).map(item).collect();
    let list = format!(r#"{{"instancesSet":{{"items":[{}]}}}}"#, items.join(","));
    let nothing = r#""responseElements":null"#;
    match event.strip_suffix('}') {
        Some(start) if !event.contains(nothing) => format!("{start},\"serviceEventDetails\":{list}}}"),
        _ => event.replacen(nothing, &format!("\"responseElements\":{list}"), 1),
    }
}

/// Joins events to chunks of whole lines.
pub fn chunks(events: &[String], chunk_bytes: usize) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut chunk = String::new();
    for event in events {
        chunk.push_str(event);
        chunk.push('\n');
        if chunk.len() >= chunk_bytes {
            chunks.push(Bytes::from(std::mem::take(&mut chunk)));
        }
    }
    if !chunk.is_empty() {
        chunks.push(Bytes::from(chunk));
    }
    chunks
}

/// The sizes of events, to be seen beside the figures.
pub fn sizes(events: &[String]) -> String {
    let mut sizes: Vec<usize> = events.iter().map(String::len).collect();
    sizes.sort_unstable();
    let mean = sizes.iter().sum::<usize>() / sizes.len().max(1);
    let at = |share: f64| sizes[((sizes.len() - 1) as f64 * share) as usize];
    format!("{} events, mean {mean} B, median {} B, p99 {} B, largest {} B", sizes.len(), at(0.5), at(0.99), at(1.0))
}
