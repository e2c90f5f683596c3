//! Buckets as S3 shows them to a reader.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::refusal::Refusal;
use super::{ACCOUNT_ID, lock};

/// Most keys on a page, and the default.
const PAGE_MAX: usize = 1_000;

/// What an object's owner wrote beside it.
type Metadata = BTreeMap<String, String>;

/// The buckets of an account; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Buckets {
    buckets: Arc<Mutex<BTreeMap<String, BTreeMap<String, Bytes>>>>,
    /// By bucket and key.
    metadata: Arc<Mutex<BTreeMap<(String, String), Metadata>>>,
    page_max: Arc<AtomicUsize>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { buckets: Arc::default(), metadata: Arc::default(), page_max: Arc::new(AtomicUsize::new(PAGE_MAX)) }
    }
}

/// What a request for an object asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted<'w> {
    pub(super) range: Option<&'w str>,
    pub(super) if_match: Option<&'w str>,
    pub(super) owner: Option<&'w str>,
}

/// What it gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) bytes: Bytes,
    pub(super) tag: String,
    /// `bytes FROM-TO/TOTAL`, where a part was asked for.
    pub(super) range: Option<String>,
    pub(super) metadata: Metadata,
}

/// What a request for a page of keys asks for.
#[derive(Debug, Default)]
pub(super) struct Query<'q> {
    pub(super) prefix: &'q str,
    pub(super) delimiter: &'q str,
    /// The last key that is not wanted.
    pub(super) after: &'q str,
    pub(super) count: Option<usize>,
}

/// A page of keys, and of what they have in common up to the delimiter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) keys: Vec<(String, usize)>,
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

impl Buckets {
    /// Makes sure that a bucket exists.
    pub fn create(&self, bucket: &str) {
        lock(&self.buckets).entry(bucket.to_owned()).or_default();
    }

    /// Puts an object. Makes the bucket if need be.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        lock(&self.buckets).entry(bucket.to_owned()).or_default().insert(key.to_owned(), body.into());
    }

    /// Writes something beside an object.
    pub fn set_metadata(&self, bucket: &str, key: &str, name: &str, value: &str) {
        let place = (bucket.to_owned(), key.to_owned());
        lock(&self.metadata).entry(place).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// Forgets what was written beside an object.
    pub fn clear_metadata(&self, bucket: &str, key: &str) {
        lock(&self.metadata).remove(&(bucket.to_owned(), key.to_owned()));
    }

    /// Gives the bytes of an object.
    pub fn body(&self, bucket: &str, key: &str) -> Option<Bytes> {
        lock(&self.buckets).get(bucket)?.get(key).cloned()
    }

    /// Deletes an object.
    pub fn delete(&self, bucket: &str, key: &str) {
        if let Some(objects) = lock(&self.buckets).get_mut(bucket) {
            objects.remove(key);
        }
    }

    /// Lets pages hold no more keys than that.
    pub fn set_page_max(&self, page_max: usize) {
        self.page_max.store(page_max.clamp(1, PAGE_MAX), Ordering::SeqCst);
    }

    pub(super) fn names(&self) -> Vec<String> {
        lock(&self.buckets).keys().cloned().collect()
    }

    pub(super) fn get(&self, bucket: &str, key: &str, wanted: &Wanted<'_>) -> Result<Found, Refusal> {
        let buckets = lock(&self.buckets);
        let bytes = of_owner(&buckets, bucket, wanted.owner)?
            .get(key)
            .ok_or_else(|| refusal(404, "NoSuchKey", "The specified key does not exist."))?;
        let tag = format!("\"{:08x}-{:x}\"", bytes.iter().fold(7_u32, hash), bytes.len());
        if wanted.if_match.is_some_and(|wanted| wanted != tag) {
            return Err(refusal(412, "PreconditionFailed", "At least one of the pre-conditions did not hold"));
        }
        let metadata = lock(&self.metadata).get(&(bucket.to_owned(), key.to_owned())).cloned().unwrap_or_default();
        let Some(from) = wanted.range else { return Ok(Found { bytes: bytes.clone(), tag, range: None, metadata }) };
        let (from, to) = from.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap_or_default();
        let unknown = |_| refusal(400, "InvalidArgument", "only `bytes=N-` and `bytes=N-M` are known here");
        let from: usize = from.parse().map_err(unknown)?;
        let last = if to.is_empty() { usize::MAX } else { to.parse().map_err(unknown)? };
        if from >= bytes.len() {
            return Err(refusal(416, "InvalidRange", "The requested range is not satisfiable"));
        }
        let last = last.clamp(from, bytes.len() - 1);
        let range = format!("bytes {from}-{last}/{}", bytes.len());
        Ok(Found { bytes: bytes.slice(from..=last), tag, range: Some(range), metadata })
    }

    pub(super) fn list(&self, bucket: &str, query: &Query<'_>, owner: Option<&str>) -> Result<Page, Refusal> {
        let buckets = lock(&self.buckets);
        let objects = of_owner(&buckets, bucket, owner)?;
        let count = query.count.unwrap_or(PAGE_MAX).min(self.page_max.load(Ordering::SeqCst));
        let mut page = Page::default();
        let mut last = String::new();
        for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(query.prefix)) {
            let common = query.common(key);
            // A folder is as far as its name goes, so that a page may go on behind it.
            let name = common.unwrap_or(key);
            if name <= query.after || page.prefixes.last().is_some_and(|prefix| prefix == name) {
                continue;
            }
            if page.keys.len() + page.prefixes.len() == count {
                page.next = Some(last);
                break;
            }
            match common {
                Some(common) => page.prefixes.push(common.to_owned()),
                None => page.keys.push((key.clone(), bytes.len())),
            }
            last = name.to_owned();
        }
        Ok(page)
    }
}

