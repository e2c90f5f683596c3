//! From sources to sinks: receive, decode and match, sequence, commit, deliver.
//!
//! The only module that knows both ends. Sources run side by side; batches are decoded and matched in parallel, in
//! order; one sequencer owns everything that has memory. What is handed to a source as committed has been in the
//! store before.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::condition::Condition;
use crate::decode::{Limits, Reject};
use crate::delivery::Delivery;
use crate::engine::RuleSet;
use crate::event::RawEvent;
use crate::finding::Finding;
use crate::sink::{Gone, Sink};
use crate::source::{Notice, NoticeLevel, Notify, Source, SourceError};
use crate::store::{Outbox, Store, blocking};

mod accounts;
mod clock;
mod courier;
mod evaluate;
mod handle;
mod sequencer;
pub mod summary;
mod weight;

pub use accounts::Accounts;
pub use clock::Clock;
use courier::Courier;
pub use courier::{CourierReport, Delivery as SinkDelivery, Patience, Route};
use evaluate::{Evaluated, Evaluator, Receipts};
pub use handle::Handle;
use handle::Round;
use sequencer::{Outputs, Sequencer};
pub use summary::Summary;

/// Everything a run is made of.
pub struct Pipeline {
    /// What is matched.
    pub rules: Arc<RuleSet>,
    /// What an event must fulfil to be shown and matched at all.
    pub filter: Option<Condition>,
    /// Where deliveries come from.
    pub sources: Vec<Arc<dyn Source>>,
    /// Whose events are wanted of them; those of others are counted, and neither shown nor matched.
    pub accounts: Accounts,
    /// What survives.
    pub store: Box<dyn Store>,
    /// Where findings go as they are committed.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Where findings go by way of the outbox.
    pub couriers: Option<Couriers>,
    /// Who watches every event, if anybody.
    pub tap: Option<Box<dyn Tap>>,
    /// The bounds of decoding.
    pub limits: Limits,
    /// The bounds of the pipeline itself.
    pub bounds: Bounds,
    /// Where notices go.
    pub notify: Notify,
    /// Ends the run: what has been received is dealt with, nothing more is received.
    pub stop: CancellationToken,
}

/// Sinks that are served from an outbox.
pub struct Couriers {
    /// The outbox of the store that the run commits to.
    pub outbox: Arc<dyn Outbox>,
    /// The sinks.
    pub deliveries: Vec<SinkDelivery>,
    /// How long, from the stop on, a run may take to deliver what is due and to close its sources.
    pub drain: Duration,
}

/// Sees every event once, after it is committed, in the order of commits.
pub trait Tap: Send {
    /// Whether it is shown events. Who is not keeps none of them in memory until their commit.
    fn wants_events(&self) -> bool {
        true
    }

    /// An event, and the findings it led to.
    fn event(&mut self, raw: &RawEvent, findings: &[Arc<Finding>]) -> io::Result<()>;

    /// A digest, which is no single event's. A tap that shows no findings leaves it.
    fn digest(&mut self, _digest: &Finding) -> io::Result<()> {
        Ok(())
    }

    /// Bytes that did not decode.
    fn reject(&mut self, reject: &Reject) -> io::Result<()>;

    /// The end of a group: whatever is buffered has to go out.
    fn flush(&mut self) -> io::Result<()>;

