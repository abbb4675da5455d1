//! A long text as sentences, between which a fact can stand.
//!
//! A sentence ends where white space follows a full stop, exclamation or question mark and is followed by a capital
//! letter, and at every blank line, which begins a paragraph. What is no prose (a listing, say) is one sentence from blank
//! line to blank line.

use std::ops::Range;

use super::NeedleError;
use crate::{
    data::synth::draw::Draw,
    text::tokenizer::{Tokenizer, TokenizerError},
};

/// The text that needles are hidden in.
#[derive(Clone, Debug)]
pub struct Haystack {
    text: String,
    sentences: Vec<Sentence>,
}

/// A sentence, and the white space up to the next.
#[derive(Clone, Debug)]
struct Sentence {
    /// Where it stands in the text, in bytes.
    range: Range<usize>,
    /// Its tokens by themselves; beside others it may have one more or less.
    tokens: usize,
    begins_paragraph: bool,
}

impl Haystack {
    /// A text, cut into sentences.
    ///
    /// # Errors
    /// [`TokenizerError`] where it cannot be tokenized.
    pub fn new(text: &str, tokenizer: &Tokenizer) -> Result<Self, TokenizerError> {
        let text = text.trim_start();
        // As a whole first: an error says where in the text it is.
        tokenizer.encode_verbatim(text)?;
        let begins = begins(text);
        let ends = begins.iter().skip(1).map(|(begin, _)| *begin).chain([text.len()]);
        let sentence = |((begin, begins_paragraph), end): (&(usize, bool), usize)| {
            let tokens = tokenizer.encode_verbatim(&text[*begin..end])?.len();
            Ok(Sentence { range: *begin..end, tokens, begins_paragraph: *begins_paragraph })
        };
        let sentences = begins.iter().zip(ends).map(sentence).collect::<Result<_, TokenizerError>>()?;
        Ok(Self { text: text.to_owned(), sentences })
    }

    /// A passage that begins with a paragraph, drawn from those with enough after them: as many sentences as have
    /// `tokens` tokens together at most.
    pub(super) fn passage(&self, tokens: usize, draw: &mut Draw) -> Result<Passage<'_>, NeedleError> {
        let all: usize = self.sentences.iter().map(|sentence| sentence.tokens).sum();
        let mut left = all;
        let long_enough = |(_, sentence): &(usize, &Sentence)| {
            let from_here = left;
            left -= sentence.tokens;
            sentence.begins_paragraph && from_here >= tokens
        };
        let begins: Vec<usize> =
            self.sentences.iter().enumerate().filter(long_enough).map(|(number, _)| number).collect();
        if begins.is_empty() {
            return Err(NeedleError::TooShort { tokens: all, wanted: tokens });
        }
        let sentences = &self.sentences[begins[draw.below(begins.len())]..];
        let mut taken = 0;
        let fits = |sentence: &&Sentence| {
            taken += sentence.tokens;
            taken <= tokens
        };
        let count = sentences.iter().take_while(fits).count();
        Ok(Passage { text: &self.text, sentences: &sentences[..count] })
    }
}

/// Some sentences of a text, one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage<'a> {
    text: &'a str,
    sentences: &'a [Sentence],
}

