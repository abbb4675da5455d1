//! As many problems as are wanted: of several kinds in turn, of a range of lengths, from one seed.

use std::ops::RangeInclusive;

use super::{Generator, Kind, SynthError, draw::Draw};
use crate::data::example::Example;

/// Problems, numbered from 0; any of them can be made alone.
#[derive(Debug)]
pub struct Series {
    generators: Vec<Box<dyn Generator>>,
    tokens: RangeInclusive<usize>,
    seed: u64,
}

impl Series {
    /// Problems of `kinds`, one of each in turn, each length of `tokens` as likely as any other; with the first so many
    /// `labels` alone, where that is given ([`Kind::generator_within`]). The same seed makes the same problems.
    ///
    /// # Errors
    /// [`SynthError::Length`] where a kind has no problems of the shortest or the longest length,
    /// [`SynthError::Parameter`] where there is no kind or no length, or labels are too few or too many.
    pub fn new(
        kinds: &[Kind],
        labels: Option<usize>,
        tokens: RangeInclusive<usize>,
        seed: u64,
    ) -> Result<Self, SynthError> {
        let generators = generators(kinds, labels, &tokens)?;
        Ok(Self { generators, tokens, seed })
    }

    /// Problem `index`.
    ///
    /// # Errors
    /// [`SynthError`], though none is known for lengths between two that can be made.
    pub fn example(&self, index: u64) -> Result<Example, SynthError> {
        let mut draw = Draw::new(self.seed, index);
        let turn = (index % self.generators.len() as u64) as usize;
        self.generators[turn].example(draw.within(self.tokens.clone()), &mut draw)
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
