//! Conditions over numbered predicates, evaluated lazily: a predicate that several rules share is judged once.

use super::spell::is_unspelt;
use super::{Builder, RuleId, Slot};
use crate::condition::{self, Condition, Field, Predicate, Relation, Test};
use crate::event::{Event, Value};

mod listed;
mod sightings;

use listed::Listed;
use sightings::Sightings;

/// The number of a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtomId(u32);

/// A predicate, ready to be judged.
#[derive(Debug)]
pub enum Atom {
    /// One of the field's values passes the test.
    Test(Slot, Test),
    /// One of the field's strings is on the list, or passes one of its tests.
    Listed(Slot, Listed),
    /// The strings of two fields stand to each other so.
    Relates(Slot, Relation, Slot),
    /// Judged by the naive evaluator over the record's own text: what no index knows.
    Slow(Box<Condition>),
}

/// A condition whose predicates are numbers.
#[derive(Debug)]
pub enum Program {
    All(Box<[Program]>),
    Any(Box<[Program]>),
    Not(Box<Program>),
    Is(AtomId),
}

impl Builder {
    /// Compiles a condition.
    pub(super) fn program(&mut self, condition: &Condition) -> Program {
        match condition {
            Condition::All(inner) => Program::All(self.ordered(inner)),
            Condition::Any(inner) => match self.list(inner) {
                Some(atom) => Program::Is(atom),
                None => Program::Any(self.ordered(inner)),
            },
            Condition::Not(inner) => Program::Not(Box::new(self.program(inner))),
            Condition::Together(_) => Program::Is(self.slow(condition)),
            Condition::Is(predicate) if is_unspelt(&predicate.field) => Program::Is(self.slow(condition)),
            Condition::Is(predicate) if is_slow(predicate) => self.slow_where_there(predicate),
            Condition::Is(predicate) => Program::Is(self.intern(vec![predicate.clone()])),
        }
    }

    /// What is judged slowly is judged only where the field is there at all, as far as that is known.
    fn slow_where_there(&mut self, predicate: &Predicate) -> Program {
        let known = match &predicate.field {
            Field::Path(path) if path.is_deep() => path.above_any_depth().map(Field::Path),
            field => Some(field.clone()),
        };
        let there = known.map(|field| Predicate { field, test: Test::Exists });
        let parts = there.into_iter().chain([predicate.clone()]);
        Program::All(parts.map(|predicate| Program::Is(self.intern(vec![predicate]))).collect())
    }

    /// Compiles parts, the cheap ones first.
    fn ordered(&mut self, inner: &[Condition]) -> Box<[Program]> {
        let mut parts: Vec<&Condition> = inner.iter().collect();
        parts.sort_by_key(|condition| effort(condition));
        parts.into_iter().map(|condition| self.program(condition)).collect()
    }

    /// A list of strings of one field is one look-up.
    fn list(&mut self, inner: &[Condition]) -> Option<AtomId> {
        let predicates: Vec<&Predicate> = inner.iter().map(predicate).collect::<Option<_>>()?;
        let field = &predicates.first()?.field;
        let alike = predicates.iter().all(|predicate| predicate.field == *field);
        let can_be = alike && !field.is_deep() && !is_unspelt(field) && Listed::can_be(&predicates);
        can_be.then(|| self.intern(predicates.into_iter().cloned().collect()))
    }

    /// What only the naive evaluator can judge. It goes by the record's text, but for what is worked out.
    fn slow(&mut self, condition: &Condition) -> AtomId {
        condition.visit(&mut |predicate| predicate.fields().for_each(|field| self.worked_out(field)));
        let id = AtomId(self.atoms.len() as u32);
        self.atoms.push(Atom::Slow(Box::new(condition.clone())));
        id
    }

    fn intern(&mut self, predicates: Vec<Predicate>) -> AtomId {
        if let Some(&atom) = self.interned.get(&predicates) {
            return atom;
        }
        let atom = if is_slow(&predicates[0]) { self.slow_atom(&predicates[0]) } else { self.atom(&predicates) };
        let id = AtomId(self.atoms.len() as u32);
        self.atoms.push(atom);
        self.interned.insert(predicates, id);
        id
    }

    fn atom(&mut self, predicates: &[Predicate]) -> Atom {
        let slot = self.slot(&predicates[0].field);
        match (predicates.len(), &predicates[0].test) {
            (1, Test::Relates(relation, other)) => {
                let other = self.slot(other);
                Atom::Relates(slot, *relation, other)
            }
            (1, test) if !Listed::can_be(&[&predicates[0]]) => Atom::Test(slot, test.clone()),
            _ => Atom::Listed(slot, Listed::of(predicates, &self.anywhere)),
        }
    }

