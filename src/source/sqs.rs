//! A queue: events that EventBridge or SNS put there, and objects that S3 or CloudTrail tell of there.
//!
//! The decision worth knowing: a message is deleted only when everything in it is committed, and kept hidden from other
//! readers until then. What cannot be read or decoded is left to the queue, whose redrive policy moves it to the
//! dead-letter queue in the end; nothing is deleted because it is broken.
//!
//! ```text
//! receive ─Message─▶ notification::read ─┬─ its body ────────────────▶ Delivery ─▶ next()
//!    ▲                                   └─ objects ─▶ s3::fetch ─────────┘
//!    └── Held: hidden, deleted or left ◀─ keeper.rs ◀── commit(), reject()
//! ```
//!
//! Receiving and fetching are tasks, so that `next` may be dropped at any time.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify as Bell;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::aws::trail::FindTrail;
use super::aws::trouble::{Failure, FailureKind};
use super::aws::{lock, system_clock};
use super::s3::object::Terms;
use super::{Notice, NoticeLevel, Notify, Source, SourceError, SourceReport};
use crate::delivery::{Delivery, Receipt};

mod connect;
mod held;
mod keeper;
mod message;
mod objects;
mod queue;
mod reader;
mod refuse;
mod trail;

pub use super::aws::{Access, Clock, load};
pub use connect::{Clients, Connect, connector, local_connector};
pub use queue::{arn_of, region_of};

use held::Held;
use keeper::Troubles;
use queue::Queue;
use reader::Reader;

/// What to read, and how.
#[derive(Clone)]
pub struct Settings {
    /// The queue: its URL, its name, or its ARN.
    pub queue: String,
    /// The region of the queue; that of the clients which `Connect` gives. [`region_of`] reads it off a URL or an ARN.
    pub region: String,
    /// The name for origins and reports; the queue's name where it is `None`.
    pub name: Option<String>,
    /// Whether to wait for more when the queue is empty; true. Else the source ends there.
    pub follow: bool,
    /// Messages that are held at most, received and neither deleted nor given back; 1,000. SQS allows about 120,000 to
    /// all readers of a queue together.
    pub messages_max: usize,
    /// How long SQS hides a message from other readers before it has to hear of us again, in whole seconds; 60 seconds.
    /// After a crash, messages come back so much later. They are kept hidden for as long as work on them goes on.
    pub visibility: Duration,
    /// The buckets whose objects may be read; empty for any, which leaves it to the queue's policy who can make us read.
    pub buckets: Vec<String>,
    /// The account that every bucket must belong to; `None` for any.
    pub bucket_owner: Option<String>,
    /// The bytes of an object, as it lies in the bucket; 64 MiB. A larger one is not read. CloudTrail's end at 50 MB.
    pub object_bytes_max: u64,
    /// Objects that are fetched at the same time; 8.
    pub objects_at_once: usize,
    /// The trail whose events come by the queue, which is asked whether it goes on; none.
    pub trail: Option<FindTrail>,
    /// How often it is asked; every five minutes.
    pub trail_every: Duration,
    /// Where the time comes from; the system's clock.
    pub clock: Clock,
}

impl Settings {
    /// Settings to follow a queue. Change what you need.
    pub fn new(queue: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            region: region.into(),
            name: None,
            follow: true,
            messages_max: 1_000,
            visibility: Duration::from_secs(60),
            buckets: Vec::new(),
            bucket_owner: None,
            object_bytes_max: 64 << 20,
            objects_at_once: 8,
            trail: None,
            trail_every: Duration::from_secs(300),
            clock: system_clock(),
        }
    }
}

/// Calls in a row for an object that bring nothing, before its message waits without taking anybody's place.
const OBJECT_TRIES_MAX: u32 = 3;

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Neither a URL, a name nor an ARN.
    #[error(
        "`{queue}` is neither the URL, the name nor the ARN of a queue (a URL looks like \
         `https://sqs.us-east-1.amazonaws.com/111122223333/NAME`)"
    )]
    Queue {
        /// What was given.
        queue: String,
    },
    /// The URL or ARN says another region than the settings.
    #[error("queue `{queue}` is in `{theirs}`, not in `{ours}` (choose its region: `--region {theirs}`)")]
    Region {
        /// The queue's name.
        queue: String,
        /// The region of the URL or ARN.
        theirs: String,
        /// The region of the settings.
        ours: String,
    },
    /// SQS hides messages for 1 second to 12 hours.
    #[error("messages cannot be hidden for {seconds} seconds (SQS takes 1 to 43200)")]
    Visibility {
        /// What was given.
        seconds: u64,
    },
}

/// Reads one queue. See the module's documentation.
pub struct Sqs {
    shared: Arc<Shared>,
    reader: tokio::sync::Mutex<Reader>,
    /// What goes on beside reading: keeping, and asking after the trail.
    tasks: OnceLock<Vec<AbortHandle>>,
    /// Cancelled when the keeper has ended, which it never does but by a defect.
    unkept: CancellationToken,
}

