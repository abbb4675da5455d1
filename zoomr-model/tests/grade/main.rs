//! The grader: answers that are the same although they look different, answers that are not, and hostile text.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde::Deserialize;
use zoomr_model::grade::{find, grade, same};

const SAME: &[(&str, &str)] = &[
    ("7", "7.0"),
    ("-7", "−7"),
    ("+7", "7"),
    ("1/2", "0.5"),
    ("\\frac{1}{2}", ".5"),
    ("\\dfrac12", "\\tfrac{2}{4}"),
    ("-\\frac{1}{2}", "\\frac{-1}{2}"),
    ("3 1/2", "7/2"),
    ("3\\frac{1}{2}", "3.5"),
    ("-3 1/2", "-3.5"),
    ("50%", "1/2"),
    ("50\\%", "50"),
    ("50 percent", "0.50"),
    ("1,234,567", "1234567"),
    ("1{,}234", "1234"),
    ("1.5e3", "1500"),
    ("1.5 \\times 10^{3}", "1500"),
    ("6.02 × 10^23", "602000000000000000000000"),
    ("10^{-3}", "0.001"),
    ("12 cm", "12"),
    ("12\\text{ cm}", "12"),
    ("12 cm", "12cm"),
    ("5 apples left over", "5"),
    ("4 more", "4"),
    ("1.5 million dollars", "1,500,000"),
    ("3 thousand", "3000"),
    ("1 apple", "1 apples"),
    ("$12.50", "12.5"),
    ("\\$12", "12 dollars"),
    ("90^\\circ", "90"),
    ("90^{\\circ}", "90°"),
    ("90 degrees", "90^\\circ"),
    ("x = 5", "5"),
    ("2 + 3 = 5", "5"),
    ("2\\pi", "\\pi \\cdot 2"),
    ("2pi", "6.283185307"),
    ("\\frac{\\pi}{2}", "1.5707963"),
    ("3\\sqrt{2}", "\\sqrt{18}"),
    ("\\sqrt{16}", "4"),
    ("√2", "1.41421356"),
    ("1 + \\sqrt 2", "\\sqrt{2}+1"),
    ("2^{10}", "1024"),
    ("(2 + 3)(4)", "20"),
    ("4 1 7", "417"),
    ("0 0 7", "7"),
    ("\\left(\\frac{1}{2}\\right)", "0.5"),
    ("\\text{Evelyn}", "Evelyn"),
    ("(1, 2)", "(1,2)"),
    ("x^{2}+1", "x^2 + 1"),
    ("\\infty", "\\infty"),
    ("1/0", "1/0"),
    ("\\frac{0}{1} + -1/1", "-1"),
    ("2 - -3", "5"),
    ("\\sqrt[3]{8}", "2"),
    ("11,\\! 111", "11111"),
    ("(C)", "C"),
    ("x \\in [1,2]", "[1, 2]"),
    ("\\{1, 2\\}", "\\{2, 1\\}"),
];

const DIFFERENT: &[(&str, &str)] = &[
    ("7", "8"),
    ("7", "-7"),
    ("0.333", "1/3"),
    ("12 m", "12 cm"),
    ("4 million", "4"),
    ("4 millionaires", "4000000"),
    ("4 squared", "4"),
    ("4 minus 3", "4"),
    ("4 less than 9", "4"),
    ("12 cm^2", "12 cm"),
    ("2x", "2"),
    ("2xy", "2"),
    ("2 and 3", "2"),
    ("1, 2", "1"),
    ("[1, 2", "1"),
    ("(1,234)", "1234"),
    ("[1,2)", "(1,2]"),
    ("(1, 2)", "1"),
    ("x=1, y=2", "2"),
    ("12 345", "12"),
    ("1,23", "1"),
    ("50%", "5000"),
    ("3.14", "\\pi"),
    ("\u{663}", "3"),
    ("３", "3"),
    ("NaN", "0"),
    ("inf", "1e999"),
    ("1/0", "0/0"),
    ("", ""),
    ("", "0"),
    ("0", ""),
    ("A", "B"),
];

#[test]
fn same_answers_are_the_same_either_way_round() {
    for (a, b) in SAME {
        assert!(same(a, b) && same(b, a), "{a} and {b}");
    }
    for (a, b) in DIFFERENT {
        assert!(!same(a, b) && !same(b, a), "{a} and {b}");
    }
}

/// What Math-Verify says of a pair, and what zoomr says where it rightly differs.
#[derive(Deserialize)]
struct Verdict {
    right: String,
    given: String,
    math_verify: bool,
    ours: Option<bool>,
    why: Option<String>,
}

