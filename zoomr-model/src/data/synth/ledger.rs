//! Ledger: accounts that pay each other in a ring, day after day, worked out digit by digit.
//!
//! ```text
//! ledger : t6 Ann t7 4 t8 5 t11 Bob t12 1 t13 8 pays Ann 7 Bob 2 until t48 ; find t19 ?
//! <thought> t6 Ann t7 4 t8 5 - Ann 7 : 5 b 8 4 n 3 t14 3 t15 8 + Bob 2 : 8 c 0 3 n 4 t16 Ann t17 4 t18 0 ; </thought>
//! <summary> t16 Ann t17 4 t18 0 t14 t15 </summary> ... answer t19 1 t20 6
//! ```
//!
//! First come the opening balances, in the order of the accounts, each of which pays the next one every day, and the
//! last one the first. A thought is one account's day: what it pays, its low point, what it is paid, its closing
//! balance. Each digit has a label of its own, tens first: two labels for a low point, the next three for the closing
//! balance, the first of which says whose it is. After a colon each digit is worked out, units first: the digit before,
//! then `b` for a borrow, `c` for a carry or `n` for none, then the new digit; balances wrap modulo 100. The summary gives
//! the closing balance, and names the low point. The question asks for one of these, or for a low point, which only the
//! thought's detail holds.

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
/// Labels of an account's day: two digits of a low point; the name and two digits of a closing balance.
const LABELS_PER_ENTRY: usize = 5;

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

    /// The number in the first label of an entry's opening balance.
    fn opens(&self, entry: usize) -> usize {
        self.first + LABELS_PER_ENTRY * entry
    }

    /// The number in the first label of its closing balance.
    fn closes(&self, entry: usize) -> usize {
        self.opens(entry + self.accounts.len())
    }

    /// The number in the first label of its low point.
    fn lows(&self, entry: usize) -> usize {
        self.closes(entry) - 2
    }

    /// The number in the label of the tens that are asked for.
    fn wanted(&self) -> usize {
        let Wanted { entry, low } = self.wanted;
        if low { self.lows(entry) } else { self.closes(entry) + 1 }
    }

    /// `t8 Ann t9 4 t10 6`: a balance of an account, under three labels from the first on.
    fn balance(&self, account: usize, first: usize, value: usize) -> String {
        format!("t{first} {} {}", self.accounts[account], digits(first + 1, value))
    }

    fn question(&self, entries: usize) -> String {
        let opening =
            (0..self.accounts.len()).map(|k| self.balance(k, self.opens(k), self.balances[k]) + " ");
        let pays = (0..self.accounts.len()).map(|k| self.amount(k) + " ");
        let (until, wanted) = (self.closes(entries - 1) + 2, self.wanted());
        let (opening, pays) = (opening.collect::<String>(), pays.collect::<String>());
        format!("ledger : {opening}pays {pays}until t{until} ; find t{wanted} ?")
    }

    /// `Ann 7`: what an account pays.
    fn amount(&self, account: usize) -> String {
        format!("{} {}", self.accounts[account], self.payments[account])
    }

    fn thought(&self, entry: usize) -> Thought {
        let [account, _] = self.parties(entry);
        let closing = self.balance(account, self.closes(entry), self.entry(entry).closing);
        let low = self.lows(entry);
        Thought { detail: self.line(entry), summary: format!("{closing} t{low} t{}", low + 1) }
    }

    /// `t6 Ann t7 4 t8 5 - Ann 7 : 5 b 8 4 n 3 t14 3 t15 8 + Bob 2 : 8 c 0 3 n 4 t16 Ann t17 4 t18 0 ;`
    fn line(&self, entry: usize) -> String {
        let Entry { opening, low, closing } = self.entry(entry);
        let [account, payer] = self.parties(entry);
        let less = subtraction(opening, self.payments[account]);
        let more = addition(low, self.payments[payer]);
        let from = self.balance(account, self.opens(entry), opening);
        let via = digits(self.lows(entry), low);
        let to = self.balance(account, self.closes(entry), closing);
        format!("{from} - {} : {less} {via} + {} : {more} {to} ;", self.amount(account), self.amount(payer))
    }
}

/// `t8 4 t9 6`: two digits under two labels from the first on.
fn digits(first: usize, value: usize) -> String {
    format!("t{first} {} t{} {}", value / 10, first + 1, value % 10)
}

/// `2 b 7 5 n 1`: each digit of a number, units first, whether it borrows from the next, and the digit of the difference.
fn subtraction(from: usize, amount: usize) -> String {
    by_digit(from, amount, |digit, less| ((digit + 10 - less) % 10, if digit < less { 'b' } else { 'n' }))
}

/// `7 n 7 1 n 6`: each digit of a number, units first, whether it carries into the next, and the digit of the sum.
fn addition(to: usize, amount: usize) -> String {
    by_digit(to, amount, |digit, more| ((digit + more) % 10, if digit + more > 9 { 'c' } else { 'n' }))
}

/// Works through two numbers, units first: `step` gets a digit of the one, and of the other with what came over from
/// the place before; it returns the new digit, and `n` if nothing goes over to the next place.
fn by_digit(number: usize, amount: usize, step: impl Fn(usize, usize) -> (usize, char)) -> String {
    let mut over = 0;
    let place = |place: usize| {
        let digit = number / place % 10;
        let (new, goes_over) = step(digit, amount / place % 10 + over);
        over = usize::from(goes_over != 'n');
        format!("{digit} {goes_over} {new}")
    };
    [1, 10].map(place).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_worked_out_units_first() {
        assert_eq!(subtraction(52, 35), "2 b 7 5 n 1");
        assert_eq!(addition(17, 50), "7 n 7 1 n 6");
        assert_eq!(addition(85, 99), "5 c 4 8 c 8");
        assert_eq!(subtraction(5, 6), "5 b 9 0 b 9");
        assert_eq!(digits(8, 7), "t8 0 t9 7");
    }
}
