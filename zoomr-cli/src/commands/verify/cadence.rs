//! A segmenter that makes thoughts and summaries of any text: so many tokens of the one, so many of the other.
//!
//! What the summaries say does not matter here; what matters is that there are some, and that every token of
//! the text is where it is under full attention.

use zoomr_core::{
    segment::{Event, Kind, Segmenter},
    token::Token,
};

/// Cuts a text by count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cadence {
    /// Tokens of a thought.
    thought: usize,
    /// Tokens of its summary.
    summary: usize,
    /// Tokens since the last thought began.
    seen: usize,
}

impl Cadence {
    /// Thoughts of `thought` tokens with summaries of `summary` tokens; at least one each.
    pub(super) fn new(thought: usize, summary: usize) -> Self {
        Self { thought: thought.max(1), summary: summary.max(1), seen: 0 }
    }
}

impl Segmenter for Cadence {
    fn observe(&mut self, _: Token<'_>) -> Vec<Event> {
        self.seen += 1;
        if self.seen == self.thought {
            vec![Event::End(Kind::Thought), Event::Begin(Kind::Summary)]
        } else if self.seen == self.thought + self.summary {
            self.seen = 0;
            vec![Event::End(Kind::Summary), Event::Begin(Kind::Thought)]
        } else {
            Vec::new()
        }
    }

    fn default_kind(&self) -> Kind {
        Kind::Thought
    }

    fn reset(&mut self) {
        self.seen = 0;
    }

    fn fresh(&self) -> Box<dyn Segmenter> {
        Box::new(Self { seen: 0, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use zoomr_core::{
        segment::{Grammar, Role},
        trigger::Trigger,
    };

    use super::*;

    #[test]
    fn every_thought_has_its_summary() {
        let mut grammar = Grammar::new(Box::new(Cadence::new(3, 2)), Trigger::ModelEmitted);
        (0..12).for_each(|id| grammar.push(Token::bare(id), Role::Stream, 0));
        let thoughts = grammar.stream().thoughts();
        assert_eq!(thoughts.iter().map(|t| t.detail.clone()).collect::<Vec<_>>(), [0..3, 5..8, 10..12]);
        assert_eq!(thoughts[1].summary, Some(8..10));
        assert_eq!(grammar.stream().retired(10), 2);
    }
}