    /// The end of the run.
    fn finish(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// The bounds of the pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of deliveries that are on their way from the sources to their commit, and of what they say they inflate to. A
    /// single larger batch goes alone.
    pub bytes_in_flight: usize,
    /// Batches that wait between a source and the matcher.
    pub batches_waiting: usize,
    /// Batches that are decoded and matched at the same time.
    pub batches_matched: usize,
    /// Batches that one transaction takes in at most.
    pub batches_committed: usize,
    /// Event keys that are remembered at most, in two generations.
    pub keys_remembered: usize,
    /// Events after which the run stops, as if there were no more.
    pub events_max: u64,
    /// Times that a finding is brought to a sink that asks for it again.
    pub deliveries_tried: u32,
    /// Which matches are findings.
    pub suppression: Suppression,
    /// Windows that are open at most; of more, those that would be over first end before their time.
    pub windows_open: usize,
}

/// What becomes of a rule's `suppress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Suppression {
    /// Nothing is held back.
    Off,
    /// Windows end by the clock, as fits what happens now.
    #[default]
    ByTheClock,
    /// Windows end with the run, as fits what has happened: how fast it is read changes nothing.
    ToTheEnd,
}

impl Default for Bounds {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            bytes_in_flight: 64 << 20,
            batches_waiting: 4,
            batches_matched: cores,
            batches_committed: 16,
            keys_remembered: 2_000_000,
            events_max: u64::MAX,
            deliveries_tried: 10,
            suppression: Suppression::default(),
            windows_open: 50_000,
        }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every source has ended, or the run was told to stop.
    Finished,
    /// Nobody reads the output any more.
    OutputClosed,
    /// The output cannot be written: a full disk, say.
    OutputFailed(String),
    /// A source could not go on.
    SourceFailed(SourceError),
}

/// A batch on its way.
struct Received {
    /// The number of its source.
    source: usize,
    batch: Vec<Delivery>,
    /// Its share of [`Bounds::bytes_in_flight`], given back when it is dropped.
    weight: OwnedSemaphorePermit,
}

/// What is the same for all readers.
#[derive(Clone)]
struct Way {
    sender: mpsc::Sender<Received>,
    /// In units of [`weight::UNIT`].
    room: Arc<Semaphore>,
    room_total: u32,
    stop: CancellationToken,
}

impl Pipeline {
    /// Runs to the end.
    pub async fn run(self) -> (Summary, Ended) {
        let (_, run) = self.begin();
        run.await
    }

    /// Prepares a run: it goes on while the future is polled, and may be watched by the handle. Needs a runtime.
    pub fn begin(self) -> (Handle, impl Future<Output = (Summary, Ended)>) {
        self.begin_by(Clock::default())
    }

    /// The same, by a clock.
    pub fn begin_by(mut self, clock: Clock) -> (Handle, impl Future<Output = (Summary, Ended)>) {
        let rounds = Rounds::of(self.couriers.take(), &clock);
        let handle = Handle::new(self.sources.clone(), Arc::clone(&self.rules), rounds.each());
        (handle.clone(), self.run_under(handle, rounds, clock))
    }

