//! Objects in buckets.

pub(in crate::source) mod object;
