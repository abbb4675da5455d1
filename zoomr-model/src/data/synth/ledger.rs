//! Ledger: accounts that pay each other in a ring, day after day, worked out digit by digit.
//!
//! ```text
//! ledger : t6 Ann t9 5 t10 4 t11 Bob t14 8 t15 1 pays Ann 7 Bob 2 until t50 ; find t19 ?
//! <thought> t6 Ann -> t16 Ann ; t9 5 - Ann 7 =-2 -> t17 8 ; t10 4 - 1 =3 -> t18 3 ;
//! t17 8 + Bob 2 =10 -> t19 0 ; t18 3 + 1 =4 -> t20 4 ; </thought>
//! <summary> t16 Ann t19 0 t20 4 t17 t18 </summary> ... answer t19 0 t20 4
//! ```
//!
//! First come the opening balances, in the order of the accounts, each of which pays the next one every day, and the
//! last one the first. A thought is one account's day: what it pays, its low point, what it is paid, its closing
//! balance. It has five labels, in the order in which it writes them: whose it is; a low point's two digits, units
//! first, which opening balances lack; a closing balance's. A line works out one digit: the digit before, what is added
//! to it or taken from it, the result, and, after an arrow, the new digit; the line of the tens adds or takes what the
//! units carry or borrow, 0 or 1. Balances wrap modulo 100. The summary gives the closing balance, and names the low
//! point. The question asks for one of these, or for a low point, which only the thought's detail holds.

use std::ops::RangeInclusive;

use super::{
    Generator, Kind, SynthError, check, check_range,
    draw::Draw,
    ended,
    fit::{self, Shape},
    vocabulary::{self, ACCOUNTS, LABELS},
};
use crate::data::example::{Example, Thought};

/// Balances are below it.
const WRAP: usize = 100;
/// Labels of an account's day: its owner's, two digits of a low point, two of a closing balance.
const LABELS_PER_ENTRY: usize = 5;
/// The place among them of a low point's units.
const LOW: usize = 1;
/// The place among them of a balance's units.
const BALANCE: usize = 3;

/// What ledgers are like, as a person gives it; [`Ledger`] has checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerOptions {
    /// Accounts of a ledger: within 2 to 26.
    pub accounts: RangeInclusive<usize>,
    /// Labels that balances are given: 12 to 600.
    pub labels: usize,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { accounts: 2..=6, labels: LABELS }
    }
}

/// Makes ledgers.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    options: LedgerOptions,
}

impl TryFrom<LedgerOptions> for Ledger {
    type Error = SynthError;

    fn try_from(options: LedgerOptions) -> Result<Self, SynthError> {
        check_range("accounts", &options.accounts, 2..=ACCOUNTS.len())?;
        check("labels", options.labels, 12..=LABELS)?;
        // An opening balance stands for a thought, and there must be room for some.
        check_range("accounts", &options.accounts, 2..=options.labels / (2 * LABELS_PER_ENTRY))?;
        Ok(Self { options })
    }
}

impl Generator for Ledger {
    fn kind(&self) -> Kind {
        Kind::Ledger
    }

    fn example(&self, tokens: usize, draw: &mut Draw) -> Result<Example, SynthError> {
        let LedgerOptions { accounts, labels } = &self.options;
        let shapes = accounts.clone().map(|accounts| Book::blank(accounts, *labels)).collect();
        let (shape, entries): (Book, usize) = fit::choose(self.kind(), shapes, tokens, draw)?;
        let count = shape.accounts.len();
        let mut some =
            |range: RangeInclusive<usize>| (0..count).map(|_| draw.within(range.clone())).collect();
        let (balances, payments) = (some(0..=WRAP - 1), some(1..=9));
        let book = Book {
            accounts: draw.some_of(&ACCOUNTS, count),
            labels: shape.labels,
            first: draw.within(0..=LABELS_PER_ENTRY * (shape.most() - entries)),
            balances,
            payments,
            wanted: Wanted { entry: draw.below(entries), low: draw.coin() },
        };
        Ok(book.example(entries))
    }
}

/// One problem, but for the number of its entries.
#[derive(Debug)]
struct Book {
    accounts: Vec<&'static str>,
    /// How many labels there are.
    labels: usize,
    /// The number in the first label, that of the first opening balance.
    first: usize,
    /// What each account opens with.
    balances: Vec<usize>,
    /// What each account pays the next, every day: one digit.
    payments: Vec<usize>,
    wanted: Wanted,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    entry: usize,
    /// The low point instead of the closing balance.
    low: bool,
}

/// One account's day.
#[derive(Clone, Copy, Debug)]
struct Entry {
    opening: usize,
    low: usize,
    closing: usize,
}

impl Shape for Book {
    fn most(&self) -> usize {
        (self.labels - self.first) / LABELS_PER_ENTRY - self.accounts.len()
    }

    fn tokens(&self, units: usize) -> usize {
        vocabulary::count(&self.example(units))
    }
}

impl Book {
    /// A ledger of so many accounts that is as long as any other.
    fn blank(accounts: usize, labels: usize) -> Self {
        Self {
            accounts: ACCOUNTS[..accounts].to_vec(),
            labels,
            first: 0,
            balances: vec![0; accounts],
            payments: vec![0; accounts],
            wanted: Wanted { entry: 0, low: false },
        }
    }

    fn example(&self, entries: usize) -> Example {
        let Wanted { entry, low } = self.wanted;
        let wanted = self.entry(entry);
        let value = if low { wanted.low } else { wanted.closing };
        Example {
            kind: Some(Kind::Ledger.to_string()),
            question: self.question(entries),
            thoughts: ended((0..entries).map(|entry| self.thought(entry)).collect()),
            answer: digits(self.wanted(), value),
        }
    }

