//! `ledger : tN Name tN D tN D ... pays Name D ... until tU ; find tF ?`
//!
//! The generator has a closed form for each balance; here money moves, one account after the other.

use super::words::{ParseError, Words};
use crate::data::synth::vocabulary::{ACCOUNTS, LABELS};

/// Balances wrap at this.
const WRAP: usize = 100;
/// From one balance's first label to the next one's.
const STRIDE: usize = 5;
/// From a day's first label to that of its low point's units.
const LOW: usize = 1;
/// And to that of its closing balance's units.
const CLOSING: usize = 3;

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("ledger :")?;
    let Openings { names, mut balances, last } = openings(words)?;
    words.literally("pays")?;
    let amount = |name: &&str| {
        words.literally(name)?;
        words.number(1..=9, "what the account pays")
    };
    let amounts = names.iter().map(amount).collect::<Result<Vec<_>, _>>()?;
    words.literally("until")?;
    let first = last + STRIDE;
    let ends = |label: usize| (label + 1 - first).is_multiple_of(STRIDE);
    let until = words.label_that(first..=LABELS - 1, ends, "the last label of a day")?;
    words.literally("; find")?;
    let begins = |label: usize| matches!((label - first) % STRIDE, LOW | CLOSING);
    let what = "the units' label of a low point or a closing balance";
    let wanted = words.label_that(first..=until - 1, begins, what)?;
    words.literally("?")?;

    let (day, closes) = ((wanted - first) / STRIDE, (wanted - first) % STRIDE == CLOSING);
    let payer = |account: usize| account.checked_sub(1).unwrap_or(amounts.len() - 1);
    let mut low = 0;
    for account in (0..balances.len()).cycle().take(day + 1) {
        low = (balances[account] + WRAP - amounts[account]) % WRAP;
        balances[account] = (low + amounts[payer(account)]) % WRAP;
    }
    let value = if closes { balances[day % amounts.len()] } else { low };
    Ok(format!("t{wanted} {} t{} {}", value % 10, wanted + 1, value / 10))
}

/// The accounts before the first day.
struct Openings<'a> {
    names: Vec<&'a str>,
    balances: Vec<usize>,
    /// The last balance's first label.
    last: usize,
}

/// The opening balances, up to `pays`.
fn openings<'a>(words: &mut Words<'a>) -> Result<Openings<'a>, ParseError> {
    let last = words.label(0..=LABELS - 1, "the first opening balance")?;
    let mut openings = Openings { names: Vec::new(), balances: Vec::new(), last };
    openings.take(words)?;
    while words.peek() != Some("pays") || openings.names.len() < 2 {
        let next = openings.last + STRIDE;
        let what = match openings.names.len() {
            1 => "the next opening balance",
            _ => "the next opening balance, or `pays`",
        };
        openings.last = words.label(next..=next.min(LABELS - 1), what)?;
        openings.take(words)?;
    }
    Ok(openings)
}

impl<'a> Openings<'a> {
    /// Takes what stands after a balance's first label.
    fn take(&mut self, words: &mut Words<'a>) -> Result<(), ParseError> {
        let unused =
            |word: &'a str| Some(word).filter(|word| ACCOUNTS.contains(word) && !self.names.contains(word));
        let name = words.take(unused, || "an account's name (Ann, Bob, Cid, ...) not used before".into())?;
        let mut balance = 0;
        for (label, place) in [(self.last + CLOSING, 1), (self.last + CLOSING + 1, 10)] {
            words.label(label..=label.min(LABELS - 1), "the label of the balance's next digit")?;
            balance += place * words.number(0..=9, "a digit of the balance")?;
        }
        self.names.push(name);
        self.balances.push(balance);
        Ok(())
    }
}
