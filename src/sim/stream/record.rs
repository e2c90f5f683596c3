//! A CloudTrail record, written as CloudTrail writes it: compact, in its order of fields.
//!
//! Written by hand rather than through a map, whose order of keys would depend on a feature of `serde_json`.

use fastrand::Rng;
use jiff::Timestamp;

use super::{Made, uuid};

/// Writes one JSON object, field by field.
#[derive(Debug)]
pub(super) struct Object {
    text: String,
}

impl Object {
    pub(super) fn new() -> Self {
        Self { text: String::from("{") }
    }

    /// Adds a string.
    pub(super) fn text(self, name: &str, value: &str) -> Self {
        let quoted = quote(value);
        self.raw(name, &quoted)
    }

    /// Adds what is JSON already.
    pub(super) fn raw(mut self, name: &str, json: &str) -> Self {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
        self.text.push_str(json);
        self
    }

    /// Adds what is JSON already, if it is there.
    pub(super) fn maybe_raw(self, name: &str, json: Option<&str>) -> Self {
        match json {
            Some(json) => self.raw(name, json),
            None => self,
        }
    }

    /// Adds a string, if it is there.
    pub(super) fn maybe_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(super) fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The fields of a record of any class but Insight. Those that end in `json` hold JSON.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) identity_json: String,
    pub(super) event_ms: i64,
    /// Service name without `.amazonaws.com`.
    pub(super) source: &'static str,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) ip: String,
    pub(super) agent: String,
    pub(super) error_code: Option<&'static str>,
    pub(super) error_message: Option<String>,
    pub(super) request_json: String,
    pub(super) response_json: String,
    pub(super) additional_json: Option<String>,
    pub(super) has_request_id: bool,
    pub(super) read_only: bool,
    pub(super) resources_json: Option<String>,
    pub(super) event_type: &'static str,
    pub(super) is_data: bool,
    pub(super) recipient: &'static str,
    pub(super) is_shared: bool,
    pub(super) service_details_json: Option<String>,
    /// The host that the client connected to; `None` for calls that AWS made itself.
    pub(super) tls_host: Option<String>,
    pub(super) from_console: bool,
}

impl Record {
    /// Writes the record, with ids from `rng`.
    pub(super) fn make(&self, rng: &mut Rng) -> Made {
        let (request_id, event_id, shared_id) = (uuid(rng), uuid(rng), uuid(rng));
        let version = rng.choice(["1.08", "1.09", "1.10", "1.11", "1.11"]).unwrap_or("1.11");
        let category = if self.is_data { "Data" } else { "Management" };
        let tls = self.tls_host.as_deref().map(tls_details);
        let message = Object::new()
            .text("eventVersion", version)
            .raw("userIdentity", &self.identity_json)
            .text("eventTime", &iso(self.event_ms))
            .text("eventSource", &format!("{}.amazonaws.com", self.source))
            .text("eventName", &self.name)
            .text("awsRegion", &self.region)
            .text("sourceIPAddress", &self.ip)
            .text("userAgent", &self.agent)
            .maybe_text("errorCode", self.error_code)
            .maybe_text("errorMessage", self.error_message.as_deref())
            .raw("requestParameters", &self.request_json)
            .raw("responseElements", &self.response_json)
            .maybe_raw("additionalEventData", self.additional_json.as_deref())
            .maybe_text("requestID", self.has_request_id.then_some(&request_id))
            .text("eventID", &event_id)
            .raw("readOnly", if self.read_only { "true" } else { "false" })
            .maybe_raw("resources", self.resources_json.as_deref())
            .text("eventType", self.event_type)
            .raw("managementEvent", if self.is_data { "false" } else { "true" })
            .text("recipientAccountId", self.recipient)
            .maybe_text("sharedEventID", self.is_shared.then_some(&shared_id))
            .maybe_raw("serviceEventDetails", self.service_details_json.as_deref())
            .text("eventCategory", category)
            .maybe_raw("tlsDetails", tls.as_deref())
            .maybe_text("sessionCredentialFromConsole", self.from_console.then_some("true"))
            .end();
        Made { message, event_id: Some(event_id) }
    }
}

fn tls_details(host: &str) -> String {
    Object::new()
        .text("tlsVersion", "TLSv1.3")
        .text("cipherSuite", "TLS_AES_128_GCM_SHA256")
        .text("clientProvidedHostHeader", host)
        .end()
}

/// Writes a time as `eventTime` has it, in whole seconds.
pub(super) fn iso(time_ms: i64) -> String {
    timestamp(time_ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes a time as many services have it in their answers.
pub(super) fn pretty(time_ms: i64) -> String {
    timestamp(time_ms).strftime("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

fn timestamp(time_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(time_ms).unwrap_or_default()
}
