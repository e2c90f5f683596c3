//! Holds the statements of a document against what is asked.
//!
//! A statement that allows grants what is asked, grants it perhaps (a condition or a denial narrows it, and how far is
//! not judged), or does not. The first two count; the first such statement that nothing narrows is the one named.

use std::cell::Cell;

use super::document::{Clause, Document, Globs, Principal, Principals, Statement};
use super::glob::Glob;
use super::{Judgement, Policy};
use crate::untrusted::shortened;

/// How much work goes into holding grants against denials, in pairs of characters. Past it denials are told, but not
/// judged.
const STEPS_MAX: usize = 1 << 26;
/// How many names of a kind a note has.
const NAMES_SHOWN_MAX: usize = 3;
/// How many reasons a note has.
const REASONS_SHOWN_MAX: usize = 3;
/// The longest name in a note, in characters.
const NAME_WIDTH_MAX: usize = 80;

/// Judges a document.
pub(super) fn judge(policy: &Policy, document: &Document, account: Option<&str>) -> Judgement {
    let judge = Judge { policy, document, account, steps: Cell::new(0) };
    let (mut narrowed, mut reasons) = (None, Vec::new());
    for statement in document.statements.iter().filter(|statement| statement.allows) {
        match judge.statement(statement) {
            Ok(grant) if grant.narrowed.is_empty() => return Judgement { holds: true, note: grant.note(statement) },
            Ok(grant) => narrowed = narrowed.or_else(|| Some(grant.note(statement))),
            Err(reason) => reasons.push(format!("{} {reason}", name_of(statement))),
        }
    }
    let holds = narrowed.is_some();
    Judgement { holds, note: narrowed.unwrap_or_else(|| why_not(&reasons)) }
}

fn why_not(reasons: &[String]) -> String {
    let more = reasons.len().saturating_sub(REASONS_SHOWN_MAX);
    let shown = reasons[..reasons.len() - more].join("; ");
    match more {
        _ if reasons.is_empty() => "no statement allows anything".to_owned(),
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

struct Judge<'j> {
    policy: &'j Policy,
    document: &'j Document,
    /// The account whose record it is.
    account: Option<&'j str>,
    /// What has been spent of [`STEPS_MAX`].
    steps: Cell<usize>,
}

/// What a statement grants of what is asked.
#[derive(Default)]
struct Grant {
    what: Vec<String>,
    /// What narrows it, and is not judged.
    narrowed: Vec<String>,
}

/// The part of a statement that is asked for: whom, which calls, which resources. It is all of their combinations.
struct Share<'s> {
    /// `None` where the policy is of an identity.
    principals: Option<Vec<&'s Principal>>,
    actions: Vec<Part<'s>>,
    resources: Vec<Part<'s>>,
}

/// Names that a statement has and that are asked for.
struct Part<'s> {
    own: Own<'s>,
    wanted: Option<&'s Glob>,
}

