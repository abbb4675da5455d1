//! Text for a terminal: what others wrote must not command it.
//!
//! Generated text, and whatever a file or server says (messages, file names, tokens), may hold escape sequences. A
//! terminal is shown a mark in the place of each control character but newline and tab. A file or pipe gets
//! the bytes as they are.

use std::{
    borrow::Cow,
    io::{IsTerminal, Write},
};

/// Text with a mark in the place of each character that a terminal would act on.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(commands) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(mark).collect())
}

/// A character as a terminal may be shown it.
pub(super) fn mark(c: char) -> char {
    if commands(c) { char::REPLACEMENT_CHARACTER } else { c }
}

fn commands(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

/// Text as a stream may be given it.
pub(super) fn fit_for<'a>(stream: &(impl IsTerminal + Write), text: &'a str) -> Cow<'a, str> {
    if stream.is_terminal() { harmless(text) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_marked_and_text_stays() {
        assert_eq!(harmless("\x1b[2J\x1b]0;title\x07"), "\u{fffd}[2J\u{fffd}]0;title\u{fffd}");
        // One character for an escape and its bracket; carriage return, backspace and delete hide what is there.
        assert_eq!(harmless("a\u{9b}2J\r\u{8}\u{7f}\0b"), "a\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}b");
        let plain = "a\tb\nÄ 中 \u{200f}😀";
        assert!(matches!(harmless(plain), Cow::Borrowed(text) if text == plain));
    }

    #[test]
    fn a_file_gets_the_bytes_as_they_are() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(fit_for(&file, "\x1b[2J"), "\x1b[2J");
    }
}
