//! A courier brings the findings of the outbox to one sink, until the sink has them or never will.
//!
//! A finding leaves the outbox only after the sink has answered for it, so a crash in between brings it again, with the
//! same id. What a sink cannot take now waits, each finding for itself and, if the sink took nothing at all, all of them;
//! what it will never take, or has not taken in time, becomes a dead letter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::Notify as Bell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Clock;
use crate::finding::Finding;
use crate::rule::Severity;
use crate::sink::{Cause, Gone, Outcome, Sink};
use crate::source::{Notice, NoticeLevel, Notify};
use crate::store::{Due, Entry, Outbox, Overflow, PutOut, Settlement, StoreError, blocking};

mod age;
mod several;

use age::Age;

/// Which findings a sink is to have.
#[derive(Debug, Clone)]
pub struct Route {
    /// The sink's name.
    pub sink: Arc<str>,
    /// Findings less severe are not for it.
    pub min_severity: Severity,
    /// Only findings of rules with one of these tags are for it; all, if there are none here.
    pub tags: Vec<String>,
}

impl Route {
    /// Whether a finding is for the sink.
    pub fn takes(&self, finding: &Finding) -> bool {
        let tagged = self.tags.is_empty() || finding.rule.tags.iter().any(|tag| self.tags.contains(tag));
        tagged && finding.severity >= self.min_severity
    }
}

/// How long a courier tries.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Findings brought at once at most.
    pub batch_max: usize,
    /// The wait after a first failure; it doubles with every third.
    pub wait_min: Duration,
    /// The longest wait between two tries.
    pub wait_max: Duration,
    /// How old a finding in the outbox may get before it is given up.
    pub deadline: Duration,
    /// The rate limit: at least this long from one finding to the next, which are then brought one by one. Zero is no
    /// limit; chat hooks take about one a second.
    pub spacing: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            batch_max: 50,
            wait_min: Duration::from_secs(1),
            wait_max: Duration::from_secs(30),
            deadline: Duration::from_secs(24 * 3_600),
            spacing: Duration::ZERO,
        }
    }
}

impl Patience {
    /// The wait after so many failures, with jitter, so that many couriers do not come at once. It grows slowly: a receiver
    /// that fails now and then is to have each finding soon.
    fn wait(&self, failures: usize) -> Duration {
        let Self { wait_min, wait_max, .. } = *self;
        // Jitter adds as much again at most.
        let longest = (wait_max / 2).max(Duration::from_millis(1));
        let waits = ExponentialBuilder::default().with_min_delay(wait_min.min(longest)).with_max_delay(longest);
        waits
            .without_max_times()
            .with_jitter()
            .build()
            .nth((failures / TRIES_ALIKE).min(32))
            .unwrap_or(wait_max)
            .min(wait_max)
    }
}

/// Tries after each of which the wait is the same.
const TRIES_ALIKE: usize = 3;

/// A sink with what it is to have, and how long to try.
pub struct Delivery {
    /// What it is to have.
    pub route: Route,
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// How long to try.
    pub patience: Patience,
}

/// What a courier has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourierReport {
    /// Findings that the sink has.
    pub delivered: u64,
    /// Findings that it was brought in vain and is brought again, by why.
    pub retried: BTreeMap<Cause, u64>,
    /// Findings that were given up.
    pub dead: u64,
    /// Dead letters that are kept no longer, for there were too many.
    pub put_out: u64,
}

/// Brings findings to one sink.
pub(super) struct Courier {
    pub delivery: Delivery,
    pub outbox: Arc<dyn Outbox>,
    /// Rung when something new is in the outbox.
    pub bell: Arc<Bell>,
    /// Nothing new will come: bring what is left, and end.
    pub ending: CancellationToken,
    pub report: Arc<Mutex<CourierReport>>,
    notify: Notify,
    clock: Clock,
    /// Times in a row that the sink was left alone since it took nothing.
    failures: usize,
    /// Whether it was said that the sink takes nothing.
    is_told: bool,
    /// Until then the sink has asked to be left alone.
    asked_until: Option<Instant>,
    /// Until then the rate limit lets nothing pass.
    paced_until: Option<Instant>,
    /// Whether it was said that findings, and that dead letters give way.
    told_overflow: (bool, bool),
    age: Age,
}

