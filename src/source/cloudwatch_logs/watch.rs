//! Looks at what reading does not show: that the group was made again, that it does not keep events as long as they
//! waited to be read, that its trail has stopped.
//!
//! The questions are asked beside reading, which waits for no answer. What nobody may ask is told once and left off.

use std::sync::Arc;

use aws_sdk_cloudwatchlogs::Client;
use tokio::task::JoinSet;

use super::describe::{Described, describe};
use super::group::Group;
use super::position::{AGES_MS, Position};
use super::trail::trail_of_group;
use super::{CloudWatchLogs, NoticeLevel, Reader, Reading, Settings};
use crate::source::aws::trail::{By, TrailHealth, TrailState, WatchedTrail, time};
use crate::source::aws::trouble::{Failure, FailureKind};

const DAY_MS: i64 = 24 * 3_600_000;

/// The group is asked for at every so many looks, since CloudTrail records each time.
const LOOKS_PER_GROUP: u32 = 12;

/// When to look, and what is known.
pub(super) struct Watch {
    every_ms: i64,
    last_ms: Option<i64>,
    /// Looks until the group is asked for.
    group_in: u32,
    asking: JoinSet<Answers>,
    /// From when on nothing had been read when that was asked.
    unread_ms: Option<i64>,
    created_ms: Option<i64>,
    /// The trail that delivers to the group, once it is known.
    trail: Option<WatchedTrail>,
    health: TrailHealth,
    may_describe: bool,
    may_find_trail: bool,
}

/// What came back.
struct Answers {
    group: Option<Result<Option<Described>, Failure>>,
    trail: Option<Result<TrailState, Failure>>,
    found: Option<Result<Option<WatchedTrail>, Failure>>,
}

impl Watch {
    /// Looks so often, also at a trail; `unread_ms` is where reading begins.
    pub(super) fn new(every: std::time::Duration, unread_ms: i64, trail: Option<WatchedTrail>) -> Self {
        Self {
            every_ms: i64::try_from(every.as_millis()).unwrap_or(i64::MAX),
            last_ms: None,
            group_in: 0,
            asking: JoinSet::new(),
            unread_ms: Some(unread_ms),
            created_ms: None,
            trail,
            health: TrailHealth::default(),
            may_describe: true,
            may_find_trail: true,
        }
    }

    /// Has the next look come at once.
    pub(super) fn look_now(&mut self) {
        (self.last_ms, self.group_in) = (None, 0);
    }

    fn is_due(&self, now_ms: i64) -> bool {
        // A clock that was set back must not keep it from looking.
        let waits = self.last_ms.is_some_and(|last| (0..self.every_ms).contains(&now_ms.saturating_sub(last)));
        !waits && self.asking.is_empty()
    }

    /// Asks, and says how many calls that takes.
    fn ask(&mut self, client: &Client, group: &Group, settings: &Settings) -> u64 {
        let is_groups_turn = self.group_in == 0;
        self.group_in = if is_groups_turn { LOOKS_PER_GROUP - 1 } else { self.group_in - 1 };
        let asks_group = (self.may_describe && is_groups_turn).then(|| (client.clone(), group.clone()));
        let asks_trail = self.trail.as_ref().filter(|_| self.health.may_ask()).cloned();
        let finder = settings.trail_finder.as_ref().filter(|_| self.trail.is_none() && self.may_find_trail);
        let finds_trail = finder
            .filter(|_| is_groups_turn)
            .map(|finder| (Arc::clone(finder), group.clone(), settings.region.clone()));
        let calls = [asks_group.is_some(), asks_trail.is_some(), finds_trail.is_some()].map(u64::from).iter().sum();
        self.asking.spawn(async move {
            let group = async {
                let (client, group) = asks_group?;
                Some(describe(&client, &group).await)
            };
            let trail = async { Some(asks_trail?.state(By::LogGroup).await) };
            let found = async {
                let (finder, group, region) = finds_trail?;
                Some(trail_of_group(&finder, &group, &region).await)
            };
            let (group, trail, found) = tokio::join!(group, trail, found);
            Answers { group, trail, found }
        });
        calls
    }

    fn answered(&mut self) -> Option<Answers> {
        // A question that panicked is as good as one that failed: it is asked again.
        self.asking.try_join_next()?.ok()
    }
}

