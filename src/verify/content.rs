//! What is in a file: inflated, and its hash.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::decode::{self, Limits};

/// The content of a file of CloudTrail's, which is one gzip stream; or the file itself, if somebody has inflated it.
pub(super) fn content(bytes: &Bytes) -> Result<Bytes, String> {
    let limits = Limits { gzip_members_max: 1, ..Limits::default() };
    decode::inflated(bytes, &limits).map_err(|reason| reason.to_string())
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two hashes or signatures in hexadecimal are the same.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Does the work on a thread that may be kept busy.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
