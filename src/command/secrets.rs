//! Secrets that services of AWS keep: got from Secrets Manager and from the parameter store of Systems Manager.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use futures::future::join_all;
use serde_json::Value;

use crate::config::{Keeper, Kept, Vault};
use crate::source::aws::requests::Counted;
use crate::source::cloudwatch_logs::{Access, load};

/// How long all of them may take.
const TIME_MAX: Duration = Duration::from_secs(30);

/// References that a configuration may have.
const REFERENCES_MAX: usize = 100;

/// Gets what references stand for. What cannot be had is told, reference by reference.
pub async fn get(wanted: &[Kept]) -> Result<Vault, Vec<String>> {
    let mut wanted = wanted.to_vec();
    wanted.sort();
    wanted.dedup();
    if wanted.len() > REFERENCES_MAX {
        return Err(vec![format!("there are {} secrets to be got, more than {REFERENCES_MAX}", wanted.len())]);
    }
    let config = load(&Access::default()).await;
    let config = config.map_err(|error| vec![format!("`{}` cannot be had: {error}", wanted[0])])?;
    let getting = join_all(wanted.iter().map(|kept| get_one(&config, kept)));
    let Ok(got) = tokio::time::timeout(TIME_MAX, getting).await else {
        let seconds = TIME_MAX.as_secs();
        return Err(vec![format!("the secrets could not be had within {seconds} seconds, `{}` among them", wanted[0])]);
    };
    let (mut vault, mut problems) = (BTreeMap::new(), Vec::new());
    for (kept, got) in wanted.into_iter().zip(got) {
        match got {
            Ok(value) => _ = vault.insert(kept, value),
            Err(reason) => problems.push(format!("`{kept}` cannot be had: {reason}")),
        }
    }
    if problems.is_empty() { Ok(Vault(vault)) } else { Err(problems) }
}

async fn get_one(config: &SdkConfig, kept: &Kept) -> Result<String, String> {
    // An ARN says its region.
    let region = kept.name.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).map(str::to_owned);
    let region = region.map(Region::new).or_else(|| config.region().cloned());
    let text = match kept.keeper {
        Keeper::SecretsManager => secret(config, region, &kept.name).await?,
        Keeper::ParameterStore => parameter(config, region, &kept.name).await?,
    };
    match &kept.json_key {
        Some(key) => value_in(&text, key),
        None => Ok(text),
    }
}

async fn secret(config: &SdkConfig, region: Option<Region>, name: &str) -> Result<String, String> {
    let config = aws_sdk_secretsmanager::config::Builder::from(config).region(region).interceptor(Counted).build();
    let call = aws_sdk_secretsmanager::Client::from_conf(config).get_secret_value().secret_id(name);
    let answer = call.send().await.map_err(|error| refusal(&error, "secretsmanager:GetSecretValue"))?;
    answer.secret_string.ok_or_else(|| "it is no text".to_owned())
}

async fn parameter(config: &SdkConfig, region: Option<Region>, name: &str) -> Result<String, String> {
    let config = aws_sdk_ssm::config::Builder::from(config).region(region).interceptor(Counted).build();
    let call = aws_sdk_ssm::Client::from_conf(config).get_parameter().name(name).with_decryption(true);
    let answer = call.send().await.map_err(|error| refusal(&error, "ssm:GetParameter"))?;
    answer.parameter.and_then(|parameter| parameter.value).ok_or_else(|| "it has no value".to_owned())
}

/// The value of a key in a text that is a JSON object. What is wrong is told without the text.
fn value_in(text: &str, key: &str) -> Result<String, String> {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else {
        return Err("it is no JSON object".to_owned());
    };
    match object.get(key) {
        Some(Value::String(value)) => Ok(value.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(format!("its `{key}` is no text")),
        None => Err(format!("it has no `{key}`")),
    }
}

/// Why a call failed, and what to do about it.
fn refusal<E, R>(error: &SdkError<E, R>, permission: &str) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let (code, message) = match error {
        SdkError::ServiceError(answer) => {
            (answer.err().code().unwrap_or_default(), answer.err().message().filter(|message| !message.is_empty()))
        }
        _ => ("", None),
    };
    let said = match message {
        Some(message) => format!("{code}: {message}"),
        None if !code.is_empty() => code.to_owned(),
        None => DisplayErrorContext(error).to_string(),
    };
    match code {
        "AccessDeniedException" => {
            format!("{said} (allow `{permission}` on it, and `kms:Decrypt` on its key if that is one of yours)")
        }
        "ResourceNotFoundException" | "ParameterNotFound" => {
            format!(
                "{said} (is it in the region of `AWS_REGION`, or of the profile? its ARN in place of its name says another)"
            )
        }
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_json_is_found_and_nothing_of_the_text_is_told() {
        let text = r#"{"url": "https://x", "port": 443, "list": ["s3cr3t"]}"#;
        for (text, key, expected) in [
            (text, "url", Ok("https://x")),
            (text, "port", Ok("443")),
            (text, "list", Err("its `list` is no text")),
            (text, "token", Err("it has no `token`")),
            ("s3cr3t", "url", Err("it is no JSON object")),
        ] {
            assert_eq!(value_in(text, key).as_deref().map_err(String::as_str), expected, "{key}");
        }
    }
}
