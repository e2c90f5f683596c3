//! From what was written to what it means: every line becomes a condition, or a complaint.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::diagnostic::{Diagnostic, SourceText};
use super::expression::{self, PREDICATES_MAX, SELECTIONS_MAX, Selection};
use super::file::{At, Block, ExceptionFile, Line, Operand, RuleFile, SelectionFile, TestFile, USE_KEYS};
use super::key::{self, Key, Measure, Operator, Problem, Scope};
use super::{
    Exception, Rule, RuleTest, Severity, Shared, Template, Written, event_pattern, filter_pattern, operand, policy,
};
use crate::condition::{Condition, Field, Policy, Predicate, Test, Within, Zone};
use crate::event::dictionary::nearest;
use crate::event::envelope::REPLAY_NAME;
use crate::event::{Base, Case, Path};

/// The longest list of a line, and the most lines of a rule.
const LIST_MAX: usize = 10_000;
/// The most fields that say what belongs together.
const GROUP_BY_MAX: usize = 10;
/// The bounds of `suppress`: events tell their time by the second, and nobody waits longer for what was held back.
const SUPPRESS_MIN: Duration = Duration::from_secs(1);
const SUPPRESS_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Judges a rule; `None` if anything that a rule cannot do without is missing or wrong.
pub(super) fn compile(
    file: &RuleFile,
    source: &Arc<SourceText>,
    shared: &Shared,
    problems: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let zone = zone(file.zone.as_ref(), source, problems);
    let mut compiler = Compiler::new(&Context { source, shared, zone: zone.as_ref() }, problems);
    let id = compiler.id(file);
    let title = compiler.title(file);
    let severity = compiler.severity(file);
    let condition = compiler.condition(file);
    let group_by = compiler.group_by(file);
    let suppress = compiler.suppress(file);
    compiler.tags(file);
    let tests = file.tests.iter().filter_map(|test| compiler.test(test)).collect();
    let Compiler { exceptions, places, .. } = compiler;
    let texts = |list: &[At<String>]| list.iter().map(|(text, _)| text.clone()).collect();
    Some(Rule {
        id: id?,
        title: title?,
        description: file.description.as_ref().map_or(String::new(), |(text, _)| text.trim().to_owned()),
        severity: severity?,
        tags: texts(&file.tags),
        references: texts(&file.references),
        false_positives: texts(&file.false_positives),
        condition: condition?,
        exceptions,
        // The `condition` takes selections in its own order, and some of them twice.
        places: if file.condition.is_some() { Vec::new() } else { places },
        group_by,
        suppress,
        tests,
        source: Arc::clone(source),
        start: 0,
    })
}

/// What lines are compiled with.
pub(super) struct Context<'c> {
    /// The file that they stand in.
    pub source: &'c Arc<SourceText>,
    /// What they may use.
    pub shared: &'c Shared,
    /// The zone of their hours and days; UTC if `None`.
    pub zone: Option<&'c Zone>,
}

/// The zone that a file names.
pub(super) fn zone(
    zone: Option<&At<String>>,
    source: &Arc<SourceText>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Zone> {
    let (name, span) = zone?;
    let found = Zone::named(name);
    if found.is_none() {
        let names = Zone::names();
        let problem = Problem::new(format!("unknown time zone `{name}`"));
        let problem = problem.near_or(nearest(name, names.iter().map(String::as_str)), || {
            "expected a name of the IANA database, such as `Europe/Berlin`".to_owned()
        });
        problems.push(problem.at_place(source, span.clone()));
    }
    found
}

/// Judges a selection that rules share; gives the places of its predicates too.
pub(super) fn selection(
    context: &Context<'_>,
    file: &SelectionFile,
    problems: &mut Vec<Diagnostic>,
) -> Option<(Condition, Vec<Written>)> {
    judged(context, problems, |compiler| Some(compiler.alternatives(&file.blocks, "this selection is empty")))
}

/// Judges an exception that rules share; gives the places of its predicates too.
pub(super) fn exception(
    context: &Context<'_>,
    file: &ExceptionFile,
    problems: &mut Vec<Diagnostic>,
) -> Option<(Exception, Vec<Written>)> {
    judged(context, problems, |compiler| compiler.exception(file))
}

/// What lines come to, with their places; `None` if there was anything to complain about.
fn judged<'c, T>(
    context: &Context<'c>,
    problems: &'c mut Vec<Diagnostic>,
    judge: impl FnOnce(&mut Compiler<'c>) -> Option<T>,
) -> Option<(T, Vec<Written>)> {
    let before = problems.len();
    let mut compiler = Compiler::new(context, problems);
    let judged = judge(&mut compiler)?;
    let good = !compiler.broken && compiler.problems.len() == before;
    good.then_some((judged, compiler.places))
}

struct Compiler<'c> {
    source: &'c Arc<SourceText>,
    shared: &'c Shared,
    zone: Option<&'c Zone>,
    problems: &'c mut Vec<Diagnostic>,
    exceptions: Vec<Exception>,
    /// Where the predicates of the lines read so far stand; their order is the condition's.
    places: Vec<Written>,
    /// What the fields of the lines at hand are looked for in.
    scope: Scope,
    /// Whether something that is used is broken, which has been told where it stands.
    broken: bool,
}

