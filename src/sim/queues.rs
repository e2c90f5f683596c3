//! Queues as SQS shows them to a reader.
//!
//! A message that was received is hidden by the [`Clock`] and can be received again when its time is over. Its handle is
//! that of the last receipt; older ones are no longer good.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::refusal::Refusal;
use super::{ACCOUNT_ID, Clock, REGION, lock};

/// How often a call that waits looks whether time has made something visible.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a queue hides messages for where nothing else is said.
const VISIBILITY_MS: i64 = 30_000;

const NO_QUEUE: &str = "com.amazonaws.sqs#QueueDoesNotExist";

/// The code that an error had in the protocol before JSON: the service still sends it beside the new one, and clients take it.
pub(super) fn query_code(code: &str) -> Option<&'static str> {
    (code == NO_QUEUE).then_some("AWS.SimpleQueueService.NonExistentQueue;Sender")
}

/// The queues of an account in one region; a handle that is cheap to clone.
#[derive(Clone, Debug)]
pub struct Queues {
    state: Arc<Mutex<State>>,
    sent: Arc<Notify>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<String, Queue>,
    sent: u64,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Vec<Message>,
    dead_letters: Option<DeadLetters>,
    /// Who may do what with it.
    policy: Option<String>,
    /// Every so-many-th message that is received stays visible all the same.
    repeat_every: Option<u64>,
    received: u64,
    deleted: u64,
}

