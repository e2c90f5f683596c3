//! References to secrets in the strings of a configuration, and the values that nobody may print.
//!
//! What stands in the environment and in files is read on the way. What services keep is not: such references are
//! gathered, whoever may connect gets their values, and the configuration is read again with those at hand.

use std::collections::BTreeMap;
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

/// A reference to a secret that a service of AWS keeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// The service.
    pub keeper: Keeper,
    /// The name or ARN of the secret or parameter.
    pub name: String,
    /// The key of a JSON object whose value is meant; the whole text, if there is none.
    pub json_key: Option<String>,
}

/// Who keeps secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeper {
    /// `${secretsmanager:NAME}`, `${secretsmanager:NAME#KEY}`
    SecretsManager,
    /// `${ssm:NAME}`
    ParameterStore,
}

/// As it is written.
impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let service = match self.keeper {
            Keeper::SecretsManager => "secretsmanager",
            Keeper::ParameterStore => "ssm",
        };
        write!(f, "${{{service}:{}", self.name)?;
        self.json_key.iter().try_for_each(|key| write!(f, "#{key}"))?;
        f.write_str("}")
    }
}

impl Kept {
    fn read(keeper: Keeper, text: &str) -> Result<Self, String> {
        let (name, json_key) = match (keeper, text.split_once('#')) {
            (Keeper::SecretsManager, Some((name, key))) => (name, Some(key.to_owned())),
            _ => (text, None),
        };
        let kept = Self { keeper, name: name.to_owned(), json_key };
        // Both services take no others in names; ARNs have colons.
        let fits = |c: char| c.is_ascii_alphanumeric() || "/_+=.@!:-".contains(c);
        if name.is_empty() || !name.chars().all(fits) || kept.json_key.as_deref() == Some("") {
            let forms = "`${secretsmanager:NAME}`, `${secretsmanager:NAME#JSON_KEY}` and `${ssm:/PATH/NAME}`";
            return Err(format!("`{kept}` names no secret (it looks like one of {forms})"));
        }
        Ok(kept)
    }
}

/// Secrets that were got from those who keep them. Nobody may print them.
#[derive(Clone, Default)]
pub struct Vault(pub BTreeMap<Kept, String>);

/// A text whose references have been followed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The text. What is kept elsewhere and not in the vault is left out of it.
    pub text: String,
    /// What the references stood for.
    pub values: Vec<String>,
    /// What has to be got from those who keep it.
    pub kept: Vec<Kept>,
}

/// Follows the references of a text: `${env:NAME}`, `${file:PATH}` and what is in the vault; `$${` is a plain `${`. Paths go
/// from a folder.
pub fn resolve(written: &str, folder: &Path, vault: &Vault) -> Result<Resolved, String> {
    let mut resolved = Resolved::default();
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
        resolved.text.push_str(before);
        rest = after;
        let value = match kept(inside)? {
            Some(kept) => match vault.0.get(&kept) {
                Some(value) => value.clone(),
                None => {
                    resolved.kept.push(kept);
                    continue;
                }
            },
            None => value_of(inside, folder)?,
        };
        resolved.text.push_str(&value);
        resolved.values.push(value);
    }
    resolved.text.push_str(rest);
    Ok(resolved)
}

/// What a service keeps, if the reference is to that.
fn kept(reference: &str) -> Result<Option<Kept>, String> {
    match reference.split_once(':') {
        Some(("secretsmanager", name)) => Kept::read(Keeper::SecretsManager, name).map(Some),
        Some(("ssm", name)) => Kept::read(Keeper::ParameterStore, name).map(Some),
        _ => Ok(None),
    }
}

fn value_of(reference: &str, folder: &Path) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => match std::env::var(name) {
            Ok(value) => Ok(value),
            Err(_) => Err(format!("the environment has no `{name}` that is text")),
        },
        Some(("file", name)) => file(&folder.join(name)).map_err(|reason| format!("cannot read `{name}`: {reason}")),
        _ => Err(format!(
            "`${{{reference}}}` is no reference (there are `${{env:NAME}}`, `${{file:PATH}}`, `${{secretsmanager:NAME}}` and \
             `${{ssm:/PATH/NAME}}`)"
        )),
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
            ("a secret without a name", "${ssm:}", Err("`${ssm:}` names no secret")),
            ("a secret with an odd name", "${secretsmanager:a b}", Err("`${secretsmanager:a b}` names no secret")),
            ("a key without a name", "${secretsmanager:a#}", Err("`${secretsmanager:a#}` names no secret")),
            ("not closed", "${env:PATH", Err("a reference is not closed")),
        ] {
            match (resolve(written, folder.path(), &Vault::default()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.text, expected, "{name}"),
                (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{name}: {found}"),
                (found, expected) => panic!("{name}: {found:?} and not {expected:?}"),
            }
        }
    }

    #[test]
    fn what_services_keep_is_gathered_and_then_put_in_its_place() {
        let written =
            "https://x/${secretsmanager:hooks/pager#url}?k=${ssm:/prod/key}&e=${secretsmanager:arn:aws:s:r:1:n}";
        let first = resolve(written, Path::new(""), &Vault::default()).unwrap();
        assert_eq!(first.text, "https://x/?k=&e=");
        let names: Vec<String> = first.kept.iter().map(ToString::to_string).collect();
        let expected = ["${secretsmanager:hooks/pager#url}", "${ssm:/prod/key}", "${secretsmanager:arn:aws:s:r:1:n}"];
        assert_eq!(names, expected);
        let values = first.kept.into_iter().zip(["a".to_owned(), "b".to_owned(), "${env:PATH}".to_owned()]);
        let second = resolve(written, Path::new(""), &Vault(values.collect())).unwrap();
        assert_eq!(second.text, "https://x/a?k=b&e=${env:PATH}", "and a value is not looked into");
        assert!(second.kept.is_empty() && second.values.len() == 3);
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
