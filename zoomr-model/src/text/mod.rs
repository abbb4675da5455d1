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
//! | `special`, `templates`, `sidecar` | the small files beside a tokenizer |
//! | `checked`, `charsmap` | a `tokenizer.json` before it is believed |
//! | `jinja` | the language of chat templates |
//!
//! Nothing here knows tensors, the cache or the method; the generation loop joins the two sides.

mod charsmap;
pub mod chat;
mod checked;
pub mod defaults;
pub mod grow;
mod jinja;
mod pieces;
pub mod sample;
mod sidecar;
mod special;
pub mod stop;
pub mod stream;
mod templates;
pub mod tokenizer;

pub use sidecar::FileError;
pub(crate) use sidecar::read_optional;
pub(crate) use templates::template_sources;