impl<'c> Compiler<'c> {
    fn new(context: &Context<'c>, problems: &'c mut Vec<Diagnostic>) -> Self {
        Self {
            source: context.source,
            shared: context.shared,
            zone: context.zone,
            problems,
            exceptions: Vec::new(),
            places: Vec::new(),
            scope: Scope::Event,
            broken: false,
        }
    }
}

impl Compiler<'_> {
    fn complain(&mut self, span: &Range<usize>, problem: Problem) {
        self.problems.push(problem.at_place(self.source, span.clone()));
    }

    /// Takes apart what was found of a name; what is broken has been complained about.
    fn used<T>(&mut self, span: &Range<usize>, result: Result<Option<T>, Problem>) -> Option<T> {
        let found = self.ok(span, result)?;
        self.broken |= found.is_none();
        found
    }

    /// Takes a result apart; a problem is complained about.
    fn ok<T>(&mut self, span: &Range<usize>, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.complain(span, problem)).ok()
    }

    /// The same for what was made of a text, of which the problem may concern a part.
    fn ok_part<T>(&mut self, span: &Range<usize>, text: &str, result: Result<T, Problem>) -> Option<T> {
        let problem = match result {
            Ok(value) => return Some(value),
            Err(problem) => problem,
        };
        self.complain(&self.source.place(span, text, problem.part.as_ref()), problem);
        None
    }

    fn id(&mut self, file: &RuleFile) -> Option<String> {
        let (id, span) = file.id.as_ref()?;
        let fine = |id: &str| {
            (1..=ID_LENGTH_MAX).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !fine(id) {
            let mut problem = empty_or(id, "id").label("lower-case letters, digits and hyphens, at most 100");
            let meant = id.to_ascii_lowercase().replace([' ', '_', '.', '/'], "-");
            if fine(&meant) {
                problem = problem.hint(format!("write `{meant}`"));
            }
            self.complain(span, problem);
            return None;
        }
        Some(id.clone())
    }

    fn title(&mut self, file: &RuleFile) -> Option<Template> {
        let (title, span) = file.title.as_ref()?;
        if title.trim().is_empty() {
            self.complain(span, Problem::new("the title is empty").label("it heads every finding"));
            return None;
        }
        self.ok_part(span, title, Template::parse(title))
    }

    fn severity(&mut self, file: &RuleFile) -> Option<Severity> {
        let (name, span) = file.severity.as_ref()?;
        let found = Severity::named(name);
        if found.is_none() {
            let names = Severity::ALL.map(Severity::as_str);
            let problem = Problem::new(format!("unknown severity `{name}`"))
                .label(format!("expected one of {}", names.join(", ")));
            self.complain(span, problem.near(Severity::meant(name)));
        }
        found
    }

    fn tags(&mut self, file: &RuleFile) {
        for (tag, span) in &file.tags {
            let fine = |tag: &str| {
                !tag.is_empty()
                    && tag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-:/".contains(&b))
            };
            if !fine(tag) {
                let problem = empty_or(tag, "tag").label("lower-case letters, digits and `._-:/`");
                let meant = tag.to_ascii_lowercase();
                self.complain(span, if fine(&meant) { problem.hint(format!("write `{meant}`")) } else { problem });
            }
        }
    }

    fn group_by(&mut self, file: &RuleFile) -> Vec<Field> {
        if let Some((_, span)) = file.group_by.get(GROUP_BY_MAX) {
            let problem = Problem::new(format!("more than {GROUP_BY_MAX} fields in `group_by`"));
            self.complain(span, problem.hint("name only what makes two matches the same matter"));
        }
        file.group_by.iter().filter_map(|(name, span)| self.ok_part(span, name, key::field(name))).collect()
    }

    fn suppress(&mut self, file: &RuleFile) -> Option<Duration> {
        let (text, span) = file.suppress.as_ref()?;
        let problem = match humantime::parse_duration(text) {
            Err(_) => Problem::new(format!("`{text}` is no duration"))
                .hint("write for example `30s`, `10m`, `1h 30m` or `2d`"),
            Ok(time) if time < SUPPRESS_MIN => {
                Problem::new("`suppress` is shorter than a second").hint("leave it out: every match is a finding then")
            }
            Ok(time) if time > SUPPRESS_MAX => Problem::new("`suppress` is longer than 7 days")
                .hint("what was held back is told when this time is over; write for example `1h`"),
            Ok(time) => return Some(time),
        };
        self.complain(span, problem);
        None
    }

    fn condition(&mut self, file: &RuleFile) -> Option<Condition> {
        let before = self.problems.len();
        let mut parts = Vec::new();
        parts.extend(self.event_pattern(file));
        if let Some(block) = &file.matches {
            parts.extend(self.block(block));
        }
        match self.filter_pattern(file) {
            Some(Condition::All(inner)) => parts.extend(inner),
            other => parts.extend(other),
        }
        if !file.either.is_empty() {
            parts.push(Condition::any(
                file.either
                    .iter()
                    .map(|block| Condition::all(self.block_with_lines(block, "this `[[either]]` is empty", "match")))
                    .collect(),
            ));
        }
        parts.extend(self.selected(file));
        for exception in &file.except {
            let exception = self.exception(exception);
            self.exceptions.extend(exception);
        }
        parts.extend(self.exceptions.iter().map(|exception| exception.when.clone().negated()));
        (self.problems.len() == before && !self.broken && !parts.is_empty()).then(|| Condition::all(parts))
    }

    /// Where parts of a string stand that is written at `span`: looked up once, since there may be thousands of them. The
    /// whole where escapes lie between.
    fn placed_within(&self, span: &Range<usize>, text: &str) -> impl Fn(Range<usize>) -> Range<usize> + use<> {
        let start = self.source.text.get(span.clone()).and_then(|written| Some(span.start + written.rfind(text)?));
        let span = span.clone();
        move |part| match start {
            Some(start) => start + part.start..start + part.end,
            None => span.clone(),
        }
    }

    /// What an event pattern of EventBridge comes to.
    fn event_pattern(&mut self, file: &RuleFile) -> Option<Condition> {
        let (text, span) = file.event_pattern.as_ref()?;
        let placed = self.placed_within(span, text);
        match event_pattern::compile(text) {
            Ok((condition, places)) => {
                let written = |span| Written { source: Arc::clone(self.source), span };
                self.places.extend(places.into_iter().map(placed).map(written));
                Some(condition)
            }
            Err(problems) => {
                for problem in problems {
                    let place = problem.part.clone().map_or(span.clone(), &placed);
                    self.complain(&place, problem);
                }
                None
            }
        }
    }

    /// What a filter pattern of CloudWatch Logs comes to.
    fn filter_pattern(&mut self, file: &RuleFile) -> Option<Condition> {
        let (text, span) = file.filter_pattern.as_ref()?;
        let placed = self.placed_within(span, text);
        let pattern = Arc::new(SourceText { name: self.source.name.clone(), text: text.clone() });
        match filter_pattern::read(&pattern) {
            Ok((condition, places)) => {
                let written = |span| Written { source: Arc::clone(self.source), span };
                self.places.extend(places.into_iter().map(placed).map(written));
                Some(condition)
            }
            Err(problem) => {
                let span = placed(problem.span.clone());
                self.problems.push(Diagnostic { source: Arc::clone(self.source), span, ..problem });
                None
            }
        }
    }

    /// What the selections come to, joined by the `condition`.
    fn selected(&mut self, file: &RuleFile) -> Option<Condition> {
        let mut selections: Vec<Selection> = Vec::new();
        if let Some(one_more) = file.selections.get(SELECTIONS_MAX) {
            self.complain(&one_more.name.1, Problem::new(format!("more than {SELECTIONS_MAX} selections")));
            return None;
        }
        for selection in &file.selections {
            let (name, span) = &selection.name;
            let good = self.ok(span, expression::check_name(name)).is_some();
            let condition = self.alternatives(&selection.blocks, "this selection is empty");
            if good {
                selections.push((name.clone(), Some(condition)));
            }
        }
        let Some((text, span)) = &file.condition else {
            if let Some(first) = file.selections.first() {
                let (name, span) = &first.name;
                let problem = Problem::new("there are selections, but no `condition` that joins them");
                self.complain(span, problem.hint(format!("add `condition = \"{name}\"`, above the first `[table]`")));
            }
            return None;
        };
        let expression = self.ok_part(span, text, expression::parse(text))?;
        let condition = self.ok_part(span, text, expression.resolve(&selections, self.shared))?;
        self.broken |= condition.is_none();
        let used = expression.names(&selections);
        for selection in file.selections.iter().filter(|selection| !used.contains(&selection.name.0.as_str())) {
            let (name, span) = &selection.name;
            self.complain(span, Problem::new(format!("the condition does not name the selection `{name}`")));
        }
        condition
    }

    /// Blocks of which any may hold.
    fn alternatives(&mut self, blocks: &[Block], empty: &str) -> Condition {
        let blocks = blocks.iter().map(|block| Condition::all(self.block_with_lines(block, empty, "match")));
        Condition::any(blocks.collect())
    }

    fn block_with_lines(&mut self, block: &Block, empty: &str, verb: &str) -> Vec<Condition> {
        if block.is_empty {
            let what = if self.scope == Scope::Event { "every event" } else { "everything" };
            self.complain(&block.span, Problem::new(empty).label(format!("it would {verb} {what}")));
        }
        self.block(block)
    }

    fn block(&mut self, block: &Block) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for line in &block.lines {
            match USE_KEYS.iter().position(|key| *key == line.key.0) {
                Some(kind) if self.scope == Scope::Event => conditions.extend(self.shared_selections(line, kind == 1)),
                _ => conditions.extend(self.line(line)),
            }
        }
        conditions
    }

    /// The selections that `use` or `use_not` names.
    fn shared_selections(&mut self, line: &Line, negated: bool) -> Vec<Condition> {
        let (operand, whole) = &line.operand;
        let mut conditions = Vec::new();
        for (name, span) in operand.texts() {
            let span = span.unwrap_or(whole);
            let Some(name) = name else {
                self.complain(span, Problem::new("expected the name of a shared selection, in quotes"));
                continue;
            };
            let shared = self.shared;
            if let Some(selection) = self.used(span, shared.selection(name)) {
                if self.places.len() + selection.places.len() > PREDICATES_MAX {
                    let message = format!("with this selection there are more than {PREDICATES_MAX} predicates");
                    self.complain(span, Problem::new(message));
                    break;
                }
                self.places.extend(selection.places.iter().cloned());
                let condition = selection.condition.clone();
                conditions.push(if negated { condition.negated() } else { condition });
            }
        }
        conditions
    }

    fn exception(&mut self, file: &ExceptionFile) -> Option<Exception> {
        let mut lines = self.block_with_lines(file.when.as_ref()?, "this exception is empty", "except");
        let mut expires = None;
        if let Some((date, span)) = &file.expires {
            let (day, condition) = self.ok(span, still_valid(date))?;
            expires = Some(day);
            lines.push(self.placed(condition, span));
        }
        let text = |field: &Option<At<String>>| field.as_ref().map(|(text, _)| text.clone());
        Some(Exception {
            name: text(&file.name)?,
            owner: text(&file.owner),
            reason: text(&file.reason),
            expires,
            when: Condition::all(lines),
            written: Written { source: Arc::clone(self.source), span: file.span.clone() },
        })
    }

    /// Notes where the predicates of a condition stand.
    fn placed(&mut self, condition: Condition, span: &Range<usize>) -> Condition {
        let written = Written { source: Arc::clone(self.source), span: span.clone() };
        condition.visit(&mut |_| self.places.push(written.clone()));
        condition
    }

    fn line(&mut self, line: &Line) -> Option<Condition> {
        let (text, key_span) = &line.key;
        let key = self.ok_part(key_span, text, key::parse(text, self.scope))?;
        let (operand, span) = &line.operand;
        let condition = match operand {
            Operand::List(list) => self.list(&key, list, span)?,
            single => {
                if key.shape.all {
                    let problem = Problem::new("modifier `all` needs a list")
                        .hint("write `[\"one\", \"two\"]`, or leave `all` out");
                    self.complain(span, problem);
                    return None;
                }
                let condition = self.value(&key, single, span)?;
                // Lines inside a value may stand below a header of their own, which is then the operand's place.
                let place = if span.start < key_span.start { span.clone() } else { key_span.start..span.end };
                self.placed(condition, &place)
            }
        };
        Some(if key.shape.not { condition.negated() } else { condition })
    }

    fn list(&mut self, key: &Key, list: &[At<Operand>], span: &Range<usize>) -> Option<Condition> {
        if list.is_empty() {
            let problem = Problem::new("an empty list").label("no value can be in it, so the line can never hold");
            self.complain(span, problem);
            return None;
        }
        if list.len() > LIST_MAX {
            let problem = Problem::new(format!("a list of {} values", list.len())).label(format!("at most {LIST_MAX}"));
            self.complain(span, problem);
            return None;
        }
        if matches!(key.shape.operator, Operator::Exists | Operator::Null | Operator::Compare(_)) {
            self.complain(span, Problem::new("expected one value, found a list"));
            return None;
        }
        let parts: Vec<Option<Condition>> =
            list.iter().map(|(operand, span)| self.element(key, operand, span)).collect();
        let parts: Vec<Condition> = parts.into_iter().collect::<Option<_>>()?;
        Some(if key.shape.all { Condition::all(parts) } else { Condition::any(parts) })
    }

    fn element(&mut self, key: &Key, operand: &Operand, span: &Range<usize>) -> Option<Condition> {
        let condition = self.value(key, operand, span)?;
        Some(self.placed(condition, span))
    }

    /// What a line comes to that has a single operand.
    fn value(&mut self, key: &Key, operand: &Operand, span: &Range<usize>) -> Option<Condition> {
        match operand {
            Operand::Lines(block) if key.shape.has_lines() => self.inside(key, block),
            Operand::Lines(block) if key.shape.operator == Operator::Policy => {
                let policy = self.policy(block)?;
                Some(Condition::is(key.field.clone(), Test::Policy(Box::new(policy))))
            }
            Operand::Text(name) if key.shape.operator == Operator::In => {
                let shared = self.shared;
                let list = self.used(span, shared.list(name))?;
                self.ok(span, operand::membership(key, &list))
            }
            other => self.ok(span, operand::line(key, other)).map(|condition| self.in_zone(key, condition)),
        }
    }

    /// Reads what is asked of a policy, and complains of all that is wrong with it.
    fn policy(&mut self, block: &Block) -> Option<Policy> {
        match policy::read(block, self.shared) {
            Ok(policy) => {
                self.broken |= policy.is_none();
                policy
            }
            Err(problems) => {
                problems.into_iter().for_each(|(span, problem)| self.complain(&span, problem));
                None
            }
        }
    }

    /// Hours and days are those of the file's zone.
    fn in_zone(&self, key: &Key, condition: Condition) -> Condition {
        match (key.shape.measure, self.zone, condition) {
            (Some(Measure::Hour | Measure::Weekday), Some(zone), Condition::Is(Predicate { field, test })) => {
                Condition::is(field, Test::InZone(zone.clone(), Box::new(test)))
            }
            (_, _, condition) => condition,
        }
    }

    /// Lines inside a line: all of them are one predicate, with one place.
    fn inside(&mut self, key: &Key, block: &Block) -> Option<Condition> {
        let (scope, places) = (std::mem::replace(&mut self.scope, Scope::Inside), self.places.len());
        let lines = self.block_with_lines(block, "this table of lines is empty", "fit");
        self.scope = scope;
        self.places.truncate(places);
        if lines.len() < block.lines.len() || lines.is_empty() {
            return None;
        }
        let condition = Box::new(Condition::all(lines));
        let within = Within { json: key.shape.json, any: key.shape.any, condition };
        Some(Condition::is(key.field.clone(), Test::Within(within)))
    }

    fn test(&mut self, file: &TestFile) -> Option<RuleTest> {
        let matches = match file.expect.as_ref()? {
            (expect, _) if expect == "match" => true,
            (expect, _) if expect == "no match" => false,
            (expect, span) => {
                let problem = Problem::new(format!("cannot expect `{expect}`")).label("expected `match` or `no match`");
                self.complain(span, problem.near(nearest(expect, ["match", "no match"])));
                return None;
            }
        };
        let event = whole_event(&file.event.as_ref()?.0);
        Some(RuleTest {
            name: file.name.as_ref()?.0.clone(),
            matches,
            event: event.to_string(),
            offset: file.span.start,
        })
    }
}

