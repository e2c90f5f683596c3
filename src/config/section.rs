//! A table of the configuration, read key by key: what has the wrong type or cannot be is complained of at its place, and
//! what was asked for is what may stand there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layer::{Item, Layer, Place, Table, Value};
use super::secret::{Kept, REDACTED, Resolved, Secrets, Vault, resolve};
use crate::rule::Diagnostic;

/// What reading has come to so far.
#[derive(Default)]
pub struct Reading {
    /// Whether the files could be read whole. What is missing is complained of only then.
    whole: bool,
    /// Everything that is wrong.
    pub problems: Vec<Diagnostic>,
    /// Every value that counts, in the order of reading.
    pub effective: Vec<Effective>,
    /// Values that nobody may print.
    pub secrets: Secrets,
    /// Secrets that were got from those who keep them.
    vault: Vault,
    /// Those that were not, in the order of reading.
    pub kept: Vec<Kept>,
    /// Where secrets stand in plain text.
    plain_secrets: Vec<Place>,
    /// Every key that was asked for, wherever.
    known: BTreeSet<&'static str>,
}

/// A value that counts, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its key, with all that it stands in.
    pub key: String,
    /// The value as TOML writes it; secrets are not told, and references stand as they were written.
    pub value: String,
    /// The file and line, the variable or the option that it was written in; `default` if it was not.
    pub origin: String,
}

/// A table that is being read.
pub struct Section<'t, 'r> {
    /// Its key, with all that it stands in; empty for the outermost.
    name: String,
    table: &'t Table,
    /// Where complaints about what is missing go.
    place: Place,
    /// Keys that were asked for, which are those that there are.
    asked: BTreeSet<&'static str>,
    /// Those of them whose values nobody may print.
    secret_keys: BTreeSet<&'static str>,
    /// Keys that must be there and are not, each with an example.
    missing: Vec<(&'static str, &'static str)>,
    reading: &'r mut Reading,
}

/// How openly a value may be spoken of.
#[derive(Clone, Copy, PartialEq)]
enum Openness {
    Open,
    Secret,
}

impl Reading {
    /// Before the first section. `whole` says whether the files could be read whole.
    pub fn new(whole: bool, vault: Vault) -> Self {
        Self { whole, vault, ..Self::default() }
    }

    /// Takes secrets that stand in plain text out of the lines that complaints draw.
    pub fn hide_plain_secrets(&mut self) {
        for problem in &mut self.problems {
            let mut bytes = problem.source.text.clone().into_bytes();
            let places = self.plain_secrets.iter().filter(|place| *place.source == *problem.source);
            for place in places {
                bytes.get_mut(place.span.clone()).into_iter().for_each(blank);
            }
            // Whole characters were replaced, so it is still text.
            let text = String::from_utf8(bytes).unwrap_or_default();
            if text != problem.source.text {
                let name = problem.source.name.clone();
                problem.source = std::sync::Arc::new(crate::rule::SourceText { name, text });
            }
        }
    }

    /// A complaint about text that is no TOML. Which of its values are secrets cannot be told, so it draws none of them.
    pub fn without_values(&self, mut problem: Diagnostic) -> Diagnostic {
        // As many bytes as there were, so that places hold; what stands around words shows what is wrong.
        let star = |c: char| if c.is_alphanumeric() { "*".repeat(c.len_utf8()) } else { c.to_string() };
        let mut text = String::with_capacity(problem.source.text.len());
        for line in problem.source.text.split_inclusive('\n') {
            let (key, value) = line.split_at(self.key_len(line));
            text.push_str(key);
            text.extend(value.chars().map(star));
        }
        problem.source = std::sync::Arc::new(crate::rule::SourceText { name: problem.source.name.clone(), text });
        problem
    }

