//! Ledger: accounts that pay each other in a ring, day after day, worked out digit by digit.
//!
//! ```text
//! ledger : Ann t8 5 t9 4 Bob t12 8 t13 1 pays Ann 7 Bob 2 ring Ann Bob Ann until t49 ; find t16 ?
//! <thought> t8 5 Bob Ann - Ann 7 =-2 -> t14 8 ; t9 4 - 1 =3 -> t15 3 ;
//! t14 8 + Bob 2 =10 -> t16 0 ; t15 3 + 1 =4 -> t17 4 ; </thought>
//! <summary> Ann t16 0 t17 4 t14 t15 </summary> ... answer t16 0 t17 4
//! ```
//!
//! First come the opening balances, then what each account pays the next one in the ring, every day. A thought is one
//! account's day, in the order of the ring: its opening balance, who pays it, what it pays, its low point, what it is
//! paid, its closing balance. It has four labels, in the order in which it writes them: a low point's two digits, units
//! first, which opening balances lack, and a closing balance's. A line works out one digit: the digit before, what is
//! added to it or taken from it, the result, and, after an arrow, the new digit; the line of the tens adds or takes what
//! the units carry or borrow, 0 or 1. Balances wrap modulo 100. The summary gives the closing balance, and names the low
//! point. The question asks for one of these, or for a low point, which only the thought's detail holds.
//!
//! A thought names the payer before the account, as the last summary does, because then the account is what follows in
//! the ring: to look something up is one step everywhere.

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
/// Labels of an account's day: two digits of a low point, two of a closing balance.
const LABELS_PER_ENTRY: usize = 4;
/// The place among them of a balance's units.
const BALANCE: usize = 2;

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

    /// The number in the label of an entry's low point's units, the first of its labels.
    fn low(&self, entry: usize) -> usize {
        self.first + LABELS_PER_ENTRY * (self.accounts.len() + entry)
    }

    /// The number in the label of its closing balance's units.
    fn closing(&self, entry: usize) -> usize {
        self.low(entry) + BALANCE
    }

    /// The number in the label of its opening balance's units.
    fn opening(&self, entry: usize) -> usize {
        self.first + LABELS_PER_ENTRY * entry + BALANCE
    }

    /// The number in the label of the units that are asked for.
    fn wanted(&self) -> usize {
        let Wanted { entry, low } = self.wanted;
        if low { self.low(entry) } else { self.closing(entry) }
    }

    /// `Ann t8 5 t9 4`: a balance of an account, by the label of its units.
    fn balance(&self, account: usize, label: usize, value: usize) -> String {
        format!("{} {}", self.accounts[account], digits(label, value))
    }

    fn question(&self, entries: usize) -> String {
        let opening =
            (0..self.accounts.len()).map(|k| self.balance(k, self.opening(k), self.balances[k]) + " ");
        let pays = (0..self.accounts.len()).map(|k| format!("{} {} ", self.accounts[k], self.payments[k]));
        let (until, wanted) = (self.closing(entries - 1) + 1, self.wanted());
        let (opening, pays) = (opening.collect::<String>(), pays.collect::<String>());
        let ring = format!("{} {}", self.accounts.join(" "), self.accounts[0]);
        format!("ledger : {opening}pays {pays}ring {ring} until t{until} ; find t{wanted} ?")
    }

    fn thought(&self, entry: usize) -> Thought {
        let [account, _] = self.parties(entry);
        let closing = self.balance(account, self.closing(entry), self.entry(entry).closing);
        let low = self.low(entry);
        Thought { detail: self.lines(entry), summary: format!("{closing} t{low} t{}", low + 1) }
    }

    /// `t8 5 Bob Ann - Ann 7 =-2 -> t14 8 ; t9 4 - 1 =3 -> t15 3 ; t14 8 + Bob 2 =10 -> t16 0 ; ...`
    fn lines(&self, entry: usize) -> String {
        let Entry { opening, low, .. } = self.entry(entry);
        let [(account, pays), (payer, receives)] =
            self.parties(entry).map(|account| (self.accounts[account], self.payments[account]));
        let by = format!("{payer} {account} - {account}");
        let less = change((self.opening(entry), opening), '-', (&by, pays), self.low(entry));
        let by = format!("+ {payer}");
        let more = change((self.low(entry), low), '+', (&by, receives), self.closing(entry));
        format!("{less} {more}")
    }
}

/// `t8 5 t9 4`: two digits under two labels from the first on, units first.
fn digits(first: usize, value: usize) -> String {
    format!("t{first} {} t{} {}", value % 10, first + 1, value / 10)
}

/// `t8 5 - Ann 7 =-2 -> t14 8 ; t9 4 - 1 =3 -> t15 3 ;`: a balance, given with its first label, changes by an amount of
/// one digit, given with the words before it; the new one has labels from `to` on.
fn change((label, balance): (usize, usize), sign: char, (by, amount): (&str, usize), to: usize) -> String {
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
        "t{label} {units} {by} {amount} ={low} -> t{to} {new_units} ; \
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
        assert_eq!(change((3, 52), '-', ("- Ann", 5)), "t3 2 - Ann 5 =-3 -> t8 7 ; t4 5 - 1 =4 -> t9 4 ;");
        assert_eq!(change((3, 17), '+', ("+ Bob", 2)), "t3 7 + Bob 2 =9 -> t8 9 ; t4 1 + 0 =1 -> t9 1 ;");
        assert_eq!(change((3, 95), '+', ("+ Bob", 9)), "t3 5 + Bob 9 =14 -> t8 4 ; t4 9 + 1 =10 -> t9 0 ;");
        assert_eq!(change((3, 5), '-', ("- Ann", 6)), "t3 5 - Ann 6 =-1 -> t8 9 ; t4 0 - 1 =-1 -> t9 9 ;");
        assert_eq!(digits(8, 7), "t8 7 t9 0");
    }
}
