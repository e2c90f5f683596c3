//! Digests, read and held against their signatures and against each other.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use super::content::{aside, content, is_same, sha256};
use super::digest::{Chain, Digest, DigestName, HASH_ALGORITHM, SIGNATURE_ALGORITHM};
use super::keys::is_signed;
use super::report::{ChainReport, ProblemKind, Report};
use super::{Named, Place, READ_AT_ONCE, Verifier, View};
use crate::source::SourceError;
use crate::source::archive::{Stored, Unreadable};

/// A digest, as far as it could be read.
struct Read {
    key: Arc<str>,
    name: DigestName,
    content: Result<Content, (ProblemKind, String)>,
}

struct Content {
    digest: Digest,
    start: Timestamp,
    end: Timestamp,
    sha256: String,
    signature: Option<String>,
    generated: Option<Timestamp>,
}

/// How far a digest can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// Nobody knows its signature.
    Unsigned,
    Bad,
}

impl Verifier {
    /// Reads the digests of a place, and says what they name.
    pub(super) async fn view(&self, place: &Place, report: &mut Report) -> Result<View, SourceError> {
        let keys = self.archive.keys(&place.digests(), self.range.digest_days()).await?;
        let name = |key: String| DigestName::of(&key, &place.account, &place.region).map(|name| (key, name));
        let mut named: Vec<_> = keys.into_iter().filter_map(name).collect();
        named.retain(|(_, name)| self.range.needs_digest(name.end));
        named.sort_by(|(_, one), (_, other)| (&one.chain, one.end).cmp(&(&other.chain, other.end)));
        let mut view = View::default();
        for chain in named.chunk_by(|(_, one), (_, other)| one.chain == other.chain) {
            let reads: Vec<Read> = stream::iter(chain.iter().cloned())
                .map(|(key, name)| self.read_digest(key, name))
                .buffered(READ_AT_ONCE)
                .collect()
                .await;
            if let Err(error) = self.judge_chain(place, &chain[0].1.chain, reads, &mut view, report).await {
                let text = format!("none of its digests can be checked: {error}");
                report.problem(ProblemKind::KeyUnavailable, self.archive.place(&place.digests()), text);
                return Ok(View { locked: Some(error), ..View::default() });
            }
        }
        Ok(view)
    }

    async fn read_digest(&self, key: String, name: DigestName) -> Read {
        let content = match self.archive.read(&key).await {
            Ok(stored) => aside(move || parsed(&stored)).await,
            Err(Unreadable::Missing) => Err((ProblemKind::DigestMissing, "it was there a moment ago".to_owned())),
            Err(error) => Err((ProblemKind::DigestUnreadable, format!("cannot read it: {error}"))),
        };
        Read { key: key.into(), name, content }
    }

    /// Takes in the digests of a chain, in the order of their times.
    async fn judge_chain(
        &self,
        place: &Place,
        chain: &Chain,
        mut reads: Vec<Read>,
        view: &mut View,
        report: &mut Report,
    ) -> Result<(), SourceError> {
        let standings = self.standings(place, &mut reads, report).await?;
        let number = view.chains.len();
        view.chains.push(empty(place, chain));
        for (at, (read, &standing)) in reads.iter().zip(&standings).enumerate() {
            let end = (!chain.is_backfill).then_some(read.name.end);
            view.last_end = view.last_end.max(end);
            // Anybody can give a file a name.
            view.last_good_end = view.last_good_end.max(end.filter(|_| standing != Standing::Bad));
            view.chains[number].count(read, standing);
            let (Ok(content), Standing::Good | Standing::Unsigned) = (&read.content, standing) else { continue };
            self.judge_link(place, &reads[..at], &standings[..at], (read, content), report);
            self.take_names(place, read, content, (number, standing), view, report);
        }
        let ChainReport { digests_good, digests_unsigned, .. } = view.chains[number];
        if let (0, 1.., Some(newest)) = (digests_good, digests_unsigned, reads.last()) {
            let text = "no digest that is good stands behind it: in a copy, only one that comes after it says what its signature was";
            report.problem(ProblemKind::SignatureMissing, self.archive.place(&newest.key), text);
        }
        Ok(())
    }