    /// How much of a line is a key, or a table's name, that there is: all else may be part of a value.
    fn key_len(&self, line: &str) -> usize {
        let (name, len) = match line.trim_start().strip_prefix('[') {
            Some(name) => (name.split(['.', ']']).next().unwrap_or_default(), line.len()),
            None => line.split_once('=').map_or(("", 0), |(name, _)| (name, name.len())),
        };
        if self.known.contains(name.trim()) { len } else { 0 }
    }

    /// Reads the tables of a table: one section each, with its name.
    pub fn sections<'t>(&mut self, name: &str, item: &'t Item, mut read: impl FnMut(&'t str, Section<'t, '_>)) {
        let Value::Table(tables) = &item.value else {
            let problem =
                item.place.problem(format!("expected tables such as `[{name}.NAME]`, found {}", item.value.kind()));
            return self.problems.push(problem);
        };
        if tables.is_empty() && self.whole {
            self.problems.push(item.key.problem(format!("`{name}` has no tables")));
        }
        for (key, item) in tables {
            if let Some(section) = Section::of(item, format!("{name}.{key}"), self) {
                read(key, section);
            }
        }
    }
}

impl<'t, 'r> Section<'t, 'r> {
    /// The outermost table; complaints about what is missing in it go to `place`.
    pub fn outermost(table: &'t Table, place: Place, reading: &'r mut Reading) -> Self {
        Self::new(String::new(), table, place, reading)
    }

    /// A table within; `None`, after a complaint, for what is none.
    pub fn of(item: &'t Item, name: String, reading: &'r mut Reading) -> Option<Self> {
        let Value::Table(table) = &item.value else {
            let message = format!("expected a table, `[{name}]`, found {}", item.value.kind());
            reading.problems.push(item.place.problem(message));
            return None;
        };
        Some(Self::new(name, table, item.key.clone(), reading))
    }

    fn new(name: String, table: &'t Table, place: Place, reading: &'r mut Reading) -> Self {
        let (asked, secret_keys) = (BTreeSet::new(), BTreeSet::new());
        Self { name, table, place, asked, secret_keys, missing: Vec::new(), reading }
    }

    /// The item of a key, which may stand here from now on.
    pub fn item(&mut self, key: &'static str) -> Option<&'t Item> {
        self.asked.insert(key);
        self.reading.known.insert(key);
        self.table.get(key)
    }

    /// Reads a table within; one that is not there is empty.
    pub fn within<T>(&mut self, key: &'static str, read: impl FnOnce(Section<'_, '_>) -> T) -> Option<T> {
        let name = self.path(key);
        match self.item(key) {
            Some(item) => Section::of(item, name, self.reading).map(read),
            None => {
                let empty = Table::new();
                let mut section = Section::outermost(&empty, self.place.clone(), self.reading);
                section.name = name;
                Some(read(section))
            }
        }
    }

    /// Reads the tables of a table within.
    pub fn tables(&mut self, key: &'static str, read: impl FnMut(&'t str, Section<'t, '_>)) {
        if let Some(item) = self.item(key) {
            self.reading.sections(key, item, read);
        }
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let item = self.item(key)?;
        let text = self.text_of(item, Openness::Open)?;
        self.counts(key, item, Openness::Open);
        Some(text)
    }

