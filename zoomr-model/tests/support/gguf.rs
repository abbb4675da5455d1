//! Checkpoints as GGUF files.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use zoomr_model::{
    atomic_file::{AtomicFile, Existing},
    gguf::write::{Model, WriteError},
    pretrained::{Pretrained, architecture},
    weights::{Precision, Weights},
};

/// The checkpoint in `dir` as a file in a directory of its own.
pub(crate) fn written(dir: &Path, precision: &str) -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    try_write(dir, precision, &path).unwrap();
    (place, path)
}

pub(crate) fn try_write(dir: &Path, precision: &str, path: &Path) -> Result<(), WriteError> {
    let precision: Precision = precision.parse().unwrap();
    let pretrained = Pretrained::open(dir, None).unwrap();
    let config = architecture(dir).unwrap();
    let weights = Weights::open(dir, &config.tensors()).unwrap();
    let model = Model { dir, config: &config, weights: &weights, tokenizer: pretrained.tokenizer() };
    let file = AtomicFile::create(path, Existing::Refuse).unwrap();
    let (mut told, threads) = (Vec::new(), NonZeroUsize::new(2).unwrap());
    let outcome = model.write(file, precision, threads, &mut |done, all| told.push((done, all)));
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{told:?}");
    outcome
}
