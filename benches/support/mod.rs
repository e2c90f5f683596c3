//! What the benches share: events, rules and the way of one chunk through the matcher. All of it is made from seeds.

#![allow(dead_code, reason = "each bench takes its own part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a bench may assume, and tell")]

pub mod document;
pub mod events;
pub mod keywords;
pub mod pattern;
pub mod rules;
pub mod sigma;
pub mod work;

/// Whether the program is to measure: `cargo bench` says so, `cargo test` does not, and then one quick round shows
/// that everything works.
pub fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
