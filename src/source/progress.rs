//! How far reading has got.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of input read and to be read, as they lie on the disk or in the bucket: compressed ones as they are compressed.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    read_bytes: AtomicU64,
    total_bytes: AtomicU64,
    /// What somebody found who looked ahead.
    expected_bytes: AtomicU64,
    files: AtomicU64,
}

impl Progress {
    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.counts.read_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of all files found so far; standard input adds nothing. Of files, final once the first batch is there.
    pub fn total_bytes(&self) -> u64 {
        let Counts { total_bytes, expected_bytes, .. } = &*self.counts;
        total_bytes.load(Ordering::Relaxed).max(expected_bytes.load(Ordering::Relaxed))
    }

    /// Files that were read to their end, or as far as they could be.
    pub fn files(&self) -> u64 {
        self.counts.files.load(Ordering::Relaxed)
    }

    pub(in crate::source) fn add_read(&self, bytes: u64) {
        self.counts.read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Makes the total no less than that.
    #[cfg(feature = "aws")]
    pub(in crate::source) fn expect(&self, bytes: u64) {
        self.counts.expected_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(in crate::source) fn add_total(&self, bytes: u64) {
        self.counts.total_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(in crate::source) fn add_file(&self) {
        self.counts.files.fetch_add(1, Ordering::Relaxed);
    }
}
