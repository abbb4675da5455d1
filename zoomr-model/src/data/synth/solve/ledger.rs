//! `ledger : Name tN D D D - D D + D D ; ... order Name ... dawn Name until tU find Name tF ?`
//!
//! The generator has a closed form for each balance; here money moves from time to time, all accounts at once.
//! What an account is paid stands in its own line, and need not be what another pays.

use super::words::{ParseError, Words};
use crate::data::synth::vocabulary::{ACCOUNTS, LABELS};

/// Balances wrap at this.
const WRAP: usize = 1000;

/// An account and its standing orders.
#[derive(Debug)]
struct Account {
    name: &'static str,
    balance: usize,
    pays: usize,
    receives: usize,
}

/// The answer.
pub(super) fn solve(words: &mut Words<'_>) -> Result<String, ParseError> {
    words.literally("ledger :")?;
    let mut accounts: Vec<Account> = Vec::new();
    let mut first = None;
    while words.peek() != Some("order") || accounts.len() < 2 {
        let (time, account) = opening(words, &accounts, first)?;
        first = Some(time);
        accounts.push(account);
    }
    let first = first.unwrap_or_default();
    words.literally("order")?;
    for account in &accounts {
        words.literally(account.name)?;
    }
    words.literally("dawn")?;
    words.literally(accounts[0].name)?;
    words.literally("until")?;
    let until = words.even_label(first + 2..=LABELS - 1, "an even time after the opening balances")?;
    words.literally("find")?;
    let wanted = words.take(
        |word| accounts.iter().position(|account| account.name == word),
        || "one of the accounts".into(),
    )?;
    let time = words.label(first + 1..=until, "the end of a day (even) or its low point (odd)")?;
    words.literally("?")?;

    for time in first + 1..=time {
        if time.is_multiple_of(2) { be_paid(&mut accounts) } else { pay(&mut accounts) }
    }
    let balance = format!("{:03}", accounts[wanted].balance);
    let digits = balance.split("").filter(|digit| !digit.is_empty());
    let name = [accounts[wanted].name, &format!("t{time}")];
    Ok(name.into_iter().chain(digits).collect::<Vec<_>>().join(" "))
}

fn pay(accounts: &mut [Account]) {
    accounts.iter_mut().for_each(|account| account.balance = (account.balance + WRAP - account.pays) % WRAP);
}

fn be_paid(accounts: &mut [Account]) {
    accounts.iter_mut().for_each(|account| account.balance = (account.balance + account.receives) % WRAP);
}

/// One account's opening line, and its time.
fn opening(
    words: &mut Words<'_>,
    before: &[Account],
    first: Option<usize>,
) -> Result<(usize, Account), ParseError> {
    let unused =
        |word: &str| ACCOUNTS.into_iter().find(|&name| name == word).filter(|name| !has(before, name));
    let expected = || match before.len() {
        0 | 1 => "an account's name (Ann, Bob, Cid, ...) not used before".to_owned(),
        _ => "an account's name (Ann, Bob, Cid, ...) not used before, or `order`".to_owned(),
    };
    let name = words.take(unused, expected)?;
    let times = first.map_or(0..=LABELS - 3, |first| first..=first);
    let time = words.even_label(times, "the even time of all opening balances")?;
    let balance = words.digits(3, "a digit of the balance")?;
    words.literally("-")?;
    let pays = words.digits(2, "a digit of what the account pays")?;
    words.literally("+")?;
    let receives = words.digits(2, "a digit of what the account is paid")?;
    words.literally(";")?;
    Ok((time, Account { name, balance, pays, receives }))
}

fn has(accounts: &[Account], name: &str) -> bool {
    accounts.iter().any(|account| account.name == name)
}
