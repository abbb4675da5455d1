//! Bytes of tokens to text, as they come, without ever splitting a character.
//!
//! All that comes out, put together, is `String::from_utf8_lossy` of all that went in: invalid bytes become
//! U+FFFD, as in Hugging Face's byte-level decoder. Bytes that may yet become a character are held back.

/// Text from bytes that arrive in pieces.
///
/// ```
/// use zoomr_model::text::stream::Utf8Stream;
///
/// let mut stream = Utf8Stream::default();
/// assert_eq!(stream.push(b"caf\xc3"), "caf");
/// assert_eq!(stream.push(b"\xa9"), "é");
/// assert_eq!(stream.push(b"\xf0\x9f"), "");
/// assert_eq!(stream.flush(), "\u{fffd}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Utf8Stream {
    /// The beginning of a character: at most three bytes between calls.
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Takes in bytes; returns the text that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut done = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            let ends_here = done + invalid.len() == self.pending.len();
            if ends_here && may_become_a_character(invalid) {
                break;
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            done += invalid.len();
        }
        self.pending.drain(..done);
        text
    }

    /// Ends the text: what was held back can no longer become a character.
    pub fn flush(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

/// Whether more bytes could make these, which are not valid on their own, one character.
fn may_become_a_character(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn streamed(bytes: &[u8], cuts: &[usize]) -> String {
        let mut stream = Utf8Stream::default();
        let mut text = String::new();
        let mut rest = bytes;
        for &cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            text += &stream.push(head);
            rest = tail;
        }
        text += &stream.push(rest);
        text + &stream.flush()
    }

    /// Bytes that are often, but not always, UTF-8.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            3 => any::<String>().prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..4),
            1 => Just(vec![0xF0, 0x9F, 0x98]),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_cuts_give_the_lossy_whole(bytes in bytes(), cuts in prop::collection::vec(0usize..5, 0..40)) {
            prop_assert_eq!(streamed(&bytes, &cuts), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn valid_text_is_never_held_back_longer_than_a_character(text in any::<String>()) {
            let mut stream = Utf8Stream::default();
            for c in text.chars() {
                let mut buffer = [0; 4];
                prop_assert_eq!(stream.push(c.encode_utf8(&mut buffer).as_bytes()), c.to_string());
            }
        }
    }

    #[test]
    fn a_bad_byte_after_a_begun_character_shows_both() {
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(b"\xe2\x82"), "");
        assert_eq!(stream.push(b"A\xff"), "\u{fffd}A\u{fffd}");
        assert_eq!(stream.flush(), "");
    }
}