/// The longest id, in bytes.
const ID_LENGTH_MAX: usize = 100;

fn empty_or(text: &str, what: &str) -> Problem {
    match text {
        "" => Problem::new(format!("the {what} is empty")),
        text => Problem::new(format!("`{text}` cannot be {} {what}", if what == "id" { "an" } else { "a" })),
    }
}

/// The event that a test means: what it gives, merged over the neutral record. An event of EventBridge is taken as it
/// is, or gives the record within.
fn whole_event(given: &serde_json::Value) -> serde_json::Value {
    let record = match (given.get("detail-type"), given.get("detail")) {
        (Some(_), Some(detail)) if detail.get("eventSource").is_some() && detail.get("eventName").is_some() => detail,
        (Some(_), Some(_)) => return given.clone(),
        _ => given,
    };
    let mut event = neutral_record();
    merge(&mut event, record);
    if let Some(name) = given.get(REPLAY_NAME) {
        event[REPLAY_NAME] = name.clone();
    }
    event
}

/// The record that every test's event is merged over: an everyday read. Nothing in it comes from any rule.
pub(super) fn neutral_record() -> serde_json::Value {
    serde_json::json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLEEXAMPLEEXA:alice",
            "arn": "arn:aws:sts::111122223333:assumed-role/deploy/alice",
            "accountId": "111122223333",
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAEXAMPLEEXAMPLEEXA",
                    "arn": "arn:aws:iam::111122223333:role/deploy",
                    "accountId": "111122223333",
                    "userName": "deploy"
                },
                "attributes": { "creationDate": "2026-01-15T11:30:00Z", "mfaAuthenticated": "false" }
            }
        },
        "eventTime": "2026-01-15T12:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "DescribeInstances",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.17.20 md/awscrt#0.20.11 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.8",
        "requestParameters": null,
        "responseElements": null,
        "requestID": "7f5b8f4e-0000-4000-8000-000000000001",
        "eventID": "7f5b8f4e-0000-4000-8000-000000000002",
        "readOnly": true,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management"
    })
}

fn merge(base: &mut serde_json::Value, over: &serde_json::Value) {
    use serde_json::Value::Object;
    match (base, over) {
        (Object(base), Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// An exception holds through the day on which it expires, by the event's own time. An event without a time that can
/// be read is not excepted.
fn still_valid(date: &str) -> Result<(Date, Condition), Problem> {
    let not_a_date = || Problem::new(format!("`{date}` is no date")).hint("write the last day: `expires = 2027-01-31`");
    let day: Date = date.parse().map_err(|_| not_a_date())?;
    if date.len() != "2027-01-31".len() {
        return Err(not_a_date());
    }
    let end = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC)).map_err(|_| not_a_date())?;
    let path = Path::parse(Base::EventTime.path(), Case::Insensitive).map_err(|_| not_a_date())?;
    Ok((day, Condition::is(Field::Path(path), Test::Before(end.timestamp()))))
}
