//! Grading: an answer is part of the text, and two answers are the same whichever is looked at first.

use zoomr_model::grade::{find, same};

/// The right answer in the first line, and a model's text after it.
pub fn grade(bytes: &[u8]) -> bool {
    let input = String::from_utf8_lossy(bytes);
    let (right, text) = input.split_once('\n').unwrap_or((&input, &input));
    assert_eq!(same(text, right), same(right, text), "{text:?} and {right:?}");
    let Some(answer) = find(text) else { return false };
    assert!(text.contains(answer), "{answer:?} in {text:?}");
    assert_eq!(same(answer, right), same(right, answer), "{answer:?} and {right:?}");
    assert_eq!(zoomr_model::grade::grade(text, right), same(answer, right), "{answer:?} and {right:?}");
    // Without a digit, it may be nothing but layout.
    if answer.contains(|c: char| c.is_ascii_digit()) {
        assert!(same(answer, answer), "{answer:?} is not itself");
    }
    true
}