impl Passage<'_> {
    /// For each place between two of its sentences, in order, the share of its tokens that stand before it, 0 to 1.
    pub(super) fn depths(&self) -> Vec<f64> {
        let all: usize = self.sentences.iter().map(|sentence| sentence.tokens).sum();
        let mut before = 0;
        let depth = |sentence: &Sentence| {
            before += sentence.tokens;
            before as f64 / all as f64
        };
        let mut depths: Vec<f64> = self.sentences.iter().map(depth).collect();
        depths.pop();
        depths
    }

    /// The text with `insertions` in it: the number of a place as in [`depths`](Self::depths), and what stands there. It is
    /// set off as the sentence before it is.
    pub(super) fn with(&self, insertions: &[(usize, String)]) -> String {
        let mut text = String::new();
        for (place, sentence) in self.sentences.iter().enumerate() {
            let own = &self.text[sentence.range.clone()];
            text += own;
            for (_, inserted) in insertions.iter().filter(|(at, _)| *at == place) {
                text += inserted;
                text += &own[own.trim_end().len()..];
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Where sentences begin, in bytes, and whether paragraphs do.
fn begins(text: &str) -> Vec<(usize, bool)> {
    let mut begins: Vec<(usize, bool)> = Vec::new();
    let mut at = 0;
    if !text.is_empty() {
        begins.push((0, true));
    }
    while let Some(space) = text[at..].find(char::is_whitespace).map(|space| at + space) {
        let Some(length) = text[space..].find(|c: char| !c.is_whitespace()) else { break };
        at = space + length;
        let is_paragraph = text[space..at].matches('\n').count() > 1;
        let is_sentence =
            text[..space].ends_with(['.', '!', '?']) && text[at..].starts_with(char::is_uppercase);
        if is_paragraph || is_sentence {
            begins.push((at, is_paragraph));
        }
    }
    begins
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many tokens as bytes.
    fn haystack(text: &str) -> Haystack {
        let begins = begins(text);
        let ends = begins.iter().skip(1).map(|(begin, _)| *begin).chain([text.len()]);
        let sentences = begins.iter().zip(ends).map(|(&(begin, begins_paragraph), end)| Sentence {
            range: begin..end,
            tokens: end - begin,
            begins_paragraph,
        });
        Haystack { text: text.to_owned(), sentences: sentences.collect() }
    }

    const TEXT: &str = "One 1.5. Two?\nThree e.g. more!\r\n\r\nlet x = 1;\nlet y = 2;\n\nÉtude. End.\n";

    #[test]
    fn sentences_end_at_marks_and_blank_lines() {
        let haystack = haystack(TEXT);
        let text = |sentence: &Sentence| (&TEXT[sentence.range.clone()], sentence.begins_paragraph);
        let found: Vec<_> = haystack.sentences.iter().map(text).collect();
        let wanted = [
            ("One 1.5. ", true),
            ("Two?\n", false),
            ("Three e.g. more!\r\n\r\n", false),
            ("let x = 1;\nlet y = 2;\n\n", true),
            ("Étude. ", true),
            ("End.\n", false),
        ];
        assert_eq!(found, wanted);
        assert!(begins("").is_empty());
    }

    #[test]
    fn what_is_inserted_is_set_off_as_its_neighbour_is() {
        let haystack = haystack(TEXT);
        let passage = Passage { text: TEXT, sentences: &haystack.sentences };
        let inserted = passage.with(&[(0, "A.".into()), (1, "B.".into()), (3, "C.".into())]);
        assert_eq!(
            inserted,
            "One 1.5. A. Two?\nB.\nThree e.g. more!\r\n\r\nlet x = 1;\nlet y = 2;\n\nC.\n\nÉtude. End."
        );
        let depths = passage.depths();
        assert_eq!(depths.len(), 5);
        assert!((depths[1] - 14.0 / TEXT.len() as f64).abs() < 1e-9, "{depths:?}");
    }

    #[test]
    fn passages_are_whole_sentences_from_a_paragraph_on() {
        let haystack = haystack(TEXT);
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..50 {
            let passage = haystack.passage(30, &mut Draw::new(1, index)).unwrap();
            assert!(passage.sentences[0].begins_paragraph);
            assert!(passage.sentences.iter().map(|sentence| sentence.tokens).sum::<usize>() <= 30);
            seen.insert(passage.sentences[0].range.start);
        }
        assert_eq!(seen.len(), 2, "the last paragraph is too short");
        let error = haystack.passage(TEXT.len() + 1, &mut Draw::new(1, 0)).unwrap_err();
        assert!(matches!(error, NeedleError::TooShort { tokens, .. } if tokens == TEXT.len()));
    }
}
