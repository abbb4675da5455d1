//! `ledger : Name dN D D D - D D + D D ; ... order Name ... dawn Name until dU find Name dF ?`
//!
//! The generator has a closed form for each balance; here money moves day by day, all accounts at once.
//! What an account is paid stands in its own line, and need not be what another pays.

use super::words::{ParseError, Words};
use crate::data::synth::vocabulary::{ACCOUNTS, DAYS};

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
        let (day, account) = opening(words, &accounts, first)?;
        first = Some(day);
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
    let until = words.label("d", first + 1..=DAYS - 1, "a day after the opening balances")?;
    words.literally("find")?;
    let wanted = words.take(
        |word| accounts.iter().position(|account| account.name == word),
        || "one of the accounts".into(),
    )?;
    let letter = if words.peek().is_some_and(|word| word.starts_with('m')) { "m" } else { "d" };
    let day = words.label(letter, first + 1..=until, "a day's balance or (with m) low point")?;
    words.literally("?")?;

    for _ in first + 1..day {
        pay(&mut accounts);
        be_paid(&mut accounts);
    }
    pay(&mut accounts);
    if letter == "d" {
        be_paid(&mut accounts);
    }
    let balance = format!("{:03}", accounts[wanted].balance);
    Ok(balance.split("").filter(|digit| !digit.is_empty()).collect::<Vec<_>>().join(" "))
}

fn pay(accounts: &mut [Account]) {
    accounts.iter_mut().for_each(|account| account.balance = (account.balance + WRAP - account.pays) % WRAP);
}

fn be_paid(accounts: &mut [Account]) {
    accounts.iter_mut().for_each(|account| account.balance = (account.balance + account.receives) % WRAP);
}

/// One account's opening line, and the number of its day.
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
    let days = first.map_or(0..=DAYS - 2, |first| first..=first);
    let day = words.label("d", days, "the day of the opening balances")?;
    let balance = words.digits(3, "a digit of the balance")?;
    words.literally("-")?;
    let pays = words.digits(2, "a digit of what the account pays")?;
    words.literally("+")?;
    let receives = words.digits(2, "a digit of what the account is paid")?;
    words.literally(";")?;
    Ok((day, Account { name, balance, pays, receives }))
}

fn has(accounts: &[Account], name: &str) -> bool {
    accounts.iter().any(|account| account.name == name)
}
