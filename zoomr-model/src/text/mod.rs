//! The text side of a model: everything between a person's characters and the decoder's token ids.
//!
//! | module | what is in it |
//! |---|---|
//! | [`tokenizer`] | text to ids, ids to bytes; which ids begin and end a text |
//! | [`grow`] | a tokenizer with more special tokens |
//! | [`chat`] | the model's own chat template, rendered |
//! | [`sample`] | logits to the next id: temperature, top-k, top-p, min-p, repetition penalty |
//! | [`defaults`] | the sampling that a model's makers recommend |
//! | [`stream`] | bytes of tokens to text that never splits a character |
//! | [`stop`] | stop strings and stop tokens |
//!
//! Nothing here knows tensors, the cache or the method; the generation loop joins the two sides.

pub mod chat;
pub mod defaults;
pub mod grow;
mod jinja;
mod pieces;
pub mod sample;
mod sidecar;
pub mod stop;
pub mod stream;
mod strftime;
pub mod tokenizer;

pub use sidecar::FileError;
pub(crate) use sidecar::read_optional;
