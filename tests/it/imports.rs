//! What may import what: the table of `docs/architecture.md`, held against the code.
//!
//! Every path of every file is read, wherever it stands: in a `use`, in a group, in the middle of an expression, also
//! by way of `super`. Comments, strings and `#[cfg(test)]` items do not count.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A module, and the modules (or items) of the crate that it may import beside itself. No row names one below it, so
/// that the imports run one way and no two modules can import each other.
const TABLE: &[(&str, &[&str])] = &[
    ("untrusted", &[]),
    ("sim", &[]),
    // The pure half.
    ("delivery", &[]),
    ("event", &["delivery"]),
    ("decode", &["delivery", "event"]),
    ("condition", &["event"]),
    ("rule", &["condition", "event"]),
    ("engine", &["rule", "condition", "event", "delivery"]),
    ("finding", &["engine", "rule", "condition", "event"]),
    // The edges.
    ("store", &["finding", "event::EventKey"]),
    ("source", &["delivery", "store::Checkpoint"]),
    ("sink", &["finding", "rule::Severity", "event"]),
    ("verify", &["source", "decode"]),
    // What holds the two together.
    (
        "pipeline",
        &["source", "sink", "store", "decode", "finding", "engine", "rule::Severity", "condition", "event", "delivery"],
    ),
    ("config", &["pipeline", "source", "sink", "store", "rule"]),
    (
        "command",
        &[
            "config",
            "pipeline",
            "verify",
            "source",
            "sink",
            "store",
            "finding",
            "engine",
            "rule",
            "condition",
            "decode",
            "event",
            "delivery",
        ],
    ),
    ("main", &["command"]),
    ("lib", &[]),
];

/// What any module may import.
const FOR_ALL: &str = "untrusted";

/// Files that may import more than their module.
const EXCEPTIONS: &[(&str, &str)] = &[("command/demo.rs", "sim"), ("command/rules/bench.rs", "sim")];

/// Modules that know no runtime, network, clock, environment or printing.
const PURE: &[&str] = &["untrusted", "delivery", "event", "decode", "condition", "rule", "engine", "finding"];

/// The crates that pure modules may use.
const PURE_CRATES: &[&str] = &[
    "base64",
    "bytes",
    "csv",
    "fearless_simd",
    "flate2",
    "foldhash",
    "granit_parser",
    "hifijson",
    "humantime",
    "ipnet",
    "jiff",
    "memchr",
    "regex",
    "regex_syntax",
    "serde",
    "serde_json",
    "sha2",
    "simdutf8",
    "strsim",
    "thiserror",
    "toml",
    "unicode_width",
];

/// Where in the standard library the outside world begins.
const OUTSIDE: &[&str] = &[
    "std::time::SystemTime",
    "std::time::Instant",
    "std::time::UNIX_EPOCH",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "std::os",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
];

/// What ends a path that asks for the time, the machine's time zone, or prints.
const OUTSIDE_ENDS: &[&str] = &["now", "system", "print!", "println!", "eprint!", "eprintln!", "dbg!"];

