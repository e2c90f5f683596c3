//! Troubles of a log group and its trail that reading does not show.

use trailwatch::sim::TrailStatus;
use trailwatch::source::cloudwatch_logs::WatchedTrail;

use super::*;

const DAY_S: u64 = 24 * 3_600;

/// Lets a source go on until a number of notices is there.
async fn told(lab: &Lab, source: &CloudWatchLogs, notices: usize) -> String {
    assert_quiet_until(source, || lab.notices.all().len() >= notices).await;
    lab.notices.text()
}

/// Lets a source ask again, and take in what is answered.
async fn look_again(lab: &Lab, source: &CloudWatchLogs, operation: &str) {
    // A question that is under way is dealt with before another is asked.
    for _ in 0..2 {
        let asked = lab.logs().calls(operation);
        assert_quiet_until(source, || {
            lab.advance(20);
            lab.logs().calls(operation) > asked
        })
        .await;
    }
}

#[tokio::test]
async fn a_group_that_is_made_again_between_two_polls_is_told_and_read() {
    let lab = Lab::new().await;
    lab.clock().freeze_at(lab.now_ms());
    let source = lab.source(lab.follow());
    assert_quiet_until(&source, || lab.logs().calls("DescribeLogGroups") > 0).await;
    look_again(&lab, &source, "DescribeLogGroups").await;
    lab.clock().freeze_at(1_800_000_000_000);
    lab.logs().delete_group(GROUP);
    lab.put(lab.now_ms() - 1_000, "in the new one");
    assert_eq!(texts(&source, 1).await, ["in the new one"]);
    look_again(&lab, &source, "DescribeLogGroups").await;
    insta::assert_snapshot!(told(&lab, &source, 1).await, @"log group `aws-cloudtrail-logs` was deleted, and made again at 2027-01-15T08:00:00Z; reading goes on from where it was (what the old one held and nobody had read is gone)");
    assert_eq!(report(&source).gaps, 1);
}

#[tokio::test]
async fn a_group_that_was_made_again_while_nobody_read_is_told() {
    for is_made_again in [false, true] {
        let lab = Lab::new().await;
        lab.put(lab.now_ms() - 3_000, "before");
        let source = lab.source(lab.follow());
        let first = take(&source, 1).await;
        let checkpoint = source.checkpoint(&receipts(&first)).unwrap();
        drop(source);
        lab.advance(3_600);
        if is_made_again {
            lab.logs().delete_group(GROUP);
            lab.logs().create_group(GROUP);
        }
        let resumed = lab.source(Settings { resume: Some(checkpoint.position), start_ms: None, ..lab.follow() });
        let asked = lab.logs().calls("DescribeLogGroups");
        lab.put(lab.now_ms() - 1_000, "after");
        take(&resumed, if is_made_again { 1 } else { 2 }).await;
        assert_quiet_until(&resumed, || lab.logs().calls("DescribeLogGroups") > asked).await;
        look_again(&lab, &resumed, "DescribeLogGroups").await;
        assert_eq!(report(&resumed).gaps, u64::from(is_made_again), "{}", lab.notices.text());
        assert_eq!(lab.notices.text().matches("made again").count(), usize::from(is_made_again));
    }
}

#[tokio::test]
async fn a_group_that_comes_back_is_looked_at_at_once() {
    let lab = Lab::new().await;
    let source = lab.source(lab.follow());
    assert_quiet_until(&source, || lab.logs().calls("DescribeLogGroups") > 0).await;
    look_again(&lab, &source, "DescribeLogGroups").await;
    lab.advance(60);
    lab.logs().delete_group(GROUP);
    assert_quiet_until(&source, || lab.notices.text().contains("is gone")).await;
    lab.logs().create_group(GROUP);
    let text = told(&lab, &source, 3).await;
    assert!(text.contains("made again"), "{text}");
}

