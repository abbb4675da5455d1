//! A token as the core sees it: an id and the bytes it stands for.

/// One token of a sequence.
///
/// The core has no tokenizer: whoever feeds it says what text a token decodes to. Segmenters that go by ids
/// or lengths alone work with empty text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Id in the model's vocabulary.
    pub id: u32,
    /// The bytes that the token adds to the text; may cut a character in two.
    pub text: &'a [u8],
}

impl Token<'_> {
    /// A token whose text nobody looks at.
    pub fn bare(id: u32) -> Self {
        Self { id, text: &[] }
    }
}
