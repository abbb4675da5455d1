//! Evaluation: what is counted, what it does not depend on, and how a run that was cut off goes on.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod counting;
mod mass;
mod recorded;
mod recording;
mod replaying;
mod running;
mod support;
