//! Ledger: accounts that pay each other in a ring, day after day, worked out digit by digit.
//!
//! ```text
//! ledger : Ann t6 4 5 2 - 3 5 + 5 0 ; Bob t6 3 1 8 - 1 2 + 3 5 ; Cid t6 ... ; order Ann Bob Cid dawn Ann
//!     until t24 find Cid t10 ?
//! <thought> Ann t6 4 5 2 - 3 5 : b 7 n 1 n 4 Ann t7 4 1 7 + 5 0 : n 7 n 6 n 4 Ann t8 4 6 7 ; </thought>
//! <summary> Ann t8 4 6 7 </summary> ... answer Cid t10 0 3 1
//! ```
//!
//! Days end at even times; the odd time on the way to the next is the low point: after paying, before being paid.
//! After a colon come the new digits, units first, each after `b` for a borrow, `c` for a carry, `n` for none;
//! balances wrap modulo 1000. A thought is one account's day, its summary the closing balance; a new day's first
//! thought opens with `dawn` and the label that is now the opening one. The question asks for a closing balance,
//! which summaries give, or a low point, which only the thought's detail holds.

use std::ops::RangeInclusive;

use super::{
    Generator, Kind, SynthError, check, check_range,
    draw::Draw,
    fit::{self, Shape},
    vocabulary::{self, ACCOUNTS, LABELS},
};
use crate::data::example::{Example, Thought};

/// Balances are below it.
const WRAP: usize = 1000;
/// Amounts are below it.
const AMOUNTS: usize = 100;

/// What ledgers are like, as a person gives it; [`Ledger`] has checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerOptions {
    /// Accounts of a ledger: within 2 to 26.
    pub accounts: RangeInclusive<usize>,
    /// Labels that times are taken from, two a day: 6 to 600.
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
        check("labels", options.labels, 6..=LABELS)?;
        Ok(Self { options })
    }
}

impl Generator for Ledger {
    fn kind(&self) -> Kind {
        Kind::Ledger
    }

    fn example(&self, tokens: usize, draw: &mut Draw) -> Result<Example, SynthError> {
        let days = self.options.labels.div_ceil(2);
        let shapes = self.options.accounts.clone().map(|accounts| Book::blank(accounts, days)).collect();
        let (shape, days): (Book, usize) = fit::choose(self.kind(), shapes, tokens, draw)?;
        let count = shape.accounts.len();
        let mut some = |least, below| (0..count).map(|_| draw.within(least..=below - 1)).collect();
        let (balances, payments) = (some(0, WRAP), some(1, AMOUNTS));
        let book = Book {
            accounts: draw.some_of(&ACCOUNTS, count),
            most: shape.most,
            first: draw.within(0..=shape.most - days),
            balances,
            payments,
            wanted: Wanted { account: draw.below(count), after: draw.within(1..=days), low: draw.coin() },
        };
        Ok(book.example(days))
    }
}

/// One problem, but for the number of its days.
#[derive(Debug)]
struct Book {
    accounts: Vec<&'static str>,
    /// The most days that there are labels for.
    most: usize,
    /// The day of the first opening balances.
    first: usize,
    /// What each account opens with.
    balances: Vec<usize>,
    /// What each account pays the next, every day.
    payments: Vec<usize>,
    wanted: Wanted,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    account: usize,
    /// How many days after the opening balances.
    after: usize,
    /// The low point instead of the closing balance.
    low: bool,
}

/// An account's balances on one day.
#[derive(Clone, Copy, Debug)]
struct Day {
    opening: usize,
    low: usize,
    closing: usize,
}

impl Shape for Book {
    fn most(&self) -> usize {
        self.most
    }

    fn tokens(&self, units: usize) -> usize {
        vocabulary::count(&self.example(units))
    }
}

impl Book {
    /// A ledger of so many accounts that is as long as any other; `days` have labels.
    fn blank(accounts: usize, days: usize) -> Self {
        Self {
            accounts: ACCOUNTS[..accounts].to_vec(),
            most: days - 1,
            first: 0,
            balances: vec![0; accounts],
            payments: vec![0; accounts],
            wanted: Wanted { account: 0, after: 1, low: false },
        }
    }

    fn example(&self, days: usize) -> Example {
        let Wanted { account, after, low } = self.wanted;
        let wanted = self.day(account, after);
        Example {
            kind: Some(Kind::Ledger.to_string()),
            question: self.question(days),
            thoughts: (1..=days).flat_map(|after| self.thoughts(after)).collect(),
            answer: match low {
                true => self.balance(account, self.closes(after) - 1, wanted.low),
                false => self.closing(account, after),
            },
        }
    }

    /// What an account receives every day: what the one before it pays.
    fn receives(&self, account: usize) -> usize {
        self.payments[(account + self.payments.len() - 1) % self.payments.len()]
    }

