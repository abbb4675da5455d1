//! An answer as what it is: a quantity, a pair or an interval, a set or a list, a matrix, or text.
//!
//! What stands in round or square brackets with commas between is in that order, and its brackets count: `(1,2)` is
//! neither `(2,1)` nor `[1,2]`. What stands in braces is a set. What stands in none is a list, which is the same as one
//! in another order, as the set, and as the round brackets in its own order.

use super::{
    expression::{LONGEST, Quantity, quantity},
    lead::{TEXT, skip},
    plain,
};

/// Parts are text within more brackets than this.
const DEEPEST: usize = 16;
/// More parts than this make a text.
const MOST_PARTS: usize = 256;
/// Longer names are something else.
const LONGEST_NAME: usize = 16;
/// LaTeX's environments for matrices.
const MATRICES: [&str; 5] = ["pmatrix", "bmatrix", "matrix", "vmatrix", "array"];

/// An answer, read.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Quantity(Quantity),
    /// Parts in their order, with what opens and closes them, or the shape of a matrix.
    Sequence {
        frame: String,
        parts: Vec<Part>,
    },
    /// Parts in braces, in any order.
    Set(Vec<Part>),
    /// Parts without anything around them.
    List(Vec<Part>),
    /// Without layout.
    Text(String),
}

/// One of several answers, with the name that it is given to: `x = 2`.
#[derive(Clone, Debug)]
pub(super) struct Part {
    name: String,
    value: Answer,
}

impl Answer {
    pub(super) fn read(text: &str) -> Self {
        Self::read_at(text, 0)
    }

    /// Whether there is nothing in it but layout.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// Whether two answers are the same; empty ones are.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Quantity(a), Self::Quantity(b)) => a.is(b),
            (Self::Sequence { frame, parts: a }, Self::Sequence { frame: other, parts: b }) => {
                frame == other && in_order(a, b)
            }
            (Self::Sequence { frame, parts: a }, Self::List(b))
            | (Self::List(a), Self::Sequence { frame, parts: b }) => frame == "()" && in_order(a, b),
            (Self::Set(a) | Self::List(a), Self::Set(b) | Self::List(b)) => covers(a, b) && covers(b, a),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }

    /// Whether it is anything but text in words.
    pub(super) fn is_mathematics(&self) -> bool {
        !matches!(self, Self::Text(_)) || self.is_letter()
    }

    fn is_letter(&self) -> bool {
        matches!(self, Self::Text(text) if text.chars().count() == 1)
    }

    fn is_several(&self) -> bool {
        matches!(self, Self::Sequence { .. } | Self::Set(_) | Self::List(_))
    }

    fn read_at(text: &str, depth: usize) -> Self {
        let text = unwrapped(text);
        if let Some(quantity) = quantity(text) {
            return Self::Quantity(quantity);
        }
        let text = named(text).map_or(text, |(_, value)| value);
        let several =
            (text.len() <= LONGEST && depth < DEEPEST).then(|| Self::several(text, depth)).flatten();
        several.unwrap_or_else(|| Self::Text(plain::essence(text)))
    }

    /// An answer of several parts.
    fn several(text: &str, depth: usize) -> Option<Self> {
        if let Some(matrix) = Self::matrix(text, depth) {
            return Some(matrix);
        }
        if let [before, after] = split(text, &["\\pm", "±"])?[..] {
            let signs = ["+", "-"].map(|sign| Part::read(&format!("{before}{sign}{after}"), depth));
            return Some(Self::Set(signs.into()));
        }
        let united = split(text, &["\\cup", "∪"])?;
        if united.len() > 1 {
            let parts: Vec<Part> = united.into_iter().map(|part| Part::read(part, depth)).collect();
            return parts.iter().all(|part| part.value.is_several()).then_some(Self::Set(parts));
        }
        let Some((open, inside, close)) = bracketed(text) else {
            let parts =
                Self::parts(text, &[",", ";", " and ", " or ", "\\text{ and }", "\\text{ or }"], depth)?;
            return (parts.len() > 1 && parts.iter().all(Part::is_mathematics)).then_some(Self::List(parts));
        };
        let parts = Self::parts(inside, &[",", ";"], depth)?;
        match (open, parts.len()) {
            ("{", _) => Some(Self::Set(parts)),
            // Brackets around a choice say nothing: `(C)` is `C`.
            (_, 1) => parts.into_iter().next().map(|part| part.value).filter(Self::is_letter),
            _ => Some(Self::Sequence { frame: format!("{open}{close}"), parts }),
        }
    }

    fn matrix(text: &str, depth: usize) -> Option<Self> {
        let inside = text.strip_prefix("\\begin{")?;
        let (kind, inside) = inside.split_once('}').filter(|(kind, _)| MATRICES.contains(kind))?;
        let inside = inside.trim_end().strip_suffix('}')?.strip_suffix(kind)?.strip_suffix("\\end{")?;
        let rows: Vec<&str> = inside.split("\\\\").filter(|row| !row.trim().is_empty()).collect();
        let widths: Vec<String> = rows.iter().map(|row| row.split('&').count().to_string()).collect();
        let cells = rows.iter().flat_map(|row| row.split('&'));
        let parts: Vec<Part> = cells.take(MOST_PARTS + 1).map(|cell| Part::read(cell, depth)).collect();
        (parts.len() <= MOST_PARTS).then(|| Self::Sequence { frame: widths.join("&"), parts })
    }

    /// The parts between `separators` but for empty ones; their names only where they tell them apart.
    fn parts(text: &str, separators: &[&str], depth: usize) -> Option<Vec<Part>> {
        let parts = split(text, separators)?;
        let parts = parts.into_iter().map(|part| part.strip_prefix("and ").unwrap_or(part));
        let mut parts: Vec<Part> =
            parts.map(|part| Part::read(part, depth)).filter(|part| !part.value.is_empty()).collect();
        if parts.windows(2).all(|pair| pair[0].name == pair[1].name) {
            parts.iter_mut().for_each(|part| part.name.clear());
        }
        Some(parts)
    }
}

