//! Where a text may be cut: after sentences, else after words, else after characters.
//!
//! Sentences are found by their punctuation, not understood. Reasoning is full of numbers and lists, so a full
//! stop within `3.14`, after `e.g.` or after the number of a list's item ends nothing; a line's end ends a sentence.

use super::measure::Measure;
use crate::text::tokenizer::TokenizerError;

/// Words after which a full stop is no sentence's end.
const ABBREVIATIONS: [&str; 18] = [
    "e.g", "i.e", "etc", "vs", "cf", "resp", "approx", "dr", "mr", "mrs", "ms", "prof", "fig", "eq", "eqs",
    "sec", "thm", "st",
];

/// After what a text is cut, from coarse to fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Sentences,
    Words,
    Characters,
}

impl Cut {
    const ALL: [Self; 3] = [Self::Sentences, Self::Words, Self::Characters];

    /// The next finer one.
    pub(super) fn finer(self) -> Option<Self> {
        Self::ALL.into_iter().skip_while(|cut| *cut != self).nth(1)
    }

    /// The ends of the pieces, in bytes, white space after a piece included: the last is the text's end.
    pub(super) fn ends(self, text: &str) -> Vec<usize> {
        let is_end: fn(&str, usize) -> bool = match self {
            Self::Sentences => ends_sentence,
            Self::Words => |_, _| true,
            Self::Characters => return text.char_indices().map(|(at, c)| at + c.len_utf8()).collect(),
        };
        let mut ends: Vec<usize> =
            gaps(text).filter(|(from, _)| is_end(text, *from)).map(|gap| gap.1).collect();
        if ends.last() != Some(&text.len()) {
            ends.push(text.len());
        }
        ends
    }
}

/// The sentences of a text, without the white space around them.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut from = 0;
    let ends = Cut::Sentences.ends(text).into_iter();
    let pieces = ends.map(|end| text[std::mem::replace(&mut from, end)..end].trim());
    pieces.filter(|sentence| !sentence.is_empty()).collect()
}

/// As many whole sentences from the text's beginning as are at most so long; where there are none, words; where
/// there are none of these, characters, at least one.
pub(super) fn shorten<'t>(text: &'t str, measure: &Measure, most: usize) -> Result<&'t str, TokenizerError> {
    let mut end = text.chars().next().map_or(0, char::len_utf8);
    for cut in Cut::ALL {
        let ends = cut.ends(text);
        if let Some(last) = measure.fitting(text, &ends, most)?.checked_sub(1) {
            end = ends[last];
            break;
        }
    }
    Ok(text[..end].trim())
}

/// The places between words: where the white space begins and where it ends. After the full stops of scripts
/// that write none, no white space is asked for.
fn gaps(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while let Some((mut from, c)) = chars.next() {
            if is_wide_stop(c) {
                while chars.next_if(|(_, next)| is_closer(*next) || is_wide_stop(*next)).is_some() {}
                from = chars.peek().map_or(text.len(), |(next, _)| *next);
            } else if !c.is_whitespace() {
                continue;
            }
            while chars.next_if(|(_, next)| next.is_whitespace()).is_some() {}
            return Some((from, chars.peek().map_or(text.len(), |(next, _)| *next)));
        }
        None
    })
}

/// Whether a sentence ends before the white space that begins at `from`.
fn ends_sentence(text: &str, from: usize) -> bool {
    let (before, after) = text.split_at(from);
    let gap = &after[..after.len() - after.trim_start().len()];
    if gap.contains('\n') {
        return true;
    }
    let unquoted = before.trim_end_matches(is_closer);
    if unquoted.ends_with(['!', '?', '…']) || unquoted.ends_with(is_wide_stop) {
        return true;
    }
    let Some(unstopped) = unquoted.strip_suffix('.') else { return false };
    let word = unstopped.rsplit(char::is_whitespace).next().unwrap_or_default();
    let lowercase = word.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let opens_line = unstopped[..unstopped.len() - word.len()].trim_end_matches([' ', '\t']);
    let is_item = (opens_line.is_empty() || opens_line.ends_with('\n'))
        && !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_digit());
    !is_item && !ABBREVIATIONS.contains(&&*lowercase)
}

/// What may stand between a sentence's full stop and the white space.
fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '}' | '*' | '_' | '`' | '$' | '”' | '’' | '»' | '」' | '』' | '）')
}

/// Full stops of scripts without white space.
fn is_wide_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_a_reader_would_say() {
        let all = sentences(
            "So x = 3.14, e.g. a circle. Really?! \"Yes.\" (It is.) No.\n1. First item. 2 left\n\n\
             Fig. 3 shows $y = 5.$ Then **done.** end",
        );
        let wanted = [
            "So x = 3.14, e.g. a circle.",
            "Really?!",
            "\"Yes.\"",
            "(It is.)",
            "No.",
            "1. First item.",
            "2 left",
            "Fig. 3 shows $y = 5.$",
            "Then **done.**",
            "end",
        ];
        assert_eq!(all, wanted);
        assert_eq!(
            sentences("一加一等于二。「对吗？」对！ 好"),
            ["一加一等于二。", "「对吗？」", "对！", "好"]
        );
        assert!(sentences(" \n ").is_empty() && sentences("").is_empty());
    }

    #[test]
    fn a_text_is_shortened_at_the_coarsest_place() {
        let short = |text, most| shorten(text, &Measure::Words, most).unwrap();
        assert_eq!(short("One two. Three four. Five.", 4), "One two. Three four.");
        assert_eq!(short("One two. Three four. Five.", 3), "One two.");
        assert_eq!(short("One two. Three four. Five.", 1), "One");
        assert_eq!(short("One two. Three four. Five.", 9), "One two. Three four. Five.");
        assert_eq!(short("é", 0), "é");
        assert_eq!(short("", 3), "");
    }
}
