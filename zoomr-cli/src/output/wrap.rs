//! Lines of a terminal: text that comes in pieces, broken between words, with faint passages.
//!
//! Finished lines are handed out; the line being written stays here, so that a status line can stand below it.

use console::measure_text_width;

use super::harmless::mark;

/// Starts a faint passage, and ends it.
const FAINT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[22m";

/// Breaks text into lines.
#[derive(Debug)]
pub(crate) struct Wrap {
    /// Columns that a line may take.
    width: usize,
    /// Whether faint passages may be marked.
    styled: bool,
    line: String,
    /// Columns that `line` takes.
    column: usize,
    /// Where `line` can be broken: the byte after its last space, and the column there.
    gap: Option<(usize, usize)>,
    faint: bool,
}

impl Wrap {
    /// Lines of at most `width` columns.
    pub(crate) fn new(width: usize, styled: bool) -> Self {
        Self { width: width.max(1), styled, line: String::new(), column: 0, gap: None, faint: false }
    }

    /// Adds text; returns the lines that are finished, without their newlines.
    pub(crate) fn push(&mut self, text: &str, faint: bool) -> Vec<String> {
        if self.styled && faint != self.faint {
            self.line.push_str(if faint { FAINT } else { PLAIN });
        }
        self.faint = faint && self.styled;
        text.chars().flat_map(|c| self.add(c)).collect()
    }

    /// The line being written.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Ends the text: the last line, if anything is on it.
    pub(crate) fn finish(&mut self) -> Option<String> {
        (self.column > 0).then(|| self.take(self.line.len(), self.column))
    }

    fn add(&mut self, c: char) -> Option<String> {
        if c == '\n' {
            return Some(self.take(self.line.len(), self.column));
        }
        // A text must not command the terminal.
        let shown = if c == '\t' { ' ' } else { mark(c) };
        let columns = measure_text_width(shown.encode_utf8(&mut [0; 4]));
        let full = self.column + columns > self.width && self.column > 0;
        let finished = full.then(|| {
            let (at, column) = self.gap.unwrap_or((self.line.len(), self.column));
            self.take(at, column)
        });
        self.line.push(shown);
        self.column += columns;
        if shown == ' ' {
            self.gap = Some((self.line.len(), self.column));
        }
        finished
    }

    /// Takes the first `at` bytes, `column` columns wide, off the line; a faint passage goes on in the next.
    fn take(&mut self, at: usize, column: usize) -> String {
        let rest = self.line.split_off(at);
        let mut line = std::mem::take(&mut self.line);
        if self.faint {
            line.push_str(PLAIN);
            self.line.push_str(FAINT);
        }
        self.line.push_str(&rest);
        self.column -= column;
        self.gap = None;
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(width: usize, pieces: &[&str]) -> Vec<String> {
        let mut wrap = Wrap::new(width, false);
        let mut lines: Vec<String> = pieces.iter().flat_map(|piece| wrap.push(piece, false)).collect();
        lines.extend(wrap.finish());
        lines
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(lines(8, &["one two ", "three\nfour"]), ["one two ", "three", "four"]);
        assert_eq!(lines(8, &["one two", "th"]), ["one ", "twoth"]);
    }

    #[test]
    fn long_words_and_wide_characters_break_where_they_must() {
        assert_eq!(lines(3, &["abcdefg"]), ["abc", "def", "g"]);
        assert_eq!(lines(3, &["中文字"]), ["中", "文", "字"]);
        assert_eq!(lines(0, &["ab"]), ["a", "b"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(lines(20, &["a\x1b[2J\tb\r\n"]), ["a\u{fffd}[2J b\u{fffd}"]);
    }

    #[test]
    fn faint_passages_go_on_over_lines_and_end_with_each() {
        let mut wrap = Wrap::new(6, true);
        let mut lines = wrap.push("ab ", false);
        lines.extend(wrap.push("[cd efgh]", true));
        lines.extend(wrap.push(" i", false));
        lines.extend(wrap.finish());
        let shown: Vec<_> = lines.iter().map(|line| console::strip_ansi_codes(line)).collect();
        assert_eq!(shown, ["ab ", "[cd ", "efgh] ", "i"]);
        assert!(lines[1].starts_with(FAINT) && lines[1].ends_with(PLAIN));
        assert!(!lines[3].contains(FAINT));
    }
}
