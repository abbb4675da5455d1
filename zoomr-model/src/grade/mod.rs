//! Whether a model's text gives the right answer: for numbers and simple mathematical expressions.
//!
//! | file | what it does |
//! |---|---|
//! | `find` | where in a text the answer is |
//! | `frame` | what stands around an answer: markers, tags, signs of lists |
//! | `answer` | an answer as what it is: a quantity, a pair, a set, text |
//! | `expression` | an answer as a quantity: a value, maybe a percentage or with a unit |
//! | `numeral` | digits, separators, decimals and powers of ten as a number |
//! | `lead` | what of LaTeX and punctuation says nothing about a value |
//! | `value` | arithmetic, exact as long as it can be |
//! | `plain` | answers that are no quantities, as text |
//!
//! Two quantities are the same where their values are, and their units do not contradict each other: `12 cm` is
//! `12`, but not `12 m`. `50%` is right for `1/2` and for `50`. Rational numbers are compared exactly: `0.333` is not
//! `1/3`. Where a root, π or a number beyond 38 digits is involved, one part in a million may be off. Pairs, intervals
//! and matrices are compared part by part, sets and lists in any order, the rest as text, without regard to case,
//! spacing and LaTeX's layout commands.
//!
//! Limits: algebra is text (`x+1` is not `1+x`); units are not converted;
//! an answer of more than 4,096 bytes, or with brackets nested more than 64 deep, is text; only ASCII digits are
//! digits. Without a `\boxed` and without the word *answer*, the last plain number counts, which may be part of an
//! expression. No text makes this panic, and the time is proportional to its length.

mod answer;
mod expression;
mod find;
mod frame;
mod lead;
mod numeral;
mod plain;
mod value;

use self::answer::Answer;
pub(crate) use self::find::boxed;
pub use self::find::find;

/// Whether the answer that `text` gives is `right`.
///
/// ```
/// use zoomr_model::grade::grade;
///
/// assert!(grade(r"Hence \boxed{\frac{3}{4}} of it, not all 4.", "0.75"));
/// assert!(grade("<thought> 2 + 3 = 5 ; </thought> answer 4 1 7 <eos>", "417"));
/// assert!(!grade("The answer is 12 cm.", "12 m"));
/// ```
pub fn grade(text: &str, right: &str) -> bool {
    find(text).is_some_and(|given| same(given, right))
}

/// Whether two answers are the same; those that say nothing are not.
pub fn same(given: &str, right: &str) -> bool {
    let given = Answer::read(given);
    !given.is_empty() && given.is(&Answer::read(right))
}
