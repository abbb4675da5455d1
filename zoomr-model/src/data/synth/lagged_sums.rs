//! Lagged sums: start values, then each term adds the terms `p` and `q` back, modulo `m`.
//!
//! ```text
//! lagged sums mod 10 : t40 7 t41 3 ... t68 1 rule t69 = t56 + t40 until t319 ; find t319 ?
//! <thought> t56 5 + t40 7 =12 -> t69 2 ; ... </thought> <summary> t69 t70 t71 </summary> ... answer t319 4
//! ```
//!
//! A sum is written out before it is taken modulo `m`. Without it a model learns no sums: modulo anything, one summand
//! alone says nothing about the sum, so there is no slope towards using both. And as it follows right after the second
//! summand, only the first must be looked up. The arrow tells where a value was worked out from where it is used.
//!
//! There are as many starts as the larger lag, with consecutive names from a random first. Each line has two values
//! that only older thoughts hold; a summary names what was worked out and gives no value. A thought ends after the
//! name whose number plus one is a multiple of its length, so that names decide the bounds, not counting;
//! the last one is whole.

use std::ops::RangeInclusive;

use super::{
    Generator, Kind, SynthError, check, check_range,
    draw::Draw,
    ended,
    fit::{self, Shape},
    vocabulary::{self, LABELS, VALUES},
};
use crate::data::example::{Example, Thought};

/// What lagged sums are like, as a person gives it; [`LaggedSums`] has checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaggedSumsOptions {
    /// All values are below it: 2 to 10.
    pub modulus: usize,
    /// The larger lag `q`, which is the number of starts, too: at least 2. The smaller is drawn from those below it.
    pub lags: RangeInclusive<usize>,
    /// Terms that a thought works out: 1 to 64.
    pub terms_per_thought: usize,
    /// Labels that names are taken from: 4 to 600. The larger lag is at most half of them.
    pub labels: usize,
}

impl Default for LaggedSumsOptions {
    fn default() -> Self {
        Self { modulus: VALUES, lags: 12..=40, terms_per_thought: 4, labels: LABELS }
    }
}

/// Makes lagged sums.
#[derive(Clone, Debug, Default)]
pub struct LaggedSums {
    options: LaggedSumsOptions,
}

impl TryFrom<LaggedSumsOptions> for LaggedSums {
    type Error = SynthError;

    fn try_from(options: LaggedSumsOptions) -> Result<Self, SynthError> {
        check("modulus", options.modulus, 2..=VALUES)?;
        check("labels", options.labels, 4..=LABELS)?;
        check_range("lags", &options.lags, 2..=options.labels / 2)?;
        check("terms_per_thought", options.terms_per_thought, 1..=64)?;
        Ok(Self { options })
    }
}

impl Generator for LaggedSums {
    fn kind(&self) -> Kind {
        Kind::LaggedSums
    }

    fn example(&self, tokens: usize, draw: &mut Draw) -> Result<Example, SynthError> {
        let LaggedSumsOptions { modulus, ref lags, terms_per_thought, labels } = self.options;
        let shapes = lags.clone().map(|lag| {
            // Where thoughts end depends on the first name's remainder alone.
            Sums {
                modulus,
                terms_per_thought,
                labels,
                first: draw.below(terms_per_thought),
                lag,
                near: 1,
                starts: vec![0; lag],
            }
        });
        let (mut sums, thoughts) = fit::choose(self.kind(), shapes.collect(), tokens, draw)?;
        let steps = sums.most() - thoughts;
        sums.first += terms_per_thought * draw.below(steps + 1);
        sums.near = draw.within(1..=sums.lag - 1);
        sums.starts.iter_mut().for_each(|start| *start = draw.below(modulus));
        Ok(sums.example(thoughts))
    }
}

/// One problem, but for the number of its thoughts.
#[derive(Debug)]
struct Sums {
    modulus: usize,
    terms_per_thought: usize,
    labels: usize,
    /// The number in the first start's name.
    first: usize,
    /// The larger lag, `q`.
    lag: usize,
    /// The smaller lag, `p`.
    near: usize,
    /// `q` values.
    starts: Vec<usize>,
}

impl Shape for Sums {
    fn most(&self) -> usize {
        self.labels / self.terms_per_thought - self.thought_of(self.lag)
    }

    fn tokens(&self, units: usize) -> usize {
        vocabulary::count(&self.example(units))
    }
}

impl Sums {
    fn example(&self, thoughts: usize) -> Example {
        let terms = (self.thought_of(self.lag) + thoughts) * self.terms_per_thought - self.first - self.lag;
        let values = self.values(terms);
        Example {
            kind: Some(Kind::LaggedSums.to_string()),
            question: self.question(terms),
            thoughts: ended(self.thoughts(&values)),
            answer: format!("{} {}", self.name(values.len() - 1), values[values.len() - 1]),
        }
    }

    /// Starts and terms.
    fn values(&self, terms: usize) -> Vec<usize> {
        let mut values = self.starts.clone();
        for k in self.lag..self.lag + terms {
            values.push((values[k - self.near] + values[k - self.lag]) % self.modulus);
        }
        values
    }

    /// The name of the value with index `k`.
    fn name(&self, k: usize) -> String {
        format!("t{}", self.first + k)
    }

    fn question(&self, terms: usize) -> String {
        let starts = self.starts.iter().enumerate().map(|(k, value)| format!("{} {value} ", self.name(k)));
        let (dest, near, far) = (self.name(self.lag), self.name(self.lag - self.near), self.name(0));
        let wanted = self.name(self.lag + terms - 1);
        format!(
            "lagged sums mod {} : {}rule {dest} = {near} + {far} until {wanted} ; find {wanted} ?",
            self.modulus,
            starts.collect::<String>()
        )
    }

    /// `t56 5 + t40 7 =12 -> t69 2 ;`
    fn line(&self, values: &[usize], k: usize) -> String {
        let term = |k: usize| format!("{} {}", self.name(k), values[k]);
        let (near, far) = (k - self.near, k - self.lag);
        format!("{} + {} ={} -> {} ;", term(near), term(far), values[near] + values[far], term(k))
    }

    fn thoughts(&self, values: &[usize]) -> Vec<Thought> {
        let terms: Vec<usize> = (self.lag..values.len()).collect();
        let same_thought = |a: &usize, b: &usize| self.thought_of(*a) == self.thought_of(*b);
        let thought = |terms: &[usize]| Thought {
            detail: joined(terms.iter().map(|&k| self.line(values, k))),
            summary: joined(terms.iter().map(|&k| self.name(k))),
        };
        terms.chunk_by(same_thought).map(thought).collect()
    }

    /// Which block of names a value belongs to: each has a thought of its own.
    fn thought_of(&self, k: usize) -> usize {
        (self.first + k) / self.terms_per_thought
    }
}

/// Words with single spaces between.
fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
