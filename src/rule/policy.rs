//! What stands on the right of `|policy`: a table that says what one statement must be like.

use std::ops::Range;
use std::sync::Arc;

use super::Shared;
use super::file::{At, Block, Line, Operand};
use super::key::Problem;
use crate::condition::list::{Membership, Values};
use crate::condition::policy::Glob;
use crate::condition::{List, Policy};
use crate::event::dictionary::nearest;
use crate::event::identity::is_account;

/// The keys of the table.
pub(super) const POLICY_KEYS: [&str; 10] = [
    "grants_public",
    "grants_external",
    "trusted",
    "principals",
    "allows",
    "allows_all",
    "resources",
    "resources_all",
    "has_condition",
    "lacks_condition",
];

/// A place, and what is wrong there.
type Complaint = (Range<usize>, Problem);

/// Reads a table. What is wrong comes with its places. `None` if a list that it names is broken.
pub(super) fn read(block: &Block, shared: &Shared) -> Result<Option<Policy>, Vec<Complaint>> {
    let (mut policy, mut problems) = (Policy::default(), Vec::new());
    let mut is_whole = true;
    for line in &block.lines {
        match line.key.0.as_str() {
            "trusted" => {
                let trusted = texts(&line.operand, &mut problems, |text| Trusted::of(text, shared));
                is_whole &= trusted.into_iter().all(|trusted| trusted.add_to(&mut policy));
            }
            _ => read_line(line, &mut policy, &mut problems),
        }
    }
    if problems.is_empty() {
        problems.extend(check(block, &policy));
    }
    if problems.is_empty() { Ok(is_whole.then_some(policy)) } else { Err(problems) }
}

fn read_line(line: &Line, policy: &mut Policy, problems: &mut Vec<Complaint>) {
    let (name, operand) = (line.key.0.as_str(), &line.operand);
    match name {
        "grants_public" => policy.grants_public = flag(operand, problems),
        "grants_external" => policy.grants_external = flag(operand, problems),
        "principals" => policy.principals = globs(operand, problems, check_principal, Glob::cased),
        "allows" => policy.allows = globs(operand, problems, |text| check_action(text, "allows_all"), Glob::nocase),
        "allows_all" => policy.allows_all = globs(operand, problems, |text| check_action(text, ""), Glob::nocase),
        "resources" => policy.resources = globs(operand, problems, |text| check_resource(text, false), Glob::cased),
        "resources_all" => {
            policy.resources_all = globs(operand, problems, |text| check_resource(text, true), Glob::cased);
        }
        "has_condition" => policy.has_condition = globs(operand, problems, check_key, Glob::nocase),
        "lacks_condition" => policy.lacks_condition = globs(operand, problems, check_key, Glob::nocase),
        unknown => {
            let problem = Problem::new(format!("unknown key `{unknown}`"))
                .near_or(nearest(unknown, POLICY_KEYS), || format!("expected one of {}", POLICY_KEYS.join(", ")));
            problems.push((line.key.1.clone(), problem));
        }
    }
}

/// Whether the table as a whole asks something that can be answered.
fn check(block: &Block, policy: &Policy) -> Option<Complaint> {
    let lists = policy.lists();
    let asks = policy.grants_public.is_some()
        || policy.grants_external.is_some()
        || lists.iter().any(|(_, globs)| !globs.is_empty());
    if !asks {
        let problem = Problem::new("nothing is asked of the policy");
        return Some((block.span.clone(), problem.hint("add for example `grants_external = true`")));
    }
    let trusts = !policy.trusted.is_empty() || !policy.trusted_lists.is_empty();
    if trusts && policy.grants_external.is_none() {
        let problem = Problem::new("`trusted` says nothing without `grants_external`");
        return Some((block.span.clone(), problem.hint("add `grants_external = true`")));
    }
    let bytes: usize = lists.iter().flat_map(|(_, globs)| globs.iter()).map(|glob| glob.as_str().len()).sum();
    (bytes > Policy::BYTES_MAX).then(|| {
        let problem = Problem::new(format!("lists of {bytes} bytes"));
        (block.span.clone(), problem.label(format!("at most {} in one table", Policy::BYTES_MAX)))
    })
}

fn flag((operand, span): &At<Operand>, problems: &mut Vec<Complaint>) -> Option<bool> {
    match operand {
        Operand::Bool(truth) => Some(*truth),
        _ => {
            problems.push((span.clone(), Problem::new("expected `true` or `false`, without quotes")));
            None
        }
    }
}

/// A string, or a list of strings, each of which is checked.
fn globs(
    operand: &At<Operand>,
    problems: &mut Vec<Complaint>,
    check: impl Fn(&str) -> Result<(), Problem>,
    make: fn(&str) -> Glob,
) -> Vec<Glob> {
    texts(operand, problems, |text| check(text).map(|()| make(text)))
}

