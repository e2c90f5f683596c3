//! A policy document, read into statements: what is one-or-many in IAM's grammar is a list here.
//!
//! Reading is lenient where AWS is, or might be: the names of elements do not mind case, and an element that stands
//! twice counts twice. What has another shape is no policy, with a reason.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::glob::Glob;
use crate::condition::document;
use crate::condition::explain::text_of;
use crate::event::raw::{Member, elements, members};

/// The longest document, in bytes. AWS's own limits are far below.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 10;
/// The most statements of a document.
pub const STATEMENTS_MAX: usize = 1_000;

/// A policy.
#[derive(Debug)]
pub struct Document {
    /// Its statements, in their order.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Default)]
pub struct Statement {
    /// Its number, from 1.
    pub number: usize,
    /// Its name.
    pub sid: Option<String>,
    /// Whether it allows, and does not deny.
    pub allows: bool,
    /// Whom it is about; `None` where the policy is of an identity, which needs not be named.
    pub principals: Option<Principals>,
    /// The calls it is about.
    pub actions: Globs,
    /// The resources it is about: everything where none is named, as in trust policies.
    pub resources: Globs,
    /// What must hold besides.
    pub clauses: Vec<Clause>,
}

/// The names that globs fit, or all but those.
#[derive(Debug, Default)]
pub struct Globs {
    /// Whether it is all but those: `NotAction`, `NotResource`.
    pub all_but: bool,
    /// The globs.
    pub globs: Vec<Glob>,
}

/// The principals listed, or all but those.
#[derive(Debug, Default)]
pub struct Principals {
    /// Whether it is all but those: `NotPrincipal`.
    pub all_but: bool,
    /// The principals.
    pub list: Vec<Principal>,
}

/// One principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Everyone, also those without an account.
    Everyone,
    /// An account, or a user, role or session by its ARN.
    Aws(String),
    /// An AWS service.
    Service(String),
    /// An identity provider.
    Federated(String),
    /// An account by the id that S3 has for it.
    Canonical(String),
}

