//! What `next` works with: calls for messages, objects that are fetched, batches that are ready.

use std::collections::VecDeque;
use std::sync::Arc;

use backon::ExponentialBackoff;
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::held::{Number, Taken};
use super::message::{MESSAGES_MAX, Message, receive};
use super::objects::Passed;
use super::{Shared, Way};
use crate::delivery::{Delivery, Origin, Place};
use crate::source::aws::lock;
use crate::source::aws::trouble::{Failure, FailureKind, Trouble, backoff};
use crate::source::notification::{self, Object, What};
use crate::source::s3::object::{Calls, fetch};
use crate::source::{NoticeLevel, SourceError};

/// Calls that wait for messages at the same time, where each of them comes back full.
const POLLS_MAX: usize = 4;

/// How long a call waits at the service for a first message. The most that SQS allows.
const WAIT_SECONDS: i32 = 20;

/// How long it waits where the queue is read until it is empty.
const WAIT_SECONDS_AT_END: i32 = 2;

/// How often the first call is tried again, where nothing is followed, before the way to AWS counts as wrong.
const TRIES_AT_START: u32 = 5;

/// Objects that wait, from which on no more messages are received: what cannot be fetched now is better off in its queue.
const OBJECTS_WAITING_MAX: usize = 64;

/// A message that was received more often than this goes alone: it may be what has stopped whoever read it.
const TOGETHER_MAX: u32 = 3;

/// What was begun and is not finished. Changed only between awaits, so that dropping the future of `next` loses nothing.
pub(super) struct Reader {
    shared: Arc<Shared>,
    tasks: JoinSet<Done>,
    /// How many calls for messages there are to be, and how many there are.
    polls: usize,
    polling: usize,
    fetching: usize,
    pending: VecDeque<Fetch>,
    /// Objects that could not be fetched for want of service, and when they are tried again.
    put_off: Vec<(Instant, Fetch)>,
    /// How many objects were put off at least once, and are not done with.
    late: usize,
    fetch_trouble: Trouble,
    ready: VecDeque<Vec<Delivery>>,
    /// Whether any call went well. Before that, what a person has to put right is an error.
    succeeded: bool,
    /// Whether the queue had nothing when it was last asked.
    is_empty: bool,
    trouble: Trouble,
    resume_at: Option<Instant>,
    passed: Passed,
}

/// An object of a message, to be fetched.
struct Fetch {
    number: Number,
    object: Object,
    /// When the message was sent that tells of it, in milliseconds since 1970.
    sent_ms: i64,
    /// Times that it was put off, and the pauses after them.
    put_off: u32,
    pauses: ExponentialBackoff,
}

impl Fetch {
    fn new(number: Number, object: Object, sent_ms: i64) -> Self {
        Self { number, object, sent_ms, put_off: 0, pauses: backoff() }
    }

    fn origin(&self) -> Origin {
        origin_of(&self.object, self.sent_ms)
    }
}

