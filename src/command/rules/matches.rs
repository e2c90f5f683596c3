//! `trailwatch rules match`: a pattern against events as they stand in files, as `aws events test-event-pattern` does it
//! at the service. Any JSON object is an event; nothing is unwrapped.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use serde_json::value::RawValue;

use crate::command::{Exit, count, line, say};
use crate::condition::{Condition, holds};
use crate::decode;
use crate::event::{Event, Fields, Projection, projection_of};
use crate::rule::{Diagnostic, event_pattern, filter_pattern};
use crate::untrusted::{Untrusted, UntrustedJson};

/// The deepest nesting of an event.
const NESTING_MAX: usize = 500;

#[derive(Debug, Args)]
pub struct Match {
    #[command(flatten)]
    pattern: Given,
    /// Files with events, one or several in each: any JSON objects; `-` is standard input.
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<PathBuf>,
    /// How the results are written.
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Given {
    /// An EventBridge event pattern: a file, or the pattern itself where it begins with `{`.
    #[arg(long, value_name = "PATTERN")]
    event_pattern: Option<String>,
    /// A CloudWatch Logs filter pattern: `{ $.errorCode = "AccessDenied*" }`.
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `match` or `no match`, a line for each event.
    Human,
    /// One JSON object for each event.
    Json,
}

/// What came of an event.
struct Judged {
    file: String,
    line: usize,
    matched: bool,
}

/// What came of all of them.
#[derive(Default)]
struct Outcome {
    judged: Vec<Judged>,
    is_incomplete: bool,
}

impl Match {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(condition) = self.pattern.read() else { return Ok(Exit::Usage) };
        let projection = projection_of([]);
        let mut outcome = Outcome::default();
        for path in &self.events {
            let before = outcome.judged.len();
            let result = read(path).and_then(|text| judge_all(&condition, &projection, path, &text, &mut outcome));
            if let Err(reason) = result {
                say("error", &format!("{}: {reason}", path.display()));
                outcome.is_incomplete = true;
            } else if outcome.judged.len() == before {
                say("error", &format!("{}: there is no event in it", path.display()));
                outcome.is_incomplete = true;
            }
        }
        self.tell(&outcome)?;
        Ok(match outcome.judged.iter().all(|judged| judged.matched) {
            _ if outcome.is_incomplete => Exit::Incomplete,
            true => Exit::Done,
            false => Exit::Found,
        })
    }

    fn tell(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let mut out = std::io::BufWriter::new(anstream::stdout());
        let is_alone = outcome.judged.len() == 1 && self.events.len() == 1;
        for judged in &outcome.judged {
            let Judged { file, line, matched } = judged;
            if self.format == Format::Json {
                let told = json!({ "file": file, "line": line, "match": matched }).to_string();
                writeln!(out, "{}", UntrustedJson(&told))?;
                continue;
            }
            let word = if *matched { "match" } else { "no match" };
            match is_alone {
                true => writeln!(out, "{word}")?,
                false => writeln!(out, "{}:{line}: {word}", Untrusted(file))?,
            }
        }
        out.flush()?;
        Ok(())
    }
}

impl Given {
    /// The condition that the pattern is; `None` if it cannot be used, after saying why.
    fn read(&self) -> Option<Condition> {
        let result = match (&self.event_pattern, &self.filter) {
            (Some(given), _) => of_event_pattern(given),
            (None, Some(filter)) => filter_pattern::parse("--filter", filter).map_err(|problem| vec![problem]),
            (None, None) => Err(Vec::new()),
        };
        match result {
            Ok(condition) => Some(condition),
            Err(problems) => {
                problems.iter().for_each(|problem| line(&format!("{problem}\n")));
                if !problems.is_empty() {
                    say("error", &format!("{} in the pattern", count(problems.len(), "problem")));
                }
                None
            }
        }
    }
}

/// The condition of an event pattern that is given itself, or by its file. A file that cannot be read is told here.
fn of_event_pattern(given: &str) -> Result<Condition, Vec<Diagnostic>> {
    let (name, text) = match given.trim_start().starts_with('{') {
        true => ("--event-pattern", given.to_owned()),
        false => match read(Path::new(given)) {
            Ok(text) => (given, text),
            Err(reason) => {
                say("error", &format!("{given}: {reason}"));
                return Err(Vec::new());
            }
        },
    };
    let pattern = event_pattern::parse(name, &text)?;
    if let Some(rest) = pattern.rest_of(name, &text) {
        line(&format!("{rest}\n"));
    }
    Ok(pattern.verbatim())
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let result = match path == Path::new("-") {
        true => std::io::stdin().read_to_end(&mut bytes).map(drop),
        false => std::fs::read(path).map(|read| bytes = read),
    };
    result.map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| format!("byte {} is not UTF-8", error.utf8_error().valid_up_to()))
}

/// Judges the objects of a text, one after the other, up to where it breaks.
fn judge_all(
    condition: &Condition,
    projection: &Projection,
    path: &Path,
    text: &str,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let mut fields = Fields::default();
    let mut newlines = Newlines { text, counted: 0, lines: 1 };
    for event in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let event = event.map_err(|error| format!("not JSON: {error}"))?.get();
        let line = newlines.line_of(event);
        if !event.starts_with('{') {
            return Err(format!("line {line}: an event is a JSON object"));
        }
        if decode::is_deeper_than(event, NESTING_MAX) {
            return Err(format!("line {line}: it nests deeper than {NESTING_MAX}"));
        }
        let event = Event::read(event, projection, &mut fields).map_err(|error| format!("line {line}: {error}"))?;
        outcome.judged.push(Judged { file: path.display().to_string(), line, matched: holds(condition, &event) });
    }
    Ok(())
}

/// Counts lines of a text, each byte once.
struct Newlines<'t> {
    text: &'t str,
    counted: usize,
    lines: usize,
}

impl Newlines<'_> {
    /// The line on which a part of the text begins; parts must come in their order.
    fn line_of(&mut self, part: &str) -> usize {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        self.lines += self.text.as_bytes()[self.counted..start].iter().filter(|&&byte| byte == b'\n').count();
        self.counted = start;
        self.lines
    }
}
