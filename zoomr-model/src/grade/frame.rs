//! What may stand around an answer and is no part of it: markers, tags, the signs of lists and of emphasis.

use super::expression;

/// Longer names are no markers: `<|im_end|>`, `</s>`, `<end_of_turn>`.
const LONGEST_MARKER: usize = 64;

/// A text without the markers and the white space at its end.
pub(super) fn without_end_markers(text: &str) -> &str {
    let mut rest = text.trim_end();
    while let Some(begin) = marker_at_end(rest) {
        rest = rest[..begin].trim_end();
    }
    rest
}

fn marker_at_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let name = bytes.strip_suffix(b">")?;
    let begin = name.len() - name.iter().rev().take(LONGEST_MARKER).position(|&byte| byte == b'<')? - 1;
    let is_name = !name[begin + 1..].iter().any(|byte| byte.is_ascii_whitespace() || *byte == b'>');
    (is_name && begins_marker(&text[begin..])).then_some(begin)
}

/// Whether a text that begins with `<` begins with a marker or a tag: `<eos>`, `</s>`, `<|end|>`, `<｜end｜>`.
pub(super) fn begins_marker(text: &str) -> bool {
    let next = text.chars().nth(1);
    next.is_some_and(|c| matches!(c, '/' | '|' | '｜') || c.is_alphabetic())
}

/// What the last pair of tags `<answer>` holds, or what follows the last that nothing closes.
pub(super) fn tagged<'t>(text: &'t str, lower: &str) -> Option<&'t str> {
    const TAG: &str = "<answer>";
    let inside = |(at, _): (usize, &str)| {
        let begin = at + TAG.len();
        let end = lower[begin..].find("</answer>").map_or(text.len(), |len| begin + len);
        Some(text[begin..end].trim()).filter(|inside| !inside.is_empty())
    };
    lower.rmatch_indices(TAG).find_map(inside)
}

/// Whether the word that begins at `at` is a tag's name.
pub(super) fn is_tag(text: &str, at: usize) -> bool {
    let before = &text[..at];
    before.ends_with('<') || before.ends_with("</")
}

/// A text without the words and marks that lead to an answer.
pub(super) fn without_lead(text: &str) -> &str {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start_matches(|c: char| {
            c.is_whitespace() || matches!(c, ':' | '*' | '`' | '"' | '>' | '_')
        });
        let at_line = rest[..rest.len() - trimmed.len()].contains('\n');
        let after = ["is", "was", "are"].iter().find_map(|word| trimmed.strip_prefix(word));
        let word = after.filter(|after| !after.starts_with(char::is_alphanumeric));
        let item = if at_line { after_list_sign(trimmed) } else { None };
        let next = word.or(item).unwrap_or(trimmed);
        if next.len() == rest.len() {
            return rest;
        }
        rest = next;
    }
}

/// What follows the sign of a list's item at the start of a line: `- 42`, or `1. 42`, where the rest is an answer
/// by itself.
fn after_list_sign(line: &str) -> Option<&str> {
    let bullet = ["- ", "+ ", "• ", "– "].iter().find_map(|sign| line.strip_prefix(sign));
    bullet.or_else(|| {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let item = line[digits..].strip_prefix(". ").or_else(|| line[digits..].strip_prefix(") "))?;
        let end = item.find('\n').unwrap_or(item.len());
        ((1..=2).contains(&digits) && expression::quantity(item[..end].trim_matches('*')).is_some())
            .then_some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_at_the_end_are_no_part_of_an_answer() {
        for (text, rest) in [
            ("7.<|im_end|>", "7."),
            ("7 </s>\n<|eot_id|> ", "7"),
            ("7<｜end▁of▁sentence｜>", "7"),
            ("7<end_of_turn>", "7"),
            ("3 > 2", "3 > 2"),
            ("2 <3>", "2 <3>"),
            ("a < b and c>", "a < b and c>"),
            ("<eos>", ""),
        ] {
            assert_eq!(without_end_markers(text), rest, "{text}");
        }
    }

    #[test]
    fn signs_of_lists_and_emphasis_lead_to_an_answer() {
        for (text, rest) in [
            (" is: **42**", "42**"),
            (":\n- 42", "42"),
            (":\n1. 42", "42"),
            ("\n\n> **42**", "42**"),
            (": - 42", "- 42"),
            (":\n12. That is it", "12. That is it"),
            (":\n-42", "-42"),
        ] {
            assert_eq!(without_lead(text), rest, "{text}");
        }
    }
}