    async fn run_under(self, handle: Handle, mut rounds: Rounds, clock: Clock) -> (Summary, Ended) {
        let Pipeline { filter, sources, accounts, store, sinks, tap, limits, bounds, notify, stop, .. } = self;
        let of = (&accounts, &sources[..]);
        let keep = tap.as_ref().is_some_and(|tap| tap.wants_events());
        let evaluator = Arc::new(Evaluator::new(Arc::clone(&handle.rules), filter, of, limits, keep));
        let (sender, receiver) = mpsc::channel(bounds.batches_waiting);
        let room_total = (bounds.bytes_in_flight / weight::UNIT).clamp(1, Semaphore::MAX_PERMITS.min(1 << 30));
        let room = Arc::new(Semaphore::new(room_total));
        let way = Way { sender, room, room_total: room_total as u32, stop: stop.clone() };
        let mut readers = JoinSet::new();
        for (number, source) in sources.iter().enumerate() {
            readers.spawn(or_stop(stop.clone(), read(number, Arc::clone(source), way.clone())));
        }
        drop(way);
        let mut stopped = JoinSet::new();
        stopped.spawn(stopped_at(stop.clone()));

        let mut groups = Box::pin(evaluated(receiver, evaluator, &bounds).ready_chunks(bounds.batches_committed));
        rounds.start(&notify, &stop);
        let outputs = Outputs { sinks, tap, handle: handle.clone(), clock };
        let mut sequencer = Sequencer::new(sources.clone(), store, outputs, bounds, Arc::clone(&notify), stop.clone());
        let mut gone = Ok(());
        while let Some(group) = next_group(&mut groups, sequencer.until_due()).await {
            gone = sequencer.take(group).await;
            if gone.is_err() {
                stop.cancel();
                break;
            }
        }
        drop(groups);
        let failure = join_all_readers(&mut readers).await;
        if gone.is_ok() {
            gone = sequencer.end_windows().await;
        }
        let (mut summary, finished) = sequencer.finish();
        let begun = stopped.try_join_next().and_then(Result::ok).unwrap_or_else(Instant::now);
        let until = rounds.drain.map(|drain| begun + drain);
        let ((), ended) = tokio::join!(close(&sources, until, &notify), rounds.end(until));
        gone = gone.and(finished).and(ended);
        handle.complete(&mut summary);
        let ended = match (gone, failure) {
            (Err(gone), _) if gone.0.kind() == io::ErrorKind::BrokenPipe => Ended::OutputClosed,
            (Err(gone), _) => Ended::OutputFailed(gone.0.to_string()),
            (Ok(()), Some(error)) => Ended::SourceFailed(error),
            (Ok(()), None) => Ended::Finished,
        };
        (summary, ended)
    }
}

/// The couriers on their way.
struct Rounds {
    couriers: Vec<Courier>,
    tasks: JoinSet<Result<(), Gone>>,
    ending: CancellationToken,
    /// How long closing may take, if there is anything to deliver.
    drain: Option<Duration>,
}

impl Rounds {
    /// Couriers for every sink, before they set off.
    fn of(couriers: Option<Couriers>, clock: &Clock) -> Self {
        let (tasks, ending) = (JoinSet::new(), CancellationToken::new());
        let Some(Couriers { outbox, deliveries, drain }) = couriers else {
            return Self { couriers: Vec::new(), tasks, ending, drain: None };
        };
        let courier = |delivery| Courier::new(delivery, Arc::clone(&outbox), ending.clone(), clock.clone());
        let couriers = deliveries.into_iter().map(courier).collect();
        Self { couriers, tasks, ending, drain: Some(drain) }
    }

    /// What each is to be given.
    fn each(&self) -> Vec<Round> {
        let round = |courier: &Courier| Round {
            route: courier.delivery.route.clone(),
            bell: Arc::clone(&courier.bell),
            report: Arc::clone(&courier.report),
        };
        self.couriers.iter().map(round).collect()
    }

    /// Sends every courier off. One whose sink is gone stops the run, and so does one that panics.
    fn start(&mut self, notify: &Notify, stop: &CancellationToken) {
        for courier in self.couriers.drain(..) {
            let (notify, stop) = (Arc::clone(notify), stop.clone());
            let gone = stop.clone();
            self.tasks.spawn(or_stop(stop, async move { courier.run(notify).await.inspect_err(|_| gone.cancel()) }));
        }
    }

    /// Lets the couriers bring what is due. What is not delivered by then stays in the outbox.
    async fn end(mut self, until: Option<Instant>) -> Result<(), Gone> {
        self.ending.cancel();
        let (mut gone, mut panic) = (Ok(()), None);
        let drained = tokio::time::timeout_at(until.unwrap_or_else(Instant::now), async {
            while let Some(joined) = self.tasks.join_next().await {
                match joined {
                    Ok(result) => gone = std::mem::replace(&mut gone, Ok(())).and(result),
                    Err(error) => panic = Some(error.into_panic()),
                }
            }
        });
        let _ = drained.await;
        // The others were let finish.
        panic.map_or(gone, |panic| std::panic::resume_unwind(panic))
    }
}

