//! The program as a whole: `scan` over gzipped objects beside `gzip -dc`, over large files, and how fast it starts.
//!
//! `cargo bench --no-default-features --bench scan`, with `-- --renew` to write it into docs/performance.md. Needs GNU time (`/usr/bin/time`) and gzip. What is compared takes
//! turns, and the median counts.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may assume, and tell")]

mod support;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use support::{document, events, is_measuring, rules};

const TRAILWATCH: &str = env!("CARGO_BIN_EXE_trailwatch");
const TIME: &str = "/usr/bin/time";

/// What a program took, as GNU time has it.
#[derive(Clone, Copy)]
struct Taken {
    elapsed_s: f64,
    busy_s: f64,
    rss_mib: f64,
}

/// How much is made.
struct Extent {
    /// CloudTrail's objects, and events in each.
    objects: usize,
    object_events: usize,
    rounds: usize,
    /// The size of the files of lines, and of the one long line.
    file_bytes: usize,
    line_bytes: usize,
}

const WHOLE: Extent =
    Extent { objects: 300, object_events: 1_000, rounds: 5, file_bytes: 1 << 30, line_bytes: 100 << 20 };
const QUICK: Extent = Extent { objects: 2, object_events: 3, rounds: 1, file_bytes: 1 << 12, line_bytes: 1 << 12 };

fn main() -> io::Result<()> {
    if !Path::new(TIME).exists() {
        println!("scan: there is no {TIME} here, so nothing is measured");
        return Ok(());
    }
    let extent = if is_measuring() { WHOLE } else { QUICK };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-scan");
    let files = Files::write(&folder, &extent)?;
    let (lines, line, rules) = (&files.lines, &files.line, &files.rules);
    let objects: Vec<&Path> = files.objects.iter().map(PathBuf::as_path).collect();
    let scan = |name, path: &Path| Run::new(name, TRAILWATCH).args(["scan", "-q"]).path(path);
    let mut runs = [
        objects
            .iter()
            .fold(Run::new("`gzip -dc` of the objects", "gzip").args(["-dc"]), |run, object| run.path(object)),
        scan("`scan` of the objects, 1,000 rules", &files.folder).args(["--rules"]).path(rules),
        scan("`scan` of one file of lines", lines),
        scan("`scan` of it, a finding for every second event", lines).args(["--rules"]).path(&files.every_second),
        scan("`scan` of one long line", line),
        Run::new("`--help`", TRAILWATCH).args(["--help"]),
        scan("`scan` of one event, shipped rules", &files.one),
        scan("`scan` of one event, 1,000 rules", &files.one).args(["--rules"]).path(rules),
    ];
    for _ in 0..extent.rounds {
        runs.iter_mut().try_for_each(Run::take_turn)?;
    }
    document::tell("scan", &table(&runs));
    fs::remove_dir_all(&folder)
}

/// A program that is run again and again.
struct Run {
    name: &'static str,
    program: &'static str,
    arguments: Vec<PathBuf>,
    taken: Vec<Taken>,
}

impl Run {
    fn new(name: &'static str, program: &'static str) -> Self {
        Self { name, program, arguments: Vec::new(), taken: Vec::new() }
    }

    fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(PathBuf::from));
        self
    }

    fn path(mut self, path: &Path) -> Self {
        self.arguments.push(path.to_owned());
        self
    }

    fn take_turn(&mut self) -> io::Result<()> {
        let mut command = Command::new(TIME);
        command.args(["-f", "%e %U %S %M", self.program]).args(&self.arguments);
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        let last = told.lines().last().unwrap_or_default();
        let numbers: Vec<f64> = last.split(' ').filter_map(|number| number.parse().ok()).collect();
        let &[elapsed_s, user_s, system_s, rss_kib] = &numbers[..] else { panic!("{}: {told}", self.name) };
        self.taken.push(Taken { elapsed_s, busy_s: user_s + system_s, rss_mib: rss_kib / 1024.0 });
        Ok(())
    }

    fn median(&self) -> Taken {
        let mut taken = self.taken.clone();
        taken.sort_by(|a, b| a.elapsed_s.total_cmp(&b.elapsed_s));
        taken[taken.len() / 2]
    }
}

