//! The rules of EventBridge that feed a queue: whether they are on, and whether they let through what only reads.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::RuleState;

use super::report::About;
use super::way::Way;
use crate::source::aws::trouble::Failure;

const LIST: &str = "events:ListRuleNamesByTarget";
const DESCRIBE: &str = "events:DescribeRule";

/// The most rules of a queue that are looked at.
const RULES_MAX: i32 = 10;

/// Looks at the rules of the default bus, the only one that CloudTrail's events come to.
pub(super) async fn look(way: &Way, queue: &str, about: &mut About<'_>) {
    let client = Client::new(&way.config);
    let names = match client.list_rule_names_by_target().target_arn(queue).limit(RULES_MAX).send().await {
        Ok(answer) => answer.rule_names.unwrap_or_default(),
        Err(error) => {
            // Whether this can be allowed of some rules only is unverified.
            return about.unseen(LIST, "*", &Failure::of(&error));
        }
    };
    for name in names {
        match client.describe_rule().name(&name).send().await {
            Ok(rule) => judge(&name, rule.state(), rule.event_pattern().unwrap_or_default(), about),
            Err(error) => {
                about.unseen(DESCRIBE, &format!("{}rule/{name}", way.arn("events")), &Failure::of(&error));
            }
        }
    }
}

fn judge(name: &str, state: Option<&RuleState>, pattern: &str, about: &mut About<'_>) {
    match state {
        Some(RuleState::Disabled) => {
            let says = format!("rule `{name}` feeds this queue and is disabled");
            about.warn(DESCRIBE, says, format!("`aws events enable-rule --name {name}`"));
        }
        Some(RuleState::Enabled) if is_about_calls(pattern) => {
            let says = format!(
                "rule `{name}` is ENABLED, so CloudTrail's management events that only read (`Get…`, `List…`, `Describe…`) do \
                 not come by it"
            );
            let todo = format!(
                "`aws events put-rule --name {name} --state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` with its pattern, \
                 if rules are about them"
            );
            about.warn(DESCRIBE, says, todo);
        }
        Some(state) => about.ok(DESCRIBE, format!("rule `{name}` feeds this queue and is {}", state.as_str())),
        None => about.skip(DESCRIBE, format!("rule `{name}` feeds this queue; its state is not told")),
    }
}

/// Whether a pattern lets CloudTrail's events of API calls through, as far as its text says.
fn is_about_calls(pattern: &str) -> bool {
    !pattern.contains("detail-type") || pattern.contains("via CloudTrail")
}
