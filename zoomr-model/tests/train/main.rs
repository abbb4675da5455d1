//! Training: the masks of decoding, learning, and what does not change the result.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod law;
mod learning;
mod masks;
mod run;
mod support;
mod update;
