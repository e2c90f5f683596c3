//! What a digest says, and what the names of CloudTrail's files say. Pure.
//!
//! ```text
//! ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOMEREGION_YYYYMMDDTHHMMSSZ[_backfill].json.gz
//! ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHMMZ_UNIQUE.json.gz
//! ```
//!
//! The fields are those of
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::source::layout::TrailFile;

/// A digest: the log files that were delivered in an hour or so, and the digest before it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digest {
    /// When the time begins that it is about.
    pub digest_start_time: String,
    /// When that ends.
    pub digest_end_time: String,
    /// The bucket that it was delivered to.
    pub digest_s3_bucket: String,
    /// The key that it was delivered under.
    pub digest_s3_object: String,
    /// Which key it is signed with.
    pub digest_public_key_fingerprint: String,
    /// How it is signed.
    pub digest_signature_algorithm: String,
    /// The bucket of the digest before it; none if it is the first, also after a pause.
    pub previous_digest_s3_bucket: Option<String>,
    /// The key of that.
    pub previous_digest_s3_object: Option<String>,
    /// The hash of its content.
    pub previous_digest_hash_value: Option<String>,
    /// Its signature.
    pub previous_digest_signature: Option<String>,
    /// The log files; none if there were none.
    #[serde(default)]
    pub log_files: Vec<LogFile>,
}

/// A log file, as a digest names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFile {
    /// Its bucket.
    pub s3_bucket: String,
    /// Its key.
    pub s3_object: String,
    /// The hash of its content, inflated.
    pub hash_value: String,
    /// The kind of hash.
    pub hash_algorithm: String,
}

/// The one way in which digests are signed.
pub const SIGNATURE_ALGORITHM: &str = "SHA256withRSA";

/// The one kind of hash.
pub const HASH_ALGORITHM: &str = "SHA-256";

impl Digest {
    /// What is signed, by the SHA-256 of the digest's own content in hexadecimal. See
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html>.
    pub fn signed_text(&self, sha256: &str) -> String {
        let Self { digest_end_time, digest_s3_bucket, digest_s3_object, previous_digest_signature, .. } = self;
        let before = previous_digest_signature.as_deref().unwrap_or("null");
        format!("{digest_end_time}\n{digest_s3_bucket}/{digest_s3_object}\n{sha256}\n{before}")
    }

    /// The time that it is about; `None` if it does not say so as CloudTrail does.
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.digest_start_time.parse().ok()?, self.digest_end_time.parse().ok()?))
    }
}

/// Which digests make a chain: those of one trail, in the folder of one account and region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain {
    /// The trail's name.
    pub trail: String,
    /// The region it was made in.
    pub home_region: String,
    /// Whether they were made later, for log files that came too late for the others.
    pub is_backfill: bool,
}

/// What the name of a digest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestName {
    /// The chain that it belongs to.
    pub chain: Chain,
    /// When the time ends that it is about.
    pub end: Timestamp,
}

impl DigestName {
    /// Reads the key of a digest of an account and region; `None` if it has another form.
    pub fn of(key: &str, account: &str, region: &str) -> Option<Self> {
        let name = file_name(key)?;
        let (name, is_backfill) = match name.strip_suffix("_backfill") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (name, end) = name.rsplit_once('_')?;
        let (name, home_region) = name.rsplit_once('_')?;
        let trail = name.strip_prefix(&format!("{account}_CloudTrail-Digest_{region}_"))?;
        let chain = Chain { trail: trail.to_owned(), home_region: home_region.to_owned(), is_backfill };
        Some(Self { chain, end: time(end, "%Y%m%dT%H%M%SZ")? })
    }
}

/// When a log file was delivered, to the minute, by its key; `None` if the name has another form, or says a time that is not
/// of the day of the folder, give or take one. Anybody can give a file a name.
pub fn delivered(key: &str) -> Option<Timestamp> {
    let (name, _unique) = file_name(key)?.rsplit_once('_')?;
    let time = time(name.rsplit_once('_')?.1, "%Y%m%dT%H%MZ")?;
    let (day, of_name) = (TrailFile::of(key)?.day, time.to_zoned(TimeZone::UTC).date());
    let is_near = [Some(day), day.yesterday().ok(), day.tomorrow().ok()].contains(&Some(of_name));
    is_near.then_some(time)
}

fn file_name(key: &str) -> Option<&str> {
    key.rsplit('/').next()?.strip_suffix(".json.gz")
}

fn time(text: &str, format: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(format, text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn names_of_digests_say_chain_and_end() {
        let read = |name: &str| DigestName::of(&format!("a/{name}"), "111122223333", "eu-west-1");
        for (trail, suffix) in [("main", ""), ("my_odd-trail.1", ""), ("main", "_backfill")] {
            let name =
                format!("111122223333_CloudTrail-Digest_eu-west-1_{trail}_us-east-1_20260105T030507Z{suffix}.json.gz");
            let chain = Chain { trail: trail.into(), home_region: "us-east-1".into(), is_backfill: !suffix.is_empty() };
            assert_eq!(read(&name), Some(DigestName { chain, end: at("2026-01-05T03:05:07Z") }), "{name}");
        }
        for name in [
            "x.json.gz",
            "444455556666_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T030507Z.json.gz",
            "111122223333_CloudTrail-Digest_eu-west-1_main_us-east-1_2026.json.gz",
            "111122223333_CloudTrail-Digest_eu-west-1_main_us-east-1_20260105T030507Z.json",
        ] {
            assert_eq!(read(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_log_files_say_when_they_were_delivered() {
        let key = "a/AWSLogs/1/CloudTrail/eu-west-1/2026/01/05/1_CloudTrail_eu-west-1_20260105T0305Z_abc.json.gz";
        assert_eq!(delivered(key), Some(at("2026-01-05T03:05:00Z")));
        for (name, key) in [
            ("another form", "AWSLogs/1/CloudTrail/eu-west-1/2026/01/05/b.json.gz"),
            ("no day", "AWSLogs/1/CloudTrail/eu-west-1/1_CloudTrail_eu-west-1_20260105T0305Z_abc.json.gz"),
            (
                "another day",
                "AWSLogs/1/CloudTrail/eu-west-1/2026/01/05/1_CloudTrail_eu-west-1_20200101T0305Z_abc.json.gz",
            ),
        ] {
            assert_eq!(delivered(key), None, "{name}");
        }
        let at_midnight = "AWSLogs/1/CloudTrail/eu-west-1/2026/01/05/1_CloudTrail_eu-west-1_20260104T2359Z_abc.json.gz";
        assert_eq!(delivered(at_midnight), Some(at("2026-01-04T23:59:00Z")));
    }

    /// The example of AWS's documentation, shortened.
    #[test]
    fn what_is_signed_is_put_together_as_documented() {
        let mut digest: Digest = serde_json::from_str(
            r#"{"awsAccountId":"111122223333","digestStartTime":"2015-08-17T14:01:31Z","digestEndTime":"2015-08-17T15:01:31Z",
                "digestS3Bucket":"b","digestS3Object":"AWSLogs/d.json.gz","digestPublicKeyFingerprint":"31e8",
                "digestSignatureAlgorithm":"SHA256withRSA","previousDigestSignature":"50887c","logFiles":[]}"#,
        )
        .unwrap();
        assert_eq!(digest.signed_text("97fb"), "2015-08-17T15:01:31Z\nb/AWSLogs/d.json.gz\n97fb\n50887c");
        digest.previous_digest_signature = None;
        assert!(digest.signed_text("97fb").ends_with("\nnull"));
    }
}
