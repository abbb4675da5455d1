//! What can go wrong with an evaluation.

use std::path::PathBuf;

use super::ProblemError;
use crate::{
    data::DataError,
    engine::EngineError,
    setting::{Setting, repeated},
};

/// An error of evaluating a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A run failed.
    #[error("problem {problem} under `{setting}`: {source}")]
    Run {
        /// The problem's number, counted from 0.
        problem: usize,
        /// The setting's name.
        setting: String,
        /// Why.
        source: Box<EngineError>,
    },
    /// A problem cannot be posed to the model.
    #[error("problem {problem}: {source}")]
    Text {
        /// The problem's number, counted from 0.
        problem: usize,
        /// Why.
        source: Box<ProblemError>,
    },
    /// A problem that does not fit the model.
    #[error(
        "problem {problem} has a prompt of {tokens} tokens, over the model's context of {context}; leave it out, \
         show fewer worked examples, or use a model with a longer context"
    )]
    TooLong {
        /// The problem's number, counted from 0.
        problem: usize,
        /// Tokens of its question, and of what goes around it.
        tokens: usize,
        /// The model's context in tokens.
        context: usize,
    },
    /// Nothing to do.
    #[error("there is nothing to evaluate: give at least one {what}")]
    Nothing {
        /// `problem` or `setting`.
        what: &'static str,
    },
    /// Two settings of the same name.
    #[error("the setting `{name}` is given twice; leave one out")]
    Twice {
        /// The name.
        name: String,
    },
    /// Several texts that could not differ.
    #[error(
        "{samples} texts for each problem would all be the same, as always the likeliest token is taken; give a \
         temperature above 0, as 0.7 (and no top-k of 1), or ask for one text"
    )]
    Same {
        /// How many texts.
        samples: usize,
    },
    /// A finished text does not say which summaries the engine opened.
    #[error("missed attention mass cannot be had where the engine opens the summaries; leave it out")]
    Mass,
    /// A setting could not be applied to a recording.
    #[error("replaying under `{setting}`: {source}")]
    Replay {
        /// The setting's name.
        setting: String,
        /// Why.
        source: Box<EngineError>,
    },
    /// A recording does not say which summaries the engine opened.
    #[error(
        "a recording cannot be replayed where the engine opens the summaries; take another trigger, as `pooled`"
    )]
    Opened,
    /// A directory holds something else.
    #[error("{dir} holds an evaluation with {what}; give another directory, or remove what is in it")]
    Other {
        /// The directory.
        dir: PathBuf,
        /// What is different.
        what: &'static str,
    },
    /// A line in the middle of the outcomes that no run has written.
    #[error("{path}, line {line} is no outcome; remove the line to have that problem solved again")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
    },
    /// Two evaluations at a time.
    #[error("{path} is in use by another run; wait for it, or give another directory")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// Makes sure that there are settings, and no two of the same name.
///
/// # Errors
/// [`EvalError::Nothing`], [`EvalError::Twice`].
pub(super) fn distinct(settings: &[Setting]) -> Result<(), EvalError> {
    if settings.is_empty() {
        return Err(EvalError::Nothing { what: "setting" });
    }
    match repeated(settings) {
        Some(name) => Err(EvalError::Twice { name: name.to_owned() }),
        None => Ok(()),
    }
}
