//! What a seed has happen: events, how they are packed, by which way they come; and what a detector must make of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use trailwatch::delivery::Origin;
use trailwatch::engine::RuleSet;
use trailwatch::event::{Event, EventKey, Fields, projection_of};
use trailwatch::finding::Finding;
use trailwatch::pipeline::{Bounds, Patience, Route, Suppression};
use trailwatch::rule::{Rule, Severity};

use super::world::World;

/// A rule, by what it looks for. Every match of it is a finding.
struct Sort {
    id: &'static str,
    severity: Severity,
    tags: &'static [&'static str],
    events: &'static [&'static str],
}

const SORTS: [Sort; 3] = [
    Sort { id: "fire", severity: Severity::Critical, tags: &["alarm"], events: &["Fire"] },
    Sort { id: "hot", severity: Severity::Low, tags: &["weather"], events: &["Fire", "Sun"] },
    Sort { id: "flood", severity: Severity::High, tags: &["weather", "alarm"], events: &["Flood"] },
];

/// A rule with a memory: of its matches some are findings, and the others are counted on them.
const STORM: Sort = Sort { id: "storm", severity: Severity::High, tags: &["weather"], events: &["Hail"] };

/// What of a group of the storm's belongs together.
const SUPPRESS: &str = "2m";

/// What events are called. No rule looks for the last two.
const NAMES: [&str; 7] = ["Fire", "Sun", "Flood", "Hail", "Hail", "Wind", "Calm"];

/// The regions of events, by turns.
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// The sinks that couriers go to.
pub const SINKS: [&str; 3] = ["all", "grave", "tagged"];

/// Which finding: the rule and the number of the event. Of a digest: what it stands beside, and how much it tells of.
pub type Occasion = (String, u64);

/// A unit of transport.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub body: Bytes,
    /// The events in it; none, if nobody can decode it.
    pub numbers: Vec<u64>,
    /// When it is there to be read.
    pub visible_at: Duration,
}

/// All that a seed says, but the faults.
pub struct Plan {
    /// What each event is called, by its number.
    pub names: Vec<&'static str>,
    /// The keys that the product gives them.
    pub keys: Vec<EventKey>,
    pub group: Vec<Parcel>,
    pub queue: Vec<Parcel>,
    pub bounds: Bounds,
    pub patience: Patience,
    /// Of so many findings each sink refuses one for good.
    pub refuses_one_of: u64,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let names: Vec<_> = (0..rng.usize(10..40)).map(|_| NAMES[rng.usize(..NAMES.len())]).collect();
        let [group, queue] = ways(&mut rng, &names);
        let (bounds, patience) = (bounds(&mut rng), patience(&mut rng));
        let refuses_one_of = if rng.bool() { rng.u64(5..20) } else { u64::MAX };
        let keys = keys(names.len() as u64);
        Self { names, keys, group, queue, bounds, patience, refuses_one_of }
    }

    /// What a sink must have in the end, or have refused.
    pub fn expected(&self, route: &Route) -> BTreeSet<Occasion> {
        let mut expected = BTreeSet::new();
        for (number, name) in self.names.iter().enumerate() {
            for sort in SORTS.iter().filter(|sort| sort.events.contains(name) && is_for(route, sort)) {
                expected.insert((sort.id.to_owned(), number as u64));
            }
        }
        expected
    }

    /// How many matches of the storm a sink must be told of in the end, by their group.
    pub fn expected_of_storm(&self, route: &Route) -> BTreeMap<String, u64> {
        let mut expected = BTreeMap::new();
        for (number, name) in self.names.iter().enumerate() {
            if STORM.events.contains(name) && is_for(route, &STORM) {
                *expected.entry(REGIONS[number % REGIONS.len()].to_owned()).or_default() += 1;
            }
        }
        expected
    }
}

/// Whether a finding is one of the storm's: then it depends on the order of events which matches are findings.
pub fn is_of_storm(finding: &Finding) -> bool {
    finding.rule.id == STORM.id
}

/// Packs all events, and sends them by the log group or the queue: some by both, and some twice by one.
fn ways(rng: &mut Rng, names: &[&str]) -> [Vec<Parcel>; 2] {
    let (span_s, mut ways) = (rng.u64(1..=600), [Vec::new(), Vec::new()]);
    let mut numbers: Vec<u64> = (0..names.len() as u64).collect();
    rng.shuffle(&mut numbers);
    let mut rest = &numbers[..];
    while !rest.is_empty() {
        let (some, others) = rest.split_at(rng.usize(1..=rest.len().min(5)));
        rest = others;
        let parcel = pack(rng, names, some, span_s);
        match rng.u8(0..10) {
            0 => ways.iter_mut().for_each(|way| way.push(later(rng, &parcel, span_s))),
            1 => (0..2).for_each(|_| ways[rng.usize(0..2)].push(later(rng, &parcel, span_s))),
            _ => ways[rng.usize(0..2)].push(parcel),
        }
    }
    for way in &mut ways {
        if rng.bool() {
            let body = Bytes::from("START RequestId: nobody can read this");
            way.push(Parcel { body, numbers: Vec::new(), visible_at: Duration::from_secs(rng.u64(0..=span_s)) });
        }
        way.sort_by_key(|parcel| parcel.visible_at);
    }
    ways
}

/// Worked out apart from the product.
fn is_for(route: &Route, sort: &Sort) -> bool {
    let is_tagged = sort.tags.iter().any(|tag| route.tags.iter().any(|wanted| wanted == tag));
    sort.severity >= route.min_severity && (route.tags.is_empty() || is_tagged)
}