#[test]
fn every_import_is_in_the_table() {
    let wrong: Vec<String> =
        sources().iter().flat_map(|file| file.imports().into_iter().filter_map(forbidden)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_pure_half_touches_nothing_outside() {
    let crates = crates();
    let pure = sources().into_iter().filter(|file| PURE.contains(&file.module()));
    let wrong: Vec<String> = pure.flat_map(|file| impurities(&file, &crates)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_run_one_way() {
    for (number, (module, allowed)) in TABLE.iter().enumerate() {
        for import in *allowed {
            let name = import.split("::").next().unwrap();
            let above = TABLE[..number].iter().any(|(above, _)| *above == name);
            assert!(above, "`{module}` may import `{import}`, which stands below it in the table or not at all");
        }
    }
}

#[test]
fn every_module_has_its_row() {
    let found: BTreeSet<String> = sources().iter().map(|file| file.module().to_owned()).collect();
    let listed: BTreeSet<String> = TABLE.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(found, listed);
}

/// A path of the crate that a file names.
struct Import<'f> {
    file: &'f SourceFile,
    line: usize,
    path: Vec<String>,
}

fn forbidden(import: Import<'_>) -> Option<String> {
    let Import { file, line, path } = import;
    let module = file.module();
    let text = path.join("::");
    let within = |allowed: &str| text == allowed || text.starts_with(&format!("{allowed}::"));
    let (_, allowed) = TABLE.iter().find(|(name, _)| *name == module)?;
    let known = TABLE.iter().any(|(name, _)| *name == path[0]);
    let excepted = EXCEPTIONS.iter().any(|(name, allowed)| *name == file.name && within(allowed));
    let good =
        !known || path[0] == module || within(FOR_ALL) || excepted || allowed.iter().any(|allowed| within(allowed));
    (!good).then(|| {
        format!("src/{}:{line}: `{module}` may not import `{text}` (it may: {})", file.name, allowed.join(", "))
    })
}

fn impurities(file: &SourceFile, crates: &BTreeSet<String>) -> Vec<String> {
    let foreign = |first: &str| crates.contains(first) && !PURE_CRATES.contains(&first);
    let mut wrong = Vec::new();
    for (line, path) in file.paths() {
        let text = path.join("::");
        let outside = OUTSIDE.iter().any(|outside| text == *outside || text.starts_with(&format!("{outside}::")));
        let ends = path.last().is_some_and(|last| OUTSIDE_ENDS.contains(&last.as_str()));
        // A lone `now` is a variable.
        let ends = ends && (path.len() > 1 || text.ends_with('!'));
        if outside || ends || foreign(&path[0]) {
            wrong.push(format!("src/{}:{line}: `{}` is pure and may not use `{text}`", file.name, file.module()));
        }
    }
    wrong
}

/// The names of all dependencies, as code writes them.
fn crates() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut crates = BTreeSet::new();
    let mut within = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]");
        } else if within && let Some((name, _)) = line.split_once('=') {
            crates.insert(name.trim().replace('-', "_"));
        }
    }
    assert!(crates.contains("tokio") && crates.contains("aws_config"), "{crates:?}");
    crates
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file below `src`, its comments, strings and tests blanked out.
struct SourceFile {
    /// Below `src`, with slashes.
    name: String,
    code: Vec<char>,
}

/// Every file below `src` that is not a test.
fn sources() -> Vec<SourceFile> {
    let src = root().join("src");
    let mut files = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                files.push(SourceFile::read(&src, &path));
            }
        }
    }
    assert!(files.len() > 30, "only {} files", files.len());
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

impl SourceFile {
    fn read(src: &Path, path: &Path) -> Self {
        let name = path.strip_prefix(src).unwrap().to_str().unwrap().replace('\\', "/");
        Self::new(name, &std::fs::read_to_string(path).unwrap())
    }

    fn new(name: String, text: &str) -> Self {
        let mut code = without_texts(&text.chars().collect::<Vec<_>>());
        blank_tests(&mut code);
        Self { name, code }
    }

    /// The module path, outermost first; `main` and `lib` stand for themselves.
    fn module_path(&self) -> Vec<&str> {
        self.name.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect()
    }

    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        self.module_path()[0]
    }

    /// The paths into the crate, from its root.
    fn imports(&self) -> Vec<Import<'_>> {
        let own = self.module_path();
        let rooted = |path: Vec<String>| -> Option<Vec<String>> {
            let supers = path.iter().take_while(|name| *name == "super").count();
            let rest = match path[0].as_str() {
                "crate" | "trailwatch" => path[1..].to_vec(),
                "super" if supers <= own.len() => {
                    let above = own[..own.len() - supers].iter().map(|name| (*name).to_owned());
                    above.chain(path[supers..].iter().cloned()).collect()
                }
                _ => return None,
            };
            (!rest.is_empty()).then_some(rest)
        };
        let paths = self.paths().into_iter();
        paths.filter_map(|(line, path)| Some(Import { file: self, line, path: rooted(path)? })).collect()
    }

    /// Every path in the code with its line; a name alone is a path too, and a macro's keeps its `!`.
    fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut reader = Reader { code: &self.code, at: 0, found: Vec::new() };
        while reader.at < reader.code.len() {
            match is_name_char(reader.code[reader.at]) {
                true => reader.tree(&[]),
                false => reader.at += 1,
            }
        }
        let feeds: Vec<usize> = (0..self.code.len()).filter(|&at| self.code[at] == '\n').collect();
        let line = |at: usize| 1 + feeds.partition_point(|&feed| feed < at);
        reader.found.into_iter().map(|(at, path)| (line(at), path)).collect()
    }
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads paths and groups of paths.
struct Reader<'c> {
    code: &'c [char],
    at: usize,
    found: Vec<(usize, Vec<String>)>,
}

