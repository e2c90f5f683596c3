//! A tree of files as CloudTrail delivers them: log files, and digests that are signed with a key of the test's.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trailwatch::sim::{Buckets, PublicKey};
use trailwatch::source::aws::public_keys::PublicKey as Known;

/// The bucket that it is delivered to.
pub const BUCKET: &str = "trail-bucket";

/// Whose events they are.
pub const ACCOUNT: &str = "111122223333";

/// What the test signs with.
pub static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new("31e8b5433410dfb61a9dc45cc65b22ff"));

/// Another key, which signs as well.
pub static OTHER: LazyLock<Signer> = LazyLock::new(|| Signer::new("00000000000000000000000000000000"));

/// A key that digests are signed with.
pub struct Signer {
    pair: KeyPair,
    fingerprint: &'static str,
}

impl Signer {
    fn new(fingerprint: &'static str) -> Self {
        Self { pair: KeyPair::generate(KeySize::Rsa2048).unwrap(), fingerprint }
    }

    fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        hex(&signature)
    }

    fn der(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// What a verifier knows of it.
    pub fn known(&self) -> Known {
        Known { fingerprint: self.fingerprint.to_owned(), der: self.der() }
    }

    /// The key as the stand-in of CloudTrail has it, used on one day of January 2026.
    pub fn of_day(&self, day: i64) -> PublicKey {
        let from_seconds = at("2026-01-01T00:00:00Z").as_second() + (day - 1) * 86_400;
        PublicKey {
            fingerprint: self.fingerprint.to_owned(),
            der: self.der(),
            from_seconds,
            to_seconds: from_seconds + 86_399,
        }
    }

    /// What `aws cloudtrail list-public-keys` would print.
    pub fn listed(&self) -> String {
        json!({"PublicKeyList": [{"Value": STANDARD.encode(self.der()), "Fingerprint": self.fingerprint}]}).to_string()
    }
}

/// An object, and what is written beside it.
#[derive(Clone, Default)]
pub struct File {
    pub bytes: Vec<u8>,
    pub metadata: BTreeMap<String, String>,
}

/// The files of one trail for one account and region.
#[derive(Clone)]
pub struct Tree {
    pub files: BTreeMap<String, File>,
    pub region: &'static str,
    /// What lies before the account in keys.
    pub above: &'static str,
    signer: &'static Signer,
    /// Key, hash and signature of the last digest.
    last: Option<(String, String, String)>,
}

impl Tree {
    /// An empty one.
    pub fn new(above: &'static str, region: &'static str) -> Self {
        Self { files: BTreeMap::new(), region, above, signer: &SIGNER, last: None }
    }

    /// Delivers a log file of records at a time of 5 January 2026, such as `01:20`; returns its key.
    pub fn log(&mut self, time: &str, unique: &str, records: &[Value]) -> String {
        let compact = time.replace(':', "");
        let name = format!("{ACCOUNT}_CloudTrail_{}_20260105T{compact}Z_{unique}.json.gz", self.region);
        let key = self.key("CloudTrail", &name);
        let bytes = gzip(json!({"Records": records}).to_string().as_bytes());
        self.files.insert(key.clone(), File { bytes, ..File::default() });
        key
    }

    fn key(&self, kind: &str, name: &str) -> String {
        format!("{}{ACCOUNT}/{kind}/{}/2026/01/05/{name}", self.above, self.region)
    }

    /// Delivers the digest of an hour of 5 January 2026; returns its key.
    pub fn digest(&mut self, hour: u32, logs: &[&str]) -> String {
        let last = self.last.take();
        let (key, signed) = self.put_digest(hour, logs, "", last);
        self.last = Some(signed);
        key
    }

    /// Delivers a digest that names log files which came too late for the one of their hour.
    pub fn backfill(&mut self, hour: u32, logs: &[&str]) -> String {
        let (key, _) = self.put_digest(hour, logs, "_backfill", None);
        let file = self.files.get_mut(&key).unwrap();
        file.metadata.insert("backfill-generation-timestamp".into(), "2026-01-07T08:00:00Z".into());
        key
    }

    /// Has the next digest name none before it, as the first after logging was stopped.
    pub fn pause(&mut self) {
        self.last = None;
    }

    /// Signs with another key from now on.
    pub fn sign_with(&mut self, signer: &'static Signer) {
        self.signer = signer;
    }

    fn put_digest(
        &mut self,
        hour: u32,
        logs: &[&str],
        suffix: &str,
        last: Option<(String, String, String)>,
    ) -> (String, (String, String, String)) {
        let start = at(&format!("2026-01-05T{hour:02}:05:07Z"));
        let end = start + 1.hour();
        let compact = end.strftime("%Y%m%dT%H%M%SZ");
        let name = format!(
            "{ACCOUNT}_CloudTrail-Digest_{region}_main_us-east-1_{compact}{suffix}.json.gz",
            region = self.region
        );
        let key = self.key("CloudTrail-Digest", &name);
        let named = |key: &&str| {
            json!({"s3Bucket": BUCKET, "s3Object": key, "hashValue": sha256(&gunzip(&self.files[*key].bytes)),
                   "hashAlgorithm": "SHA-256", "newestEventTime": start.to_string(), "oldestEventTime": start.to_string()})
        };
        let before = |of: fn(&(String, String, String)) -> &String| last.as_ref().map(of);
        let digest = json!({
            "awsAccountId": ACCOUNT,
            "digestStartTime": start.to_string(),
            "digestEndTime": end.to_string(),
            "digestS3Bucket": BUCKET,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self.signer.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": null,
            "oldestEventTime": null,
            "previousDigestS3Bucket": before(|last| &last.0).map(|_| BUCKET),
            "previousDigestS3Object": before(|last| &last.0),
            "previousDigestHashValue": before(|last| &last.1),
            "previousDigestHashAlgorithm": "SHA-256",
            "previousDigestSignature": before(|last| &last.2),
            "logFiles": logs.iter().map(named).collect::<Vec<_>>(),
        });
        let content = digest.to_string();
        let hash = sha256(content.as_bytes());
        let text = format!("{end}\n{BUCKET}/{key}\n{hash}\n{}", before(|last| &last.2).map_or("null", |text| text));
        let signature = self.signer.sign(&text);
        let metadata = [("signature", signature.as_str()), ("signature-algorithm", "SHA256withRSA")];
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.files.insert(key.clone(), File { bytes: gzip(content.as_bytes()), metadata });
        (key.clone(), (key, hash, signature))
    }

    /// Writes a file's content anew, as one who may write to the bucket could.
    pub fn change(&mut self, key: &str, change: impl FnOnce(&str) -> String) {
        let file = self.files.get_mut(key).unwrap();
        let text = String::from_utf8(gunzip(&file.bytes)).unwrap();
        let changed = change(&text);
        assert_ne!(changed, text, "{key} is as it was");
        file.bytes = gzip(changed.as_bytes());
    }

    /// Puts it into a bucket.
    pub fn deliver(&self, buckets: &Buckets) {
        buckets.create(BUCKET);
        for (key, file) in &self.files {
            buckets.put(BUCKET, key, file.bytes.clone());
            file.metadata.iter().for_each(|(name, value)| buckets.set_metadata(BUCKET, key, name, value));
        }
    }

    /// Copies it into a folder.
    pub fn copy_to(&self, folder: &Path) {
        for (key, file) in &self.files {
            let path = folder.join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.bytes).unwrap();
        }
    }
}

pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    decoder.write_all(bytes).unwrap();
    decoder.finish().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
