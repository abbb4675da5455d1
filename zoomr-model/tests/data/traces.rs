//! What generators write, line by line: every value of every thought is worked out again, and thoughts are cut and
//! summarised as their format says.

use std::collections::HashMap;

use proptest::prelude::*;
use zoomr_model::data::{example::Example, synth::Kind};

use super::synth::example;

/// Values by name, as the question gives them and the lines add to them.
type Known<'a> = HashMap<String, usize>;

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

fn number(word: &str) -> usize {
    word.parse().unwrap()
}

/// Lines, each without its semicolon.
fn lines(detail: &str) -> Vec<Vec<&str>> {
    detail.strip_suffix(" ;").unwrap().split(" ; ").map(words).collect()
}

/// The part of a question between two of its words.
fn between<'a>(question: &'a str, begin: &str, end: &str) -> &'a str {
    question.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

/// Asserts that a lagged sum's every line is right, and returns the last value.
fn check_sums(example: &Example) -> usize {
    let mut known: Known<'_> = HashMap::new();
    for start in words(between(&example.question, " : ", " rule ")).chunks(2) {
        known.insert(start[0].into(), number(start[1]));
    }
    let rule = words(between(&example.question, " rule ", " find "));
    let index = |name: &str| number(name.strip_prefix('a').unwrap());
    let lags = [rule[2], rule[4]].map(|operand| index(rule[0]) - index(operand));
    let mut next = index(rule[0]);
    let mut last = 0;
    for thought in &example.thoughts {
        let first = next;
        for line in lines(&thought.detail) {
            let [a, x, "+", b, y, "=", c, z] = line[..] else { panic!("{line:?}") };
            assert_eq!([index(a), index(b)], lags.map(|lag| next - lag));
            assert_eq!([known[a], known[b]], [number(x), number(y)], "{line:?}");
            last = number(z);
            assert_eq!((index(c), last), (next, (number(x) + number(y)) % 20), "{line:?}");
            known.insert(c.into(), last);
            next += 1;
        }
        assert_eq!(thought.summary, (first..next).map(|n| format!("a{n}")).collect::<Vec<_>>().join(" "));
        let is_last = std::ptr::eq(thought, example.thoughts.last().unwrap());
        assert!(next.is_multiple_of(8) || is_last, "a thought ends after a{}", next - 1);
    }
    assert_eq!(example.question.rsplit(' ').nth(1).unwrap(), format!("a{}", next - 1));
    last
}

/// Asserts that an operation on digits is right: `x` and `y` have the most significant first, the work has pairs of
/// a digit and a flag, units first. Returns the result, most significant first.
fn check_digits(x: &[&str], sign: &str, y: &[&str], work: &[&str]) -> Vec<usize> {
    let value = |digits: &[&str]| digits.iter().fold(0, |value, digit| 10 * value + number(digit)) as i64;
    let result = if sign == "+" { value(x) + value(y) } else { value(x) - value(y) };
    let digits: Vec<usize> = work.chunks(2).rev().map(|pair| number(pair[0])).collect();
    let written = digits.iter().fold(0, |value, digit| 10 * value + digit);
    assert_eq!(written as i64, result.rem_euclid(1000), "{x:?} {sign} {y:?}");
    for place in 0..3 {
        // What goes over at a place is what is missing or too much when only the places up to it are looked at.
        let low = |digits: &[&str]| value(&digits[digits.len() - (place + 1).min(digits.len())..]);
        let (over, flag) = match sign {
            "+" => (low(x) + low(y) >= 10i64.pow(place as u32 + 1), "c"),
            _ => (low(x) < low(y), "b"),
        };
        assert_eq!(work[2 * place + 1], if over { flag } else { "n" }, "{x:?} {sign} {y:?}, place {place}");
    }
    digits
}

