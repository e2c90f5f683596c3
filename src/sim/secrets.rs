//! Secrets of Secrets Manager and parameters of Systems Manager: `GetSecretValue` and `GetParameter`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{ACCOUNT_ID, REGION, lock};

/// The secrets and parameters of an account; a handle that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    secrets: Arc<Mutex<BTreeMap<String, String>>>,
    parameters: Arc<Mutex<BTreeMap<String, String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    secret_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameter {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

impl Secrets {
    /// Sets a secret.
    pub fn put_secret(&self, name: &str, text: &str) {
        lock(&self.secrets).insert(name.to_owned(), text.to_owned());
    }

    /// Sets a parameter that is encrypted.
    pub fn put_parameter(&self, name: &str, text: &str) {
        lock(&self.parameters).insert(name.to_owned(), text.to_owned());
    }

    /// Answers one call of Secrets Manager.
    pub(super) fn secret(&self, operation: &str, body: Value) -> Result<Value, Refusal> {
        if operation != "GetSecretValue" {
            return Err(unknown(operation));
        }
        let asked: GetSecretValue = serde_json::from_value(body).map_err(|error| Refusal::unreadable(&error))?;
        let secrets = lock(&self.secrets);
        let found = secrets.iter().find(|(name, _)| **name == asked.secret_id || arn(name) == asked.secret_id);
        let (name, text) = found.ok_or_else(|| {
            Refusal::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        })?;
        Ok(json!({"ARN": arn(name), "Name": name, "SecretString": text, "VersionStages": ["AWSCURRENT"]}))
    }

    /// Answers one call of Systems Manager.
    pub(super) fn parameter(&self, operation: &str, body: Value) -> Result<Value, Refusal> {
        if operation != "GetParameter" {
            return Err(unknown(operation));
        }
        let asked: GetParameter = serde_json::from_value(body).map_err(|error| Refusal::unreadable(&error))?;
        let parameters = lock(&self.parameters);
        let text = parameters.get(&asked.name).ok_or_else(|| Refusal::new("ParameterNotFound", ""))?;
        let value = if asked.with_decryption { text.clone() } else { "AQICAHh-encrypted".to_owned() };
        Ok(json!({"Parameter": {"Name": asked.name, "Type": "SecureString", "Value": value, "Version": 1}}))
    }
}

/// The ARN of a secret, with the six characters that the service adds.
fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}-AbCdEf")
}

fn unknown(operation: &str) -> Refusal {
    Refusal::new("UnknownOperationException", format!("unknown operation `{operation}`"))
}