    /// A text, or what it is without one.
    pub fn text_or(&mut self, key: &'static str, default: &str) -> String {
        self.by_default(key, &quoted(default));
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    /// A text that nobody may print.
    pub fn secret(&mut self, key: &'static str) -> Option<String> {
        self.secret_keys.insert(key);
        let item = self.item(key)?;
        let text = self.text_of(item, Openness::Secret)?;
        self.counts(key, item, Openness::Secret);
        Some(text)
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.list(key, Openness::Open)
    }

    /// A list of texts that nobody may print.
    pub fn secrets(&mut self, key: &'static str) -> Vec<String> {
        self.secret_keys.insert(key);
        self.list(key, Openness::Secret)
    }

    /// A table of texts that nobody may print, by their keys.
    pub fn secret_table(&mut self, key: &'static str) -> Vec<(String, String)> {
        self.secret_keys.insert(key);
        let Some(item) = self.item(key) else { return Vec::new() };
        let Value::Table(table) = &item.value else {
            self.wrong_type(item, "a table");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, item) in table {
            if let Some(text) = self.text_of(item, Openness::Secret) {
                let (key, value) = (format!("{}.{}", self.path(key), key_of(name)), shown(item, Openness::Secret));
                self.reading.effective.push(Effective { key, value, origin: origin(item) });
                texts.push((name.clone(), text));
            }
        }
        texts
    }

    /// A path; one that is not absolute goes from the folder of the file that it stands in.
    pub fn file(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.text(key)?;
        let item = self.item(key)?;
        Some(folder(item).join(text))
    }

    /// A list of paths.
    pub fn files(&mut self, key: &'static str) -> Vec<PathBuf> {
        let texts = self.texts(key);
        let Some(item) = self.item(key) else { return Vec::new() };
        texts.into_iter().map(|text| if text == "-" { text.into() } else { folder(item).join(text) }).collect()
    }

    /// A truth value.
    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.by_default(key, &default.to_string());
        let Some(item) = self.item(key) else { return default };
        self.counts(key, item, Openness::Open);
        match &item.value {
            Value::Flag(flag) => *flag,
            Value::Text(text) if item.layer_is_loose() && (text == "true" || text == "false") => text == "true",
            _ => {
                self.wrong_type(item, "`true` or `false`, without quotes");
                default
            }
        }
    }