/// Asserts that a ledger's every line is right; returns every balance by account and label.
fn check_ledger(example: &Example) -> HashMap<String, String> {
    let mut balances = HashMap::new();
    let mut orders = Vec::new();
    for opening in between(&example.question, "ledger : ", " ; order ").split(" ; ").map(words) {
        balances.insert(opening[..2].join(" "), opening[2..5].join(" "));
        orders.push(opening);
    }
    for (i, order) in orders.iter().enumerate() {
        assert_eq!(order[6..8], orders[(i + 1) % orders.len()][9..11], "what one pays, the next receives");
    }
    for (turn, thought) in example.thoughts.iter().enumerate() {
        let (account, day) = (&orders[turn % orders.len()], turn / orders.len());
        let label = |letter: char, day: usize| format!("{letter}{}", number(&orders[0][1][1..]) + day);
        let mut detail = thought.detail.clone();
        if turn.is_multiple_of(orders.len()) && day > 0 {
            detail = detail.strip_prefix(&format!("dawn {} ", label('d', day))).unwrap().to_owned();
        }
        let line = words(detail.strip_suffix(" ;").unwrap());
        let [opening, low, closing] = [&line[..15], &line[15..30], &line[30..]];
        assert_eq!(opening[..2], [account[0], &label('d', day)]);
        assert_eq!(opening[2..5].join(" "), balances[&opening[..2].join(" ")]);
        assert_eq!((&opening[5..8], &low[5..8]), (&account[5..8], &account[8..11]));
        assert_eq!((low[..2].join(" "), closing[..2].join(" ")), {
            let name = account[0];
            (format!("{name} {}", label('m', day + 1)), format!("{name} {}", label('d', day + 1)))
        });
        for (before, after) in [(opening, low), (low, closing)] {
            assert_eq!(before[8], ":");
            let result = check_digits(&before[2..5], before[5], &before[6..8], &before[9..15]);
            assert_eq!(after[2..5].iter().map(|digit| number(digit)).collect::<Vec<_>>(), result);
            balances.insert(after[..2].join(" "), after[2..5].join(" "));
        }
        assert_eq!(thought.summary, closing.join(" "));
    }
    balances
}

/// Asserts that a program's every line is right; returns every value by name and label.
fn check_program(example: &Example) -> Known<'_> {
    let mut known = HashMap::new();
    for initial in words(between(&example.question, "program : ", " loop ")).chunks(3) {
        known.insert(initial[..2].join(" "), number(initial[2]));
    }
    let body = between(&example.question, " loop ", " until ");
    let statements = lines(body);
    let later = |word: &str, passes: usize| match word.strip_prefix('i') {
        Some(label) => format!("i{}", number(label) + passes),
        None => word.to_owned(),
    };
    let mut line_number = 0;
    for thought in &example.thoughts {
        let thought_lines = lines(&thought.detail);
        assert!(thought_lines.len() <= 6 && thought_lines.len().is_multiple_of(statements.len()));
        let mut newest = Vec::new();
        let mut cells = Vec::new();
        for line in &thought_lines {
            let statement = &statements[line_number % statements.len()];
            let pass = line_number / statements.len();
            let [a, i, x, sign, b, j, y, "=", c, k, z] = line[..] else { panic!("{line:?}") };
            let wanted: Vec<String> = statement.iter().map(|word| later(word, pass)).collect();
            assert_eq!([c, k, "=", a, i, sign, b, j].map(String::from), wanted[..], "{line:?}");
            assert_eq!(known[&format!("{a} {i}")], number(x), "{line:?}");
            assert_eq!(known[&format!("{b} {j}")], number(y), "{line:?}");
            let value = if sign == "-" { number(x) + 20 - number(y) } else { number(x) + number(y) } % 20;
            assert_eq!(number(z), value, "{line:?}");
            known.insert(format!("{c} {k}"), value);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sums_are_right(tokens in 300usize..3000, seed: u64) {
        let example = example(Kind::LaggedSums, tokens, seed);
        prop_assert_eq!(check_sums(&example).to_string(), example.answer);
    }

    #[test]
    fn ledgers_are_right(tokens in 400usize..3000, seed: u64) {
        let example = example(Kind::Ledger, tokens, seed);
        let wanted = between(&example.question, " find ", " ?");
        prop_assert_eq!(&check_ledger(&example)[wanted], &example.answer);
        let until = between(&example.question, " until ", " find ");
        let last = &example.thoughts.last().unwrap().summary;
        prop_assert!(words(last)[1] == until, "{} until {}", last, until);
    }

    #[test]
    fn programs_are_right(tokens in 300usize..3000, seed: u64) {
        let example = example(Kind::ProgramTrace, tokens, seed);
        let wanted = between(&example.question, " find ", " ?");
        prop_assert_eq!(check_program(&example)[wanted].to_string(), example.answer.clone());
        let until = between(&example.question, " until ", " find ");
        let last = &example.thoughts.last().unwrap().summary;
        prop_assert!(last.ends_with(until), "{} until {}", last, until);
    }
}
