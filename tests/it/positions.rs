//! Whose position a position is, with the real binary: a log group goes on from its own, whatever else is read, and from no
//! other group's.

use trailwatch::sim::{Endpoint, LogEvent};

use super::verify::trailwatch;

const GROUP: &str = "aws-cloudtrail-logs";

/// The group of the same name in another region, for which the stand-in answers too.
const ELSEWHERE: &str = "arn:aws:logs:eu-west-1:111122223333:log-group:aws-cloudtrail-logs";

/// A log group, and a state that runs share.
struct Lab {
    endpoint: Endpoint,
    state: tempfile::TempDir,
}

impl Lab {
    async fn new() -> Self {
        let endpoint = Endpoint::start().await.unwrap();
        endpoint.logs().create_group(GROUP);
        Self { endpoint, state: tempfile::tempdir().unwrap() }
    }

    /// Delivers an event now, and comes back once that is past.
    fn put(&self, number: usize) {
        let now_ms = || jiff::Timestamp::now().as_millisecond();
        let timestamp_ms = now_ms();
        let message = format!(r#"{{"eventVersion":"1.11","eventName":"Fire","eventID":"e{number}"}}"#);
        self.endpoint.logs().put(GROUP, "stream", LogEvent { timestamp_ms, message });
        while now_ms() <= timestamp_ms {}
    }

    /// The ids of the events that a run shows of these groups, from `since` on where there is no position.
    async fn shown(&self, since: &str, groups: &[&str]) -> Vec<String> {
        let state = self.state.path().to_str().unwrap();
        let args = ["tail", "--since", since, "-o", "json", "--state", state];
        let groups: Vec<_> = groups.iter().flat_map(|group| ["--log-group", group]).collect();
        let (code, out, err) = trailwatch(&self.endpoint, &[&args[..], &groups].concat()).await;
        assert_eq!(code, Some(0), "{err}");
        let id = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["eventID"].as_str().unwrap().to_owned()
        };
        out.lines().map(id).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_group_of_the_same_name_changes_nothing_for_the_first() {
    let lab = Lab::new().await;
    lab.put(1);
    assert_eq!(lab.shown("10m", &[GROUP]).await, ["e1"]);
    lab.put(2);
    assert_eq!(lab.shown("0s", &[GROUP, ELSEWHERE]).await, ["e2"], "what came in between");
    lab.put(3);
    assert_eq!(lab.shown("0s", &[GROUP]).await, ["e3"], "what came in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_the_same_name_elsewhere_begins_by_itself() {
    let lab = Lab::new().await;
    lab.put(1);
    assert_eq!(lab.shown("10m", &[GROUP]).await, ["e1"]);
    lab.put(2);
    assert!(lab.shown("0s", &[ELSEWHERE]).await.is_empty(), "that is the other group's position");
}
