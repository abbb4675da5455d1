//! Thoughts cut at blank lines, for models never fine-tuned.

use std::ops::RangeInclusive;

use super::{Event, Kind, Segmenter, length::Length};
use crate::{Error, token::Token};

/// Closes a thought at a blank line once it has a minimum length, and at a maximum length in any case.
#[derive(Clone, Debug)]
pub struct Paragraphs {
    length: Length,
    line: Line,
}

/// What the line being written holds so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Text,
    Blank,
}

impl Paragraphs {
    /// Thoughts of `tokens` (minimum to maximum) tokens.
    ///
    /// # Errors
    /// [`Error::Setting`] where the maximum is zero or below the minimum.
    pub fn new(tokens: RangeInclusive<usize>) -> Result<Self, Error> {
        if *tokens.end() == 0 || tokens.is_empty() {
            let reason = format!(
                "thoughts of {} to {} tokens cannot be; give a maximum of at least 1 and at least the minimum",
                tokens.start(),
                tokens.end()
            );
            return Err(Error::Setting { name: "thought-tokens", reason });
        }
        Ok(Self { length: Length::new(tokens), line: Line::Text })
    }

    /// Whether `text` completes a blank line, that is, holds the newline that ends one.
    fn completes_blank_line(&mut self, text: &[u8]) -> bool {
        let mut completed = false;
        for byte in text {
            match byte {
                b'\n' => {
                    completed |= self.line == Line::Blank;
                    self.line = Line::Blank;
                }
                b' ' | b'\t' | b'\r' => {}
                _ => self.line = Line::Text,
            }
        }
        completed
    }
}

impl Segmenter for Paragraphs {
    fn observe(&mut self, token: Token<'_>) -> Vec<Event> {
        let at_blank = self.completes_blank_line(token.text);
        self.length.grow(at_blank)
    }

    fn default_kind(&self) -> Kind {
        Kind::Thought
    }

    fn reset(&mut self) {
        self.length.reset();
        self.line = Line::Text;
    }

    fn fresh(&self) -> Box<dyn Segmenter> {
        let mut fresh = self.clone();
        fresh.reset();
        Box::new(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(segmenter: &mut Paragraphs, pieces: &[&str]) -> Vec<usize> {
        let observe = |(i, p): (usize, &&str)| {
            let token = Token { id: 0, text: p.as_bytes() };
            (!segmenter.observe(token).is_empty()).then_some(i)
        };
        pieces.iter().enumerate().filter_map(observe).collect()
    }

    #[test]
    fn cuts_at_blank_lines_across_tokens_and_within_one() {
        let mut segmenter = Paragraphs::new(1..=100).unwrap();
        assert_eq!(ends(&mut segmenter, &["a", "\n", "\n", "b", ".\n \n", "c\nd", "\n"]), [2, 4]);
    }

    #[test]
    fn keeps_to_the_minimum_and_the_maximum() {
        let mut segmenter = Paragraphs::new(3..=4).unwrap();
        assert_eq!(ends(&mut segmenter, &["\n\n", "a", "\n\n", "b", "c", "d", "e", "f"]), [2, 6]);
    }

    #[test]
    fn refuses_an_empty_range() {
        assert!(Paragraphs::new(0..=0).is_err());
        #[expect(clippy::reversed_empty_ranges, reason = "the mistake under test")]
        let reversed = 5..=4;
        assert!(Paragraphs::new(reversed).is_err());
    }
}
