//! STS: who a caller is, and the roles that callers assume.
//!
//! Credentials that were handed out are known by their access key, and are no longer good once they have expired by the
//! [`Clock`]. Signatures are not checked, and any other access key is the account's own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::refusal::Refusal;
use super::{ACCOUNT_ID, Clock, lock};

/// How long credentials of a role are good where nothing else is said.
const LIFE: Duration = Duration::from_secs(3_600);

/// What the access keys of handed out credentials begin with.
const KEY: &str = "ASIASIM";

/// The roles that can be assumed; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Roles {
    state: Arc<Mutex<State>>,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    trusts: BTreeMap<String, Trust>,
    sessions: Vec<Session>,
    /// How many calls were made with the credentials of which role.
    calls: HashMap<(String, String), u64>,
    life: Duration,
}

/// Who may assume a role.
#[derive(Debug, Clone, Default)]
struct Trust {
    /// The role whose credentials it takes; the account's own if there is none.
    caller: Option<String>,
    external_id: Option<String>,
}

#[derive(Debug)]
struct Session {
    role: String,
    name: String,
    expires_ms: i64,
}

/// What a call of STS asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted<'w> {
    pub(super) role: &'w str,
    pub(super) session_name: &'w str,
    pub(super) external_id: Option<&'w str>,
}

/// Credentials, as they are handed out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HandedOut {
    pub(super) access_key: String,
    pub(super) session_arn: String,
    pub(super) expires_ms: i64,
}

impl Roles {
    pub(super) fn new(clock: Clock) -> Self {
        let state = State { trusts: BTreeMap::new(), sessions: Vec::new(), calls: HashMap::new(), life: LIFE };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    /// Makes a role that is assumed with the account's own credentials, or those of another role.
    pub fn create(&self, role: &str, caller: Option<&str>, external_id: Option<&str>) {
        let trust = Trust { caller: caller.map(str::to_owned), external_id: external_id.map(str::to_owned) };
        lock(&self.state).trusts.insert(role.to_owned(), trust);
    }

    /// Sets how long credentials that are handed out from now on are good.
    pub fn set_life(&self, life: Duration) {
        lock(&self.state).life = life;
    }

    /// Counts the calls of an operation that were made with the credentials of a role; of the account's own for an empty
    /// name.
    pub fn calls(&self, role: &str, operation: &str) -> u64 {
        lock(&self.state).calls.get(&(role.to_owned(), operation.to_owned())).copied().unwrap_or(0)
    }

    /// The names of the sessions of a role.
    pub fn session_names(&self, role: &str) -> Vec<String> {
        let state = lock(&self.state);
        state.sessions.iter().filter(|session| session.role == role).map(|session| session.name.clone()).collect()
    }

    /// Takes in a call made with an access key; refuses one whose credentials are no longer good.
    pub(super) fn admit(&self, access_key: &str, operation: &str) -> Result<(), Refusal> {
        let now_ms = self.clock.now_ms();
        let mut state = lock(&self.state);
        let role = match state.session(access_key) {
            Some(session) if session.expires_ms <= now_ms => {
                let message = "The security token included in the request is expired";
                return Err(Refusal::new("ExpiredTokenException", message));
            }
            Some(session) => session.role.clone(),
            None => String::new(),
        };
        *state.calls.entry((role, operation.to_owned())).or_default() += 1;
        Ok(())
    }

    pub(super) fn assume(&self, access_key: &str, wanted: &Wanted<'_>) -> Result<HandedOut, Refusal> {
        let now_ms = self.clock.now_ms();
        let mut state = lock(&self.state);
        let caller = state.session(access_key).map(|session| session.role.clone());
        let trust = state.trusts.get(wanted.role);
        let is_trusted = trust.is_some_and(|trust| {
            trust.caller == caller
                && (trust.external_id.is_none() || trust.external_id.as_deref() == wanted.external_id)
        });
        if !is_trusted {
            // STS says the same of a role that there is not.
            let message = format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                state.caller(access_key),
                wanted.role
            );
            return Err(Refusal { status: 403, ..Refusal::new("AccessDenied", message) });
        }
        let expires_ms = now_ms + i64::try_from(state.life.as_millis()).unwrap_or(i64::MAX / 2);
        let session = Session { role: wanted.role.to_owned(), name: wanted.session_name.to_owned(), expires_ms };
        state.sessions.push(session);
        let access_key = format!("{KEY}{:09}", state.sessions.len());
        let session_arn = state.caller(&access_key);
        Ok(HandedOut { access_key, session_arn, expires_ms })
    }

    /// The ARN of who calls with an access key.
    pub(super) fn caller(&self, access_key: &str) -> String {
        lock(&self.state).caller(access_key)
    }
}

impl State {
    fn session(&self, access_key: &str) -> Option<&Session> {
        let number: usize = access_key.strip_prefix(KEY)?.parse().ok()?;
        self.sessions.get(number.checked_sub(1)?)
    }

    fn caller(&self, access_key: &str) -> String {
        let Some(Session { role, name, .. }) = self.session(access_key) else {
            return format!("arn:aws:iam::{ACCOUNT_ID}:user/local");
        };
        let account = role.split(':').nth(4).unwrap_or(ACCOUNT_ID);
        let role = role.rsplit('/').next().unwrap_or(role);
        format!("arn:aws:sts::{account}:assumed-role/{role}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: &str = "arn:aws:iam::111122223333:role/outer";
    const INNER: &str = "arn:aws:iam::444455556666:role/inner";

    fn wanted<'w>(role: &'w str, external_id: Option<&'w str>) -> Wanted<'w> {
        Wanted { role, session_name: "me", external_id }
    }

    #[test]
    fn a_role_is_assumed_by_whom_it_trusts() {
        let roles = Roles::new(Clock::new());
        roles.create(OUTER, None, None);
        roles.create(INNER, Some(OUTER), Some("secret"));
        let refused = roles.assume("AKID", &wanted(INNER, Some("secret"))).unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (403, "AccessDenied"));
        let outer = roles.assume("AKID", &wanted(OUTER, None)).unwrap();
        assert_eq!(outer.session_arn, "arn:aws:sts::111122223333:assumed-role/outer/me");
        for id in [None, Some("other")] {
            assert!(roles.assume(&outer.access_key, &wanted(INNER, id)).is_err(), "{id:?}");
        }
        let inner = roles.assume(&outer.access_key, &wanted(INNER, Some("secret"))).unwrap();
        assert_eq!(roles.caller(&inner.access_key), "arn:aws:sts::444455556666:assumed-role/inner/me");
        assert_eq!(roles.caller("AKID"), "arn:aws:iam::111122223333:user/local");
    }

    #[test]
    fn credentials_are_good_for_their_time_and_calls_are_counted_by_role() {
        let clock = Clock::new();
        clock.freeze_at(1_000);
        let roles = Roles::new(clock.clone());
        roles.create(OUTER, None, None);
        let key = roles.assume("AKID", &wanted(OUTER, None)).unwrap().access_key;
        roles.admit(&key, "FilterLogEvents").unwrap();
        roles.admit("AKID", "FilterLogEvents").unwrap();
        clock.advance(LIFE);
        assert_eq!(roles.admit(&key, "FilterLogEvents").unwrap_err().code, "ExpiredTokenException");
        assert_eq!((roles.calls(OUTER, "FilterLogEvents"), roles.calls("", "FilterLogEvents")), (1, 1));
    }
}
