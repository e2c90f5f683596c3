//! Signatures, as Standard Webhooks has them: HMAC-SHA256 over id, time and body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::SettingsError;

/// What a key begins with.
const PREFIX: &str = "whsec_";

/// The bytes that a key may have, by the standard.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A key to sign with.
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// Reads a key. Complaints do not quote it.
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let bad = |what: String| {
            SettingsError::new("signing_keys", format!("{what} (make one: `echo {PREFIX}$(openssl rand -base64 32)`)"))
        };
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            return Err(bad(format!("a key does not begin with `{PREFIX}`")));
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| bad(format!("a key is not base64 behind `{PREFIX}`")))?;
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(bad(format!("a key has {} bytes, and 24 to 64 are wanted", bytes.len())));
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|error| bad(error.to_string()))
    }
}

/// The value of `webhook-signature`: one signature a key, apart by spaces.
pub(super) fn signatures(keys: &[Key], id: &str, seconds: i64, body: &str) -> String {
    let signature = |Key(key): &Key| {
        let mut mac = key.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    keys.iter().map(signature).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// The example of the specification's libraries.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let keys = [Key::parse(SPEC_KEY).unwrap()];
        let signed = signatures(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn several_keys_sign_side_by_side() {
        let other = format!("{PREFIX}{}", STANDARD.encode([7; 32]));
        let keys = [Key::parse(SPEC_KEY).unwrap(), Key::parse(&other).unwrap()];
        let both = signatures(&keys, "id", 1, "body");
        let alone: Vec<String> = (0..2).map(|n| signatures(&keys[n..=n], "id", 1, "body")).collect();
        assert_eq!(both, alone.join(" "));
        assert_ne!(alone[0], alone[1]);
    }

    #[test]
    fn a_bad_key_is_told_and_not_quoted() {
        let short = format!("{PREFIX}{}", STANDARD.encode([7; 23]));
        let long = format!("{PREFIX}{}", STANDARD.encode([7; 65]));
        for key in ["c2VjcmV0", "whsec_%%%", &short, &long] {
            let problem = Key::parse(key).err().unwrap().to_string();
            assert!(problem.starts_with("`signing_keys`: a key ") && problem.contains("openssl"), "{problem}");
            assert!(!problem.contains(key), "{problem}");
        }
    }
}