#[derive(Debug, Clone)]
struct DeadLetters {
    queue: String,
    received_max: u32,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    sent_ms: i64,
    visible_at_ms: i64,
    received: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveRequest {
    queue_url: String,
    #[serde(default = "one")]
    max_number_of_messages: usize,
    #[serde(default)]
    wait_time_seconds: u64,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchRequest {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    receipt_handle: String,
    #[serde(default)]
    visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameRequest {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributesRequest {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    queue_name_prefix: Option<String>,
}

fn one() -> usize {
    1
}

impl Queues {
    pub(super) fn new(clock: Clock) -> Self {
        Self { state: Arc::default(), sent: Arc::default(), clock }
    }

    /// Makes sure that a queue exists.
    pub fn create(&self, queue: &str) {
        lock(&self.state).queues.entry(queue.to_owned()).or_default();
    }

    /// Deletes a queue with its messages.
    pub fn delete(&self, queue: &str) {
        lock(&self.state).queues.remove(queue);
    }

    /// Moves messages that were received so often to another queue, which is made if need be.
    pub fn set_dead_letters(&self, queue: &str, dead_letters: &str, received_max: u32) {
        let mut state = lock(&self.state);
        state.queues.entry(dead_letters.to_owned()).or_default();
        let policy = DeadLetters { queue: dead_letters.to_owned(), received_max };
        state.queues.entry(queue.to_owned()).or_default().dead_letters = Some(policy);
    }

    /// Sets who may do what with a queue. It is only told: nobody is kept away.
    pub fn set_policy(&self, queue: &str, policy: impl Into<String>) {
        lock(&self.state).queues.entry(queue.to_owned()).or_default().policy = Some(policy.into());
    }

    /// Lets every `period`-th message that is received stay visible, as a standard queue may.
    pub fn set_repeats(&self, queue: &str, period: u64) {
        lock(&self.state).queues.entry(queue.to_owned()).or_default().repeat_every = Some(period.max(1));
    }

    /// Sends a message, and returns its id. Makes the queue if need be.
    pub fn send(&self, queue: &str, body: impl Into<String>) -> String {
        let now_ms = self.clock.now_ms();
        let mut state = lock(&self.state);
        state.sent += 1;
        let id = format!("00000000-0000-4000-9000-{:012x}", state.sent);
        let message =
            Message { id: id.clone(), body: body.into(), sent_ms: now_ms, visible_at_ms: now_ms, received: 0 };
        state.queues.entry(queue.to_owned()).or_default().messages.push(message);
        drop(state);
        self.sent.notify_waiters();
        id
    }

    /// The bodies of the messages that are there, hidden or not.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let state = lock(&self.state);
        state.queues.get(queue).map_or_else(Vec::new, |queue| queue.messages.iter().map(|m| m.body.clone()).collect())
    }

    /// Counts the messages that could be received now.
    pub fn visible(&self, queue: &str) -> usize {
        let now_ms = self.clock.now_ms();
        let state = lock(&self.state);
        let is_visible = |message: &&Message| message.visible_at_ms <= now_ms;
        state.queues.get(queue).map_or(0, |queue| queue.messages.iter().filter(is_visible).count())
    }

    /// Counts the messages that were deleted.
    pub fn deleted(&self, queue: &str) -> u64 {
        lock(&self.state).queues.get(queue).map_or(0, |queue| queue.deleted)
    }

    /// The URL of a queue; the host means nothing.
    pub fn url(&self, queue: &str) -> String {
        format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{queue}")
    }

    /// Carries out an operation. With `half_fails`, every second entry of a batch is refused.
    pub(super) async fn call(&self, operation: &str, body: Value, half_fails: bool) -> Result<Value, Refusal> {
        match operation {
            "ReceiveMessage" => self.receive(parse(body)?).await,
            "DeleteMessageBatch" => self.batch(parse(body)?, half_fails, Queue::delete),
            "ChangeMessageVisibilityBatch" => self.batch(parse(body)?, half_fails, Queue::hide),
            "GetQueueUrl" => self.queue_url(parse(body)?),
            "GetQueueAttributes" => self.attributes(parse(body)?),
            "ListQueues" => self.list(parse(body)?),
            _ => Err(Refusal::new("UnknownOperationException", format!("unknown operation `{operation}`"))),
        }
    }

    /// Waits for a first message, as long as is asked for.
    async fn receive(&self, request: ReceiveRequest) -> Result<Value, Refusal> {
        if !(1..=10).contains(&request.max_number_of_messages) || request.wait_time_seconds > 20 {
            return Err(Refusal::new("InvalidParameterValue", "1 to 10 messages, 0 to 20 seconds"));
        }
        let until = Instant::now() + Duration::from_secs(request.wait_time_seconds);
        loop {
            let sent = self.sent.notified();
            let messages = self.take(&request)?;
            if !messages.is_empty() {
                return Ok(json!({"Messages": messages}));
            }
            if Instant::now() >= until {
                return Ok(json!({}));
            }
            let _ = tokio::time::timeout(LOOK_EVERY, sent).await;
        }
    }

    fn take(&self, request: &ReceiveRequest) -> Result<Vec<Value>, Refusal> {
        let now_ms = self.clock.now_ms();
        let mut state = lock(&self.state);
        let queue = state.queue(&request.queue_url)?;
        let dead = queue.bury(now_ms);
        let visibility_ms = request.visibility_timeout.map_or(VISIBILITY_MS, |seconds| seconds * 1_000);
        let messages = queue.take(request.max_number_of_messages, visibility_ms, now_ms);
        if let Some((letters, messages)) = dead {
            state.queues.entry(letters).or_default().messages.extend(messages);
        }
        Ok(messages)
    }

    fn batch(
        &self,
        request: BatchRequest,
        half_fails: bool,
        act: impl Fn(&mut Queue, &Entry, i64) -> Result<(), Refusal>,
    ) -> Result<Value, Refusal> {
        if !(1..=10).contains(&request.entries.len()) {
            return Err(Refusal::new("TooManyEntriesInBatchRequest", "1 to 10 entries"));
        }
        let now_ms = self.clock.now_ms();
        let mut state = lock(&self.state);
        let queue = state.queue(&request.queue_url)?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (number, entry) in request.entries.iter().enumerate() {
            if half_fails && number % 2 == 1 {
                let (code, message) = ("InternalError", "We encountered an internal error.");
                failed.push(json!({"Id": entry.id, "SenderFault": false, "Code": code, "Message": message}));
                continue;
            }
            match act(queue, entry, now_ms) {
                Ok(()) => successful.push(json!({"Id": entry.id})),
                Err(refusal) => failed.push(
                    json!({"Id": entry.id, "SenderFault": true, "Code": refusal.code, "Message": refusal.message}),
                ),
            }
        }
        Ok(json!({"Successful": successful, "Failed": failed}))
    }

    fn queue_url(&self, request: NameRequest) -> Result<Value, Refusal> {
        lock(&self.state).queue(&request.queue_name)?;
        Ok(json!({"QueueUrl": self.url(&request.queue_name)}))
    }

    fn attributes(&self, request: AttributesRequest) -> Result<Value, Refusal> {
        let mut state = lock(&self.state);
        let queue = state.queue(&request.queue_url)?;
        let mut attributes = HashMap::new();
        if let Some(DeadLetters { queue, received_max }) = &queue.dead_letters {
            let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}");
            let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": received_max});
            attributes.insert("RedrivePolicy", policy.to_string());
        }
        attributes.extend(queue.policy.clone().map(|policy| ("Policy", policy)));
        attributes.insert("ApproximateNumberOfMessages", queue.messages.len().to_string());
        attributes.insert("VisibilityTimeout", (VISIBILITY_MS / 1_000).to_string());
        attributes.retain(|name, _| request.attribute_names.iter().any(|wanted| wanted == name || wanted == "All"));
        Ok(json!({"Attributes": attributes}))
    }

    fn list(&self, request: ListRequest) -> Result<Value, Refusal> {
        let prefix = request.queue_name_prefix.unwrap_or_default();
        let state = lock(&self.state);
        let urls: Vec<String> =
            state.queues.keys().filter(|name| name.starts_with(&prefix)).map(|name| self.url(name)).collect();
        Ok(json!({"QueueUrls": urls}))
    }
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::unreadable(&error))
}

impl State {
    /// The queue of a URL, or of a name.
    fn queue(&mut self, url: &str) -> Result<&mut Queue, Refusal> {
        let name = url.rsplit('/').next().unwrap_or(url);
        let refusal = || Refusal::new(NO_QUEUE, "The specified queue does not exist.");
        self.queues.get_mut(name).ok_or_else(refusal)
    }
}

impl Queue {
    /// Takes out what was received too often, and says where it goes.
    fn bury(&mut self, now_ms: i64) -> Option<(String, Vec<Message>)> {
        let DeadLetters { queue, received_max } = self.dead_letters.clone()?;
        let is_dead = |message: &mut Message| message.visible_at_ms <= now_ms && message.received >= received_max;
        Some((queue, self.messages.extract_if(.., is_dead).collect()))
    }

