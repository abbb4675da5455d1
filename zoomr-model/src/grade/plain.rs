//! Answers that are no quantities: text, without what layout adds to it.

use super::lead::{TEXT, skip};

/// A text in lower case, without white space, layout, braces, a plus before it, and a stop at its end.
pub(super) fn essence(text: &str) -> String {
    let mut essence = String::with_capacity(text.len().min(1 << 10));
    let rest = skip(text.trim_end_matches(|c: char| c.is_whitespace() || c == '.'));
    let mut rest = rest.strip_prefix('+').map_or(rest, skip);
    while let Some(c) = rest.chars().next() {
        if let Some((kept, after)) = command(rest) {
            essence.push_str(kept);
            rest = after;
        } else {
            if c != '{' && c != '}' {
                essence.push(c.to_ascii_lowercase());
            }
            rest = &rest[c.len_utf8()..];
        }
        rest = skip(rest);
    }
    essence
}

/// For a command that is written in other ways, too: what is kept of it, and what follows.
fn command(text: &str) -> Option<(&'static str, &str)> {
    if !text.starts_with('\\') {
        return None;
    }
    let size = || ["\\dfrac", "\\tfrac"].iter().find_map(|command| text.strip_prefix(command));
    let inside = TEXT.iter().find_map(|command| text.strip_prefix(command));
    inside.map(|after| ("", after)).or_else(|| Some(("\\frac", size()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        essence(a) == essence(b)
    }

    #[test]
    fn layout_says_nothing() {
        for (a, b) in [
            ("\\text{Evelyn}.", "evelyn"),
            ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\dfrac{\\pi}{2})"),
            ("$x^{10} + 1$", "x^10+1"),
            ("1/0", "1 / 0"),
        ] {
            assert!(same(a, b), "{a} and {b}");
        }
        for (a, b) in [("x+1", "1+x"), ("A", "B")] {
            assert!(!same(a, b), "{a} and {b}");
        }
    }
}
