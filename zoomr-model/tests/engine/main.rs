//! The engine on tiny golden models: what it generates, how it scores, where it stops; and many requests at once.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod batch;
mod generate;
mod overflow;
mod schedules;
mod score;
mod summaries;
mod support;
mod together;
