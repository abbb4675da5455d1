//! Laws of the generators: reproducible bytes, lengths as asked for, answers that the solver finds too.

use std::{collections::HashSet, ops::RangeInclusive};

use proptest::prelude::*;
use zoomr_model::data::{
    example::Example,
    render,
    synth::{
        Generator, Kind, SynthError, ask,
        draw::Draw,
        lagged_sums::{LaggedSums, LaggedSumsOptions},
        ledger::{Ledger, LedgerOptions},
        program_trace::{ProgramTrace, ProgramTraceOptions},
        solve::solve,
        vocabulary,
    },
};

/// A problem of a kind.
pub(crate) fn example(kind: Kind, tokens: usize, seed: u64) -> Example {
    kind.generator().example(tokens, &mut Draw::new(seed, 0)).unwrap()
}

pub(crate) fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL)
}

/// The most tokens by which one more thought would be too many.
fn step(kind: Kind) -> usize {
    match kind {
        Kind::LaggedSums => 4 * 11 + 8,
        Kind::Ledger => 52,
        Kind::ProgramTrace => 3 * 13 + 12,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lengths_are_as_asked_for(kind in kinds(), tokens in 400usize..4000, seed: u64) {
        let count = vocabulary::count(&example(kind, tokens, seed));
        prop_assert!(count <= tokens && tokens - count < step(kind), "{count} for {tokens}");
    }

    #[test]
    fn the_solver_finds_the_same_answer(kind in kinds(), tokens in 400usize..2500, seed: u64) {
        let example = example(kind, tokens, seed);
        let solution = solve(&example.question).unwrap();
        prop_assert_eq!((solution.kind, solution.answer), (kind, example.answer));
        prop_assert_eq!(example.kind.as_deref(), Some(kind.name()));
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes(kind in kinds(), tokens in 400usize..1500, seed: u64) {
        prop_assert_eq!(example(kind, tokens, seed), example(kind, tokens, seed));
        prop_assert_ne!(example(kind, tokens, seed), example(kind, tokens, seed ^ 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Who asks for more gets the same reasoning, and values that stand in it.
    #[test]
    fn more_can_be_asked_for(kind in kinds(), tokens in 400usize..1500, count in 0usize..9, seed: u64) {
        let one = example(kind, tokens, seed);
        let several = ask::more(one.clone(), count, &mut Draw::new(seed, 1)).unwrap();
        let (_, wanted) = several.question.split_once(" ; find ").unwrap();
        let wanted: Vec<&str> = wanted.strip_suffix(" ?").unwrap().split(' ').collect();
        let different: HashSet<&&str> = wanted.iter().collect();
        prop_assert_eq!((wanted.len(), different.len()), (count + 1, count + 1));
        prop_assert!(one.question.ends_with(&format!(" ; find {} ?", wanted[0])), "{}", several.question);
        prop_assert!(several.answer.starts_with(&one.answer), "{}", several.answer);
        let labelled: Vec<&str> = several.answer.split(' ').collect();
        let reasoning = render::text(&one, &vocabulary::markers());
        for value in labelled.chunks(2) {
            prop_assert!(reasoning.contains(&format!(" {} ", value.join(" "))), "{value:?}");
        }
        prop_assert_eq!(&several.thoughts, &one.thoughts);
    }
}

#[test]
fn only_problems_made_here_can_ask_for_more() {
    let good = example(Kind::Ledger, 400, 0);
    let until = "until t9 ; find t3 ?";
    for question in ["", "what is 2 + 2 ?", "; find t3 ?", until, "ledger : until tx ; find t3 ?"] {
        let foreign = Example { question: question.to_owned(), ..good.clone() };
        let error = ask::more(foreign, 2, &mut Draw::new(0, 0)).unwrap_err();
        assert!(matches!(error, SynthError::Question { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("`{question}`: ")), "{error}");
    }
}

#[test]
fn every_length_can_be_had_or_is_refused_with_the_range() {
    for kind in Kind::ALL {
        let generator = kind.generator();
        let refused = generator.example(10, &mut Draw::new(0, 0)).unwrap_err();
        let SynthError::Length { shortest, longest, .. } = refused else { panic!("{refused}") };
        assert!(shortest < 120 && longest > 4000, "{refused}");
        let shortest_one = generator.example(shortest, &mut Draw::new(0, 0)).unwrap();
        assert_eq!(vocabulary::count(&shortest_one), shortest);
        for tokens in (shortest..=longest).step_by(longest / 12).chain([longest]) {
            generator.example(tokens, &mut Draw::new(0, 0)).unwrap();
        }
        assert!(generator.example(longest + 300, &mut Draw::new(0, 0)).is_err());
        assert!(generator.example(usize::MAX, &mut Draw::new(0, 0)).is_err());
    }
}

#[test]
fn both_questions_of_a_ledger_come_up() {
    let low = (0..400).filter(|&seed| {
        let question = example(Kind::Ledger, 600, seed).question;
        let label = |word: &str| word[1..].parse::<usize>().unwrap();
        let (wanted, until) = (question.rsplit(' ').nth(1), question.rsplit(' ').nth(4));
        // The last closing balance's units are one label before its tens, the low point's three.
        (label(until.unwrap()) - label(wanted.unwrap())) % 4 == 3
    });
    assert!((150..=250).contains(&low.count()));
}

/// An answer without the name before it.
fn value(answer: &str) -> String {
    answer.split(' ').filter(|word| word.len() == 1 && word.as_bytes()[0].is_ascii_digit()).collect()
}

#[test]
fn answers_cannot_be_guessed() {
    for (kind, most) in [(Kind::LaggedSums, 70), (Kind::Ledger, 16), (Kind::ProgramTrace, 80)] {
        let mut answers: Vec<String> = (0..400).map(|seed| value(&example(kind, 500, seed).answer)).collect();
        answers.sort_unstable();
        let commonest = answers.chunk_by(|a, b| a == b).map(<[String]>::len).max().unwrap();
        assert!(commonest <= most, "{kind}: {commonest} of 400");
    }
}

#[test]
fn parameters_are_heeded() {
    let sums = LaggedSumsOptions { modulus: 7, lags: 3..=3, terms_per_thought: 2, labels: 600 };
    let sums = LaggedSums::try_from(sums).unwrap();
    for seed in 0..50 {
        let example = sums.example(200, &mut Draw::new(seed, 0)).unwrap();
        assert!(example.question.starts_with("lagged sums mod 7 : "), "{}", example.question);
        assert_eq!(example.question.split(" rule ").next().unwrap().split(' ').count(), 5 + 2 * 3);
        assert!(example.thoughts.iter().all(|thought| thought.summary.split(' ').count() <= 3));
        assert!(value(&example.answer).parse::<u32>().unwrap() < 7);
    }
    let ledger = Ledger::try_from(LedgerOptions { accounts: 2..=2, labels: 600 }).unwrap();
    let question = ledger.example(500, &mut Draw::new(0, 0)).unwrap().question;
    assert_eq!(question.split_once(" pays ").unwrap().0.split(' ').count(), 2 + 5 * 2, "{question}");
    let options = ProgramTraceOptions { statements: 3..=3, lags: 9..=9, labels: 600 };
    let question =
        ProgramTrace::try_from(options).unwrap().example(500, &mut Draw::new(0, 0)).unwrap().question;
    let (initial, body) = question.split_once(" until ").unwrap().0.split_once(" loop ").unwrap();
    assert_eq!((initial.matches(" a t").count(), body.matches(';').count()), (9, 3), "{question}");
}

#[test]
fn few_labels_are_all_that_is_used() {
    for (kind, tokens) in Kind::ALL.iter().flat_map(|kind| [(kind, 150), (kind, 300)]) {
        let generator = kind.generator_within(64).unwrap();
        for seed in 0..50 {
            let example = generator.example(tokens, &mut Draw::new(seed, 0)).unwrap();
            let text = render::text(&example, &vocabulary::markers());
            let numbers = text.split(' ').filter_map(|word| word.strip_prefix('t')?.parse::<usize>().ok());
            assert!(numbers.max().unwrap() < 64, "{text}");
        }
    }
    let message = Kind::Ledger.generator_within(9).unwrap_err().to_string();
    assert!(message.contains("labels is 9; it must be 32 to 600"), "{message}");
}

#[test]
fn parameters_out_of_range_are_named() {
    let default = LaggedSumsOptions::default();
    let cases = [
        (LaggedSumsOptions { modulus: 1, ..default.clone() }, "modulus is 1; it must be 2 to 10"),
        (LaggedSumsOptions { modulus: 11, ..default.clone() }, "modulus"),
        (LaggedSumsOptions { lags: 1..=9, ..default.clone() }, "lags is 1 to 9; it must be within 2 to 300"),
        (
            LaggedSumsOptions { lags: RangeInclusive::new(9, 3), ..default.clone() },
            "the smaller number first",
        ),
        (LaggedSumsOptions { terms_per_thought: 0, ..default }, "terms_per_thought"),
    ];
    for (options, says) in cases {
        let message = LaggedSums::try_from(options).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    assert!(Ledger::try_from(LedgerOptions { accounts: 1..=3, labels: 600 }).is_err());
    assert!(Ledger::try_from(LedgerOptions { accounts: 3..=27, labels: 600 }).is_err());
    assert!(Ledger::try_from(LedgerOptions { accounts: 3..=5, labels: 18 }).is_err());
    let options = ProgramTraceOptions { statements: 2..=5, ..ProgramTraceOptions::default() };
    assert!(ProgramTrace::try_from(options).is_err());
    let message = "ledgers".parse::<Kind>().unwrap_err().to_string();
    assert!(message.contains("`ledgers`") && message.contains("program-trace"), "{message}");
    assert!(Kind::ALL.iter().all(|kind| kind.to_string().parse() == Ok(*kind)));
}