/// The longest that a sink can ask to be left alone.
const ASKED_MAX: Duration = Duration::from_secs(3_600);

/// The longest sleep, since a clock may be set back.
const NAP_MAX: Duration = Duration::from_secs(60);

impl Courier {
    /// A courier before its first round.
    pub fn new(delivery: Delivery, outbox: Arc<dyn Outbox>, ending: CancellationToken, clock: Clock) -> Self {
        Self {
            delivery,
            outbox,
            bell: Arc::default(),
            ending,
            report: Arc::default(),
            notify: Arc::new(|_| {}),
            failures: 0,
            is_told: false,
            asked_until: None,
            paced_until: None,
            told_overflow: (false, false),
            age: Age::begin(clock.now().as_millisecond()),
            clock,
        }
    }

    /// Works until it is told to end and nothing is left that the sink would take. `Err` says that the sink is gone for good.
    pub async fn run(mut self, notify: Notify) -> Result<(), Gone> {
        self.notify = notify;
        self.remember_asked().await;
        let one_by_one = self.delivery.sink.one_by_one().filter(|_| self.delivery.patience.spacing.is_zero());
        if let Some(bring) = one_by_one {
            self.run_several(&bring).await;
            return Ok(());
        }
        loop {
            let next = match self.asked_to_wait() {
                Some(left) => Ok(Next::held(left)),
                None => self.round().await,
            };
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Rest(nap)) if self.ending.is_cancelled() => match self.left_at_end(&nap) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Ok(()),
                },
                Ok(Next::Rest(nap)) => self.rest(nap).await,
                Err(gone) => return Err(gone),
            }
        }
    }

    /// Leaves the sink alone as it asked an earlier process to. A clock that was set does not make it longer than can be
    /// asked for. If the state cannot be read, nothing else can, which is told there.
    async fn remember_asked(&mut self) {
        let (outbox, name) = (Arc::clone(&self.outbox), self.asked_name());
        if let Ok(Some(until_ms)) = blocking(move || outbox.kept(&name)).await {
            let wait = Duration::from_millis(since(self.now_ms(), i64::try_from(until_ms).unwrap_or(0)));
            self.asked_until = (wait <= ASKED_MAX).then(|| Instant::now() + wait);
        }
    }

    /// Leaves the sink alone for as long as it asks to be, also over a restart. If that cannot be kept, only a restart
    /// forgets it.
    async fn asked(&mut self, wait: Option<Duration>) {
        let until = wait.filter(|wait| !wait.is_zero()).map(|wait| Instant::now() + wait.min(ASKED_MAX));
        if until <= self.asked_until {
            return;
        }
        self.asked_until = until;
        let until_ms = self.now_ms().saturating_add(wait.unwrap_or_default().min(ASKED_MAX).as_millis() as i64);
        let (outbox, name) = (Arc::clone(&self.outbox), self.asked_name());
        let _ = blocking(move || outbox.keep(&name, u64::try_from(until_ms).unwrap_or(0))).await;
    }

    /// What is kept under it: until when the sink has asked to be left alone, in milliseconds since 1970.
    fn asked_name(&self) -> String {
        format!("sink {} asked until", self.delivery.route.sink)
    }

    /// How long the sink is to be left alone, as it asked.
    fn asked_to_wait(&self) -> Option<Duration> {
        let left = self.asked_until.map(|until| until.saturating_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero())
    }

    /// How long to wait at the end for what is to be tried again. A sink that has been left alone several times does not hold
    /// up the end, nor does one that asked to be; and how long the end may take at all is for others to say.
    fn left_at_end(&self, nap: &Nap) -> Option<Duration> {
        let takes_some = self.failures < TRIES_ALIKE && self.asked_to_wait().is_none();
        let (Nap::UntilDue(wait) | Nap::Held(wait)) = *nap;
        (takes_some && wait < NAP_MAX).then_some(wait)
    }

    async fn rest(&mut self, nap: Nap) {
        match nap {
            Nap::UntilDue(wait) => tokio::select! {
                biased;
                () = self.ending.cancelled() => {}
                () = self.bell.notified() => {}
                () = tokio::time::sleep(wait.min(NAP_MAX)) => {}
            },
            Nap::Held(wait) => tokio::select! {
                biased;
                () = self.ending.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            },
        }
    }

    /// Keeps to the rate limit, also while it is ending: the receiver's limit does not end with us.
    async fn pace(&mut self) {
        if let Some(until) = self.paced_until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Brings one batch, and settles it.
    async fn round(&mut self) -> Result<Next, Gone> {
        let due = match self.due(0).await {
            Ok(due) => due,
            Err(error) => return Ok(Next::held(self.failed(&error.to_string()))),
        };
        if !due.unreadable.is_empty() {
            return Ok(self.set_unreadable_aside(due.unreadable).await);
        }
        if due.entries.is_empty() {
            return Ok(Next::Rest(self.until_due(due.next_ms)));
        }
        let findings: Vec<Arc<Finding>> = due.entries.iter().map(|entry| Arc::clone(&entry.finding)).collect();
        self.pace().await;
        let outcomes = self.delivery.sink.deliver(&findings).await?;
        self.paced_until = Instant::now().checked_add(self.delivery.patience.spacing);
        let got_no_further = outcomes.len() < due.entries.len();
        let asked_for = outcomes.last().and_then(Outcome::asked_for);
        self.asked(asked_for).await;
        let settlements = self.settlements(&due.entries, outcomes, Duration::ZERO);
        let took_nothing = settlements.iter().all(|settlement| matches!(settlement, Settlement::Again { .. }));
        if let Err(error) = self.settle(settlements.clone()).await {
            // They are brought again, under the same ids, and no sooner than the sink allows.
            return Ok(Next::held(self.failed(&error.to_string()).max(asked_for.unwrap_or_default())));
        }
        self.count(&settlements);
        let rest = if took_nothing {
            let reason = settlements.iter().find_map(reason_of);
            Some(self.failed(&reason.unwrap_or_else(|| "it gave no answer".to_owned())))
        } else {
            self.over();
            (got_no_further || asked_for.is_some()).then(|| self.wait(0))
        };
        Ok(rest.map_or(Next::Again, |rest| Next::held(rest.max(asked_for.unwrap_or_default()))))
    }

    /// The sink takes findings, which is said if it did not before.
    fn over(&mut self) {
        if std::mem::take(&mut self.is_told) {
            self.tell(NoticeLevel::Info, format!("sink `{}` takes findings again", self.delivery.route.sink));
        }
        self.failures = 0;
        self.told_overflow = (false, false);
    }

    /// Says a failure once, and how long to leave the sink alone.
    fn failed(&mut self, reason: &str) -> Duration {
        self.tell_failure(reason);
        self.failures += 1;
        self.wait(self.failures - 1).max(self.delivery.patience.spacing)
    }

    fn tell_failure(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_told, true) {
            let text =
                format!("sink `{}`: {reason} (it is tried again, and nothing is lost)", self.delivery.route.sink);
            self.tell(NoticeLevel::Warn, text);
        }
    }

    fn wait(&self, failures: usize) -> Duration {
        self.delivery.patience.wait(failures)
    }

    /// What becomes of the entries, of which none comes again sooner than the sink may be spoken to. Those that the sink did
    /// not get to stay as they are, while there is time.
    fn settlements(&self, entries: &[Entry], outcomes: Vec<Outcome>, hold: Duration) -> Vec<Settlement> {
        let mut outcomes = outcomes.into_iter();
        let settlement = |entry: &Entry| match outcomes.next() {
            Some(Outcome::Delivered) => Some(Settlement::Delivered { number: entry.number }),
            Some(Outcome::Refused(reason)) => Some(Settlement::Dead { number: entry.number, reason }),
            Some(Outcome::Retry { cause, reason, after }) => {
                Some(self.again(entry, cause, reason, after.max(Some(hold))))
            }
            None => self.too_late(entry, "the sink did not get to it"),
        };
        entries.iter().filter_map(settlement).collect()
    }

    fn again(&self, entry: &Entry, cause: Cause, reason: String, after: Option<Duration>) -> Settlement {
        self.too_late(entry, &reason).unwrap_or_else(|| {
            *self.report.lock().unwrap_or_else(PoisonError::into_inner).retried.entry(cause).or_default() += 1;
            let wait = self.wait(entry.tries as usize).max(after.unwrap_or_default());
            let tried_ms = self.now_ms();
            let due_ms = tried_ms.saturating_add(wait.as_millis() as i64);
            Settlement::Again { number: entry.number, tried_ms, due_ms, reason }
        })
    }

    fn too_late(&self, entry: &Entry, reason: &str) -> Option<Settlement> {
        let is_late = self.age.has_reached(self.delivery.patience.deadline, entry.since_ms, self.now_ms());
        let reason = format!("not taken in time; at last: {reason}");
        is_late.then_some(Settlement::Dead { number: entry.number, reason })
    }

    fn count(&mut self, settlements: &[Settlement]) {
        for settlement in settlements {
            let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            match settlement {
                Settlement::Delivered { .. } => report.delivered += 1,
                // Counted by its cause.
                Settlement::Again { .. } => {}
                Settlement::Dead { reason, .. } => {
                    report.dead += 1;
                    drop(report);
                    let text = format!("sink `{}`: a finding is given up: {reason}", self.delivery.route.sink);
                    self.tell(NoticeLevel::Error, text);
                }
            }
        }
    }

    async fn set_unreadable_aside(&mut self, numbers: Vec<u64>) -> Next {
        let reason = "it cannot be read; `trailwatch outbox export --dead` gives what there is of it";
        let dead = |number| Settlement::Dead { number, reason: reason.to_owned() };
        let settlements: Vec<Settlement> = numbers.into_iter().map(dead).collect();
        match self.settle(settlements.clone()).await {
            Ok(()) => {
                self.count(&settlements);
                Next::Again
            }
            Err(error) => Next::held(self.failed(&error.to_string())),
        }
    }

    fn until_due(&self, next_ms: Option<i64>) -> Nap {
        Nap::UntilDue(next_ms.map_or(NAP_MAX, |next_ms| Duration::from_millis(since(self.now_ms(), next_ms))))
    }

    /// What is due, and as many more as are known.
    async fn due(&mut self, known: usize) -> Result<Due, StoreError> {
        let (outbox, sink) = (Arc::clone(&self.outbox), Arc::clone(&self.delivery.route.sink));
        let Patience { batch_max, spacing, .. } = self.delivery.patience;
        let batch_max = if spacing.is_zero() { batch_max } else { 1 };
        let now_ms = self.now_ms();
        let due = blocking(move || outbox.due(&sink, now_ms, batch_max + known)).await?;
        self.tell_overflow(due.overflow);
        Ok(due)
    }

    async fn settle(&mut self, settlements: Vec<Settlement>) -> Result<(), StoreError> {
        let (outbox, sink) = (Arc::clone(&self.outbox), Arc::clone(&self.delivery.route.sink));
        let put_out = blocking(move || outbox.settle(&sink, &settlements)).await?;
        self.report.lock().unwrap_or_else(PoisonError::into_inner).put_out += put_out.len() as u64;
        put_out.iter().for_each(|letter| self.tell_put_out(letter));
        Ok(())
    }

    /// Says what is lost for good.
    fn tell_put_out(&self, letter: &PutOut) {
        let (sink, number) = (&self.delivery.route.sink, letter.number);
        let what = match &letter.finding {
            Some(finding) => format!("finding {} of rule `{}`", finding.id, finding.rule.id),
            None => "a finding that cannot be read".to_owned(),
        };
        let text = format!("sink `{sink}`: dead letter {number}, {what}, is kept no longer, for there are too many");
        self.tell(NoticeLevel::Error, text);
    }

    /// Says that the oldest findings had to give way: once, until the sink takes findings again.
    fn tell_overflow(&mut self, overflow: Overflow) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.dead += overflow.given_up;
        report.put_out += overflow.put_out;
        drop(report);
        let sink = Arc::clone(&self.delivery.route.sink);
        if overflow.given_up > 0 && !std::mem::replace(&mut self.told_overflow.0, true) {
            let text = format!(
                "sink `{sink}`: more findings wait than there is room for, and the oldest are given up \
                 (`trailwatch outbox list --dead` shows them)"
            );
            self.tell(NoticeLevel::Error, text);
        }
        if overflow.put_out > 0 && !std::mem::replace(&mut self.told_overflow.1, true) {
            let text = format!("sink `{sink}`: the oldest dead letters are kept no longer, for there are too many");
            self.tell(NoticeLevel::Error, text);
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    fn tell(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }
}

