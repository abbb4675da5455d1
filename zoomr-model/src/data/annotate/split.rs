//! Reasoning in one piece, split into thoughts.
//!
//! A thought is a paragraph (blank lines are between paragraphs). Paragraphs shorter than the range are joined to
//! those that follow, as decoding does; one longer than the range is cut into parts of about equal length, at the
//! ends of sentences, and where a sentence alone is too long, of words. So
//!
//! - nothing but white space between thoughts is lost;
//! - no thought is longer than the range, unless a single character is;
//! - one is shorter only where it fits to neither neighbour.

use std::ops::{Range, RangeInclusive};

use super::{AnnotateError, cut::Cut, measure::Measure};
use crate::text::tokenizer::TokenizerError;

/// Splits traces into thoughts.
#[derive(Debug)]
pub struct Splitter<'m> {
    measure: &'m Measure,
    range: RangeInclusive<usize>,
}

impl<'m> Splitter<'m> {
    /// Thoughts of a length within `range`, as `measure` counts it.
    ///
    /// # Errors
    /// [`AnnotateError::Range`] where no thought could be that long.
    pub fn new(measure: &'m Measure, range: RangeInclusive<usize>) -> Result<Self, AnnotateError> {
        if range.is_empty() || *range.end() == 0 {
            return Err(AnnotateError::Range { min: *range.start(), max: *range.end() });
        }
        Ok(Self { measure, range })
    }

    /// The thoughts of a trace, in order, as places in it, in bytes; none where it is blank.
    ///
    /// # Errors
    /// [`TokenizerError`] where the tokenizer has no tokens for some word.
    pub fn split(&self, trace: &str) -> Result<Vec<Range<usize>>, TokenizerError> {
        let mut pieces = Vec::new();
        for paragraph in paragraphs(trace) {
            self.cut(trace, paragraph, Cut::Sentences, &mut pieces)?;
        }
        let onward = self.join(trace, &pieces, |earlier, _| earlier < *self.range.start())?;
        self.join(trace, &onward, |_, later| later < *self.range.start())
    }

    /// Adds the parts of a piece of text that may be too long.
    fn cut(
        &self,
        trace: &str,
        piece: Range<usize>,
        cut: Cut,
        parts: &mut Vec<Range<usize>>,
    ) -> Result<(), TokenizerError> {
        let most = *self.range.end();
        let length = self.measure.length(&trace[piece.clone()])?;
        if length <= most {
            parts.push(piece);
            return Ok(());
        }
        let goal = length.div_ceil(length.div_ceil(most));
        let mut rest = piece;
        while !rest.is_empty() {
            let text = &trace[rest.clone()];
            let ends = cut.ends(text);
            // The first end with enough before it, where that is not too much already.
            let enough = self.measure.fitting(text, &ends, goal - 1)? + 1;
            let fitting = self.measure.fitting(text, &ends, most)?;
            let first = ends[enough.min(fitting).clamp(1, ends.len()) - 1];
            let part = trimmed(trace, rest.start..rest.start + first);
            match cut.finer() {
                Some(finer) if fitting == 0 => self.cut(trace, part, finer, parts)?,
                _ => parts.push(part),
            }
            rest = trimmed(trace, rest.start + first..rest.end);
        }
        Ok(())
    }

    /// Joins neighbours where `joins` says so, given their lengths, and the whole is not too long.
    fn join(
        &self,
        trace: &str,
        pieces: &[Range<usize>],
        joins: impl Fn(usize, usize) -> bool,
    ) -> Result<Vec<Range<usize>>, TokenizerError> {
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(pieces.len());
        let length = |range: &Range<usize>| self.measure.length(&trace[range.clone()]);
        for piece in pieces {
            if let Some(last) = joined.last_mut() {
                let whole = last.start..piece.end;
                if joins(length(last)?, length(piece)?) && length(&whole)? <= *self.range.end() {
                    *last = whole;
                    continue;
                }
            }
            joined.push(piece.clone());
        }
        Ok(joined)
    }
}

/// The paragraphs of a text, without the white space around them.
fn paragraphs(text: &str) -> Vec<Range<usize>> {
    let mut paragraphs = Vec::new();
    let (mut from, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            paragraphs.push(trimmed(text, from..at));
            from = at + line.len();
        }
        at += line.len();
    }
    paragraphs.push(trimmed(text, from..text.len()));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// A place without the white space at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inner = &text[range.clone()];
    let start = range.start + (inner.len() - inner.trim_start().len());
    start..start + inner.trim().len()
}
