//! As many problems as are wanted: of several kinds in turn, of a range of lengths, from one seed.

use std::ops::RangeInclusive;

use super::{Generator, Kind, SynthError, draw::Draw, vocabulary};
use crate::data::example::Example;

/// How many problems are made until one has a wanted length: some differ from the length that they are made for by up to
/// a unit of the kind's, tens of tokens, and others are off by less.
const TRIES: usize = 1000;

/// Problems, numbered from 0; any of them can be made alone.
#[derive(Debug)]
pub struct Series {
    generators: Vec<Box<dyn Generator>>,
    tokens: RangeInclusive<usize>,
    seed: u64,
}

impl Series {
    /// Problems of `kinds`, one of each in turn, all of a length that is one of `tokens`; with the first so many `labels`
    /// alone, where that is given ([`Kind::generator_within`]). Each length is as likely to be aimed at as any other. The
    /// same seed makes the same problems.
    ///
    /// # Errors
    /// [`SynthError::Length`] where a kind has no problems as short as the shortest length or as long as the longest,
    /// [`SynthError::Range`] where none was found with a length between, [`SynthError::Parameter`] where there is no
    /// kind or no length, or labels are too few or too many.
    pub fn new(
        kinds: &[Kind],
        labels: Option<usize>,
        tokens: RangeInclusive<usize>,
        seed: u64,
    ) -> Result<Self, SynthError> {
        let generators = generators(kinds, labels, &tokens)?;
        let series = Self { generators, tokens, seed };
        // A range that is too narrow should be known before anything is written.
        (0..kinds.len() as u64).try_for_each(|index| series.example(index).map(drop))?;
        Ok(series)
    }

    /// Problem `index`.
    ///
    /// # Errors
    /// [`SynthError::Range`] where none was found; few are left to find where the range is narrow.
    pub fn example(&self, index: u64) -> Result<Example, SynthError> {
        let mut draw = Draw::new(self.seed, index);
        let turn = (index % self.generators.len() as u64) as usize;
        let generator = &self.generators[turn];
        for _ in 0..TRIES {
            let example = generator.example(draw.within(self.tokens.clone()), &mut draw)?;
            if self.tokens.contains(&vocabulary::count(&example)) {
                return Ok(example);
            }
        }
        let (from, to) = (*self.tokens.start(), *self.tokens.end());
        Err(SynthError::Range { kind: generator.kind(), from, to })
    }
}

/// A generator of each of `kinds`, all of which have problems of the shortest and of the longest length.
///
/// # Errors
/// As [`Series::new`].
pub(crate) fn generators(
    kinds: &[Kind],
    labels: Option<usize>,
    tokens: &RangeInclusive<usize>,
) -> Result<Vec<Box<dyn Generator>>, SynthError> {
    let refuse = |name, given, range: &str| Err(SynthError::Parameter { name, given, range: range.into() });
    if kinds.is_empty() {
        return refuse("kinds", "empty".into(), "at least one");
    }
    let (min, max) = (*tokens.start(), *tokens.end());
    if min > max {
        return refuse("tokens", format!("{min} to {max}"), "a range, the smaller number first");
    }
    let generator = |kind: &Kind| match labels {
        Some(labels) => kind.generator_within(labels),
        None => Ok(kind.generator()),
    };
    let generators: Vec<_> = kinds.iter().map(generator).collect::<Result<_, _>>()?;
    for generator in &generators {
        for tokens in [min, max] {
            generator.example(tokens, &mut Draw::new(0, 0))?;
        }
    }
    Ok(generators)
}
