//! A small sound checkpoint for tests to change, and directories to write it to.

use std::{collections::BTreeMap, path::Path};

use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;
use zoomr_model::config::ModelConfig;

use crate::support::golden;

/// The embedding, and the output head where it is a matrix of its own.
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(crate) const HEAD: &str = "lm_head.weight";

/// A checkpoint under construction: tensors with dtype, shape and bytes.
pub(crate) type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// A small sound checkpoint with tied embeddings, 307 tokens by 72 wide.
pub(crate) fn sound() -> (ModelConfig, Tensors) {
    let dir = golden("llama_tied_theta");
    let bytes = std::fs::read(dir.join("model.safetensors")).expect("a fixture of this repository");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a sound fixture");
    let tensor = |(name, view): (String, TensorView<'_>)| {
        (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    let tensors = file.tensors().into_iter().map(tensor).collect();
    (ModelConfig::from_dir(&dir).expect("a supported architecture"), tensors)
}

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub(crate) fn write<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a String, &'a (Dtype, Vec<usize>, Vec<u8>))>,
) {
    let view = |(name, (dtype, shape, bytes)): (&'a String, &'a (Dtype, Vec<usize>, Vec<u8>))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("bytes that fit the shape"))
    };
    let views: Vec<_> = tensors.into_iter().map(view).collect();
    safetensors::serialize_to_file(views, None, path).expect("a writable directory");
}

/// Every other tensor in `part-0`, the rest in `part-1`, and their index.
pub(crate) fn write_shards(dir: &Path, tensors: &Tensors) {
    let mut places = BTreeMap::new();
    for part in 0..2 {
        let file = format!("part-{part}.safetensors");
        let own: Vec<_> = tensors.iter().skip(part).step_by(2).collect();
        places.extend(own.iter().map(|(name, _)| (name.as_str(), file.clone())));
        write(&dir.join(&file), own);
    }
    let index = serde_json::json!({ "weight_map": places });
    std::fs::write(dir.join("model.safetensors.index.json"), index.to_string())
        .expect("a writable directory");
}

/// A directory with these tensors, and the configuration of the sound checkpoint.
pub(crate) fn model(tensors: &Tensors) -> TempDir {
    let dir = directory();
    write(&dir.path().join("model.safetensors"), tensors);
    let config = golden("llama_tied_theta").join("config.json");
    std::fs::copy(config, dir.path().join("config.json")).expect("a writable directory");
    dir
}