    /// Of what is judged over the text, only derived fields have to be read before.
    fn slow_atom(&mut self, predicate: &Predicate) -> Atom {
        for derived in predicate.fields().filter(|field| matches!(field, Field::Derived(_))) {
            self.slot(derived);
        }
        Atom::Slow(Box::new(Condition::Is(predicate.clone())))
    }
}

fn predicate(condition: &Condition) -> Option<&Predicate> {
    match condition {
        Condition::Is(predicate) => Some(predicate),
        _ => None,
    }
}

fn is_slow(predicate: &Predicate) -> bool {
    matches!(predicate.test, Test::Within(_) | Test::Policy(_)) || predicate.fields().any(Field::is_deep)
}

/// How much work a condition is, roughly.
fn effort(condition: &Condition) -> u32 {
    match condition {
        Condition::Is(predicate) if is_slow(predicate) => 10_000,
        // Where the index has not looked for it, every string of the record is gone through.
        Condition::Is(predicate) if predicate.field == Field::Anywhere => 50,
        Condition::Is(predicate) if is_unspelt(&predicate.field) => 500,
        Condition::Is(predicate) => match &predicate.test {
            Test::Equals(_) | Test::Exists | Test::Null => 1,
            Test::Fits(_) => 20,
            Test::Relates(..) | Test::Hour(..) | Test::Day(_) | Test::InZone(..) | Test::Before(_) => 10,
            _ => 3,
        },
        Condition::Not(inner) => effort(inner),
        // It reads the record once more for each field.
        Condition::Together(_) => 1_000,
        Condition::All(inner) | Condition::Any(inner) => {
            inner.iter().map(effort).fold(0, u32::saturating_add).saturating_add(1)
        }
    }
}

impl Program {
    /// Whether the condition holds of the event.
    pub fn holds(&self, atoms: &[Atom], event: &Event<'_>, memo: &mut Memo) -> bool {
        match self {
            Self::All(inner) => inner.iter().all(|program| program.holds(atoms, event, memo)),
            Self::Any(inner) => inner.iter().any(|program| program.holds(atoms, event, memo)),
            Self::Not(inner) => !inner.holds(atoms, event, memo),
            Self::Is(id) => match memo.known(*id) {
                Some(truth) => truth,
                None => memo.learn(*id, atoms[id.0 as usize].holds(event, &memo.sightings)),
            },
        }
    }
}

impl Atom {
    fn holds(&self, event: &Event<'_>, sightings: &Sightings) -> bool {
        match self {
            Self::Test(Slot::Read(field), test) => test.passes(event.values(*field)),
            Self::Test(Slot::Derived(derived), test) => test.passes(derived.of(event).into_iter()),
            Self::Test(Slot::Anywhere, test) => test.passes(event.strings().iter().map(|text| Value::String(text))),
            Self::Slow(condition) => condition::holds(condition, event),
            Self::Listed(Slot::Anywhere, list) => list.has_string_of(event, sightings),
            Self::Listed(slot, list) => slot.with(event, |mut values| {
                Iterator::any(&mut values, |value| matches!(value, Value::String(text) if list.has(text)))
            }),
            Self::Relates(slot, relation, other) => slot.with(event, |values| match other {
                Slot::Read(field) => relation.holds(values, event.values(*field)),
                Slot::Derived(derived) => relation.holds(values, derived.of(event).into_iter()),
                Slot::Anywhere => relation.holds(values, event.strings().iter().map(|text| Value::String(text))),
            }),
        }
    }
}

/// What is known of the event at hand. A stamp tells what belongs to it, so that nothing has to be wiped.
#[derive(Debug, Default)]
pub struct Memo {
    epoch: u32,
    /// By predicate: twice the epoch in which it was judged, plus its truth.
    truths: Vec<u64>,
    /// By rule: the epoch in which it was proposed.
    proposed: Vec<u32>,
    candidates: Vec<RuleId>,
    /// What the index has found wherever there are strings.
    pub sightings: Sightings,
}

impl Memo {
    /// Forgets the last event.
    pub fn next_event(&mut self, atoms: usize, rules: usize) {
        self.candidates.clear();
        self.sightings.clear();
        if self.epoch == u32::MAX || self.truths.len() != atoms || self.proposed.len() != rules {
            *self = Self {
                epoch: 0,
                truths: vec![0; atoms],
                proposed: vec![0; rules],
                candidates: std::mem::take(&mut self.candidates),
                sightings: std::mem::take(&mut self.sightings),
            };
        }
        self.epoch += 1;
    }