/// Runs a task without which there is no point in going on: one that panics stops the run.
async fn or_stop<T>(stop: CancellationToken, task: impl Future<Output = T>) -> T {
    let guard = stop.drop_guard();
    let done = task.await;
    guard.disarm();
    done
}

/// Waits for the stop: when it was.
async fn stopped_at(stop: CancellationToken) -> Instant {
    stop.cancelled().await;
    Instant::now()
}

/// Lets the sources tell their services what became of what they gave.
async fn close(sources: &[Arc<dyn Source>], until: Option<Instant>, notify: &Notify) {
    let closed = join_all(sources.iter().map(|source| source.close()));
    let time_is_over = async {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = closed => {}
        () = time_is_over => {
            let text = "not all sources could be closed in time (what they could not tell their services comes again)";
            notify(Notice { level: NoticeLevel::Warn, text: text.to_owned() });
        }
    }
}

/// Hands on what a source gives until it ends, fails, or the run stops. A source that fails ends the run: going on
/// with the others would hide it.
async fn read(source_number: usize, source: Arc<dyn Source>, way: Way) -> Result<(), SourceError> {
    loop {
        let batch = tokio::select! {
            biased;
            () = way.stop.cancelled() => return Ok(()),
            batch = source.next() => batch.inspect_err(|_| way.stop.cancel())?,
        };
        let Some(batch) = batch else { return Ok(()) };
        let units = weight::units(&batch, way.room_total);
        // The semaphore is never closed.
        let Ok(weight) = Arc::clone(&way.room).acquire_many_owned(units).await else { return Ok(()) };
        if way.sender.send(Received { source: source_number, batch, weight }).await.is_err() {
            return Ok(());
        }
    }
}

/// Decodes and matches batches side by side; what comes out is in the order of what came in.
fn evaluated(
    receiver: mpsc::Receiver<Received>,
    evaluator: Arc<Evaluator>,
    bounds: &Bounds,
) -> impl Stream<Item = Evaluated> + use<> {
    let batches = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    batches
        .map(move |Received { source, batch, weight }| {
            let evaluator = Arc::clone(&evaluator);
            // A panic in it ends the run: going on without the batch would lose it.
            blocking(move || evaluator.evaluate(source, batch, weight))
        })
        .buffered(bounds.batches_matched)
}

/// The next group; an empty one when the time has come that a window is over.
async fn next_group(
    groups: &mut (impl Stream<Item = Vec<Evaluated>> + Unpin),
    until_due: Option<Duration>,
) -> Option<Vec<Evaluated>> {
    let Some(until_due) = until_due else { return groups.next().await };
    tokio::select! {
        biased;
        group = groups.next() => group,
        () = tokio::time::sleep(until_due) => Some(Vec::new()),
    }
}

/// Waits for every source; the first failure is the one told.
async fn join_all_readers(readers: &mut JoinSet<Result<(), SourceError>>) -> Option<SourceError> {
    let mut failure = None;
    while let Some(ended) = readers.join_next().await {
        match ended {
            Ok(Err(error)) => failure = failure.or(Some(error)),
            Ok(Ok(())) => {}
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    failure
}

/// Tells every source which of its receipts are committed, and which of them stand for what nobody could decode.
async fn acknowledge(sources: &[Arc<dyn Source>], receipts: &[Receipts], notify: &Notify) {
    let told = sources.iter().zip(receipts).map(|(source, receipts)| tell(source.as_ref(), receipts));
    for error in join_all(told).await.into_iter().filter_map(Result::err) {
        notify(Notice { level: NoticeLevel::Warn, text: error.to_string() });
    }
}

async fn tell(source: &dyn Source, receipts: &Receipts) -> Result<(), SourceError> {
    let Receipts { good, undecodable } = receipts;
    let committed = if good.is_empty() { Ok(()) } else { source.commit(good).await };
    let rejected = if undecodable.is_empty() { Ok(()) } else { source.reject(undecodable).await };
    committed.and(rejected)
}
