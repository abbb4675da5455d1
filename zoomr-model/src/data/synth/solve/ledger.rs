//! `ledger : tN D D ... pays Name D D ... until tU find tF ?`
//!
//! The generator has a closed form for each balance; here money moves, one account after the other.

use super::words::{ParseError, Words};
use crate::data::synth::vocabulary::{ACCOUNTS, LABELS};

/// Balances wrap at this.
const WRAP: usize = 100;

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("ledger :")?;
    let (mut balances, last) = openings(words)?;
    let amounts = amounts(words, balances.len())?;
    words.literally("until")?;
    let until = words.even_label(last + 2..=LABELS - 1, "an even label after the opening balances")?;
    words.literally("find")?;
    let wanted = words.label(last + 1..=until, "a closing balance (even) or a low point (odd)")?;
    words.literally("?")?;

    let mut account = 0_usize;
    for closing in (last + 2..=until).step_by(2) {
        let payer = account.checked_sub(1).unwrap_or(balances.len() - 1);
        let balance = &mut balances[account];
        *balance = (*balance + WRAP - amounts[account]) % WRAP;
        if wanted == closing - 1 {
            return Ok(answer(wanted, *balance));
        }
        *balance = (*balance + amounts[payer]) % WRAP;
        if wanted == closing {
            return Ok(answer(wanted, *balance));
        }
        account = (account + 1) % balances.len();
    }
    Err(words.expected("a label of some balance"))
}

fn answer(label: usize, balance: usize) -> String {
    format!("t{label} {} {}", balance / 10, balance % 10)
}

/// The opening balances, up to `pays`, and the last one's label.
fn openings(words: &mut Words<'_>) -> Result<(Vec<usize>, usize), ParseError> {
    let mut label = words.even_label(0..=LABELS - 1, "the first opening balance's even label")?;
    let mut balances = vec![words.digits(2, "a digit of the balance")?];
    while words.peek() != Some("pays") || balances.len() < 2 {
        let next = label + 2;
        let what = match balances.len() {
            1 => "the next opening balance",
            _ => "the next opening balance, or `pays`",
        };
        label = words.even_label(next..=next.min(LABELS - 1), what)?;
        balances.push(words.digits(2, "a digit of the balance")?);
    }
    Ok((balances, label))
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
        words.digits(2, "a digit of what the account pays")
    };
    (0..accounts).map(amount).collect()
}
