//! `trailwatch explain`: why rules did or did not match an event.
//!
//! Goes by the naive evaluator, which judges every predicate also where the outcome is already clear.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Exit, RuleArgs, complain, events, say};
use crate::config;
use crate::engine::trial::Verdict;
use crate::engine::trial::verdict::judge;
use crate::event::RawEvent;
use crate::event::dictionary::nearest;
use crate::rule::Rule;
use crate::sink::stdout::{self, Printer};
use crate::untrusted::UntrustedJson;

pub mod draw;
pub mod json;

/// How many rules are shown for an event if none is named.
const RULES_SHOWN_MAX: usize = 5;

#[derive(Debug, Args)]
pub struct Explain {
    /// Files with events, in any form that `scan` reads; `-` is standard input.
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<PathBuf>,
    /// A rule's id, or the file of a rule; may be repeated. Without it every rule is held against the event.
    #[arg(long, value_name = "ID|FILE")]
    rule: Vec<String>,
    #[command(flatten)]
    rules: RuleArgs,
    /// Shows all rules and not the nearest five, where none is named.
    #[arg(long)]
    all: bool,
    /// How explanations are written.
    #[arg(long, short, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object for each event and rule, on a line.
    Json,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Some(rules) = self.chosen() else { return Ok(Exit::BadRules) };
        let mut all_matched = true;
        let mut out = anstream::stdout();
        let read = events::each(self.events.clone(), |event, text| {
            let mut verdicts = match judge(&rules, text) {
                Ok(verdicts) => verdicts,
                Err(error) => return Ok(Err(error)),
            };
            all_matched &= verdicts.iter().all(Verdict::matched);
            if self.rule.is_empty() {
                verdicts.sort_by(|a, b| order(b, a));
            }
            out.write_all(self.told(event, &verdicts).as_bytes())?;
            Ok(Ok(()))
        })?;
        let named = !self.rule.is_empty();
        Ok(if read.lost == 0 && named && !all_matched { Exit::Found } else { read.exit() })
    }

    /// The rules that are to be explained; `None` if they cannot be used, after saying why.
    fn chosen(&self) -> Option<Vec<Rule>> {
        if self.rule.is_empty() {
            return self.rules.load();
        }
        // Rules in files of their own need no others.
        let by_file = |name: &String| Path::new(name).is_file();
        let needs_ids = self.rule.iter().any(|name| !by_file(name)) || !self.rules.rules.is_empty();
        let loaded = if needs_ids { self.rules.load()? } else { Vec::new() };
        let mut chosen = Vec::new();
        for name in &self.rule {
            chosen.push(if by_file(name) { self.by_file(name)? } else { by_id(name, &loaded)? });
        }
        Some(chosen)
    }

    fn by_file(&self, name: &str) -> Option<Rule> {
        let loaded = config::rules_with(&[PathBuf::from(name)], &self.rules.shared.shared);
        if !loaded.is_good() {
            complain(&loaded);
            return None;
        }
        loaded.rules.into_iter().next()
    }

    /// What is said of an event.
    fn told(&self, event: &RawEvent, verdicts: &[Verdict<'_>]) -> String {
        let shown = match self.rule.is_empty() && !self.all {
            true => &verdicts[..verdicts.len().min(RULES_SHOWN_MAX)],
            false => verdicts,
        };
        let mut text = String::new();
        if self.output == Format::Json {
            for verdict in shown {
                let line = json::verdict(event, verdict).to_string();
                text.push_str(&format!("{}\n", UntrustedJson(&line)));
            }
            return text;
        }
        text.push_str(&headline(event));
        if self.rule.is_empty() {
            draw::overview(shown, verdicts.len() - shown.len(), &mut text);
        } else {
            shown.iter().for_each(|verdict| draw::verdict(verdict, 1, &mut text));
        }
        text
    }
}

/// Matches first, then the nearest.
fn order(a: &Verdict<'_>, b: &Verdict<'_>) -> std::cmp::Ordering {
    a.matched().cmp(&b.matched()).then_with(|| a.nearness().order(&b.nearness()))
}

/// The event as `tail` shows it.
fn headline(event: &RawEvent) -> String {
    let mut line = Vec::new();
    // A vector takes everything that is written.
    let _ = Printer::new(&mut line, stdout::Format::Text).event(&event.bytes);
    String::from_utf8_lossy(&line).into_owned()
}

fn by_id(id: &str, rules: &[Rule]) -> Option<Rule> {
    let found = rules.iter().find(|rule| rule.id == id).cloned();
    if found.is_none() {
        let hint = match nearest(id, rules.iter().map(|rule| rule.id.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`trailwatch rules list` shows the shipped ones; `--rules` names others".to_owned(),
        };
        say("error", &format!("there is no rule `{id}`, and no such file ({hint})"));
    }
    found
}
