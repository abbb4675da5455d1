//! Evaluation: what is counted, what it does not depend on, and how a run that was cut off goes on.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

#[path = "../support/bytes.rs"]
mod bytes;
mod counting;
mod mass;
mod needle;
mod recorded;
mod recording;
mod replaying;
mod running;
mod support;
