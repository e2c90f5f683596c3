//! The command line: one file a verb.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Loaded};
use crate::finding::digest::grouped;
use crate::rule::Rule;
use crate::sink::stdout;
#[cfg(feature = "aws")]
use crate::source::SourceError;
use crate::source::{NoticeLevel, Notify};
use crate::store::{self, DiskStore, MemoryStore, Store};
use crate::untrusted::Untrusted;

#[cfg(feature = "aws")]
mod aws;
mod config_file;
#[cfg(feature = "aws")]
mod demo;
#[cfg(feature = "aws")]
mod doctor;
mod events;
mod explain;
#[cfg(feature = "aws")]
mod iam_policy;
mod import;
#[cfg(feature = "listen")]
mod listen;
mod look;
mod outbox;
#[cfg(feature = "aws")]
mod reach;
mod report;
mod rules;
mod run;
mod scan;
#[cfg(feature = "aws")]
mod secrets;
mod sink;
mod state;
mod tail;
mod time;
#[cfg(feature = "aws")]
mod verify;

/// Follows AWS CloudTrail, matches every event against rules, hands on the findings.
#[derive(Debug, Parser)]
#[command(name = "trailwatch", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Whether to colour; `auto` colours on a terminal, and respects NO_COLOR and CLICOLOR_FORCE.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows what Trailwatch does, on made-up events, without an AWS account.
    #[cfg(feature = "aws")]
    Demo(demo::Demo),
    /// Prints CloudTrail events as they come, and the findings among them.
    Tail(Box<tail::Tail>),
    /// Runs the rules over events in files, and prints the findings.
    Scan(Box<scan::Scan>),
    /// Verifies that log files are what CloudTrail delivered, by the digests that it signed.
    #[cfg(feature = "aws")]
    Verify(verify::Verify),
    /// Runs as a daemon: follows sources, and brings findings to sinks, as a configuration says.
    Run(run::RunArgs),
    /// Says why rules did or did not match an event, and how near they came.
    Explain(explain::Explain),
    /// Lists, checks and tests rules.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Checks and shows the configuration of `run`.
    #[command(subcommand)]
    Config(config_file::Config),
    /// Shows and checks what `run` keeps on disk.
    #[command(subcommand)]
    State(state::State),
    /// Lists findings that wait for sinks or were given up; sends them again, or drops them.
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// Tests sinks.
    #[command(subcommand)]
    Sink(sink::Sink),
    /// Makes each call that sources and sinks need, changes nothing, and says what to do about what is wrong.
    #[cfg(feature = "aws")]
    Doctor(Box<doctor::Doctor>),
    /// Prints the IAM policy that sources and sinks need, and no more. Connects to nothing.
    #[cfg(feature = "aws")]
    IamPolicy(Box<iam_policy::IamPolicy>),
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done; also after Ctrl-C while following, and when the reader of the output has gone
  1    findings at or above --fail-on; a rule is broken or fails its tests (rules check, test);
       an event that a named rule does not match (explain), or a pattern (rules match);
       a configuration is broken (config), or state (state verify); a sink that does not take
       the sample (sink test); no such entries (outbox); a check that failed (doctor);
       a file that is not what was delivered (verify)
  2    the arguments are wrong; also a pattern (rules match)
  3    done, but some input could not be decoded or read; a rule that no pattern reaches
       (rules export); not everything could be dealt with in time after a signal (run)
  130  interrupted before the end
  253  rules or a configuration cannot be used
  254  AWS, or the way to it, refused
  255  something else went wrong; also an output that cannot be written";

