//! The solver on problems that a person types: small ones worked out by hand, and errors that say what is wrong.

use proptest::prelude::*;
use zoomr_model::data::synth::{Kind, solve::solve, vocabulary};

use super::synth::{example, kinds};

fn answer(question: &str) -> String {
    solve(question).unwrap_or_else(|error| panic!("{question}: {error}")).answer
}

const LEDGER: &str = "ledger : Ann t6 4 5 2 - 3 5 + 5 0 ; Bob t6 0 1 8 - 1 2 + 3 5 ; \
    Cid t6 9 9 0 - 5 0 + 1 2 ; order Ann Bob Cid dawn Ann until t24";
const PROGRAM: &str = "program : x t7 3 y t7 2 a t5 9 a t6 1 a t7 6 loop x t8 = x t7 + a t5 ; \
    y t8 = y t7 - x t7 ; a t8 = x t7 + y t7 ; until t60";

#[test]
fn small_problems_by_hand() {
    // 7, 3, 5; then 3 + 7 = 0, 5 + 3 = 8, 0 + 5 = 5.
    let sums = "lagged sums mod 10 : t40 7 t41 3 t42 5 rule t43 = t41 + t40 find";
    assert_eq!(answer(&format!("{sums} t43 ?")), "t43 0");
    assert_eq!(answer(&format!("{sums}\n  t44\t?\n")), "t44 8");
    assert_eq!(answer(&format!("{sums} t45 ?")), "t45 5");
    assert_eq!(answer(&format!("{LEDGER} find Ann t8 ?")), "Ann t8 4 6 7");
    assert_eq!(answer(&format!("{LEDGER} find Ann t7 ?")), "Ann t7 4 1 7");
    assert_eq!(answer(&format!("{LEDGER} find Bob t7 ?")), "Bob t7 0 0 6");
    // 990 - 38 each day.
    assert_eq!(answer(&format!("{LEDGER} find Cid t24 ?")), "Cid t24 6 4 8");
    // x8 = 3 + 9 = 2, y8 = 2 - 3 = 9, t8 = 5; x9 = 2 + 1 = 3, y9 = 9 - 2 = 7, t9 = 1; x11 needs t8.
    for (place, value) in [("x t8", "2"), ("a t8", "5"), ("y t9", "7"), ("a t9", "1"), ("x t10", "9")] {
        assert_eq!(answer(&format!("{PROGRAM} find {place} ?")), format!("{place} {value}"));
    }
    assert_eq!(answer(&format!("{PROGRAM} find x t11 ?")), "x t11 4");
}

/// Questions, and what the refusal must say.
const BAD: &[(&str, &[&str])] = &[
    ("", &["the problem ends after 0 words", "`lagged`, `ledger` or `program`"]),
    ("what is 2 + 2 ?", &["word 1 is `what`", "`ledger`"]),
    ("lagged", &["ends after 1 words", "`sums`"]),
    ("lagged sums mod 11 :", &["word 4 is `11`", "2 to 10"]),
    ("lagged sums mod 10 : b1 3", &["word 6 is `b1`", "t0 to t599"]),
    ("lagged sums mod 10 : t1 10", &["word 7 is `10`", "0 to 9"]),
    ("lagged sums mod 10 : t1 07", &["word 7 is `07`"]),
    ("lagged sums mod 10 : t1 +7", &["word 7 is `+7`"]),
    ("lagged sums mod 10 : t1 7 t3 7", &["word 8 is `t3`", "t2, the name after t1, or `rule`"]),
    ("lagged sums mod 10 : t599 7 rule t600", &["word 9 is `t600`", "none after t599"]),
    ("lagged sums mod 10 : t1 7 t2 7 rule t3 = t0 + t1", &["word 13 is `t0`", "t1 to t2, a start value"]),
    ("lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 find t2 ?", &["word 17 is `t2`", "t3 to t599"]),
    ("lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 find t9 ? now", &["`now`", "nothing after the `?`"]),
    ("ledger : Ann t6 4 5 2 - 3 5 + 5 0 ; order", &["`order`", "an account's name"]),
    ("ledger : Ann t6 4 5 2 - 3 5 + 5 0 ; Ann", &["word 15 is `Ann`", "not used before"]),
    ("ledger : Ann t6 4 5 2 - 3 5 + 5 0 ; Bob t8", &["word 16 is `t8`", "t6, the even time"]),
    ("ledger : Ann t6 452", &["word 5 is `452`", "0 to 9, a digit of the balance"]),
    ("ledger : Ann t7", &["word 4 is `t7`", "even time"]),
    ("program : loop", &["`loop`", "a scalar"]),
    ("program : x t3 1 a t1 2 loop", &["word 9 is `loop`", "up to a t3"]),
    ("program : x t3 1 loop x t3", &["word 8 is `t3`", "t4, the label of the first pass"]),
    ("program : x t3 1 y t3 2 loop x t4 = x t3 + y t3 ; until", &["assigns y"]),
    ("program : x t3 1 loop x t4 = x t3 * x t3 ;", &["word 12 is `*`", "`+` or `-`"]),
    ("program : x t3 1 loop x t4 = x t3 + x t3 ; until t3", &["word 17 is `t3`", "t4 to t599"]),
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
    wrong(&format!("{LEDGER} find Dan t10 ?"), "one of the accounts");
    wrong(&format!("{LEDGER} find Ann t25 ?"), "t7 to t24");
    wrong(&format!("{LEDGER} find Ann t6 ?"), "t7 to t24");
    wrong(&format!("{PROGRAM} find z t9 ?"), "a name that the loop assigns");
    wrong(&format!("{PROGRAM} find x t61 ?"), "t8 to t60");
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
    fn any_text_does_no_harm(text in "(lagged sums mod|ledger :|program :)?( t?[0-9]{1,20}| [xyzwa]| .)*") {
        let _ = solve(&text);
    }
}

#[test]
fn a_kind_is_told_by_the_first_word() {
    for kind in Kind::ALL {
        assert_eq!(solve(&example(*kind, 500, 3).question).unwrap().kind, *kind);
    }
}
