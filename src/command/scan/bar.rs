//! How far a scan has got, on standard error.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::pipeline::Handle;
use crate::source::file::Progress;

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(200);

const STYLE: &str = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {msg}, {eta} left";

/// A bar that follows a run until it is finished, if standard error is a terminal.
pub fn follow(inputs: Vec<Progress>, run: Handle, stop: CancellationToken) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let shown = bar.clone();
    tokio::spawn(async move {
        while !shown.is_finished() && !stop.is_cancelled() {
            let read: u64 = inputs.iter().map(Progress::read_bytes).sum();
            let total: u64 = inputs.iter().map(Progress::total_bytes).sum();
            let files: u64 = inputs.iter().map(Progress::files).sum();
            shown.set_length(total.max(read));
            shown.set_position(read);
            shown.set_message(counts(files, run.summary().events(), shown.elapsed()));
            tokio::time::sleep(EVERY).await;
        }
    });
    bar
}

fn counts(files: u64, events: u64, elapsed: Duration) -> String {
    let rate = events as f64 / elapsed.as_secs_f64().max(0.001);
    format!("{} files, {} events, {}/s", HumanCount(files), HumanCount(events), HumanCount(rate as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_a_rate() {
        assert_eq!(counts(3_872, 1_939_207, Duration::from_secs(10)), "3,872 files, 1,939,207 events, 193,920/s");
        assert_eq!(counts(0, 0, Duration::ZERO), "0 files, 0 events, 0/s");
    }
}
