//! A queue: whether it is there, who may send to it, and what becomes of messages that nobody can read.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use super::report::About;
use super::way::Way;
use super::{rule, sender};
use crate::source::aws::trouble::Failure;
use crate::source::sqs;

const FIND: &str = "sqs:GetQueueUrl";
const ATTRIBUTES: &str = "sqs:GetQueueAttributes";
const TAKE: &str = "sqs:ReceiveMessage";

const WANTED: [QueueAttributeName; 3] =
    [QueueAttributeName::Policy, QueueAttributeName::RedrivePolicy, QueueAttributeName::ApproximateNumberOfMessages];

/// Looks at a queue.
pub(super) async fn look(way: &Way, queue: &str, about: &mut About<'_>) {
    let client = Client::new(&way.config);
    let arn = sqs::arn_of(queue, &way.region, way.account.as_deref().unwrap_or("*")).unwrap_or_default();
    let url = match url(&client, queue, &arn).await {
        Ok(url) => url,
        Err(failure) => return about.failed(FIND, &arn, &failure),
    };
    let call = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(WANTED.to_vec()));
    match call.send().await {
        Ok(answer) => judge(&answer.attributes.unwrap_or_default(), about),
        Err(error) => return about.failed(ATTRIBUTES, &arn, &Failure::of(&error)),
    }
    about.skip(TAKE, "with `sqs:DeleteMessage` and `sqs:ChangeMessageVisibility` not tried: it would hide a message");
    rule::look(way, &arn, about).await;
}

async fn url(client: &Client, queue: &str, arn: &str) -> Result<String, Failure> {
    if queue.contains("://") {
        return Ok(queue.to_owned());
    }
    let part = |number| arn.split(':').nth(number).map(str::to_owned);
    let owner = part(4).filter(|_| queue.starts_with("arn:"));
    let call = client.get_queue_url().set_queue_name(part(5)).set_queue_owner_aws_account_id(owner);
    let answer = call.send().await.map_err(|error| Failure::of(&error))?;
    Ok(answer.queue_url.unwrap_or_default())
}

fn judge(attributes: &HashMap<QueueAttributeName, String>, about: &mut About<'_>) {
    let of = |name| attributes.get(&name).map(String::as_str).filter(|text| !text.is_empty());
    let waiting = of(QueueAttributeName::ApproximateNumberOfMessages).unwrap_or("an unknown number of");
    about.ok(ATTRIBUTES, format!("about {waiting} messages wait in it"));
    match of(QueueAttributeName::RedrivePolicy) {
        Some(_) => about.ok(ATTRIBUTES, "it has a dead-letter queue"),
        None => {
            let says = "it has no dead-letter queue: what cannot be read comes again until its retention is over";
            about.warn(ATTRIBUTES, says, "set a redrive policy, with a `maxReceiveCount` of 5 or so");
        }
    }
    let todo = "confine it by `aws:SourceArn` and `aws:SourceAccount`, or `aws:PrincipalOrgID`: whoever may send \
                says which events there were, and names objects to read";
    match of(QueueAttributeName::Policy).map(sender::strangers) {
        None => about.ok(ATTRIBUTES, "it has no policy: only its own account sends to it"),
        Some(Ok(None)) => about.ok(ATTRIBUTES, "its policy lets in no strangers"),
        Some(Ok(Some(who))) => about.warn(ATTRIBUTES, format!("its policy lets strangers send: {who}"), todo),
        Some(Err(problem)) => about.warn(ATTRIBUTES, format!("its policy cannot be judged: {problem}"), todo),
    }
}
