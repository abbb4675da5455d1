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

/// A sum or difference of two digits, and the digit that is left of it, as they are written.
fn worked_out(x: &str, sign: &str, y: &str) -> [String; 2] {
    let [x, y] = [x, y].map(|word| word.parse::<i32>().unwrap());
    let result = match sign {
        "+" => x + y,
        "-" => x - y,
        _ => panic!("{sign}"),
    };
    [format!("={result}"), ((result + 10) % 10).to_string()]
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
            let [a, x, "+", b, y, result, "->", c, z] = line[..] else { panic!("{line:?}") };
            assert_eq!([index(a), index(b)], lags.map(|lag| next - lag));
            assert_eq!([known[a], known[b]], [number(x), number(y)], "{line:?}");
            assert_eq!(index(c), next, "{line:?}");
            assert_eq!([result, z], worked_out(x, "+", y), "{line:?}");
            known.insert(c.into(), number(z));
            next += 1;
        }
        let names = (first..next).map(|n| format!("t{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(thought.summary, names);
        assert!(next.is_multiple_of(4), "a thought ends after t{}", next - 1);
    }
    known
}

/// Asserts that two lines add or take what an account pays, units first; what their labels are followed by is known
/// from then on, and returned.
fn check_digits<'a>(
    known: &mut HashMap<String, String>,
    sign: &str,
    account: &[&str],
    lines: [&[&'a str]; 2],
) -> [(&'a str, &'a str); 2] {
    let &[old, x, by, who, y, result, "->", new, z] = lines[0] else { panic!("{lines:?}") };
    assert_eq!(who, account[0]);
    let units = [old, x, by, y, result, new, z];
    let &[old, x, by, y, result, "->", new, z] = lines[1] else { panic!("{lines:?}") };
    let tens = [old, x, by, y, result, new, z];
    let mut operand = account[1];
    [units, tens].map(|[old, x, by, y, result, new, z]| {
        assert_eq!((known[old].as_str(), by, y), (x, sign, operand), "{lines:?}");
        assert_eq!([result, z], worked_out(x, sign, y), "{lines:?}");
        operand = if result == format!("={z}") { "0" } else { "1" };
        known.insert(new.into(), z.into());
        (new, z)
    })
}

/// Asserts that a ledger's every line is right; returns, by the label of its units, what stands after that.
fn check_ledger(example: &Example) -> HashMap<String, String> {
    let opening = words(between(&example.question, "ledger : ", " pays "));
    let pays = words(between(&example.question, " pays ", " ring "));
    let ring = words(between(&example.question, " ring ", " until "));
    let accounts: Vec<&[&str]> = pays.chunks(2).collect();
    assert_eq!(opening.len(), 5 * accounts.len());
    assert_eq!(ring, accounts.iter().chain(&accounts[..1]).map(|account| account[0]).collect::<Vec<_>>());
    let first = index(opening[1]);
    let mut known: HashMap<String, String> = HashMap::new();
    for (record, account) in opening.chunks(5).zip(&accounts) {
        assert_eq!(record[0], account[0]);
        known.extend(record[1..].chunks(2).map(|pair| (pair[0].into(), pair[1].into())));
    }
    let mut asked = HashMap::new();
    for (turn, thought) in example.thoughts.iter().enumerate() {
        let [account, payer] = [turn, turn + accounts.len() - 1].map(|turn| accounts[turn % accounts.len()]);
        let low = first + 4 * (accounts.len() + turn) - 2;
        let worked = worked(example, thought);
        let [units, tens, more_units, more_tens] = &worked[..] else { panic!("{worked:?}") };
        assert_eq!((index(units[0]), &units[2..4]), (first + 4 * turn, &[payer[0], account[0]][..]));
        let units = &[&units[..2], &units[4..]].concat();
        let less = check_digits(&mut known, "-", account, [units, tens]);
        let more = check_digits(&mut known, "+", payer, [more_units, more_tens]);
        let new = [less, more].map(|digits| digits.map(|(label, _)| index(label)));
        assert_eq!(new, [[low, low + 1], [low + 2, low + 3]]);
        let written = |[(units, x), (tens, y)]: [(&str, &str); 2]| format!("{units} {x} {tens} {y}");
        assert_eq!(thought.summary, format!("{} {} {} {}", account[0], written(more), less[0].0, less[1].0));
        for digits in [less, more] {
            asked.insert(digits[0].0.to_owned(), written(digits)[digits[0].0.len() + 1..].to_owned());
        }
    }
    asked
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
            let [a, i, x, sign, b, j, y, result, "->", c, k, z] = line[..] else { panic!("{line:?}") };
            let wanted: Vec<String> = statement.iter().map(|word| later(word, pass)).collect();
            assert_eq!([c, k, "=", a, i, sign, b, j].map(String::from), wanted[..], "{line:?}");
            assert_eq!((known[i], known[j]), (number(x), number(y)), "{line:?}");
            assert_eq!([result, z], worked_out(x, sign, y), "{line:?}");
            known.insert(k.to_owned(), number(z));
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