    /// How far each digest can be trusted. A copy holds no signatures, but each digest names that of the one before it; so the
    /// last comes first.
    async fn standings(
        &self,
        place: &Place,
        reads: &mut [Read],
        report: &mut Report,
    ) -> Result<Vec<Standing>, SourceError> {
        let mut standings = vec![Standing::Bad; reads.len()];
        let home = self.archive.bucket().map(str::to_owned).or_else(|| self.usual_bucket(place, reads));
        for at in (0..reads.len()).rev() {
            let (upto, after) = reads.split_at_mut(at + 1);
            let read = &mut upto[at];
            let next = after.first().filter(|_| standings[at + 1] != Standing::Bad);
            if self.archive.bucket().is_none() {
                self.take_signature(place, read, next);
            }
            let is_forsaken = after.first().is_some_and(|next| self.begins_anew(place, next));
            match self.standing(place, read, home.as_deref()).await? {
                // Whoever forges a copy leaves out what would have to be signed.
                Ok(Standing::Unsigned) if is_forsaken => {
                    let text = "no digest after it says what its signature was".to_owned();
                    report.problem(ProblemKind::SignatureMissing, self.archive.place(&read.key), text);
                }
                Ok(standing) => standings[at] = standing,
                Err((kind, text)) => report.problem(kind, self.archive.place(&read.key), text),
            }
        }
        Ok(standings)
    }

    /// The bucket that most digests were delivered to, as they say, and of several the one that is the first to be named. A copy
    /// is of one bucket, and who plants digests of another has to plant more than there are.
    fn usual_bucket(&self, place: &Place, reads: &[Read]) -> Option<String> {
        let mut buckets: Vec<(&str, usize)> = Vec::new();
        for read in reads {
            let Ok(Content { digest, .. }) = &read.content else { continue };
            let at = place.key_in(&*self.archive, &digest.digest_s3_bucket, &digest.digest_s3_object);
            if at.as_deref() != Some(&*read.key) {
                continue;
            }
            match buckets.iter_mut().find(|(bucket, _)| *bucket == digest.digest_s3_bucket) {
                Some((_, count)) => *count += 1,
                None => buckets.push((&digest.digest_s3_bucket, 1)),
            }
        }
        let most = buckets.iter().map(|(_, count)| *count).max()?;
        buckets.iter().find(|(_, count)| *count == most).map(|(bucket, _)| (*bucket).to_owned())
    }

    /// Whether a digest names none before it.
    fn begins_anew(&self, place: &Place, read: &Read) -> bool {
        read.content.as_ref().is_ok_and(|content| self.named_before(place, &content.digest).is_none())
    }

    fn take_signature(&self, place: &Place, read: &mut Read, next: Option<&Read>) {
        let Some(Ok(next)) = next.map(|next| &next.content) else { return };
        let is_named = self.named_before(place, &next.digest).as_deref() == Some(&*read.key);
        if let (true, Ok(content)) = (is_named, &mut read.content) {
            content.signature = next.digest.previous_digest_signature.clone();
        }
    }

    /// The key of the digest that another names as the one before it, if that lies here.
    fn named_before(&self, place: &Place, digest: &Digest) -> Option<String> {
        let bucket = digest.previous_digest_s3_bucket.as_deref()?;
        place.key_in(&*self.archive, bucket, digest.previous_digest_s3_object.as_deref()?)
    }

    /// Whether a digest is what was delivered to its bucket, by its signature.
    async fn standing(
        &self,
        place: &Place,
        read: &Read,
        home: Option<&str>,
    ) -> Result<Result<Standing, (ProblemKind, String)>, SourceError> {
        let content = match &read.content {
            Ok(content) => content,
            Err(problem) => return Ok(Err(problem.clone())),
        };
        let digest = &content.digest;
        let at = place.key_in(&*self.archive, &digest.digest_s3_bucket, &digest.digest_s3_object);
        if at.as_deref() != Some(&*read.key) || home.is_some_and(|home| home != digest.digest_s3_bucket) {
            let from = format!("s3://{}/{}", digest.digest_s3_bucket, digest.digest_s3_object);
            return Ok(Err((ProblemKind::DigestMoved, format!("it was delivered to {from}"))));
        }
        let fingerprint = &digest.digest_public_key_fingerprint;
        let when = content.generated.unwrap_or(content.end);
        let Some(key) = self.keys.key(&place.region, fingerprint, when, self.now).await? else {
            let text = format!("nobody knows the public key `{fingerprint}` that it names");
            return Ok(Err((ProblemKind::KeyUnknown, text)));
        };
        let Some(signature) = &content.signature else {
            return Ok(match self.archive.bucket() {
                Some(_) => Err((ProblemKind::SignatureMissing, "there is no signature beside it".to_owned())),
                None => Ok(Standing::Unsigned),
            });
        };
        let is_good = digest.digest_signature_algorithm == SIGNATURE_ALGORITHM
            && is_signed(&digest.signed_text(&content.sha256), signature, &key);
        Ok(match is_good {
            true => Ok(Standing::Good),
            false => Err((ProblemKind::SignatureWrong, "its signature does not fit: it was changed".to_owned())),
        })
    }

