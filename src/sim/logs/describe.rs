//! `DescribeLogGroups` and `DescribeLogStreams`.
//!
//! Streams can be listed only so that a test can see a reader do it: the list lags by up to an hour in the service,
//! so nobody should follow a group by it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Group, Logs, limits, lock, read};
use crate::sim::refusal::Refusal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeGroupsRequest {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeStreamsRequest {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
}

/// Marks a `DescribeLogGroups` token; the rest of it is the last name shown.
const GROUPS_TOKEN: &str = "groups-after:";

impl Logs {
    pub(super) fn describe_log_groups(&self, request: DescribeGroupsRequest) -> Result<Value, Refusal> {
        let limit = request.limit()?;
        let after = request.after()?;
        if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
            let message = "logGroupNamePrefix and logGroupNamePattern cannot be given together";
            return Err(Refusal::invalid(message));
        }
        let state = lock(&self.shared.state);
        let rest = state.groups.iter().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let mut wanted = rest.filter(|(name, _)| request.wants(name)).peekable();
        let mut groups = Vec::new();
        let mut last = None;
        while let Some((name, group)) = wanted.next_if(|_| groups.len() < limit) {
            groups.push(self.describe(name, group));
            last = Some(name);
        }
        let more = wanted.peek().is_some();
        let next_token = last.filter(|_| more).map(|last| format!("{GROUPS_TOKEN}{last}"));
        Ok(listing("logGroups", groups, next_token))
    }

    fn describe(&self, name: &str, group: &Group) -> Value {
        let arn = self.group_arn(name);
        let mut described = json!({
            "logGroupName": name,
            "creationTime": group.created_ms,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "logGroupArn": arn,
            "storedBytes": group.stored_bytes(),
            "logGroupClass": group.class,
        });
        if let Some(days) = group.retention_days {
            described["retentionInDays"] = days.into();
        }
        described
    }

    pub(super) fn describe_log_streams(&self, request: DescribeStreamsRequest) -> Result<Value, Refusal> {
        let name = read::group_name(request.log_group_name, request.log_group_identifier)?;
        let prefix = request.log_stream_name_prefix.unwrap_or_default();
        let state = lock(&self.shared.state);
        let group = state.group(&name)?;
        let streams = group.streams.iter().filter(|(stream, _)| stream.starts_with(&prefix));
        let described = streams.map(|(stream, meta)| {
            json!({
                "logStreamName": stream,
                "creationTime": meta.created_ms,
                "lastEventTimestamp": meta.last_event_ms,
                "arn": format!("{}:log-stream:{stream}", self.group_arn(&name)),
                "storedBytes": 0,
            })
        });
        Ok(listing("logStreams", described.collect(), None))
    }
}

impl DescribeGroupsRequest {
    fn limit(&self) -> Result<usize, Refusal> {
        match self.limit.map(usize::try_from) {
            None => Ok(limits::GROUPS_PAGE_MAX),
            Some(Ok(limit @ 1..=limits::GROUPS_PAGE_MAX)) => Ok(limit),
            Some(_) => Err(Refusal::invalid("limit must be between 1 and 50")),
        }
    }

    fn after(&self) -> Result<Option<&str>, Refusal> {
        let Some(token) = &self.next_token else {
            return Ok(None);
        };
        let after = token.strip_prefix(GROUPS_TOKEN);
        after.map(Some).ok_or_else(|| Refusal::invalid("The specified nextToken is invalid."))
    }

    fn wants(&self, name: &str) -> bool {
        let prefix = self.log_group_name_prefix.as_deref().unwrap_or("");
        let pattern = self.log_group_name_pattern.as_deref().unwrap_or("");
        name.starts_with(prefix) && name.contains(pattern)
    }
}

impl Group {
    fn stored_bytes(&self) -> usize {
        self.events.values().map(|event| event.message.len() + limits::EVENT_OVERHEAD_BYTES).sum()
    }
}

fn listing(name: &str, items: Vec<Value>, next_token: Option<String>) -> Value {
    let mut answer = Map::new();
    answer.insert(name.to_owned(), items.into());
    if let Some(next_token) = next_token {
        answer.insert("nextToken".into(), next_token.into());
    }
    Value::Object(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::logs::PageCut;

    fn names(logs: &Logs, request: Value) -> (Vec<String>, Option<String>) {
        let answer = logs.call("DescribeLogGroups", request, PageCut::default()).unwrap();
        let groups = answer["logGroups"].as_array().unwrap();
        let names = groups.iter().map(|group| group["logGroupName"].as_str().unwrap().to_owned()).collect();
        (names, answer["nextToken"].as_str().map(str::to_owned))
    }

    fn three_groups() -> Logs {
        let logs = Logs::new();
        for name in ["/aws/trail-b", "/aws/trail-a", "other"] {
            logs.create_group(name);
        }
        logs
    }

    #[test]
    fn groups_come_by_prefix_and_by_pattern() {
        let logs = three_groups();
        assert_eq!(names(&logs, json!({"logGroupNamePrefix": "/aws"})).0, ["/aws/trail-a", "/aws/trail-b"]);
        assert_eq!(names(&logs, json!({"logGroupNamePattern": "rail-b"})).0, ["/aws/trail-b"]);
        assert_eq!(names(&logs, json!({"logGroupNamePattern": "RAIL"})).0, [""; 0]);
        let both = json!({"logGroupNamePattern": "a", "logGroupNamePrefix": "b"});
        let refusal = logs.call("DescribeLogGroups", both, PageCut::default()).unwrap_err();
        assert_eq!(refusal.code, "InvalidParameterException");
    }

    #[test]
    fn groups_come_in_pages() {
        let logs = three_groups();
        let (first, token) = names(&logs, json!({"limit": 2}));
        assert_eq!(first, ["/aws/trail-a", "/aws/trail-b"]);
        let (second, token) = names(&logs, json!({"limit": 2, "nextToken": token.unwrap()}));
        assert_eq!((second, token), (vec!["other".to_owned()], None));
    }

    #[test]
    fn streams_are_listed_with_their_newest_event() {
        let logs = Logs::new();
        logs.put("g", "a", crate::sim::LogEvent { timestamp_ms: 7, message: "x".into() });
        let answer = logs.call("DescribeLogStreams", json!({"logGroupName": "g"}), PageCut::default()).unwrap();
        assert_eq!(answer["logStreams"][0]["logStreamName"], "a");
        assert_eq!(answer["logStreams"][0]["lastEventTimestamp"], 7);
    }
}
