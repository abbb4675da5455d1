//! What can go wrong in training.

use std::path::PathBuf;

use crate::{
    atomic_file::AtomicFileError,
    data::{DataError, render::Segment, synth::SynthError},
    reasoning_format::ReasoningFormatError,
    text::{chat::ChatError, tokenizer::TokenizerError},
    weights::WeightsError,
};

/// An error of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting of the recipe makes no sense.
    #[error("setting `{setting}`: {reason}")]
    Recipe {
        /// Its name on the command line.
        setting: &'static str,
        /// What is wrong with it, and what to give.
        reason: String,
    },
    /// A text has nothing to go on from, or nothing to learn.
    #[error(
        "a text with {prompt} tokens of question and {written} of what the model writes; both must have at least 1"
    )]
    TooShort {
        /// Tokens given to the model.
        prompt: usize,
        /// Tokens that it is to write.
        written: usize,
    },
    /// A text does not fit the model.
    #[error("a text has {tokens} tokens, over the model's context of {longest}; leave it out, or split it")]
    TooLong {
        /// Its tokens.
        tokens: usize,
        /// The model's context, in tokens.
        longest: usize,
    },
    /// An example in a file cannot be learnt from.
    #[error("{}, line {line}: {source}", path.display())]
    Example {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: Box<TrainError>,
    },
    /// A text has a marker of its own, which a decoder would take for the end or the beginning of a part.
    #[error("{segment} has the marker `{marker}` in its text; leave the example out, or spell it otherwise")]
    StrayMarker {
        /// The marker.
        marker: String,
        /// Where it is.
        segment: Segment,
    },
    /// A problem cannot be made.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// A marker is of no use.
    #[error(transparent)]
    Markers(#[from] ReasoningFormatError),
    /// A text cannot be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A question cannot be put as a user's turn.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A step was given nothing to learn from.
    #[error("a step without texts; is the data empty?")]
    NoSequences,
    /// Loss or gradients are infinite or no number.
    #[error(
        "step {step}: the loss is {loss} and the gradients are not finite; nothing was changed. Lower the \
         learning rate, or warm up for longer"
    )]
    Diverged {
        /// The step, from 1.
        step: usize,
        /// Its loss.
        loss: f64,
    },
    /// The model or its attention failed.
    #[error(transparent)]
    Model(#[from] crate::Error),
    /// A tensor is missing.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] DataError),
    /// A run has left its files already.
    #[error("{} holds a run already; go on with it (--resume), or give another directory", dir.display())]
    Started {
        /// The directory.
        dir: PathBuf,
    },
    /// A log does not reach as far as the checkpoint beside it.
    #[error(
        "{} has the first {logged} of the {steps} steps before the checkpoint beside it; bring back the rest, or give \
         another directory to start over",
        path.display()
    )]
    Log {
        /// The log.
        path: PathBuf,
        /// Steps that it has, from the first on.
        logged: usize,
        /// Steps up to the checkpoint.
        steps: usize,
    },
    /// A checkpoint was written by a run that learnt something else.
    #[error(
        "{} is of a run {other}; give what that run was started with, or another directory for a new one",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is different there.
        other: &'static str,
    },
    /// Another process is at work on a run.
    #[error("{} is in use: another process trains there; wait for it, or give another directory", dir.display())]
    Busy {
        /// The run's directory.
        dir: PathBuf,
    },
    /// A checkpoint is of no use.
    #[error("{}: {problem}; give another directory to start over", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The tensors cannot be put into one file.
    #[error("the tensors cannot be written: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
}

impl From<AtomicFileError> for TrainError {
    fn from(error: AtomicFileError) -> Self {
        Self::File(error.into())
    }
}

impl From<zoomr_core::Error> for TrainError {
    fn from(error: zoomr_core::Error) -> Self {
        Self::Model(error.into())
    }
}
