//! `rules test --watch`: tests again whenever a file below the paths changes.
//!
//! The files are looked over at an interval, and the system is not asked to tell of changes. Folders of rules are small,
//! a look costs no more than listing them, and it works where no changes are told of: over a network, in a container.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::Paths;
use crate::command::{Exit, runtime, say, stop_on_signal};

/// How long after a look the next one follows. A change is tested once a second look sees the same, so that an editor
/// may write a file in several steps.
const INTERVAL: Duration = Duration::from_millis(200);

/// What tells whether a file has changed: its path, when it was written, and its length.
type Look = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Tests now, and at every change, until it is interrupted.
pub fn watch(paths: &Paths, test: impl Fn() -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let paths = paths.watched();
    if paths.is_empty() {
        say("error", "nothing to watch: name a file or folder, since the shipped rules do not change");
        return Ok(Exit::Usage);
    }
    let watched: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    runtime()?.block_on(async {
        let stop = stop_on_signal();
        let (mut tested, mut last) = (None, look(&paths));
        loop {
            let now = look(&paths);
            if now == last && tested.as_ref() != Some(&now) {
                let result = if test()? == Exit::Done { "passed" } else { "failed" };
                let time = Timestamp::now().strftime("%FT%TZ");
                say("watch", &format!("{time} {result}; waiting for a change below {}", watched.join(", ")));
                tested = Some(now.clone());
            }
            last = now;
            tokio::select! {
                () = stop.cancelled() => return Ok(Exit::Done),
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    })
}

/// Every file below the paths. What cannot be read is told by the tests.
fn look(paths: &[PathBuf]) -> Look {
    let entries = paths.iter().flat_map(|path| walkdir::WalkDir::new(path).sort_by_file_name().follow_links(true));
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let told = entry.metadata().ok()?;
            Some((entry.into_path(), told.modified().ok(), told.len()))
        })
        .collect()
}
