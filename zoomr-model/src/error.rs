//! What can go wrong between a model's directory and its logits.

use std::path::PathBuf;

use crate::{config::ConfigError, gguf::GgufError, weights::WeightsError};

/// An error of reading or running a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the model directory cannot be read.
    #[error("cannot read {}: {error}; is this a model directory?", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The configuration describes no model that the decoder runs.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ConfigError,
    },
    /// A GGUF file is damaged, or of a kind that zoomr does not run.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The weights do not fit the configuration, or their files are damaged.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A token id that the model does not have.
    #[error(
        "token {id} at row {row}: the model's vocabulary has {vocab_size} tokens; does the tokenizer belong to this model?"
    )]
    TokenId {
        /// The token.
        id: u32,
        /// Where it stands among the ids handed in.
        row: usize,
        /// Ids are below it.
        vocab_size: usize,
    },
    /// The hook's step has another number of rows than there are tokens, or there are none.
    #[error("{ids} tokens for a step of {rows} rows; both must be one number, and at least 1")]
    Rows {
        /// Tokens handed in.
        ids: usize,
        /// Rows that the hook has positions for.
        rows: usize,
    },
    /// The cache or its policy failed.
    #[error(transparent)]
    Attention(#[from] zoomr_core::Error),
}