impl Reader<'_> {
    /// Takes the path, or all paths of the group, that stands here.
    fn tree(&mut self, prefix: &[String]) {
        self.skip_space();
        let start = self.at;
        while self.code.get(self.at).is_some_and(|c| is_name_char(*c)) {
            self.at += 1;
        }
        let name: String = self.code[start..self.at].iter().collect();
        let mut path = prefix.to_vec();
        if name != "self" || prefix.is_empty() {
            path.push(name);
        }
        let end = self.at;
        if self.takes("::") {
            self.skip_space();
            match self.code.get(self.at) {
                Some('{') => return self.group(&path),
                Some(c) if is_name_char(*c) => return self.tree(&path),
                Some('*') => {
                    self.at += 1;
                    path.push("*".to_owned());
                }
                _ => {}
            }
        } else if self.code.get(end) == Some(&'!') && self.code.get(end + 1) != Some(&'=') {
            path.last_mut().unwrap().push('!');
        }
        self.found.push((start, path));
    }

    fn group(&mut self, prefix: &[String]) {
        self.at += 1;
        loop {
            self.skip_space();
            match self.code.get(self.at) {
                None => return,
                Some('}') => {
                    self.at += 1;
                    return;
                }
                Some(',') => self.at += 1,
                Some('*') => {
                    self.found.push((self.at, [prefix, &["*".to_owned()]].concat()));
                    self.at += 1;
                }
                Some(_) => {
                    let before = self.at;
                    self.tree(prefix);
                    // What stands behind `as` is a name of its own.
                    while self.code.get(self.at).is_some_and(|c| !matches!(c, ',' | '}')) {
                        self.at += 1;
                    }
                    assert!(self.at > before);
                }
            }
        }
    }

    fn skip_space(&mut self) {
        while self.code.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn takes(&mut self, text: &str) -> bool {
        let before = self.at;
        self.skip_space();
        let matches = text.chars().enumerate().all(|(n, c)| self.code.get(self.at + n) == Some(&c));
        self.at = if matches { self.at + text.len() } else { before };
        matches
    }
}

/// The code with comments, strings and characters made blank, line for line.
fn without_texts(code: &[char]) -> Vec<char> {
    let mut out = code.to_vec();
    let mut at = 0;
    while at < code.len() {
        let end = text_end(code, at);
        for c in &mut out[at..end] {
            if *c != '\n' {
                *c = ' ';
            }
        }
        at = end.max(at + 1);
    }
    out
}

/// Where the comment, string or character ends that starts here; `at` itself if none does.
fn text_end(code: &[char], at: usize) -> usize {
    let rest = &code[at..];
    let after_name = at > 0 && is_name_char(code[at - 1]);
    match rest {
        ['/', '/', ..] => at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => at + block_comment_len(rest),
        ['"', ..] => at + quoted_len(rest, '"'),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => at + quoted_len(rest, '\''),
        ['r', '"' | '#', ..] if !after_name => at + raw_string_len(rest),
        ['b' | 'c', 'r', '"' | '#', ..] if !after_name => at + 1 + raw_string_len(&rest[1..]),
        _ => at,
    }
}