fn bounds(rng: &mut Rng) -> Bounds {
    Bounds {
        bytes_in_flight: rng.usize(1..64) << 10,
        batches_waiting: rng.usize(1..=4),
        batches_matched: rng.usize(1..=3),
        batches_committed: rng.usize(1..=8),
        keys_remembered: 100_000,
        deliveries_tried: 3,
        events_max: u64::MAX,
        suppression: Suppression::ByTheClock,
        windows_open: if rng.u8(0..4) == 0 { rng.usize(1..=3) } else { 1_000 },
    }
}

fn patience(rng: &mut Rng) -> Patience {
    Patience {
        batch_max: rng.usize(1..=10),
        wait_min: Duration::from_secs(1),
        wait_max: Duration::from_secs(rng.u64(5..=60)),
        // Longer than what the clock may be set by.
        deadline: Duration::from_secs(3 * 24 * 3_600),
        spacing: if rng.u8(0..4) == 0 { Duration::from_secs(1) } else { Duration::ZERO },
    }
}

fn later(rng: &mut Rng, parcel: &Parcel, span_s: u64) -> Parcel {
    Parcel { visible_at: Duration::from_secs(rng.u64(0..=span_s)), ..parcel.clone() }
}

/// Packs events in one of the ways in which AWS does.
fn pack(rng: &mut Rng, names: &[&str], numbers: &[u64], span_s: u64) -> Parcel {
    let events: Vec<String> = numbers.iter().map(|&number| event(number, names[number as usize])).collect();
    let body = match rng.u8(0..3) {
        0 => events.join("\n").into(),
        1 => format!("{{\"Records\":[{}]}}", events.join(",")).into(),
        _ => gzip(&format!("{{\"Records\":[{}]}}", events.join(","))),
    };
    Parcel { body, numbers: numbers.to_vec(), visible_at: Duration::from_secs(rng.u64(0..=span_s)) }
}

fn gzip(text: &str) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().into()
}

fn event(number: u64, name: &str) -> String {
    let (region, minute, second) = (REGIONS[number as usize % REGIONS.len()], number * 7 % 10, number * 13 % 60);
    format!(
        r#"{{"eventVersion":"1.11","eventSource":"weather.amazonaws.com","eventName":"{name}","eventTime":"2026-01-05T09:{minute:02}:{second:02}Z","awsRegion":"{region}","recipientAccountId":"111122223333","eventID":"e0000000-0000-4000-8000-{number:012}"}}"#
    )
}

fn keys(count: u64) -> Vec<EventKey> {
    let (whole, mut fields) = (projection_of([]), Fields::default());
    let mut key = |number| {
        let text = event(number, "Calm");
        EventKey::of(&Event::read(&text, &whole, &mut fields).unwrap(), &Origin::whole("x"))
    };
    (0..count).map(&mut key).collect()
}

/// The number of the event that has an id.
pub fn number(event_id: &str) -> u64 {
    event_id.rsplit('-').next().unwrap().parse().unwrap()
}

/// What each sink is to have.
pub fn routes() -> Vec<Route> {
    let route = |sink: &str, min_severity, tags: &[&str]| Route {
        sink: sink.into(),
        min_severity,
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
    };
    vec![
        route(SINKS[0], Severity::Informational, &[]),
        route(SINKS[1], Severity::High, &[]),
        route(SINKS[2], Severity::Informational, &["weather"]),
    ]
}

/// How many wordings of the rules there are.
const WORDINGS: u64 = 12;

/// The rules, in one of several wordings that mean the same.
pub fn rules(world: &World) -> RuleSet {
    static RULES: LazyLock<Vec<Vec<Rule>>> = LazyLock::new(|| (0..WORDINGS).map(worded).collect());
    RuleSet::new(RULES[world.random(0..=WORDINGS - 1) as usize].clone())
}

fn worded(wording: u64) -> Vec<Rule> {
    let mut rules: Vec<Rule> = SORTS.iter().map(|sort| rule(sort, wording, "")).collect();
    let alert = format!("[alert]\ngroup_by = [\"awsRegion\"]\nsuppress = \"{SUPPRESS}\"\n");
    rules.push(rule(&STORM, wording, &alert));
    if wording % 2 == 1 {
        rules.reverse();
    }
    if wording % 3 == 1 {
        let idle = Sort { id: "idle", severity: Severity::Critical, tags: &["alarm"], events: &["Nothing"] };
        rules.insert(0, rule(&idle, wording, ""));
    }
    rules
}

fn rule(sort: &Sort, wording: u64, alert: &str) -> Rule {
    let events = sort.events.join("\", \"");
    let conditions = match wording % 4 {
        0 => format!("eventName = [\"{events}\"]"),
        1 => format!("eventName = [\"{events}\"]\neventSource = \"weather.amazonaws.com\""),
        2 => format!("\"eventName|re\" = \"^({})$\"", sort.events.join("|")),
        _ => format!("eventName = [\"{events}\"]\n\"errorCode|exists\" = false"),
    };
    let text = format!(
        "id = \"{}\"\ntitle = \"{}\"\nseverity = \"{}\"\ntags = [\"{}\"]\n[match]\n{conditions}\n{alert}",
        sort.id,
        sort.id,
        sort.severity.as_str(),
        sort.tags.join("\", \"")
    );
    Rule::parse(Path::new("rule.toml"), text).unwrap()
}

/// Whether rules that are broken get no further than being read.
pub fn are_broken_rules_refused() -> bool {
    Rule::parse(Path::new("rule.toml"), "id = \"fire\"\nseverity = \"hihg\"\n".to_owned()).is_err()
}

/// The ids of findings, by what they are about.
pub type Ids = BTreeMap<Occasion, String>;
