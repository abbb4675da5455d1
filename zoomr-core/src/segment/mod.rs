//! From a stream of tokens to segments: prompt, thoughts, summaries, answer.
//!
//! * [`Segmenter`]: says at which tokens a thought or a summary begins or ends. Three of them:
//!   [`Markers`], [`Paragraphs`], [`Budget`].
//! * [`Stream`]: the segments and thoughts seen so far; plain positions.
//! * [`Grammar`]: puts the two together, one token at a time, and keeps the log that truncation replays.

mod budget;
mod grammar;
mod length;
mod markers;
mod paragraphs;
mod stream;

pub use budget::Budget;
pub use grammar::{Due, Grammar, Role};
pub use markers::{Marker, MarkerPair, Markers};
pub use paragraphs::Paragraphs;
pub use stream::{Mark, Segment, Stream, Thought};

use crate::token::Token;

/// What a run of consecutive tokens is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What the user gave; pinned.
    Prompt,
    /// One reasoning step.
    Thought,
    /// The short text after a thought that stands for it.
    Summary,
    /// Ordinary text: the answer, and whatever lies outside of thoughts and summaries; pinned.
    Answer,
}

/// What a token does to the segment that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A segment begins: with this very token if nothing came before in it, else with the next.
    Begin(Kind),
    /// The open segment of this kind ends with this token.
    End(Kind),
}

/// Recognises the bounds of thoughts and summaries, one token at a time.
///
/// A segmenter only proposes: the [`Grammar`] ignores events that do not fit (an end without a begin, a
/// summary without a thought), so no stream of tokens can corrupt state. It sees every streamed token except
/// those of a summary that the engine itself opened.
pub trait Segmenter: Send + Sync + std::fmt::Debug {
    /// The events that `token` completes, in order; mostly none.
    fn observe(&mut self, token: Token<'_>) -> Vec<Event>;

    /// What text belongs to while no segment is open.
    fn default_kind(&self) -> Kind;

    /// Back to the state before the first token.
    fn reset(&mut self);

    /// Another one of its kind, in the state before the first token.
    fn fresh(&self) -> Box<dyn Segmenter>;
}
