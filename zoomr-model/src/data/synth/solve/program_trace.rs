//! `program : x tN V ... a tN V ... loop x tF = x tN + a tK ; ... until tU ; find tW ... ?`
//!
//! Values are kept by label alone. Unlike the generator's, a body may read any values that there are, and the array's
//! statement may stand anywhere.

use std::collections::BTreeMap;

use super::{
    answers,
    words::{ParseError, Words},
};
use crate::data::synth::vocabulary::{LABELS, SCALARS, VALUES};

/// The array's name.
const ARRAY: &str = "a";

/// What holds a value: its label, and the name that stands before it.
type Values<'a> = BTreeMap<usize, (&'a str, usize)>;

/// An assignment, its labels those of the first pass.
#[derive(Debug)]
struct Statement<'a> {
    name: &'a str,
    dest: usize,
    left: usize,
    minus: bool,
    right: usize,
}

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("program :")?;
    let mut values = initial(words)?;
    let body = body(words, &values)?;
    let first = body[0].dest;
    words.literally("until")?;
    let until = words.label(first..=LABELS - 1, "a label that the loop assigns")?;
    let wanted = words.wanted(first..=until, |_| true, "a label that the loop assigns")?;

    for step in (0..=until - first).step_by(body.len()) {
        // No assignment sees another of its own pass: operands have earlier labels.
        for Statement { name, dest, left, minus, right } in &body {
            let [left, right] = [left, right].map(|label| values[&(label + step)].1);
            let value = if *minus { left + VALUES - right } else { left + right };
            values.insert(dest + step, (*name, value % VALUES));
        }
    }
    Ok(answers(&wanted, |wanted| format!("t{wanted} {}", values[&wanted].1)))
}

/// The values before the first pass, up to `loop`.
fn initial<'a>(words: &mut Words<'a>) -> Result<Values<'a>, ParseError> {
    let mut values = Values::new();
    while words.peek() != Some("loop") || values.is_empty() {
        let name = words.take(known, || {
            let or_loop = if values.is_empty() { "" } else { ", or `loop`" };
            format!("a scalar (x, y, z or w), or `a` for a cell of the array{or_loop}")
        })?;
        let (number, expected) = (words.peek(), words.expected("a label not used before"));
        let label = words.label(0..=LABELS - 2, "a value's label")?;
        if number.is_some() && values.contains_key(&label) {
            return Err(expected);
        }
        values.insert(label, (name, words.number(0..=VALUES - 1, "a value below 10")?));
    }
    Ok(values)
}

/// The statements, up to `until`.
fn body<'a>(words: &mut Words<'a>, values: &Values<'a>) -> Result<Vec<Statement<'a>>, ParseError> {
    words.literally("loop")?;
    let newest = values.keys().max().copied().unwrap_or_default();
    let mut body: Vec<Statement<'a>> = Vec::new();
    while words.peek() != Some("until") || body.is_empty() {
        let unused = |word: &'a str| known(word).filter(|name| body.iter().all(|other| other.name != *name));
        let name = words.take(unused, || "a name not assigned before, or `until`".into())?;
        let dest = newest + 1 + body.len();
        words.label(dest..=dest.min(LABELS - 1), "the label after the last")?;
        words.literally("=")?;
        let left = operand(words, values)?;
        let minus = words.take(
            |word| ["+", "-"].iter().position(|sign| *sign == word).map(|sign| sign == 1),
            || "`+` or `-`".into(),
        )?;
        let right = operand(words, values)?;
        words.literally(";")?;
        body.push(Statement { name, dest, left, minus, right });
    }
    // Every value that is read must have one like it, a pass later, in every pass.
    let lasts = |label: &usize| {
        let mut later = (*label..=newest).step_by(body.len());
        let name = values[label].0;
        let ends = newest + 1 + (label + (newest + 1) * body.len() - newest - 1) % body.len();
        later.all(|label| values.get(&label).is_some_and(|value| value.0 == name))
            && body.iter().any(|statement| statement.name == name && statement.dest == ends)
    };
    match body.iter().flat_map(|statement| [statement.left, statement.right]).find(|label| !lasts(label)) {
        Some(label) => Err(words.expected(format!(
            "statements that give every value read a successor; that of {} t{label}, {} labels later, is missing",
            values[&label].0,
            body.len()
        ))),
        None => Ok(body),
    }
}

/// The label of a value before the loop.
fn operand(words: &mut Words<'_>, values: &Values<'_>) -> Result<usize, ParseError> {
    let name = words.take(
        |word| values.values().map(|value| value.0).find(|name| *name == word),
        || "a name that has a value before the loop".into(),
    )?;
    let labels: Vec<String> =
        values.iter().filter(|(_, value)| value.0 == name).map(|(label, _)| format!("t{label}")).collect();
    words
        .take(
            |word| values.iter().find(|(label, value)| value.0 == name && format!("t{label}") == word),
            || format!("the label of a value of {name}: {}", labels.join(" or ")),
        )
        .map(|(label, _)| *label)
}

/// A word that is a scalar's or the array's name.
fn known(word: &str) -> Option<&str> {
    (word == ARRAY || SCALARS.contains(&word)).then_some(word)
}
