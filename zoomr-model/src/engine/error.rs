//! What can go wrong while an engine runs.

use super::overflow::Overflow;
use crate::text::sample::SamplingError;

/// An error of generating or scoring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The model, its cache or the policy failed.
    #[error(transparent)]
    Model(#[from] crate::Error),
    /// No next token could be chosen.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The model's numbers have left the range of what they are computed in.
    #[error(
        "the model's logits {overflow}: its numbers have left the range of f32{}; its weights or its configuration are \
         damaged, or it needs more range than there is: compare the files with their source, or use another checkpoint",
        first(.layer)
    )]
    Overflow {
        /// What is wrong with the logits.
        overflow: Overflow,
        /// The layer, counted from 0, that reads the first such numbers; where it can be told.
        layer: Option<usize>,
    },
    /// There is nothing to go on from.
    #[error("the prompt is empty; give at least one token of text")]
    EmptyPrompt,
    /// A text has not enough tokens to be scored.
    #[error("the text has {tokens} token(s); scoring needs at least 2, as the first has nothing before it")]
    NothingToScore {
        /// Tokens at hand.
        tokens: usize,
    },
    /// The text does not fit the model.
    #[error(
        "the {what} has {tokens} tokens, over the model's context of {context} (max_position_embeddings); \
         shorten it, or use a model with a longer context"
    )]
    TooLong {
        /// `prompt` or `text`.
        what: &'static str,
        /// Its tokens, those that were there before it included.
        tokens: usize,
        /// The model's context in tokens.
        context: usize,
    },
    /// The summaries written in between have used up the context before the text was over.
    #[error(
        "the model's context of {context} tokens is full after {scored} of the text's {tokens}: the rest went to \
         summaries; shorten the text, or write fewer and shorter summaries"
    )]
    ContextFull {
        /// Tokens of the text that went in.
        scored: usize,
        /// The text's tokens.
        tokens: usize,
        /// The model's context in tokens.
        context: usize,
    },
    /// A request does one thing after another.
    #[error("the request has not come to its end; begin again when it has, or remove it")]
    Busy,
    /// A recording begins with the first token.
    #[error("{tokens} tokens have gone in unrecorded; ask for a recording before the first")]
    RecordedLate {
        /// Tokens that have gone in.
        tokens: usize,
    },
}

impl From<zoomr_core::Error> for EngineError {
    fn from(error: zoomr_core::Error) -> Self {
        Self::Model(error.into())
    }
}

/// Where numbers are first seen to be lost.
fn first(layer: &Option<usize>) -> String {
    match layer {
        Some(layer) => format!(", as layer {layer} is the first to see"),
        None => ", in some layer".to_owned(),
    }
}