impl Part {
    fn read(text: &str, depth: usize) -> Self {
        let (name, value) = named(text).unwrap_or(("", text));
        Self { name: plain::essence(name), value: Answer::read_at(value, depth + 1) }
    }

    fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.value.is(&other.value)
    }

    /// Whether it holds no words: two letters in a row, unless they are a command's.
    fn is_mathematics(&self) -> bool {
        let Answer::Text(text) = &self.value else { return true };
        let mut letters = 0;
        text.contains('\\')
            || text.chars().all(|c| {
                letters = if c.is_alphabetic() { letters + 1 } else { 0 };
                letters < 2
            })
    }
}

fn in_order(a: &[Part], b: &[Part]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is(b))
}

/// Whether each of `a` is among `b`.
fn covers(a: &[Part], b: &[Part]) -> bool {
    a.iter().all(|part| b.iter().any(|other| part.is(other)))
}

/// A text without what may stand around all of it: white space, `\text{...}`, a stop.
fn unwrapped(text: &str) -> &str {
    let mut rest = skip(text).trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '$'));
    while let Some(inside) = TEXT.iter().find_map(|command| rest.strip_prefix(command))
        && let Some(inside) = inside.strip_suffix('}')
        && !inside.contains('}')
    {
        rest = skip(inside).trim_end();
    }
    rest
}

/// `x = value`, `x \in value`: the name and the value, where there is but one such sign.
fn named(text: &str) -> Option<(&str, &str)> {
    let member = |(_, value): &(&str, &str)| !value.starts_with(|c: char| c.is_alphabetic());
    let sign = text.split_once("\\in").filter(member).or_else(|| text.split_once('∈'));
    let (name, value) = sign.or_else(|| text.split_once('='))?;
    let (name, value) = (name.trim(), value.trim());
    let is_name =
        !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(|c: char| c.is_ascii_digit());
    (is_name && !value.contains(['=', '∈']) && split(name, &[",", ";"])?.len() == 1).then_some((name, value))
}

