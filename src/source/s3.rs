//! The objects under a prefix of a bucket, read once: history as CloudTrail keeps it.
//!
//! The decision worth knowing: keys are listed folder by folder, so that accounts' other logs, digests and days that are not
//! wanted are never listed. Objects are fetched side by side and handed over in the order of their keys, so what comes out
//! is the same at every run.
//!
//! ```text
//! Walk ─keys─▶ fetching, several at once ─▶ in order ─▶ Delivery ─▶ next()
//! ```

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_s3::Client;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::task::JoinHandle;

use super::aws::access::{load_for, local};
use super::aws::lock;
use super::aws::requests::Counted;
use super::aws::trouble::{Failure, FailureKind, Trouble};
use super::notification::Object;
use super::{Notice, NoticeLevel, Notify, Source, SourceError, SourceReport};
use crate::delivery::{Delivery, Origin, Receipt};
use crate::store::Checkpoint;

mod bucket;
pub(in crate::source) mod object;
mod refuse;
mod walk;

pub use super::aws::Access;
pub use super::progress::Progress;
pub use bucket::Bucket;
pub(crate) use object::bucket_region;
use object::{Calls, Terms, Whole, fetch};
use walk::{Listed, Walk};

/// Gives a client. The SDK's retries must be off: failures are counted and waited out by the source.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, Result<Client, SourceError>> + Send + Sync>;

/// Makes a [`Connect`] that loads everything anew each time.
pub fn connector(access: Access) -> Connect {
    let access = Arc::new(access);
    Arc::new(move || {
        let access = Arc::clone(&access);
        Box::pin(async move {
            let loaded = load_for(&access, "S3").await?;
            Ok(client(&loaded.config, loaded.endpoint_url.is_some()))
        })
    })
}

/// Makes a [`Connect`] for a stand-in of AWS on this machine, with credentials that are made up.
pub fn local_connector(endpoint_url: impl Into<String>, region: impl Into<String>) -> Connect {
    let client = client(&local(endpoint_url, region), true);
    Arc::new(move || Box::pin(std::future::ready(Ok(client.clone()))))
}

/// Other endpoints than AWS's seldom answer to the names of buckets as hosts.
pub(crate) fn client(config: &aws_config::SdkConfig, is_other_endpoint: bool) -> Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(is_other_endpoint);
    Client::from_conf(config.interceptor(Counted).build())
}

/// What to read, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bucket.
    pub bucket: String,
    /// What keys begin with.
    pub prefix: String,
    /// The first day of delivery that is wanted, where keys say one; in milliseconds since 1970, of which the day counts.
    pub since_ms: Option<i64>,
    /// The last moment of which events are wanted, in milliseconds since 1970. What was delivered within a day after it is
    /// read too, since events are delivered late.
    pub until_ms: Option<i64>,
    /// The accounts whose events are wanted; empty for all. Where any is named, nothing but CloudTrail's own files is read.
    pub accounts: Vec<String>,
    /// The regions of events that are wanted; empty for all. Where any is named, nothing but CloudTrail's own files is read.
    pub regions: Vec<String>,
    /// The account that the bucket must belong to; `None` for any.
    pub bucket_owner: Option<String>,
    /// The position of an earlier run, which this one goes on from.
    pub resume: Option<String>,
    /// The bytes of an object, as it lies in the bucket; 512 MiB. A larger one is not read.
    pub object_bytes_max: u64,
    /// Objects that are fetched at the same time; 8. So many may wait in memory.
    pub objects_at_once: usize,
}

impl Settings {
    /// Settings for everything under `s3://BUCKET/PREFIX`; `None` if it does not look like that.
    pub fn of_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_bucket = (3..=63).contains(&bucket.len()) && bucket.chars().all(is_allowed);
        is_bucket.then(|| Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            since_ms: None,
            until_ms: None,
            accounts: Vec::new(),
            regions: Vec::new(),
            bucket_owner: None,
            resume: None,
            object_bytes_max: 512 << 20,
            objects_at_once: 8,
        })
    }

    fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

