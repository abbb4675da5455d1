//! The solver on problems that a person types: small ones worked out by hand, and errors that say what is wrong.

use proptest::prelude::*;
use zoomr_model::data::synth::{Kind, solve::solve, vocabulary};

use super::synth::{example, kinds};

fn answer(question: &str) -> String {
    solve(question).unwrap_or_else(|error| panic!("{question}: {error}")).answer
}

const LEDGER: &str = "ledger : Ann t8 5 t9 4 Bob t12 8 t13 1 Cid t16 0 t17 9 \
    pays Ann 7 Bob 2 Cid 9 ring Ann Bob Cid Ann until t41 ;";
const PROGRAM: &str = "program : x t36 3 y t37 2 a t29 9 a t32 1 a t35 4 a t38 6 loop x t39 = x t36 + a t29 ; \
    y t40 = y t37 - x t36 ; a t41 = x t36 + y t37 ; until t80 ;";

#[test]
fn small_problems_by_hand() {
    // 7, 3, 5; then 3 + 7 = 0, 5 + 3 = 8, 0 + 5 = 5.
    let sums = "lagged sums mod 10 : t40 7 t41 3 t42 5 rule t43 = t41 + t40 until t45 ; find";
    assert_eq!(answer(&format!("{sums} t43 ?")), "t43 0");
    assert_eq!(answer(&format!("{sums}\n  t44\t?\n")), "t44 8");
    assert_eq!(answer(&format!("{sums} t45 ?")), "t45 5");
    // Ann 45 - 7 + 9, Bob 18 - 2 + 7, Cid 90 - 9 + 2, Ann 47 - 7 + 9, ..., Cid 83 - 9 + 2.
    let balances = [
        "t18 8 t19 3",
        "t20 7 t21 4",
        "t22 6 t23 1",
        "t24 3 t25 2",
        "t26 1 t27 8",
        "t28 3 t29 8",
        "t30 0 t31 4",
        "t32 9 t33 4",
        "t38 4 t39 7",
        "t40 6 t41 7",
    ];
    for balance in balances {
        let label = balance.split(' ').next().unwrap();
        assert_eq!(answer(&format!("{LEDGER} find {label} ?")), balance);
    }
    // x 3 + 9, y 2 - 3, a 3 + 2; then 2 + 1, 9 - 2, 2 + 9; then 3 + 4, 7 - 3, 3 + 7; then 7 + 6; then 3 + 5.
    let values = [
        ("t39", 2),
        ("t40", 9),
        ("t41", 5),
        ("t42", 3),
        ("t43", 7),
        ("t44", 1),
        ("t45", 7),
        ("t46", 4),
        ("t47", 0),
        ("t48", 3),
        ("t51", 8),
    ];
    for (label, value) in values {
        assert_eq!(answer(&format!("{PROGRAM} find {label} ?")), format!("{label} {value}"));
    }
}

#[test]
fn several_values_are_given_in_the_order_of_the_question() {
    let sums = "lagged sums mod 10 : t40 7 t41 3 t42 5 rule t43 = t41 + t40 until t45 ; find";
    assert_eq!(answer(&format!("{sums} t45 t43 t44 ?")), "t45 5 t43 0 t44 8");
    assert_eq!(answer(&format!("{LEDGER} find t40 t18 t22 ?")), "t40 6 t41 7 t18 8 t19 3 t22 6 t23 1");
    assert_eq!(answer(&format!("{PROGRAM} find t42 t39 ?")), "t42 3 t39 2");
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
    ("lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 find", &["word 16 is `find`", "`until`"]),
    ("lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 until t2", &["word 17 is `t2`", "t3 to t599"]),
    (
        "lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 until t9 ; find t10",
        &["word 20 is `t10`", "t3 to t9"],
    ),
    (
        "lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 until t9 ; find t9 ? now",
        &["`now`", "nothing after the `?`"],
    ),
    (
        "lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 until t9 ; find ?",
        &["word 20 is `?`", "t3 to t9, a name after the start values"],
    ),
    (
        "lagged sums mod 10 : t1 7 t2 7 rule t3 = t2 + t1 until t9 ; find t9 t2 ?",
        &["word 21 is `t2`", "t3 to t9, a name after the start values, or `?`"],
    ),
    ("ledger : Ann t8 5 t9 4 pays", &["`pays`", "an account's name (Ann, Bob, Cid, ...) not used before"]),
    ("ledger : Ann t8 5 t9 4 Bob t10", &["word 9 is `t10`", "t12, the label of the balance's units"]),
    ("ledger : t8", &["word 3 is `t8`", "an account's name"]),
    ("ledger : Ann t8 5 t10", &["word 6 is `t10`", "t9, the label of the balance's tens"]),
    ("ledger : Ann t8 45", &["word 5 is `45`", "0 to 9, a digit of the balance"]),
    ("ledger : Ann t8 5 t9 4 Ann", &["word 8 is `Ann`", "not used before"]),
    ("ledger : Ann t8 5 t9 4 Bob t12 8 t13 1 find", &["word 13 is `find`", "not used before, or `pays`"]),
    ("ledger : Ann t8 5 t9 4 Bob t12 8 t13 1 pays Bob", &["word 14 is `Bob`", "`Ann`"]),
    ("ledger : Ann t8 5 t9 4 Bob t12 8 t13 1 pays Ann 10", &["`10`", "1 to 9, what the account pays"]),
    ("ledger : Ann t8 5 t9 4 Bob t12 8 t13 1 pays Ann 1 Bob 1 ring Ann until", &["`until`", "`Bob`"]),
    (
        "ledger : Ann t8 5 t9 4 Bob t12 8 t13 1 pays Ann 1 Bob 1 ring Ann Bob Ann until t16",
        &["word 23 is `t16`", "the last label of a day"],
    ),
    ("program : loop", &["`loop`", "a scalar"]),
    ("program : x t3 1 a t3", &["word 7 is `t3`", "not used before"]),
    ("program : x t3 1 loop x t3", &["word 8 is `t3`", "t4, the label after the last"]),
    ("program : x t3 1 y t4 2 loop x t5 = x t3 + y t4 ; until", &["x t3, 1 labels later", "is missing"]),
    ("program : x t3 1 loop x t4 = x t9", &["word 11 is `t9`", "a value of x: t3"]),
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
    wrong(&format!("{LEDGER} find t41 ?"), "t18 to t40, the units' label");
    wrong(&format!("{LEDGER} find t39 ?"), "t18 to t40, the units' label");
    wrong(&format!("{PROGRAM} find t38 ?"), "t39 to t80");
    wrong(&format!("{PROGRAM} find t81 ?"), "t39 to t80");
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