/// What reading and keeping have in common.
struct Shared {
    settings: Settings,
    queue: Queue,
    name: Arc<str>,
    terms: Terms,
    connect: Connect,
    notify: Notify,
    report: Mutex<SourceReport>,
    held: Mutex<Held>,
    troubles: Mutex<Troubles>,
    way: Mutex<Option<Way>>,
    /// Rings when there may be something to tell SQS.
    settled: Bell,
    /// Rings when fewer messages are held.
    freed: Bell,
}

/// How the queue is reached.
#[derive(Debug, Clone)]
struct Way {
    clients: Clients,
    url: String,
}

impl Sqs {
    /// Makes a source. Nothing is read before the first `next`.
    ///
    /// `connect` must give clients of the settings' region with the SDK's retries switched off, as those of
    /// [`connector`] are.
    pub fn new(settings: Settings, connect: Connect, notify: Notify) -> Result<Self, SettingsError> {
        let queue = Queue::parse(&settings.queue)?;
        if let Some(theirs) = queue.region.clone().filter(|theirs| *theirs != settings.region) {
            return Err(SettingsError::Region { queue: queue.name, theirs, ours: settings.region });
        }
        let seconds = settings.visibility.as_secs();
        if !(1..=43_200).contains(&seconds) {
            return Err(SettingsError::Visibility { seconds });
        }
        let shared = Shared {
            name: settings.name.as_deref().unwrap_or(&queue.name).into(),
            terms: Terms {
                bucket_owner: settings.bucket_owner.clone(),
                bytes_max: settings.object_bytes_max,
                tries_max: OBJECT_TRIES_MAX,
            },
            held: Mutex::new(Held::new(seconds as i64 * 1_000)),
            settings,
            queue,
            connect,
            notify,
            report: Mutex::default(),
            troubles: Mutex::default(),
            way: Mutex::default(),
            settled: Bell::new(),
            freed: Bell::new(),
        };
        let (shared, tasks, unkept) = (Arc::new(shared), OnceLock::new(), CancellationToken::new());
        Ok(Self { reader: tokio::sync::Mutex::new(Reader::new(Arc::clone(&shared))), shared, tasks, unkept })
    }

    /// Begins to keep messages hidden and to ask after the trail, once there is a runtime to do it on.
    fn begin(&self) {
        self.tasks.get_or_init(|| {
            let (shared, guard) = (Arc::clone(&self.shared), self.unkept.clone().drop_guard());
            let keeper = async move {
                let _guard = guard;
                keeper::keep(shared).await;
            };
            let mut tasks = vec![tokio::spawn(keeper).abort_handle()];
            if let Some(find) = self.shared.settings.trail.clone() {
                tasks.push(tokio::spawn(trail::watch(Arc::clone(&self.shared), find)).abort_handle());
            }
            tasks
        });
    }

    fn end(&self) {
        self.tasks.get().into_iter().flatten().for_each(AbortHandle::abort);
    }

    fn settle(&self, receipts: &[Receipt], spoilt: bool) {
        let left = lock(&self.shared.held).settle(receipts, spoilt, self.shared.now_ms());
        self.shared.report().left += left;
        self.shared.settled.notify_one();
    }
}

impl Source for Sqs {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.shared.name)
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        Box::pin(async {
            self.begin();
            let mut reader = self.reader.lock().await;
            tokio::select! {
                batch = reader.next_batch() => batch,
                // Nothing would be deleted any more, nor kept hidden.
                () = self.unkept.cancelled() => panic!("the keeper of queue `{}` has ended", self.shared.name),
            }
        })
    }

    /// The messages are deleted soon after; whoever waits for that calls [`close`](Source::close).
    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.settle(receipts, false);
        Box::pin(std::future::ready(Ok(())))
    }

    fn reject<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.settle(receipts, true);
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.reader.lock().await.stop().await;
            self.end();
            self.shared.tell_the_rest().await;
        })
    }

    fn report(&self) -> SourceReport {
        lock(&self.shared.report).clone()
    }
}

/// What is not given back is visible again when its time is over.
impl Drop for Sqs {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn now_ms(&self) -> i64 {
        (self.settings.clock)()
    }

    fn report(&self) -> MutexGuard<'_, SourceReport> {
        lock(&self.report)
    }

    fn notify(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }

    fn policy_arn(&self) -> String {
        self.queue.policy_arn(&self.settings.region)
    }

    fn visibility_seconds(&self) -> i32 {
        i32::try_from(self.settings.visibility.as_secs()).unwrap_or(i32::MAX)
    }

    /// The client and the URL of the queue, once they are known.
    fn way(&self) -> Result<(aws_sdk_sqs::Client, String), Failure> {
        let way = lock(&self.way);
        let way = way.as_ref().ok_or_else(|| Failure::new(FailureKind::Unavailable, "there is no connection yet"))?;
        Ok((way.clients.sqs.clone(), way.url.clone()))
    }
}
