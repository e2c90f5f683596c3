//! Whose events are wanted of which source: it catches a bus, a queue or a listener that others feed by mistake.

use std::collections::HashMap;
use std::sync::Arc;

/// Lists of accounts, by source. A source without a list may bring the events of any.
#[derive(Debug, Clone, Default)]
pub struct Accounts(HashMap<Arc<str>, Vec<String>>);

impl Accounts {
    /// Wants of a source only the events of these accounts, twelve digits each; of any, if there are none.
    pub fn only(&mut self, source: Arc<str>, accounts: Vec<String>) {
        if !accounts.is_empty() {
            self.0.insert(source, accounts);
        }
    }

    /// Whether a text has the form of an account.
    pub fn is_account(text: &str) -> bool {
        text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
    }

    pub(super) fn of(&self, source: &str) -> Vec<String> {
        self.0.get(source).cloned().unwrap_or_default()
    }
}
