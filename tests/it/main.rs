//! The one integration binary.
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