    /// Whether a digest follows the one before it, as it says.
    fn judge_link(
        &self,
        place: &Place,
        before: &[Read],
        standings: &[Standing],
        (read, content): (&Read, &Content),
        report: &mut Report,
    ) {
        let own = self.archive.place(&read.key);
        let named = self.named_before(place, &content.digest);
        let last = before.last().filter(|last| named.as_deref().is_none_or(|named| named == &*last.key));
        let Some(last) = last else {
            return match before.iter().any(|other| named.as_deref() == Some(&*other.key)) {
                true => self.tell_passed_over(before, &own, report),
                false => self.miss(place, content, &own, report),
            };
        };
        if !read.name.chain.is_backfill && content.start > last.name.end {
            let (from, to) = (last.name.end, content.start);
            let text = format!("no digest is about the time from {from} to {to} (was logging stopped, or validation?)");
            report.problem(ProblemKind::Gap, own.clone(), text);
        }
        if named.is_some() && standings.last() != Some(&Standing::Bad) && !is_the_one(last, content) {
            let text = format!("it is not the one that {own} names as the one before it");
            report.problem(ProblemKind::ChainBroken, self.archive.place(&last.key), text);
        }
    }

    fn tell_passed_over(&self, before: &[Read], next: &str, report: &mut Report) {
        if let Some(last) = before.last() {
            let text = format!("{next} passes over it, as if it had not been there");
            report.problem(ProblemKind::ChainBroken, self.archive.place(&last.key), text);
        }
    }

    /// The digest before is not here. If it is about the time that is asked for, it should be.
    fn miss(&self, place: &Place, content: &Content, own: &str, report: &mut Report) {
        let Some(key) = self.named_before(place, &content.digest) else { return };
        if self.range.needs_digest(content.start) {
            let text = format!("it is not there; {own} names it as the one before it");
            report.problem(ProblemKind::DigestMissing, self.archive.place(&key), text);
        }
    }

    /// Takes in which log files a digest names.
    fn take_names(
        &self,
        place: &Place,
        read: &Read,
        content: &Content,
        (chain, standing): (usize, Standing),
        view: &mut View,
        report: &mut Report,
    ) {
        for log in &content.digest.log_files {
            match place.key_in(&*self.archive, &log.s3_bucket, &log.s3_object) {
                Some(key) => {
                    let hash = (log.hash_algorithm == HASH_ALGORITHM).then(|| log.hash_value.clone());
                    let is_signed = standing == Standing::Good;
                    // Nobody unsigned overrules what is signed.
                    if is_signed || !view.named.contains_key(&key) {
                        view.named.insert(key, Named { hash, digest: Arc::clone(&read.key), chain, is_signed });
                    }
                }
                None => {
                    let at = format!("s3://{}/{}", log.s3_bucket, log.s3_object);
                    let text = format!("{} names it; it lies in another bucket", self.archive.place(&read.key));
                    report.problem(ProblemKind::LogElsewhere, at, text);
                }
            }
        }
    }
}

fn parsed(stored: &Stored) -> Result<Content, (ProblemKind, String)> {
    let told = |reason: String| (ProblemKind::DigestUnreadable, format!("cannot read it: {reason}"));
    let bytes = content(&stored.bytes).map_err(told)?;
    let digest: Digest = serde_json::from_slice(&bytes).map_err(|error| told(error.to_string()))?;
    let (start, end) = digest.times().ok_or_else(|| told("it does not say what time it is about".to_owned()))?;
    let generated = stored.generated.as_deref().and_then(|time| time.parse().ok());
    let (sha256, signature) = (sha256(&bytes), stored.signature.clone());
    Ok(Content { digest, start, end, sha256, signature, generated })
}

/// Whether a digest is the one that the next one names, by hash and signature.
fn is_the_one(last: &Read, next: &Content) -> bool {
    let Ok(last) = &last.content else { return false };
    let Digest { previous_digest_hash_value, previous_digest_signature, .. } = &next.digest;
    let is = |named: &Option<String>, own: &str| named.as_deref().is_some_and(|named| is_same(named, own));
    is(previous_digest_hash_value, &last.sha256)
        && last.signature.as_ref().is_none_or(|own| is(previous_digest_signature, own))
}

fn empty(place: &Place, chain: &Chain) -> ChainReport {
    ChainReport {
        account: place.account.clone(),
        region: place.region.clone(),
        trail: chain.trail.clone(),
        home_region: chain.home_region.clone(),
        backfill: chain.is_backfill,
        digests: 0,
        digests_good: 0,
        digests_unsigned: 0,
        logs: 0,
        logs_good: 0,
        logs_unsigned: 0,
        from: None,
        to: None,
    }
}

impl ChainReport {
    fn count(&mut self, read: &Read, standing: Standing) {
        self.digests += 1;
        match standing {
            Standing::Good => self.digests_good += 1,
            Standing::Unsigned => self.digests_unsigned += 1,
            Standing::Bad => return,
        }
        let Ok(content) = &read.content else { return };
        self.from = Some(self.from.map_or(content.start, |from| from.min(content.start)));
        self.to = self.to.max(Some(content.end));
    }
}
