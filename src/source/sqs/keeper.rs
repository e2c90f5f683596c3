//! Tells SQS what became of messages: deletes, hides for longer, shows again.
//!
//! One task for each queue, apart from reading, so that messages are kept hidden also while nobody asks for more.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};
use futures::future::join_all;

use super::Shared;
use super::held::{Job, Need};
use crate::source::NoticeLevel;
use crate::source::aws::lock;
use crate::source::aws::trouble::{Failure, FailureKind, Trouble};

/// Entries that a batch may have.
const BATCH_MAX: usize = 10;

/// Entries that are dealt with at the same time.
const JOBS_MAX: usize = 40;

/// The longest sleep between two looks at the clock, since a computer that was suspended sleeps longer than it knows.
const NAP_MAX: Duration = Duration::from_millis(500);

/// How long a queue may take to be told of what is left at the end.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// Failures of telling.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    deleting: Trouble,
    changing: Trouble,
}

/// What came of a batch: whole failures are of the call, others of single entries.
type Outcome = Result<Vec<BatchResultErrorEntry>, Failure>;

/// Tells SQS for ever.
pub(super) async fn keep(shared: Arc<Shared>) {
    loop {
        if !shared.tell().await {
            shared.wait_for_work().await;
        }
    }
}

impl Shared {
    /// Waits until something may have to be told.
    async fn wait_for_work(&self) {
        let now_ms = self.now_ms();
        let next_ms = lock(&self.held).next_ms();
        let nap = async {
            match next_ms {
                Some(next_ms) => {
                    let wait = Duration::from_millis(u64::try_from(next_ms - now_ms).unwrap_or(0));
                    tokio::time::sleep(wait.clamp(Duration::from_millis(1), NAP_MAX)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = nap => {}
            () = self.settled.notified() => {}
        }
    }

    /// Tells what is to be told by now; whether there was anything.
    async fn tell(&self) -> bool {
        let (deletions, changes) = lock(&self.held).jobs(self.now_ms(), JOBS_MAX);
        let batches = deletions.chunks(BATCH_MAX).chain(changes.chunks(BATCH_MAX));
        join_all(batches.map(|jobs| self.tell_batch(jobs))).await;
        !deletions.is_empty() || !changes.is_empty()
    }

    /// Tells of jobs of one kind, at most ten.
    async fn tell_batch(&self, jobs: &[Job]) {
        let began_ms = self.now_ms();
        let outcome = match jobs.first().map(|job| job.need) {
            Some(Need::Delete) => self.delete(jobs).await,
            Some(Need::Hide | Need::Leave(_)) => self.change(jobs).await,
            None => return,
        };
        self.take_outcome(jobs, outcome, began_ms);
        self.freed.notify_one();
    }

    async fn delete(&self, jobs: &[Job]) -> Outcome {
        let (client, url) = self.way()?;
        self.report().calls += 1;
        let entries = jobs.iter().map(|job| {
            DeleteMessageBatchRequestEntry::builder().id(job.number.to_string()).receipt_handle(&job.handle).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(unbuildable)?;
        let call = client.delete_message_batch().queue_url(url).set_entries(Some(entries));
        call.send().await.map(|output| output.failed).map_err(|error| Failure::of(&error))
    }

    async fn change(&self, jobs: &[Job]) -> Outcome {
        let (client, url) = self.way()?;
        self.report().calls += 1;
        let entries = jobs.iter().map(|job| {
            let seconds = match job.need {
                Need::Leave(seconds) => seconds,
                Need::Hide | Need::Delete => self.visibility_seconds(),
            };
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(job.number.to_string())
                .receipt_handle(&job.handle)
                .visibility_timeout(seconds)
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(unbuildable)?;
        let call = client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries));
        call.send().await.map(|output| output.failed).map_err(|error| Failure::of(&error))
    }

    /// The call began at `began_ms`: SQS hides messages from no earlier than that.
    fn take_outcome(&self, jobs: &[Job], outcome: Outcome, began_ms: i64) {
        let now_ms = self.now_ms();
        let failed = match outcome {
            Ok(failed) => failed,
            Err(failure) => {
                let mut held = lock(&self.held);
                jobs.iter().for_each(|job| held.failed(job, now_ms));
                drop(held);
                return self.take_failure(jobs, &failure);
            }
        };
        let (mut expired, mut again) = (0, 0);
        let mut held = lock(&self.held);
        for job in jobs {
            match failed.iter().find(|entry| entry.id == job.number.to_string()) {
                None => held.done(job, began_ms),
                // The handle is no longer good: the message has been visible again.
                Some(entry) if entry.sender_fault && !is_throttle(&entry.code) => {
                    held.lost(job);
                    expired += 1;
                }
                Some(_) => {
                    held.failed(job, now_ms);
                    again += 1;
                }
            }
        }
        drop(held);
        let mut report = self.report();
        (report.expired, report.retries) = (report.expired + expired, report.retries + again);
        drop(report);
        self.end_trouble(jobs);
    }

    fn take_failure(&self, jobs: &[Job], failure: &Failure) {
        match failure.kind {
            FailureKind::Throttled => self.report().throttles += 1,
            _ => self.report().retries += 1,
        }
        let deletes = jobs.first().is_some_and(|job| job.need == Need::Delete);
        let mut troubles = lock(&self.troubles);
        let trouble = if deletes { &mut troubles.deleting } else { &mut troubles.changing };
        let (_, tell) = trouble.failed(failure.kind);
        drop(troubles);
        if tell {
            self.notify(NoticeLevel::Error, self.not_told(deletes, failure));
        }
    }

    fn end_trouble(&self, jobs: &[Job]) {
        let deletes = jobs.first().is_some_and(|job| job.need == Need::Delete);
        let mut troubles = lock(&self.troubles);
        let is_over = if deletes { troubles.deleting.over() } else { troubles.changing.over() };
        drop(troubles);
        if is_over {
            self.notify(NoticeLevel::Info, format!("queue `{}` takes answers again", self.name));
        }
    }

    fn not_told(&self, deletes: bool, failure: &Failure) -> String {
        let (name, what, permission) = match deletes {
            true => (&self.name, "delete messages of", "sqs:DeleteMessage"),
            false => (&self.name, "keep messages hidden in", "sqs:ChangeMessageVisibility"),
        };
        let hint = match failure.kind {
            FailureKind::Denied => {
                format!("allow `{permission}` on `{}`; until then messages come again", self.policy_arn())
            }
            _ => "trying until it works; meanwhile messages may come again".to_owned(),
        };
        format!("cannot {what} queue `{name}`: {failure} ({hint})")
    }

    /// Tells of everything that is left, and gives back what is not done.
    pub(super) async fn tell_the_rest(&self) {
        let back = lock(&self.held).give_back();
        let telling = async {
            join_all(back.chunks(BATCH_MAX).map(|jobs| self.tell_batch(jobs))).await;
            loop {
                if !self.tell().await {
                    // What failed is due a little later.
                    if lock(&self.held).len() == 0 {
                        break;
                    }
                    self.wait_for_work().await;
                }
            }
        };
        if tokio::time::timeout(CLOSE_MAX, telling).await.is_err() {
            let count = lock(&self.held).len();
            let text = format!("queue `{}` could not be told of {count} messages; they will come again", self.name);
            self.notify(NoticeLevel::Warn, text);
        }
    }
}

fn is_throttle(code: &str) -> bool {
    code.contains("Throttl")
}

fn unbuildable(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Refused, error.to_string())
}
