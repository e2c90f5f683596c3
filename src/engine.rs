//! All rules compiled together for matching, as `RegexSet` is to regexes.
//!
//! The path of an event: its bytes are projected onto the few fields that rules are found by; their values lead to
//! candidate rules; only if some of those ask for fields is the rest read, and each predicate is judged at most
//! once. An event that concerns no rule costs a short projection and a few look-ups, whatever the number of rules, and
//! allocates nothing.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use jiff::Timestamp;

use crate::condition::{Condition, Field, Predicate};
use crate::delivery::Origin;
use crate::event::envelope::{Unwrapped, unwrapped};
use crate::event::{self, Event, EventKey, EventKind, FieldId, Fields, Projection, Value};
use crate::rule::Rule;

mod anchor;
mod cost;
mod fold;
mod grams;
mod index;
mod literal;
mod program;
mod sieve;
mod spell;
pub mod trial;

use index::{Buffers, Index};
use program::{Atom, AtomId, Memo, Program};

/// Rules, compiled for matching. Immutable; to be shared between threads.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// Reads at first what the index looks at, and what rules without anchors ask; later whatever any rule asks.
    projection: Projection,
    atoms: Vec<Atom>,
    /// By rule.
    programs: Vec<Program>,
    /// By rule: whether it asks for other fields than what stands anywhere.
    reads_fields: Vec<bool>,
    index: Index,
}

/// A rule's place in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// The buffers that evaluating needs, kept from event to event. One for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    fields: Fields,
    memo: Memo,
    buffers: Buffers,
    matches: Vec<RuleId>,
}

/// What came of one event.
#[derive(Debug)]
pub struct Evaluated<'s> {
    /// Read only as far as the rules and the key want it: not to be handed out.
    event: Event<'s>,
    /// The rules that it matches, in the set's order.
    pub matches: &'s [RuleId],
}

impl Evaluated<'_> {
    /// What the event is.
    pub fn kind(&self) -> EventKind {
        self.event.kind()
    }

    /// The account whose trail recorded it.
    pub fn account(&self) -> Option<&str> {
        self.event.account()
    }

    /// When it happened, by its own account.
    pub fn time(&self) -> Option<Timestamp> {
        self.event.time()
    }

    /// What makes it the same as another.
    pub fn key(&self, origin: &Origin) -> EventKey {
        EventKey::of(&self.event, origin)
    }
}

impl RuleSet {
    /// Compiles rules for matching.
    pub fn new(rules: Vec<Rule>) -> Self {
        let conditions: Vec<Condition> = rules.iter().map(|rule| spell::spelt_out(&rule.condition)).collect();
        let mut builder = Builder::default();
        let mut index = index::Builder::default();
        for (number, condition) in conditions.iter().enumerate() {
            index.add(RuleId(number as u32), anchor::choices(condition));
        }
        let index = index.finish(|field| builder.looked_at(field));
        builder.anywhere = index.anywhere().map(|(text, number)| (text.into(), number)).collect();
        builder.reads_first(index.always().iter().map(|rule| &conditions[rule.0 as usize]));
        let programs = conditions.iter().map(|condition| builder.program(condition)).collect();
        let projection = builder.paths.projection(&builder.of_every, &builder.of_concerned);
        let reads_fields = conditions.iter().map(Condition::reads_fields).collect();
        Self { rules, projection, atoms: builder.atoms, programs, reads_fields, index }
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule of the set.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }

    /// The rules that nothing, or only what most events have, leads to: each is evaluated for most events.
    pub fn unanchored(&self) -> impl Iterator<Item = &Rule> {
        self.index.unanchored().iter().map(|&id| self.rule(id))
    }

