//! The solver on problems that a person types: small ones worked out by hand, and errors that say what is wrong.

use proptest::prelude::*;
use zoomr_model::data::synth::{Kind, solve::solve, vocabulary};

use super::synth::{example, kinds};

fn answer(question: &str) -> String {
    solve(question).unwrap_or_else(|error| panic!("{question}: {error}")).answer
}

const LEDGER: &str = "ledger : Ann d3 4 5 2 - 3 5 + 5 0 ; Bob d3 0 1 8 - 1 2 + 3 5 ; \
    Cid d3 9 9 0 - 5 0 + 1 2 ; order Ann Bob Cid dawn Ann until d12";
const PROGRAM: &str = "program : x i7 3 y i7 12 a i5 19 a i6 1 a i7 6 loop x i8 = x i7 + a i5 ; \
    y i8 = y i7 - x i7 ; a i8 = x i7 + y i7 ; until i60";

#[test]
fn small_problems_by_hand() {
    // 7, 3, 11; then 3 + 7 = 10, 11 + 3 = 14, 10 + 11 = 1.
    let sums = "lagged sums mod 20 : a40 7 a41 3 a42 11 rule a43 = a41 + a40 find";
    assert_eq!(answer(&format!("{sums} a43 ?")), "10");
    assert_eq!(answer(&format!("{sums}\n  a45\t?\n")), "1");
    assert_eq!(answer(&format!("{LEDGER} find Ann d4 ?")), "4 6 7");
    assert_eq!(answer(&format!("{LEDGER} find Ann m4 ?")), "4 1 7");
    assert_eq!(answer(&format!("{LEDGER} find Bob m4 ?")), "0 0 6");
    // 990 - 38 each day.
    assert_eq!(answer(&format!("{LEDGER} find Cid d12 ?")), "6 4 8");
    // x8 = 3 + 19 = 2, y8 = 12 - 3 = 9, a8 = 15; x9 = 2 + 1 = 3, y9 = 9 - 2 = 7, a9 = 11; x11 needs a8.
    for (place, value) in [("x i8", "2"), ("a i8", "15"), ("y i9", "7"), ("a i9", "11"), ("x i10", "9")] {
        assert_eq!(answer(&format!("{PROGRAM} find {place} ?")), value, "{place}");
    }
    assert_eq!(answer(&format!("{PROGRAM} find x i11 ?")), "4");
}

/// Questions, and what the refusal must say.
const BAD: &[(&str, &[&str])] = &[
    ("", &["the problem ends after 0 words", "`lagged`, `ledger` or `program`"]),
    ("what is 2 + 2 ?", &["word 1 is `what`", "`ledger`"]),
    ("lagged", &["ends after 1 words", "`sums`"]),
    ("lagged sums mod 21 :", &["word 4 is `21`", "2 to 20"]),
    ("lagged sums mod 20 : b1 3", &["word 6 is `b1`", "a0 to a599"]),
    ("lagged sums mod 20 : a1 20", &["word 7 is `20`", "0 to 19"]),
    ("lagged sums mod 20 : a1 07", &["word 7 is `07`"]),
    ("lagged sums mod 20 : a1 +7", &["word 7 is `+7`"]),
    ("lagged sums mod 20 : a1 7 a3 7", &["word 8 is `a3`", "a2, the name after a1, or `rule`"]),
    ("lagged sums mod 20 : a599 7 rule a600", &["word 9 is `a600`", "none after a599"]),
    ("lagged sums mod 20 : a1 7 a2 7 rule a3 = a0 + a1", &["word 13 is `a0`", "a1 to a2, a start value"]),
    ("lagged sums mod 20 : a1 7 a2 7 rule a3 = a2 + a1 find a2 ?", &["word 17 is `a2`", "a3 to a599"]),
    ("lagged sums mod 20 : a1 7 a2 7 rule a3 = a2 + a1 find a9 ? now", &["`now`", "nothing after the `?`"]),
    ("ledger : Ann d3 4 5 2 - 3 5 + 5 0 ; order", &["`order`", "an account's name"]),
    ("ledger : Ann d3 4 5 2 - 3 5 + 5 0 ; Ann", &["word 15 is `Ann`", "not used before"]),
    ("ledger : Ann d3 4 5 2 - 3 5 + 5 0 ; Bob d4", &["word 16 is `d4`", "d3, the day"]),
    ("ledger : Ann d3 452", &["word 5 is `452`", "0 to 9, a digit of the balance"]),
    ("program : loop", &["`loop`", "a scalar"]),
    ("program : x i3 1 a i1 2 loop", &["word 9 is `loop`", "up to a i3"]),
    ("program : x i3 1 loop x i3", &["word 8 is `i3`", "i4, the label of the first pass"]),
    ("program : x i3 1 y i3 2 loop x i4 = x i3 + y i3 ; until", &["assigns y"]),
    ("program : x i3 1 loop x i4 = x i3 * x i3 ;", &["word 12 is `*`", "`+` or `-`"]),
    ("program : x i3 1 loop x i4 = x i3 + x i3 ; until i3", &["word 17 is `i3`", "i4 to i199"]),
];

#[test]
fn errors_say_what_was_expected_where() {
    for (question, says) in BAD {
        let message = solve(question).unwrap_err().to_string();
        for part in *says {
            assert!(message.contains(part), "{question}: {message:?} does not say {part:?}");
        }
    }
    let wrong = |question: &str, says: &str| {
        let message = solve(question).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    };
    wrong(&format!("{LEDGER} find Dan d5 ?"), "one of the accounts");
    wrong(&format!("{LEDGER} find Ann d13 ?"), "d4 to d12");
    wrong(&format!("{LEDGER} find Ann m3 ?"), "m4 to m12");
    wrong(&format!("{PROGRAM} find z i9 ?"), "a name that the loop assigns");
    wrong(&format!("{PROGRAM} find x i61 ?"), "i8 to i60");
    let long = solve(&"é".repeat(1 << 20)).unwrap_err().to_string();
    assert!(long.len() < 300, "{}", long.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Cutting, swapping and replacing words gives an error or another well-formed question, never a panic; and
    /// what is accepted, the tokenizer knows.
    #[test]
    fn spoiled_questions_do_no_harm(
        kind in kinds(),
        seed: u64,
        spoil in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
        cut in any::<bool>(),
    ) {
        let known = vocabulary::words();
        let question = example(kind, 500, seed).question;
        let mut words: Vec<&str> = question.split(' ').collect();
        for (place, word) in spoil {
            let place = place.index(words.len());
            words[place] = &known[word.index(known.len())];
            if cut {
                words.truncate(place + 1);
            }
        }
        if solve(&words.join(" ")).is_ok() {
            prop_assert!(words.iter().all(|word| known.iter().any(|other| other == word)));
        }
    }

    #[test]
    fn any_text_does_no_harm(text in "(lagged sums mod|ledger :|program :)?( (a|d|i)?[0-9]{1,20}| [xyzwa]| .)*") {
        let _ = solve(&text);
    }
}

#[test]
fn a_kind_is_told_by_the_first_word() {
    for kind in Kind::ALL {
        assert_eq!(solve(&example(*kind, 500, 3).question).unwrap().kind, *kind);
    }
}
