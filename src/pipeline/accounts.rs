//! Whose events are wanted of which source: it catches a bus, a queue or a listener that others feed by mistake. And which
//! calls are our own: what we read is recorded too, and must not set us off.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::event::{Base, Derived, Event, Value};

/// Lists of accounts, by source. A source without a list may bring the events of any.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    by_source: HashMap<Arc<str>, Vec<String>>,
    own: Own,
}

/// Whom this process calls AWS as.
#[derive(Debug, Clone, Default)]
pub struct Own(HashSet<Principal>);

/// A role or user by account and name. A session's ARN leaves out the path, so nobody's counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Principal {
    account: String,
    is_role: bool,
    name: String,
}

/// What the SDK writes into the user agent of every call of ours, as a word of its own.
const APPLICATION: &str = "app/trailwatch";

impl Accounts {
    /// Wants of a source only the events of these accounts, twelve digits each; of any, if there are none.
    pub fn only(&mut self, source: Arc<str>, accounts: Vec<String>) {
        if !accounts.is_empty() {
            self.by_source.insert(source, accounts);
        }
    }

    /// Whether a text has the form of an account.
    pub fn is_account(text: &str) -> bool {
        text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
    }

    pub(super) fn of(&self, source: &str) -> Vec<String> {
        self.by_source.get(source).cloned().unwrap_or_default()
    }

    /// Takes calls by this role, session or user for our own, where they also bear our name.
    pub fn call_as(&mut self, arn: &str) {
        self.own.0.extend(Principal::of(arn));
    }

    pub(super) fn own(&self) -> Own {
        self.own.clone()
    }
}

impl Own {
    /// Whether an event records a call of ours that only reads.
    ///
    /// Who holds our credentials can write our name into a user agent; so what changes anything is never taken for ours.
    pub(super) fn made(&self, event: &Event<'_>) -> bool {
        let reads = || matches!(Derived::IsWrite.of(event), Some(Value::Bool(false)));
        let bears_our_name = || {
            let agent = event.text_of(Base::UserAgent).unwrap_or_default();
            agent.split([' ', '[', ']']).any(|word| word == APPLICATION)
        };
        let is_ours = || event.actor().arn.and_then(Principal::of).is_some_and(|actor| self.0.contains(&actor));
        !self.0.is_empty() && reads() && bears_our_name() && is_ours()
    }
}

impl Principal {
    fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(4);
        let (account, resource) = (parts.next()?.to_owned(), parts.next()?);
        let (kind, rest) = resource.split_once('/')?;
        let name = match kind {
            "assumed-role" => rest.split('/').next()?,
            "role" | "user" => rest.rsplit('/').next()?,
            _ => return None,
        };
        Some(Self { account, is_role: kind != "user", name: name.to_owned() })
    }
}
