//! Ledger: accounts that pay each other in a ring, day after day, worked out digit by digit.
//!
//! ```text
//! ledger : t6 4 t7 5 t10 1 t11 8 pays Ann 7 Bob 2 until t39 ; find t16 ?
//! <thought> t6 4 t7 5 - Ann 7 : b 8 b 3 t12 3 t13 8 + Bob 2 : c 0 c 4 t14 4 t15 0 ; </thought>
//! <summary> Ann t14 4 t15 0 t12 </summary> ... answer t16 1 t17 6
//! ```
//!
//! First come the opening balances, in the order of the accounts, each of which pays the next one every day, and the
//! last one the first. A thought is one account's day: what it pays, its low point, what it is paid, its closing
//! balance. Each of a number's two digits has a label, tens first, and each label is used once: two for a low point, the
//! next two for the closing balance. After a colon come the new digits, units first, each after `b` for a borrow, `c`
//! for a carry, `n` for none; balances wrap modulo 100. The summary gives the closing balance, and names the low
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
/// Labels of an account's day: two digits of a low point, two of a closing balance.
const LABELS_PER_ENTRY: usize = 4;

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
        // A thought needs four labels, and an opening balance stands for one.
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
    /// The number in the first label, that of the first opening balance's tens.
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
        (self.labels + 2 - self.first) / LABELS_PER_ENTRY - self.accounts.len()
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
            answer: balance(if low { self.lows(entry) } else { self.closes(entry) }, value),
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

    /// The number in the label of the tens of an entry's opening balance.
    fn opens(&self, entry: usize) -> usize {
        self.first + LABELS_PER_ENTRY * entry
    }

    /// The number in the label of the tens of its closing balance.
    fn closes(&self, entry: usize) -> usize {
        self.opens(entry + self.accounts.len())
    }

    /// The number in the label of the tens of its low point.
    fn lows(&self, entry: usize) -> usize {
        self.closes(entry) - 2
    }

    fn question(&self, entries: usize) -> String {
        let opening = (0..self.accounts.len()).map(|k| balance(self.opens(k), self.balances[k]) + " ");
        let pays = (0..self.accounts.len()).map(|k| self.amount(k) + " ");
        let Wanted { entry, low } = self.wanted;
        let until = self.closes(entries - 1) + 1;
        let wanted = if low { self.lows(entry) } else { self.closes(entry) };
        let (opening, pays) = (opening.collect::<String>(), pays.collect::<String>());
        format!("ledger : {opening}pays {pays}until t{until} ; find t{wanted} ?")
    }

    /// `Ann 7`: what an account pays.
    fn amount(&self, account: usize) -> String {
        format!("{} {}", self.accounts[account], self.payments[account])
    }

    fn thought(&self, entry: usize) -> Thought {
        let closing = balance(self.closes(entry), self.entry(entry).closing);
        let [account, _] = self.parties(entry);
        let (name, low) = (self.accounts[account], self.lows(entry));
        Thought { detail: self.line(entry), summary: format!("{name} {closing} t{low}") }
    }

    /// `t6 4 t7 5 - Ann 7 : b 8 b 3 t12 3 t13 8 + Bob 2 : c 0 c 4 t14 4 t15 0 ;`
    fn line(&self, entry: usize) -> String {
        let Entry { opening, low, closing } = self.entry(entry);
        let [account, payer] = self.parties(entry);
        let less = subtraction(opening, self.payments[account]);
        let more = addition(low, self.payments[payer]);
        let balances = [
            balance(self.opens(entry), opening),
            balance(self.lows(entry), low),
            balance(self.closes(entry), closing),
        ];
        let [from, via, to] = balances;
        format!("{from} - {} : {less} {via} + {} : {more} {to} ;", self.amount(account), self.amount(payer))
    }
}

/// `t8 4 t9 6`
fn balance(label: usize, value: usize) -> String {
    format!("t{label} {} t{} {}", value / 10, label + 1, value % 10)
}

/// `b 7 n 1`: the digits of a difference, units first, each after whether it borrows from the next.
fn subtraction(from: usize, amount: usize) -> String {
    by_digit(from, amount, |digit, less| ((digit + 10 - less) % 10, digit < less))
        .map(|(digit, borrows)| format!("{} {digit}", if borrows { 'b' } else { 'n' }))
        .join(" ")
}

/// `n 7 n 6`: the digits of a sum, units first, each after whether it carries into the next.
fn addition(to: usize, amount: usize) -> String {
    by_digit(to, amount, |digit, more| ((digit + more) % 10, digit + more > 9))
        .map(|(digit, carries)| format!("{} {digit}", if carries { 'c' } else { 'n' }))
        .join(" ")
}

/// Works through two numbers, units first: `step` gets a digit of the one, and of the other with what came over from
/// the place before; it returns the new digit and whether something goes over to the next.
fn by_digit(
    number: usize,
    amount: usize,
    step: impl Fn(usize, usize) -> (usize, bool),
) -> [(usize, bool); 2] {
    let mut over = false;
    [1, 10].map(|place| {
        let (digit, goes_over) = step(number / place % 10, amount / place % 10 + usize::from(over));
        over = goes_over;
        (digit, over)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_worked_out_units_first() {
        assert_eq!(subtraction(52, 35), "b 7 n 1");
        assert_eq!(addition(17, 50), "n 7 n 6");
        assert_eq!(addition(85, 99), "c 4 c 8");
        assert_eq!(subtraction(5, 6), "b 9 b 9");
        assert_eq!(balance(8, 7), "t8 0 t9 7");
    }
}