/// Calls in a row that may fail before the bucket, or an object, is given up: about a minute.
const TRIES_MAX: u32 = 8;

/// Reads the objects under a prefix. See the module's documentation.
pub struct Objects {
    settings: Settings,
    name: Arc<str>,
    connect: Connect,
    notify: Notify,
    progress: Progress,
    report: Mutex<SourceReport>,
    witness: Option<Arc<dyn Witness>>,
    on_the_way: Mutex<OnTheWay>,
    reader: tokio::sync::Mutex<Reader>,
}

/// Knows of each object whether it is what was delivered.
pub trait Witness: Send + Sync {
    /// What is wrong with an object, if anything is. Asked for several objects at the same time, about in the order of
    /// their keys.
    fn judge<'a>(&'a self, key: &'a str, body: &'a Bytes) -> BoxFuture<'a, Result<(), String>>;

    /// Nothing more will be asked: says what there is to say in the end, and how many things were wrong beside objects.
    fn finish(&self) -> BoxFuture<'_, u64>;
}

/// Objects that were handed over, in the order of the walk, from the first on that is not committed.
#[derive(Debug, Default)]
struct OnTheWay {
    objects: VecDeque<(Receipt, String)>,
    /// Those of them that are committed.
    done: HashSet<Receipt>,
}

impl OnTheWay {
    /// The key up to which everything is committed once these are, if that is further than before.
    fn position(&self, receipts: &[Receipt]) -> Option<&str> {
        let is_done = |(receipt, _): &&(Receipt, String)| self.done.contains(receipt) || receipts.contains(receipt);
        self.objects.iter().take_while(is_done).last().map(|(_, key)| key.as_str())
    }

    fn add(&mut self, receipt: Receipt, key: String) {
        // What waits behind an object that cannot be read is remembered up to a bound.
        let is_full = self.objects.len() >= ON_THE_WAY_MAX;
        if is_full && self.objects.front().is_some_and(|(receipt, _)| *receipt == UNREAD) {
            self.objects.pop_front();
            self.commit(&[]);
        }
        self.objects.push_back((receipt, key));
    }

    fn commit(&mut self, receipts: &[Receipt]) {
        self.done.extend(receipts);
        while self.objects.front().is_some_and(|(receipt, _)| self.done.remove(receipt)) {
            self.objects.pop_front();
        }
    }
}

/// Of an object that could not be read: nobody commits it, so a scan that goes on later tries it again.
const UNREAD: Receipt = Receipt(u64::MAX);

/// Keys that are remembered behind such an object.
const ON_THE_WAY_MAX: usize = 100_000;

/// What was begun and is not finished. Changed only between awaits, so that dropping the future of `next` loses nothing.
struct Reader {
    walk: Walk,
    client: Option<Client>,
    /// The region that S3 says the bucket is in.
    region: Option<String>,
    keys: VecDeque<String>,
    fetching: VecDeque<Fetching>,
    trouble: Trouble,
    receipts: u64,
    found: bool,
}

/// An object on its way.
struct Fetching {
    key: String,
    task: JoinHandle<Fetched>,
}

/// What fetching took, what came of it, and what the witness says of that.
type Fetched = (Calls, Result<(Bytes, Result<(), String>), Failure>);

impl Objects {
    /// Makes a source. Nothing is read before the first `next`.
    pub fn new(settings: Settings, connect: Connect, notify: Notify) -> Self {
        let reader = Reader {
            walk: Walk::new(&settings),
            client: None,
            region: None,
            keys: VecDeque::new(),
            fetching: VecDeque::new(),
            trouble: Trouble::default(),
            receipts: 0,
            found: false,
        };
        Self {
            name: settings.url().into(),
            settings,
            connect,
            notify,
            progress: Progress::default(),
            report: Mutex::default(),
            witness: None,
            on_the_way: Mutex::default(),
            reader: tokio::sync::Mutex::new(reader),
        }
    }