    /// Reads an event and finds the rules that it matches. An error says why the text is no JSON object.
    pub fn evaluate<'s>(&self, text: &'s str, scratch: &'s mut Scratch) -> Result<Evaluated<'s>, serde_json::Error> {
        let Scratch { fields, memo, buffers, matches } = scratch;
        matches.clear();
        memo.next_event(self.atoms.len(), self.rules.len());
        self.projection.read(text, fields)?;
        self.index.candidates(&Event::view(text, fields), memo, buffers);
        if memo.candidates().iter().any(|id| self.reads_fields[id.0 as usize]) {
            self.projection.read_rest(text, fields);
        }
        memo.propose_all(self.index.always());
        let event = Event::view(text, fields);
        for candidate in 0..memo.candidates().len() {
            let id = memo.candidates()[candidate];
            if self.programs[id.0 as usize].holds(&self.atoms, &event, memo) {
                matches.push(id);
            }
        }
        matches.sort_unstable();
        Ok(Evaluated { event, matches })
    }
}

/// Where the values of a field come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// From the record.
    Read(FieldId),
    /// Worked out.
    Derived(event::Derived),
    /// All strings of the record.
    Anywhere,
}

impl Slot {
    /// Calls `judge` with the field's values, which may be gone through more than once.
    fn with<'e, R>(self, event: &'e Event<'_>, judge: impl FnOnce(&mut dyn Iterator<Item = Value<'e>>) -> R) -> R {
        match self {
            Slot::Read(field) => judge(&mut event.values(field)),
            Slot::Derived(derived) => judge(&mut derived.of(event).into_iter()),
            Slot::Anywhere => judge(&mut event.strings().iter().map(|text| Value::String(text))),
        }
    }
}

/// Interns paths and predicates, so that what rules share is read and judged once.
#[derive(Default)]
struct Builder {
    paths: event::Paths,
    /// What is read of every event.
    of_every: event::Wanted,
    /// What is read of events that concern a rule.
    of_concerned: event::Wanted,
    /// Whether what is compiled is judged of every event.
    of_every_event: bool,
    slots: HashMap<Field, Slot, RandomState>,
    atoms: Vec<Atom>,
    interned: HashMap<Vec<Predicate>, AtomId, RandomState>,
    /// The numbers of the strings that the index looks for wherever there are strings.
    anywhere: HashMap<Box<str>, u32, RandomState>,
}

impl Builder {
    /// Where the values of a field come from.
    fn slot(&mut self, field: &Field) -> Slot {
        let paths = &mut self.paths;
        let slot = *self.slots.entry(field.clone()).or_insert_with(|| match field {
            Field::Derived(derived) => Slot::Derived(*derived),
            Field::Anywhere => Slot::Anywhere,
            Field::Path(path) | Field::Enveloped(path) => Slot::Read(paths.field(path)),
        });
        self.want(|wanted| match slot {
            Slot::Read(field) => wanted.field(field),
            Slot::Derived(derived) => wanted.derived(derived),
            // Read from the text when it is asked for.
            Slot::Anywhere => {}
        });
        slot
    }

    fn want(&mut self, want: impl Fn(&mut event::Wanted)) {
        want(if self.of_every_event { &mut self.of_every } else { &mut self.of_concerned });
    }

    /// Where the values of a field come from that the index looks at.
    fn looked_at(&mut self, field: &Field) -> Slot {
        self.of_every_event = true;
        let slot = self.slot(field);
        self.of_every_event = false;
        slot
    }