/// Pairs of the kinds that reasoning models write, put together by hand and judged by Math-Verify 0.9.0 (with
/// latex2sympy2_extended 1.11.0 and SymPy 1.14.0), each side within `$...$` or within `\boxed{...}`, whichever it reads.
#[test]
fn answers_are_judged_as_math_verify_judges_them() {
    for line in include_str!("math_verify.jsonl").lines() {
        let Verdict { right, given, math_verify, ours, why } = serde_json::from_str(line).unwrap();
        assert_eq!(ours.is_some(), why.is_some(), "{line}");
        assert_eq!(same(&given, &right), ours.unwrap_or(math_verify), "{line}");
    }
}

#[test]
fn whole_texts_are_graded() {
    for (text, right) in [
        ("We get $\\boxed{\\dfrac{22}{7}}$.", "22/7"),
        ("t75 3 + t40 7 = t88 0 ; </thought> answer 10 <eos>", "10"),
        ("... answer 4 1 7 <eos>", "4 1 7"),
        ("#### 72", "72"),
        ("so there are 18 in all", "18"),
        ("The answer is 7.<|im_end|>", "7"),
        ("So it costs 7 euros. Answer: 7<|im_end|>", "7"),
        ("<think>6 times 7</think> <answer>42</answer>", "42"),
        ("\\boxed{11,\\! 111,\\! 111,\\! 100}", "11111111100"),
        ("the total comes to 1.5e3", "1500"),
        ("\\boxed{C}", "\\text{(C)}"),
        ("\\boxed{2, 3}", "3, 2"),
        ("x = 2 or x = 3, so the answer is x = 2 or x = 3.", "2, 3"),
    ] {
        assert!(grade(text, right), "{text}");
    }
    for (text, right) in
        [("no idea", "1"), ("", "1"), ("\\boxed{2} answer 1", "1"), ("10", ""), ("it comes to 1.5e3", "3")]
    {
        assert!(!grade(text, right), "{text}");
    }
}

/// Pieces that make hostile texts when repeated.
const HOSTILE: &[&str] = &[
    "{",
    "}",
    "(",
    "\\boxed{",
    "\\boxed{1",
    "\\frac{",
    "\\frac",
    "\\sqrt",
    "-",
    "+-",
    "^",
    "2^",
    "1/",
    "1 ",
    "9",
    "9,999",
    "9.",
    "answer ",
    "answer is ",
    "answer.",
    "####",
    "answer:",
    "\\left",
    "$",
    " ",
    "\\",
    "٣",
    "é",
    "\0",
    "=",
    "1=",
    "\\text{",
    "%",
    "e9",
    ",",
    "<",
    "\\boxed{}",
    "a.",
];

#[test]
fn long_texts_take_no_longer_than_they_must() {
    for piece in HOSTILE {
        for around in ["", "answer 5 ", "\\boxed{"] {
            let text = format!("{around}{}", piece.repeat((1 << 18) / piece.len()));
            let begun = Instant::now();
            grade(&text, "5");
            grade("5", &text);
            same(&text, &text);
            // Linear, it is a fraction of a second even unoptimised; quadratic, it is an hour.
            assert!(begun.elapsed() < Duration::from_secs(20), "{piece:?} took {:?}", begun.elapsed());
        }
    }
}

#[test]
fn nesting_has_a_limit_and_no_consequence() {
    let nested = |depth: usize| format!("{}5{}", "(".repeat(depth), ")".repeat(depth));
    assert!(same(&nested(60), "5"));
    assert!(!same(&nested(70), "5"));
    assert!(same(&nested(100_000), &nested(100_000)), "as text");
    assert!(!same(&nested(1000), &nested(1001)));
}

proptest! {
    #[test]
    fn any_text_is_graded(pieces in prop::collection::vec(
        prop_oneof![prop::sample::select(HOSTILE).prop_map(String::from), any::<String>(), "[0-9+*/^(){}. -]{0,20}"],
        0..12,
    )) {
        let text = pieces.concat();
        let answer = find(&text);
        prop_assert!(answer.is_none_or(|answer| text.contains(answer)));
        grade(&text, &text);
    }

    #[test]
    fn numbers_are_found_in_every_dress(n in -99_999i64..100_000) {
        let right = n.to_string();
        for text in [
            format!("\\boxed{{{n}}}"),
            format!("the answer is {n}."),
            format!("#### {n} cm"),
            format!("in the end {n}"),
            format!("answer {n}.0 <eos>"),
            format!("\\boxed{{\\frac{{{}}}{{7}}}}", 7 * n),
        ] {
            prop_assert!(grade(&text, &right), "{} is {}", text, right);
            prop_assert!(!grade(&text, &(n + 1).to_string()), "{} is not {} + 1", text, right);
        }
    }

    #[test]
    fn sums_of_fractions_are_exact(a in -99i64..100, b in 1i64..100, c in -99i64..100, d in 1i64..100) {
        let given = format!("\\frac{{{a}}}{{{b}}} + {c}/{d}");
        let right = format!("{}/{}", a * d + b * c, b * d);
        prop_assert!(same(&given, &right), "{} and {}", given, right);
    }
}
