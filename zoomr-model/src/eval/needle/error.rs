//! What can keep a needle from being hidden.

use crate::text::tokenizer::TokenizerError;

/// An error of hiding needles.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NeedleError {
    /// There is not enough text around the needle.
    #[error(
        "the text has {tokens} tokens, and a haystack needs {wanted} of it; give more text, or ask for a shorter \
         haystack"
    )]
    TooShort {
        /// Tokens of the text.
        tokens: usize,
        /// Tokens of the haystack, without what is hidden in it.
        wanted: usize,
    },
    /// There are not enough places between sentences.
    #[error(
        "a haystack of {tokens} tokens has {places} place(s) between its sentences, and {facts} facts to hide; ask for a \
         longer haystack, or give a text of shorter sentences"
    )]
    NoPlace {
        /// Tokens that were asked for.
        tokens: usize,
        /// Where a fact could stand.
        places: usize,
        /// The needle, and those that it is told from.
        facts: usize,
    },
    /// Text or needle cannot be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}
