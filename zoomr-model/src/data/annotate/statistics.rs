//! What annotated traces are like, counted on what is written, not on what was meant to be.

use std::ops::RangeInclusive;

use super::{AnnotateError, summary::Limit};
use crate::data::example::{Example, Trace};

/// Some lengths, in tokens or in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// In the order in which they were added.
    all: Vec<usize>,
}

impl Lengths {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Their sum.
    pub fn total(&self) -> usize {
        self.all.iter().sum()
    }

    /// The smallest, the median (of two the greater) and the greatest; `None` of none.
    pub fn spread(&self) -> Option<[usize; 3]> {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        Some([*sorted.first()?, sorted[sorted.len() / 2], *sorted.last()?])
    }
}

/// The statistics of a set of annotated traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// What lengths are counted in.
    pub unit: &'static str,
    /// Thoughts of each trace.
    pub thoughts: Lengths,
    /// The length of each thought.
    pub details: Lengths,
    /// The length of each summary.
    pub summaries: Lengths,
    /// Thoughts that are shorter or longer than they should be.
    pub outside: usize,
    /// Summaries whose end was cut off.
    pub cut: usize,
    /// Summaries that are no shorter than their thoughts.
    pub no_shorter: usize,
}

impl Statistics {
    /// The statistics of no traces.
    pub(super) fn new(unit: &'static str) -> Self {
        Self { unit, ..Self::default() }
    }

    /// The length of all summaries over that of all thoughts; 0 where there are none.
    pub fn ratio(&self) -> f64 {
        self.summaries.total() as f64 / self.details.total().max(1) as f64
    }

    /// Adds an annotated trace, whose thoughts should have a length in `range`.
    ///
    /// # Errors
    /// [`AnnotateError::Tokenizer`].
    pub(super) fn add(
        &mut self,
        example: &Example,
        range: &RangeInclusive<usize>,
        limit: Limit<'_>,
    ) -> Result<(), AnnotateError> {
        self.thoughts.all.push(example.thoughts.len());
        for thought in &example.thoughts {
            let detail = limit.measure.length(&thought.detail)?;
            let summary = limit.measure.length(&thought.summary)?;
            self.details.all.push(detail);
            self.summaries.all.push(summary);
            self.outside += usize::from(!range.contains(&detail));
            self.no_shorter += usize::from(summary >= detail);
        }
        Ok(())
    }
}

/// Makes sure that the thoughts are the trace, each with its summary.
///
/// # Errors
/// [`AnnotateError::Unbalanced`], naming the thought.
pub(super) fn check(line: usize, trace: &Trace, example: &Example) -> Result<(), AnnotateError> {
    let unbalanced = |thought, what| Err(AnnotateError::Unbalanced { line, thought, what });
    for (number, thought) in (1..).zip(&example.thoughts) {
        if thought.detail.trim().is_empty() {
            return unbalanced(number, "no text");
        }
        if thought.summary.trim().is_empty() {
            return unbalanced(number, "no summary");
        }
    }
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let kept: usize = example.thoughts.iter().map(|thought| letters(&thought.detail)).sum();
    if kept == letters(&trace.trace) {
        Ok(())
    } else {
        unbalanced(example.thoughts.len(), "lost text beside it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{annotate::Measure, example::Thought};

    fn example(thoughts: &[(&str, &str)]) -> Example {
        let thought = |(detail, summary): &(&str, &str)| Thought {
            detail: (*detail).into(),
            summary: (*summary).into(),
        };
        let thoughts = thoughts.iter().map(thought).collect();
        Example { kind: None, question: "q".into(), thoughts, answer: "a".into() }
    }

    #[test]
    fn lengths_and_ratio() {
        let mut statistics = Statistics::new("words");
        let limit = Limit { measure: &Measure::Words, most: 3 };
        assert_eq!((statistics.ratio(), statistics.details.spread()), (0.0, None));
        statistics.add(&example(&[("a b c d", "a"), ("e f", "e f")]), &(3..=9), limit).unwrap();
        statistics.add(&example(&[("g h i", "g i")]), &(3..=9), limit).unwrap();
        assert_eq!((statistics.thoughts.count(), statistics.details.total()), (2, 9));
        assert_eq!(statistics.details.spread(), Some([2, 3, 4]));
        assert_eq!((statistics.outside, statistics.no_shorter), (1, 1));
        assert!((statistics.ratio() - 5.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_belong_together_is_named() {
        let trace = Trace { question: "q".into(), trace: "a b\n\nc".into(), answer: "a".into() };
        let checked =
            |thoughts: &[(&str, &str)]| check(7, &trace, &example(thoughts)).map_err(|e| e.to_string());
        assert!(checked(&[("a b", "a"), ("c", "c")]).is_ok());
        for (bad, says) in [
            (&[("a b", "a"), ("c", " ")][..], "thought 2 of the trace at line 7 has no summary"),
            (&[("", "a"), ("a b\n\nc", "c")], "thought 1"),
            (&[("a b", "a")], "lost text"),
        ] {
            let message = checked(bad).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }
}
