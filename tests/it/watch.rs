//! `rules test --watch`, by the real binary: what it says when files change, and how it ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::moto::{interrupt, lines};

/// How long something that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn rule(call: &str) -> String {
    format!(
        "id = \"watched\"\ntitle = \"t\"\nseverity = \"low\"\n[match]\neventName = \"{call}\"\n\
         [[test]]\nname = \"fires\"\nexpect = \"match\"\nevent = {{ eventName = \"StopLogging\" }}\n"
    )
}

fn watch(paths: &[&Path]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailwatch"));
    command.args(["rules", "test", "--watch"]).args(paths).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a line with a text in it, and returns it.
#[track_caller]
fn wait_for(output: &Receiver<String>, text: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = output.recv_timeout(left).unwrap_or_else(|_| panic!("`{text}` did not come"));
        if line.contains(text) {
            return line;
        }
    }
}

#[test]
fn rules_are_tested_again_when_a_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (file, more) = (folder.path().join("watched.toml"), folder.path().join("below/more.toml"));
    std::fs::write(&file, rule("StopLogging")).unwrap();
    let mut child = watch(&[folder.path()]);
    let output = lines(child.stderr.take().unwrap());
    let first = wait_for(&output, "watch: ");
    assert!(first.contains("Z passed; waiting for a change below ") && first.contains("watch: 20"), "{first}");
    std::fs::write(&file, rule("DeleteTrail")).unwrap();
    wait_for(&output, "Z failed; ");
    std::fs::write(&file, "id = ").unwrap();
    wait_for(&output, "watched.toml:1:");
    wait_for(&output, "Z failed; ");
    std::fs::write(&file, rule("StopLogging")).unwrap();
    wait_for(&output, "Z passed; ");
    std::fs::create_dir(folder.path().join("below")).unwrap();
    std::fs::write(&more, rule("StopLogging")).unwrap();
    wait_for(&output, "a second rule `watched`");
    std::fs::remove_file(&more).unwrap();
    wait_for(&output, "Z passed; ");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn there_must_be_something_to_watch() {
    let mut child = watch(&[]);
    let output = lines(child.stderr.take().unwrap());
    wait_for(&output, "nothing to watch");
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
