//! What a step did for a request, and how that goes on.

use std::ops::ControlFlow;

use zoomr_core::{
    segment::Kind,
    stats::{RunStats, StepStats},
};

use super::{EngineError, Event, Observer, Stop};
use crate::text::tokenizer::Tokenizer;

/// How a task ends.
pub(super) type End = Result<Stop, EngineError>;

/// Whether a task goes on.
pub(super) type Flow<T = ()> = ControlFlow<End, T>;

/// What a step did for a request.
pub(super) struct Took<'a> {
    /// How many of the tokens that it wanted in have gone in.
    pub(super) accepted: usize,
    /// What they belong to.
    pub(super) kind: Kind,
    /// The thought that they close wants a summary.
    pub(super) due: bool,
    /// The logits `[rows, vocab]` of the rows that were wanted.
    pub(super) logits: &'a [f32],
    pub(super) stats: &'a StepStats,
    pub(super) run: &'a RunStats,
    pub(super) texts: Texts<'a>,
}

/// The text that each token adds, as far as a tokenizer knows.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a>(pub(super) Option<&'a Tokenizer>);

impl<'a> Texts<'a> {
    /// The bytes of a token's text.
    pub(super) fn of(self, id: u32) -> &'a [u8] {
        self.0.map_or(&[], |tokenizer| tokenizer.bytes_of(id))
    }
}

/// Tells the observer, whose `Break` is an interruption.
pub(super) fn tell(observer: &mut Observer<'_>, event: Event<'_>) -> Flow {
    match observer(event) {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(()) => ControlFlow::Break(Ok(Stop::Interrupted)),
    }
}
