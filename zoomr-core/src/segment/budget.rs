//! Thoughts of a fixed length, whatever they say.

use std::num::NonZeroUsize;

use super::{Event, Kind, Segmenter};
use crate::token::Token;

/// Closes a thought after a number of tokens.
#[derive(Clone, Debug)]
pub struct Budget {
    tokens: NonZeroUsize,
    seen: usize,
}

impl Budget {
    /// Thoughts of `tokens` tokens each.
    pub fn new(tokens: NonZeroUsize) -> Self {
        Self { tokens, seen: 0 }
    }
}

impl Segmenter for Budget {
    fn observe(&mut self, _: Token<'_>) -> Vec<Event> {
        self.seen += 1;
        if self.seen < self.tokens.get() {
            return Vec::new();
        }
        self.seen = 0;
        vec![Event::End(Kind::Thought)]
    }

    fn default_kind(&self) -> Kind {
        Kind::Thought
    }

    fn reset(&mut self) {
        self.seen = 0;
    }
}
