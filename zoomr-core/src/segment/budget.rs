//! Thoughts of a fixed length, whatever they say.

use std::num::NonZeroUsize;

use super::{Event, Kind, Segmenter, length::Length};
use crate::token::Token;

/// Closes a thought after a number of tokens.
#[derive(Clone, Debug)]
pub struct Budget {
    length: Length,
}

impl Budget {
    /// Thoughts of `tokens` tokens each.
    pub fn new(tokens: NonZeroUsize) -> Self {
        Self { length: Length::new(tokens.get()..=tokens.get()) }
    }
}

impl Segmenter for Budget {
    fn observe(&mut self, _: Token<'_>) -> Vec<Event> {
        self.length.grow(false)
    }

    fn default_kind(&self) -> Kind {
        Kind::Thought
    }

    fn reset(&mut self) {
        self.length.reset();
    }

    fn fresh(&self) -> Box<dyn Segmenter> {
        let mut fresh = self.clone();
        fresh.reset();
        Box::new(fresh)
    }
}
