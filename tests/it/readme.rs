//! The README's first command does what the README shows.

use std::collections::HashSet;
use std::process::{Command, Stdio};

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// A line without what differs from run to run: times, durations, and how many calls it took.
fn steady(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.first().is_some_and(|word| word.len() == 20 && word.ends_with('Z')) {
        words.remove(0);
    }
    match words.first() {
        Some(&("from" | "read")) => words.truncate(1),
        Some(&"lag") => words.retain(|word| !word.starts_with(|first: char| first.is_ascii_digit())),
        Some(&"odd") => words.retain(|word| !word.ends_with("s),") && !word.ends_with('m') && !word.starts_with('(')),
        _ => {}
    }
    words.join(" ")
}

#[test]
fn the_first_command_stands_within_the_first_fifteen_lines() {
    assert!(readme().lines().take(15).any(|line| line == "cargo run --release -- demo"));
}

#[test]
fn the_demo_prints_what_the_readme_shows() {
    let readme = readme();
    let shown =
        readme.split("<!-- demo output -->").nth(1).unwrap().split("<!-- end of demo output -->").next().unwrap();
    let shown: Vec<&str> =
        shown.lines().filter(|line| !line.starts_with("```") && !line.is_empty() && *line != "…").collect();
    assert!(shown.len() > 20);

    // The rate changes nothing but the times.
    let output = Command::new(env!("CARGO_BIN_EXE_trailwatch"))
        .args(["demo", "--rate", "400"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    let printed_lines: HashSet<String> = printed.lines().map(steady).collect();
    for line in shown {
        assert!(printed_lines.contains(&steady(line)), "not printed: {line}\n{printed}");
    }
    assert_eq!(output.status.code(), Some(0));
}
