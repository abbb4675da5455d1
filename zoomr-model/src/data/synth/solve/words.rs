//! The words of a question, read one after another.

use std::ops::RangeInclusive;

/// The most characters of a wrong word that a message repeats.
const SHOWN: usize = 40;

/// Why a text is not a question that can be solved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; expected {expected}", self.place())]
pub struct ParseError {
    /// Which word is wrong, counted from 1.
    pub word: usize,
    /// That word, cut if it is long; `None` where the text ends before it.
    pub found: Option<String>,
    /// What should stand there.
    pub expected: String,
}

impl ParseError {
    fn place(&self) -> String {
        match &self.found {
            Some(found) => format!("word {} is `{found}`", self.word),
            None => format!("the problem ends after {} words", self.word - 1),
        }
    }
}

/// A question's words, and which is next.
#[derive(Debug)]
pub(super) struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    /// The words of a text, from the first.
    pub(super) fn new(text: &'a str) -> Self {
        Self { words: text.split_whitespace().collect(), next: 0 }
    }

    /// The next word, which stays next.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    /// An error about the next word.
    pub(super) fn expected(&self, what: impl Into<String>) -> ParseError {
        let found = self.peek().map(|word| word.chars().take(SHOWN).collect());
        ParseError { word: self.next + 1, found, expected: what.into() }
    }

    /// The next word as whatever `read` makes of it; left where it is if that is nothing.
    pub(super) fn take<T>(
        &mut self,
        read: impl FnOnce(&'a str) -> Option<T>,
        expected: impl FnOnce() -> String,
    ) -> Result<T, ParseError> {
        match self.peek().and_then(read) {
            Some(value) => {
                self.next += 1;
                Ok(value)
            }
            None => Err(self.expected(expected())),
        }
    }

    /// Some words that must come next.
    pub(super) fn literally(&mut self, text: &str) -> Result<(), ParseError> {
        text.split(' ')
            .try_for_each(|wanted| self.take(|word| (word == wanted).then_some(()), || format!("`{wanted}`")))
    }

    /// The number in a label `t0`, `t1` and so on, within `numbers`.
    pub(super) fn label(&mut self, numbers: RangeInclusive<usize>, what: &str) -> Result<usize, ParseError> {
        self.numbered("t", |_| true, numbers, what)
    }

    /// The number in a label, within `numbers`, which `will_do`.
    pub(super) fn label_that(
        &mut self,
        numbers: RangeInclusive<usize>,
        will_do: impl Fn(usize) -> bool,
        what: &str,
    ) -> Result<usize, ParseError> {
        self.numbered("t", will_do, numbers, what)
    }

    /// The numbers in the labels that are asked for, as in `; find t16 t30 ?`: within `numbers`, and they `will_do`.
    pub(super) fn wanted(
        &mut self,
        numbers: RangeInclusive<usize>,
        will_do: impl Fn(usize) -> bool,
        what: &str,
    ) -> Result<Vec<usize>, ParseError> {
        self.literally("; find")?;
        let mut wanted = vec![self.label_that(numbers.clone(), &will_do, what)?];
        let or_end = format!("{what}, or `?`");
        while self.peek() != Some("?") {
            wanted.push(self.label_that(numbers.clone(), &will_do, &or_end)?);
        }
        self.literally("?")?;
        Ok(wanted)
    }

    /// The number after `letter`, within `numbers`, which `will_do`.
    fn numbered(
        &mut self,
        letter: &str,
        will_do: impl Fn(usize) -> bool,
        numbers: RangeInclusive<usize>,
        what: &str,
    ) -> Result<usize, ParseError> {
        let allowed = |number: &usize| numbers.contains(number) && will_do(*number);
        let read = |word: &str| number(word.strip_prefix(letter)?).filter(allowed);
        let expected = || match (numbers.start(), numbers.end()) {
            (first, last) if first > last => format!("{what}, but there is none after {letter}{last}"),
            (first, last) if first == last => format!("{letter}{first}, {what}"),
            (first, last) => format!("{letter}{first} to {letter}{last}, {what}"),
        };
        self.take(read, expected)
    }

    /// A number within `numbers`.
    pub(super) fn number(&mut self, numbers: RangeInclusive<usize>, what: &str) -> Result<usize, ParseError> {
        self.numbered("", |_| true, numbers, what)
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&self) -> Result<(), ParseError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.expected("nothing after the `?`")) }
    }
}

/// A number as the vocabulary has it: no sign, no leading zero.
fn number(text: &str) -> Option<usize> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}