#[tokio::test]
async fn what_a_group_no_longer_keeps_is_told_with_its_times() {
    let lab = Lab::new().await;
    lab.clock().freeze_at(1_800_000_000_000);
    lab.logs().delete_group(GROUP);
    lab.put(lab.now_ms() - 1_000, "read before");
    lab.logs().set_retention(GROUP, 7);
    let source = lab.source(lab.follow());
    let first = take(&source, 1).await;
    lab.advance(31);
    assert_quiet_until(&source, || report(&source).read_ms == Some(lab.now_ms() - 5_000)).await;
    let position = source.checkpoint(&receipts(&first)).map(|checkpoint| checkpoint.position);
    lab.advance(5 * DAY_S);
    lab.put(lab.now_ms(), "nobody came");
    lab.advance(5 * DAY_S);
    let resumed = lab.source(Settings { resume: position.clone(), ..lab.follow() });
    assert_eq!(texts(&resumed, 1).await, ["nobody came"]);
    insta::assert_snapshot!(told(&lab, &resumed, 1).await, @"log group `aws-cloudtrail-logs` keeps events for 7 days only: those from 2027-01-15T08:00:26Z to 2027-01-18T08:00:31Z had not been read and are gone (have it keep them longer: `aws logs put-retention-policy`)");
    assert_eq!((report(&resumed).gaps, lab.notices.all()[0].level), (1, NoticeLevel::Error));
    look_again(&lab, &resumed, "DescribeLogGroups").await;
    assert_eq!(lab.notices.all().len(), 1, "it is told once");

    lab.logs().set_retention(GROUP, 30);
    let resumed = lab.source(Settings { resume: position, ..lab.follow() });
    assert_eq!(take(&resumed, 2).await.len(), 2);
    look_again(&lab, &resumed, "DescribeLogGroups").await;
    assert_eq!((report(&resumed).gaps, lab.notices.all().len()), (0, 1));
}

#[tokio::test]
async fn what_may_not_be_asked_is_told_once_and_left_off() {
    let lab = Lab::new().await;
    let faults = lab.logs().faults().clone();
    faults.set_every_for("DescribeLogGroups", 1, Fault::access_denied());
    faults.set_every_for("GetTrailStatus", 1, Fault::access_denied());
    let source = lab.source(Settings { trail: Some(trail(&lab)), ..lab.follow() });
    insta::assert_snapshot!(told(&lab, &source, 2).await, @r"
    it is not noticed if `aws-cloudtrail-logs` is made again or keeps events too short a time: AccessDeniedException: User is not authorized to perform this action because no identity-based policy allows it (allow `logs:DescribeLogGroups`)
    it is not noticed if trail `main` stops: AccessDeniedException: User is not authorized to perform this action because no identity-based policy allows it (allow `cloudtrail:GetTrailStatus`)
    ");
    for _ in 0..3 {
        lab.advance(301);
        lab.assert_quiet(&source, 2).await;
    }
    assert_eq!((lab.logs().calls("DescribeLogGroups"), lab.logs().calls("GetTrailStatus")), (1, 1));
}

/// A trail of the stand-in that delivers to the group.
fn trail(lab: &Lab) -> WatchedTrail {
    let trail = Trail::to_group("main", GROUP);
    let (arn, config) = (trail.arn(), config_of_cloudtrail(lab));
    lab.endpoint.trails().put(trail);
    let client = aws_sdk_cloudtrail::Client::new(&config);
    let connect = Arc::new(move || {
        let client = client.clone();
        Box::pin(std::future::ready(Ok(client))) as futures::future::BoxFuture<'static, _>
    });
    WatchedTrail { name: "main".into(), arn, connect }
}

#[tokio::test]
async fn a_trail_that_stops_is_told_once_and_so_is_its_end() {
    let lab = Lab::new().await;
    let trail = trail(&lab);
    let source = lab.source(Settings { trail: Some(trail), ..lab.follow() });
    assert_quiet_until(&source, || lab.logs().calls("GetTrailStatus") > 0).await;
    let good = TrailStatus { is_logging: true, ..TrailStatus::default() };
    let stopped = TrailStatus { stop_logging_ms: Some(1_800_000_000_000), ..TrailStatus::default() };
    let undelivered = TrailStatus { latest_logs_delivery_error: Some("AccessDenied".into()), ..good.clone() };
    let mut reasons = Vec::new();
    for status in [stopped, undelivered, good] {
        lab.endpoint.trails().set_status("main", status);
        look_again(&lab, &source, "GetTrailStatus").await;
        reasons.push(report(&source).troubles.len());
    }
    lab.endpoint.trails().remove("main");
    look_again(&lab, &source, "GetTrailStatus").await;
    assert_eq!(reasons, [1, 1, 0]);
    insta::assert_snapshot!(told(&lab, &source, 4).await, @r"
    trail `main` has not been logging since 2027-01-15T08:00:00Z (start it: `aws cloudtrail start-logging --name main`)
    trail `main` cannot deliver to its log group: AccessDenied (look at the role that it delivers with)
    trail `main` logs and delivers again
    trail `main` does not exist any more
    ");
}
