//! Requests to AWS, counted where they go over the wire: each try, whoever makes it, but for those by which the SDK gets
//! credentials.
//!
//! The counts are those of the process, since clients are made in many places, anew whenever credentials are, and have only
//! this in common.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde::Deserialize;

use super::lock;
use super::trouble::{FailureKind, by_code};

/// Requests of one operation, by what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Those that went well.
    pub ok: u64,
    /// Those that the service throttled.
    pub throttled: u64,
    /// Those that it refused for another reason.
    pub refused: u64,
    /// Those that it failed at, and those that got no answer.
    pub failed: u64,
}

/// By service and operation, in the SDK's words: as many as there are calls in this program.
static MADE: Mutex<BTreeMap<(String, String), Requests>> = Mutex::new(BTreeMap::new());

/// The requests of this process so far, by service and operation.
pub fn made() -> BTreeMap<(String, String), Requests> {
    lock(&MADE).clone()
}

/// Counts the requests of a client that it is given to.
#[derive(Debug, Clone, Copy)]
pub struct Counted;

#[dyn_dispatch_hint]
impl Intercept for Counted {
    fn name(&self) -> &'static str {
        "Counted"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // What was sent is not there any more: credentials that could not be got are no request.
        if context.request().is_some() {
            return Ok(());
        }
        let Some(operation) = config.load::<Metadata>() else { return Ok(()) };
        let is_ok = context.output_or_error().is_some_and(|result| result.is_ok());
        let mut made = lock(&MADE);
        let of = made.entry((operation.service().to_owned(), operation.name().to_owned())).or_default();
        of.count(is_ok, context.response());
        Ok(())
    }
}

impl Requests {
    /// Each of them, by the word for what came of it.
    pub fn by_result(&self) -> [(&'static str, u64); 4] {
        let Self { ok, throttled, refused, failed } = *self;
        [("ok", ok), ("throttled", throttled), ("refused", refused), ("failed", failed)]
    }

    fn count(&mut self, is_ok: bool, answer: Option<&HttpResponse>) {
        let kind = answer.filter(|answer| answer.status().as_u16() >= 400).map(|answer| {
            let status = answer.status().as_u16();
            by_code(&code(answer).unwrap_or_default(), status)
        });
        let count = match kind {
            _ if is_ok => &mut self.ok,
            Some(FailureKind::Throttled) => &mut self.throttled,
            // An answer that says it went well, and cannot be read, is none.
            Some(FailureKind::Unavailable) | None => &mut self.failed,
            Some(_) => &mut self.refused,
        };
        *count += 1;
    }
}

/// How much of an error is looked at.
const ERROR_BYTES_MAX: usize = 4_096;

/// What services name an error in JSON by.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "__type", alias = "code")]
    kind: String,
}

/// The code of an error, which services write in a header, in JSON or in XML.
fn code(answer: &HttpResponse) -> Option<String> {
    let body = answer.body().bytes().unwrap_or_default();
    let named = || serde_json::from_slice::<Named>(body).ok().map(|named| named.kind);
    let code = answer.headers().get("x-amzn-errortype").map(str::to_owned).or_else(named).or_else(|| {
        let body = String::from_utf8_lossy(&body[..body.len().min(ERROR_BYTES_MAX)]);
        Some(body.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned())
    })?;
    // `namespace#Code`, and `Code:documentation`.
    let code = code.rsplit('#').next()?.split(':').next()?;
    Some(code.to_owned())
}

#[cfg(test)]
mod tests {
    use aws_config::retry::RetryConfig;
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn what_came_of_a_request_is_told_by_its_code() {
        let json = |code: &str| format!("{{\"__type\":\"{code}\",\"message\":\"user Throttled\"}}");
        for (status, body, header, expected) in [
            (400, json("ThrottlingException"), None, "throttled"),
            (400, json("com.amazonaws.logs#LimitExceededException"), None, "throttled"),
            (400, json("AccessDeniedException"), None, "refused"),
            (503, "<Error><Code>SlowDown</Code></Error>".to_owned(), None, "throttled"),
            (403, "<Error><Code>AccessDenied</Code><Message>SlowDown</Message></Error>".to_owned(), None, "refused"),
            (400, String::new(), Some("ThrottlingException:http://x"), "throttled"),
            (429, String::new(), None, "throttled"),
            (500, String::new(), None, "failed"),
            (408, String::new(), None, "failed"),
            (200, "torn".to_owned(), None, "failed"),
        ] {
            let mut answer = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body.clone()));
            header.into_iter().for_each(|kind| drop(answer.headers_mut().insert("x-amzn-errortype", kind)));
            let mut counted = Requests::default();
            counted.count(false, Some(&answer));
            let Requests { ok: 0, throttled, refused, failed } = counted else { panic!("{body}") };
            let found = [("throttled", throttled), ("refused", refused), ("failed", failed)];
            assert_eq!(found.map(|(name, count)| (name, count == 1)), found.map(|(name, _)| (name, name == expected)));
        }
        let mut counted = Requests::default();
        counted.count(true, None);
        counted.count(false, None);
        assert_eq!(counted, Requests { ok: 1, failed: 1, ..Requests::default() });
    }

    fn client(credentials: Option<Credentials>) -> aws_sdk_ssm::Client {
        let config = aws_sdk_ssm::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url("http://127.0.0.1:1")
            .retry_config(RetryConfig::disabled())
            .interceptor(Counted)
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let config = match credentials {
            Some(credentials) => config.credentials_provider(SharedCredentialsProvider::new(credentials)),
            None => config,
        };
        aws_sdk_ssm::Client::from_conf(config.build())
    }

    #[tokio::test]
    async fn what_is_not_sent_is_not_counted() {
        let name = ("SSM".to_owned(), "GetParameter".to_owned());
        let nobody = client(None).get_parameter().name("x").send().await;
        assert!(nobody.is_err() && !made().contains_key(&name), "{nobody:?}");
        let away = client(Some(Credentials::new("AKID", "secret", None, None, "test")));
        assert!(away.get_parameter().name("x").send().await.is_err());
        assert_eq!(made()[&name], Requests { failed: 1, ..Requests::default() });
    }
}
