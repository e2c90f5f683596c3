//! Files, folders and standard input: read once from end to end, in the order given and by name within folders.
//!
//! The decision worth knowing: a file whose first line is a whole JSON value, or no JSON at all, is handed over in
//! chunks of whole lines, so that files of any size and live pipes work. Anything else is one document, in one delivery. What the
//! bytes mean is decided later, by decoding; here only lines are counted.
//!
//! Reading blocks, so it is done on threads of its own, which wait when nobody takes what they read. A few files are read,
//! and inflated, at the same time; they are handed over in order all the same. Of large documents there is one at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::{Notify, Source, SourceError, SourceReport};
use crate::delivery::Delivery;

mod document;
mod input;
mod large;
mod lines;
mod walk;

use large::Permit;
use walk::Walk;

pub use super::progress::Progress;

/// Batches that wait to be taken, each a chunk or a document; one of them at most is a large document. Each file that is being read holds two more.
const BATCHES_MAX: usize = 2;

/// The path that stands for standard input.
pub const STDIN: &str = "-";

/// What one file may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLimits {
    /// The bytes of a document, after decompression; 512 MiB. A larger one is not read.
    pub document_bytes_max: u64,
    /// The bytes of a document, after decompression, up to which it is read ahead of its turn; 8 MiB.
    pub document_bytes_ahead: u64,
    /// How many times its compressed size a gzip stream may inflate to, judged once more than 1 MiB is out; 200.
    pub ratio_max: u64,
    /// The bytes of a line; 64 MiB. A longer one is passed over. Single records are limited by decoding; this leaves
    /// room for whole `{"Records":[...]}` documents and subscription payloads, one to a line.
    pub line_bytes_max: usize,
    /// The bytes after which lines are handed over; 1 MiB. From standard input they are handed over as they come.
    pub chunk_bytes: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            document_bytes_max: 512 << 20,
            document_bytes_ahead: 8 << 20,
            ratio_max: 200,
            line_bytes_max: 64 << 20,
            chunk_bytes: 1 << 20,
        }
    }
}

/// Reads files. See the module's documentation.
pub struct Files {
    name: Arc<str>,
    progress: Progress,
    report: Arc<Mutex<SourceReport>>,
    batches: tokio::sync::Mutex<Batches>,
}

enum Batches {
    NotBegun(Box<Walk>),
    /// The permit is that of the batch which was taken last: once the next is asked for, there was room for it.
    Coming(mpsc::Receiver<Batch>, Option<Permit>),
}

/// What was read, with leave to have it in memory if it is large.
type Batch = (Vec<Delivery>, Option<Permit>);

impl Files {
    /// Makes a source of paths: files, folders, and [`STDIN`]. Nothing is opened before the first `next`.
    pub fn new(paths: Vec<PathBuf>, limits: FileLimits, notify: Notify) -> Self {
        let name = match &paths[..] {
            [path] => path.to_string_lossy().into(),
            _ => "files".into(),
        };
        let (progress, report) = (Progress::default(), Arc::default());
        let walk = Walk::new(paths, limits, notify, progress.clone(), Arc::clone(&report));
        Self { name, progress, report, batches: tokio::sync::Mutex::new(Batches::NotBegun(Box::new(walk))) }
    }

    /// The same under another name.
    pub fn named(self, name: Arc<str>) -> Self {
        Self { name, ..self }
    }

    /// How far reading has got, for a progress bar. Cheap; may be kept and asked from any thread.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    async fn next_batch(&self) -> Result<Option<Vec<Delivery>>, SourceError> {
        let mut batches = self.batches.lock().await;
        if let Batches::NotBegun(walk) = &*batches {
            let coming = begin(walk).map_err(|error| SourceError::Io(format!("cannot start a thread: {error}")))?;
            *batches = Batches::Coming(coming, None);
        }
        let Batches::Coming(coming, permit) = &mut *batches else { return Ok(None) };
        permit.take();
        let Some((batch, next_permit)) = coming.recv().await else { return Ok(None) };
        *permit = next_permit;
        Ok(Some(batch))
    }
}

/// A plain thread, not one of the runtime's: a read of standard input that never ends must not keep the runtime from
/// shutting down.
fn begin(walk: &Walk) -> std::io::Result<mpsc::Receiver<Batch>> {
    let (sender, coming) = mpsc::channel(BATCHES_MAX);
    let walk = walk.clone();
    std::thread::Builder::new().name("read-files".to_owned()).spawn(move || walk.run(sender))?;
    Ok(coming)
}

impl Source for Files {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<Vec<Delivery>>, SourceError>> {
        Box::pin(self.next_batch())
    }

    fn report(&self) -> SourceReport {
        lock(&self.report).clone()
    }
}

/// A panic elsewhere leaves counts usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
