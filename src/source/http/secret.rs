//! Who may send: whoever shows a secret.
//!
//! Digests are compared, all of them, in constant time. So how long a comparison takes tells neither how much of a secret
//! was right, nor how long it is, nor which of several it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::settings::{Scheme, Settings, SettingsError};

/// How RFC 7617 begins the header's value; in any case.
const BASIC: &str = "Basic ";

/// Knows the secrets, and cannot tell them.
pub(super) struct Secrets {
    header: HeaderName,
    scheme: Scheme,
    digests: Vec<[u8; 32]>,
    allow_anybody: bool,
}

impl Secrets {
    /// The secrets of settings, each of which must fit into a header.
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let bad = |setting, problem: String| SettingsError { setting, problem };
        let header = match settings.scheme {
            Scheme::Basic => AUTHORIZATION,
            Scheme::Header => settings
                .header
                .parse()
                .map_err(|_| bad("header", format!("`{}` is not the name of a header", settings.header)))?,
        };
        let mut digests = Vec::new();
        for secret in &settings.secrets {
            if HeaderValue::from_str(secret).is_err() {
                return Err(bad("secrets", "a secret has characters that no header takes".to_owned()));
            }
            digests.push(match settings.scheme {
                Scheme::Header => digest(secret.as_bytes()),
                Scheme::Basic if secret.contains(':') => digest(STANDARD.encode(secret).as_bytes()),
                Scheme::Basic => return Err(bad("secrets", "for `basic` a secret is `USER:PASSWORD`".to_owned())),
            });
        }
        Ok(Self { header, scheme: settings.scheme, digests, allow_anybody: settings.allow_anybody })
    }

    /// Whether a request shows a secret. A header that comes twice shows none.
    pub(super) fn are_shown(&self, headers: &HeaderMap) -> bool {
        if self.allow_anybody {
            return true;
        }
        let mut values = headers.get_all(&self.header).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.is_known(value.as_bytes()),
            _ => false,
        }
    }

    fn is_known(&self, value: &[u8]) -> bool {
        let shown = match self.scheme {
            Scheme::Header => value,
            Scheme::Basic => match value.split_at_checked(BASIC.len()) {
                Some((scheme, credentials)) if scheme.eq_ignore_ascii_case(BASIC.as_bytes()) => credentials,
                _ => return false,
            },
        };
        let shown = digest(shown);
        let found = self.digests.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&shown));
        found.into()
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef-new";

    fn settings(scheme: Scheme, secrets: &[&str]) -> Settings {
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        Settings { scheme, secrets, ..Settings::default() }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }

    #[test]
    fn a_request_shows_a_secret_or_it_does_not() {
        let header = settings(Scheme::Header, &[KEY, "the old one, until EventBridge has the new one"]);
        let basic = settings(Scheme::Basic, &["eventbridge:0123456789abcdef"]);
        let anybody = Settings { allow_anybody: true, ..Settings::default() };
        let user = "ZXZlbnRicmlkZ2U6MDEyMzQ1Njc4OWFiY2RlZg==";
        for (name, settings, shown, expected) in [
            ("the secret", &header, headers(&[("x-api-key", KEY)]), true),
            ("the older one", &header, headers(&[("x-api-key", &header.secrets[1])]), true),
            ("nothing", &header, headers(&[]), false),
            ("an empty one", &header, headers(&[("x-api-key", "")]), false),
            ("the start of it", &header, headers(&[("x-api-key", &KEY[..KEY.len() - 1])]), false),
            ("more than it", &header, headers(&[("x-api-key", &format!("{KEY}x"))]), false),
            ("in another case", &header, headers(&[("x-api-key", &KEY.to_uppercase())]), false),
            ("in another header", &header, headers(&[("authorization", KEY)]), false),
            ("twice", &header, headers(&[("x-api-key", KEY), ("x-api-key", KEY)]), false),
            ("a name and a password", &basic, headers(&[("authorization", &format!("Basic {user}"))]), true),
            ("the scheme in lower case", &basic, headers(&[("authorization", &format!("basic {user}"))]), true),
            ("no scheme", &basic, headers(&[("authorization", user)]), false),
            ("another scheme", &basic, headers(&[("authorization", &format!("Bearer {user}"))]), false),
            ("not in base64", &basic, headers(&[("authorization", "Basic eventbridge:0123456789abcdef")]), false),
            ("a short value", &basic, headers(&[("authorization", "Bas")]), false),
            ("anybody", &anybody, headers(&[]), true),
        ] {
            let secrets = Secrets::new(settings).unwrap();
            assert_eq!(secrets.are_shown(&shown), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        for (name, settings, expected) in [
            ("a line break", settings(Scheme::Header, &["0123456789abcdef\nX-Other: 1"]), "no header takes"),
            ("no password", settings(Scheme::Basic, &["0123456789abcdef"]), "`USER:PASSWORD`"),
            ("no header", Settings { header: "X Key".to_owned(), ..Settings::default() }, "not the name of a header"),
        ] {
            let Err(error) = Secrets::new(&settings) else { panic!("{name}") };
            assert!(error.problem.contains(expected), "{name}: {error}");
            assert!(!error.to_string().contains("0123456789abcdef"), "{name}: {error}");
        }
    }
}