    /// The account of an entry, and the one that pays it.
    fn parties(&self, entry: usize) -> [usize; 2] {
        let count = self.accounts.len();
        [entry % count, (entry + count - 1) % count]
    }

    fn entry(&self, entry: usize) -> Entry {
        let [account, payer] = self.parties(entry);
        let (pays, receives) = (self.payments[account], self.payments[payer]);
        let days = entry / self.accounts.len();
        let opening = (self.balances[account] + days * (WRAP + receives - pays)) % WRAP;
        let low = (opening + WRAP - pays) % WRAP;
        Entry { opening, low, closing: (low + receives) % WRAP }
    }

    /// The number in the first label of an entry's opening balance, which says whose it is.
    fn opens(&self, entry: usize) -> usize {
        self.first + LABELS_PER_ENTRY * entry
    }

    /// The number in the first label of its closing balance.
    fn closes(&self, entry: usize) -> usize {
        self.opens(entry + self.accounts.len())
    }

    /// The number in the label of the units that are asked for.
    fn wanted(&self) -> usize {
        let Wanted { entry, low } = self.wanted;
        self.closes(entry) + if low { LOW } else { BALANCE }
    }

    /// `t6 Ann t9 5 t10 4`: a balance of an account, by the first of the five labels.
    fn balance(&self, account: usize, first: usize, value: usize) -> String {
        format!("t{first} {} {}", self.accounts[account], digits(first + BALANCE, value))
    }

    fn question(&self, entries: usize) -> String {
        let opening =
            (0..self.accounts.len()).map(|k| self.balance(k, self.opens(k), self.balances[k]) + " ");
        let pays = (0..self.accounts.len()).map(|k| format!("{} {} ", self.accounts[k], self.payments[k]));
        let (until, wanted) = (self.closes(entries - 1) + LABELS_PER_ENTRY - 1, self.wanted());
        let (opening, pays) = (opening.collect::<String>(), pays.collect::<String>());
        format!("ledger : {opening}pays {pays}until t{until} ; find t{wanted} ?")
    }

    fn thought(&self, entry: usize) -> Thought {
        let ([account, _], closes) = (self.parties(entry), self.closes(entry));
        let closing = self.balance(account, closes, self.entry(entry).closing);
        let [units, tens] = [LOW, LOW + 1].map(|label| closes + label);
        Thought { detail: self.lines(entry), summary: format!("{closing} t{units} t{tens}") }
    }

    /// `t6 Ann -> t16 Ann ; t9 5 - Ann 7 =-2 -> t17 8 ; t10 4 - 1 =3 -> t18 3 ; t17 8 + Bob 2 =10 -> t19 0 ; ...`
    fn lines(&self, entry: usize) -> String {
        let Entry { opening, low, .. } = self.entry(entry);
        let [account, payer] = self.parties(entry);
        let [opens, closes] = [self.opens(entry), self.closes(entry)];
        let owner = self.accounts[account];
        let amount = |account: usize| (self.accounts[account], self.payments[account]);
        let less = change((opens + BALANCE, opening), '-', amount(account), closes + LOW);
        let more = change((closes + LOW, low), '+', amount(payer), closes + BALANCE);
        format!("t{opens} {owner} -> t{closes} {owner} ; {less} {more}")
    }
}

/// `t9 5 t10 4`: two digits under two labels from the first on, units first.
fn digits(first: usize, value: usize) -> String {
    format!("t{first} {} t{} {}", value % 10, first + 1, value / 10)
}

/// `t9 5 - Ann 7 =-2 -> t17 8 ; t10 4 - 1 =3 -> t18 3 ;`: a balance, given with its first label, changes by what an
/// account pays, one digit; the new one has labels from `to` on.
fn change(
    (label, balance): (usize, usize),
    sign: char,
    (account, amount): (&str, usize),
    to: usize,
) -> String {
    let result = |digit: usize, operand: usize| match sign {
        '-' => digit as i32 - operand as i32,
        _ => (digit + operand) as i32,
    };
    let [units, tens] = [balance % 10, balance / 10];
    let low = result(units, amount);
    let carried = usize::from(!(0..=9).contains(&low));
    let high = result(tens, carried);
    let [new_units, new_tens] = [low, high].map(|result| result.rem_euclid(10));
    format!(
        "t{label} {units} {sign} {account} {amount} ={low} -> t{to} {new_units} ; \
         t{} {tens} {sign} {carried} ={high} -> t{} {new_tens} ;",
        label + 1,
        to + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_worked_out_units_first() {
        let change = |from, sign, amount| change(from, sign, amount, 8);
        assert_eq!(change((3, 52), '-', ("Ann", 5)), "t3 2 - Ann 5 =-3 -> t8 7 ; t4 5 - 1 =4 -> t9 4 ;");
        assert_eq!(change((3, 17), '+', ("Bob", 2)), "t3 7 + Bob 2 =9 -> t8 9 ; t4 1 + 0 =1 -> t9 1 ;");
        assert_eq!(change((3, 95), '+', ("Bob", 9)), "t3 5 + Bob 9 =14 -> t8 4 ; t4 9 + 1 =10 -> t9 0 ;");
        assert_eq!(change((3, 5), '-', ("Ann", 6)), "t3 5 - Ann 6 =-1 -> t8 9 ; t4 0 - 1 =-1 -> t9 9 ;");
        assert_eq!(digits(8, 7), "t8 7 t9 0");
    }
}
