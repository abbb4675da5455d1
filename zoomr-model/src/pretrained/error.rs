//! What can be wrong with a model's directory, and with what is asked of the method.

use crate::{
    adapter::AdapterError,
    reasoning_format::ReasoningFormatError,
    text::{FileError, chat::ChatError, tokenizer::TokenizerError},
};

/// An error of opening a model's directory, or of making tokens of a text for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainedError {
    /// The configuration is of no use.
    #[error(transparent)]
    Model(#[from] crate::Error),
    /// The adapter is of no use.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The tokenizer is of no use, or there is none and one is needed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Another file is of no use.
    #[error(transparent)]
    File(#[from] FileError),
    /// The chat template is of no use, or there is none and one is needed.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The model is of a format that zoomr does not read.
    #[error(transparent)]
    Foreign(#[from] super::foreign::Foreign),
    /// A text has a token that the tokenizer knows and the model does not.
    #[error(
        "the text has the token `{token}` with id {id}, and the model's ids end at {}; leave it out, or, if texts have \
         many of them, get the tokenizer that belongs to these weights",
        vocab_size.saturating_sub(1)
    )]
    UnknownToken {
        /// The token, spelled out.
        token: String,
        /// Its id.
        id: u32,
        /// Rows of the model's embedding.
        vocab_size: usize,
    },
    /// A text without tokens.
    #[error("the text is empty; give at least one word")]
    EmptyText,
}

/// An error of settling how a model decodes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MethodError {
    /// A setting is out of its range, or two contradict each other.
    #[error(transparent)]
    Core(#[from] zoomr_core::Error),
    /// What frames a summary cannot be tokenized.
    #[error("setting `{setting}`: {source}")]
    Frame {
        /// `summary-open` or `summary-close`.
        setting: &'static str,
        /// What the tokenizer says.
        source: TokenizerError,
    },
    /// What frames a summary is given as text, and nothing makes tokens of it.
    #[error("setting `{setting}`: the model has no tokenizer to make tokens of it; leave it out")]
    NoTokenizer {
        /// `summary-open` or `summary-close`.
        setting: &'static str,
    },
    /// The model's own markers are of no use.
    #[error("the model's zoomr.json: {0}")]
    Taught(#[from] ReasoningFormatError),
}
