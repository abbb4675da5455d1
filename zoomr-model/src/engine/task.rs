//! What a request can be asked for, and the part of it that depends on which.

use std::ops::ControlFlow;

use super::{
    Limits, Observer,
    generate::Sampled,
    score::Given,
    took::{Flow, Took},
};
use crate::text::sample::Sampler;

/// Something to do for a request.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them at a time, on its way to a request")]
pub enum Task {
    /// Continue a prompt. Every new token goes through the model, the last one too: the cache then holds all of the
    /// text.
    Generate {
        /// The prompt; at least one token.
        prompt: Vec<u32>,
        /// Chooses the new tokens.
        sampler: Sampler,
        /// What ends the text.
        limits: Limits,
    },
    /// Find out how likely the model finds a text.
    Score {
        /// The text; at least two tokens.
        text: Vec<u32>,
        /// So many of its tokens (at least 1 where none are there before it) are its prompt, pinned; the rest stands for
        /// what the model wrote, and goes through segmenter, trigger and policy.
        prompt: usize,
    },
}

/// Where the tokens after the prompt come from, and what becomes of them.
#[derive(Clone, Debug)]
pub(super) enum TokenSource {
    /// From the model.
    Sampled(Sampled),
    /// From a given text.
    Given(Given),
}

impl TokenSource {
    /// The tokens `ids`, of the prompt or of the text after it, have gone in. `before` are the logits `[vocab]` of the
    /// row before theirs, empty where there is none.
    pub(super) fn took(
        &mut self,
        ids: &[u32],
        prompt: bool,
        before: &[f32],
        step: &Took<'_>,
        observer: &mut Observer<'_>,
    ) -> Flow {
        match self {
            Self::Sampled(_) if prompt => ControlFlow::Continue(()),
            Self::Sampled(sampled) => sampled.took(ids, step, observer),
            Self::Given(given) => given.took(ids, before, step, observer),
        }
    }

    /// Gives out text that was held back.
    pub(super) fn flush(&mut self, observer: &mut Observer<'_>) -> Flow {
        match self {
            Self::Sampled(sampled) => sampled.flush(observer),
            Self::Given(_) => ControlFlow::Continue(()),
        }
    }

    /// Notes text of a summary.
    pub(super) fn note(&mut self, text: &str) {
        if let Self::Sampled(sampled) = self {
            sampled.text.push_str(text);
        }
    }
}