/// What a program ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Found = 1,
    Usage = 2,
    Incomplete = 3,
    Interrupted = 130,
    BadRules = 253,
    SourceFailed = 254,
    Internal = 255,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    let result = match cli.command {
        #[cfg(feature = "aws")]
        Command::Demo(demo) => demo.run(),
        Command::Tail(tail) => tail.run(),
        Command::Scan(scan) => scan.run(),
        #[cfg(feature = "aws")]
        Command::Verify(verify) => verify.run(),
        Command::Run(run) => run.run(),
        Command::Explain(explain) => explain.run(),
        Command::Rules(rules) => rules.run(),
        Command::Config(config) => config.run(),
        Command::State(state) => state.run(),
        Command::Outbox(outbox) => outbox.run(),
        Command::Sink(sink) => sink.run(),
        #[cfg(feature = "aws")]
        Command::Doctor(doctor) => doctor.run(),
        #[cfg(feature = "aws")]
        Command::IamPolicy(policy) => policy.run(),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            say("error", &format!("{error:#}"));
            Exit::Internal.into()
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// Where rules come from.
#[derive(Debug, Clone, Args)]
struct RuleArgs {
    /// A rule file, or a folder of them; may be repeated. The shipped rules if none is given.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    shared: SharedArgs,
}

/// Where more of what rules share comes from.
#[derive(Debug, Clone, Args)]
struct SharedArgs {
    /// A file of exceptions, lists or selections for the rules, or a folder of them; may be repeated. What is in a folder
    /// of rules is found there.
    #[arg(long = "exceptions", visible_aliases = ["lists", "shared"], value_name = "PATH")]
    shared: Vec<PathBuf>,
}

impl RuleArgs {
    /// The rules; `None` if any is broken, after saying how.
    fn load(&self) -> Option<Vec<Rule>> {
        let loaded = config::rules_with(&self.rules, &self.shared.shared);
        tell_left_out(&loaded);
        if loaded.is_good() {
            tell_odd(&loaded);
            return Some(loaded.rules);
        }
        complain(&loaded);
        None
    }
}

/// Says which rules are not about CloudTrail.
fn tell_left_out(loaded: &Loaded) {
    left_out(loaded).iter().for_each(|text| say("note", text));
}

/// Which rules are not about CloudTrail: once for each reason, since there may be thousands.
fn left_out(loaded: &Loaded) -> Vec<String> {
    let mut by_reason: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for rule in &loaded.left_out {
        by_reason.entry(&rule.reason).or_default().push(&rule.source.name);
    }
    let text = |(reason, files): (&str, Vec<&str>)| {
        let others = match files.len() {
            1 => String::new(),
            many => format!(" and {}", count(many - 1, "other rule")),
        };
        format!("{}{others}: left out: {reason}", files[0])
    };
    by_reason.into_iter().map(text).collect()
}

/// Says what is odd about what is shared.
fn tell_odd(loaded: &Loaded) {
    oddities(loaded).iter().for_each(|text| say("warning", text));
}

/// What is odd about what is shared: an exception that does nothing is thought to do something.
fn oddities(loaded: &Loaded) -> Vec<String> {
    let text = |diagnostic: &crate::rule::Diagnostic| {
        let (at, _) = diagnostic.position();
        format!("{}:{at}: {}", diagnostic.source.name, diagnostic.message)
    };
    loaded.shared.lint(&loaded.rules, today()).iter().map(|lint| text(&lint.diagnostic)).collect()
}

/// This machine's date in UTC.
fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Says everything that is wrong with rules.
fn complain(loaded: &Loaded) {
    for problem in &loaded.problems {
        line(&format!("{problem}\n"));
    }
    for (path, error) in &loaded.unreadable {
        say("error", &format!("{}: {error}", path.display()));
    }
    let files: std::collections::BTreeSet<&str> =
        loaded.problems.iter().map(|problem| problem.source.name.as_str()).collect();
    if !files.is_empty() {
        let (problems, files) = (count(loaded.problems.len(), "problem"), count(files.len(), "rule file"));
        say("error", &format!("{problems} in {files}"));
    }
}

/// How output looks.
#[derive(Debug, Clone, Args)]
struct OutputArgs {
    /// How events and findings are written.
    #[arg(long, short, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    output: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
    /// Findings only, each a Detection Finding (2004) of OCSF on a line.
    Ocsf,
    /// Findings only, each a document of the Elastic Common Schema on a line.
    Ecs,
}

/// Standard output, as a printer writes it.
type Output = io::BufWriter<anstream::AutoStream<io::Stdout>>;

impl OutputArgs {
    fn printer(&self) -> stdout::Printer<Output> {
        printer(match self.output {
            OutputFormat::Text => stdout::Format::Text,
            OutputFormat::Json => stdout::Format::Json,
            OutputFormat::Ocsf => stdout::Format::Ocsf,
            OutputFormat::Ecs => stdout::Format::Ecs,
        })
    }
}

/// A printer to standard output.
fn printer(format: stdout::Format) -> stdout::Printer<Output> {
    let choice = anstream::AutoStream::choice(&io::stdout());
    stdout::Printer::new(io::BufWriter::new(anstream::AutoStream::new(io::stdout(), choice)), format)
}

/// Writes a line of text to standard error, as it is. A reader that has gone is no concern.
fn line(text: &str) {
    use io::Write as _;
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Says something to the person at standard error.
fn say(kind: &str, text: &str) {
    let style = match kind {
        "error" => anstyle::AnsiColor::Red.on_default().bold(),
        "warning" => anstyle::AnsiColor::Yellow.on_default().bold(),
        _ => anstyle::Style::new().bold(),
    };
    line(&format!("{style}{kind}{style:#}: {}", Untrusted(text)));
}

/// Notices go to standard error.
fn notify() -> Notify {
    Arc::new(|notice| {
        let kind = match notice.level {
            NoticeLevel::Info => "note",
            NoticeLevel::Warn => "warning",
            NoticeLevel::Error => "error",
        };
        say(kind, &notice.text);
    })
}

/// `1 event`, `2 events`, with thousands apart.
fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

fn thousands(number: u64) -> String {
    grouped(number)
}

/// The store in a folder, or one for this process only; `None` after saying why there is none.
fn open_state(folder: Option<&std::path::Path>) -> Option<Box<dyn Store>> {
    let Some(folder) = folder else { return Some(Box::new(MemoryStore::default())) };
    match DiskStore::open(folder, store::Limits::default()) {
        Ok((store, opened)) => {
            if let Some((aside, reason)) = &opened.set_aside {
                let text = format!("{reason} (it is kept as {}, and reading begins anew)", aside.display());
                say("error", &text);
            }
            if opened.windows_unreadable > 0 {
                say("error", &opened.told_of_windows());
            }
            Some(Box::new(store))
        }
        Err(error) => {
            say("error", &error.to_string());
            None
        }
    }
}

/// Says why a source cannot be made.
#[cfg(feature = "aws")]
fn source_failed(error: SourceError) -> Exit {
    say("error", &error.to_string());
    Exit::SourceFailed
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// A token that the first Ctrl-C or SIGTERM cancels; a second one ends the program at once.
fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        signalled().await;
        told.cancel();
        signalled().await;
        std::process::exit(Exit::Interrupted as i32);
    });
    stop
}

async fn signalled() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}
