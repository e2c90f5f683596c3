//! One API operation as a template: who calls it, what it asks, what it answers.

use fastrand::Rng;

use super::Made;
use super::fill::Filler;
use super::people::{Actor, Cast, Kind};
use super::record::Record;

/// Services whose events are recorded in one region only.
const GLOBAL_SOURCES: [&str; 4] = ["iam", "organizations", "route53", "ce"];

/// A template; texts are those of [`Filler`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    /// Service name without `.amazonaws.com`.
    pub(super) source: &'static str,
    pub(super) name: &'static str,
    /// Share among the everyday operations.
    pub(super) weight: u32,
    /// The kinds of principals that call it.
    pub(super) by: &'static [Kind],
    /// The one service that calls it, if it matters; else empty.
    only: &'static str,
    read_only: bool,
    request: &'static str,
    response: &'static str,
    resources: Option<&'static str>,
    additional: Option<&'static str>,
    is_data: bool,
}

/// Makes the template of a read, which answers null.
pub(super) const fn read(
    weight: u32,
    by: &'static [Kind],
    source: &'static str,
    name: &'static str,
    request: &'static str,
) -> Operation {
    Operation { read_only: true, ..write(weight, by, source, name, request, "null") }
}

/// Makes the template of a write.
pub(super) const fn write(
    weight: u32,
    by: &'static [Kind],
    source: &'static str,
    name: &'static str,
    request: &'static str,
    response: &'static str,
) -> Operation {
    Operation {
        source,
        name,
        weight,
        by,
        only: "",
        read_only: false,
        request,
        response,
        resources: None,
        additional: None,
        is_data: false,
    }
}

impl Operation {
    /// Leaves the call to one AWS service.
    pub(super) const fn only(mut self, service: &'static str) -> Self {
        self.only = service;
        self
    }

    /// Lets a read answer something all the same.
    pub(super) const fn answers(mut self, response: &'static str) -> Self {
        self.response = response;
        self
    }

    pub(super) const fn touches(mut self, resources: &'static str) -> Self {
        self.resources = Some(resources);
        self
    }

    pub(super) const fn adds(mut self, additional: &'static str) -> Self {
        self.additional = Some(additional);
        self
    }

    /// Makes it a data event.
    pub(super) const fn data(mut self) -> Self {
        self.is_data = true;
        self
    }

    pub(super) fn choose_actor<'a>(&self, cast: &'a Cast, rng: &mut Rng) -> &'a Actor {
        cast.choose(self.by, self.only, rng)
    }

    /// Makes the record of a call that works.
    pub(super) fn call(&self, actor: &Actor, rng: &mut Rng, event_ms: i64) -> Made {
        self.record(actor, rng, event_ms).make(rng)
    }

    /// Makes the record of a call that the caller has no permission for.
    pub(super) fn denied(&self, actor: &Actor, rng: &mut Rng, event_ms: i64) -> Made {
        let record = self.record(actor, rng, event_ms);
        let (code, message) = self.denial(actor);
        Record {
            error_code: Some(code),
            error_message: Some(message),
            response_json: "null".to_owned(),
            additional_json: None,
            ..record
        }
        .make(rng)
    }

    fn record(&self, actor: &Actor, rng: &mut Rng, event_ms: i64) -> Record {
        let region = if GLOBAL_SOURCES.contains(&self.source) { "us-east-1" } else { actor.region };
        let mut filler = Filler::new(actor, region, event_ms);
        let mut fill = |template: &str| filler.fill(template, rng);
        let by_client = !actor.is_service();
        Record {
            identity_json: actor.identity(event_ms),
            event_ms,
            source: self.source,
            name: self.name.to_owned(),
            region: region.to_owned(),
            ip: actor.ip.clone(),
            agent: actor.agent.clone(),
            error_code: None,
            error_message: None,
            request_json: fill(self.request),
            response_json: fill(self.response),
            additional_json: self.additional.map(&mut fill),
            has_request_id: true,
            read_only: self.read_only,
            resources_json: self.resources.map(&mut fill),
            event_type: "AwsApiCall",
            is_data: self.is_data,
            recipient: actor.account,
            is_shared: matches!(actor.kind, Kind::Partner | Kind::Service),
            service_details_json: None,
            tls_host: by_client.then(|| self.host(region)),
            from_console: actor.uses_console(),
        }
    }

    fn host(&self, region: &str) -> String {
        if GLOBAL_SOURCES.contains(&self.source) {
            return format!("{}.amazonaws.com", self.source);
        }
        format!("{}.{region}.amazonaws.com", self.source)
    }

    /// Words the denial as the service does; each has its own code.
    fn denial(&self, actor: &Actor) -> (&'static str, String) {
        let Self { source, name, .. } = self;
        let action = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'v');
        let reason = format!(
            "User: {} is not authorized to perform: {source}:{action} because no identity-based policy allows the \
             {source}:{action} action",
            actor.arn()
        );
        match *source {
            "ec2" => {
                let reason = format!("You are not authorized to perform this operation. {reason}");
                ("Client.UnauthorizedOperation", reason)
            }
            "s3" | "iam" | "sts" | "monitoring" | "sqs" => ("AccessDenied", reason),
            _ => ("AccessDeniedException", reason),
        }
    }
}