fn table(runs: &[Run]) -> String {
    let mut text = "| | by the clock | of processors | resident, at most |\n|---|---|---|---|\n".to_owned();
    for run in runs {
        let Taken { elapsed_s, busy_s, rss_mib } = run.median();
        let _ = writeln!(text, "| {} | {elapsed_s:.2} s | {busy_s:.2} s | {rss_mib:.0} MiB |", run.name);
    }
    let (gzip, scan) = (runs[0].median(), runs[1].median());
    let (clock, best) = (scan.elapsed_s / gzip.elapsed_s, scan.busy_s / 2.0 / gzip.busy_s);
    let _ = writeln!(
        text,
        "\n`scan` took {clock:.2} times as long as `gzip -dc` by the clock; {best:.2} times as long is the"
    );
    let _ = writeln!(text, "least that two processors could do with what it computes.");
    text
}

/// What is scanned.
struct Files {
    folder: PathBuf,
    objects: Vec<PathBuf>,
    lines: PathBuf,
    line: PathBuf,
    one: PathBuf,
    rules: PathBuf,
    /// A rule that every second event matches.
    every_second: PathBuf,
}

/// Ids end with hexadecimal digits that are as likely as each other.
const EVERY_SECOND: &str = r#"id = "every-second"
title = "{eventName} by {actor.name}"
severity = "low"
[match]
"eventID|re" = '[0-7]$'
"#;

impl Files {
    fn write(folder: &Path, extent: &Extent) -> io::Result<Self> {
        let _ = fs::remove_dir_all(folder);
        let (objects, rules) = (folder.join("objects"), folder.join("rules"));
        fs::create_dir_all(&objects)?;
        fs::create_dir_all(&rules)?;
        for file in rules::like_shipped(1_000) {
            fs::write(rules.join(file.name), file.text)?;
        }
        let every_second = folder.join("every-second.toml");
        fs::write(&every_second, EVERY_SECOND)?;
        let events = events::events(9, extent.object_events * 20);
        let mut paths = Vec::new();
        for number in 0..extent.objects {
            let path = objects.join(format!("{number:04}.json.gz"));
            object(&path, &fresh(&events, extent.object_events, number))?;
            paths.push(path);
        }
        let (lines, line, one) = (folder.join("lines.jsonl"), folder.join("line.json"), folder.join("one.jsonl"));
        repeated(&lines, &events, extent.file_bytes, ["", "\n", ""])?;
        repeated(&line, &events, extent.line_bytes, ["{\"Records\":[", ",", "{}]}"])?;
        fs::write(&one, format!("{}\n", events[0]))?;
        Ok(Self { folder: objects, objects: paths, lines, line, one, rules, every_second })
    }
}

/// Some of the events, with ids of their own: what comes twice costs less.
fn fresh(events: &[String], count: usize, number: usize) -> Vec<String> {
    let from = number * count;
    let picked = (from..from + count).map(|at| &events[at % events.len()]);
    picked.map(|event| with_id(event, number)).collect()
}

/// The event with the first eight digits of its id replaced by those of a number.
fn with_id(event: &str, number: usize) -> String {
    let mut event = event.to_owned();
    if let Some((before, _)) = event.split_once("\"eventID\":\"") {
        let at = before.len() + "\"eventID\":\"".len();
        event.replace_range(at..at + 8, &format!("{number:08x}"));
    }
    event
}

/// An object as CloudTrail writes it.
fn object(path: &Path, events: &[String]) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create(path)?, Compression::default());
    write!(encoder, "{{\"Records\":[{}]}}", events.join(","))?;
    encoder.finish()?.flush()
}

/// The events over and over, up to a size, with ids of their own.
fn repeated(path: &Path, events: &[String], bytes: usize, [before, between, after]: [&str; 3]) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    file.write_all(before.as_bytes())?;
    let mut written = 0;
    for number in 0.. {
        for event in fresh(events, events.len(), number) {
            file.write_all(event.as_bytes())?;
            file.write_all(between.as_bytes())?;
            written += event.len();
        }
        if written >= bytes {
            break;
        }
    }
    file.write_all(after.as_bytes())?;
    file.flush()
}
