//! Data as training and evaluation meet it: files of examples, synthetic problems and their tokenizer.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod exercises;
mod files;
mod solving;
mod synth;
mod traces;
mod vocabulary;
