//! What a caller is told while requests run, and how it stops them.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use zoomr_core::{
    segment::{Kind, Role},
    session::SequenceId,
    stats::{RunStats, StepStats},
};

/// Something that happened to a request. Its events come in the order of its tokens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step of the model is over.
    Step {
        /// Whether it computed prompt or stream.
        role: Role,
        /// What the step did, for all requests that took part in it.
        stats: &'a StepStats,
        /// What all steps of the session add up to, this one included.
        run: &'a RunStats,
    },
    /// Some of the prompt has been computed.
    Prompt {
        /// Tokens so far.
        done: usize,
        /// Tokens in all.
        total: usize,
    },
    /// A token has been added to the stream.
    Token {
        /// Its id.
        id: u32,
        /// What it belongs to.
        kind: Kind,
    },
    /// Text to show: whole characters, in order, without stop strings.
    Text {
        /// What it belongs to.
        kind: Kind,
        /// The text; not empty.
        text: &'a str,
    },
    /// Tokens of a given text have been scored.
    Scored {
        /// For each token, its natural log-probability given those before; `None` for the text's first.
        logprobs: &'a [Option<f64>],
        /// The logits after each of these tokens, `[logprobs.len(), vocab]`, row-major.
        logits: &'a [f32],
    },
}

/// Who is told; `Break` makes the engine stop after the step under way.
pub type Observer<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'a;

/// Who is told of the requests of a batch, and of which one; `Break` makes that one stop after the step under way.
pub type BatchObserver<'a> = dyn FnMut(SequenceId, Event<'_>) -> ControlFlow<()> + 'a;

/// Why a request stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The model ended its text, or another stop token came.
    EndOfText,
    /// A stop string came.
    StopString,
    /// As many tokens as were asked for.
    MaxTokens,
    /// The model's context is full.
    Context,
    /// The next token found no room under the cap on KV memory.
    Cap,
    /// The given text is over.
    TextOver,
    /// The observer said so.
    Interrupted,
}