    /// Notes a rule to be evaluated, once.
    pub fn propose(&mut self, rule: RuleId) {
        let stamp = &mut self.proposed[rule.0 as usize];
        if *stamp != self.epoch {
            *stamp = self.epoch;
            self.candidates.push(rule);
        }
    }

    /// The same for each of several rules.
    pub fn propose_all(&mut self, rules: &[RuleId]) {
        rules.iter().for_each(|&rule| self.propose(rule));
    }

    /// The rules to be evaluated.
    pub fn candidates(&self) -> &[RuleId] {
        &self.candidates
    }

    fn known(&self, atom: AtomId) -> Option<bool> {
        let truth = self.truths[atom.0 as usize];
        (truth >> 1 == u64::from(self.epoch)).then_some(truth & 1 == 1)
    }

    fn learn(&mut self, atom: AtomId, truth: bool) -> bool {
        self.truths[atom.0 as usize] = u64::from(self.epoch) << 1 | u64::from(truth);
        truth
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::{RuleSet, Scratch};
    use crate::rule::Rule;

    /// Whether the rule matches, and whether the naive evaluator was asked.
    fn judged(pattern: &str, event: &str) -> (bool, bool) {
        let text = format!("id = \"x\"\ntitle = \"x\"\nseverity = \"low\"\nevent_pattern = '''{pattern}'''\n");
        let rules = RuleSet::new(vec![Rule::parse(Path::new("x.toml"), text).unwrap()]);
        let mut scratch = Scratch::default();
        let matched = !rules.evaluate(event, &mut scratch).unwrap().matches.is_empty();
        let slow = |&(number, atom): &(usize, &Atom)| {
            matches!(atom, Atom::Slow(_)) && scratch.memo.known(AtomId(number as u32)).is_some()
        };
        (matched, rules.atoms.iter().enumerate().any(|numbered| slow(&numbered)))
    }

    #[test]
    fn only_arrays_with_several_elements_are_judged_slowly() {
        let pattern = r#"{"source":["aws.ec2"],"detail":{"eventName":["X"],"errorCode":[{"exists":false}],
            "requestParameters":{"set":{"a":["1"],"b":["2"],"c":[{"exists":false}]}}}}"#;
        let event = |set: &str| {
            format!(r#"{{"eventSource":"ec2.amazonaws.com","eventName":"X","requestParameters":{{"set":{set}}}}}"#)
        };
        for (set, matched, slow) in [
            (r#"{"a":"1","b":"2"}"#, true, false),
            (r#"{"a":"1","b":"2","c":"3"}"#, false, false),
            (r#"{"a":["1","9"],"b":["9","2"]}"#, true, false),
            (r#"[{"a":"1","b":"2"}]"#, true, false),
            (r#"[{"a":"1"},{"a":"1","b":"3"}]"#, false, false),
            (r#"[{"a":"1"},{"b":"2"}]"#, false, true),
            (r#"[{"c":"1"},{"a":"1","b":"2"}]"#, true, true),
            (r#"[[{"a":"1"},{"b":"2"}]]"#, false, true),
        ] {
            assert_eq!(judged(pattern, &event(set)), (matched, slow), "{set}");
        }
    }

    /// The slow predicates of a rule that were judged of an event.
    fn slow_ones_judged(lines: &str, event: &str) -> usize {
        let text = format!("id = \"r\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\n{lines}");
        let rules = RuleSet::new(vec![Rule::parse(Path::new("r.toml"), text).unwrap()]);
        let mut scratch = Scratch::default();
        rules.evaluate(event, &mut scratch).unwrap();
        let judged = |&number: &usize| scratch.memo.known(AtomId(number as u32)).is_some();
        let slow = |&number: &usize| matches!(rules.atoms[number], Atom::Slow(_));
        (0..rules.atoms.len()).filter(slow).filter(judged).count()
    }

    #[test]
    fn what_is_slow_is_judged_last_and_only_where_the_rest_holds() {
        let lines = "\"requestParameters.p|json\" = { a = 1 }\n\"userAgent|contains\" = \"x\"\neventName = \"A\"\n";
        for (name, event, judged) in [
            ("all else holds", r#"{"eventName":"A","userAgent":"x","requestParameters":{"p":"{}"}}"#, 1),
            ("another call", r#"{"eventName":"B","userAgent":"x","requestParameters":{"p":"{}"}}"#, 0),
            ("a cheap line fails", r#"{"eventName":"A","userAgent":"y","requestParameters":{"p":"{}"}}"#, 0),
            ("the field is missing", r#"{"eventName":"A","userAgent":"x","requestParameters":{"q":"{}"}}"#, 0),
        ] {
            assert_eq!(slow_ones_judged(lines, event), judged, "{name}");
        }
    }
}
