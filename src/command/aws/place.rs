//! Under what name the position of a log group is kept: one that does not depend on what else is read, and that no other
//! group has.

use crate::source::cloudwatch_logs::name_of;
use crate::source::role::RoleArn;
use crate::store::Checkpoint;

/// Where a log group is, as far as that is known without a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlace {
    /// The source of a configuration that reads it, before a slash; empty where there is none.
    owner: String,
    region: String,
    /// Empty where neither the group nor a role names one.
    account: String,
    name: String,
}

impl GroupPlace {
    /// The place of a group that is named or given by its ARN, read as the last of the roles if there are any.
    pub fn of(source: Option<&str>, group: &str, region: &str, roles: &[RoleArn]) -> Self {
        let of_group = group.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(3));
        let account = of_group.or(roles.last().map(RoleArn::account)).unwrap_or_default();
        Self {
            owner: source.map(|source| format!("{source}/")).unwrap_or_default(),
            region: region.to_owned(),
            account: account.to_owned(),
            name: name_of(group).to_owned(),
        }
    }

    /// What its position is kept under. Neither regions, accounts nor groups have a colon in their names.
    pub fn key(&self) -> String {
        let Self { owner, region, account, name } = self;
        format!("{owner}{region}:{account}:{name}")
    }

    /// What an earlier run kept of it. That may have known the account, or not. An older program kept it under another name,
    /// which may say less: the name of the group or of the source alone is of use only where nothing newer has come from it.
    /// `beside` are all groups that are read together with it.
    pub fn kept<'c>(
        &self,
        checkpoints: &'c [Checkpoint],
        older: Option<&str>,
        beside: &[Self],
    ) -> Option<&'c Checkpoint> {
        let by = |key: &str| checkpoints.iter().find(|checkpoint| *checkpoint.source == *key);
        by(&self.key()).or_else(|| self.kept_alike(checkpoints, beside)).or_else(|| {
            let says_less = !self.owner.is_empty() || older == Some(&*self.name);
            let is_newer_there = checkpoints.iter().any(|checkpoint| self.is_akin(&checkpoint.source));
            if says_less && is_newer_there { None } else { older.and_then(by) }
        })
    }

    /// Whether the source of a configuration has read other groups before, and never this one.
    pub fn is_another(&self, checkpoints: &[Checkpoint]) -> bool {
        let is_of_source = checkpoints.iter().any(|checkpoint| self.is_akin(&checkpoint.source));
        !self.owner.is_empty() && is_of_source && self.kept(checkpoints, None, &[]).is_none()
    }

    /// The one of the same group of which the account is known where it is not here, or the other way round; none if it may be
    /// the position of another account's group: one that is read together with it, or that an earlier run knew.
    fn kept_alike<'c>(&self, checkpoints: &'c [Checkpoint], beside: &[Self]) -> Option<&'c Checkpoint> {
        let is_other = |other: &Self| {
            other.account != self.account && Self { account: self.account.clone(), ..other.clone() } == *self
        };
        if beside.iter().any(is_other) {
            return None;
        }
        let (before, after) = (format!("{}{}:", self.owner, self.region), format!(":{}", self.name));
        let account_in =
            |key: &'c str| key.strip_prefix(&before)?.strip_suffix(&after).filter(|part| !part.contains(':'));
        let mut alike = checkpoints.iter().filter_map(|kept| Some((kept, account_in(&kept.source)?)));
        let (kept, account) = alike.next().filter(|_| alike.next().is_none())?;
        (account.is_empty() != self.account.is_empty()).then_some(kept)
    }

    /// Whether a key is of this kind, and of the same source, or of a group with the same name.
    fn is_akin(&self, key: &str) -> bool {
        let [place, _, name] = key.split(':').collect::<Vec<_>>()[..] else { return false };
        match self.owner.is_empty() {
            true => name == self.name && !place.contains('/'),
            // A region has no slash in it.
            false => place.rsplit_once('/').is_some_and(|(owner, _)| self.owner.strip_suffix('/') == Some(owner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:logs:us-east-1:111122223333:log-group:trail";

    fn place(source: Option<&str>, group: &str, region: &str) -> GroupPlace {
        GroupPlace::of(source, group, region, &[])
    }

    #[test]
    fn a_group_has_a_key_of_its_own() {
        let role: RoleArn = "arn:aws:iam::444455556666:role/reader".parse().unwrap();
        for (place, expected) in [
            (place(None, "trail", "us-east-1"), "us-east-1::trail"),
            (place(None, ARN, "us-east-1"), "us-east-1:111122223333:trail"),
            (place(None, &format!("{ARN}:*"), "us-east-1"), "us-east-1:111122223333:trail"),
            (place(Some("main"), "trail", "eu-west-1"), "main/eu-west-1::trail"),
            (GroupPlace::of(None, "trail", "us-east-1", std::slice::from_ref(&role)), "us-east-1:444455556666:trail"),
            (GroupPlace::of(None, ARN, "us-east-1", &[role]), "us-east-1:111122223333:trail"),
        ] {
            assert_eq!(place.key(), expected);
        }
    }

    #[test]
    fn a_position_without_an_account_is_taken_by_none_of_two() {
        let checkpoints = [Checkpoint { source: "us-east-1::trail".into(), position: String::new() }];
        let mine = place(None, ARN, "us-east-1");
        for (what, beside, is_mine) in [
            ("alone", ARN, true),
            ("another account's", "arn:aws:logs:us-east-1:444455556666:log-group:trail", false),
            ("another group", "arn:aws:logs:us-east-1:444455556666:log-group:other", true),
            ("the one that it is of", "trail", false),
        ] {
            let beside = [mine.clone(), place(None, beside, "us-east-1")];
            assert_eq!(mine.kept(&checkpoints, None, &beside).is_some(), is_mine, "{what}");
        }
    }

    #[test]
    fn a_group_goes_on_from_its_own_position_and_from_no_other() {
        let here = place(None, "trail", "us-east-1");
        let (by_arn, main) = (place(None, ARN, "us-east-1"), place(Some("main"), "trail", "us-east-1"));
        for (what, place, older, kept, expected) in [
            ("its own", &here, "trail", &["trail", "us-east-1::trail"][..], Some("us-east-1::trail")),
            ("an older name", &here, "trail", &["trail"], Some("trail")),
            ("an older name that was another's", &here, "trail", &["trail", "eu-west-1::trail"], None),
            ("another region", &here, "", &["eu-west-1::trail"], None),
            (
                "the account was known",
                &here,
                "",
                &["us-east-1:111122223333:trail"],
                Some("us-east-1:111122223333:trail"),
            ),
            (
                "an older name that says the region",
                &here,
                "trail in us-east-1",
                &["trail in us-east-1", "eu-west-1::trail"],
                Some("trail in us-east-1"),
            ),
            ("of two accounts", &here, "", &["us-east-1:1:trail", "us-east-1:2:trail"], None),
            ("the account was not known", &by_arn, "", &["us-east-1::trail"], Some("us-east-1::trail")),
            ("perhaps of another account", &by_arn, "", &["us-east-1::trail", "us-east-1:444455556666:trail"], None),
            ("another account", &by_arn, "", &["us-east-1:444455556666:trail"], None),
            ("an older source", &main, "main", &["main"], Some("main")),
            ("a source of another group", &main, "main", &["main", "main/us-east-1::other"], None),
            ("a source whose name begins like it", &main, "main", &["main", "main/eu/us-east-1::trail"], Some("main")),
            ("a source of another name", &main, "main", &["us-east-1::trail", "other/us-east-1::trail"], None),
        ] {
            let of = |key: &&str| Checkpoint { source: (*key).into(), position: String::new() };
            let checkpoints: Vec<_> = kept.iter().map(of).collect();
            let found = place.kept(&checkpoints, Some(older), &[]).map(|checkpoint| &*checkpoint.source);
            assert_eq!(found, expected, "{what}");
        }
    }
}
