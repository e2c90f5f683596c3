//! A log group: whether it can be read, what is in it, and how much of the quota there is for it.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::LogGroup;

use super::report::{About, Report};
use super::way::{Way, Ways};
use super::{Place, What};
use crate::command::count;
use crate::source::aws::trouble::Failure;
use crate::source::cloudwatch_logs::{DEFAULT_SHARE, filter_log_events_per_second, name_of};

const READ: &str = "logs:FilterLogEvents";
const DESCRIBE: &str = "logs:DescribeLogGroups";

/// How far back is looked for an event.
const BACK_MS: i64 = 3_600_000;

/// Looks at a log group.
pub(super) async fn look(way: &Way, group: &str, about: &mut About<'_>) {
    let client = Client::new(&way.config);
    let arn = arn_of(way, group);
    let call = client.filter_log_events().limit(1).start_time(jiff::Timestamp::now().as_millisecond() - BACK_MS);
    let call = match group.starts_with("arn:") {
        true => call.log_group_identifier(group.strip_suffix(":*").unwrap_or(group)),
        false => call.log_group_name(group),
    };
    match call.send().await {
        Ok(answer) if answer.events().is_empty() && answer.next_token().is_none() => {
            let todo = "is the trail on, and does it deliver here? On a quiet account this is nothing";
            about.warn(READ, "it can be read, but nothing was delivered within the last hour", todo);
        }
        Ok(_) => about.ok(READ, "it can be read"),
        Err(error) => about.failed(READ, &format!("{arn}:*"), &Failure::of(&error)),
    }
    describe(&client, group, &arn, about).await;
}

fn arn_of(way: &Way, group: &str) -> String {
    match group.starts_with("arn:") {
        true => group.strip_suffix(":*").unwrap_or(group).to_owned(),
        false => format!("{}log-group:{group}", way.arn("logs")),
    }
}

async fn describe(client: &Client, group: &str, arn: &str, about: &mut About<'_>) {
    let name = name_of(group);
    match client.describe_log_groups().log_group_name_prefix(name).send().await {
        Ok(answer) => match answer.log_groups().iter().find(|group| group.log_group_name() == Some(name)) {
            Some(group) => judge(group, about),
            None => about.skip(DESCRIBE, "its class and retention are not seen from this account"),
        },
        Err(error) => {
            let all = arn.strip_suffix(name).map_or_else(|| arn.to_owned(), |start| format!("{start}*"));
            about.unseen(DESCRIBE, &all, &Failure::of(&error));
        }
    }
}

fn judge(group: &LogGroup, about: &mut About<'_>) {
    if group.log_group_class().is_some_and(|class| class.as_str() == "INFREQUENT_ACCESS") {
        let says = "it is of the class INFREQUENT_ACCESS, of which Live Tail, subscription filters and, it is said \
                    (unverified), `FilterLogEvents` are not to be had";
        about.warn(DESCRIBE, says, "let the trail deliver to a group of the class STANDARD: a class cannot be changed");
    }
    match group.retention_in_days() {
        None => about.ok(DESCRIBE, "it keeps its events for ever"),
        Some(1) => {
            let says = "it keeps its events for 1 day: what came while a run was away for longer is lost";
            about.warn(DESCRIBE, says, "a week or more gives time to notice");
        }
        Some(days) => about.ok(DESCRIBE, format!("it keeps its events for {days} days")),
    }
}

/// Says how much of each quota there is for how many log groups.
pub(super) fn shares(places: &[Place], ways: &Ways, report: &mut Report) {
    let mut groups: BTreeMap<(String, String), usize> = BTreeMap::new();
    for place in places.iter().filter(|place| matches!(place.what, What::LogGroup { .. } | What::Trail { .. })) {
        let account = ways.account(&place.access).unwrap_or("unknown").to_owned();
        *groups.entry((account, place.access.region.clone().unwrap_or_default())).or_default() += 1;
    }
    for ((account, region), number) in groups {
        let calls = filter_log_events_per_second(&region);
        let ours = f64::from(calls) * DEFAULT_SHARE;
        let says = format!(
            "`{region}` allows {calls} calls a second to everybody in the account; Trailwatch takes {ours} at most, for {}",
            count(number, "log group")
        );
        let subject = format!("quota of account {account}");
        let mut about = report.about(&subject);
        match (number as f64) > ours {
            true => about.warn(
                READ,
                says,
                "the more groups, the longer until each is read: a queue told by S3 has no such limit",
            ),
            false => about.ok(READ, says),
        }
    }
}
