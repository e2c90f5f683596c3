//! References to secrets in the strings of a configuration, and the values that nobody may print.

use std::path::Path;

/// The largest file that a reference may name, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Values shorter than this are no secrets, and would hide half of every message.
const HIDDEN_LENGTH_MIN: usize = 6;

/// What stands in the place of a secret.
pub const REDACTED: &str = "<redacted>";

/// Values that must not be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Adds a value.
    pub fn add(&mut self, value: &str) {
        if value.len() >= HIDDEN_LENGTH_MIN && !self.0.iter().any(|known| known == value) {
            self.0.push(value.to_owned());
            // A secret may be part of another: the longer one goes first.
            self.0.sort_by_key(|value| std::cmp::Reverse(value.len()));
        }
    }

    /// The text without the values.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// A text whose references have been followed.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The text.
    pub text: String,
    /// What the references stood for.
    pub values: Vec<String>,
}

/// Follows the references of a text: `${env:NAME}` and `${file:PATH}`; `$${` is a plain `${`. Paths go from a folder.
pub fn resolve(written: &str, folder: &Path) -> Result<Resolved, String> {
    let mut resolved = Resolved { text: String::new(), values: Vec::new() };
    let mut rest = written;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(plain) = before.strip_suffix('$') {
            resolved.text.extend([plain, "${"]);
            rest = &reference[2..];
            continue;
        }
        let Some((inside, after)) = reference[2..].split_once('}') else {
            return Err("a reference is not closed (write `}` behind it; a plain `${` is `$${`)".to_owned());
        };
        let value = value_of(inside, folder)?;
        resolved.text.extend([before, &value]);
        resolved.values.push(value);
        rest = after;
    }
    resolved.text.push_str(rest);
    Ok(resolved)
}

fn value_of(reference: &str, folder: &Path) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => match std::env::var(name) {
            Ok(value) => Ok(value),
            Err(_) => Err(format!("the environment has no `{name}` that is text")),
        },
        Some(("file", name)) => file(&folder.join(name)).map_err(|reason| format!("cannot read `{name}`: {reason}")),
        _ => Err(format!("`${{{reference}}}` is no reference (there are `${{env:NAME}}` and `${{file:PATH}}`)")),
    }
}

/// The text of a file that holds a secret, without the line break at its end, which editors add.
pub fn file(path: &Path) -> Result<String, String> {
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("it has {bytes} bytes, more than {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s3cr3t\n").unwrap();
        let path = std::env::var("PATH").unwrap();
        for (name, written, expected) in [
            ("none", "plain $ {x}", Ok("plain $ {x}".to_owned())),
            ("a file, from the folder", "Bearer ${file:token}!", Ok("Bearer s3cr3t!".to_owned())),
            ("two", "${file:token}${file:token}", Ok("s3cr3ts3cr3t".to_owned())),
            ("the environment", "${env:PATH}", Ok(path)),
            ("a plain sign", "$${env:PATH}", Ok("${env:PATH}".to_owned())),
            ("a value is not looked into", "${file:token}", Ok("s3cr3t".to_owned())),
            ("no such file", "${file:nothing}", Err("cannot read `nothing`")),
            ("no such variable", "${env:TRAILWATCH_NOTHING}", Err("the environment has no `TRAILWATCH_NOTHING`")),
            ("another sort", "${vault:x}", Err("`${vault:x}` is no reference")),
            ("not closed", "${env:PATH", Err("a reference is not closed")),
        ] {
            match (resolve(written, folder.path()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.text, expected, "{name}"),
                (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{name}: {found}"),
                (found, expected) => panic!("{name}: {found:?} and not {expected:?}"),
            }
        }
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let mut secrets = Secrets::default();
        ["abc", "hooks/T0/B0", "hooks/T0/B0/longer"].iter().for_each(|value| secrets.add(value));
        let hidden = secrets.hide("abc: https://x/hooks/T0/B0/longer and hooks/T0/B0");
        assert_eq!(hidden, "abc: https://x/<redacted> and <redacted>");
        assert_eq!(format!("{secrets:?}"), "2 secrets");
    }
}
