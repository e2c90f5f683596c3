//! Whether the trail goes on whose events come by a queue. A queue shows nothing of that: a trail that was stopped is as
//! silent as an account in which nobody does anything.

use std::sync::Arc;

use super::Shared;
use crate::source::aws::trail::{By, FindTrail, TrailHealth, WatchedTrail};
use crate::source::{Notice, NoticeLevel};

/// Asks now and then, without an end.
pub(super) async fn watch(shared: Arc<Shared>, find: FindTrail) {
    let trail = found(&shared, &find).await;
    let mut health = TrailHealth::default();
    while health.may_ask() {
        shared.report().calls += 1;
        let answer = trail.state(By::Bucket).await;
        if let Some(Notice { level, text }) = health.take(&trail.name, By::Bucket, answer) {
            shared.notify(level, text);
        }
        shared.report().troubles = health.trouble().cloned().into_iter().collect();
        tokio::time::sleep(shared.settings.trail_every).await;
    }
}

/// Looks for the trail until it is found. That it is not is told once, and is trouble until then.
async fn found(shared: &Shared, find: &FindTrail) -> WatchedTrail {
    let mut is_told = false;
    loop {
        shared.report().calls += 1;
        let text = match find().await {
            Ok(Some(trail)) => {
                shared.report().troubles.clear();
                return trail;
            }
            Ok(None) => "CloudTrail does not say the name of the trail".to_owned(),
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(&mut is_told, true) {
            shared.notify(NoticeLevel::Error, format!("it is not noticed if the trail stops: {text}"));
            shared.report().troubles = vec![text];
        }
        tokio::time::sleep(shared.settings.trail_every).await;
    }
}
