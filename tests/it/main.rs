//! The one integration binary.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test may assume, and tell")]

mod allocations;
#[cfg(feature = "webhook")]
mod bodies;
mod bounds;
#[cfg(all(feature = "aws", feature = "webhook", unix))]
mod chain;
#[cfg(feature = "aws")]
mod cli;
#[cfg(feature = "aws")]
mod clocks;
mod cloudformation;
#[cfg(feature = "aws")]
mod cloudwatch_logs;
// Its files name every kind of sink there is.
#[cfg(all(feature = "aws", feature = "webhook"))]
mod config;
mod corpus;
#[cfg(all(feature = "aws", feature = "webhook"))]
mod credentials;
mod diagnostics;
#[cfg(feature = "aws")]
mod doctor;
mod engine;
mod event_pattern;
#[cfg(all(feature = "aws", feature = "webhook"))]
mod eventbridge;
mod export;
mod files;
mod findings;
mod fixtures;
mod foreign;
#[cfg(feature = "aws")]
mod history;
#[cfg(all(feature = "aws", feature = "webhook", unix))]
mod iam_policy;
mod import;
mod imports;
mod language;
#[cfg(feature = "aws")]
mod likeness;
mod lints;
#[cfg(all(feature = "aws", feature = "listen", feature = "webhook", unix))]
mod listen;
#[cfg(all(feature = "aws", feature = "webhook", unix))]
mod monitoring;
#[cfg(feature = "aws")]
mod moto;
mod notices;
mod pipeline;
mod policy;
#[cfg(feature = "aws")]
mod positions;
#[cfg(feature = "aws")]
mod pushdown;
#[cfg(feature = "aws")]
mod readme;
#[cfg(feature = "webhook")]
mod receiver;
#[cfg(feature = "aws")]
mod roles;
mod rules;
#[cfg(all(feature = "aws", feature = "webhook", unix))]
mod run;
#[cfg(feature = "aws")]
mod s3;
mod schema;
mod shared;
mod sigma;
mod simulation;
#[cfg(feature = "aws")]
mod sqs;
mod state;
mod storms;
#[cfg(feature = "aws")]
mod tally;
mod templates;
#[cfg(feature = "aws")]
mod trail_tree;
mod trial;
#[cfg(feature = "aws")]
mod verify;
#[cfg(feature = "aws")]
mod watch;
#[cfg(feature = "webhook")]
mod webhook;