/// What a bracket that begins a text and closes at its end holds, with the two.
fn bracketed(text: &str) -> Option<(&'static str, &str, &'static str)> {
    let text = text.trim();
    let body = text.strip_prefix("\\left").unwrap_or(text).trim_start();
    let openers = [("\\{", "{"), ("(", "("), ("[", "[")];
    let (open, rest) =
        openers.iter().find_map(|(written, open)| Some((*open, body.strip_prefix(written)?)))?;
    let closers = [("\\}", "}"), (")", ")"), ("]", "]")];
    let (close, inside) =
        closers.iter().find_map(|(written, close)| Some((*close, rest.strip_suffix(written)?)))?;
    let inside = inside.strip_suffix("\\right").unwrap_or(inside);
    // The bracket must not have been closed before.
    split(inside, &[])?;
    ((open == "{") == (close == "}")).then_some((open, inside, close))
}

/// The parts between `separators` that stand in no bracket; `None` where brackets do not match, or parts are too many.
fn split<'t>(text: &'t str, separators: &[&str]) -> Option<Vec<&'t str>> {
    let mut parts = Vec::new();
    let (mut begin, mut at, mut depth) = (0, 0, 0usize);
    while at < text.len() {
        let here = &text[at..];
        let separator = separators.iter().find(|&&separator| depth == 0 && here.starts_with(separator));
        if let Some(separator) = separator {
            parts.push(text[begin..at].trim());
            at += separator.len();
            begin = at;
            continue;
        }
        match here.as_bytes()[0] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += here.chars().next().map_or(1, char::len_utf8);
    }
    parts.push(text[begin..].trim());
    (depth == 0 && parts.len() <= MOST_PARTS).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (a, b) = (Answer::read(a), Answer::read(b));
        assert_eq!(a.is(&b), b.is(&a));
        a.is(&b)
    }

    #[test]
    fn parts_in_brackets_keep_their_order_and_sets_have_none() {
        for (a, b) in [
            ("(1, 0.5)", "\\left(1, \\frac{1}{2}\\right)"),
            ("[1, 2)", "x \\in [1,2)"),
            ("(1,234)", "(1, 234)"),
            ("3, 2", "2, 3"),
            ("2 and 3", "\\{3, 2\\}"),
            ("x = 1, x = 2", "2, 1"),
            ("x = 1, y = 2", "y = 2, x = 1"),
            ("(-\\infty, 1] \\cup [2, \\infty)", "[2,\\infty)\\cup(-\\infty,1]"),
            ("(C)", "\\text{C}"),
            ("\\text{(C)}", "C."),
            ("A, C", "C, A"),
            ("1, 2", "(1, 2)"),
            ("2\\text{ or }3", "x = 3, x = 2"),
            ("(x, y) = (1, 2)", "(1,2)"),
            ("y = 2x + 3", "2x+3"),
            ("\\pm 2", "2, -2"),
            ("11, \\!, \\1! 099", "11, \\1!099"),
            (
                "\\begin{pmatrix} & 1 \\\\ 2 & \\end{pmatrix}",
                "\\begin{bmatrix}\\, & 1 \\\\ 2 & \\end{bmatrix}",
            ),
            ("1 \\pm \\sqrt{2}", "\\{1 - \\sqrt 2, 1 + \\sqrt 2\\}"),
            (
                "\\begin{pmatrix} 1 & 2 \\\\ 0.5 & 4 \\end{pmatrix}",
                "\\begin{bmatrix}1&2\\\\\\frac12&4\\end{bmatrix}",
            ),
        ] {
            assert!(same(a, b), "{a} and {b}");
        }
        for (a, b) in [
            ("(1, 2)", "(2, 1)"),
            ("(1, 2)", "[1, 2]"),
            ("[1, 2)", "[1, 2]"),
            ("(2, 1)", "1, 2"),
            ("[1, 2]", "1, 2"),
            ("(1,234)", "1234"),
            ("x = 1, y = 2", "x = 2, y = 1"),
            ("Paris, Texas", "Texas, Paris"),
            ("1, 2", "1, 2, 3"),
            ("\\begin{pmatrix}1 \\\\ 2\\end{pmatrix}", "\\begin{pmatrix}1 & 2\\end{pmatrix}"),
        ] {
            assert!(!same(a, b), "{a} and {b}");
        }
    }
}