impl Query<'_> {
    /// The part of a key up to the delimiter behind the prefix.
    fn common<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = &key[self.prefix.len()..];
        rest.find(self.delimiter).map(|at| &key[..self.prefix.len() + at + self.delimiter.len()])
    }
}

fn of_owner<'b>(
    buckets: &'b BTreeMap<String, BTreeMap<String, Bytes>>,
    bucket: &str,
    owner: Option<&str>,
) -> Result<&'b BTreeMap<String, Bytes>, Refusal> {
    if owner.is_some_and(|owner| owner != ACCOUNT_ID) {
        return Err(refusal(403, "AccessDenied", "Access Denied"));
    }
    buckets.get(bucket).ok_or_else(|| refusal(404, "NoSuchBucket", "The specified bucket does not exist"))
}

fn hash(hash: u32, byte: &u8) -> u32 {
    (hash ^ u32::from(*byte)).wrapping_mul(16_777_619)
}

fn refusal(status: u16, code: &str, message: &str) -> Refusal {
    Refusal { status, ..Refusal::new(code, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets() -> Buckets {
        let buckets = Buckets::default();
        for key in ["a/1", "a/2", "b", "c/d/3", "c/e/4"] {
            buckets.put("bucket", key, Bytes::from(key.to_owned()));
        }
        buckets
    }

    fn names(page: &Page) -> (Vec<&str>, Vec<&str>) {
        (page.keys.iter().map(|(key, _)| key.as_str()).collect(), page.prefixes.iter().map(String::as_str).collect())
    }

    #[test]
    fn objects_come_whole_in_parts_or_not_at_all() {
        let buckets = buckets();
        let get = |wanted: &Wanted<'_>| buckets.get("bucket", "c/d/3", wanted);
        let whole = get(&Wanted::default()).unwrap();
        assert_eq!(whole.bytes, "c/d/3");
        let part = get(&Wanted { range: Some("bytes=2-"), if_match: Some(&whole.tag), owner: None }).unwrap();
        assert_eq!((&part.bytes[..], part.range.as_deref()), (&b"d/3"[..], Some("bytes 2-4/5")));
        for (wanted, status) in [
            (Wanted { range: Some("bytes=5-"), ..Wanted::default() }, 416),
            (Wanted { if_match: Some("\"other\""), ..Wanted::default() }, 412),
            (Wanted { owner: Some("444455556666"), ..Wanted::default() }, 403),
        ] {
            assert_eq!(get(&wanted).unwrap_err().status, status);
        }
        assert_eq!(buckets.get("bucket", "none", &Wanted::default()).unwrap_err().code, "NoSuchKey");
        assert_eq!(buckets.get("none", "b", &Wanted::default()).unwrap_err().code, "NoSuchBucket");
    }

    #[test]
    fn keys_come_by_prefix_folder_and_page() {
        let buckets = buckets();
        let list = |query: &Query<'_>| buckets.list("bucket", query, None).unwrap();
        assert_eq!(names(&list(&Query { prefix: "a/", ..Query::default() })), (vec!["a/1", "a/2"], vec![]));
        assert_eq!(names(&list(&Query { delimiter: "/", ..Query::default() })), (vec!["b"], vec!["a/", "c/"]));
        let page = list(&Query { prefix: "c/", delimiter: "/", count: Some(1), ..Query::default() });
        assert_eq!((names(&page), page.next.as_deref()), ((vec![], vec!["c/d/"]), Some("c/d/")));
        let page = list(&Query { prefix: "c/", delimiter: "/", after: "c/d/", ..Query::default() });
        assert_eq!((names(&page), page.next.as_deref()), ((vec![], vec!["c/e/"]), None));
        assert_eq!(names(&list(&Query { after: "c/d/2", ..Query::default() })).0, ["c/d/3", "c/e/4"]);
    }
}
