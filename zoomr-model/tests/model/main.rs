//! The decoder as its users meet it: against Hugging Face's numbers, and against damaged files.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod adapters;
mod bad_weights;
mod checkpoint;
mod config;
mod dtypes;
mod golden;
mod gradients;
mod heads;
mod inputs;
mod pretrained;
mod real_model;
#[path = "../support/mod.rs"]
mod shared;
mod support;
#[path = "../support/gguf.rs"]
mod write;