    /// The same, with somebody who is shown every object.
    pub fn witnessed_by(self, witness: Arc<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// How far reading has got, for a progress bar. The total grows while keys are listed.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Lists everything once, ahead of reading, so that the total is known soon. Failures are left to the reading.
    pub async fn measure(&self) {
        let Ok(client) = (self.connect)().await else { return };
        let (mut walk, mut bytes) = (Walk::new(&self.settings), 0);
        let mut region = None;
        while !walk.has_ended() {
            if let Some(listed) = walk.listed() {
                bytes += listed.bytes;
                self.progress.expect(bytes);
                continue;
            }
            self.report().calls += 1;
            match walk.list(&client, &self.settings, region.as_deref()).await {
                Ok(listed) => bytes += listed.bytes,
                Err((_, Some(elsewhere))) if region.as_ref() != Some(&elsewhere) => region = Some(elsewhere),
                Err(_) => return,
            }
            self.progress.expect(bytes);
        }
    }

    async fn next_batch(&self) -> Result<Option<Vec<Delivery>>, SourceError> {
        let reader = &mut *self.reader.lock().await;
        let client = match &reader.client {
            Some(client) => client.clone(),
            None => reader.client.insert((self.connect)().await?).clone(),
        };
        loop {
            // Listing goes ahead of fetching, so that there is always something to fetch.
            if reader.keys.len() < self.settings.objects_at_once && !reader.walk.has_ended() {
                self.list(reader, &client).await?;
                continue;
            }
            self.begin(reader, &client);
            let Some(first) = reader.fetching.front_mut() else { break };
            let fetched = match (&mut first.task).await {
                Ok(done) => done,
                // Going on would lose an object without a word; a panic here is a defect and has to end the run.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            let Some(Fetching { key, .. }) = reader.fetching.pop_front() else { break };
            if let Some(delivery) = self.take(reader, &client, key, fetched) {
                return Ok(Some(vec![delivery]));
            }
        }
        if let Some(witness) = &self.witness {
            let wrong = witness.finish().await;
            self.report().unvouched += wrong;
        }
        if !reader.found {
            self.tell(NoticeLevel::Warn, format!("there is no object to read under {}", self.name));
        }
        Ok(None)
    }

    /// Lists one page of keys.
    async fn list(&self, reader: &mut Reader, client: &Client) -> Result<(), SourceError> {
        if let Some(listed) = reader.walk.listed() {
            self.take_listed(reader, listed);
            return Ok(());
        }
        self.report().calls += 1;
        match reader.walk.list(client, &self.settings, reader.region.as_deref()).await {
            Ok(listed) => {
                reader.trouble.over();
                self.take_listed(reader, listed);
                Ok(())
            }
            Err((_, Some(region))) if reader.region.as_ref() != Some(&region) => {
                reader.region = Some(region);
                Ok(())
            }
            Err((failure, _)) => self.take_failure(reader, client, failure).await,
        }
    }

    fn take_listed(&self, reader: &mut Reader, Listed { keys, bytes, passed_over }: Listed) {
        reader.found |= !keys.is_empty();
        self.progress.add_total(bytes);
        self.report().passed_over += passed_over;
        reader.keys.extend(keys);
    }

    async fn take_failure(&self, reader: &mut Reader, client: &Client, failure: Failure) -> Result<(), SourceError> {
        match failure.kind {
            FailureKind::Throttled => self.report().throttles += 1,
            FailureKind::Unavailable => self.report().retries += 1,
            _ => return Err(self.refused(client, &failure).await),
        }
        if reader.trouble.failures() + 1 >= TRIES_MAX {
            return Err(self.refused(client, &failure).await);
        }
        let (wait, tell) = reader.trouble.failed(failure.kind);
        if tell {
            self.tell(NoticeLevel::Warn, format!("cannot list {}: {failure}; trying again", self.name));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Begins to fetch as many objects as there is room for.
    fn begin(&self, reader: &mut Reader, client: &Client) {
        while reader.fetching.len() < self.settings.objects_at_once.max(1) {
            let Some(key) = reader.keys.pop_front() else { return };
            let object =
                Object { bucket: self.settings.bucket.clone(), key: key.clone(), region: reader.region.clone() };
            let (bucket_owner, bytes_max) = (self.settings.bucket_owner.clone(), self.settings.object_bytes_max);
            let terms = Terms { bucket_owner, bytes_max, tries_max: TRIES_MAX };
            let (client, witness) = (client.clone(), self.witness.clone());
            let task = tokio::spawn(async move {
                let mut calls = Calls::default();
                let fetched = fetch(&client, &object, &terms, &mut calls).await;
                let Whole { bytes, .. } = match fetched {
                    Ok(whole) => whole,
                    Err(failure) => return (calls, Err(failure)),
                };
                let judged = match witness {
                    Some(witness) => witness.judge(&object.key, &bytes).await,
                    None => Ok(()),
                };
                (calls, Ok((bytes, judged)))
            });
            reader.fetching.push_back(Fetching { key, task });
        }
    }

    /// Takes in an object; what cannot be read is told and counted.
    fn take(&self, reader: &mut Reader, client: &Client, key: String, (calls, fetched): Fetched) -> Option<Delivery> {
        let mut report = self.report();
        calls.count(&mut report);
        self.progress.add_file();
        let origin = Origin::whole(format!("s3://{}/{key}", self.settings.bucket));
        match fetched {
            Ok((body, judged)) => {
                report.objects += 1;
                report.deliveries += 1;
                report.bytes += body.len() as u64;
                report.unvouched += u64::from(judged.is_err());
                drop(report);
                if let Err(wrong) = judged {
                    self.tell(NoticeLevel::Error, format!("`{origin}`: {wrong}"));
                }
                self.progress.add_read(body.len() as u64);
                reader.receipts += 1;
                let receipt = Receipt(reader.receipts);
                lock(&self.on_the_way).add(receipt, key);
                Some(Delivery { body, origin, receipt })
            }
            Err(failure) => {
                report.unreadable += 1;
                drop(report);
                lock(&self.on_the_way).add(UNREAD, key);
                let hint = self.object_hint(client, &failure);
                self.tell(NoticeLevel::Error, format!("cannot read `{origin}`: {failure}{hint}"));
                None
            }
        }
    }

    fn tell(&self, level: NoticeLevel, text: String) {
        (self.notify)(Notice { level, text });
    }

    fn report(&self) -> MutexGuard<'_, SourceReport> {
        lock(&self.report)
    }
}

impl Source for Objects {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        Box::pin(self.next_batch())
    }

    fn checkpoint(&self, receipts: &[Receipt]) -> Option<Checkpoint> {
        let on_the_way = lock(&self.on_the_way);
        let position = on_the_way.position(receipts)?.to_owned();
        Some(Checkpoint { source: self.name(), position })
    }

    fn commit<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), SourceError>> {
        let mut on_the_way = lock(&self.on_the_way);
        if let Some(position) = on_the_way.position(receipts) {
            self.report().position = Some(position.to_owned());
        }
        on_the_way.commit(receipts);
        Box::pin(std::future::ready(Ok(())))
    }

    fn report(&self) -> SourceReport {
        lock(&self.report).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_stays_before_what_could_not_be_read() {
        let mut on_the_way = OnTheWay::default();
        on_the_way.add(Receipt(1), "a".into());
        on_the_way.add(UNREAD, "b".into());
        on_the_way.add(Receipt(2), "c".into());
        assert_eq!(on_the_way.position(&[Receipt(2)]), None);
        assert_eq!(on_the_way.position(&[Receipt(1), Receipt(2)]), Some("a"));
        on_the_way.commit(&[Receipt(1), Receipt(2)]);
        on_the_way.add(Receipt(3), "d".into());
        assert_eq!(on_the_way.position(&[Receipt(3)]), None);
        for number in 4..ON_THE_WAY_MAX as u64 + 4 {
            on_the_way.add(Receipt(number), "e".into());
        }
        assert!(on_the_way.objects.len() < ON_THE_WAY_MAX + 2);
        assert_eq!(on_the_way.position(&[Receipt(3)]), Some("d"), "there is a bound");
    }
}
