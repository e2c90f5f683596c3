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

use super::lock;

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
        let Some(operation) = config.load::<Metadata>() else { return Ok(()) };
        let mut made = lock(&MADE);
        let of = made.entry((operation.service().to_owned(), operation.name().to_owned())).or_default();
        let is_ok = context.output_or_error().is_some_and(|result| result.is_ok());
        let count = match context.response() {
            _ if is_ok => &mut of.ok,
            Some(answer) if is_throttle(answer) => &mut of.throttled,
            Some(answer) if answer.status().as_u16() < 500 => &mut of.refused,
            _ => &mut of.failed,
        };
        *count += 1;
        Ok(())
    }
}

/// Parts of the codes by which services throttle, in whatever form they write their errors.
const THROTTLES: [&str; 5] = ["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "OverLimit"];

/// How much of an error is looked at.
const ERROR_BYTES_MAX: usize = 4_096;

fn is_throttle(answer: &HttpResponse) -> bool {
    let status = answer.status().as_u16();
    let body = answer.body().bytes().unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(ERROR_BYTES_MAX)]);
    status == 429 || status >= 400 && THROTTLES.iter().any(|code| body.contains(code))
}
