//! How long a text is: in the tokens of a model, or in words.

use crate::text::tokenizer::{Tokenizer, TokenizerError};

/// What lengths are counted in.
#[derive(Debug)]
pub enum Measure {
    /// Words: what stands between white space.
    Words,
    /// Tokens of a model, special ones not added.
    Tokens(Box<Tokenizer>),
}

impl Measure {
    /// The length of a text.
    ///
    /// # Errors
    /// [`TokenizerError`] where the tokenizer has no tokens for it.
    pub fn length(&self, text: &str) -> Result<usize, TokenizerError> {
        match self {
            Self::Words => Ok(text.split_whitespace().count()),
            Self::Tokens(tokenizer) => Ok(tokenizer.encode_verbatim(text)?.len()),
        }
    }

    /// What is counted, for people.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Tokens(_) => "tokens",
        }
    }

    /// About how many English words have this length; at least 1.
    pub(super) fn in_words(&self, length: usize) -> usize {
        match self {
            Self::Words => length.max(1),
            Self::Tokens(_) => (length / 4 * 3 + length % 4 * 3 / 4).max(1),
        }
    }

    /// How many of the places `ends` (bytes of `text`, ascending) have at most `most` before them. Looks at no
    /// more text than about twice that much: a trace may be long.
    pub(super) fn fitting(&self, text: &str, ends: &[usize], most: usize) -> Result<usize, TokenizerError> {
        let fits = |count: usize| self.length(text[..ends[count - 1]].trim()).map(|length| length <= most);
        let mut beyond = 1;
        while beyond <= ends.len() && fits(beyond)? {
            beyond *= 2;
        }
        let (mut within, mut beyond) = (beyond / 2, beyond.min(ends.len() + 1));
        while beyond - within > 1 {
            let middle = within.midpoint(beyond);
            *if fits(middle)? { &mut within } else { &mut beyond } = middle;
        }
        Ok(within)
    }
}
