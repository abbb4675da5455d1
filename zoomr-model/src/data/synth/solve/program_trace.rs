//! `program : x tN V ... a tN V ... loop x tF = x tN + a tK ; ... until tU find x tW ?`
//!
//! Values are kept by name and label, as the text has them. Unlike the generator's, a body may read any number of
//! cells, and the array's statement may stand anywhere.

use std::collections::BTreeMap;

use super::words::{ParseError, Words};
use crate::data::synth::vocabulary::{LABELS, SCALARS, VALUES};

/// The array's name.
const ARRAY: &str = "a";

/// A name with a label: what holds one value.
type Place<'a> = (&'a str, usize);

/// An assignment, its labels those of the first pass.
#[derive(Debug)]
struct Statement<'a> {
    dest: &'a str,
    left: Place<'a>,
    minus: bool,
    right: Place<'a>,
}

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("program :")?;
    let mut values = BTreeMap::new();
    let before = initial(words, &mut values)?;
    words.literally("loop")?;
    let body = body(words, &values, before)?;
    words.literally("until")?;
    let until = words.label(before + 1..=LABELS - 1, "the label of the last pass")?;
    words.literally("find")?;
    let dest = words.take(
        |word| body.iter().map(|statement| statement.dest).find(|dest| *dest == word),
        || "a name that the loop assigns".into(),
    )?;
    let pass = words.label(before + 1..=until, "the label of a pass")?;
    words.literally("?")?;

    for step in 0..=pass - before - 1 {
        // No assignment sees another of its own pass: operands have earlier labels.
        for statement in &body {
            let [left, right] =
                [statement.left, statement.right].map(|(name, label)| values[&(name, label + step)]);
            let value = if statement.minus { left + VALUES - right } else { left + right };
            values.insert((statement.dest, before + 1 + step), value % VALUES);
        }
    }
    Ok(format!("{dest} t{pass} {}", values[&(dest, pass)]))
}

/// The values before the first pass, up to `loop`; returns the newest label, which all scalars have.
fn initial<'a>(words: &mut Words<'a>, values: &mut BTreeMap<Place<'a>, usize>) -> Result<usize, ParseError> {
    let mut scalars: Option<usize> = None;
    let mut cell: Option<usize> = None;
    while words.peek() != Some("loop") || scalars.is_none() {
        let unused = |word: &'a str| known(word).filter(|&name| name == ARRAY || !has(values, name));
        let name = words.take(unused, || {
            let or_loop = if scalars.is_some() { ", or `loop`" } else { "" };
            format!("a scalar (x, y, z or w) not used before, `a` for a cell of the array{or_loop}")
        })?;
        let labels = match (name == ARRAY, scalars, cell) {
            (true, _, Some(before)) => before + 1..=(before + 1).min(LABELS - 2),
            (false, Some(label), _) => label..=label,
            _ => 0..=LABELS - 2,
        };
        let what = if name == ARRAY { "the label after the last cell's" } else { "the label of all scalars" };
        let label = words.label(labels, what)?;
        *if name == ARRAY { &mut cell } else { &mut scalars } = Some(label);
        values.insert((name, label), words.number(0..=VALUES - 1, "a value below 10")?);
    }
    let newest = scalars.unwrap_or_default();
    if cell.is_some_and(|cell| cell != newest) {
        return Err(words.expected(format!("cells of the array up to a t{newest}, as the scalars")));
    }
    Ok(newest)
}

/// The statements, up to `until`.
fn body<'a>(
    words: &mut Words<'a>,
    values: &BTreeMap<Place<'a>, usize>,
    before: usize,
) -> Result<Vec<Statement<'a>>, ParseError> {
    let mut body: Vec<Statement<'a>> = Vec::new();
    while words.peek() != Some("until") || body.is_empty() {
        let unused = |word: &'a str| known(word).filter(|name| body.iter().all(|other| other.dest != *name));
        let dest = words.take(unused, || "a name not assigned before, or `until`".into())?;
        words.label(before + 1..=before + 1, "the label of the first pass")?;
        words.literally("=")?;
        let left = operand(words, values, before)?;
        let minus = words.take(
            |word| ["+", "-"].iter().position(|sign| *sign == word).map(|sign| sign == 1),
            || "`+` or `-`".into(),
        )?;
        let right = operand(words, values, before)?;
        words.literally(";")?;
        body.push(Statement { dest, left, minus, right });
    }
    // Every name that is read must get a value in every pass.
    let assigned = |place: &Place<'_>| body.iter().any(|statement| statement.dest == place.0);
    let read = body.iter().flat_map(|statement| [statement.left, statement.right]);
    match read.into_iter().find(|place| !assigned(place)) {
        Some((name, _)) => {
            Err(words.expected(format!("a statement that assigns {name}, which the loop reads")))
        }
        None => Ok(body),
    }
}

/// A scalar of the pass before, or a cell that has a value.
fn operand<'a>(
    words: &mut Words<'a>,
    values: &BTreeMap<Place<'a>, usize>,
    before: usize,
) -> Result<Place<'a>, ParseError> {
    let name = words.take(
        |word| known(word).filter(|name| has(values, name)),
        || "a name that has a value before the loop".into(),
    )?;
    let oldest = values.keys().filter(|place| place.0 == name).map(|place| place.1).min();
    let label = words.label(oldest.unwrap_or(before)..=before, "a label that has a value")?;
    Ok((name, label))
}

/// A word that is a scalar's or the array's name.
fn known(word: &str) -> Option<&str> {
    (word == ARRAY || SCALARS.contains(&word)).then_some(word)
}

fn has(values: &BTreeMap<Place<'_>, usize>, name: &str) -> bool {
    values.keys().any(|place| place.0 == name)
}
