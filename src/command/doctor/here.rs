//! What a run needs on its own machine: rules, its folder, the addresses of webhooks.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::report::{About, Report};
use crate::command::count;
use crate::command::run::reload::failed_tests;
use crate::config::run::SinkKind;
use crate::config::{self, Run};

/// Looks at everything of a configuration that is not within AWS.
pub(super) async fn look(run: &Run, report: &mut Report) {
    rules(run, &mut report.about("rules"));
    state(&run.state, &mut report.about("state"));
    #[cfg(feature = "webhook")]
    for sink in &run.sinks {
        let SinkKind::Webhook(settings) = &sink.kind else { continue };
        let subject = format!("sink `{}`", sink.route.sink);
        let mut about = report.about(&subject);
        if settings.use_proxy {
            about.skip("", "its host is looked up by the proxy, so it cannot be told from here");
            continue;
        }
        match crate::sink::webhook::addresses(settings).await {
            Ok(addresses) => {
                about.ok("", format!("addresses of its host that may be spoken to: {addresses}; nothing was sent"));
            }
            Err(problem) => about.fail("", problem, "`trailwatch sink test NAME` tries it with a sample"),
        }
    }
    #[cfg(not(feature = "webhook"))]
    let _ = (&run.sinks, SinkKind::as_str);
}

fn rules(run: &Run, about: &mut About<'_>) {
    let loaded = config::rules_with(&run.rules, &run.shared);
    let todo = "`trailwatch rules check` and `trailwatch rules test` say more";
    if !loaded.is_good() {
        let problems = count(loaded.problems.len() + loaded.unreadable.len(), "problem");
        return about.fail("", format!("they cannot be used: {problems}"), todo);
    }
    let failed = failed_tests(&loaded.rules);
    match failed.first() {
        Some(first) => about.fail("", format!("{first}; in all, {} failed", count(failed.len(), "test")), todo),
        None => about.ok("", format!("{}, and their tests pass", count(loaded.rules.len(), "rule"))),
    }
}

fn state(folder: &Path, about: &mut About<'_>) {
    let shown = folder.display();
    // It is made at the start, so what counts is the nearest folder that there is.
    let existing = folder.ancestors().map(here).find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    match write_to(existing) {
        Ok(()) if existing == here(folder) => about.ok("", format!("{shown} can be written to")),
        Ok(()) => about.ok("", format!("{shown} can be made, and is at the start")),
        Err(error) => {
            let todo = "it has to be a folder of whoever runs Trailwatch; try `doctor` as the same user";
            about.fail("", format!("{} cannot be written to: {error}", existing.display()), todo);
        }
    }
}

/// An empty path is the folder that we are in.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Makes a file that nobody has, and removes it.
fn write_to(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".trailwatch-doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(path)
}
