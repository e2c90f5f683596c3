//! What a scan's state stands for: the same rules, times, accounts and regions. Under others, events that it knows would lead to
//! nothing, although nobody has looked at them so.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

use super::Scan;
use crate::command::{Exit, open_state, say};
use crate::rule::Rule;
use crate::store::{Checkpoint, Transaction};

/// The name under which a state keeps it, as if it were a source's. None has such a name.
const NAME: &str = "scan: what was asked";

impl Scan {
    /// Makes sure that a state is of such a scan, or of none yet; an error after saying that it is not.
    pub(super) async fn claim(&self, rules: &[Rule]) -> Result<(), Exit> {
        let Some(folder) = self.state.as_deref() else { return Ok(()) };
        let mut store = open_state(Some(folder)).ok_or(Exit::Internal)?;
        let asked = self.asked(rules);
        let known = store.checkpoints().into_iter().find(|known| &*known.source == NAME);
        if known.as_ref().is_some_and(|known| known.position == asked) {
            return Ok(());
        }
        // Who has seen events and does not say under what is an older program's, or no scan's.
        if known.is_some() || !store.seen().is_empty() {
            let folder = folder.display();
            let hint = "name another folder with `--state`, or delete this one to begin anew";
            let differs = "its rules, `--since`, `--until`, `--every-match`, accounts or regions were others";
            say("error", &format!("the state in {folder} is of another scan: {differs} ({hint})"));
            return Err(Exit::Usage);
        }
        let checkpoints = vec![Checkpoint { source: Arc::from(NAME), position: asked }];
        store.commit(&Transaction { checkpoints, ..Transaction::default() }).await.map_err(|error| {
            say("error", &error.to_string());
            Exit::Internal
        })
    }

    /// A hash of everything that decides what an event leads to. Times count as they were given: `30d` may go on tomorrow.
    fn asked(&self, rules: &[Rule]) -> String {
        #[cfg_attr(not(feature = "aws"), allow(unused_mut))]
        let mut text = format!("{:?}", (self.since, self.until, self.every_match));
        #[cfg(feature = "aws")]
        let _ = write!(text, "{:?}", (&self.objects.only.account, &self.objects.only.event_region));
        let mut hash = Sha256::new();
        hash.update(text.as_bytes());
        rules.iter().for_each(|rule| hash.update(rule.source.text.as_bytes()));
        // Lists may lie beside the rules.
        for path in self.rules.rules.iter().chain(&self.rules.shared.shared) {
            for file in WalkDir::new(path).sort_by_file_name().into_iter().flatten() {
                // What cannot be read has been told when rules were loaded.
                hash.update(std::fs::read(file.path()).unwrap_or_default());
            }
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