enum Done {
    Received(Result<Vec<Message>, Failure>),
    Fetched(Box<Fetch>, Calls, Result<Bytes, Failure>),
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            tasks: JoinSet::new(),
            polls: 1,
            polling: 0,
            fetching: 0,
            pending: VecDeque::new(),
            put_off: Vec::new(),
            late: 0,
            fetch_trouble: Trouble::default(),
            ready: VecDeque::new(),
            succeeded: false,
            is_empty: false,
            trouble: Trouble::default(),
            resume_at: None,
            passed: Passed::default(),
        }
    }

    pub(super) async fn next_batch(&mut self) -> Result<Option<Vec<Delivery>>, SourceError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(self.shared.counted(batch)));
            }
            self.find_way().await?;
            self.begin();
            if self.has_ended() {
                return Ok(None);
            }
            self.wait().await?;
        }
    }

    /// Ends all that was begun. What was received is still held.
    pub(super) async fn stop(&mut self) {
        self.tasks.shutdown().await;
        self.pending.clear();
        self.put_off.clear();
        self.ready.clear();
    }

    /// Connects, where there is no connection and nothing to wait for first.
    async fn find_way(&mut self) -> Result<(), SourceError> {
        if self.resume_at.is_some() || lock(&self.shared.way).is_some() {
            return Ok(());
        }
        let found = match (self.shared.connect)().await {
            Ok(clients) => self.shared.url_of_queue(&clients).await.map(|url| (clients, url)),
            Err(error) if !self.succeeded => return Err(error),
            Err(error) => Err(Failure::new(FailureKind::Credentials, error.to_string())),
        };
        match found {
            Ok((clients, url)) => {
                if !self.succeeded {
                    self.shared.mind_dead_letters(&clients.sqs, &url).await;
                }
                *lock(&self.shared.way) = Some(Way { clients, url });
                Ok(())
            }
            Err(failure) => self.take_failure(failure).await,
        }
    }

    /// Begins what there is room for.
    fn begin(&mut self) {
        let Some(way) = lock(&self.shared.way).clone() else { return };
        let now = Instant::now();
        self.pending.extend(self.put_off.extract_if(.., |(at, _)| *at <= now).map(|(_, fetch)| fetch));
        while self.fetching < self.shared.settings.objects_at_once.max(1) {
            let Some(next) = self.pending.pop_front() else { break };
            self.fetching += 1;
            let (client, terms) = (way.clients.s3.clone(), self.shared.terms.clone());
            self.tasks.spawn(async move {
                let mut calls = Calls::default();
                let fetched = fetch(&client, &next.object, &terms, &mut calls).await.map(|whole| whole.bytes);
                Done::Fetched(Box::new(next), calls, fetched)
            });
        }
        while self.may_ask() {
            self.polling += 1;
            self.shared.report().calls += 1;
            let (client, url, visibility) =
                (way.clients.sqs.clone(), way.url.clone(), self.shared.visibility_seconds());
            let wait = if self.shared.settings.follow { WAIT_SECONDS } else { WAIT_SECONDS_AT_END };
            self.tasks.spawn(async move { Done::Received(receive(&client, &url, wait, visibility).await) });
        }
    }

    /// Whether another call for messages is wanted, and what it may give has room.
    fn may_ask(&self) -> bool {
        let coming = (self.polling + 1) * MESSAGES_MAX as usize;
        let has_room = lock(&self.shared.held).len() + coming <= self.shared.settings.messages_max.max(coming);
        let keeps_up = self.pending.len() + self.put_off.len() < OBJECTS_WAITING_MAX;
        let is_wanted = self.shared.settings.follow || !self.is_empty;
        self.resume_at.is_none() && self.polling < self.polls && has_room && keeps_up && is_wanted
    }

    /// Whether a queue that is not followed has been read.
    fn has_ended(&self) -> bool {
        let is_idle = self.tasks.is_empty() && self.pending.is_empty() && self.put_off.is_empty();
        !self.shared.settings.follow && self.is_empty && is_idle
    }

    /// Waits until something is done, may be tried again, or has room.
    async fn wait(&mut self) -> Result<(), SourceError> {
        let (resume_at, retry_at) = (self.resume_at, self.put_off.iter().map(|(at, _)| *at).min());
        tokio::select! {
            Some(done) = self.tasks.join_next() => match done {
                Ok(Done::Received(received)) => self.take_received(received).await,
                Ok(Done::Fetched(what, calls, fetched)) => {
                    self.take_fetched(*what, calls, fetched);
                    Ok(())
                }
                // Going on would lose a message without a word; a panic here is a defect and has to end the run.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = until(resume_at) => {
                self.resume_at = None;
                Ok(())
            }
            () = until(retry_at), if lock(&self.shared.way).is_some() => Ok(()),
            () = self.shared.freed.notified() => Ok(()),
        }
    }

    async fn take_received(&mut self, received: Result<Vec<Message>, Failure>) -> Result<(), SourceError> {
        self.polling -= 1;
        let messages = match received {
            Ok(messages) => messages,
            Err(failure) => return self.take_failure(failure).await,
        };
        self.succeeded = true;
        if self.trouble.over() {
            self.shared.notify(NoticeLevel::Info, format!("reading queue `{}` again", self.shared.name));
        }
        self.is_empty = messages.is_empty();
        // A queue that gives as much as one call may take has more.
        let is_full = messages.len() == MESSAGES_MAX as usize;
        self.polls = if is_full { (self.polls + 1).min(POLLS_MAX) } else { self.polls.saturating_sub(1).max(1) };
        let mut together = Vec::new();
        for message in messages {
            let goes_alone = message.received > TOGETHER_MAX;
            let delivery = self.take_message(message);
            match delivery {
                Some(delivery) if goes_alone => self.ready.push_back(vec![delivery]),
                other => together.extend(other),
            }
        }
        if !together.is_empty() {
            self.ready.push_back(together);
        }
        self.shared.settled.notify_one();
        Ok(())
    }

    /// Takes in a message: what is for decoding is a delivery at once.
    fn take_message(&mut self, message: Message) -> Option<Delivery> {
        let mut report = self.shared.report();
        report.messages += 1;
        report.received_again += u64::from(message.received > 1);
        report.newest_ms = report.newest_ms.max(Some(message.sent_ms));
        drop(report);
        match notification::read(&message.body) {
            What::NotANotification(said) => {
                let said = said.into_owned();
                let number = self.hold(&message, 1)?;
                let receipt = lock(&self.shared.held).issue(number);
                Some(message.delivery(&self.shared.name, said, receipt))
            }
            What::Objects(objects) => {
                self.take_objects(&message, objects);
                None
            }
            What::Test => {
                self.shared.report().tests += u64::from(self.hold(&message, 0).is_some());
                None
            }
            What::Broken { reason } => {
                let text = format!("a notification is left to the queue: {reason} (its body is not S3's own)");
                self.leave(&message, &text);
                None
            }
            What::Confirmation { topic } => {
                let text = format!(
                    "SNS asks whether the queue wants topic `{topic}`; left to the queue (if you want it, subscribe the \
                     queue as the topic's owner, or confirm with the token in the message)"
                );
                self.leave(&message, &text);
                None
            }
        }
    }

    /// Holds a message; `None` if it is held already.
    fn hold(&self, message: &Message, parts: usize) -> Option<Number> {
        let now_ms = self.shared.now_ms();
        let handle = message.handle.clone();
        match lock(&self.shared.held).take(&message.id, handle, message.received, parts, now_ms) {
            Taken::New(number) => Some(number),
            Taken::Repeat => {
                self.shared.report().repeats += 1;
                None
            }
        }
    }

    /// Leaves a message that nothing can be made of.
    fn leave(&mut self, message: &Message, text: &str) {
        if let Some(number) = self.hold(message, 1) {
            self.spoil(number, message.origin(&self.shared.name), text);
        }
    }

    fn take_objects(&mut self, message: &Message, objects: Vec<Object>) {
        let sorted = self.passed.sort(&self.shared, objects);
        let parts = sorted.wanted.len() + sorted.refused.len();
        let Some(number) = self.hold(message, parts) else { return };
        for (object, text) in sorted.refused {
            self.spoil(number, origin_of(&object, message.sent_ms), &text);
        }
        self.pending.extend(sorted.wanted.into_iter().map(|object| Fetch::new(number, object, message.sent_ms)));
    }

    fn take_fetched(&mut self, what: Fetch, calls: Calls, fetched: Result<Bytes, Failure>) {
        self.fetching -= 1;
        calls.count(&mut self.shared.report());
        match fetched {
            Err(failure) if self.may_put_off(&what, &failure) => return self.put_off(what, &failure),
            Ok(body) => {
                self.shared.report().objects += 1;
                let receipt = lock(&self.shared.held).issue(what.number);
                self.ready.push_back(vec![Delivery { body, origin: what.origin(), receipt }]);
            }
            Err(failure) => {
                let text = self.shared.unread_object(&what.object, &failure);
                self.spoil(what.number, what.origin(), &text);
            }
        }
        self.end_wait(&what);
    }

    /// Whether a failure says nothing of the object, and its message can be kept hidden until it is over.
    fn may_put_off(&self, what: &Fetch, failure: &Failure) -> bool {
        let is_hidden = !lock(&self.shared.held).is_hidden_no_longer(what.number, self.shared.now_ms());
        let is_followed = self.shared.settings.follow || what.put_off < TRIES_AT_START;
        failure.is_want_of_service() && is_hidden && is_followed
    }

    fn put_off(&mut self, mut what: Fetch, failure: &Failure) {
        if failure.kind == FailureKind::Credentials {
            *lock(&self.shared.way) = None;
        }
        self.late += usize::from(what.put_off == 0);
        what.put_off += 1;
        // Throttling and failures come by turns in one outage.
        let needs_somebody = failure.kind == FailureKind::Credentials;
        let kind = if needs_somebody { failure.kind } else { FailureKind::Unavailable };
        if self.fetch_trouble.failed(kind).1 {
            self.shared.notify(NoticeLevel::Error, self.shared.no_object_now(&what.object, failure));
        }
        let pause = what.pauses.next().unwrap_or_default();
        self.put_off.push((Instant::now() + pause, what));
    }

    /// Takes in that an object is done with. The trouble is over with the last that was put off.
    fn end_wait(&mut self, what: &Fetch) {
        self.late -= usize::from(what.put_off > 0);
        if self.late == 0 && self.fetch_trouble.over() {
            let text = format!("objects that queue `{}` tells of can be fetched again", self.shared.name);
            self.shared.notify(NoticeLevel::Info, text);
        }
    }

    /// Counts a part that cannot be read, and tells of it unless much the same was told of it before.
    fn spoil(&mut self, number: Number, origin: Origin, text: &str) {
        let left = lock(&self.shared.held).spoil(number, self.shared.now_ms());
        let mut report = self.shared.report();
        (report.unreadable, report.left) = (report.unreadable + 1, report.left + u64::from(left));
        drop(report);
        if self.passed.is_news(&origin) {
            self.shared.notify(NoticeLevel::Error, format!("{origin}: {text}"));
        }
        self.shared.settled.notify_one();
    }

    async fn take_failure(&mut self, failure: Failure) -> Result<(), SourceError> {
        let is_lasting = !matches!(failure.kind, FailureKind::Throttled | FailureKind::Unavailable);
        let tried_enough = !self.shared.settings.follow && self.trouble.failures() >= TRIES_AT_START;
        if !self.succeeded && (is_lasting || tried_enough) {
            return Err(self.shared.refused(&failure).await);
        }
        match failure.kind {
            FailureKind::Throttled => self.shared.report().throttles += 1,
            FailureKind::Credentials => {
                *lock(&self.shared.way) = None;
                let is_new = !self.trouble.is(FailureKind::Credentials);
                self.shared.report().credential_waits += u64::from(is_new);
            }
            _ => self.shared.report().retries += 1,
        }
        let (wait, tell) = self.trouble.failed(failure.kind);
        self.resume_at = Some(Instant::now() + wait);
        if tell {
            let (level, text) = self.shared.waiting(&failure);
            self.shared.notify(level, text);
        }
        Ok(())
    }
}

/// Waits until a moment; for ever, if there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn origin_of(object: &Object, sent_ms: i64) -> Origin {
    let source = format!("s3://{}/{}", object.bucket, object.key).into();
    Origin { source, place: Place::Told(sent_ms) }
}
