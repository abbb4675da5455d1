//! `ledger : tN D tM D ... pays Name D ... until tU ; find tF ?`
//!
//! The generator has a closed form for each balance; here money moves, one account after the other.

use super::words::{ParseError, Words};
use crate::data::synth::vocabulary::{ACCOUNTS, LABELS};

/// Balances wrap at this.
const WRAP: usize = 100;
/// From one balance's labels to the next one's.
const STRIDE: usize = 4;

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("ledger :")?;
    let (mut balances, last) = openings(words)?;
    let amounts = amounts(words, balances.len())?;
    words.literally("until")?;
    let first = last + STRIDE - 2;
    let ends = |label: usize| (label + 1 - first).is_multiple_of(STRIDE);
    let until = words.label_that(first..=LABELS - 1, ends, "the last label of a closing balance")?;
    words.literally("; find")?;
    let begins = |label: usize| (label - first).is_multiple_of(2);
    let what = "the first label of a low point or a closing balance";
    let wanted = words.label_that(first..=until - 1, begins, what)?;
    words.literally("?")?;

    // The two numbers of each day in turn: low point, closing balance.
    let (day, closes) = ((wanted - first) / STRIDE, !(wanted - first).is_multiple_of(STRIDE));
    let payer = |account: usize| account.checked_sub(1).unwrap_or(amounts.len() - 1);
    let mut low = 0;
    for account in (0..balances.len()).cycle().take(day + 1) {
        low = (balances[account] + WRAP - amounts[account]) % WRAP;
        balances[account] = (low + amounts[payer(account)]) % WRAP;
    }
    let value = if closes { balances[day % amounts.len()] } else { low };
    Ok(format!("t{wanted} {} t{} {}", value / 10, wanted + 1, value % 10))
}

/// The opening balances, up to `pays`, and the last one's first label.
fn openings(words: &mut Words<'_>) -> Result<(Vec<usize>, usize), ParseError> {
    let mut label = words.label(0..=LABELS - 1, "the first opening balance's tens")?;
    let mut balances = vec![balance(words, label)?];
    while words.peek() != Some("pays") || balances.len() < 2 {
        let next = label + STRIDE;
        let what = match balances.len() {
            1 => "the next opening balance",
            _ => "the next opening balance, or `pays`",
        };
        label = words.label(next..=next.min(LABELS - 1), what)?;
        balances.push(balance(words, label)?);
    }
    Ok((balances, label))
}

/// A balance after its first label.
fn balance(words: &mut Words<'_>, label: usize) -> Result<usize, ParseError> {
    let tens = words.number(0..=9, "the balance's tens")?;
    let units = label + 1;
    words.label(units..=units.min(LABELS - 1), "the label of the balance's units")?;
    Ok(10 * tens + words.number(0..=9, "the balance's units")?)
}

/// What each account pays.
fn amounts(words: &mut Words<'_>, accounts: usize) -> Result<Vec<usize>, ParseError> {
    words.literally("pays")?;
    let mut names: Vec<&str> = Vec::new();
    let amount = |_| {
        let unused = |word: &str| ACCOUNTS.into_iter().find(|name| *name == word && !names.contains(name));
        let name = words.take(unused, || {
            format!("an account's name (Ann, Bob, Cid, ...) not used before: there are {accounts} balances")
        })?;
        names.push(name);
        words.number(1..=9, "what the account pays")
    };
    (0..accounts).map(amount).collect()
}