/// A string, or a list of strings, of which each is made into something.
fn texts<T>(operand: &At<Operand>, problems: &mut Vec<Complaint>, make: impl Fn(&str) -> Result<T, Problem>) -> Vec<T> {
    let all = match &operand.0 {
        Operand::List(list) => list.as_slice(),
        _ => std::slice::from_ref(operand),
    };
    if all.is_empty() {
        problems.push((operand.1.clone(), Problem::new("an empty list").label("nothing is asked by it")));
    }
    let mut texts = Vec::new();
    for (operand, span) in all {
        let checked = match operand {
            Operand::Text(text) => make(text).map(|made| texts.push(made)),
            Operand::Number(text) => Err(Problem::new("expected a string").hint(format!("quote it: `\"{text}\"`"))),
            _ => Err(Problem::new("expected a string, or a list of strings")),
        };
        problems.extend(checked.err().map(|problem| (span.clone(), problem)));
    }
    texts
}

/// Who does not count as another.
enum Trusted {
    /// An account, an organization, a network of ours, or S3's id of an account.
    Scope(String),
    /// A list of such; `None` if it is broken.
    List(Option<Arc<List>>),
}

impl Trusted {
    fn of(text: &str, shared: &Shared) -> Result<Self, Problem> {
        let canonical = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_account(text) || canonical || ["o-", "vpc-", "vpce-"].iter().any(|start| text.starts_with(start)) {
            return Ok(Self::Scope(text.to_owned()));
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return Err(Problem::new(format!("`{text}` is no account")).label("an account has twelve digits"));
        }
        let list = shared.list(text).map_err(|problem| {
            problem.label("expected an account, `o-…`, `vpc-…`, `vpce-…`, a canonical user id or the name of a list")
        })?;
        match list.as_ref().map(|list| list.values()) {
            Some(Values::Networks(_)) => {
                Err(Problem::new(format!("the list `{text}` holds networks"))
                    .label("accounts and the like are trusted"))
            }
            _ => Ok(Self::List(list)),
        }
    }

    /// Whether it could be added.
    fn add_to(self, policy: &mut Policy) -> bool {
        match self {
            Self::Scope(scope) => policy.trusted.push(scope),
            Self::List(Some(list)) => policy.trusted_lists.push(Membership { list, nocase: false }),
            Self::List(None) => return false,
        }
        true
    }
}

/// A principal as notes show it.
fn check_principal(text: &str) -> Result<(), Problem> {
    let kinds = ["service:", "federated:", "canonical:", "arn:"];
    if text == "*" || is_account(text) || kinds.iter().any(|kind| text.starts_with(kind)) {
        return Ok(());
    }
    let problem = Problem::new(format!("`{text}` is no principal"))
        .label("expected `*` for everyone, an account, `arn:…`, `service:…`, `federated:…` or `canonical:…`");
    Err(if text.ends_with(".amazonaws.com") { problem.hint(format!("write `service:{text}`")) } else { problem })
}

/// A call as policies name it; `every` is the key for every one of them, where this one is for some.
fn check_action(text: &str, every: &str) -> Result<(), Problem> {
    let fine = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'*' | b'?'))
    };
    let named = match text.split_once(':') {
        Some((service, call)) => fine(service) && fine(call),
        None => !text.is_empty() && text.bytes().all(|b| b == b'*'),
    };
    if !named {
        let problem = Problem::new(format!("`{text}` can be no call")).label("policies name calls as `iam:PassRole`");
        return Err(match text.split_once(".amazonaws.com") {
            Some((service, _)) if fine(service) => problem.hint(format!("write `{service}:*`")),
            _ if fine(text) => problem.hint(format!("write `{text}:*` for all of a service, `*:{text}` for a call")),
            _ => problem,
        });
    }
    let everything = text.bytes().all(|b| matches!(b, b'*' | b':'));
    if everything && !every.is_empty() {
        return Err(Problem::new("every statement allows some call")
            .hint(format!("to ask for one that allows every call, write `{every} = [\"*\"]`")));
    }
    Ok(())
}

fn check_resource(text: &str, all: bool) -> Result<(), Problem> {
    match text {
        "" => Err(Problem::new("an empty text")),
        "*" if !all => Err(Problem::new("every statement is about some resource")
            .hint("to ask for one that is about all of them, write `resources_all = [\"*\"]`")),
        "*" => Ok(()),
        text if text.starts_with("arn:") || text.starts_with('*') => Ok(()),
        text => Err(Problem::new(format!("`{text}` can be no resource")).label("expected an ARN, with `*` and `?`")),
    }
}

fn check_key(text: &str) -> Result<(), Problem> {
    match text.split_once(':') {
        Some((service, key)) if !service.is_empty() && !key.is_empty() => Ok(()),
        _ => Err(Problem::new(format!("`{text}` can be no key of a condition"))
            .label("keys have a prefix, as in `aws:SourceAccount`")),
    }
}