/// What a courier does next.
enum Next {
    /// Looks for more.
    Again,
    /// Waits.
    Rest(Nap),
}

/// A wait that the end of the run cuts short.
enum Nap {
    /// So long, or until something is new.
    UntilDue(Duration),
    /// So long, whatever comes: the sink is to be left alone.
    Held(Duration),
}

impl Next {
    fn held(wait: Duration) -> Self {
        Self::Rest(Nap::Held(wait))
    }
}

fn reason_of(settlement: &Settlement) -> Option<String> {
    match settlement {
        Settlement::Again { reason, .. } | Settlement::Dead { reason, .. } => Some(reason.clone()),
        Settlement::Delivered { .. } => None,
    }
}

/// The milliseconds from one time to a later one.
fn since(from_ms: i64, to_ms: i64) -> u64 {
    to_ms.saturating_sub(from_ms).try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use futures::future::{BoxFuture, FutureExt};

    use super::*;
    use crate::delivery::Origin;
    use crate::event::{Event, EventKey, Fields, projection_of};
    use crate::rule::Rule;
    use crate::store::Waiting;

    #[test]
    fn couriers_do_not_wait_alike() {
        let waits: BTreeSet<Duration> = (0..10).map(|_| Patience::default().wait(3 * TRIES_ALIKE)).collect();
        assert!(waits.len() > 1, "{waits:?}");
        assert!(waits.iter().all(|wait| (8..=16).contains(&wait.as_secs())), "{waits:?}");
    }

    fn finding() -> Arc<Finding> {
        let rule = "id = \"fire\"\ntitle = \"fire\"\nseverity = \"high\"\n[match]\neventName = \"Fire\"\n";
        let rule = Rule::parse(Path::new("fire.toml"), rule.to_owned()).unwrap();
        let (whole, mut fields) = (projection_of([]), Fields::default());
        let event = Event::read(r#"{"eventName":"Fire"}"#, &whole, &mut fields).unwrap();
        Arc::new(Finding::new(&rule, &event, &EventKey::of(&event, &Origin::whole("x"))))
    }

    /// An outbox in which there is always the same, since nothing can be written.
    struct Stuck;

    impl Outbox for Stuck {
        fn due(&self, sink: &str, now_ms: i64, _: usize) -> Result<Due, StoreError> {
            let (sink, finding, reason) = (sink.into(), finding(), String::new());
            let entry = Entry { number: 1, sink, finding, since_ms: now_ms, due_ms: now_ms, tries: 0, reason };
            Ok(Due { entries: vec![entry], ..Due::default() })
        }

        fn settle(&self, _: &str, _: &[Settlement]) -> Result<Vec<PutOut>, StoreError> {
            Err(StoreError::Other("disk full".to_owned()))
        }

        fn keep(&self, _: &str, _: u64) -> Result<(), StoreError> {
            Err(StoreError::Other("disk full".to_owned()))
        }

        fn kept(&self, _: &str) -> Result<Option<u64>, StoreError> {
            Ok(None)
        }

        fn waiting(&self, _: &str) -> Result<Waiting, StoreError> {
            Ok(Waiting::default())
        }
    }

    /// Asks to be left alone for an hour, and counts how often it is spoken to.
    #[derive(Clone, Default)]
    struct Shy(Arc<Mutex<u32>>);

    impl Sink for Shy {
        fn name(&self) -> &str {
            "shy"
        }

        fn deliver<'a>(&'a mut self, _: &'a [Arc<Finding>]) -> BoxFuture<'a, Result<Vec<Outcome>, Gone>> {
            *self.0.lock().unwrap() += 1;
            let after = Some(Duration::from_secs(3_600));
            async move {
                Ok(vec![Outcome::Retry { cause: Cause::Throttled, reason: "too many requests".to_owned(), after }])
            }
            .boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_is_left_alone_also_if_that_cannot_be_noted() {
        let shy = Shy::default();
        let route = Route { sink: "shy".into(), min_severity: Severity::Informational, tags: Vec::new() };
        let delivery = Delivery { route, sink: Box::new(shy.clone()), patience: Patience::default() };
        let courier = Courier::new(delivery, Arc::new(Stuck), CancellationToken::new(), Clock::default());
        let run = courier.run(Arc::new(|_| {}));
        assert!(tokio::time::timeout(Duration::from_secs(3_000), run).await.is_err(), "it goes on trying");
        assert_eq!(*shy.0.lock().unwrap(), 1);
    }
}
