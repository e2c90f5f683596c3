//! A message as SQS gave it, and one call that asks for more.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message as SdkMessage, MessageSystemAttributeName};
use bytes::Bytes;

use crate::delivery::{Delivery, MessagePlace, Origin, Place, Receipt};
use crate::source::aws::trouble::Failure;

/// Messages that one call gives at most.
pub(super) const MESSAGES_MAX: i32 = 10;

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) handle: String,
    pub(super) body: String,
    /// How often it was received, this time included, as far as SQS knows.
    pub(super) received: u32,
    pub(super) sent_ms: i64,
}

/// Asks once, and waits at the service for a first message.
pub(super) async fn receive(
    client: &Client,
    url: &str,
    wait_seconds: i32,
    visibility_seconds: i32,
) -> Result<Vec<Message>, Failure> {
    let call = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(MESSAGES_MAX)
        .wait_time_seconds(wait_seconds)
        .visibility_timeout(visibility_seconds)
        .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
        .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
    let output = call.send().await.map_err(|error| Failure::of(&error))?;
    Ok(output.messages.unwrap_or_default().into_iter().map(Message::from).collect())
}

impl From<SdkMessage> for Message {
    fn from(message: SdkMessage) -> Self {
        let attributes = message.attributes.unwrap_or_default();
        let attribute = |name| attributes.get(&name).and_then(|value| value.parse::<i64>().ok());
        let received = attribute(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
        Self {
            id: message.message_id.unwrap_or_default(),
            handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            received: u32::try_from(received).unwrap_or(1),
            sent_ms: attribute(MessageSystemAttributeName::SentTimestamp).unwrap_or_default(),
        }
    }
}

impl Message {
    /// Where the message came from.
    pub(super) fn origin(&self, source: &Arc<str>) -> Origin {
        let place = MessagePlace { id: self.id.clone(), sent_ms: self.sent_ms };
        Origin { source: Arc::clone(source), place: Place::Message(Arc::new(place)) }
    }

    /// Hands over what the message says, which may be less than its body.
    pub(super) fn delivery(&self, source: &Arc<str>, said: String, receipt: Receipt) -> Delivery {
        Delivery { body: Bytes::from(said), origin: self.origin(source), receipt }
    }
}
