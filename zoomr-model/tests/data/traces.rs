//! What generators write, line by line: every value of every thought is worked out again, and thoughts are cut and
//! summarised as their format says.

use std::collections::HashMap;

use proptest::prelude::*;
use zoomr_model::data::{
    example::{Example, Thought},
    synth::Kind,
};

use super::synth::example;

/// Values by name, as the question gives them and the lines add to them.
type Known<'a> = HashMap<String, usize>;

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

fn number(word: &str) -> usize {
    word.parse().unwrap()
}

/// The number in a label.
fn index(label: &str) -> usize {
    number(label.strip_prefix('t').unwrap())
}

/// What stands before a result: whether a sum of two digits goes over, or a difference under.
fn flag(x: usize, sign: &str, y: usize) -> &'static str {
    match sign {
        "+" if x + y > 9 => "c",
        "-" if x < y => "b",
        _ => "n",
    }
}

/// A thought's lines, each without its semicolon, or the full stop that the last of all has.
fn worked<'a>(example: &Example, thought: &'a Thought) -> Vec<Vec<&'a str>> {
    let is_last = std::ptr::eq(thought, example.thoughts.last().unwrap());
    lines(&thought.detail, if is_last { " ." } else { " ;" })
}

/// What semicolons part, up to `end`.
fn lines<'a>(text: &'a str, end: &str) -> Vec<Vec<&'a str>> {
    text.strip_suffix(end).unwrap().split(" ; ").map(words).collect()
}

/// The part of a question between two of its words.
fn between<'a>(question: &'a str, begin: &str, end: &str) -> &'a str {
    question.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