    /// A number within bounds.
    pub fn number(&mut self, key: &'static str, bounds: std::ops::RangeInclusive<u64>, default: u64) -> u64 {
        self.by_default(key, &default.to_string());
        let Some(item) = self.item(key) else { return default };
        self.counts(key, item, Openness::Open);
        let (Value::Number(text) | Value::Text(text)) = &item.value else {
            self.wrong_type(item, "a number");
            return default;
        };
        if matches!(item.value, Value::Text(_)) && !item.layer_is_loose() {
            self.wrong_type(item, "a number, without quotes");
            return default;
        }
        match text.parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let message = format!("`{text}` is no whole number from {} to {}", bounds.start(), bounds.end());
                self.reading.problems.push(item.place.problem(message));
                default
            }
        }
    }

    /// A duration.
    pub fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        self.by_default(key, &quoted(&humantime::format_duration(default).to_string()));
        let expected = "a duration such as `\"30s\"` or `\"1h 30m\"`";
        self.parsed(key, expected, |text| humantime::parse_duration(text).ok()).unwrap_or(default)
    }

    /// A duration that must not be shorter than another.
    pub fn duration_from(&mut self, key: &'static str, least: Duration, default: Duration) -> Duration {
        let found = self.duration(key, default);
        if found < least {
            self.complain(key, format!("`{key}` is {} at least", humantime::format_duration(least)));
        }
        found.max(least)
    }

    /// One of several words.
    pub fn choice<T: Clone>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let item = self.item(key)?;
        let text = self.text_of(item, Openness::Open)?;
        self.counts(key, item, Openness::Open);
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone());
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let written = written(item);
            let problem = item.place.problem(format!("`{written}` cannot be `{key}`"));
            self.reading.problems.push(problem.expecting(written, &known));
        }
        found
    }

    /// One of several words, or the one that it is without one.
    pub fn choice_or<T: Clone>(&mut self, key: &'static str, words: &[(&str, T)], default: usize) -> T {
        self.by_default(key, &quoted(words[default].0));
        self.choice(key, words).unwrap_or_else(|| words[default].1.clone())
    }

    /// What a text means; `None`, after a complaint, if it means nothing.
    pub fn parsed<T>(&mut self, key: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let item = self.item(key)?;
        let text = self.text_for(item, Openness::Open, expected)?;
        self.counts(key, item, Openness::Open);
        let parsed = parse(&text);
        if parsed.is_none() {
            let problem = item.place.problem(format!("`{}` cannot be `{key}`", written(item)));
            self.reading.problems.push(problem.label(format!("expected {expected}")));
        }
        parsed
    }

    /// What one text, or each of a list, means; those that mean nothing are complained of.
    pub fn one_or_more<T>(&mut self, key: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let texts: Vec<(&Place, String)> = match &item.value {
            Value::List(list) => {
                list.iter().filter_map(|one| Some((&one.place, self.text_of(one, Openness::Open)?))).collect()
            }
            _ if item.layer_is_loose() => {
                self.list(key, Openness::Open).into_iter().map(|text| (&item.place, text)).collect()
            }
            _ => self.text_for(item, Openness::Open, expected).into_iter().map(|text| (&item.place, text)).collect(),
        };
        self.counts(key, item, Openness::Open);
        let mut parsed = Vec::new();
        for (place, text) in texts {
            match parse(&text) {
                Some(one) => parsed.push(one),
                None => {
                    let problem = place.problem(format!("`{text}` cannot be `{key}`"));
                    self.reading.problems.push(problem.label(format!("expected {expected}")));
                }
            }
        }
        parsed
    }

    /// Says that a key must be there.
    pub fn require(&mut self, key: &'static str, example: &'static str) {
        if self.item(key).is_none() {
            self.missing.push((key, example));
        }
    }

    /// Complains of the value of a key, or of the table if there is no such key in it.
    pub fn complain(&mut self, key: &str, message: impl Into<String>) {
        let place = self.table.get(key).map_or(&self.place, |item| &item.place);
        // What a sink says of its settings may quote them.
        let message = self.reading.secrets.hide(&message.into());
        self.reading.problems.push(place.problem(message));
    }

    /// How many complaints there are by now.
    pub fn problems(&self) -> usize {
        self.reading.problems.len()
    }

    /// How many secrets are still to be got from those who keep them. What is made with them cannot be judged yet.
    pub fn kept(&self) -> usize {
        self.reading.kept.len()
    }

    /// Complains of what nobody asked for, and of what is missing.
    pub fn finish(self) {
        let known: Vec<&str> = self.asked.iter().copied().collect();
        let mut meant = Vec::new();
        for (name, item) in self.table.iter().filter(|(name, _)| !self.asked.contains(name.as_str())) {
            let problem = item.key.problem(format!("unknown key `{name}`")).expecting(name, &known);
            let hint = problem.hint.clone().unwrap_or_default();
            let near = known.iter().find(|known| hint.contains(&format!("`{known}`")));
            if near.is_none_or(|near| self.secret_keys.contains(near)) {
                self.reading.plain_secrets.push(item.place.clone());
            }
            meant.extend(near);
            self.reading.problems.push(problem);
        }
        self.tell_missing(&meant);
    }

    /// Complains of what is missing, where it is not known what there may be.
    pub fn give_up(self) {
        self.tell_missing(&[]);
    }

    fn tell_missing(self, meant: &[&str]) {
        if !self.reading.whole {
            return;
        }
        for (key, example) in self.missing.iter().filter(|(key, _)| !meant.contains(key)) {
            let whose = if self.name.is_empty() { "the configuration".to_owned() } else { format!("`{}`", self.name) };
            let problem = self.place.problem(format!("{whose} has no `{key}`"));
            self.reading.problems.push(problem.hint(format!("add `{example}`")));
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn list(&mut self, key: &'static str, openness: Openness) -> Vec<String> {
        let Some(item) = self.item(key) else { return Vec::new() };
        self.counts(key, item, openness);
        match &item.value {
            Value::List(list) => list.iter().filter_map(|element| self.text_of(element, openness)).collect(),
            Value::Text(_) if item.layer_is_loose() => {
                let whole = self.text_of(item, openness).unwrap_or_default();
                whole.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
            }
            _ => {
                self.wrong_type(item, "a list of strings");
                Vec::new()
            }
        }
    }

    /// The text of an item, its references followed.
    fn text_of(&mut self, item: &Item, openness: Openness) -> Option<String> {
        self.text_for(item, openness, "a string")
    }

    /// The same, where more can be said of what is expected.
    fn text_for(&mut self, item: &Item, openness: Openness, expected: &str) -> Option<String> {
        let Value::Text(written) = &item.value else {
            self.wrong_type(item, expected);
            return None;
        };
        match resolve(written, folder(item), &self.reading.vault) {
            Ok(Resolved { kept, .. }) if openness == Openness::Open && !kept.is_empty() => {
                let places = "`url`, `routing_key`, `signing_keys` and `headers`";
                let message = format!("`{}` cannot stand here (what a service keeps secret can in {places})", kept[0]);
                self.reading.problems.push(item.place.problem(message));
                None
            }
            Ok(Resolved { text, values, kept }) => {
                let is_plain = values.is_empty() && kept.is_empty();
                self.reading.kept.extend(kept);
                values.iter().for_each(|value| self.reading.secrets.add(value));
                if openness == Openness::Secret {
                    self.reading.secrets.add(&text);
                    self.reading.plain_secrets.extend(is_plain.then(|| item.place.clone()));
                }
                Some(text)
            }
            Err(reason) => {
                self.reading.problems.push(item.place.problem(reason));
                None
            }
        }
    }

    fn wrong_type(&mut self, item: &Item, expected: &str) {
        let message = format!("expected {expected}, found {}", item.value.kind());
        self.reading.problems.push(item.place.problem(message));
    }

    /// Notes a value that counts.
    fn counts(&mut self, key: &str, item: &Item, openness: Openness) {
        let (key, value) = (self.path(key), shown(item, openness));
        self.reading.effective.push(Effective { key, value, origin: origin(item) });
    }

    /// Notes what counts where nothing is written.
    fn by_default(&mut self, key: &'static str, value: &str) {
        if self.item(key).is_none() {
            let (key, value) = (self.path(key), value.to_owned());
            self.reading.effective.push(Effective { key, value, origin: "default".to_owned() });
        }
    }
}

impl Item {
    /// Whether it was written where there are only texts.
    fn layer_is_loose(&self) -> bool {
        !matches!(self.layer, Layer::File(_))
    }
}

/// Blanks what stands on each line, so that lines keep their numbers.
fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b'*');
}