impl CloudWatchLogs {
    /// Asks if it is time, and takes in what was answered. Nothing here waits.
    pub(super) fn watch(&self, reader: &mut Reader) {
        let now_ms = (self.settings.clock)();
        let Reading::Schedule(schedule) = &reader.reading else { return };
        let Some(watch) = &mut reader.watch else { return };
        if let Some(answers) = watch.answered() {
            self.take_group(watch, answers.group, now_ms);
            self.take_trail(watch, answers.trail);
            self.take_found(watch, answers.found);
        }
        let Some(client) = reader.client.as_ref().filter(|_| reader.succeeded) else { return };
        if watch.is_due(now_ms) {
            watch.last_ms = Some(now_ms);
            watch.unread_ms.get_or_insert(schedule.position().head());
            self.report().calls += watch.ask(client, &self.group, &self.settings);
        }
    }

    fn take_group(&self, watch: &mut Watch, answer: Option<Result<Option<Described>, Failure>>, now_ms: i64) {
        match answer {
            Some(Ok(Some(described))) => {
                self.mind_creation(watch, &described);
                self.mind_retention(watch, &described, now_ms);
            }
            Some(Err(failure)) if failure.kind == FailureKind::Denied => {
                watch.may_describe = false;
                let text = format!(
                    "it is not noticed if `{}` is made again or keeps events too short a time: {failure} (allow \
                     `logs:DescribeLogGroups`)",
                    self.name
                );
                self.tell(NoticeLevel::Info, text);
            }
            // What failed is asked again, and soon.
            Some(Err(_)) => watch.group_in = 0,
            Some(Ok(None)) | None => {}
        }
    }

    fn mind_creation(&self, watch: &mut Watch, described: &Described) {
        let before_ms = std::mem::replace(&mut watch.created_ms, described.created_ms);
        let is_another = |created_ms: i64| match before_ms {
            Some(before_ms) => before_ms != created_ms,
            // An earlier process read what there was before.
            None => self.resumed_from_ms().is_some_and(|read_ms| read_ms < created_ms),
        };
        if let Some(created_ms) = described.created_ms.filter(|&created_ms| is_another(created_ms)) {
            let text = format!(
                "log group `{}` was deleted, and made again at {}; reading goes on from where it was (what the old one \
                 held and nobody had read is gone)",
                self.name,
                time(created_ms)
            );
            self.report().gaps += 1;
            self.tell(NoticeLevel::Warn, text);
        }
    }

    /// When an earlier process read last, at the latest.
    fn resumed_from_ms(&self) -> Option<i64> {
        let position = Position::parse(self.settings.resume.as_deref()?).ok()?;
        Some(position.head().saturating_add(AGES_MS[0]))
    }

    /// What waited to be read for longer than the group keeps it is lost.
    fn mind_retention(&self, watch: &mut Watch, described: &Described, now_ms: i64) {
        let (Some(unread_ms), Some(days)) = (watch.unread_ms.take(), described.retention_days) else { return };
        let from_ms = described.created_ms.map_or(unread_ms, |created_ms| unread_ms.max(created_ms));
        let kept_ms = now_ms.saturating_sub(i64::from(days).saturating_mul(DAY_MS));
        if from_ms >= kept_ms {
            return;
        }
        let text = format!(
            "log group `{}` keeps events for {days} days only: those from {} to {} had not been read and are gone (have \
             it keep them longer: `aws logs put-retention-policy`)",
            self.name,
            time(from_ms),
            time(kept_ms)
        );
        self.report().gaps += 1;
        self.tell(NoticeLevel::Error, text);
    }

    fn take_found(&self, watch: &mut Watch, answer: Option<Result<Option<WatchedTrail>, Failure>>) {
        match answer {
            Some(Ok(Some(trail))) => {
                let text = format!("trail `{}` delivers to `{}`; it is told if it stops", trail.name, self.name);
                self.tell(NoticeLevel::Info, text);
                (watch.trail, watch.last_ms) = (Some(trail), None);
            }
            Some(Err(failure)) if failure.kind == FailureKind::Denied => {
                watch.may_find_trail = false;
                let text = format!(
                    "it is not noticed if the trail of `{}` stops: {failure} (allow `cloudtrail:DescribeTrails` and \
                     `cloudtrail:GetTrailStatus`)",
                    self.name
                );
                self.tell(NoticeLevel::Info, text);
            }
            // What failed is asked again in an hour: nothing depends on it.
            Some(Ok(None) | Err(_)) | None => {}
        }
    }

    fn take_trail(&self, watch: &mut Watch, answer: Option<Result<TrailState, Failure>>) {
        let (Some(trail), Some(answer)) = (&watch.trail, answer) else { return };
        if let Some(notice) = watch.health.take(&trail.name, By::LogGroup, answer) {
            self.tell(notice.level, notice.text);
        }
        self.report().troubles = watch.health.trouble().cloned().into_iter().collect();
    }
}
