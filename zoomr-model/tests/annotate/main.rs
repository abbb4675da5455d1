//! Annotating traces: how they are split, and how a teacher is asked that misbehaves.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod asking;
mod paying;
mod server;
mod splitting;
mod support;