/// A key of a condition, how it is compared, and with what.
#[derive(Debug)]
pub struct Clause {
    /// The operator: `StringEquals`.
    pub operator: String,
    /// The key: `aws:SourceAccount`.
    pub key: String,
    /// The values, any of which may fit.
    pub values: Vec<String>,
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPolicy {
    /// It is too long.
    #[error("longer than {DOCUMENT_BYTES_MAX} bytes")]
    TooLong,
    /// It has too many statements.
    #[error("more than {STATEMENTS_MAX} statements")]
    TooMany,
    /// It is a string without a document.
    #[error("{0}")]
    NoDocument(String),
    /// It is neither an object nor a text with one.
    #[error("no JSON object")]
    NoObject,
    /// It has no statements.
    #[error("there is no `Statement`")]
    NoStatement,
    /// A statement says not what it allows or denies, or says it in a form that is none.
    #[error("statement {0}: {1}")]
    Statement(usize, &'static str),
}

impl Document {
    /// Reads a value's JSON: an object, or a string with one, which may be URL-encoded.
    pub fn read(value: &RawValue) -> Result<Self, NotAPolicy> {
        let text = unwrapped(value)?;
        let document: &RawValue =
            serde_json::from_str(&text).map_err(|error| NotAPolicy::NoDocument(error.to_string()))?;
        let mut statements = Vec::new();
        let mut found = false;
        for (name, value) in members(document.get()) {
            if name.eq_ignore_ascii_case("Statement") {
                found = true;
                read_statements(value, &mut statements)?;
            }
        }
        if found { Ok(Self { statements }) } else { Err(NotAPolicy::NoStatement) }
    }
}

/// The text of the object itself.
fn unwrapped(value: &RawValue) -> Result<Cow<'_, str>, NotAPolicy> {
    let text = match text_of(value) {
        Some(text) => Cow::Owned(document::read(&text).map_err(NotAPolicy::NoDocument)?.into_owned()),
        None => Cow::Borrowed(value.get()),
    };
    match text.trim_start().starts_with('{') {
        true if text.len() <= DOCUMENT_BYTES_MAX => Ok(text),
        true => Err(NotAPolicy::TooLong),
        false => Err(NotAPolicy::NoObject),
    }
}

fn read_statements(value: &RawValue, statements: &mut Vec<Statement>) -> Result<(), NotAPolicy> {
    let all = if is(value, b'[') { elements(value.get()) } else { vec![value] };
    for value in all {
        let number = statements.len() + 1;
        if number > STATEMENTS_MAX {
            return Err(NotAPolicy::TooMany);
        }
        let mut statement = read_statement(value).map_err(|reason| NotAPolicy::Statement(number, reason))?;
        statement.number = number;
        statements.push(statement);
    }
    Ok(())
}

/// Reads a statement; an error says what is wrong with it.
fn read_statement(value: &RawValue) -> Result<Statement, &'static str> {
    let mut statement = Statement::default();
    let mut effect = None;
    for (name, value) in object(value).ok_or("no JSON object")? {
        match name.to_ascii_lowercase().as_str() {
            "sid" => statement.sid = text_of(value),
            "effect" => effect = effect.max(Some(read_effect(value)?)),
            "principal" => read_principals(value, false, &mut statement.principals)?,
            "notprincipal" => read_principals(value, true, &mut statement.principals)?,
            "action" => statement.actions.add(value, false, Glob::nocase)?,
            "notaction" => statement.actions.add(value, true, Glob::nocase)?,
            "resource" => statement.resources.add(value, false, Glob::resource)?,
            "notresource" => statement.resources.add(value, true, Glob::resource)?,
            "condition" => read_clauses(value, &mut statement.clauses)?,
            _ => {}
        }
    }
    statement.allows = effect.ok_or("there is no `Effect`")?;
    if statement.actions.globs.is_empty() {
        return Err("there is neither `Action` nor `NotAction`");
    }
    if statement.resources.globs.is_empty() {
        statement.resources.globs.push(Glob::cased("*"));
    }
    Ok(statement)
}

fn read_effect(value: &RawValue) -> Result<bool, &'static str> {
    match text_of(value).map(|text| text.to_ascii_lowercase()).as_deref() {
        Some("allow") => Ok(true),
        Some("deny") => Ok(false),
        _ => Err("the `Effect` is neither `Allow` nor `Deny`"),
    }
}

impl Globs {
    fn add(&mut self, value: &RawValue, all_but: bool, glob: fn(&str) -> Glob) -> Result<(), &'static str> {
        if !self.globs.is_empty() && self.all_but != all_but {
            return Err("what is named and what is left out exclude each other");
        }
        self.all_but = all_but;
        let texts = texts(value).ok_or("its calls and resources are strings, or lists of strings")?;
        self.globs.extend(texts.iter().map(|text| glob(text)));
        Ok(())
    }

    /// Whether any of them is a name that the glob fits.
    pub fn overlaps(&self, glob: &Glob) -> bool {
        match self.all_but {
            false => self.globs.iter().any(|own| own.overlaps(glob)),
            true => !self.globs.iter().any(|own| own.covers(glob)),
        }
    }

    /// Whether every name that the glob fits is one of them.
    pub fn covers(&self, glob: &Glob) -> bool {
        match self.all_but {
            false => self.globs.iter().any(|own| own.covers(glob)),
            true => !self.globs.iter().any(|own| own.overlaps(glob)),
        }
    }

    /// Whether all but the names that these globs fit are among them.
    pub fn covers_all_but(&self, globs: &[Glob]) -> bool {
        match self.all_but {
            false => self.globs.iter().any(Glob::is_everything),
            true => self.globs.iter().all(|own| globs.iter().any(|glob| glob.covers(own))),
        }
    }

    /// The length of all globs together, in bytes.
    pub fn bytes(&self) -> usize {
        self.globs.iter().map(|glob| glob.as_str().len()).sum()
    }
}