    fn take(&mut self, count: usize, visibility_ms: i64, now_ms: i64) -> Vec<Value> {
        let visible = self.messages.iter_mut().filter(|message| message.visible_at_ms <= now_ms);
        let mut taken = Vec::new();
        for message in visible.take(count) {
            self.received += 1;
            message.received += 1;
            let repeats = self.repeat_every.is_some_and(|period| self.received.is_multiple_of(period));
            message.visible_at_ms = if repeats { now_ms } else { now_ms + visibility_ms };
            taken.push(message.show());
        }
        taken
    }

    fn find(&mut self, handle: &str) -> Result<usize, Refusal> {
        let position = self.messages.iter().position(|message| message.handle() == handle);
        position.ok_or_else(|| Refusal::new("ReceiptHandleIsInvalid", "The input receipt handle is invalid."))
    }

    fn delete(&mut self, entry: &Entry, _now_ms: i64) -> Result<(), Refusal> {
        let position = self.find(&entry.receipt_handle)?;
        self.messages.remove(position);
        self.deleted += 1;
        Ok(())
    }

    fn hide(&mut self, entry: &Entry, now_ms: i64) -> Result<(), Refusal> {
        let position = self.find(&entry.receipt_handle)?;
        let message = &mut self.messages[position];
        if message.visible_at_ms <= now_ms {
            return Err(Refusal::new("MessageNotInflight", "The specified message isn't in flight."));
        }
        message.visible_at_ms = now_ms + entry.visibility_timeout * 1_000;
        Ok(())
    }
}

impl Message {
    fn handle(&self) -> String {
        format!("{}#{}", self.id, self.received)
    }

    fn show(&self) -> Value {
        let attributes = json!({
            "ApproximateReceiveCount": self.received.to_string(),
            "SentTimestamp": self.sent_ms.to_string(),
        });
        json!({"MessageId": self.id, "ReceiptHandle": self.handle(), "Body": self.body, "Attributes": attributes})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> Queues {
        let clock = Clock::new();
        clock.freeze_at(1_000_000);
        let queues = Queues::new(clock);
        queues.create("q");
        queues
    }

    async fn call(queues: &Queues, operation: &str, mut body: Value) -> Value {
        body["QueueUrl"] = queues.url("q").into();
        queues.call(operation, body, false).await.unwrap()
    }

    async fn receive(queues: &Queues) -> Vec<(String, String)> {
        let request = json!({"MaxNumberOfMessages": 10, "VisibilityTimeout": 30});
        let answer = call(queues, "ReceiveMessage", request).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| (text(&message["Body"]), text(&message["ReceiptHandle"]))).collect()
    }

    fn entry(handle: &str) -> Value {
        json!({"Entries": [{"Id": "1", "ReceiptHandle": handle, "VisibilityTimeout": 30}]})
    }

    #[tokio::test]
    async fn a_message_is_hidden_until_its_time_is_over_and_gone_once_deleted() {
        let queues = queues();
        queues.send("q", "hello");
        let (body, first) = receive(&queues).await.remove(0);
        assert_eq!(body, "hello");
        assert!(receive(&queues).await.is_empty());
        queues.clock.advance(Duration::from_secs(29));
        call(&queues, "ChangeMessageVisibilityBatch", entry(&first)).await;
        queues.clock.advance(Duration::from_secs(29));
        assert!(receive(&queues).await.is_empty());
        queues.clock.advance(Duration::from_secs(1));
        let (_, second) = receive(&queues).await.remove(0);
        let failed = call(&queues, "DeleteMessageBatch", entry(&first)).await;
        assert_eq!(failed["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
        assert_eq!(call(&queues, "DeleteMessageBatch", entry(&second)).await["Successful"][0]["Id"], "1");
        assert_eq!((queues.bodies("q").len(), queues.deleted("q")), (0, 1));
    }

    #[tokio::test]
    async fn what_is_received_too_often_goes_to_the_dead_letters() {
        let queues = queues();
        queues.set_dead_letters("q", "dead", 2);
        queues.send("q", "poison");
        for _ in 0..2 {
            assert_eq!(receive(&queues).await.len(), 1);
            queues.clock.advance(Duration::from_secs(31));
        }
        assert!(receive(&queues).await.is_empty());
        assert_eq!((queues.bodies("q").len(), queues.bodies("dead")), (0, vec!["poison".to_owned()]));
    }

    #[tokio::test]
    async fn a_call_that_waits_ends_with_the_first_message() {
        let queues = queues();
        let request = json!({"WaitTimeSeconds": 20});
        let (answer, _) = tokio::join!(call(&queues, "ReceiveMessage", request), async {
            tokio::task::yield_now().await;
            queues.send("q", "at last")
        });
        assert_eq!(answer["Messages"][0]["Body"], "at last");
    }
}
