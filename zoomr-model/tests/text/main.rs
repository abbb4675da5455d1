//! The text side of a model as its users meet it: tokenizers and chat templates, good and damaged, and the
//! laws of sampling.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod chat;
mod hostile;
mod real_tokenizer;
mod sampling;
mod sidecars;
#[path = "../support/mod.rs"]
mod support;
mod tokenizer;
