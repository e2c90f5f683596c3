//! STS's part of the endpoint: `AssumeRole` and `GetCallerIdentity`, asked in forms and answered in XML.

use std::collections::HashMap;

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::Services;
use super::objects::{escaped, pairs, xml};
use crate::sim::refusal::Refusal;
use crate::sim::roles::{HandedOut, Wanted};

/// Whether a request is one of STS, which no header names.
pub(super) fn is_asked(headers: &HeaderMap) -> bool {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    content_type.starts_with("application/x-www-form-urlencoded")
}

/// The access key that a request was signed with; empty if it was not.
pub(super) fn access_key(headers: &HeaderMap) -> &str {
    let signature = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("");
    let scope = signature.split_once("Credential=").map_or("", |(_, scope)| scope);
    scope.split('/').next().unwrap_or("")
}

/// Answers one request.
pub(super) fn answer(services: &Services, headers: &HeaderMap, body: &[u8]) -> Response {
    let form = pairs(std::str::from_utf8(body).unwrap_or(""));
    let operation = form.get("Action").map_or("", String::as_str).to_owned();
    services.logs.record("STS", &operation, json!(form));
    let fault = services.logs.faults().take(&operation, services.logs.clock().now_ms());
    let refused = fault.as_ref().and_then(|fault| fault.refusal()).map_or(Ok(()), Err);
    let answer = refused
        .and_then(|()| services.roles.admit(access_key(headers), &operation))
        .and_then(|()| carry_out(services, &operation, access_key(headers), &form));
    match answer {
        Ok(result) => {
            let id = services.next_request_id();
            let metadata = format!("<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>");
            let result = format!("<{operation}Result>{result}</{operation}Result>{metadata}");
            xml(200, &format!("<{operation}Response xmlns=\"{NAMESPACE}\">{result}</{operation}Response>"))
        }
        Err(refusal) => refuse(&refusal),
    }
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

fn carry_out(
    services: &Services,
    operation: &str,
    access_key: &str,
    form: &HashMap<String, String>,
) -> Result<String, Refusal> {
    let of = |name: &str| form.get(name).map(String::as_str);
    match operation {
        "AssumeRole" => {
            let (role, session_name) = (of("RoleArn").unwrap_or(""), of("RoleSessionName").unwrap_or(""));
            let wanted = Wanted { role, session_name, external_id: of("ExternalId") };
            services.roles.assume(access_key, &wanted).map(|handed_out| credentials(&handed_out))
        }
        "GetCallerIdentity" => {
            let arn = services.roles.caller(access_key);
            let account = arn.split(':').nth(4).unwrap_or("");
            Ok(format!("<Arn>{}</Arn><UserId>AIDASIM</UserId><Account>{account}</Account>", escaped(&arn)))
        }
        _ => Err(Refusal::new("InvalidAction", format!("Could not find operation {operation}"))),
    }
}

fn credentials(handed_out: &HandedOut) -> String {
    let HandedOut { access_key, session_arn, expires_ms } = handed_out;
    let expires = jiff::Timestamp::from_millisecond(*expires_ms).unwrap_or_default();
    format!(
        "<AssumedRoleUser><Arn>{}</Arn><AssumedRoleId>AROASIM:me</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>sim</SecretAccessKey>\
         <SessionToken>sim</SessionToken><Expiration>{expires:.0}</Expiration></Credentials>",
        escaped(session_arn)
    )
}

fn refuse(refusal: &Refusal) -> Response {
    let (code, message) = (escaped(&refusal.code), escaped(&refusal.message));
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    xml(refusal.status, &format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}</ErrorResponse>"))
}
