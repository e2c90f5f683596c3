//! Whether a queue's policy lets strangers send. Pure.

use serde_json::value::RawValue;

use crate::condition::Policy;
use crate::condition::policy::Glob;
use crate::condition::policy::document::{Document, Principal, Statement};

const SEND: &str = "sqs:SendMessage";

/// Who may send that nobody knows; `None` where nobody may. An error says why it cannot be told.
pub(super) fn strangers(policy: &str) -> Result<Option<String>, String> {
    let value = RawValue::from_string(policy.to_owned()).map_err(|error| error.to_string())?;
    let document = Document::read(&value).map_err(|reason| reason.to_string())?;
    let everyone = Policy { grants_public: Some(true), allows: vec![Glob::nocase(SEND)], ..Policy::default() };
    let judgement = everyone.judge(&value, None);
    if judgement.holds {
        return Ok(Some(judgement.note));
    }
    Ok(document.statements.iter().find_map(deputy))
}

/// The service that a statement lets send for whomever: a bucket, a topic or a rule of any account.
fn deputy(statement: &Statement) -> Option<String> {
    let sends = statement.actions.overlaps(&Glob::nocase(SEND));
    if !statement.allows || !sends || statement.clauses.iter().any(|clause| clause.confines()) {
        return None;
    }
    let principals = statement.principals.as_ref()?;
    let service = principals.list.iter().find_map(|principal| match principal {
        Principal::Service(service) => Some(service),
        _ => None,
    })?;
    let name = statement.sid.clone().unwrap_or_else(|| statement.number.to_string());
    Some(format!("statement {name} lets `{service}` in for any account"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(principal: &Value, action: &str, condition: &Value) -> String {
        let mut statement = json!({"Sid": "In", "Effect": "Allow", "Principal": principal, "Action": action,
                                   "Resource": "arn:aws:sqs:us-east-1:111122223333:q"});
        if !condition.is_null() {
            statement["Condition"] = condition.clone();
        }
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    }

    #[test]
    fn strangers_are_those_whom_nothing_confines() {
        let (s3, everyone) = (json!({"Service": "s3.amazonaws.com"}), json!("*"));
        let own = json!({"AWS": "arn:aws:iam::111122223333:root"});
        let by = |key: &str, value: &str| json!({"StringEquals": {key: value}});
        for (name, policy, is_open) in [
            ("everyone", policy(&everyone, "sqs:SendMessage", &Value::Null), true),
            ("everyone, as AWS", policy(&json!({"AWS": "*"}), "SQS:*", &Value::Null), true),
            ("everyone of an organisation", policy(&everyone, "sqs:*", &by("aws:PrincipalOrgID", "o-1")), false),
            ("everyone from an account", policy(&everyone, "sqs:*", &by("aws:SourceAccount", "111122223333")), false),
            ("everyone over TLS", policy(&everyone, "sqs:*", &json!({"Bool": {"aws:SecureTransport": "true"}})), true),
            ("everyone may read", policy(&everyone, "sqs:ReceiveMessage", &Value::Null), false),
            ("a service for anybody", policy(&s3, "sqs:SendMessage", &Value::Null), true),
            (
                "a service for an account",
                policy(&s3, "sqs:SendMessage", &by("aws:SourceAccount", "111122223333")),
                false,
            ),
            (
                "a service for a bucket",
                policy(&s3, "sqs:SendMessage", &json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::trail"}})),
                false,
            ),
            ("the own account", policy(&own, "sqs:*", &Value::Null), false),
        ] {
            let found = strangers(&policy).unwrap();
            assert_eq!(found.is_some(), is_open, "{name}: {found:?}");
        }
        assert!(strangers("no policy").is_err());
    }
}
