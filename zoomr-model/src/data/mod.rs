//! Data to train and to evaluate on: reasoning in thoughts and summaries, with an answer.
//!
//! | module | what is in it |
//! |---|---|
//! | [`example`] | the one format: a question, thoughts with their summaries, an answer |
//! | [`exercise`] | problems whose answers are known, in the forms in which people have them |
//! | [`lines`] | files of them, a line each: read as they come, written whole or not at all |
//! | [`render`] | an example as the text that a model reads and writes |
//! | [`annotate`] | reasoning that others wrote, split into thoughts, with a summary for each |
//! | [`synth`] | problems made here, of any length, whose answers can be checked |
//!
//! Nothing here knows tensors; only [`synth::vocabulary`] knows tokens.

pub mod annotate;
mod error;
pub mod example;
pub mod exercise;
pub mod lines;
pub(crate) mod log;
pub mod render;
pub mod synth;

pub use self::error::DataError;
