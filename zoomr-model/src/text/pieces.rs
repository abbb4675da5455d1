//! The bytes of every token, computed once from the tokenizer's own decoder.
//!
//! A decoder turns a whole list of tokens into text; streaming needs each token's share. The two decoders
//! of the Llama family make that share independent of the neighbours:
//! * byte-level BPE writes each byte as one printable character; the inverse of that table gives it back;
//! * SentencePiece-style BPE writes a space as `▁` and a byte that it has no token for as `<0xNN>`.
//!
//! A vocabulary of whole words needs no decoder: words are joined by spaces, and a word's share is the space before
//! it and the word.
//!
//! `Strip`, which drops the one space that SentencePiece puts before a text, is left out: what a model
//! generates continues a text, and does not begin one.

use std::ops::Range;

use tokenizers::{Decoder, DecoderWrapper, ModelWrapper, Tokenizer};

/// The bytes of all tokens, back to back.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    range: Range<usize>,
    special: bool,
}

impl Pieces {
    /// Tabulates a tokenizer; an id that no token has is empty.
    ///
    /// # Errors
    /// The name of the decoder, where its tokens have no bytes of their own.
    pub(super) fn new(tokenizer: &Tokenizer) -> Result<Self, String> {
        let steps = match (tokenizer.get_decoder(), tokenizer.get_model()) {
            (None, ModelWrapper::WordLevel(_)) => vec![Step::Word],
            (None, _) => return Err("none".into()),
            (Some(decoder), _) => steps(decoder)?,
        };
        let vocabulary = tokenizer.get_vocab(true);
        let added = tokenizer.get_added_tokens_decoder();
        let size = vocabulary.values().map(|&id| id as usize + 1).max().unwrap_or(0);
        let mut tokens: Vec<_> = vocabulary.into_iter().map(|(text, id)| (id, text)).collect();
        // By id, so that neighbours in the vocabulary are neighbours in memory, whatever the map's order.
        tokens.sort_unstable();

        let mut pieces = Self { bytes: Vec::new(), entries: vec![Entry::default(); size] };
        for (id, text) in tokens {
            let start = pieces.bytes.len();
            pieces.bytes.extend(bytes_of_token(text, &steps)?);
            pieces.entries[id as usize] = Entry {
                range: start..pieces.bytes.len(),
                special: added.get(&id).is_some_and(|token| token.special),
            };
        }
        Ok(pieces)
    }

    /// One more than the highest id.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of a token; none for an id that is not in the table.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        self.entries.get(id as usize).map_or(&[], |entry| &self.bytes[entry.range.clone()])
    }

    /// Whether a token is a special one (`<s>`, `<|im_end|>`).
    pub(super) fn is_special(&self, id: u32) -> bool {
        self.entries.get(id as usize).is_some_and(|entry| entry.special)
    }
}

/// What a decoder does to a single token.
enum Step<'a> {
    ByteLevel,
    ByteFallback,
    Space(char),
    Replace(&'a DecoderWrapper),
    Word,
}

fn steps(decoder: &DecoderWrapper) -> Result<Vec<Step<'_>>, String> {
    Ok(match decoder {
        DecoderWrapper::ByteLevel(_) => vec![Step::ByteLevel],
        DecoderWrapper::ByteFallback(_) => vec![Step::ByteFallback],
        DecoderWrapper::Metaspace(space) => vec![Step::Space(space.get_replacement())],
        replace @ DecoderWrapper::Replace(_) => vec![Step::Replace(replace)],
        DecoderWrapper::Fuse(_) | DecoderWrapper::Strip(_) => vec![],
        DecoderWrapper::Sequence(sequence) => {
            let parts = sequence.get_decoders().iter().map(steps);
            parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
        }
        DecoderWrapper::BPE(_) => return Err("BPEDecoder".into()),
        DecoderWrapper::WordPiece(_) => return Err("WordPiece".into()),
        DecoderWrapper::CTC(_) => return Err("CTC".into()),
    })
}

fn bytes_of_token(mut text: String, steps: &[Step<'_>]) -> Result<Vec<u8>, String> {
    for step in steps {
        match step {
            Step::ByteLevel => return Ok(byte_level(&text).unwrap_or_else(|| text.into_bytes())),
            Step::ByteFallback => {
                if let Some(byte) = fallback_byte(&text) {
                    return Ok(vec![byte]);
                }
            }
            Step::Word => text.insert(0, ' '),
            Step::Space(mark) => text = text.replace(*mark, " "),
            Step::Replace(decoder) => {
                text = decoder.decode(vec![text]).map_err(|error| format!("Replace ({error})"))?;
            }
        }
    }
    Ok(text.into_bytes())
}

/// The bytes that a byte-level token spells, or `None` where a character is not in the alphabet (added tokens).
fn byte_level(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte_of_char).collect()
}

/// The inverse of GPT-2's byte alphabet: printable Latin-1 bytes stand for themselves, and the 68 others, in
/// order, for the characters from U+0100 on.
fn byte_of_char(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ 0..=0xFF => u8::try_from(code).ok().filter(|&byte| is_printable(byte)),
        code => (0..=0xFF).filter(|&byte| !is_printable(byte)).nth((code - 0x100) as usize),
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The byte of a `<0xNN>` token.
fn fallback_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let alphabet: Vec<char> =
            (0..0x180).filter_map(char::from_u32).filter(|&c| byte_of_char(c).is_some()).collect();
        assert_eq!(alphabet.len(), 256);
        let mut bytes: Vec<u8> = alphabet.into_iter().filter_map(byte_of_char).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn known_characters_of_the_alphabet() {
        assert_eq!(byte_level("Ġthe"), Some(b" the".to_vec()));
        assert_eq!(byte_level("Ċ"), Some(b"\n".to_vec()));
        assert_eq!(byte_level("ðŁĺĢ"), Some("😀".as_bytes().to_vec()));
        assert_eq!(byte_level("two words"), None);
    }

    #[test]
    fn only_whole_byte_tokens_fall_back() {
        assert_eq!(fallback_byte("<0x0A>"), Some(10));
        assert_eq!(fallback_byte("<0xA>"), None);
        assert_eq!(fallback_byte("<0xZZ>"), None);
    }
}
