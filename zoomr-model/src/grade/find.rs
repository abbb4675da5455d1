//! Where in a text the answer is.
//!
//! In this order: what the last `\boxed{...}` holds; what the last `<answer>` holds; what follows the last `####` or
//! the last word *answer*, up to the end of its clause; the last number. An announcement that is a whole sentence is
//! looked through for its last number. Markers at the end of a text are no part of it.

use super::{
    answer::Answer,
    expression,
    frame::{self, without_end_markers},
};

/// The answer that a text gives, as it stands there; `None` where there is none.
pub fn find(text: &str) -> Option<&str> {
    let text = without_end_markers(text);
    boxed(text).or_else(|| {
        let lower = text.to_ascii_lowercase();
        tagged(text, &lower).or_else(|| announced(text, &lower)).or_else(|| last_number(text))
    })
}

/// The inside of the innermost box that begins last, its braces balanced.
pub(crate) fn boxed(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    // For each open brace, where its inside begins if it is a box's.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut found: Option<(usize, &str)> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            // Whatever is escaped is no brace.
            b'\\' => at += 1,
            b'{' => open.push(is_box(&bytes[..at]).then_some(at + 1)),
            b'}' => {
                if let Some(Some(begin)) = open.pop()
                    && found.is_none_or(|(other, _)| begin > other)
                    && !text[begin..at].trim().is_empty()
                {
                    found = Some((begin, text[begin..at].trim()));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found.map(|(_, inside)| inside)
}

fn is_box(before: &[u8]) -> bool {
    [&b"\\boxed"[..], b"\\fbox", b"\\boxed "].iter().any(|command| before.ends_with(command))
}

/// What the last tag `<answer>` holds: as a whole, or what a text in it comes to.
fn tagged<'t>(text: &'t str, lower: &str) -> Option<&'t str> {
    let inside = frame::tagged(text, lower)?;
    let is_answer = inside.split_whitespace().nth(2).is_none() || expression::quantity(inside).is_some();
    if is_answer {
        Some(inside)
    } else {
        announced(inside, &inside.to_ascii_lowercase()).or_else(|| sentence(inside))
    }
}

/// What follows the last announcement of an answer that something follows.
fn announced<'t>(text: &'t str, lower: &str) -> Option<&'t str> {
    let hashes = text.rmatch_indices("####").map(|(at, mark)| at + mark.len());
    let hashes = hashes.map(|at| (at, clause(&text[at..]))).find(|(_, clause)| !clause.is_empty());
    let words = lower.rmatch_indices("answer").filter(|(at, _)| !frame::is_tag(text, *at));
    let words = words
        .map(|(at, mark)| at + mark.len())
        .filter(|&at| !text[at..].starts_with(char::is_alphabetic))
        .map(|at| (at, clause(&text[at..])))
        .find(|(_, clause)| !clause.is_empty());
    let (_, clause) = hashes.into_iter().chain(words).max_by_key(|(at, _)| *at)?;
    sentence(clause)
}

/// Of an announcement that is a whole sentence its last number, else all of it.
fn sentence(clause: &str) -> Option<&str> {
    let is_sentence = clause.split_whitespace().nth(2).is_some() && !Answer::read(clause).is_mathematics();
    Some(if is_sentence { last_number(clause).unwrap_or(clause) } else { clause })
}

/// The clause that a text begins with, without the words and marks that lead to an answer.
fn clause(text: &str) -> &str {
    let rest = frame::without_lead(text);
    rest[..end_of_clause(rest)]
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '`' | '"' | '.' | '_'))
}

/// Where a clause ends: at a new line, a stop, a comma before a word, or a marker such as `<eos>`.
fn end_of_clause(text: &str) -> usize {
    let ends = |(at, c): &(usize, char)| {
        let mut after = text[at + c.len_utf8()..].chars();
        match c {
            '\n' => true,
            '.' => after.next().is_none_or(char::is_whitespace),
            ',' => after.next() == Some(' ') && after.next().is_some_and(char::is_alphabetic),
            '<' => frame::begins_marker(&text[*at..]),
            _ => false,
        }
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// The last run of digits, points, commas and slashes, with a power of ten, its sign and a percent sign.
fn last_number(text: &str) -> Option<&str> {
    let last = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let end = if text[last..].starts_with('%') { last + 1 } else { last };
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '/');
    let begin = text[..last].trim_end_matches(is_part).len();
    let begin =
        before_power(&text[..begin]).map_or(begin, |power| text[..power].trim_end_matches(is_part).len());
    // A sign is one only where nothing stands before it that could be subtracted from.
    let begin = match text[..begin].strip_suffix(['-', '−']) {
        Some(before) if !before.ends_with(|c: char| c.is_alphanumeric() || c == ')') => before.len(),
        _ => begin,
    };
    Some(text[begin..end].trim_start_matches([',', '/']))
}

/// Where the `e` of a number like `1.5e-3` is, if all but the digits of its exponent are given.
fn before_power(text: &str) -> Option<usize> {
    let text = text.strip_suffix(['-', '+']).unwrap_or(text);
    let mantissa = text.strip_suffix(['e', 'E'])?;
    mantissa.ends_with(|c: char| c.is_ascii_digit()).then_some(mantissa.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_come_first() {
        for (text, answer) in [
            ("\\boxed{1} then \\boxed{\\frac{1}{2}} and answer 3", "\\frac{1}{2}"),
            ("\\boxed{ 5 } \\boxed{", "5"),
            ("\\boxed{\\boxed{7} m}", "7"),
            ("} \\{ \\boxed {8} }", "8"),
            ("\\boxed{9} \\boxed{ }", "9"),
        ] {
            assert_eq!(find(text), Some(answer), "{text}");
        }
    }

    #[test]
    fn then_what_is_announced() {
        for (text, answer) in [
            ("3 + 4 = 7 ; answer 4 1 7 <eos>", "4 1 7"),
            ("The answer is: **42**.\nIt took 3 steps.", "42"),
            ("So 9.\n#### 1,234", "1,234"),
            ("Answer: 5. Is 6 better? No, that is my answer.", "5"),
            ("The final answer is $\\frac{3}{4}$, as 4 was given.", "$\\frac{3}{4}$"),
            ("The answer is that she has 12 apples.", "12"),
            ("I answered 5, but the answer is (1, 2)", "(1, 2)"),
            ("The answer is 7.<|im_end|>", "7"),
            ("**Answer:**\n\n- 42\n", "42"),
            ("Answer:\n1. 42", "42"),
            ("### Answer\n42<|eot_id|>", "42"),
            ("<think>answer 6?</think> <answer>42</answer>", "42"),
            ("<answer> 42 </answer>", "42"),
            ("<answer>It comes to 42 in all</answer></s>", "42"),
            ("<answer>Paris", "Paris"),
            ("answer 3 <answer></answer>", "3"),
        ] {
            assert_eq!(find(text), Some(answer), "{text}");
        }
    }

    #[test]
    fn then_the_last_number() {
        for (text, answer) in [
            ("first 3, then -4.5.", "-4.5"),
            ("10-5", "5"),
            ("about 1,200/7 or so", "1,200/7"),
            ("it grew 30%!", "30%"),
            ("the total comes to 1.5e3", "1.5e3"),
            ("some -2E-3", "-2E-3"),
            ("phase3", "3"),
            ("We find 7<|im_end|>", "7"),
        ] {
            assert_eq!(find(text), Some(answer), "{text}");
        }
        for text in ["", "none", "\\boxed{}", "٣", "####", "the answer is"] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
