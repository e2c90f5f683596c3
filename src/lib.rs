//! Trailwatch follows AWS CloudTrail in near real time, matches every event against rules, and hands on the findings.
//!
//! # The way of an event
//!
//! ```text
//! Source ─Delivery─▶ decode ─RawEvent─▶ RuleSet ─matches─▶ sequencer ─Finding─▶ Sink
//!    ▲                  └─Reject───────────────────────────────┤
//!    └───────────────── commit(receipts) ◀── one transaction ──┘
//! ```
//!
//! A [`source`] hands over [`delivery::Delivery`]s: bytes, their origin, a receipt. [`decode`] turns them into
//! [`event::RawEvent`]s, and what does not decode into rejects. The [`engine`]'s `RuleSet` reads the few fields that
//! its [`rule`]s name and says which rules an event matches; each rule is a [`condition`]. A match becomes a
//! [`finding::Finding`]. The [`pipeline`] removes repeats, commits to the [`store`], and only then tells the source
//! and the [`sink`]s.
//!
//! The modules stand here in the order in which a newcomer may read them. Those up to [`finding`] are pure: they know
//! no clock, network, environment or printing.

pub mod condition;
pub mod decode;
pub mod delivery;
pub mod engine;
pub mod event;
pub mod finding;
pub mod rule;
pub mod untrusted;

pub mod command;
pub mod config;
pub mod pipeline;
pub mod sim;
pub mod sink;
pub mod source;
pub mod store;
#[cfg(feature = "aws")]
pub mod verify;
