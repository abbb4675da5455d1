//! `ledger : Name tN D tN D ... pays Name D ... ring Name ... until tU ; find tF ... ?`
//!
//! The generator has a closed form for each balance; here money moves, one account after the other.

use std::ops::RangeInclusive;

use super::{
    answers,
    words::{ParseError, Words},
};
use crate::data::synth::vocabulary::{ACCOUNTS, LABELS};

/// Balances wrap at this.
const WRAP: usize = 100;
/// From the label of one balance's units to that of the next one's.
const STRIDE: usize = 4;
/// From the label of a low point's units to that of the closing balance's.
const CLOSING: usize = 2;

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("ledger :")?;
    let Openings { names, mut balances, next } = openings(words)?;
    words.literally("pays")?;
    let amount = |name: &&str| {
        words.literally(name)?;
        words.number(1..=9, "what the account pays")
    };
    let amounts = names.iter().map(amount).collect::<Result<Vec<_>, _>>()?;
    words.literally("ring")?;
    names.iter().chain(&names[..1]).try_for_each(|name| words.literally(name))?;
    words.literally("until")?;
    let first = next.start() - CLOSING;
    let ends = |label: usize| (label + 1 - first).is_multiple_of(STRIDE);
    let until = words.label_that(first..=LABELS - 1, ends, "the last label of a day")?;
    let begins = |label: usize| matches!((label - first) % STRIDE, 0 | CLOSING);
    let what = "the units' label of a low point or a closing balance";
    let wanted = words.wanted(first..=until - 1, begins, what)?;

    let payer = |account: usize| account.checked_sub(1).unwrap_or(amounts.len() - 1);
    // Two digits under each label that begins one.
    let mut values = Vec::new();
    for account in (0..balances.len()).cycle().take((until + 1 - first) / STRIDE) {
        let low = (balances[account] + WRAP - amounts[account]) % WRAP;
        balances[account] = (low + amounts[payer(account)]) % WRAP;
        values.extend([low, balances[account]]);
    }
    Ok(answers(&wanted, |wanted| {
        let value = values[(wanted - first) / CLOSING];
        format!("t{wanted} {} t{} {}", value % 10, wanted + 1, value / 10)
    }))
}

/// The accounts before the first day.
struct Openings<'a> {
    names: Vec<&'a str>,
    balances: Vec<usize>,
    /// The labels that the next balance's units may have.
    next: RangeInclusive<usize>,
}

/// The opening balances, up to `pays`.
fn openings<'a>(words: &mut Words<'a>) -> Result<Openings<'a>, ParseError> {
    let mut openings = Openings { names: Vec::new(), balances: Vec::new(), next: 0..=LABELS - 1 };
    while openings.names.len() < 2 || words.peek() != Some("pays") {
        openings.take(words)?;
    }
    Ok(openings)
}

impl<'a> Openings<'a> {
    /// Takes an account's name and balance.
    fn take(&mut self, words: &mut Words<'a>) -> Result<(), ParseError> {
        let unused =
            |word: &'a str| Some(word).filter(|word| ACCOUNTS.contains(word) && !self.names.contains(word));
        let or_pays = if self.names.len() < 2 { "" } else { ", or `pays`" };
        let what = || format!("an account's name (Ann, Bob, Cid, ...) not used before{or_pays}");
        let name = words.take(unused, what)?;
        let units = words.label(self.next.clone(), "the label of the balance's units")?;
        let mut balance = words.number(0..=9, "a digit of the balance")?;
        let tens = units + 1;
        words.label(tens..=tens.min(LABELS - 1), "the label of the balance's tens")?;
        balance += 10 * words.number(0..=9, "a digit of the balance")?;
        self.names.push(name);
        self.balances.push(balance);
        let next = units + STRIDE;
        self.next = next..=next.min(LABELS - 1);
        Ok(())
    }
}
