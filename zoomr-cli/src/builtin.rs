//! The model inside of the binary: small, trained by `cargo xtask train-default` on problems of our own, which it
//! solves in thoughts and summaries.

use std::fs;

use anyhow::{Context, Result};
use zoomr_model::atomic_file::Scratch;

/// What messages call it.
pub(crate) const NAME: &str = "the built-in model";

/// Its directory, file by file.
const FILES: [(&str, &[u8]); 6] = [
    ("config.json", include_bytes!("../default-model/config.json")),
    ("generation_config.json", include_bytes!("../default-model/generation_config.json")),
    ("model.safetensors", include_bytes!("../default-model/model.safetensors")),
    ("tokenizer.json", include_bytes!("../default-model/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../default-model/tokenizer_config.json")),
    ("zoomr.json", include_bytes!("../default-model/zoomr.json")),
];

/// Writes the model to a temporary directory, so that it is a model like any other; it goes when the value does.
///
/// # Errors
/// Where there is no place for temporary files.
pub(crate) fn unpack() -> Result<Scratch> {
    let dir = Scratch::new().context("cannot make a temporary directory")?;
    for (name, bytes) in FILES {
        let path = dir.path().join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot unpack {NAME} to {}", path.display()))?;
    }
    Ok(dir)
}
