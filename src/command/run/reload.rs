//! The configuration and the rules, read anew while the run goes on: all of it is taken over, or nothing.
//!
//! Rules are taken over, and what sinks are to have. All else takes a restart, which is said.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use super::alarm;
use crate::command::config_file::ConfigArgs;
use crate::config::{self, Effective, Loaded, Run};
use crate::engine::RuleSet;
use crate::engine::trial::run_tests;
use crate::rule::Rule;

/// What was read anew and found good.
pub struct Renewed {
    /// What a run would be made of.
    pub run: Run,
    /// Every value that counts.
    pub effective: Vec<Effective>,
    /// The rules, which pass their tests.
    pub rules: RuleSet,
}

/// Why what was read anew is not taken over.
#[derive(Debug, Default)]
pub struct Refusal {
    /// What is wrong, line by line.
    pub problems: Vec<String>,
    /// The rules that are to blame, if it is rules: their ids, or their files where there is no telling.
    pub rules: BTreeSet<String>,
}

impl From<Vec<String>> for Refusal {
    fn from(problems: Vec<String>) -> Self {
        Self { problems, rules: BTreeSet::new() }
    }
}

/// Reads everything anew.
pub fn read(config: &ConfigArgs) -> Result<Renewed, Refusal> {
    let configuration = config.read_whole()?;
    let Some(run) = configuration.run else {
        return Err(configuration.problems.iter().map(ToString::to_string).collect::<Vec<_>>().into());
    };
    let loaded = config::rules_with(&run.rules, &run.shared);
    if !loaded.is_good() {
        let broken = loaded.problems.iter().map(|problem| problem.source.name.clone());
        let unreadable = loaded.unreadable.iter().map(|(path, _)| path.display().to_string());
        return Err(Refusal { rules: broken.chain(unreadable).collect(), problems: problems(&loaded) });
    }
    let mut refusal = Refusal::default();
    for rule in &loaded.rules {
        let failed = failed_tests(slice::from_ref(rule));
        refusal.rules.extend((!failed.is_empty()).then(|| rule.id.clone()));
        refusal.problems.extend(failed);
    }
    if !refusal.problems.is_empty() {
        return Err(refusal);
    }
    let rules = RuleSet::new(alarm::with(loaded.rules, run.alarms));
    Ok(Renewed { run, effective: configuration.effective, rules })
}

/// Everything that is wrong with rules.
pub fn problems(loaded: &Loaded) -> Vec<String> {
    let unreadable = loaded.unreadable.iter().map(|(path, error)| format!("{}: {error}", path.display()));
    loaded.problems.iter().map(ToString::to_string).chain(unreadable).collect()
}

/// The rules' own tests that fail.
pub fn failed_tests(rules: &[Rule]) -> Vec<String> {
    let mut failed = Vec::new();
    for rule in rules {
        let outcomes = run_tests(rule).into_iter().filter(|(_, outcome)| !outcome.passed);
        failed.extend(outcomes.map(|(test, _)| format!("rule `{}` fails its test `{}`", rule.id, test.name)));
    }
    failed
}

/// How two sets of rules differ, by their ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

/// Ids that are named, of each sort.
const NAMED_MAX: usize = 5;

impl Difference {
    /// What happens to the old rules.
    pub fn between(old: &[Rule], new: &[Rule]) -> Self {
        let by_id = |rules: &[Rule]| -> BTreeMap<String, Rule> {
            rules.iter().map(|rule| (rule.id.clone(), rule.clone())).collect()
        };
        let (old, new) = (by_id(old), by_id(new));
        let mut difference = Self::default();
        for (id, rule) in &new {
            match old.get(id) {
                None => difference.added.push(id.clone()),
                Some(before) if is_changed(before, rule) => difference.changed.push(id.clone()),
                Some(_) => {}
            }
        }
        difference.removed = old.into_keys().filter(|id| !new.contains_key(id)).collect();
        difference
    }
}

/// Whether anything is different: what was written, or what it means by way of lists that are shared.
fn is_changed(before: &Rule, now: &Rule) -> bool {
    before.source.text != now.source.text || before.condition != now.condition
}

/// `+2 −1 ~0 rules: +new-one +new-two −old-one`
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sorts = [("+", &self.added), ("−", &self.removed), ("~", &self.changed)];
        let counts = sorts.map(|(sign, ids)| format!("{sign}{}", ids.len())).join(" ");
        write!(f, "{counts} rules")?;
        for (number, (sign, id)) in
            sorts.iter().flat_map(|(sign, ids)| ids.iter().take(NAMED_MAX).map(move |id| (sign, id))).enumerate()
        {
            write!(f, "{}{sign}{id}", if number == 0 { ": " } else { " " })?;
        }
        if sorts.iter().any(|(_, ids)| ids.len() > NAMED_MAX) {
            write!(f, " …")?;
        }
        Ok(())
    }
}

/// Keys whose values differ and are not taken over before a restart.
pub fn restart_needed(old: &[Effective], new: &[Effective]) -> Vec<String> {
    let pairs = |effective: &[Effective]| -> BTreeSet<(String, String)> {
        effective.iter().map(|one| (one.key.clone(), one.value.clone())).collect()
    };
    let (old, new) = (pairs(old), pairs(new));
    let keys: BTreeSet<String> = old.symmetric_difference(&new).map(|(key, _)| key.clone()).collect();
    keys.into_iter().filter(|key| !is_taken_over(key)).collect()
}

fn is_taken_over(key: &str) -> bool {
    // A header may be called so, too.
    let is_route = (key.ends_with(".min_severity") || key.ends_with(".tags")) && !key.contains(".headers.");
    key == "reload" || key.starts_with("rules.") || (key.starts_with("sinks.") && is_route)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn rule(id: &str, event_name: &str) -> Rule {
        let text = format!("id = \"{id}\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\neventName = \"{event_name}\"\n");
        Rule::parse(Path::new("x.toml"), text).unwrap()
    }

    #[test]
    fn the_difference_names_what_comes_goes_and_changes() {
        let old = [rule("same", "A"), rule("gone", "B"), rule("other", "C")];
        let new = [rule("same", "A"), rule("new", "B"), rule("other", "D")];
        assert_eq!(Difference::between(&old, &new).to_string(), "+1 −1 ~1 rules: +new −gone ~other");
        assert_eq!(Difference::between(&old, &old).to_string(), "+0 −0 ~0 rules");
        let many: Vec<Rule> = (0..7).map(|number| rule(&format!("r{number}"), "A")).collect();
        assert_eq!(Difference::between(&[], &many).to_string(), "+7 −0 ~0 rules: +r0 +r1 +r2 +r3 +r4 …");
    }

    #[test]
    fn what_takes_a_restart_is_told() {
        let value = |key: &str, value: &str| Effective {
            key: key.to_owned(),
            value: value.to_owned(),
            origin: "default".to_owned(),
        };
        let old = [
            value("drain", "1s"),
            value("sinks.a.tags", "[]"),
            value("rules.paths", "x"),
            value("sinks.a.url", "y"),
            value("sinks.a.headers.tags", "v"),
        ];
        let new =
            [value("drain", "2s"), value("sinks.a.tags", "[z]"), value("rules.paths", "z"), value("sinks.b.url", "y")];
        assert_eq!(restart_needed(&old, &new), ["drain", "sinks.a.headers.tags", "sinks.a.url", "sinks.b.url"]);
        assert!(restart_needed(&old, &old).is_empty());
    }
}