/// The folder that paths of an item go from.
fn folder(item: &Item) -> &Path {
    match &item.layer {
        Layer::File(path) => path.parent().unwrap_or(Path::new("")),
        Layer::Environment | Layer::CommandLine => Path::new(""),
    }
}

/// A text as it was written.
fn written(item: &Item) -> &str {
    match &item.value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn origin(item: &Item) -> String {
    let source = &item.key.source;
    match &item.layer {
        Layer::File(_) => format!("{}:{}", source.name, item.key.problem("").position().0),
        Layer::Environment | Layer::CommandLine => source.text[item.key.span.clone()].to_owned(),
    }
}

/// The value as TOML writes it, without secrets in plain text.
fn shown(item: &Item, openness: Openness) -> String {
    match &item.value {
        Value::Text(text) if openness == Openness::Secret && !text.contains("${") => quoted(REDACTED),
        Value::Text(text) => quoted(text),
        Value::Number(text) => text.clone(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(list) => {
            let parts: Vec<String> = list.iter().map(|element| shown(element, openness)).collect();
            format!("[{}]", parts.join(", "))
        }
        Value::Time | Value::Table(_) => String::new(),
    }
}

fn quoted(text: &str) -> String {
    // A string of JSON is one of TOML.
    serde_json::Value::from(text).to_string()
}

/// A key as TOML writes it.
fn key_of(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { name.to_owned() } else { quoted(name) }
}
