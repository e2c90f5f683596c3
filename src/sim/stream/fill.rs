//! Templates for parameters and answers: JSON text with `$name` in the places that vary.
//!
//! A name stands for one value within an event, so that an answer repeats what the request said.

use fastrand::Rng;

use super::people::Actor;
use super::record::{iso, pretty};
use super::uuid;

/// Fills the templates of one event.
#[derive(Debug)]
pub(super) struct Filler<'a> {
    actor: &'a Actor,
    region: &'a str,
    event_ms: i64,
    known: Vec<(String, String)>,
}

impl<'a> Filler<'a> {
    pub(super) fn new(actor: &'a Actor, region: &'a str, event_ms: i64) -> Self {
        Self { actor, region, event_ms, known: Vec::new() }
    }

    /// Replaces each `$name` of a template. Values need no escapes in JSON.
    pub(super) fn fill(&mut self, template: &str, rng: &mut Rng) -> String {
        let mut filled = String::with_capacity(template.len() * 2);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            filled.push_str(before);
            filled.push_str(&self.value(name, rng));
            rest = tail;
        }
        filled.push_str(rest);
        filled
    }

    fn value(&mut self, name: &str, rng: &mut Rng) -> String {
        if let Some((_, value)) = self.known.iter().find(|(known, _)| known == name) {
            return value.clone();
        }
        let value = self.invent(name, rng);
        self.known.push((name.to_owned(), value.clone()));
        value
    }

    fn invent(&self, name: &str, rng: &mut Rng) -> String {
        match name {
            "account" => self.actor.account.to_owned(),
            "region" => self.region.to_owned(),
            "self" => self.actor.name.clone(),
            "iso" => iso(self.event_ms),
            "pretty" => pretty(self.event_ms),
            "expiry" => pretty(self.event_ms + 3_600_000),
            "epoch" => (self.event_ms / 1_000).to_string(),
            "epochms" => self.event_ms.to_string(),
            "zone" => format!("{}a", self.region),
            "instances" => instances(rng),
            "token" => token(rng),
            _ => thing(name, rng),
        }
    }
}

/// Names the things that accounts hold. What is not known keeps its `$`, which the tests look for.
fn thing(name: &str, rng: &mut Rng) -> String {
    const APPS: &[&str] = &["orders", "checkout", "payments", "catalog", "search", "billing", "reports", "ledger"];
    const USERS: &[&str] = &["svc-reporting", "svc-export", "svc-partner-sync", "svc-archive"];
    const PERIODS: &[&str] = &["60", "300", "900"];
    const TABLES: &[&str] = &["Orders", "Carts", "Sessions", "Inventory", "AuditTrail"];
    const METRICS: &[&str] = &["CPUUtilization", "Latency", "Errors", "QueueDepth"];
    match name {
        "app" => pick(rng, APPS),
        "user" => pick(rng, USERS),
        "period" => pick(rng, PERIODS),
        "table" => pick(rng, TABLES),
        "metric" => pick(rng, METRICS),
        "uuid" | "key" | "version" => uuid(rng),
        "hex" => hex(rng, 8),
        "instance" => format!("i-{}", hex(rng, 17)),
        "volume" => format!("vol-{}", hex(rng, 17)),
        "image" => format!("ami-{}", hex(rng, 17)),
        "subnet" => format!("subnet-{}", hex(rng, 17)),
        "group" => format!("sg-{}", hex(rng, 17)),
        "vpc" => format!("vpc-{}", hex(rng, 17)),
        "digest" => hex(rng, 64),
        "accesskey" => format!("AKIA{}EXAMPLE", letters(rng, 9)),
        "sessionkey" => format!("ASIA{}EXAMPLE", letters(rng, 9)),
        "roleid" => format!("AROA{}EXAMPLE", letters(rng, 10)),
        "number" => rng.u32(1..500).to_string(),
        "bytes" => rng.u32(200..90_000).to_string(),
        "octet" => rng.u32(2..250).to_string(),
        _ => format!("${name}"),
    }
}

fn pick(rng: &mut Rng, from: &[&str]) -> String {
    rng.choice(from).copied().unwrap_or_default().to_owned()
}

pub(super) fn hex(rng: &mut Rng, digits: usize) -> String {
    (0..digits).map(|_| rng.digit(16)).collect()
}

/// Makes the part of a key's id that varies. Ids end in `EXAMPLE`, so that nobody takes them for real ones.
pub(super) fn letters(rng: &mut Rng, count: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..count).map(|_| char::from(ALPHABET[rng.usize(..ALPHABET.len())])).collect()
}

fn token(rng: &mut Rng) -> String {
    let middle: String = (0..280).map(|_| rng.alphanumeric()).collect();
    format!("IQoJb3JpZ2luX2Vj{middle}EXAMPLE==")
}

/// Lists instances: few as a rule, now and then very many.
fn instances(rng: &mut Rng) -> String {
    let count = if rng.u8(0..6) == 0 { rng.usize(40..160) } else { rng.usize(1..4) };
    let items: Vec<String> = (0..count).map(|_| format!(r#"{{"instanceId":"i-{}"}}"#, hex(rng, 17))).collect();
    items.join(",")
}
