//! Files of text as people have them: UTF-8, maybe with the byte order mark that some editors put before it.

use std::{fs, io, path::Path};

/// UTF-8's byte order mark.
const MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Bytes that are no UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUtf8 {
    /// Windows calls it "Unicode".
    #[error("it is UTF-16 text; save it as UTF-8")]
    Utf16,
    /// Something else.
    #[error("it is not UTF-8 text (byte {at}); convert it first")]
    Byte {
        /// Where the first byte is that fits no character.
        at: usize,
    },
}

impl From<NotUtf8> for io::Error {
    fn from(error: NotUtf8) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The text of a file.
///
/// # Errors
/// Where it cannot be read; [`io::ErrorKind::InvalidData`], saying what it is, where it is no UTF-8 text.
pub fn read(path: &Path) -> io::Result<String> {
    Ok(decode(fs::read(path)?)?)
}

/// The text that bytes are, without a byte order mark.
///
/// # Errors
/// [`NotUtf8`].
pub fn decode(mut bytes: Vec<u8>) -> Result<String, NotUtf8> {
    let mark = bytes.len() - without_mark(&bytes)?.len();
    bytes.drain(..mark);
    String::from_utf8(bytes).map_err(|error| NotUtf8::Byte { at: mark + error.utf8_error().valid_up_to() })
}

/// The bytes that a text begins with, without a byte order mark.
///
/// # Errors
/// [`NotUtf8::Utf16`], by its mark, or where every other byte of the first character is zero.
pub fn without_mark(bytes: &[u8]) -> Result<&[u8], NotUtf8> {
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, 1..=255, ..] | [1..=255, 0, ..] => Err(NotUtf8::Utf16),
        _ => Ok(bytes.strip_prefix(MARK).unwrap_or(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_passed_over_and_other_encodings_named() {
        assert_eq!(decode(b"\xEF\xBB\xBF{}".to_vec()).as_deref(), Ok("{}"));
        assert_eq!(decode(b"{}".to_vec()).as_deref(), Ok("{}"));
        assert_eq!(decode(Vec::new()).as_deref(), Ok(""));
        for utf16 in [&b"\xFF\xFE{\0"[..], b"\xFE\xFF\0{", b"{\0}\0", b"\0{"] {
            assert_eq!(decode(utf16.to_vec()), Err(NotUtf8::Utf16));
        }
        assert_eq!(decode(b"\xEF\xBB\xBFab\xFF".to_vec()), Err(NotUtf8::Byte { at: 5 }));
    }
}
