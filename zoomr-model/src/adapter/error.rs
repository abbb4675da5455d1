//! What can be wrong with an adapter.

use std::path::PathBuf;

use crate::{text::FileError, weights::WeightsError};

/// Why an adapter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The directory holds no adapter.
    #[error("no {} in {}; an adapter's directory has one, written by `zoomr train --keep-adapter` or by PEFT", super::peft::CONFIG, dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The path is a file.
    #[error("{} is a file; --adapter takes the directory of an adapter in PEFT's layout, with adapter_config.json and adapter_model.safetensors (one in GGUF was converted from such a directory)", path.display())]
    NotADirectory {
        /// What was given.
        path: PathBuf,
    },
    /// A file cannot be read, or is no JSON.
    #[error(transparent)]
    File(#[from] FileError),
    /// The adapter is of a kind that zoomr does not compute.
    #[error("{}: {problem}", path.display())]
    Unsupported {
        /// Its configuration.
        path: PathBuf,
        /// What is not supported, and what would be.
        problem: String,
    },
    /// The model has none of the matrices that the adapter stands beside.
    #[error("the adapter in {} is for matrices called {targets}, of which the model has none", dir.display())]
    NoTarget {
        /// The directory.
        dir: PathBuf,
        /// Their names.
        targets: String,
    },
    /// The adapter's weights are of a format that can run code.
    #[error("{} holds adapter_model.bin, a pickle, which zoomr does not read; save the adapter again with PEFT, which writes adapter_model.safetensors", dir.display())]
    Pickle {
        /// The directory.
        dir: PathBuf,
    },
    /// Embedding and output head would differ in size.
    #[error("{} brings {rows} tokens to one of embedding and output head only; both must grow", path.display())]
    Embeddings {
        /// The weights.
        path: PathBuf,
        /// How many tokens.
        rows: usize,
    },
    /// The weights are missing, damaged, or of another model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
