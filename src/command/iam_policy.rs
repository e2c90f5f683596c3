//! `trailwatch iam-policy`: what AWS has to allow, and no more. Nothing is connected to.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use clap::Args;

use super::reach::{Place, ReachArgs};
use super::{Exit, runtime, say};
use crate::source::aws::Access;

mod grant;
mod policy;

use grant::{Grant, Known, PLACEHOLDERS, Purpose};
use policy::Policy;

#[derive(Debug, Args)]
pub struct IamPolicy {
    #[command(flatten)]
    reach: ReachArgs,
    /// The account of what is named without one.
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: Option<String>,
    /// Whose policy to print, where several are needed: a role's ARN, a profile's name, or `default`.
    #[arg(long = "for", value_name = "ARN|PROFILE")]
    whose: Option<String>,
    /// Adds what only serves hints, such as names near to a mistyped one.
    #[arg(long)]
    with_hints: bool,
    /// Adds what only `doctor` asks for.
    #[arg(long)]
    with_doctor: bool,
}

fn account(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { Ok(text.to_owned()) } else { Err("an account has 12 digits".to_owned()) }
}

/// Credentials that come from no role and no named profile.
const DEFAULT: &str = "default";

impl IamPolicy {
    pub fn run(self) -> anyhow::Result<Exit> {
        let reached = match runtime()?.block_on(self.reach.reached()) {
            Ok(reached) => reached,
            Err(exit) => return Ok(exit),
        };
        let grants = self.grants(&reached.places);
        let Some(whose) = self.whose(&grants) else { return Ok(Exit::Usage) };
        let policy = Policy::of(&grants[&whose]);
        tell(&reached.places, &grants, &whose, &policy);
        writeln!(io::stdout().lock(), "{}", policy.to_json()?)?;
        Ok(Exit::Done)
    }

    /// What each role or profile needs.
    fn grants(&self, places: &[Place]) -> BTreeMap<String, Vec<Grant>> {
        let mut grants: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
        for place in places {
            let Access { profile, roles, .. } = &place.access;
            let mut caller = profile.clone().unwrap_or_else(|| DEFAULT.to_owned());
            for role in roles {
                let assume = Grant::new(Purpose::AssumeRoles, &["sts:AssumeRole"], [role.to_string()]);
                grants.entry(caller).or_default().push(assume);
                caller = role.to_string();
            }
            let account = roles.last().map(|role| role.account().to_owned()).or_else(|| self.account.clone());
            let known = Known { region: place.access.region.clone(), account };
            let needed = grant::of(&place.what, &known);
            let needed = needed.into_iter().filter(|grant| self.wants(grant.purpose));
            grants.entry(caller).or_default().extend(needed);
        }
        grants
    }

    fn wants(&self, purpose: Purpose) -> bool {
        (self.with_hints || !purpose.is_hint()) && (self.with_doctor || !purpose.is_of_doctor())
    }

    /// Whose policy is printed; `None` after saying that somebody has to choose.
    fn whose(&self, grants: &BTreeMap<String, Vec<Grant>>) -> Option<String> {
        let reads = |grants: &&Vec<Grant>| grants.iter().any(|grant| grant.purpose != Purpose::AssumeRoles);
        let all: Vec<&String> = grants.keys().collect();
        let callers: Vec<&String> =
            grants.iter().filter(|(_, grants)| reads(grants)).map(|(caller, _)| caller).collect();
        match (&self.whose, &callers[..]) {
            (Some(whose), _) if grants.contains_key(whose) => Some(whose.clone()),
            (None, [only]) => Some((*only).clone()),
            (None, []) => {
                say("error", "nothing of that is within AWS, so no policy is needed");
                None
            }
            (asked, _) => {
                let choices: Vec<String> = all.iter().map(|caller| format!("`--for {caller}`")).collect();
                let what = match asked {
                    Some(whose) => format!("nothing is reached as `{whose}`"),
                    None => "several policies are needed".to_owned(),
                };
                say("error", &format!("{what} (choose from {})", choices.join(", ")));
                None
            }
        }
    }
}

/// Says what the policy cannot.
fn tell(places: &[Place], grants: &BTreeMap<String, Vec<Grant>>, whose: &str, policy: &Policy) {
    let others: Vec<String> =
        grants.keys().filter(|other| *other != whose).map(|other| format!("`--for {other}`")).collect();
    if !others.is_empty() {
        say("note", &format!("this is the policy of `{whose}`; more is needed, which {} print", others.join(" and ")));
    }
    for (word, meaning) in PLACEHOLDERS {
        if policy.names(word) {
            say("warning", &format!("put {meaning} in place of `{word}`"));
        }
    }
    for place in places {
        grant::cautions(place).iter().for_each(|caution| say("note", &format!("{}: {caution}", place.name)));
    }
}
