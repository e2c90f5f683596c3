//! Changes of the files that a run is made of: its configuration, its rules, and what those share.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::look::{Changes, Look};
use crate::config::Run;
use crate::config::run::Reload;

/// How long after a look the next one follows. What has changed is read once two looks see the same.
const INTERVAL: Duration = Duration::from_secs(1);

/// The files of a run, looked over now and then.
pub struct Watched {
    configuration: Vec<PathBuf>,
    /// All that is looked at; nothing, where only a signal has things read anew.
    paths: Vec<PathBuf>,
    changes: Changes,
}

impl Watched {
    /// The files of a run, and of the configuration that it was read from.
    pub fn new(configuration: Vec<PathBuf>, run: &Run) -> Self {
        let mut watched = Self { configuration, paths: Vec::new(), changes: Changes::since(None) };
        watched.follow(run);
        watched
    }

    /// From now on the files of this run are looked at.
    pub fn follow(&mut self, run: &Run) {
        let paths = match run.reload {
            Reload::Signal => Vec::new(),
            Reload::Change => [&self.configuration, &run.rules, &run.shared].into_iter().flatten().cloned().collect(),
        };
        if paths != self.paths {
            self.paths = paths;
            self.known();
        }
    }

    /// Takes what is there now as known.
    pub fn known(&mut self) {
        self.changes = Changes::since(Some(Look::at(&self.paths)));
    }

    /// Waits until something has changed, and the change is over.
    pub async fn next(&mut self) {
        if self.paths.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            let paths = self.paths.clone();
            let look = tokio::task::spawn_blocking(move || Look::at(&paths)).await;
            if look.is_ok_and(|look| self.changes.take(look)) {
                return;
            }
        }
    }
}
