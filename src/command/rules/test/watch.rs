//! `rules test --watch`: tests again whenever a file below the paths changes.

use std::time::Duration;

use jiff::Timestamp;

use super::Paths;
use crate::command::look::{Changes, Look};
use crate::command::{Exit, runtime, say, stop_on_signal};

/// How long after a look the next one follows. A change is tested once a second look sees the same.
const INTERVAL: Duration = Duration::from_millis(200);

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
        let mut changes = Changes::since(None);
        loop {
            if changes.take(Look::at(&paths)) {
                let result = if test()? == Exit::Done { "passed" } else { "failed" };
                let time = Timestamp::now().strftime("%FT%TZ");
                say("watch", &format!("{time} {result}; waiting for a change below {}", watched.join(", ")));
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(Exit::Done),
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    })
}
