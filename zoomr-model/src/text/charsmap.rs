//! SentencePiece's table of characters and what they become, as a `Precompiled` normalizer has it in base64.
//!
//! Four bytes say how long the trie is; the trie follows, and then the texts that characters become, each ended by a
//! zero byte. The `tokenizers` crate makes room for a trie of any length before it looks for one.

/// The longest text that a character may become, in bytes; SentencePiece's own tables have up to 33.
const LONGEST: usize = 256;

/// Refuses a table whose parts do not fit it.
///
/// # Errors
/// What is wrong.
pub(super) fn check(base64: &str) -> Result<(), String> {
    let damaged = || "its precompiled_charsmap is damaged".to_owned();
    let bytes = decoded(base64).ok_or_else(damaged)?;
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = u32::from_le_bytes(*length) as usize;
    // An empty trie has no root to begin at.
    let texts = rest.get(length..).filter(|_| length >= 4 && length.is_multiple_of(4)).ok_or_else(damaged)?;
    match texts.split(|byte| *byte == 0).any(|text| text.len() > LONGEST) {
        true => Err(format!("its precompiled_charsmap makes a character more than {LONGEST} bytes long")),
        false => Ok(()),
    }
}

/// The bytes of a text in base64, with the usual alphabet.
fn decoded(base64: &str) -> Option<Vec<u8>> {
    let digits = base64.trim_end_matches('=').bytes().map(digit).collect::<Option<Vec<u32>>>()?;
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..][..group.len() - 1]);
    }
    Some(bytes)
}

fn digit(c: u8) -> Option<u32> {
    Some(u32::from(match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_undone() {
        assert_eq!(decoded("Wm9vbSE=").as_deref(), Some(&b"Zoom!"[..]));
        assert_eq!(decoded("/+8").as_deref(), Some(&[0xFF, 0xEF][..]));
        assert_eq!(decoded("a b"), None);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        // A trie of one unit and the text "a"; then one that claims 2^32 - 1 bytes, and one of no bytes.
        check("BAAAAAAAAABhAA==").unwrap();
        assert!(check("/////w==").is_err());
        assert!(check("AAAAAA==").is_err());
        assert!(check("").is_err());
    }
}
