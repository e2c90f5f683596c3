//! The rule that makes findings of a run's own alarms, where those are wanted. It is in force with whatever rules; who has a rule
//! of that id has put another in its place.

use std::path::Path;

use crate::config::run::AlarmsTo;
use crate::rule::Rule;

const ID: &str = "trailwatch-alarm";

/// Its file, as it may be copied.
const TEXT: &str = include_str!("../../../contrib/trailwatch-alarm.toml");

/// Rules, and this one if alarms are to be findings.
pub fn with(mut rules: Vec<Rule>, alarms: AlarmsTo) -> Vec<Rule> {
    if alarms == AlarmsTo::Findings && rules.iter().all(|rule| rule.id != ID) {
        rules.extend(Rule::parse(Path::new("trailwatch-alarm.toml"), TEXT.to_owned()).ok());
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::run::reload::failed_tests;

    #[test]
    fn the_rule_is_good_and_gives_way_to_another_of_its_id() {
        assert!(with(Vec::new(), AlarmsTo::Log).is_empty());
        let rules = with(Vec::new(), AlarmsTo::Findings);
        assert_eq!(rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), [ID]);
        assert_eq!(failed_tests(&rules), [""; 0]);
        let own = "id = \"trailwatch-alarm\"\ntitle = \"mine\"\nseverity = \"low\"\n[match]\neventName = \"x\"\n";
        let own = Rule::parse(Path::new("own.toml"), own.to_owned()).unwrap();
        assert_eq!(with(vec![own], AlarmsTo::Findings).len(), 1);
    }
}