fn quoted_len(text: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of `r"…"` or `r#"…"#`; 0 for a raw name like `r#type`.
fn raw_string_len(text: &[char]) -> usize {
    let hashes = text[1..].iter().take_while(|c| **c == '#').count();
    if text.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let closes =
        |at: usize| text[at] == '"' && text[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (2 + hashes..text.len()).find(|&at| closes(at)).map_or(text.len(), |at| at + 1 + hashes)
}

fn block_comment_len(text: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        match &text[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
            }
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Makes items under `#[cfg(test)]` blank.
fn blank_tests(code: &mut [char]) {
    let mark: Vec<char> = "#[cfg(test)]".chars().collect();
    while let Some(start) = code.windows(mark.len()).position(|window| window == mark) {
        let mut depth = 0;
        let mut end = start + mark.len();
        while end < code.len() {
            end += 1;
            match code[end - 1] {
                '{' => depth += 1,
                '}' if depth == 1 => break,
                '}' => depth -= 1,
                ';' if depth == 0 => break,
                _ => {}
            }
        }
        code[start..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
    }
}

#[test]
fn the_reader_of_imports_sees_through_every_form() {
    let cases: &[(&str, &[&str])] = &[
        ("use crate::event;", &["event"]),
        ("use crate::{event, rule::{self, Rule as R, key::*}};", &["event", "rule", "rule::Rule", "rule::key::*"]),
        ("use crate::{\n    event::{Base,\n Event},\n};", &["event::Base", "event::Event"]),
        ("fn f(x: &crate::event::Event<'_>) -> Vec<crate::rule::Rule> { a }", &["event::Event", "rule::Rule"]),
        ("let x = super::super::sink::Gone;", &["sink::Gone"]),
        ("use super::Bounds; use super::summary::Summary;", &["pipeline::Bounds", "pipeline::summary::Summary"]),
        ("pub(in crate::event) fn f(self) {}", &["event"]),
        ("pub(crate) fn f() {}", &[]),
        ("trailwatch::command::main()", &["command::main"]),
        ("// crate::a\n/* crate::b /* crate::c */ crate::d */ crate::event::e", &["event::e"]),
        (
            "f(\"crate::a \\\" crate::b\", r#\"crate::c \" \"#, b\"crate::d\", '\"', crate::event::e, '\\'')",
            &["event::e"],
        ),
        ("fn f<'a>(x: &'a str) { crate::event::e }", &["event::e"]),
        ("#[cfg(test)]\nmod tests { fn a() { crate::sim::x } }\nuse crate::event;", &["event"]),
        ("#[cfg(test)]\nmod tests;\nuse crate::event;", &["event"]),
        ("let r#type = crate::event::e;", &["event::e"]),
    ];
    for (code, expected) in cases {
        let file = SourceFile::new("pipeline/sequencer.rs".to_owned(), code);
        let found: Vec<String> = file.imports().iter().map(|import| import.path.join("::")).collect();
        assert_eq!(found, *expected, "{code}");
    }
}

#[test]
fn what_is_forbidden_is_told_with_its_place() {
    let told = |name: &str, code: &str| -> Vec<String> {
        let file = SourceFile::new(name.to_owned(), code);
        let imports = file.imports().into_iter().filter_map(forbidden);
        let impure = if PURE.contains(&file.module()) { impurities(&file, &crates()) } else { Vec::new() };
        imports.chain(impure).collect()
    };
    let place = "src/source/file.rs:2: `source` may not import";
    for import in ["decode::Limits", "rule", "engine::RuleSet", "sink::Sink", "store::Store", "sim::Clock"] {
        let wrong = told("source/file.rs", &format!("\nuse crate::{import};"));
        assert!(wrong.len() == 1 && wrong[0].starts_with(&format!("{place} `{import}`")), "{wrong:?}");
    }
    assert_eq!(told("command/demo.rs", "use crate::sim::Endpoint;"), [""; 0]);
    assert_eq!(told("command/tail.rs", "use crate::sim::Endpoint;").len(), 1);
    assert_eq!(told("rule/key.rs", "use super::super::finding::Finding;").len(), 1);
    for code in [
        "use tokio::time;",
        "use std::time::{Duration, Instant};",
        "let now = jiff::Timestamp::now();",
        "std::fs::read(path)",
        "use std::{env, fmt};",
        "println!(\"{x}\");",
        "use aws_config::SdkConfig;",
        "std::net::TcpStream::connect(x)",
        "fastrand::u64(..)",
    ] {
        assert_eq!(told("event/time.rs", code).len(), 1, "{code}");
    }
    for code in ["use std::time::Duration;", "use std::net::IpAddr;", "let now = time;", "write!(out, \"x\")", "a != b"]
    {
        assert_eq!(told("event/time.rs", code), [""; 0], "{code}");
    }
}
