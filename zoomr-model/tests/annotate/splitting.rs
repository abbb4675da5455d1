//! Traces become thoughts: nothing is lost, and lengths are kept wherever that is possible.

use std::ops::RangeInclusive;

use proptest::prelude::*;
use tempfile::TempDir;
use zoomr_model::{
    atomic_file::Existing,
    data::{
        annotate::{AnnotateError, Measure, Splitter},
        synth::vocabulary,
    },
    text::tokenizer::Tokenizer,
};

fn split(trace: &str, range: RangeInclusive<usize>) -> Vec<&str> {
    let places = Splitter::new(&Measure::Words, range).unwrap().split(trace).unwrap();
    places.into_iter().map(|place| &trace[place]).collect()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

#[test]
fn short_paragraphs_are_joined_to_what_follows() {
    let trace = "\n\nWait.\n\nSo x is 5, and y is 6 then.\r\n  \r\nGood: both are\nsmall. \n\n\n Done.\n";
    assert_eq!(
        split(trace, 4..=20),
        ["Wait.\n\nSo x is 5, and y is 6 then.", "Good: both are\nsmall. \n\n\n Done."]
    );
    assert_eq!(split(trace, 1..=20).len(), 4);
    assert_eq!(split(trace, 16..=20), [trace.trim()]);
    // There is no room for the first one.
    assert_eq!(split(trace, 4..=9)[..2], ["Wait.", "So x is 5, and y is 6 then."]);
}

#[test]
fn long_paragraphs_are_cut_at_sentences_and_then_at_words() {
    let trace = "One two three. Four five six. Seven eight nine. Ten eleven twelve.";
    assert_eq!(
        split(trace, 1..=7),
        ["One two three. Four five six.", "Seven eight nine. Ten eleven twelve."]
    );
    // About equal parts, not as much as fits and then the rest.
    assert_eq!(
        split(trace, 1..=9),
        ["One two three. Four five six.", "Seven eight nine. Ten eleven twelve."]
    );
    assert_eq!(
        split("One two three four five six. Seven.", 1..=4),
        ["One two three", "four five six.", "Seven."]
    );
}

#[test]
fn blank_traces_have_no_thoughts() {
    assert!(split("", 1..=5).is_empty() && split(" \n\n\t\n", 1..=5).is_empty());
}

#[test]
fn ranges_without_a_length_are_refused() {
    for (min, max) in [(0, 0), (5, 4)] {
        let error = Splitter::new(&Measure::Words, min..=max).unwrap_err();
        assert!(matches!(error, AnnotateError::Range { .. }), "{error}");
    }
}

#[test]
fn a_tokenizer_counts_its_own_tokens() {
    let dir = TempDir::new().unwrap();
    vocabulary::write_tokenizer(dir.path(), Existing::Refuse).unwrap();
    let measure = Measure::Tokens(Box::new(Tokenizer::from_dir(dir.path()).unwrap()));
    let trace = "t1 2 + t2 3 = t3 5 ;\n\nt2 3 + t3 5 = t4 8 ;";
    let splitter = Splitter::new(&measure, 4..=9).unwrap();
    assert_eq!(splitter.split(trace).unwrap().len(), 2);
    assert_eq!(Splitter::new(&measure, 18..=20).unwrap().split(trace).unwrap()[0], 0..trace.len());
    let message = splitter.split("t1 2 unheard").unwrap_err().to_string();
    assert!(message.contains("`unheard`"), "{message}");
}

/// Text of short words, full stops, lines and paragraphs, some of it without white space.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-z]{1,3}",
        6 => Just(" ".to_owned()),
        2 => Just(". ".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("\n\n".to_owned()),
        1 => "[.。？」é=1]{1,2}",
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_is_lost_and_lengths_are_kept(trace in text(), min in 0usize..8, more in 1usize..9) {
        let max = min + more;
        let thoughts = split(&trace, min..=max);
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(thoughts.iter().map(|thought| letters(thought)).collect::<String>(), letters(&trace));
        for thought in &thoughts {
            prop_assert_eq!(*thought, thought.trim());
            prop_assert!((1..=max).contains(&words(thought)));
        }
        for pair in thoughts.windows(2) {
            let short = words(pair[0]).min(words(pair[1])) < min;
            prop_assert!(!short || words(pair[0]) + words(pair[1]) > max, "{:?}", pair);
        }
    }
}