fn read_principals(value: &RawValue, all_but: bool, principals: &mut Option<Principals>) -> Result<(), &'static str> {
    const SHAPE: &str = "its principals are `*`, or lists of strings by their kind";
    let principals = principals.get_or_insert(Principals { all_but, list: Vec::new() });
    if principals.all_but != all_but {
        return Err("`Principal` and `NotPrincipal` exclude each other");
    }
    if let Some(text) = text_of(value) {
        principals.list.push(if text == "*" { Principal::Everyone } else { Principal::Aws(text) });
        return Ok(());
    }
    for (kind, ids) in object(value).ok_or(SHAPE)? {
        for id in texts(ids).ok_or(SHAPE)? {
            principals.list.push(Principal::of(&kind, id).ok_or("a principal of an unknown kind")?);
        }
    }
    Ok(())
}

impl Principal {
    fn of(kind: &str, id: String) -> Option<Self> {
        Some(match kind.to_ascii_lowercase().as_str() {
            "aws" | "federated" if id == "*" => Self::Everyone,
            "aws" if account_of(&id).is_some_and(|account| account.contains(['*', '?'])) => Self::Everyone,
            "aws" => Self::Aws(id),
            "service" => Self::Service(id),
            "federated" => Self::Federated(id),
            "canonicaluser" => Self::Canonical(id),
            _ => return None,
        })
    }

    /// The account that it belongs to, as far as it tells.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Aws(id) | Self::Federated(id) => account_of(id).filter(|account| is_account(account)),
            _ => None,
        }
    }

    /// Whether it stands for a whole account.
    pub fn is_account(&self) -> bool {
        matches!(self, Self::Aws(id) if is_account(id) || id.ends_with(":root"))
    }
}

/// As rules name it: `*`, `service:sns.amazonaws.com`, `federated:…`, `canonical:…`, or the ARN or account itself.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("*"),
            Self::Aws(id) => f.write_str(id),
            Self::Service(id) => write!(f, "service:{id}"),
            Self::Federated(id) => write!(f, "federated:{id}"),
            Self::Canonical(id) => write!(f, "canonical:{id}"),
        }
    }
}

/// What stands at the place of the account in an ARN, or an account by itself.
pub fn account_of(id: &str) -> Option<&str> {
    if is_account(id) {
        return Some(id);
    }
    id.starts_with("arn:").then(|| id.split(':').nth(4)).flatten()
}

/// Whether a text is twelve digits.
pub fn is_account(text: &str) -> bool {
    crate::event::identity::is_account(text)
}

fn read_clauses(value: &RawValue, clauses: &mut Vec<Clause>) -> Result<(), &'static str> {
    const SHAPE: &str = "its `Condition` has values by keys by operators";
    for (operator, keys) in object(value).ok_or(SHAPE)? {
        for (key, values) in object(keys).ok_or(SHAPE)? {
            let values = scalars(values).ok_or(SHAPE)?;
            clauses.push(Clause { operator: operator.to_string(), key: key.into_owned(), values });
        }
    }
    Ok(())
}

fn is(value: &RawValue, first: u8) -> bool {
    value.get().as_bytes().first() == Some(&first)
}

fn object(value: &RawValue) -> Option<Vec<Member<'_>>> {
    is(value, b'{').then(|| members(value.get()))
}

/// A string, or a list of strings.
fn texts(value: &RawValue) -> Option<Vec<String>> {
    match is(value, b'[') {
        true => elements(value.get()).into_iter().map(text_of).collect(),
        false => text_of(value).map(|text| vec![text]),
    }
}

/// The same, also of numbers and truth values, as conditions have them.
fn scalars(value: &RawValue) -> Option<Vec<String>> {
    let all = if is(value, b'[') { elements(value.get()) } else { vec![value] };
    all.into_iter()
        .map(|value| match value.get().as_bytes().first() {
            Some(b'{' | b'[') => None,
            Some(b'"') => text_of(value),
            _ => Some(value.get().to_owned()),
        })
        .collect()
}
