//! The engine on tiny golden models: what it generates, how it scores, where it stops.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod generate;
mod score;
mod summaries;
mod support;
