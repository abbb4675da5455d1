//! The length of the thought being written: what the segmenters without markers go by.

use std::ops::RangeInclusive;

use super::{Event, Kind};

/// Counts a thought's tokens, and ends it within a minimum and a maximum.
#[derive(Clone, Debug)]
pub(super) struct Length {
    tokens: RangeInclusive<usize>,
    seen: usize,
}

impl Length {
    /// Thoughts of `tokens` (minimum to maximum) tokens; the maximum is at least 1.
    pub(super) fn new(tokens: RangeInclusive<usize>) -> Self {
        Self { tokens, seen: 0 }
    }

    /// One more token. The thought ends with it at a `boundary`, if it is long enough, and at the maximum in any
    /// case.
    pub(super) fn grow(&mut self, boundary: bool) -> Vec<Event> {
        self.seen += 1;
        let ends = boundary && self.seen >= *self.tokens.start();
        if !ends && self.seen < *self.tokens.end() {
            return Vec::new();
        }
        self.seen = 0;
        vec![Event::End(Kind::Thought)]
    }

    /// Back to the state before the first token.
    pub(super) fn reset(&mut self) {
        self.seen = 0;
    }
}
