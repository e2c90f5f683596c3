//! The one integration binary.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test may assume, and tell")]

#[cfg(feature = "aws")]
mod cli;
mod corpus;
mod diagnostics;
mod engine;
mod findings;
mod fixtures;
mod imports;
#[cfg(feature = "aws")]
mod moto;
mod pipeline;
mod rules;
