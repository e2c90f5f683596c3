//! Which calls services have: those that are built in, and those of a file that the user names.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::known;
use crate::event::dictionary::{is_service_form, nearest};
use crate::rule::{Diagnostic, SourceText};

/// The calls of services.
#[derive(Debug)]
pub struct Calls(HashMap<String, Service>);

#[derive(Debug, Default)]
struct Service {
    calls: BTreeSet<String>,
    /// Whether these are all.
    complete: bool,
}

/// The table of calls beside those that are built in.
const SOME: &str = "known-events";
/// The table of services all of whose calls are listed.
const ALL: &str = "all-events";

impl Default for Calls {
    /// What is built in.
    fn default() -> Self {
        let mut calls = Self(HashMap::new());
        for (tables, complete) in [(known::OPERATIONS, true), (known::SOME_OPERATIONS, false)] {
            for (service, names) in tables {
                calls.add(service, names.iter().map(|name| (*name).to_owned()), complete);
            }
        }
        calls
    }
}

impl Calls {
    fn add(&mut self, service: &str, names: impl Iterator<Item = String>, complete: bool) {
        let service = self.0.entry(service.to_owned()).or_default();
        service.calls.extend(names);
        service.complete |= complete;
    }

    /// Adds what a file says, and returns what is wrong with it.
    pub fn read(&mut self, name: &Path, text: String) -> Vec<Diagnostic> {
        let source = Arc::new(SourceText { name: name.display().to_string(), text });
        let (document, errors) = DeTable::parse_recoverable(&source.text);
        let broken = |error: toml::de::Error| {
            let message = error.message().lines().next().unwrap_or("this is not TOML").to_owned();
            Diagnostic::new(&source, error.span().unwrap_or(0..0), message)
        };
        let mut problems: Vec<Diagnostic> = errors.into_iter().map(broken).collect();
        for (key, value) in document.get_ref() {
            let table = [(SOME, false), (ALL, true)].into_iter().find(|(table, _)| *table == key.get_ref().as_ref());
            match (table, value.get_ref()) {
                (None, _) => problems.push(
                    Diagnostic::new(&source, key.span(), format!("unknown key `{}`", key.get_ref()))
                        .label(format!("expected `[{SOME}]` or `[{ALL}]`")),
                ),
                (Some((_, complete)), DeValue::Table(services)) => {
                    self.read_services(services, complete, &source, &mut problems);
                }
                (Some(_), _) => problems.push(Diagnostic::new(&source, value.span(), "expected a table")),
            }
        }
        problems.sort_by_key(|problem| problem.span.start);
        problems
    }

    fn read_services(
        &mut self,
        services: &DeTable<'_>,
        complete: bool,
        source: &Arc<SourceText>,
        problems: &mut Vec<Diagnostic>,
    ) {
        for (service, names) in services {
            if !is_service_form(service.get_ref()) {
                let message = format!("`{}` is no service", service.get_ref());
                problems.push(
                    Diagnostic::new(source, service.span(), message)
                        .label("CloudTrail writes the service's domain, as in `iam.amazonaws.com`"),
                );
            }
            let text = |name: &Spanned<DeValue<'_>>| name.get_ref().as_str().map(str::to_owned);
            match names.get_ref().as_array().and_then(|names| names.iter().map(text).collect::<Option<Vec<_>>>()) {
                Some(names) => self.add(service.get_ref(), names.into_iter(), complete),
                None => problems.push(
                    Diagnostic::new(source, names.span(), "expected a list of strings")
                        .hint("write the names of calls: `[\"CreateThing\", \"DeleteThing\"]`"),
                ),
            }
        }
    }

    /// What is wrong with a name, if it is certain that the service has no such call: a hint, where there is one.
    pub(super) fn judge(&self, service: &str, name: &str) -> Result<(), Option<String>> {
        let known = self.0.get(service);
        if known.is_some_and(|service| service.calls.contains(name)) {
            return Ok(());
        }
        if let Some((.., written)) = known::RENAMED.iter().find(|(of, api, _)| *of == service && *api == name) {
            return Err(Some(format!("CloudTrail writes `{written}`")));
        }
        let Some(Service { calls, complete }) = known else { return Ok(()) };
        let names = || calls.iter().map(String::as_str);
        let same = names().find(|call| call.eq_ignore_ascii_case(name));
        let near = same.or_else(|| nearest(name, names()).filter(|_| *complete));
        match near {
            Some(near) => Err(Some(format!("did you mean `{near}`?"))),
            None if *complete => Err(None),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str) -> (Calls, Vec<String>) {
        let mut calls = Calls::default();
        let problems = calls.read(Path::new("known.toml"), text.to_owned());
        (calls, problems.into_iter().map(|problem| problem.to_string()).collect())
    }

    #[test]
    fn only_what_is_certain_is_said() {
        let (calls, problems) = calls(
            "[known-events]\n\"xray.amazonaws.com\" = [\"PutTracePolicy\"]\n\"iam.amazonaws.com\" = [\"CreateWidget\"]\n\
             [all-events]\n\"bills.amazonaws.com\" = [\"CreateBill\"]\n",
        );
        assert_eq!(problems, [""; 0]);
        for (service, name, expected) in [
            ("xray", "PutEncryptionConfig", Ok(())),
            ("xray", "PutTracePolicy", Ok(())),
            ("xray", "PutEncryptionConfiguration", Err(None)),
            ("xray", "putencryptionconfig", Err(Some("did you mean `PutEncryptionConfig`?"))),
            ("iam", "CreateWidget", Ok(())),
            ("iam", "CreateGadget", Ok(())),
            ("iam", "createuser", Err(Some("did you mean `CreateUser`?"))),
            ("iam", "CreateUsers", Ok(())),
            ("lambda", "UpdateFunctionCode", Err(Some("CloudTrail writes `UpdateFunctionCode20150331v2`"))),
            ("s3", "PutBucketLifecycleConfiguration", Err(Some("CloudTrail writes `PutBucketLifecycle`"))),
            ("bills", "CreateBill", Ok(())),
            ("bills", "DeleteBill", Err(None)),
            ("nowhere", "Anything", Ok(())),
        ] {
            let judged = calls.judge(&format!("{service}.amazonaws.com"), name);
            assert_eq!(judged, expected.map_err(|hint: Option<&str>| hint.map(str::to_owned)), "{service} {name}");
        }
    }

    #[test]
    fn a_file_is_refused_with_its_places() {
        let (_, problems) = calls("[known-event]\n[known-events]\niam = [\"X\"]\n\"iam.amazonaws.com\" = \"X\"\n");
        let heads: Vec<&str> = problems.iter().filter_map(|problem| problem.lines().next()).collect();
        assert_eq!(
            heads,
            [
                "known.toml:1:2: unknown key `known-event`",
                "known.toml:3:1: `iam` is no service",
                "known.toml:4:23: expected a list of strings",
            ]
        );
    }
}