    /// An account's balances on the day that is so many after the first balances.
    fn day(&self, account: usize, after: usize) -> Day {
        let net = WRAP + self.receives(account) - self.payments[account];
        let opening = (self.balances[account] + (after - 1) * net) % WRAP;
        let low = (opening + WRAP - self.payments[account]) % WRAP;
        Day { opening, low, closing: (low + self.receives(account)) % WRAP }
    }

    fn question(&self, days: usize) -> String {
        let opening: String = (0..self.accounts.len())
            .map(|account| {
                let (pays, receives) = (amount(self.payments[account]), amount(self.receives(account)));
                format!(
                    "{} - {pays} + {receives} ; ",
                    self.balance(account, self.closes(0), self.balances[account])
                )
            })
            .collect();
        let (order, first) = (self.accounts.join(" "), self.accounts[0]);
        let Wanted { account, after, low } = self.wanted;
        let time = self.closes(after) - usize::from(low);
        let (wanted, until) = (self.accounts[account], self.closes(days));
        format!("ledger : {opening}order {order} dawn {first} until t{until} find {wanted} t{time} ?")
    }

    /// When the day ends that is so many after the first balances.
    fn closes(&self, after: usize) -> usize {
        2 * (self.first + after)
    }

    /// `Ann t8 4 6 7`
    fn balance(&self, account: usize, time: usize, value: usize) -> String {
        format!("{} t{time} {}", self.accounts[account], digits(value))
    }

    /// The thoughts of one day.
    fn thoughts(&self, after: usize) -> impl Iterator<Item = Thought> {
        (0..self.accounts.len()).map(move |account| {
            let dawn = match (account, after) {
                (0, 2..) => format!("dawn t{} ", self.closes(after - 1)),
                _ => String::new(),
            };
            Thought { detail: dawn + &self.line(account, after), summary: self.closing(account, after) }
        })
    }

    /// `Ann t6 4 5 2 - 3 5 : b 7 n 1 n 4 Ann t7 4 1 7 + 5 0 : n 7 n 6 n 4 Ann t8 4 6 7 ;`
    fn line(&self, account: usize, after: usize) -> String {
        let Day { opening, low, .. } = self.day(account, after);
        let (pays, receives) = (self.payments[account], self.receives(account));
        format!(
            "{} - {} : {} {} + {} : {} {} ;",
            self.balance(account, self.closes(after - 1), opening),
            amount(pays),
            subtraction(opening, pays),
            self.balance(account, self.closes(after) - 1, low),
            amount(receives),
            addition(low, receives),
            self.closing(account, after),
        )
    }

    fn closing(&self, account: usize, after: usize) -> String {
        self.balance(account, self.closes(after), self.day(account, after).closing)
    }
}

/// The three digits of a balance, hundreds first.
fn digits(balance: usize) -> String {
    format!("{} {} {}", balance / 100, balance / 10 % 10, balance % 10)
}

/// The two digits of an amount, tens first.
fn amount(amount: usize) -> String {
    format!("{} {}", amount / 10, amount % 10)
}

/// `b 7 n 1 n 4`: the digits of a difference, units first, each after whether it borrows from the next.
fn subtraction(from: usize, amount: usize) -> String {
    by_digit(from, |digit, place, borrow| {
        let less = amount / place % 10 + borrow;
        ((digit + 10 - less) % 10, digit < less)
    })
    .map(|(digit, borrows)| format!("{} {digit}", if borrows { 'b' } else { 'n' }))
    .join(" ")
}

/// `n 7 n 6 n 4`: the digits of a sum, units first, each after whether it carries into the next.
fn addition(to: usize, amount: usize) -> String {
    by_digit(to, |digit, place, carry| {
        let sum = digit + amount / place % 10 + carry;
        (sum % 10, sum > 9)
    })
    .map(|(digit, carries)| format!("{} {digit}", if carries { 'c' } else { 'n' }))
    .join(" ")
}

/// Works through a balance, units first: `step` gets a digit, the value of its place and what came over from the
/// place before, and returns the new digit and whether something goes over to the next.
fn by_digit(balance: usize, step: impl Fn(usize, usize, usize) -> (usize, bool)) -> [(usize, bool); 3] {
    let mut over = false;
    [1, 10, 100].map(|place| {
        let (digit, goes_over) = step(balance / place % 10, place, over.into());
        over = goes_over;
        (digit, over)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_worked_out_units_first() {
        assert_eq!(subtraction(452, 35), "b 7 n 1 n 4");
        assert_eq!(addition(417, 50), "n 7 n 6 n 4");
        assert_eq!(addition(985, 99), "c 4 c 8 c 0");
        assert_eq!(subtraction(5, 6), "b 9 b 9 b 9");
        assert_eq!((digits(7), amount(7)), ("0 0 7".to_owned(), "0 7".to_owned()));
    }
}
