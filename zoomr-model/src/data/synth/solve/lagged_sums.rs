//! `lagged sums mod M : tN V ... rule tK = tI + tJ until tU ; find tF ... ?`
//!
//! Unlike the generator's, the lags may be any two, in either order.

use super::{
    answers,
    words::{ParseError, Words},
};
use crate::data::synth::vocabulary::{LABELS, VALUES};

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("lagged sums mod")?;
    let modulus = words.number(2..=VALUES, "the modulus")?;
    words.literally(":")?;
    let first = words.label(0..=LABELS - 1, "the first start value's name")?;
    let mut values = starts(words, first, modulus)?;
    let dest = first + values.len();

    words.literally("rule")?;
    words.label(dest..=dest.min(LABELS - 1), "the first name after the start values")?;
    words.literally("=")?;
    let left = words.label(first..=dest - 1, "a start value")?;
    words.literally("+")?;
    let right = words.label(first..=dest - 1, "a start value")?;
    words.literally("until")?;
    let until = words.label(dest..=LABELS - 1, "a name after the start values")?;
    let wanted = words.wanted(dest..=until, |_| true, "a name after the start values")?;

    let lags = [dest - left, dest - right];
    while values.len() <= until - first {
        let [a, b] = lags.map(|lag| values[values.len() - lag]);
        values.push((a + b) % modulus);
    }
    Ok(answers(&wanted, |wanted| format!("t{wanted} {}", values[wanted - first])))
}

/// The start values, up to `rule`.
fn starts(words: &mut Words<'_>, first: usize, modulus: usize) -> Result<Vec<usize>, ParseError> {
    let mut values = vec![words.number(0..=modulus - 1, "a value below the modulus")?];
    while words.peek() != Some("rule") {
        let next = first + values.len();
        let what = format!("the name after t{}, or `rule`", next - 1);
        words.label(next..=next.min(LABELS - 1), &what)?;
        values.push(words.number(0..=modulus - 1, "a value below the modulus")?);
    }
    Ok(values)
}