/// Asserts that a lagged sum's every line is right; returns all values by label.
fn check_sums(example: &Example) -> Known<'_> {
    let mut known: Known<'_> = HashMap::new();
    for start in words(between(&example.question, " : ", " rule ")).chunks(2) {
        known.insert(start[0].into(), number(start[1]));
    }
    let rule = words(between(&example.question, " rule ", " until "));
    let lags = [rule[2], rule[4]].map(|operand| index(rule[0]) - index(operand));
    let mut next = index(rule[0]);
    for thought in &example.thoughts {
        let first = next;
        for line in worked(example, thought) {
            let [a, x, "+", b, y, over, "=", c, z] = line[..] else { panic!("{line:?}") };
            assert_eq!([index(a), index(b)], lags.map(|lag| next - lag));
            assert_eq!([known[a], known[b]], [number(x), number(y)], "{line:?}");
            assert_eq!((index(c), number(z)), (next, (number(x) + number(y)) % 10), "{line:?}");
            assert_eq!(over, flag(number(x), "+", number(y)), "{line:?}");
            known.insert(c.into(), number(z));
            next += 1;
        }
        let names = (first..next).map(|n| format!("t{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(thought.summary, names);
        assert!(next.is_multiple_of(4), "a thought ends after t{}", next - 1);
    }
    known
}

/// Asserts that an operation on two digits and one is right: `x` has tens first, the work has a digit of
/// it, a flag and the new digit for each place, units first. Returns the result's digits, tens first.
fn check_digits(x: [&str; 2], sign: &str, y: &str, work: [&str; 6]) -> [String; 2] {
    let (mut over, mut value) = (number(y), 0);
    for (place, step) in work.chunks(3).enumerate() {
        let digit = x[1 - place];
        assert_eq!(step[..2], [digit, flag(number(digit), sign, over)], "{work:?}");
        over = usize::from(step[1] != "n");
        value += number(step[2]) * 10usize.pow(place as u32);
    }
    let x = 10 * number(x[0]) + number(x[1]);
    assert_eq!(value, if sign == "+" { x + number(y) } else { 100 + x - number(y) } % 100);
    [value / 10, value % 10].map(|digit| digit.to_string())
}

/// Asserts that a ledger's every line is right; returns, by the label of its tens, what stands after that.
fn check_ledger(example: &Example) -> HashMap<String, String> {
    let opening = words(between(&example.question, "ledger : ", " pays "));
    let pays = words(between(&example.question, " pays ", " until "));
    let accounts: Vec<&[&str]> = pays.chunks(2).collect();
    assert_eq!(opening.len(), 6 * accounts.len());
    let first = index(opening[0]);
    let mut records: HashMap<String, String> = HashMap::new();
    let mut balances: HashMap<String, String> = HashMap::new();
    for (record, account) in opening.chunks(6).zip(&accounts) {
        assert_eq!(record[1], account[0]);
        records.insert(record[0].into(), record[1..].join(" "));
    }
    for (turn, thought) in example.thoughts.iter().enumerate() {
        let (account, payer) = (turn % accounts.len(), (turn + accounts.len() - 1) % accounts.len());
        let closing = first + 5 * (accounts.len() + turn);
        let line = worked(example, thought).concat();
        assert_eq!(line.len(), 36, "{line:?}");
        let (from, via, to) = (&line[..6], &line[16..20], &line[30..]);
        let labels = [from[0], via[0], via[2], to[0], to[2], to[4]].map(index);
        assert_eq!(labels, [first + 5 * turn, closing - 2, closing - 1, closing, closing + 1, closing + 2]);
        assert_eq!(records[from[0]], from[1..].join(" "));
        assert_eq!([line[6], line[9], line[20], line[23]], ["-", ":", "+", ":"]);
        assert_eq!((&line[7..9], &line[21..23]), (accounts[account], accounts[payer]));
        assert_eq!(to[1], line[7]);
        let less = check_digits([from[3], from[5]], "-", line[8], line[10..16].try_into().unwrap());
        assert_eq!([via[1], via[3]], less);
        let more = check_digits([via[1], via[3]], "+", line[22], line[24..30].try_into().unwrap());
        assert_eq!([to[3], to[5]], more);
        records.insert(to[0].into(), to[1..].join(" "));
        balances.insert(via[0].into(), via[1..].join(" "));
        balances.insert(to[2].into(), to[3..].join(" "));
        assert_eq!(thought.summary, [&to.join(" "), via[0], via[2]].join(" "));
    }
    balances
}

/// Asserts that a program's every line is right; returns every value by label.
fn check_program(example: &Example) -> Known<'_> {
    let mut known = HashMap::new();
    for initial in words(between(&example.question, "program : ", " loop ")).chunks(3) {
        known.insert(initial[1].into(), number(initial[2]));
    }
    let body = between(&example.question, " loop ", " until ");
    let statements = lines(body, " ;");
    let later = |word: &str, passes: usize| match word.strip_prefix('t') {
        Some(label) => format!("t{}", number(label) + passes * statements.len()),
        None => word.to_owned(),
    };
    let mut line_number = 0;
    for thought in &example.thoughts {
        let thought_lines = worked(example, thought);
        assert!(thought_lines.len() <= 4 && thought_lines.len().is_multiple_of(statements.len()));
        let mut newest = Vec::new();
        let mut cells = Vec::new();
        for line in &thought_lines {
            let statement = &statements[line_number % statements.len()];
            let pass = line_number / statements.len();
            let [a, i, x, sign, b, j, y, over, "=", c, k, z] = line[..] else { panic!("{line:?}") };
            let wanted: Vec<String> = statement.iter().map(|word| later(word, pass)).collect();
            assert_eq!([c, k, "=", a, i, sign, b, j].map(String::from), wanted[..], "{line:?}");
            assert_eq!((known[i], known[j]), (number(x), number(y)), "{line:?}");
            let value = if sign == "-" { number(x) + 10 - number(y) } else { number(x) + number(y) } % 10;
            assert_eq!((over, number(z)), (flag(number(x), sign, number(y)), value), "{line:?}");
            known.insert(k.to_owned(), value);
            match c {
                "a" => cells.push(format!("a {k}")),
                _ => newest.push(format!("{c} {k} {z}")),
            }
            line_number += 1;
        }
        let scalars = newest.split_off(newest.len() + 1 - statements.len());
        assert_eq!(thought.summary, [scalars, cells].concat().join(" "));
    }
    known
}

/// Asserts that the last thought ends with the value called as `until` says, and that the answer's label is the one
/// asked for; returns that label, and the answer without it.
fn ends(example: &Example) -> (&str, &str) {
    let until = between(&example.question, " until ", " ; find ");
    let last = &example.thoughts.last().unwrap().detail;
    assert_eq!(last.rsplit(' ').nth(2), Some(until), "{last}");
    let (label, value) = example.answer.split_once(' ').unwrap();
    assert_eq!(label, between(&example.question, " find ", " ?"));
    (label, value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sums_are_right(tokens in 300usize..3000, seed: u64) {
        let example = example(Kind::LaggedSums, tokens, seed);
        let (label, value) = ends(&example);
        prop_assert_eq!(check_sums(&example)[label].to_string(), value);
    }

    #[test]
    fn ledgers_are_right(tokens in 300usize..3000, seed: u64) {
        let example = example(Kind::Ledger, tokens, seed);
        let (label, value) = ends(&example);
        prop_assert_eq!(&check_ledger(&example)[label], value);
    }

    #[test]
    fn programs_are_right(tokens in 300usize..3000, seed: u64) {
        let example = example(Kind::ProgramTrace, tokens, seed);
        let (label, value) = ends(&example);
        prop_assert_eq!(check_program(&example)[label].to_string(), value);
    }
}