    /// Has all that is asked by conditions without anchors read of every event. To be called before others are compiled,
    /// since a predicate that is known by then is not looked at again.
    fn reads_first<'c>(&mut self, conditions: impl Iterator<Item = &'c Condition>) {
        self.of_every_event = true;
        conditions.for_each(|condition| drop(self.program(condition)));
        self.of_every_event = false;
    }

    /// Wants what the naive evaluator does not find in the record's text: fields that are worked out.
    fn worked_out(&mut self, field: &Field) {
        match field {
            Field::Derived(derived) => self.want(|wanted| wanted.derived(*derived)),
            Field::Enveloped(path) => {
                if let Unwrapped::Derived(derived) = unwrapped(&path.to_string()) {
                    self.want(|wanted| wanted.derived(derived));
                }
            }
            Field::Path(_) | Field::Anywhere => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn set(bodies: &[String]) -> RuleSet {
        let rule = |(number, body): (usize, &String)| {
            let text = format!("id = \"r{number}\"\ntitle = \"t\"\nseverity = \"low\"\n{body}");
            Rule::parse(Path::new("r.toml"), text).unwrap_or_else(|problems| panic!("{body}: {}", problems[0]))
        };
        RuleSet::new(bodies.iter().enumerate().map(rule).collect())
    }

    /// How many rules are evaluated for an event.
    fn candidates(set: &RuleSet, event: &str) -> usize {
        let mut scratch = Scratch::default();
        set.evaluate(event, &mut scratch).unwrap();
        scratch.memo.candidates().len()
    }

    #[test]
    fn every_kind_of_test_leads_to_its_rules_and_to_no_others() {
        for (line, found, passed) in [
            ("eventName = \"PutThing\"", r#"{"eventName":"PutThing"}"#, r#"{"eventName":"GetThing"}"#),
            ("\"eventName|nocase\" = \"putthing\"", r#"{"eventName":"PUTThing"}"#, r#"{"eventName":"GetThing"}"#),
            ("\"userAgent|nocase\" = \"ÉTÉ\"", r#"{"userAgent":"été"}"#, r#"{"userAgent":"ete"}"#),
            ("\"userAgent|startswith\" = \"curl/\"", r#"{"userAgent":"curl/8"}"#, r#"{"userAgent":"a curl/8"}"#),
            ("\"userAgent|endswith\" = \"/8.1\"", r#"{"userAgent":"curl/8.1"}"#, r#"{"userAgent":"curl/8.1 x"}"#),
            ("\"userAgent|contains\" = \"kali\"", r#"{"userAgent":"x kali y"}"#, r#"{"userAgent":"x parrot y"}"#),
            ("\"userAgent|nocase|contains\" = \"k\u{212a}\"", r#"{"userAgent":"KK"}"#, r#"{"userAgent":"K"}"#),
            ("\"userAgent|glob\" = \"*kali*2?\"", r#"{"userAgent":"kali 20"}"#, r#"{"userAgent":"parrot"}"#),
            ("\"userAgent|glob|nocase\" = \"boss*\"", r#"{"userAgent":"BOſS"}"#, r#"{"userAgent":"x boss"}"#),
            ("\"userAgent|re\" = '^(kali|parrot)-\\d'", r#"{"userAgent":"parrot-1"}"#, r#"{"userAgent":"boto"}"#),
            ("\"userAgent|re\" = '\\d+-kali-\\d'", r#"{"userAgent":"1-kali-2"}"#, r#"{"userAgent":"1-parrot-2"}"#),
            ("\"userAgent|re\" = '\\d+-final$'", r#"{"userAgent":"12-final"}"#, r#"{"userAgent":"12-beta"}"#),
            (
                "\"sourceIPAddress|cidr\" = \"10.1.0.0/16\"",
                r#"{"sourceIPAddress":"10.1.2.3"}"#,
                r#"{"sourceIPAddress":"10.2.2.3"}"#,
            ),
            (
                "\"sourceIPAddress|cidr\" = \"2001:db8::/32\"",
                r#"{"sourceIPAddress":"2001:db8::1"}"#,
                r#"{"sourceIPAddress":"10.2.2.3"}"#,
            ),
            (
                "\"requestParameters.n|gte\" = 10",
                r#"{"requestParameters":{"n":10}}"#,
                r#"{"requestParameters":{"n":9.5}}"#,
            ),
            (
                "\"requestParameters.n|lt\" = -1.5",
                r#"{"requestParameters":{"n":-2}}"#,
                r#"{"requestParameters":{"n":0}}"#,
            ),
            ("requestParameters.n = 3", r#"{"requestParameters":{"n":3.0}}"#, r#"{"requestParameters":{"n":"3"}}"#),
            (
                "\"requestParameters.n|loose\" = 3",
                r#"{"requestParameters":{"n":"3.0"}}"#,
                r#"{"requestParameters":{"n":"4"}}"#,
            ),
            (
                "\"requestParameters.n|loose\" = \"3\"",
                r#"{"requestParameters":{"n":3}}"#,
                r#"{"requestParameters":{"n":4}}"#,
            ),
            (
                "requestParameters.b = true",
                r#"{"requestParameters":{"b":"true"}}"#,
                r#"{"requestParameters":{"b":false}}"#,
            ),
            (
                "\"requestParameters.x|exists\" = true",
                r#"{"requestParameters":{"x":null}}"#,
                r#"{"requestParameters":{}}"#,
            ),
            ("\"**|contains\" = \"kali\"", r#"{"a":[{"b":"Kali"}]}"#, r#"{"a":"parrot"}"#),
            ("\"**|glob\" = \"*kali\"", r#"{"a":"é kal\u0069"}"#, r#"{"a":"é parro\u0074"}"#),
            ("\"requestParameters.x|len|gt\" = 0", r#"{"requestParameters":{"x":[1]}}"#, r#"{"requestParameters":{}}"#),
        ] {
            let set = set(&[format!("[match]\n{line}\n")]);
            assert_eq!(set.unanchored().count(), 0, "{line} has no anchor");
            assert_eq!(candidates(&set, found), 1, "{line} is not found for {found}");
            assert_eq!(candidates(&set, passed), 0, "{line} is found for {passed}");
        }
    }

    #[test]
    fn a_word_is_found_behind_more_of_another_than_is_noted() {
        let words = ["zebra", "aaa", "aaaa", "aaaaa"];
        let set = set(&words.map(|word| format!("[match]\n\"**|contains\" = \"{word}\"\n")));
        let long = "a".repeat(100_000);
        for (before, found) in [
            (format!(r#""a":{:?}"#, vec!["aaa"; 1_000]), 2),
            (format!(r#""a":"{long}""#), 4),
            (format!(r#""{long}":1"#), 1),
        ] {
            let mut scratch = Scratch::default();
            let event = format!(r#"{{{before},"b":"a zebra"}}"#);
            assert_eq!(set.evaluate(&event, &mut scratch).unwrap().matches.len(), found);
        }
    }

    #[test]
    fn a_name_of_words_before_many_spaces_is_judged_in_time() {
        let set = set(&["[match]\n\"**|contains\" = \"mimikatz\"\n".to_owned()]);
        let event = format!("{{\"{}\"{}:1}}", "mimikatz".repeat(200_000), " ".repeat(2_000_000));
        assert_eq!(set.evaluate(&event, &mut Scratch::default()).unwrap().matches, []);
    }

    #[test]
    fn a_word_in_a_name_leads_nowhere() {
        let set = set(&["[match]\n\"**|contains\" = \"username\"\n".to_owned()]);
        for (event, expected) in [
            (r#"{"userName":"ines"}"#, 0),
            (r#"{"userName" : ["a"],"theUserNames":{"b":1}}"#, 0),
            (r#"{"a":"a userName"}"#, 1),
            (r#"{"a":"userName\":"}"#, 1),
            (r#"{"a":"userN\u0061me"}"#, 1),
            (r#"{"a":["userName"],"userName":1}"#, 1),
        ] {
            assert_eq!(candidates(&set, event), expected, "{event}");
        }
    }

    #[test]
    fn rules_that_only_common_values_lead_to_are_told() {
        for line in [
            "outcome = \"success\"",
            "awsRegion = \"us-east-1\"",
            "\"userAgent|exists\" = true",
            "\"eventName|not\" = \"x\"",
            "\"**|contains\" = \"ws\"",
            "\"**|contains\" = [\"Mimikatz\", \"AmazonAWS\"]",
        ] {
            assert_eq!(set(&[format!("[match]\n{line}\n")]).unanchored().count(), 1, "{line}");
        }
        let of_another_system = "title: t\nlogsource: {product: aws, service: cloudtrail}\n\
            detection: {s: {Image: 'x.exe', CommandLine|contains: ' -enc '}, condition: s}\n";
        let read = crate::rule::read(Path::new("r.yml"), of_another_system.into());
        assert_eq!(read.rules.len(), 1, "{:?}", read.problems);
        assert_eq!(RuleSet::new(read.rules).unanchored().count(), 0);
    }

    #[test]
    fn rules_that_crowd_one_call_are_found_by_what_tells_them_apart() {
        let body = |number| {
            format!(
                "[match]\neventSource = \"ec2.amazonaws.com\"\neventName = \"RunInstances\"\n\
                 \"userAgent|contains\" = \"tool-number-{number}/\"\n"
            )
        };
        let set = set(&(0..500).map(body).collect::<Vec<_>>());
        let event = |agent: &str| {
            format!(r#"{{"eventSource":"ec2.amazonaws.com","eventName":"RunInstances","userAgent":"{agent}"}}"#)
        };
        assert_eq!(candidates(&set, &event("aws-cli/2")), 0);
        assert_eq!(candidates(&set, &event("x tool-number-77/1")), 1);
    }

    #[test]
    fn hostile_patterns_cost_what_they_find() {
        let wildcards = |number: usize| format!("[match]\n\"userAgent|glob\" = \"*a*a*a*a*a*a*needle{number}*b*b*\"\n");
        let set = set(&(0..500).map(wildcards).collect::<Vec<_>>());
        let event = |agent: &str| format!(r#"{{"userAgent":"{agent}"}}"#);
        assert_eq!(candidates(&set, &event(&"a".repeat(100_000))), 0);
        // `needle12` and `needle1`.
        assert_eq!(candidates(&set, &event(&format!("{}needle12bb", "a".repeat(1_000)))), 2);
        let alternatives: Vec<String> = (0..300).map(|number| format!("tool-{number}")).collect();
        let set = self::set(&[format!("[match]\n\"userAgent|re\" = '{}'\n", alternatives.join("|"))]);
        assert_eq!(candidates(&set, &event("boto")), 0, "their common start is looked for");
    }

    #[test]
    fn a_value_that_hits_at_every_letter_is_judged_in_time() {
        let letters =
            |number: usize| format!("[match]\n\"userAgent|contains\" = \"{}\"\n", "a".repeat(2 + number % 30));
        let set = set(&(0..1_000).map(letters).collect::<Vec<_>>());
        let event = format!(r#"{{"userAgent":"{}"}}"#, "a".repeat(1_000_000));
        let mut scratch = Scratch::default();
        assert_eq!(set.evaluate(&event, &mut scratch).unwrap().matches.len(), 1_000);
        assert_eq!(candidates(&set, r#"{"userAgent":"aabaab"}"#), 34);
    }

    #[test]
    fn only_events_that_concern_a_rule_are_read_for_all_that_rules_ask() {
        let set = set(&[
            "[match]\neventName = \"A\"\nrequestParameters.x = \"1\"\n".to_owned(),
            "[match]\n\"**|contains\" = \"kali\"\n".to_owned(),
        ]);
        let mut scratch = Scratch::default();
        let mut read = |event: &str| {
            set.evaluate(event, &mut scratch).unwrap();
            scratch.fields.found().len()
        };
        let (other, concerned, of_words) = (
            r#"{"requestParameters":{"x":"2"},"eventName":"B"}"#,
            r#"{"requestParameters":{"x":"2"},"eventName":"A"}"#,
            r#"{"requestParameters":{"x":"kali"},"eventName":"B"}"#,
        );
        assert_eq!((read(other), read(concerned), read(of_words)), (1, 2, 1));
        let of_both = r#"{"requestParameters":{"x":"1","y":"kali"},"eventName":"A"}"#;
        assert_eq!(read(of_both), 2);
        assert_eq!(set.evaluate(of_both, &mut Scratch::default()).unwrap().matches.len(), 2);
    }
}
