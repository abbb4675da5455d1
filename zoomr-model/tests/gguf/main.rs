//! Models in GGUF: read as llama.cpp's converter meant them, written as llama.cpp reads them, refused where they lie.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod hostile;
mod made_elsewhere;
#[path = "../support/mod.rs"]
mod shared;
mod support;
mod tokenizers;
#[path = "../support/gguf.rs"]
mod write;
mod written;