enum Own<'s> {
    Glob(&'s Glob),
    AllBut(&'s [Glob]),
}

impl<'j> Judge<'j> {
    /// What a statement grants; an error says why it does not.
    fn statement(&self, statement: &'j Statement) -> Result<Grant, String> {
        let policy = self.policy;
        let mut share = Share {
            principals: self.principals(statement)?,
            actions: parts(&statement.actions, &policy.allows, &policy.allows_all)
                .map_err(|glob| format!("does not allow `{glob}`"))?,
            resources: parts(&statement.resources, &policy.resources, &policy.resources_all)
                .map_err(|glob| format!("is not about `{glob}`"))?,
        };
        let mut grant = Grant::default();
        self.check_keys(statement)?;
        if !statement.clauses.is_empty() {
            let keys = statement.clauses.iter().map(|clause| clause.key.as_str());
            grant.narrowed.push(format!("Condition on {}", names(keys)));
        }
        self.deny(&mut share, &mut grant)?;
        self.describe(&share, &mut grant);
        Ok(grant)
    }

    /// The principals that are as asked.
    fn principals(&self, statement: &'j Statement) -> Result<Option<Vec<&'j Principal>>, String> {
        let Some(principals) = &statement.principals else {
            return if self.policy.asks_for_principals() { Err("names no principal".to_owned()) } else { Ok(None) };
        };
        // Whoever is left out of all is of no account.
        let all: Vec<&Principal> =
            if principals.all_but { vec![&Principal::Everyone] } else { principals.list.iter().collect() };
        let mut reason = None;
        let fitting: Vec<&Principal> = all
            .into_iter()
            .filter(|principal| {
                let checked = self.check_principal(principal, statement);
                checked.map_err(|why| reason = reason.take().or(Some(why))).is_ok()
            })
            .collect();
        match fitting.is_empty() {
            true => Err(reason.unwrap_or_else(|| "names no principal".to_owned())),
            false => Ok(Some(fitting)),
        }
    }

    fn check_principal(&self, principal: &Principal, statement: &Statement) -> Result<(), String> {
        let shown = shortened(&principal.to_string(), NAME_WIDTH_MAX);
        wanted(self.policy.grants_public, public(principal, statement), "grants everyone")?;
        wanted(self.policy.grants_external, self.external(principal, statement), "grants another account")?;
        let globs = &self.policy.principals;
        let text = Glob::cased(&principal.to_string());
        let fits = |glob: &Glob| match principal {
            Principal::Everyone => glob.is_everything(),
            _ => glob.covers(&text) && !glob.is_everything(),
        };
        match globs.is_empty() || globs.iter().any(fits) {
            true => Ok(()),
            false => Err(format!("names `{shown}`")),
        }
    }

    /// Whether a principal is of another account; an error says why not.
    fn external(&self, principal: &Principal, statement: &Statement) -> Result<(), String> {
        let foreign = match principal {
            Principal::Everyone => true,
            Principal::Service(_) => false,
            Principal::Federated(_) => principal.account().is_some_and(|account| !self.is_trusted(account)),
            Principal::Aws(id) | Principal::Canonical(id) => !self.is_trusted(principal.account().unwrap_or(id)),
        };
        if !foreign {
            return Err("grants no other account".to_owned());
        }
        let trusted = |clause: &&Clause| clause.confines() && clause.scopes().all(|scope| self.is_trusted(scope));
        match statement.clauses.iter().find(trusted) {
            Some(clause) => Err(format!("is confined to trusted ones by Condition on `{}`", clause.key)),
            None => Ok(()),
        }
    }

    fn is_trusted(&self, scope: &str) -> bool {
        let Policy { trusted, trusted_lists, .. } = self.policy;
        self.account == Some(scope)
            || trusted.iter().any(|trusted| trusted == scope)
            || trusted_lists.iter().any(|list| list.holds(scope))
    }

    /// Holds the keys of conditions against those asked for.
    fn check_keys(&self, statement: &Statement) -> Result<(), String> {
        let Policy { has_condition, lacks_condition, .. } = self.policy;
        let on = |clause: &&Clause, keys: &[Glob]| {
            let key = Glob::nocase(&clause.key);
            keys.iter().any(|glob| glob.covers(&key))
        };
        if !has_condition.is_empty() && !statement.clauses.iter().any(|clause| on(&clause, has_condition)) {
            return Err(format!("has no Condition on {}", names(has_condition.iter().map(Glob::as_str))));
        }
        match statement.clauses.iter().find(|clause| clause.binds() && on(clause, lacks_condition)) {
            Some(clause) => Err(format!("has a Condition on `{}`", shortened(&clause.key, NAME_WIDTH_MAX))),
            None => Ok(()),
        }
    }

    /// Takes away what is denied for certain, and notes what may be.
    fn deny(&self, share: &mut Share<'_>, grant: &mut Grant) -> Result<(), String> {
        let mut unclear = Vec::new();
        for denial in self.document.statements.iter().filter(|statement| !statement.allows) {
            if !self.spend(share, denial) {
                unclear.push(denial.number.to_string());
                continue;
            }
            if denial.clauses.is_empty() && share.touches(denial) && share.reduce(denial) {
                return Err(format!("is denied by {}", name_of(denial)));
            }
            if share.touches(denial) {
                unclear.push(denial.number.to_string());
            }
        }
        if !unclear.is_empty() {
            let more = unclear.len().saturating_sub(NAMES_SHOWN_MAX);
            unclear.truncate(NAMES_SHOWN_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            grant.narrowed.push(format!("Deny of statement {}{more}", unclear.join(", ")));
        }
        Ok(())
    }

    /// Whether there is work left for a denial.
    fn spend(&self, share: &Share<'_>, denial: &Statement) -> bool {
        let cost = |parts: &[Part<'_>], globs: &Globs| {
            parts.iter().map(Part::bytes).sum::<usize>().saturating_mul(globs.bytes())
        };
        let both = cost(&share.actions, &denial.actions).saturating_add(cost(&share.resources, &denial.resources));
        self.steps.set(self.steps.get().saturating_add(both));
        self.steps.get() <= STEPS_MAX
    }

    fn describe(&self, share: &Share<'_>, grant: &mut Grant) {
        if let Some(principals) = share.principals.as_ref().filter(|_| self.policy.asks_for_principals()) {
            let texts: Vec<String> = principals.iter().map(ToString::to_string).collect();
            let everyone = principals.contains(&&Principal::Everyone);
            let who = if everyone { "everyone".to_owned() } else { names(texts.iter().map(String::as_str)) };
            grant.what.push(format!("grants {who}"));
        }
        if !(self.policy.allows.is_empty() && self.policy.allows_all.is_empty()) {
            grant.what.push(format!("allows {}", named(&share.actions)));
        }
        if !(self.policy.resources.is_empty() && self.policy.resources_all.is_empty()) {
            grant.what.push(format!("is about {}", named(&share.resources)));
        }
        let [.., has, lacks] = self.policy.lists().map(|(_, globs)| names(globs.iter().map(Glob::as_str)));
        if !has.is_empty() {
            grant.what.push(format!("has a Condition on {has}"));
        }
        if !lacks.is_empty() {
            grant.what.push(format!("has no Condition on {lacks} that binds"));
        }
    }
}

/// Whether a principal is everyone; an error says why not.
fn public(principal: &Principal, statement: &Statement) -> Result<(), String> {
    if *principal != Principal::Everyone {
        return Err("does not grant everyone".to_owned());
    }
    match statement.clauses.iter().find(|clause| clause.confines()) {
        Some(clause) => Err(format!("is confined by Condition on `{}`", clause.key)),
        None => Ok(()),
    }
}

/// Holds what was found against what is wanted, if anything is.
fn wanted(wanted: Option<bool>, found: Result<(), String>, what: &str) -> Result<(), String> {
    match wanted {
        None => Ok(()),
        Some(true) => found,
        Some(false) if found.is_err() => Ok(()),
        Some(false) => Err(what.to_owned()),
    }
}

/// The parts of a statement's names that are asked for. An error is the glob that is asked for in vain.
fn parts<'s>(own: &'s Globs, some: &'s [Glob], all: &'s [Glob]) -> Result<Vec<Part<'s>>, &'s Glob> {
    let mut parts = Vec::new();
    for wanted in some {
        own.add_parts(Some(wanted), &mut parts);
    }
    if let (Some(first), true) = (some.first(), parts.is_empty()) {
        return Err(first);
    }
    for wanted in all {
        if !own.covers(wanted) {
            return Err(wanted);
        }
        own.add_parts(Some(wanted), &mut parts);
    }
    if some.is_empty() && all.is_empty() {
        own.add_parts(None, &mut parts);
    }
    Ok(parts)
}

impl Globs {
    fn add_parts<'s>(&'s self, wanted: Option<&'s Glob>, parts: &mut Vec<Part<'s>>) {
        if self.all_but {
            let some_left = wanted.is_none_or(|wanted| self.overlaps(wanted));
            parts.extend(some_left.then_some(Part { own: Own::AllBut(&self.globs), wanted }));
            return;
        }
        let fitting = self.globs.iter().filter(|own| wanted.is_none_or(|wanted| own.overlaps(wanted)));
        parts.extend(fitting.map(|own| Part { own: Own::Glob(own), wanted }));
    }
}

impl Share<'_> {
    /// Whether a denial may take something away.
    fn touches(&self, denial: &Statement) -> bool {
        let any = |parts: &[Part<'_>], globs: &Globs| parts.iter().any(|part| part.meets(globs));
        let principals = self.principals.as_ref();
        principals.is_none_or(|list| list.iter().any(|principal| meets(principal, denial.principals.as_ref())))
            && any(&self.actions, &denial.actions)
            && any(&self.resources, &denial.resources)
    }

    /// Takes away what a denial denies for certain, and says whether nothing is left. Only what is covered in two
    /// respects whole is taken away in the third, so that what is left is all combinations again.
    fn reduce(&mut self, denial: &Statement) -> bool {
        let by = denial.principals.as_ref();
        let principals = match &self.principals {
            Some(list) => list.iter().all(|principal| is_covered(principal, by)),
            None => by.is_none(),
        };
        let all = |parts: &[Part<'_>], globs: &Globs| parts.iter().all(|part| part.is_covered(globs));
        let (actions, resources) = (all(&self.actions, &denial.actions), all(&self.resources, &denial.resources));
        if principals && resources {
            self.actions.retain(|part| !part.is_covered(&denial.actions));
        } else if principals && actions {
            self.resources.retain(|part| !part.is_covered(&denial.resources));
        } else if let (true, true, Some(list)) = (actions, resources, &mut self.principals) {
            list.retain(|principal| !is_covered(principal, by));
        }
        self.actions.is_empty() || self.resources.is_empty() || self.principals.as_ref().is_some_and(Vec::is_empty)
    }
}

impl Part<'_> {
    fn meets(&self, globs: &Globs) -> bool {
        let own = match self.own {
            Own::Glob(own) => globs.overlaps(own),
            Own::AllBut(_) => true,
        };
        own && self.wanted.is_none_or(|wanted| globs.overlaps(wanted))
    }

    fn is_covered(&self, globs: &Globs) -> bool {
        let own = match self.own {
            Own::Glob(own) => globs.covers(own),
            Own::AllBut(left_out) => globs.covers_all_but(left_out),
        };
        own || self.wanted.is_some_and(|wanted| globs.covers(wanted))
    }

    fn bytes(&self) -> usize {
        let own = match self.own {
            Own::Glob(own) => own.as_str().len(),
            Own::AllBut(left_out) => left_out.iter().map(|glob| glob.as_str().len()).sum(),
        };
        own + self.wanted.map_or(0, |wanted| wanted.as_str().len())
    }

    fn name(&self) -> String {
        match self.own {
            Own::Glob(own) => format!("`{}`", shortened(own.as_str(), NAME_WIDTH_MAX)),
            Own::AllBut(left_out) => format!("all but {}", names(left_out.iter().map(Glob::as_str))),
        }
    }
}

fn of_one_account(one: &Principal, other: &Principal) -> bool {
    one.account().is_some() && one.account() == other.account()
}

/// Whether a denial to these principals is for certain one to this principal.
fn is_covered(principal: &Principal, by: Option<&Principals>) -> bool {
    let Some(by) = by else { return false };
    let same = |denied: &Principal| denied == principal || *denied == Principal::Everyone;
    match by.all_but {
        false => {
            by.list.iter().any(|denied| same(denied) || (denied.is_account() && of_one_account(denied, principal)))
        }
        true => {
            *principal != Principal::Everyone
                && !by.list.iter().any(|spared| same(spared) || of_one_account(spared, principal))
        }
    }
}

/// Whether a denial to these principals may be one to this principal.
fn meets(principal: &Principal, by: Option<&Principals>) -> bool {
    let Some(by) = by else { return true };
    let same = |denied: &Principal| denied == principal || *denied == Principal::Everyone;
    match by.all_but {
        true => !by.list.iter().any(same),
        false => {
            *principal == Principal::Everyone
                || by.list.iter().any(|denied| same(denied) || of_one_account(denied, principal))
        }
    }
}

impl Grant {
    /// Which statement it is of, and what it is.
    fn note(&self, statement: &Statement) -> String {
        let what = if self.what.is_empty() { "allows".to_owned() } else { self.what.join(", ") };
        let narrowed = match self.narrowed.is_empty() {
            true => String::new(),
            false => format!("; narrowed by {}, not judged", self.narrowed.join(" and by ")),
        };
        format!("{} {what}{narrowed}", name_of(statement))
    }
}

/// ``statement 2 `PublicRead` ``
fn name_of(statement: &Statement) -> String {
    match &statement.sid {
        Some(sid) if !sid.is_empty() => format!("statement {} `{}`", statement.number, shortened(sid, NAME_WIDTH_MAX)),
        _ => format!("statement {}", statement.number),
    }
}

fn named(parts: &[Part<'_>]) -> String {
    let mut all: Vec<String> = Vec::new();
    for name in parts.iter().map(Part::name) {
        if !all.contains(&name) && all.len() < NAMES_SHOWN_MAX {
            all.push(name);
        }
    }
    all.join(", ")
}

fn names<'n>(all: impl Iterator<Item = &'n str>) -> String {
    let all: Vec<String> = all.map(|name| format!("`{}`", shortened(name, NAME_WIDTH_MAX))).collect();
    let more = all.len().saturating_sub(NAMES_SHOWN_MAX);
    let shown = all[..all.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
