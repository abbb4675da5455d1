//! Problems made here: long reasoning, as long as there are labels (to 7,000 tokens at least), whose every step and
//! answer can be checked.
//!
//! Three kinds share one vocabulary of words ([`vocabulary`]); a text is words with single spaces between, and
//! each word is one token. Every value stands right after a unique name, so that looking it up is one step: find
//! the name, take what follows. So an answer repeats the name that is asked for. Lines of
//! working end with semicolons; the one that reaches the label after `until` is the last, and ends with a full stop.
//!
//! | module | what it makes |
//! |---|---|
//! | [`lagged_sums`] | each term is the sum of two far older ones: every step fetches from thoughts long gone |
//! | [`ledger`] | accounts and standing orders, digit by digit: summaries mostly suffice |
//! | [`program_trace`] | a loop over scalars and an array: both in one |
//! | [`ask`] | asks for more values than one |
//! | [`solve`] | answers again, from a question's text alone, in other ways than the generators |
//! | [`Series`] | as many of them as are wanted, of several kinds in turn |
//! | [`draw`] | random numbers: the same seed gives the same problems on every machine |
//!
//! Formats are the text of [`Example`]s; the markers around thoughts are added by [`render`](super::render).

pub mod ask;
pub mod draw;
mod fit;
pub mod lagged_sums;
pub mod ledger;
pub mod program_trace;
mod series;
pub mod solve;
pub mod vocabulary;

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::series::Series;
pub(crate) use self::series::generators;
use self::{
    draw::Draw,
    lagged_sums::{LaggedSums, LaggedSumsOptions},
    ledger::{Ledger, LedgerOptions},
    program_trace::{ProgramTrace, ProgramTraceOptions},
};
use super::example::{Example, Thought};

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// See [`lagged_sums`].
    LaggedSums,
    /// See [`ledger`].
    Ledger,
    /// See [`program_trace`].
    ProgramTrace,
}

impl Kind {
    /// Every kind, in the order in which they are listed to users.
    pub const ALL: &'static [Self] = &[Self::LaggedSums, Self::Ledger, Self::ProgramTrace];

    /// The name on the command line, in tables and in data.
    pub fn name(self) -> &'static str {
        match self {
            Self::LaggedSums => "lagged-sums",
            Self::Ledger => "ledger",
            Self::ProgramTrace => "program-trace",
        }
    }

    /// A generator of such problems with everything at its default.
    pub fn generator(self) -> Box<dyn Generator> {
        match self {
            Self::LaggedSums => Box::new(LaggedSums::default()),
            Self::Ledger => Box::new(Ledger::default()),
            Self::ProgramTrace => Box::new(ProgramTrace::default()),
        }
    }

    /// A generator of easier problems, to begin with: only the first `labels` labels, so that a model sees each of
    /// them more often, and lags from 2 to an eighth of them. Everything else is at its default.
    ///
    /// # Errors
    /// [`SynthError::Parameter`] unless `labels` is 32 to 600.
    pub fn generator_within(self, labels: usize) -> Result<Box<dyn Generator>, SynthError> {
        check("labels", labels, 32..=vocabulary::LABELS)?;
        let shorter = |lags: RangeInclusive<usize>| 2..=(*lags.end()).min(labels / 8);
        Ok(match self {
            Self::LaggedSums => {
                let default = LaggedSumsOptions::default();
                let lags = shorter(default.lags.clone());
                Box::new(LaggedSums::try_from(LaggedSumsOptions { labels, lags, ..default })?)
            }
            Self::Ledger => {
                let default = LedgerOptions::default().accounts;
                let accounts = *default.start()..=(*default.end()).min(labels / 8);
                Box::new(Ledger::try_from(LedgerOptions { accounts, labels })?)
            }
            Self::ProgramTrace => {
                let default = ProgramTraceOptions::default();
                let lags = shorter(default.lags.clone());
                Box::new(ProgramTrace::try_from(ProgramTraceOptions { labels, lags, ..default })?)
            }
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = SynthError;

    fn from_str(text: &str) -> Result<Self, SynthError> {
        let found = Self::ALL.iter().copied().find(|kind| kind.name() == text);
        found.ok_or_else(|| SynthError::Kind { given: text.to_owned() })
    }
}

/// Makes problems of one kind.
pub trait Generator: fmt::Debug + Send + Sync {
    /// The kind.
    fn kind(&self) -> Kind;

    /// A problem whose whole text, question, markers and end included, has about `tokens` tokens: at most so many,
    /// and fewer only where one more term, day or pass of the loop would be too many.
    ///
    /// # Errors
    /// [`SynthError::Length`] where no such problem is that short, or the names do not suffice for one that long.
    fn example(&self, tokens: usize, draw: &mut Draw) -> Result<Example, SynthError>;
}

/// Thoughts with a full stop for the last semicolon.
fn ended(mut thoughts: Vec<Thought>) -> Vec<Thought> {
    if let Some(last) = thoughts.last_mut() {
        last.detail.truncate(last.detail.trim_end_matches(';').len());
        last.detail.push('.');
    }
    thoughts
}

/// Why no problem can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SynthError {
    /// No kind has this name.
    #[error("`{given}` is not a kind of problem; known are lagged-sums, ledger and program-trace")]
    Kind {
        /// What was given.
        given: String,
    },
    /// A parameter is out of its range.
    #[error("{name} is {given}; it must be {range}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What was given.
        given: String,
        /// What would do.
        range: String,
    },
    /// There are no problems of this length.
    #[error("{kind}: no problem has {tokens} tokens; ask for {shortest} to {longest}")]
    Length {
        /// The kind.
        kind: Kind,
        /// What was asked for.
        tokens: usize,
        /// The length of the shortest problem.
        shortest: usize,
        /// The length of the longest.
        longest: usize,
    },
    /// No problem was found whose length is in a range.
    #[error("{kind}: no problem was found that has {from} to {to} tokens; give a wider range")]
    Range {
        /// The kind.
        kind: Kind,
        /// The shortest length asked for.
        from: usize,
        /// The longest.
        to: usize,
    },
    /// A question is none of those made here.
    #[error("`{question}`: {reason}")]
    Question {
        /// The question.
        question: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Makes sure that a parameter is within its range.
fn check(name: &'static str, given: usize, range: RangeInclusive<usize>) -> Result<(), SynthError> {
    if range.contains(&given) {
        return Ok(());
    }
    let range = format!("{} to {}", range.start(), range.end());
    Err(SynthError::Parameter { name, given: given.to_string(), range })
}

/// Makes sure that a parameter which is a range is not empty and within `range`.
fn check_range(
    name: &'static str,
    given: &RangeInclusive<usize>,
    range: RangeInclusive<usize>,
) -> Result<(), SynthError> {
    if !given.is_empty() && range.contains(given.start()) && range.contains(given.end()) {
        return Ok(());
    }
    let given = format!("{} to {}", given.start(), given.end());
    let range = format!("within {} to {}, the smaller number first", range.start(), range.end());
    Err(SynthError::Parameter { name, given, range })
}
