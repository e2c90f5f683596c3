//! Selections of Sigma rules that look for words anywhere, made from a seed: as many words, of such kinds, and so combined, as
//! the 133 of SigmaHQ's rules have that were counted for it.

use fastrand::Rng;

use super::sigma::lower;

/// What messages, commands, names of classes and of files are made of. Records of CloudTrail have many of them too.
const PARTS: &[&str] = &[
    "access",
    "account",
    "action",
    "address",
    "admin",
    "agent",
    "application",
    "archive",
    "attempt",
    "auth",
    "backup",
    "bash",
    "bind",
    "block",
    "buffer",
    "cache",
    "certificate",
    "channel",
    "class",
    "clear",
    "client",
    "code",
    "command",
    "config",
    "connect",
    "console",
    "content",
    "control",
    "cookie",
    "copy",
    "core",
    "create",
    "data",
    "debug",
    "default",
    "delete",
    "denied",
    "device",
    "disable",
    "domain",
    "drop",
    "dump",
    "error",
    "event",
    "exception",
    "exec",
    "export",
    "failed",
    "failure",
    "file",
    "filter",
    "force",
    "format",
    "generate",
    "group",
    "handler",
    "hash",
    "header",
    "history",
    "host",
    "http",
    "identity",
    "image",
    "import",
    "input",
    "install",
    "instance",
    "interface",
    "internal",
    "invalid",
    "kernel",
    "key",
    "library",
    "link",
    "list",
    "load",
    "local",
    "log",
    "login",
    "mailbox",
    "memory",
    "message",
    "method",
    "mode",
    "module",
    "monitor",
    "mount",
    "network",
    "object",
    "open",
    "operation",
    "option",
    "output",
    "packet",
    "parameter",
    "parse",
    "password",
    "path",
    "payload",
    "permission",
    "plugin",
    "policy",
    "port",
    "print",
    "process",
    "profile",
    "program",
    "prompt",
    "protocol",
    "proxy",
    "public",
    "query",
    "read",
    "record",
    "registry",
    "remote",
    "remove",
    "request",
    "resource",
    "response",
    "restart",
    "role",
    "root",
    "route",
    "script",
    "search",
    "secret",
    "security",
    "select",
    "server",
    "service",
    "session",
    "shell",
    "show",
    "signature",
    "socket",
    "source",
    "spool",
    "start",
    "state",
    "status",
    "stop",
    "storage",
    "string",
    "syntax",
    "system",
    "table",
    "target",
    "task",
    "template",
    "temp",
    "terminal",
    "thread",
    "token",
    "transfer",
    "trust",
    "update",
    "upload",
    "user",
    "value",
    "version",
    "virtual",
    "volume",
    "web",
    "window",
    "write",
];

/// How many words lists have: a sample in proportion.
const COUNTS: [usize; 24] = [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7, 8, 9, 10, 11, 16, 36];

/// The same of all lists that have words which leave something open, as `wget * | sh` does.
const OPEN_COUNTS: [usize; 11] = [15, 2, 39, 5, 1, 30, 5, 2, 17, 3, 32];

/// Commands that are words of many events besides.
const COMMANDS: [&str; 8] = ["username", "delete", "dir", "copy", "format", "more", "erase", "aaa"];

/// The selections of the rule of a number, and its condition. They are dealt, not drawn: a long list more or less would change
/// what all rules cost.
pub fn selections(number: usize, rng: &mut Rng) -> (String, &'static str) {
    match number * 50 % 133 {
        0..17 => {
            let words: Vec<String> = (0..rng.usize(2..=3)).map(|_| format!("      - {}\n", phrase(rng))).collect();
            (format!("  selection:\n    '|all':\n{}", words.concat()), "selection")
        }
        17..27 => (format!("  selection:\n{}  others:\n{}", list(rng), list(rng)), "selection and others"),
        27..68 => (format!("  method:\n    cs-method: GET\n  selection:\n{}", list(rng)), "method and selection"),
        kind @ 68..79 => (format!("  selection:\n{}", open_list(OPEN_COUNTS[kind - 68], rng)), "selection"),
        _ => (format!("  selection:\n{}", list(rng)), "selection"),
    }
}

fn list(rng: &mut Rng) -> String {
    lines(COUNTS[rng.usize(..COUNTS.len())], || match rng.u8(..64) {
        0 => format!("'{}'", COMMANDS[rng.usize(..COMMANDS.len())]),
        _ => phrase(rng),
    })
}

/// A list with words that leave something open: a quarter of them within, a fifth at the end or at both.
fn open_list(count: usize, rng: &mut Rng) -> String {
    lines(count, || match rng.u8(..100) {
        0..26 => format!("'{} {}*{} {}'", part(rng), lower(rng), lower(rng), part(rng)),
        26..33 => format!("'{} {}*'", part(rng), lower(rng)),
        33..46 => format!("'*{} {}*'", part(rng), lower(rng)),
        _ => phrase(rng),
    })
}

fn lines(count: usize, mut item: impl FnMut() -> String) -> String {
    (0..count).map(|_| format!("    - {}\n", item())).collect()
}

fn part(rng: &mut Rng) -> &'static str {
    PARTS[rng.usize(..PARTS.len())]
}

/// A few parts with a sign between them.
fn joined(rng: &mut Rng, most: usize, sign: &str) -> String {
    let parts = (0..rng.usize(2..=most)).map(|_| if rng.u8(..3) == 0 { lower(rng) } else { part(rng).to_owned() });
    parts.collect::<Vec<_>>().join(sign)
}

/// With a capital.
fn name(rng: &mut Rng) -> String {
    let part = part(rng);
    part[..1].to_uppercase() + &part[1..]
}

/// What a rule looks for, in quotes.
fn phrase(rng: &mut Rng) -> String {
    let text = match rng.u8(..10) {
        0..3 => joined(rng, 4, " "),
        3..5 => format!("/{}.{}", joined(rng, 4, "/"), lower(rng)),
        5 => format!("{}{}Exception", name(rng), name(rng)),
        6 => format!("{}.{}", joined(rng, 3, "."), name(rng)),
        7 => format!("{} -{} /{}", lower(rng), rng.lowercase(), joined(rng, 3, "/")),
        8 => format!("{}%2{}{}", part(rng), rng.digit(16).to_ascii_uppercase(), lower(rng)),
        _ => match rng.u8(..4) {
            0 => format!("\"{}\":\"{}", part(rng), lower(rng)),
            1 => format!("={}(", lower(rng)),
            2 => format!("${{{}:{}", part(rng), lower(rng)),
            _ => format!("{}::{}", lower(rng), part(rng)),
        },
    };
    format!("'{text}'")
}
