//! The public keys that digests are held against: given in a file, or asked for as they are met.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use crate::source::SourceError;
use crate::source::aws::public_keys::{FindKeys, PublicKey};

/// A key was in use at most so long before and after the digests that are known to be signed with it were made.
const AROUND_SECONDS: i64 = 3_600;

/// Public keys by region and fingerprint.
pub struct Keys {
    /// Those given, which are of any region.
    given: HashMap<String, Arc<[u8]>>,
    find: Option<FindKeys>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    keys: HashMap<(String, String), Arc<[u8]>>,
    /// What was asked for and is not there, with the hours for which it was.
    unknown: HashMap<(String, String), HashSet<i64>>,
    /// Regions whose keys cannot be had.
    refused: HashMap<String, SourceError>,
}

/// Hours for which a key is asked for in vain before it counts as unknown at any: six weeks of digests.
const HOURS_ASKED_MAX: usize = 1_000;

const HOUR_SECONDS: i64 = 3_600;

/// What `aws cloudtrail list-public-keys` prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    public_key_list: Vec<ListedKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedKey {
    value: String,
    fingerprint: String,
}

/// Reads the output of `aws cloudtrail list-public-keys`.
pub fn read_keys(text: &str) -> Result<Vec<PublicKey>, String> {
    let listed: Listed = serde_json::from_str(text)
        .map_err(|error| format!("{error} (it is to be what `aws cloudtrail list-public-keys` prints)"))?;
    let key = |ListedKey { value, fingerprint }| match STANDARD.decode(&value) {
        Ok(der) => Ok(PublicKey { fingerprint, der }),
        Err(error) => Err(format!("key `{fingerprint}`: its value is not base64: {error}")),
    };
    listed.public_key_list.into_iter().map(key).collect()
}

impl Keys {
    /// These and no others.
    pub fn given(keys: Vec<PublicKey>) -> Self {
        let given = keys.into_iter().map(|key| (key.fingerprint, key.der.into())).collect();
        Self { given, find: None, found: Mutex::default() }
    }

    /// Those that CloudTrail has.
    pub fn asked_for(find: FindKeys) -> Self {
        Self { given: HashMap::new(), find: Some(find), found: Mutex::default() }
    }

    /// The key of a fingerprint that a digest of a region was signed with at some time; `None` if there is none. A region
    /// that gives none even for now is not asked again; else it is the time that is odd, which anybody can write.
    pub(super) async fn key(
        &self,
        region: &str,
        fingerprint: &str,
        when: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, SourceError> {
        let Some(find) = &self.find else { return Ok(self.given.get(fingerprint).cloned()) };
        let name = (region.to_owned(), fingerprint.to_owned());
        let hour = when.as_second().div_euclid(HOUR_SECONDS);
        if let Some(known) = self.found().known(&name, hour) {
            return known;
        }
        let of_hour = |hour: i64| {
            let from = hour * HOUR_SECONDS;
            find(region.to_owned(), from - AROUND_SECONDS, from + HOUR_SECONDS + AROUND_SECONDS)
        };
        let asked = of_hour(hour).await;
        let is_refused = asked.is_err() && of_hour(now.as_second().div_euclid(HOUR_SECONDS)).await.is_err();
        let mut found = self.found();
        let keys = match asked {
            Ok(keys) => keys,
            Err(error) if is_refused => {
                found.refused.insert(region.to_owned(), error.clone());
                return Err(error);
            }
            Err(_) => Vec::new(),
        };
        for key in keys {
            found.keys.insert((region.to_owned(), key.fingerprint), key.der.into());
        }
        if !found.keys.contains_key(&name) {
            found.unknown.entry(name.clone()).or_default().insert(hour);
        }
        Ok(found.keys.get(&name).cloned())
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// What a question for a key would be answered, if that is known.
    fn known(&self, name: &(String, String), hour: i64) -> Option<Result<Option<Arc<[u8]>>, SourceError>> {
        if let Some(key) = self.keys.get(name) {
            return Some(Ok(Some(Arc::clone(key))));
        }
        if let Some(error) = self.refused.get(&name.0) {
            return Some(Err(error.clone()));
        }
        let hours = self.unknown.get(name)?;
        let is_unknown = hours.len() >= HOURS_ASKED_MAX || hours.contains(&hour);
        is_unknown.then_some(Ok(None))
    }
}

/// Whether a signature, in hexadecimal, is that of a text by a key.
pub(super) fn is_signed(text: &str, signature: &str, der: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
    unhex(signature).is_some_and(|signature| key.verify(text.as_bytes(), &signature).is_ok())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks_exact(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_or_refused() {
        assert_eq!(unhex("00fFa1"), Some(vec![0, 255, 161]));
        assert_eq!(unhex(""), Some(vec![]));
        for text in ["0", "0g", "é0", "+1"] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }

    #[test]
    fn keys_are_read_as_the_aws_cli_prints_them() {
        let keys = read_keys(r#"{"PublicKeyList":[{"Value":"AAE=","ValidityStartTime":1.0,"Fingerprint":"31e8"}]}"#);
        assert_eq!(keys, Ok(vec![PublicKey { fingerprint: "31e8".into(), der: vec![0, 1] }]));
        assert!(read_keys("[]").unwrap_err().contains("list-public-keys"));
        assert!(read_keys(r#"{"PublicKeyList":[{"Value":"?","Fingerprint":"31e8"}]}"#).unwrap_err().contains("`31e8`"));
    }
}
