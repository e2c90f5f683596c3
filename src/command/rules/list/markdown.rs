//! The index of rules as one Markdown page: by family, by service, by technique.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{by_family, family};
use crate::rule::Rule;

const HEAD: &str = "\
# Shipped rules

<!-- Made by `trailwatch rules list --format markdown`. A test holds this page to the rules. -->

What each rule is about; its file says why it matters, what to check first and what else may look like it. How severe is
how severe, and how much noise to expect, is in [docs/rule-pack.md](../docs/rule-pack.md).

";

/// Writes the page; links go out from the folder that holds the families.
pub fn index(rules: &[&Rule]) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(page, "{} rules in {} families.", rules.len(), by_family(rules).count());
    page.push_str("\n## By family\n");
    for members in by_family(rules) {
        let _ = writeln!(page, "\n### {}\n\n| severity | rule | says |\n|---|---|---|", family(members[0]));
        for rule in members {
            let title = rule.title.outline().replace('|', "\\|");
            let _ = writeln!(page, "| {} | {} | {title} |", rule.severity.as_str(), link(rule));
        }
    }
    page.push_str("\n## By service\n\n| service | rules |\n|---|---|\n");
    for (service, rules) in by_tag(rules, "service.") {
        let _ = writeln!(page, "| {service} | {} |", links(&rules));
    }
    page.push_str("\n## By technique\n\nATT&CK ids as they are now and, where one has moved, as it was before.\n");
    page.push_str("\n| technique | rules |\n|---|---|\n");
    for (technique, rules) in by_tag(rules, "attack.") {
        let _ = writeln!(page, "| {} | {} |", technique_link(technique), links(&rules));
    }
    page
}

/// What follows a prefix in the rules' tags, and which rules have it.
fn by_tag<'a>(rules: &[&'a Rule], prefix: &str) -> BTreeMap<&'a str, Vec<&'a Rule>> {
    let mut found: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for &rule in rules {
        for name in rule.tags.iter().filter_map(|tag| tag.strip_prefix(prefix)) {
            found.entry(name).or_default().push(rule);
        }
    }
    found
}

fn links(rules: &[&Rule]) -> String {
    rules.iter().map(|rule| link(rule)).collect::<Vec<_>>().join(", ")
}

fn link(rule: &Rule) -> String {
    let file = rule.source.name.rsplit(['/', '\\']).next().unwrap_or_default();
    format!("[{}]({}/{file})", rule.id, family(rule))
}

fn technique_link(technique: &str) -> String {
    let id = technique.to_uppercase();
    format!("[{id}](https://attack.mitre.org/techniques/{}/)", id.replace('.', "/"))
}
